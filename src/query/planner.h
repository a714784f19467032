#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "catalog/lineage.h"
#include "engine/engine.h"
#include "query/rewrite.h"
#include "query/table_source.h"

/// \file
/// From a tree as DuckDB parsed it to one that reads our snapshots.

namespace lakehouse::query {

struct PlannedSelect {
  std::vector<engine::Variable> variables;
  std::vector<std::pair<std::string, std::int64_t>> snapshot_ids;  ///< Dataset and snapshot.
  std::vector<catalog::LineageInput> inputs;                       ///< The tables, each once.
};

/// The table that `dotted` names; "lake", the catalog's name for SQL clients, may stand before it.
/// NotFound as Catalog::resolve_dataset says.
Result<catalog::TableIdentifier> resolve_table(const RequestContext& context,
                                               catalog::Catalog& catalog,
                                               const std::vector<std::string>& parts);

/// The same for a table that is to be made.
Result<catalog::TableIdentifier> new_table(const std::vector<std::string>& parts);

/// Milliseconds since 1970 of "2024-01-31", "2024-01-31 12:00:00" or "2024-01-31T12:00:00.5+01:00";
/// UTC if it names no zone. InvalidArgument otherwise.
Result<std::int64_t> parse_timestamp_ms(std::string_view text);

/// Checks the tree and puts scans in the place of its tables, SHOW statements and information
/// schemas. All tables are taken as they are at one moment; `as_of_ms` is for those that do not say
/// themselves. Errors as QueryService::run.
Result<PlannedSelect> plan_select(const RequestContext& context, catalog::Catalog& catalog,
                                  TableSource& source, boost::json::object& document,
                                  std::optional<std::int64_t> as_of_ms);

}  // namespace lakehouse::query
