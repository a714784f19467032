#include "query/statement_plan.h"

#include <optional>

#include <boost/json/serialize.hpp>

#include "query/planner.h"

namespace lakehouse::query {

Result<StatementPlan> plan_statement(const RequestContext& context, catalog::Catalog& catalog,
                                     TableSource& source,
                                     std::shared_ptr<const ParsedStatement> parsed,
                                     const SqlRequest& request) {
  std::optional<std::int64_t> as_of_ms;
  if (request.as_of) {
    LH_ASSIGN_OR_RETURN(as_of_ms, parse_timestamp_ms(*request.as_of));
  }
  boost::json::value tree = parsed->tree;
  LH_ASSIGN_OR_RETURN(PlannedSelect planned,
                      plan_select(context, catalog, source, tree.as_object(), as_of_ms));
  StatementPlan out;
  out.statement.text = boost::json::serialize(tree);
  out.statement.is_tree = true;
  out.statement.variables = std::move(planned.variables);
  out.statement.parameters = request.params;
  out.snapshot_ids = std::move(planned.snapshot_ids);
  out.inputs = std::move(planned.inputs);
  out.parsed = std::move(parsed);
  return out;
}

}  // namespace lakehouse::query
