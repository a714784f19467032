#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "query/statement_plan.h"

namespace lakehouse::query {

/// A planned SELECT without what the request alone brings (parameters, encoding, limit).
struct KeptPlan {
  StatementPlan plan;  ///< Without `held`.
  PlanBasis basis;
  std::string digest;  ///< The same for the same text, variables, snapshots and policies.
  std::uint64_t hot_epoch = 0;
  std::vector<std::weak_ptr<const void>> held;  ///< Memory is not kept for a plan's sake.
  std::size_t size_bytes = 0;

  /// The plan for one run; nothing if what it would read in memory has gone.
  [[nodiscard]] std::optional<StatementPlan> for_run() const;
};

std::shared_ptr<const KeptPlan> make_kept_plan(StatementPlan plan, PlanBasis basis,
                                               std::uint64_t hot_epoch);

/// Plans by whatever the request says that they depend on, the last used ones. Whether one still
/// holds is for Planner::still_holds to say. Thread-safe.
class PlanCache {
 public:
  explicit PlanCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  std::shared_ptr<const KeptPlan> find(const std::string& key);
  void put(std::string key, std::shared_ptr<const KeptPlan> plan);

 private:
  using Entry = std::pair<std::string, std::shared_ptr<const KeptPlan>>;
  const std::size_t bytes_max_;
  std::mutex mutex_;
  std::list<Entry> recent_;  ///< The last used first.
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key_;
  std::size_t bytes_ = 0;
};

}  // namespace lakehouse::query
