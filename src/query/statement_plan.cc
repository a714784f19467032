#include "query/statement_plan.h"

#include <optional>

#include <boost/json/serialize.hpp>

#include "query/planner.h"

namespace lakehouse::query {

Result<StatementPlan> plan_statement(const RequestContext& context, Planner& planner,
                                     std::shared_ptr<const ParsedStatement> parsed,
                                     const SqlRequest& request, PlanPurpose purpose) {
  PlanRequest wanted{.as_of_ms = {}, .parameters = request.params, .purpose = purpose};
  if (request.as_of) {
    LH_ASSIGN_OR_RETURN(wanted.as_of_ms, parse_timestamp_ms(*request.as_of));
  }
  boost::json::value tree = parsed->tree;
  LH_ASSIGN_OR_RETURN(PlannedSelect planned, planner.plan(context, tree.as_object(), wanted));
  StatementPlan out;
  out.statement.text = boost::json::serialize(tree);
  out.statement.is_tree = true;
  out.statement.variables = std::move(planned.variables);
  out.statement.parameters = request.params;
  out.statement.scan_bytes = planned.scan_bytes;
  out.snapshot_ids = std::move(planned.snapshot_ids);
  out.inputs = std::move(planned.inputs);
  out.policy_versions = std::move(planned.policy_versions);
  out.is_volatile = planned.is_volatile;
  out.tree = std::make_shared<const boost::json::value>(std::move(tree));
  out.pinned = std::move(planned.pinned);
  out.parsed = std::move(parsed);
  return out;
}

}  // namespace lakehouse::query
