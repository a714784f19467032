#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/json/value.hpp>

#include "catalog/catalog.h"
#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"
#include "governance/table_policy.h"
#include "iceberg/manifest.h"
#include "storage/buckets.h"

namespace lakehouse::gateway::http {

/// The plans that clients may ask for again, for as long as there is room: the oldest go first.
/// Thread-safe.
class PlanStore {
 public:
  struct Plan {
    std::string principal;
    std::string table_uuid;
    std::string request;  ///< Where the plan begins, as a plan task has it; empty once cancelled.
  };

  explicit PlanStore(std::size_t plans_max = 10'000, std::size_t bytes_max = std::size_t{16} << 20U)
      : plans_max_(plans_max), bytes_max_(bytes_max) {}

  /// The new plan's id.
  std::string add(Plan plan);
  /// NotFound for an unknown id, or for that of another caller or table.
  Result<Plan> find(std::string_view id, std::string_view principal,
                    std::string_view table_uuid) const;
  /// As `find`. A cancelled plan is known as such, and can be cancelled again.
  Status cancel(std::string_view id, std::string_view principal, std::string_view table_uuid);

 private:
  void trim();

  std::size_t plans_max_;
  std::size_t bytes_max_;
  mutable std::mutex mutex_;
  std::map<std::string, Plan, std::less<>> plans_;  // Under mutex_, as the rest.
  std::deque<std::string> oldest_;
  std::size_t bytes_ = 0;
};

/// Server-side scan planning of the Iceberg REST catalog. Plans are made while the client waits:
/// the answer has the first files, and plan tasks for the rest. A plan task says all that it needs
/// itself, so it holds across restarts and on every server, for as long as its snapshot is there.
///
/// Outlived by what it refers to; outlives the router.
class PlanningHandlers {
 public:
  /// Without policies everybody may see what every file holds.
  PlanningHandlers(catalog::Catalog& catalog, storage::Buckets& buckets,
                   iceberg::ManifestCache& manifests, Pools pools,
                   governance::TablePolicies* policies = nullptr)
      : catalog_(catalog),
        buckets_(buckets),
        manifests_(manifests),
        pools_(pools),
        policies_(policies) {}

  void add_routes(Router& router);

 private:
  struct Call;
  struct Scan;
  using Operation = Result<Response> (PlanningHandlers::*)(const Call&);

  net::awaitable<Result<Response>> run(Request request, Operation operation);
  Route route(Method method, std::string path, std::string operation_id, Operation operation);

  /// The call's table, if all of it may be seen.
  Result<catalog::LoadedTable> load_table(const Call& call);
  Result<Response> plan_table_scan(const Call& call);
  Result<Response> fetch_planning_result(const Call& call);
  Result<Response> cancel_planning(const Call& call);
  Result<Response> fetch_scan_tasks(const Call& call);

  /// The members of the answer: files, and tasks for the rest.
  Result<std::string> tasks_json(const Call& call, const catalog::LoadedTable& table,
                                 const Scan& scan);
  Result<Response> completed(const Call& call, const catalog::LoadedTable& table, const Scan& scan,
                             const std::string& plan_id);

  catalog::Catalog& catalog_;
  storage::Buckets& buckets_;
  iceberg::ManifestCache& manifests_;
  Pools pools_;
  governance::TablePolicies* policies_;
  PlanStore plans_;
};

}  // namespace lakehouse::gateway::http
