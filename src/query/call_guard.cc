#include "query/call_guard.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "base/text.h"
#include "query/tree.h"
#include "query/tree_members.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;

/// Longer names are cut.
constexpr std::size_t kNameBytesMax = 200;

// Never fail, or DuckDB knows that they do; are aggregates, whose arguments come after the filters;
// or take what may not be wrapped.
// clang-format off
constexpr std::array kPlain = std::to_array<std::string_view>({
    "!~~", "!~~*", "%", "*", "+", "-", "/", "//", "^@", "alias", "any_value", "approx_quantile",
    "arg_max", "arg_min", "array_agg", "avg", "bit_and", "bit_or", "bit_xor", "bool_and", "bool_or",
    "char_length", "concat", "concat_ws", "contains", "corr", "count", "count_if", "count_star",
    "day", "ends_with", "error", "first", "getvariable", "greatest", "grouping", "grouping_id",
    "hash", "hour", "lag", "last", "lcase", "lead", "least", "length", "list", "list_value",
    "lower", "ltrim", "max", "md5", "median", "min", "minute", "mode", "month", "prefix",
    "quantile", "quantile_cont", "quantile_disc", "quarter", "random", "regr_slope", "replace",
    "reverse", "row", "rtrim", "second", "sha256", "starts_with", "stddev", "stddev_pop",
    "stddev_samp", "string_agg", "strlen", "struct_extract", "struct_pack", "substr", "substring",
    "suffix", "sum", "trim", "typeof", "ucase", "unlist", "unnest", "upper", "var_pop", "var_samp",
    "variance", "year", "||", "~~", "~~*"});
/// Casts that DuckDB takes to be safe from each narrower type that it has are none of these.
constexpr std::array kPlainTypes = std::to_array<std::string_view>({
    "BIGINT", "BOOLEAN", "DATE", "DOUBLE", "FLOAT", "HUGEINT", "INTEGER", "SMALLINT", "TINYINT",
    "VARCHAR"});
// clang-format on

json::array* children_of(json::object& node) {
  json::value* found = node.if_contains("children");
  return found == nullptr ? nullptr : found->if_array();
}

/// What DuckDB computes once while it plans needs no guard, and is to stay so.
bool varies(const json::value& at) {
  if (const json::array* list = at.if_array()) {
    return std::ranges::any_of(*list, varies);
  }
  const json::object* node = at.if_object();
  if (node == nullptr) {
    return false;
  }
  const std::string_view kind = text_of(*node, "class");
  return kind == "COLUMN_REF" || kind == "SUBQUERY" || kind == "STAR" ||
         kind == "POSITIONAL_REFERENCE" ||
         std::ranges::any_of(*node, [](const auto& field) { return varies(field.value()); });
}

/// *COLUMNS(...): as many arguments as there are columns, of which nothing can be made but that.
bool is_unpacked(const json::value& argument) {
  return argument.is_object() && text_of(argument.get_object(), "type") == "OPERATOR_UNPACK";
}

/// True for what differs from row to row, and is one value: COLUMNS(...) is, in each of the calls
/// that it makes of one.
bool is_wrappable(const json::value& argument) {
  const json::object* node = argument.if_object();
  return node != nullptr && text_of(*node, "class") != "LAMBDA" &&
         (text_of(*node, "class") != "STAR" || names_columns(*node)) && !is_unpacked(argument) &&
         varies(argument);
}

/// NULL, and DuckDB does not know.
json::object no_value(const json::object& argument) {
  const iceberg::TypePtr text = iceberg::primitive(iceberg::TypeKind::String);
  if (text_of(argument, "class") == "COLUMN_REF") {
    return tree::cast(tree::aliased(argument, ""), *text);
  }
  // The argument itself could be long: twice in itself, it would grow without end.
  return tree::when(
      tree::compare("COMPARE_LESSTHAN", tree::function("random", {}), tree::integer(0)),
      tree::string(""), tree::null_of(*text));
}

void wrap(json::value& argument) {
  json::object inner = std::move(argument.as_object());
  std::string alias(text_of(inner, "alias"));
  json::object failing = tree::function("error", json::array{no_value(inner)});
  inner["alias"] = "";
  argument =
      tree::aliased(json::object{{"class", "OPERATOR"},
                                 {"type", "OPERATOR_COALESCE"},
                                 {kGuardMember, true},
                                 {"children", json::array{std::move(inner), std::move(failing)}}},
                    alias);
}

std::string constant_name(const json::object& node) {
  const json::value* holder = node.if_contains("value");
  const json::object* inner = holder == nullptr ? nullptr : holder->if_object();
  const json::value* content = inner == nullptr ? nullptr : inner->if_contains("value");
  if (content == nullptr) {
    return "NULL";
  }
  return content->is_string() ? "'" + std::string(content->get_string()) + "'"
                              : json::serialize(*content);
}

}  // namespace

bool names_columns(const json::object& node) {
  const json::value* columns = node.if_contains("columns");
  return text_of(node, "class") == "STAR" && columns != nullptr && columns->is_bool() &&
         columns->get_bool();
}

bool wants_guard(const json::object& expression) {
  const std::string_view kind = text_of(expression, "class");
  if (kind == "CAST") {
    const json::value* tries = expression.if_contains("try_cast");
    const json::value* type = expression.if_contains("cast_type");
    const json::value* child = expression.if_contains("child");
    const json::object* target = type == nullptr ? nullptr : type->if_object();
    return target != nullptr && (tries == nullptr || !tries->is_bool() || !tries->get_bool()) &&
           child != nullptr && is_wrappable(*child) &&
           std::ranges::find(kPlainTypes, text_of(*target, "id")) == kPlainTypes.end();
  }
  if (kind != "FUNCTION" ||
      std::ranges::find(kPlain, to_lower(text_of(expression, "function_name"))) != kPlain.end()) {
    return false;
  }
  const json::value* children = expression.if_contains("children");
  return children != nullptr && children->is_array() &&
         std::ranges::any_of(children->get_array(), [](const json::value& child) {
           return is_wrappable(child) || is_unpacked(child);
         });
}

bool guard_call(json::object& expression) {
  if (json::value* child = expression.if_contains("child"); child != nullptr) {
    wrap(*child);
    return true;
  }
  json::array* children = children_of(expression);
  const auto first = std::ranges::find_if(*children, is_wrappable);
  if (first == children->end()) {
    return false;
  }
  wrap(*first);
  return true;
}

std::string name_of_call(const json::object& expression) {
  const std::string_view kind = text_of(expression, "class");
  std::string out;
  if (kind == "COLUMN_REF") {
    for (const json::value& part : expression.at("column_names").as_array()) {
      out += (out.empty() ? "" : ".") + std::string(part.as_string());
    }
  } else if (kind == "CONSTANT") {
    out = constant_name(expression);
  } else if (kind == "FUNCTION") {
    out = std::string(text_of(expression, "function_name")) + "(";
    const json::value* children = expression.if_contains("children");
    for (std::size_t i = 0; children != nullptr && children->is_array() &&
                            i < children->get_array().size() && out.size() < kNameBytesMax;
         ++i) {
      out += (i == 0 ? "" : ", ") + name_of_call(children->get_array()[i].as_object());
    }
    out += ")";
  } else if (kind == "CAST") {
    const json::value* child = expression.if_contains("child");
    out = "CAST(" + (child == nullptr ? "" : name_of_call(child->as_object())) + ")";
  } else {
    out = to_lower(kind);
  }
  return out.substr(0, kNameBytesMax);
}

}  // namespace lakehouse::query
