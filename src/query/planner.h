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
#include "query/hot_tables.h"
#include "query/kept_trees.h"
#include "query/macro_store.h"
#include "query/relations.h"
#include "query/rewrite.h"
#include "query/table_functions.h"
#include "query/table_source.h"
#include "query/trino_sql.h"

/// \file
/// From a tree as DuckDB parsed it to one that reads our snapshots.

namespace lakehouse::query {

using TableStates = std::map<catalog::TableIdentifier, catalog::LoadedTable>;

/// The table that a statement changes, as its rows were planned.
struct ChangedTable {
  catalog::LoadedTable table;
  std::string alias;               ///< What its columns are qualified by.
  std::vector<std::string> files;  ///< Locations, by the number that rows have in `kFileNumber`.
  std::int64_t row_count = 0;      ///< Of the files, deleted rows included.
  /// The columns that the principal may see, exact names in the schema's order; those of them that
  /// show something else than they hold.
  std::vector<std::string> visible;
  std::vector<std::string> masked;
};

/// All that a plan was made from, beside the request itself: as long as it is the same, so is the
/// plan.
struct PlanBasis {
  struct Name {
    std::vector<std::string> parts;
    NameScope scope;
    Relation relation;
  };
  std::vector<Name> names;
  std::map<catalog::TableIdentifier, std::string> tables;  ///< Where their metadata is.
  std::map<catalog::TableIdentifier, std::string> views;
  std::vector<std::pair<governance::PolicyTable, governance::TablePolicy>> policies;
  /// False if it was made from more than that (macros, the catalog's own tables, an answer of the
  /// engine...): each request then plans anew.
  bool is_whole = true;
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
  std::uint64_t scan_bytes = 0;  ///< Of the data files that are left after pruning.
  TableStates tables = {};       ///< As they were read.
  PlanBasis basis = {};
  std::uint64_t held_generation = 0;  ///< HotScan's, as what follows.
  std::vector<std::shared_ptr<const void>> held = {};
  /// The tables behind the nodes that have a `kPinnedMember`; those that a policy restricts have
  /// none.
  std::vector<PinnedTable> pinned = {};
  std::optional<ChangedTable> changed = {};  ///< Nothing: no table was where it should be.
  bool is_checked = false;  ///< There is a row filter that PlanRequest::checked_rows must meet.
};

/// What planning is for.
enum class PlanPurpose : std::uint8_t {
  Run,
  /// For EXPLAIN: what a policy restricts is replaced by a stand-in without rows, so that a plan
  /// tells neither rows that are not shown nor the policy.
  Explain,
  /// For EXPLAIN ANALYZE, which counts rows: PermissionDenied where a policy restricts.
  ExplainAnalyze,
};

struct PlanRequest {
  std::optional<std::int64_t> as_of_ms;  ///< For tables that do not say themselves.
  boost::json::value parameters;         ///< The request's.
  PlanPurpose purpose = PlanPurpose::Run;
  /// Tables that are not as the catalog has them: an open transaction's.
  const TableStates* states = nullptr;
  /// Reads from memory what is there: the statement runs where that is, or not at all.
  bool may_be_held = false;
  /// The BASE_TABLE in the document whose rows are to be changed: they have two more columns,
  /// `kFileNumber` and `kRowNumber`.
  const boost::json::object* changed = nullptr;
  /// A reference that stands for these rows, instead of a table.
  const boost::json::object* given = nullptr;
  boost::json::object given_rows = {};
  /// A table whose policy decides about these rows, of its current schema: the reference stands for
  /// those of them that the principal may not see (RowCheck).
  const boost::json::object* checked = nullptr;
  boost::json::object checked_rows = {};
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
    HotTables* hot = nullptr;      ///< Null: nothing is in memory.
    MacroStore* macros = nullptr;  ///< Null: there are none.
  };

  Planner(catalog::Catalog& catalog, engine::Engine& engine, TableSource& source, Options options)
      : catalog_(catalog),
        engine_(engine),
        source_(source),
        trees_(engine),
        options_(std::move(options)) {}

  /// True if planning again would give the same, as far as a look at names, pointers and policies
  /// tells.
  Result<bool> still_holds(const RequestContext& context, const PlanBasis& basis);

  /// Checks the tree and puts scans in the place of its tables, SHOW statements and information
  /// schemas. All tables are taken as they are at one moment. Errors as QueryService::run.
  Result<PlannedSelect> plan(const RequestContext& context, boost::json::object& document,
                             const PlanRequest& request);

  /// Null: there are none.
  [[nodiscard]] MacroStore* macros() const { return options_.macros; }
  /// False: everybody sees everything.
  [[nodiscard]] bool has_policies() const { return options_.policies != nullptr; }

 private:
  catalog::Catalog& catalog_;
  engine::Engine& engine_;
  TableSource& source_;
  KeptTrees trees_;
  Options options_;
};

}  // namespace lakehouse::query
