#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/value.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "catalog/lineage.h"
#include "engine/engine.h"
#include "query/planner.h"
#include "query/sql_request.h"
#include "query/statement.h"
#include "query/trino_sql.h"

namespace lakehouse::query {

/// A statement as far as its text alone tells.
struct ParsedStatement {
  SqlStatement statement;
  /// What json_serialize_sql gave for the SELECT in it; null if there is none.
  boost::json::value tree;
  boost::json::value conflict;   ///< The same for the expressions of an INSERT's ON CONFLICT.
  boost::json::value returning;  ///< The same for what RETURNING says.
};

/// Parses a statement: what stands around its SELECTs here, these in an engine. InvalidArgument
/// with the position.
Result<std::shared_ptr<const ParsedStatement>> parse_whole(const RequestContext& context,
                                                           engine::Engine& engine,
                                                           const std::string& sql);

/// An engine's error in a statement's own words is at the first place that carries the name.
void find_place(const ParsedStatement& parsed, Error& error);

/// The SELECT of a statement, ready for an engine. The latter members are PlannedSelect's.
struct StatementPlan {
  engine::Statement statement;
  std::shared_ptr<const ParsedStatement> parsed;  ///< For positions.
  std::vector<std::pair<std::string, std::int64_t>> snapshot_ids;
  std::vector<catalog::LineageInput> inputs;
  std::vector<std::pair<std::string, std::string>> policy_versions;
  bool is_volatile = false;
  PlanBasis basis = {};
  std::vector<std::shared_ptr<const void>> held = {};  ///< Until the statement has begun.
  std::vector<PinnedTable> pinned = {};  ///< Marked in `statement`'s tree with their places here.
};

/// Plans the SELECT in `parsed` for the request: its moment, its parameters. Errors as
/// Planner::plan.
Result<StatementPlan> plan_statement(const RequestContext& context, Planner& planner,
                                     std::shared_ptr<const ParsedStatement> parsed,
                                     const SqlRequest& request,
                                     PlanPurpose purpose = PlanPurpose::Run,
                                     bool may_be_held = false);

}  // namespace lakehouse::query
