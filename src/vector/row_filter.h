#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "governance/table_policy.h"
#include "query/query_service.h"
#include "vector/index_spec.h"
#include "vector/loaded_index.h"
#include "vector/row_set.h"

namespace lakehouse::vector {

/// Which rows of an index a search may find.
struct AllowedRows {
  std::shared_ptr<const RowSet> rows;  ///< Null: all that are alive.
  std::int64_t snapshot_id = 0;        ///< The source's, that this is true of.
};

/// Which chunks are of rows that are there now, with the text that they have now, and that the
/// caller may see and wants to. What the caller may see, SQL as the caller says.
///
/// Answers are kept while they hold: an entity tag tells if the SQL's would be another one.
/// Thread-safe; calls may run SQL.
class RowFilter {
 public:
  struct Stats {
    std::uint64_t kept = 0;
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
  };

  RowFilter(catalog::Catalog& catalog, engine::Engine& engine, query::QueryService& queries,
            governance::TablePolicies* policies)
      : catalog_(catalog), engine_(engine), queries_(queries), policies_(policies) {}

  /// The lock on `loaded` is held by the caller, and while the answer is used. PermissionDenied if
  /// the caller may not read the texts; errors of the filter are InvalidArgument, with positions.
  Result<AllowedRows> allowed(const RequestContext& context, const IndexInfo& info,
                              const Generation& generation, const catalog::LoadedTable& source,
                              const LoadedIndex& loaded, const std::string& filter);
  /// Whether a policy restricts what the caller sees of the source. PermissionDenied if all.
  Result<governance::TablePolicy> policy_of(const RequestContext& context, const IndexInfo& info);

  [[nodiscard]] Stats stats() const;

 private:
  struct Kept {
    std::string key;
    std::uint64_t epoch = 0;
    std::string tag;
    std::int64_t snapshot_id = 0;
    std::shared_ptr<const RowSet> rows;
  };
  Result<AllowedRows> permitted(const RequestContext& context, const IndexInfo& info,
                                const Generation& generation, const catalog::LoadedTable& source,
                                const LoadedIndex& loaded, const std::string& filter,
                                bool sees_masks);
  Result<std::shared_ptr<const RowSet>> valid(const RequestContext& context, const IndexInfo& info,
                                              const Generation& generation,
                                              const catalog::LoadedTable& source,
                                              const LoadedIndex& loaded, std::int64_t snapshot_id);
  Status check_filter_once(const RequestContext& context, const std::string& filter);
  std::optional<Kept> find(const std::string& key, std::uint64_t epoch);
  void keep(Kept kept);

  catalog::Catalog& catalog_;
  engine::Engine& engine_;
  query::QueryService& queries_;
  governance::TablePolicies* policies_;
  mutable std::mutex mutex_;
  std::list<Kept> kept_;            ///< The last used first.
  std::list<std::string> filters_;  ///< That were checked.
  std::size_t kept_bytes_ = 0;
  Stats stats_;
};

}  // namespace lakehouse::vector
