#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "catalog/lineage.h"
#include "engine/engine.h"
#include "governance/table_policy.h"
#include "query/rewrite.h"
#include "query/table_functions.h"
#include "query/table_source.h"

/// \file
/// From a tree as DuckDB parsed it to one that reads our snapshots.

namespace lakehouse::query {

using TableStates = std::map<catalog::TableIdentifier, catalog::LoadedTable>;

/// The table that a statement changes, as its rows were planned.
struct ChangedTable {
  catalog::LoadedTable table;
  std::string alias;               ///< What its columns are qualified by.
  std::vector<std::string> files;  ///< Locations, by the number that rows have in `kFileNumber`.
  /// The columns that the principal may see, exact names in the schema's order; those of them that
  /// show something else than they hold.
  std::vector<std::string> visible;
  std::vector<std::string> masked;
};

struct PlannedSelect {
  std::vector<engine::Variable> variables;
  std::vector<std::pair<std::string, std::int64_t>> snapshot_ids;  ///< Dataset and snapshot.
  std::vector<catalog::LineageInput> inputs;                       ///< The tables, each once.
  /// Of the tables that the principal may see a part of only: name and the policy's version. In the
  /// order of their names.
  std::vector<std::pair<std::string, std::string>> policy_versions;
  /// Asked again at the same snapshots, the answer may be another.
  bool is_volatile = false;
  TableStates tables = {};                   ///< As they were read.
  std::optional<ChangedTable> changed = {};  ///< Nothing: no table was where it should be.
};

/// What planning is for.
enum class PlanPurpose : std::uint8_t {
  Run,
  /// For EXPLAIN: what a policy restricts is replaced by a stand-in without rows, so that a plan
  /// tells neither rows that are not shown nor the policy.
  Explain,
};

struct PlanRequest {
  std::optional<std::int64_t> as_of_ms;  ///< For tables that do not say themselves.
  boost::json::value parameters;         ///< The request's.
  PlanPurpose purpose = PlanPurpose::Run;
  /// Tables that are not as the catalog has them: an open transaction's.
  const TableStates* states = nullptr;
  /// The BASE_TABLE in the document whose rows are to be changed: they have two more columns,
  /// `kFileNumber` and `kRowNumber`.
  const boost::json::object* changed = nullptr;
  /// A reference that stands for these rows, instead of a table.
  const boost::json::object* given = nullptr;
  boost::json::object given_rows = {};
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

/// Makes statements ready for an engine. Thread-safe; calls block.
class Planner {
 public:
  struct Options {
    governance::TablePolicies* policies = nullptr;  ///< Null: everybody sees everything.
    std::vector<TableFunctionProvider*> table_functions;
  };

  Planner(catalog::Catalog& catalog, engine::Engine& engine, TableSource& source, Options options)
      : catalog_(catalog), engine_(engine), source_(source), options_(std::move(options)) {}

  /// Checks the tree and puts scans in the place of its tables, SHOW statements and information
  /// schemas. All tables are taken as they are at one moment. Errors as QueryService::run.
  Result<PlannedSelect> plan(const RequestContext& context, boost::json::object& document,
                             const PlanRequest& request);

 private:
  catalog::Catalog& catalog_;
  [[maybe_unused]] engine::Engine& engine_;
  TableSource& source_;
  Options options_;
};

}  // namespace lakehouse::query
