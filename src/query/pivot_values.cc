#include "query/pivot_values.h"

#include <set>
#include <string>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "query/change_plan.h"
#include "query/tree.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;

constexpr std::size_t kValuesMax = 5000;

/// WITH ... SELECT CAST(v AS VARCHAR) FROM (SELECT DISTINCT column AS v FROM source) WHERE v IS NOT
/// NULL ORDER BY v
json::object question_of(const PivotReference& pivot) {
  const json::object& column = pivot.node->at("pivots").as_array()[pivot.column].as_object();
  json::array list{
      tree::aliased(column.at("pivot_expressions").as_array().front().as_object(), "lh_value")};
  json::object inner = tree::select(std::move(list), pivot.node->at("source").as_object());
  inner["modifiers"] = json::array{
      json::object{{"type", "DISTINCT_MODIFIER"}, {"distinct_on_targets", json::array()}}};
  json::object value = tree::column({"lh_value"});
  json::object node = tree::select(
      json::array{tree::cast(value, *iceberg::primitive(iceberg::TypeKind::String))},
      tree::subquery(std::move(inner), "lh_values"), tree::negated(tree::is_null(value)));
  node["modifiers"] =
      json::array{json::object{{"type", "ORDER_MODIFIER"},
                               {"orders", json::array{json::object{{"type", "ORDER_DEFAULT"},
                                                                   {"null_order", "ORDER_DEFAULT"},
                                                                   {"expression", value}}}}}};
  json::array entries;
  for (const json::object* entry : pivot.common_tables) {
    entries.push_back(*entry);
  }
  node["cte_map"] = json::object{{"map", std::move(entries)}};
  return tree::statement(std::move(node));
}

Status check_names(const PivotReference& pivot) {
  std::set<std::string> names;
  for (const json::object* entry : pivot.common_tables) {
    if (!names.insert(std::string(entry->at("key").as_string())).second) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("around a PIVOT without values two expressions are called {}",
                              entry->at("key").as_string().c_str()),
                  "Call them differently, or list the values: PIVOT t ON c IN ('a', 'b').");
    }
  }
  return {};
}

}  // namespace

Status list_pivot_values(const RequestContext& context, engine::Engine& engine,
                         const PivotReference& pivot,
                         const std::vector<engine::Variable>& variables,
                         const json::value& parameters) {
  LH_RETURN_IF_ERROR(check_names(pivot));
  json::object& column = pivot.node->at("pivots").as_array()[pivot.column].as_object();
  if (column.at("pivot_expressions").as_array().size() != 1) {
    return fail(ErrorCode::InvalidArgument, "a PIVOT by several columns at once needs its values",
                "List the values: PIVOT t ON c IN ('a', 'b').");
  }
  const json::object document = question_of(pivot);
  engine::Statement question;
  question.text = json::serialize(document);
  question.is_tree = true;
  question.variables = variables;
  question.parameters = parameters_of(parameters, document);
  question.rows_max = kValuesMax + 1;
  auto rows = engine.query_rows(context, std::move(question));
  if (!rows) {
    return std::unexpected(std::move(rows).error().with_context("the values of a PIVOT"));
  }
  if (rows->rows.size() > kValuesMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a PIVOT would make more than {} columns", kValuesMax),
                "List the values: PIVOT t ON c IN ('a', 'b').");
  }
  json::array entries;
  std::set<std::string> seen;
  for (const json::array& row : rows->rows) {
    const std::string text(row.front().as_string());
    if (seen.insert(text).second) {
      entries.push_back(json::object{
          {"values",
           json::array{json::object{
               {"type", json::object{{"id", "VARCHAR"}}}, {"is_null", false}, {"value", text}}}},
          {"star_expr", nullptr},
          {"alias", ""}});
    }
  }
  if (entries.empty()) {
    return fail(ErrorCode::InvalidArgument, "a PIVOT finds no values: there would be no columns",
                "List the values: PIVOT t ON c IN ('a', 'b').");
  }
  column["entries"] = std::move(entries);
  column["pivot_enum"] = "";
  return {};
}

}  // namespace lakehouse::query
