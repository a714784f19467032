#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "query/planner.h"
#include "query/sql_request.h"
#include "query/statement_plan.h"
#include "query/table_source.h"

/// \file
/// From a statement that changes rows to the SELECT that says which ones, and what they become.

namespace lakehouse::query {

/// What a row of the change set does, by its number in the column "a".
struct ChangeAction {
  ChangeClause::Action action = ChangeClause::Action::Nothing;
  /// Of an Update: the columns that it sets, by their place in the schema.
  std::vector<bool> assigned;
};

/// A SELECT of the changes: "f" and "r", the row's file and position (NULL for a new row), "a", the
/// number of its action (NULL: nothing happens), and if wanted "c0", "c1"...: what the principal
/// sees of the row afterwards (of a deleted one: as it was), of the schema's columns' types.
struct ChangePlan {
  engine::Statement select;
  catalog::LoadedTable table;
  std::vector<std::string> files;     ///< Locations, by "f".
  std::int64_t row_count = 0;         ///< Of these files, deleted rows included.
  std::vector<ChangeAction> actions;  ///< By "a".
  bool has_values = false;
  std::vector<std::size_t> columns;  ///< Where in the schema "c0", "c1"... belong.
  /// By the schema's places: what the principal sees there is not what the row holds.
  std::vector<bool> restricted;
  /// A row of the table may be there several times.
  bool may_repeat = false;
  /// ON CONFLICT: the key's columns, by their place among "c0"...; new rows with the same key are
  /// one (DO NOTHING), or an error.
  std::vector<std::size_t> key;
  bool keeps_first = false;
  std::string alias;  ///< What RETURNING calls the table.
  /// The principal may see a part only of a table that the statement reads.
  bool sees_part_only = false;
  TableStates tables;
  std::vector<catalog::LineageInput> inputs;
};

struct ChangePlanning {
  Planner& planner;
  engine::Engine& engine;
  const TableStates& states;
  const SqlRequest& request;
  PlanPurpose purpose = PlanPurpose::Run;
};

/// Plans DELETE, UPDATE, MERGE or INSERT, whose target is `table`. InvalidArgument, with the
/// position, for what cannot be.
Result<ChangePlan> plan_change(const RequestContext& context, const ChangePlanning& with,
                               const ParsedStatement& parsed, const catalog::LoadedTable& table);

/// A RETURNING list, parsed as a SELECT, over the rows of a change set, which `rows` selects under
/// the columns' names.
Result<engine::Statement> plan_returning(const RequestContext& context, const ChangePlanning& with,
                                         boost::json::value returning, const std::string& alias,
                                         boost::json::object rows);

/// Those of the request's parameters that the tree uses: an engine refuses others.
boost::json::value parameters_of(const boost::json::value& parameters,
                                 const boost::json::value& tree);
/// The same, and numbered ones get names: numbers with gaps cannot be bound.
boost::json::value take_parameters(const boost::json::value& parameters, boost::json::value& tree);

}  // namespace lakehouse::query
