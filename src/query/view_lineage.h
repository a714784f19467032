#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "catalog/registry.h"
#include "engine/engine.h"

namespace lakehouse::query {

/// The tables that a tree as DuckDB parsed it names, each once, as written: [catalog, schema,
/// table]. Names of common table expressions are left out. For statements that are not run.
std::vector<std::vector<std::string>> tables_named(const boost::json::value& tree);

/// Puts views into the lineage: what each reads, by its SQL. A view is looked at once for each of
/// its versions. Thread-safe; calls block.
class ViewLineage {
 public:
  ViewLineage(catalog::Catalog& catalog, catalog::Registry& registry, engine::Engine& engine)
      : catalog_(catalog), registry_(registry), engine_(engine) {}

  /// Records the views that have changed. A view that cannot be read is left out; so are those
  /// past the first 10,000.
  Status refresh(const RequestContext& context);

 private:
  Status record(const RequestContext& context, const catalog::LoadedView& view);
  Result<catalog::LineageInput> input_of(const RequestContext& context,
                                         const catalog::LoadedView& view,
                                         std::vector<std::string> parts);

  catalog::Catalog& catalog_;
  catalog::Registry& registry_;
  engine::Engine& engine_;
  std::mutex mutex_;
  std::map<std::string, std::int32_t> versions_seen_;  ///< By the view's UUID.
};

}  // namespace lakehouse::query
