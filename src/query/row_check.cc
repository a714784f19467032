#include "query/row_check.h"

#include <iterator>
#include <string>
#include <utility>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "query/tree.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;

constexpr std::string_view kPaths = "lh_new_rows";

json::object named(const catalog::TableIdentifier& table) {
  json::object out{
      {"type", "BASE_TABLE"},     {"alias", "lh_new"},
      {"sample", nullptr},        {"schema_name", catalog::to_string(table.name_space)},
      {"table_name", table.name}, {"column_name_alias", json::array()},
      {"catalog_name", ""},       {"at_clause", nullptr}};
  return out;
}

json::value reading(const catalog::TableIdentifier& table) {
  return tree::statement(
      tree::select(json::array{tree::aliased(tree::integer(1), "n")}, named(table)));
}

}  // namespace

Result<PlannedSelect> RowCheck::plan(json::value& document, json::object rows) {
  document = reading(table_);
  PlanRequest wanted;
  wanted.states = states_;
  wanted.checked = &document.at("statements").at(0).at("node").at("from_table").as_object();
  wanted.checked_rows = std::move(rows);
  return planner_.plan(context_, document.as_object(), wanted);
}

Result<bool> RowCheck::is_needed() {
  if (!planner_.has_policies()) {
    return false;
  }
  json::value document;
  LH_ASSIGN_OR_RETURN(const PlannedSelect planned, plan(document, {}));
  return planned.is_checked;
}

Status RowCheck::check(NewRows rows) {
  if (!planner_.has_policies()) {
    return {};
  }
  json::value document;
  LH_ASSIGN_OR_RETURN(PlannedSelect planned, plan(document, std::move(rows.node)));
  if (!planned.is_checked) {
    return {};
  }
  engine::Statement statement;
  statement.text = json::serialize(document);
  statement.is_tree = true;
  statement.rows_max = 1;
  statement.variables = std::move(planned.variables);
  std::ranges::move(rows.variables, std::back_inserter(statement.variables));
  LH_ASSIGN_OR_RETURN(const engine::Rows found, engine_.query_rows(context_, std::move(statement)));
  return found.rows.empty()
             ? Status()
             : fail(ErrorCode::PermissionDenied,
                    fmt::format("a row would not be one that you may see of {}",
                                catalog::to_string(table_)),
                    "Nothing was written. Write only rows that you can read afterwards.");
}

Status RowCheck::check_files(const iceberg::Schema& schema, const std::vector<std::string>& paths) {
  json::array list(paths.begin(), paths.end());
  json::array columns;
  for (const iceberg::NestedField& field : schema.fields) {
    columns.push_back(
        tree::aliased(tree::cast(tree::column({field.name}), *field.type), field.name));
  }
  json::object source = tree::table_function(
      "read_parquet",
      json::array{tree::function("getvariable", json::array{tree::string(kPaths)}),
                  tree::argument("hive_partitioning", tree::boolean(false))},
      "lh_files");
  NewRows rows;
  rows.node = tree::select(std::move(columns), std::move(source));
  rows.variables.push_back({std::string(kPaths), std::move(list)});
  return check(std::move(rows));
}

Status RowCheck::check_may_replace() {
  if (!planner_.has_policies()) {
    return {};
  }
  json::value document = reading(table_);
  PlanRequest wanted;
  wanted.states = states_;
  LH_ASSIGN_OR_RETURN(const PlannedSelect planned,
                      planner_.plan(context_, document.as_object(), wanted));
  return planned.policy_versions.empty()
             ? Status()
             : fail(ErrorCode::PermissionDenied,
                    fmt::format("you may see a part of {} only, and not replace all of it",
                                catalog::to_string(table_)),
                    "Nothing was written. Append, or DELETE what you can read.");
}

Status RowGuard::check_may_replace(const RequestContext& context,
                                   const catalog::TableIdentifier& table) {
  return RowCheck(context, planner_, engine_, table).check_may_replace();
}

Status RowGuard::check_files(const RequestContext& context, const catalog::TableIdentifier& table,
                             const iceberg::Schema& schema, const std::vector<std::string>& paths) {
  return RowCheck(context, planner_, engine_, table).check_files(schema, paths);
}

}  // namespace lakehouse::query
