#include "query/explain_plan.h"

#include <charconv>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/json.h"
#include "query/tree_members.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;

Result<std::string> explained(const RequestContext& context, engine::Engine& engine,
                              engine::Statement statement, std::string_view around) {
  statement.around_tree = around;
  LH_ASSIGN_OR_RETURN(const auto rows, engine.query_rows(context, std::move(statement)));
  std::string text;
  for (const json::array& row : rows.rows) {
    if (!row.empty() && row.back().is_string()) {
      text.append(row.back().get_string());
    }
  }
  return text;
}

}  // namespace

Result<std::string> plan_text(const RequestContext& context, engine::Engine& engine,
                              engine::Statement statement) {
  return explained(context, engine, std::move(statement), "EXPLAIN {}");
}

Result<std::int64_t> estimated_rows(const RequestContext& context, engine::Engine& engine,
                                    engine::Statement statement) {
  LH_ASSIGN_OR_RETURN(const std::string text,
                      explained(context, engine, std::move(statement), "EXPLAIN (FORMAT json) {}"));
  LH_ASSIGN_OR_RETURN(const json::value plan, parse_json(text, "a plan"));
  std::int64_t rows = 0;
  const json::array* operators = plan.if_array();
  const json::object* top =
      operators == nullptr || operators->empty() ? nullptr : operators->front().if_object();
  if (const json::object* info = top == nullptr ? nullptr : object_in(*top, "extra_info")) {
    const std::string_view number = text_of(*info, "Estimated Cardinality");
    std::from_chars(number.data(), number.data() + number.size(), rows);
  }
  return rows;
}

engine::Statement explain_rows(const std::string& plan, const std::string& effect) {
  engine::Statement statement;
  statement.text =
      "SELECT * FROM (VALUES ('physical_plan', $1), ('write', $2)) AS t(explain_key, "
      "explain_value)";
  statement.parameters = json::array{plan, effect};
  return statement;
}

}  // namespace lakehouse::query
