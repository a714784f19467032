#include "query/select_tree.h"

#include <string>
#include <utility>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "query/column_names.h"
#include "query/pivot_text.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;

/// Turns each position in the tree into one in the caller's text.
template <class Move>
void move_locations(json::value& at, const Move& move) {
  if (json::array* list = at.if_array()) {
    for (json::value& entry : *list) {
      move_locations(entry, move);
    }
  } else if (json::object* node = at.if_object()) {
    for (auto& field : *node) {
      if (field.key() == "query_location" && field.value().is_int64()) {
        field.value() =
            static_cast<std::int64_t>(move(static_cast<std::size_t>(field.value().get_int64())));
      } else {
        move_locations(field.value(), move);
      }
    }
  }
}

Result<engine::ParsedStatement> parse_one(const RequestContext& context, engine::Engine& engine,
                                          std::string_view sql) {
  LH_ASSIGN_OR_RETURN(auto statements, engine.parse(context, sql));
  if (statements.size() != 1) {
    return fail(ErrorCode::InvalidArgument, "a request holds one statement",
                "Send the statements one by one.");
  }
  return std::move(statements.front());
}

const json::object* member_object(const json::object& node, std::string_view name) {
  const json::value* found = node.if_contains(name);
  return found == nullptr ? nullptr : found->if_object();
}

bool is_empty_array(const json::object& node, std::string_view name) {
  const json::value* found = node.if_contains(name);
  return found == nullptr || found->is_null() || (found->is_array() && found->get_array().empty());
}

/// The only thing that `SELECT (expression)` selects; null if there is more to the statement.
json::object* only_item(json::value& document) {
  json::array* statements = document.as_object()["statements"].if_array();
  json::object* holder =
      statements == nullptr || statements->size() != 1 ? nullptr : statements->front().if_object();
  json::value* inner = holder == nullptr ? nullptr : holder->if_contains("node");
  json::object* node = inner == nullptr ? nullptr : inner->if_object();
  if (node == nullptr || (*node)["type"] != "SELECT_NODE") {
    return nullptr;
  }
  for (const char* member : {"where_clause", "having", "qualify", "sample"}) {
    if (const json::value* found = node->if_contains(member);
        found != nullptr && !found->is_null()) {
      return nullptr;
    }
  }
  const json::object* from = member_object(*node, "from_table");
  const json::object* with = member_object(*node, "cte_map");
  json::array* list = (*node)["select_list"].if_array();
  if (from == nullptr || from->at("type") != "EMPTY" || !is_empty_array(*node, "modifiers") ||
      !is_empty_array(*node, "group_expressions") ||
      (with != nullptr && !is_empty_array(*with, "map")) || list == nullptr || list->size() != 1) {
    return nullptr;
  }
  return list->front().if_object();
}

}  // namespace

Result<json::value> parse_select(const RequestContext& context, engine::Engine& engine,
                                 std::string_view sql) {
  LH_ASSIGN_OR_RETURN(engine::ParsedStatement parsed, parse_one(context, engine, sql));
  MarkedPivots marked;
  if (!parsed.tree.is_object() && parsed.kind == "SELECT") {
    marked = mark_pivots(sql);
    if (!marked.places.empty()) {
      auto again = parse_one(context, engine, marked.sql);
      if (!again) {
        Error error = std::move(again).error();
        if (error.position_bytes) {
          error.position_bytes = marked.original(*error.position_bytes);
        }
        return std::unexpected(std::move(error));
      }
      parsed = *std::move(again);
    }
  }
  if (!parsed.tree.is_object()) {
    const bool is_select = parsed.kind == "SELECT";
    return fail(
        ErrorCode::InvalidArgument,
        is_select ? fmt::format("the statement is not supported: {}", parsed.tree_problem)
                  : fmt::format("{} is not supported here", parsed.kind),
        is_select ? "A PIVOT needs the list of its values: PIVOT t ON c IN ('a', 'b')." : "");
  }
  // The engine parses what follows the blanks before a SELECT.
  if (const std::size_t by = parsed.offset_bytes; by > 0 || !marked.places.empty()) {
    move_locations(parsed.tree, [&](std::size_t at) { return marked.original(at + by); });
  }
  LH_RETURN_IF_ERROR(keep_column_names(context, engine, parsed.tree));
  return std::move(parsed.tree);
}

Result<json::object> parse_expression(const RequestContext& context, engine::Engine& engine,
                                      std::string_view sql) {
  // A comment at the end of `sql` must not swallow the bracket; what breaks out of the brackets is
  // no single expression any more.
  LH_ASSIGN_OR_RETURN(json::value tree,
                      parse_select(context, engine, fmt::format("SELECT ({}\n)", sql)));
  json::object* item = only_item(tree);
  if (item == nullptr) {
    return fail(ErrorCode::InvalidArgument, fmt::format("'{}' is not one expression", sql));
  }
  return std::move(*item);
}

}  // namespace lakehouse::query
