#include "query/statement_plan.h"

#include <optional>

#include <boost/json/serialize.hpp>

#include "query/change_plan.h"
#include "query/error_position.h"
#include "query/planner.h"
#include "query/rewrite.h"
#include "query/select_tree.h"
#include "query/tree.h"

namespace lakehouse::query {
namespace {

/// Places in a SELECT that was put together from parts become those in the statement.
void relocate(boost::json::value& at, const SelectStatement& select) {
  if (boost::json::array* list = at.if_array()) {
    for (boost::json::value& entry : *list) {
      relocate(entry, select);
    }
  } else if (boost::json::object* node = at.if_object()) {
    for (auto& field : *node) {
      if (field.key() != "query_location") {
        relocate(field.value(), select);
      } else if (field.value().is_int64()) {
        const auto place = select.position(static_cast<std::size_t>(field.value().get_int64()));
        field.value() = place ? boost::json::value(static_cast<std::int64_t>(*place))
                              : boost::json::value(tree::kNoLocation);
      }
    }
  }
}

Status parse_into(const RequestContext& context, engine::Engine& engine,
                  const SelectStatement& select, boost::json::value* tree) {
  auto parsed = parse_select(context, engine, select.sql);
  if (!parsed) {
    Error error = std::move(parsed).error();
    if (error.position_bytes) {
      error.position_bytes = select.position(*error.position_bytes);
    }
    return std::unexpected(std::move(error));
  }
  *tree = *std::move(parsed);
  if (!select.moved.empty()) {
    relocate(*tree, select);
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const ParsedStatement>> parse_whole(const RequestContext& context,
                                                           engine::Engine& engine,
                                                           const std::string& sql) {
  auto out = std::make_shared<ParsedStatement>();
  LH_ASSIGN_OR_RETURN(out->statement, parse_statement(sql));
  const SelectStatement* select = nullptr;
  const std::optional<SelectStatement>* returning = nullptr;
  if (const auto* one = std::get_if<SelectStatement>(&out->statement)) {
    select = one;
  } else if (const auto* explain = std::get_if<ExplainStatement>(&out->statement)) {
    select = explain->write.empty() ? &explain->select : nullptr;
  } else if (const auto* create = std::get_if<CreateTableStatement>(&out->statement)) {
    select = create->source ? &*create->source : nullptr;
  } else if (const auto* view = std::get_if<CreateViewStatement>(&out->statement)) {
    select = &view->source;
  } else if (const auto* insert = std::get_if<InsertStatement>(&out->statement)) {
    select = &insert->source;
    returning = &insert->returning;
    if (insert->on_conflict) {
      LH_RETURN_IF_ERROR(parse_into(context, engine, insert->on_conflict->parts, &out->conflict));
    }
  } else if (const auto* change = std::get_if<ChangeStatement>(&out->statement)) {
    select = &change->parts;
    returning = &change->returning;
  }
  if (select != nullptr) {
    LH_RETURN_IF_ERROR(parse_into(context, engine, *select, &out->tree));
  }
  if (returning != nullptr && *returning) {
    LH_RETURN_IF_ERROR(parse_into(context, engine, **returning, &out->returning));
  }
  return out;
}

void find_place(const ParsedStatement& parsed, Error& error) {
  if (error.code != ErrorCode::InvalidArgument) {
    return;
  }
  for (const boost::json::value* tree : {&parsed.tree, &parsed.conflict, &parsed.returning}) {
    if (!error.position_bytes && tree->is_object()) {
      error.position_bytes = find_position(*tree, error.message);
    }
  }
}

Result<StatementPlan> plan_statement(const RequestContext& context, Planner& planner,
                                     std::shared_ptr<const ParsedStatement> parsed,
                                     const SqlRequest& request, PlanPurpose purpose,
                                     bool may_be_held) {
  PlanRequest wanted{.as_of_ms = {}, .parameters = request.params, .purpose = purpose};
  if (request.as_of) {
    LH_ASSIGN_OR_RETURN(wanted.as_of_ms, parse_timestamp_ms(*request.as_of));
  }
  wanted.may_be_held = may_be_held;
  boost::json::value tree = parsed->tree;
  LH_ASSIGN_OR_RETURN(PlannedSelect planned, planner.plan(context, tree.as_object(), wanted));
  StatementPlan out;
  // Those that a module's function took, or a macro has no use for, are not in the tree any more.
  const bool took_some = !planned.basis.is_whole && parameters_of(request.params, tree) !=
                                                        parameters_of(request.params, parsed->tree);
  out.statement.parameters = took_some ? take_parameters(request.params, tree) : request.params;
  out.statement.text = boost::json::serialize(tree);
  out.statement.is_tree = true;
  out.statement.variables = std::move(planned.variables);
  out.statement.scan_bytes = planned.scan_bytes;
  out.statement.monitor = request.monitor;
  out.snapshot_ids = std::move(planned.snapshot_ids);
  out.inputs = std::move(planned.inputs);
  out.policy_versions = std::move(planned.policy_versions);
  out.is_volatile = planned.is_volatile;
  out.basis = std::move(planned.basis);
  out.held = std::move(planned.held);
  out.pinned = std::move(planned.pinned);
  out.statement.held_generation = planned.held_generation;
  out.parsed = std::move(parsed);
  return out;
}

}  // namespace lakehouse::query
