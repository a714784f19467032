#include "query/tree.h"

#include <utility>

namespace lakehouse::query::tree {
namespace {

using iceberg::TypeKind;

object of_class(std::string_view class_name, std::string_view type) {
  return {{"class", class_name}, {"type", type}};
}

object constant(object type, value content) {
  object node = of_class("CONSTANT", "VALUE_CONSTANT");
  node["value"] =
      object{{"type", std::move(type)}, {"is_null", false}, {"value", std::move(content)}};
  return node;
}

object simple_type(std::string_view id) {
  return {{"id", id}};
}

object list_type(std::string_view id, object child) {
  return {{"id", id},
          {"type_info", object{{"type", "LIST_TYPE_INFO"}, {"child_type", std::move(child)}}}};
}

object struct_type(const std::vector<std::pair<std::string, object>>& children) {
  array child_types;
  for (const auto& [name, type] : children) {
    child_types.push_back(object{{"first", name}, {"second", type}});
  }
  return {
      {"id", "STRUCT"},
      {"type_info", object{{"type", "STRUCT_TYPE_INFO"}, {"child_types", std::move(child_types)}}}};
}

/// A type that DuckDB looks up by its name when it binds.
object named_type(std::string_view name) {
  return {
      {"id", "UNBOUND"},
      {"type_info",
       object{{"type", "UNBOUND_TYPE_INFO"}, {"name", name}, {"user_type_modifiers", array()}}}};
}

object primitive_type(const iceberg::Type& type) {
  switch (type.kind) {
    case TypeKind::Boolean: return simple_type("BOOLEAN");
    case TypeKind::Int:
    case TypeKind::Unknown: return simple_type("INTEGER");
    case TypeKind::Long: return simple_type("BIGINT");
    case TypeKind::Float: return simple_type("FLOAT");
    case TypeKind::Double: return simple_type("DOUBLE");
    case TypeKind::Decimal:
      return {{"id", "DECIMAL"},
              {"type_info", object{{"type", "DECIMAL_TYPE_INFO"},
                                   {"width", type.precision},
                                   {"scale", type.scale}}}};
    case TypeKind::Date: return simple_type("DATE");
    case TypeKind::Time: return simple_type("TIME");
    case TypeKind::Timestamp: return simple_type("TIMESTAMP");
    case TypeKind::Timestamptz:
    case TypeKind::TimestamptzNs: return simple_type("TIMESTAMP WITH TIME ZONE");
    case TypeKind::TimestampNs: return simple_type("TIMESTAMP_NS");
    case TypeKind::String: return simple_type("VARCHAR");
    case TypeKind::Uuid: return simple_type("UUID");
    case TypeKind::Variant: return named_type("variant");
    case TypeKind::Geometry: return named_type("geometry");
    case TypeKind::Fixed:
    case TypeKind::Binary:
    case TypeKind::Geography:
    case TypeKind::Struct:
    case TypeKind::List:
    case TypeKind::Map: break;
  }
  return simple_type("BLOB");
}

object operation(std::string_view type, array children) {
  object node = of_class("OPERATOR", type);
  node["children"] = std::move(children);
  return node;
}

object conjunction(std::string_view type, array conditions) {
  if (conditions.size() == 1) {
    return conditions.front().as_object();
  }
  object node = of_class("CONJUNCTION", type);
  node["children"] = std::move(conditions);
  return node;
}

}  // namespace

object column(const std::vector<std::string>& names) {
  object node = of_class("COLUMN_REF", "COLUMN_REF");
  array parts;
  parts.reserve(names.size());
  for (const std::string& name : names) {
    parts.emplace_back(name);
  }
  node["column_names"] = std::move(parts);
  return node;
}

object string(std::string_view text) {
  return constant(simple_type("VARCHAR"), value(text));
}
object integer(std::int64_t number) {
  return constant(simple_type("BIGINT"), value(number));
}
object boolean(bool truth) {
  return constant(simple_type("BOOLEAN"), value(truth));
}

object null_of(const iceberg::Type& type) {
  object node = of_class("CONSTANT", "VALUE_CONSTANT");
  node["value"] = object{{"type", simple_type("NULL")}, {"is_null", true}};
  return cast(std::move(node), type);
}

object star() {
  object node = of_class("STAR", "STAR");
  for (const char* member :
       {"exclude_list", "replace_list", "qualified_exclude_list", "rename_list"}) {
    node[member] = array();
  }
  return node;
}

object function(std::string_view name, array children) {
  object node = of_class("FUNCTION", "FUNCTION");
  node["function_name"] = name;
  node["schema"] = "";
  node["children"] = std::move(children);
  node["order_bys"] = object{{"type", "ORDER_MODIFIER"}, {"orders", array()}};
  node["catalog"] = "";
  return node;
}

object aliased(object expression, std::string_view alias) {
  expression["alias"] = alias;
  return expression;
}

object cast(object expression, const iceberg::Type& type) {
  return cast_to(std::move(expression), type_of(type));
}

object cast_to(object expression, object type) {
  object node = of_class("CAST", "OPERATOR_CAST");
  node["child"] = std::move(expression);
  node["cast_type"] = std::move(type);
  node["try_cast"] = false;
  return node;
}

object compare(std::string_view type, object left, object right) {
  object node = of_class("COMPARISON", type);
  node["left"] = std::move(left);
  node["right"] = std::move(right);
  return node;
}

object is_null(object expression) {
  return operation("OPERATOR_IS_NULL", array{std::move(expression)});
}

object all_of(array conditions) {
  return conjunction("CONJUNCTION_AND", std::move(conditions));
}
object any_of(array conditions) {
  return conjunction("CONJUNCTION_OR", std::move(conditions));
}
object negated(object expression) {
  return operation("OPERATOR_NOT", array{std::move(expression)});
}

namespace {

object of_subquery(std::string_view type, object node) {
  object expression = of_class("SUBQUERY", "SUBQUERY");
  expression["subquery_type"] = type;
  expression["subquery"] = object{{"node", std::move(node)}, {"named_param_map", array()}};
  expression["comparison_type"] = "INVALID";
  return expression;
}

}  // namespace

object exists(object node) {
  return of_subquery("EXISTS", std::move(node));
}

object scalar(object node) {
  return of_subquery("SCALAR", std::move(node));
}

object when(object condition, object then, object otherwise) {
  object node = of_class("CASE", "CASE_EXPR");
  node["case_checks"] =
      array{object{{"when_expr", std::move(condition)}, {"then_expr", std::move(then)}}};
  node["else_expr"] = std::move(otherwise);
  return node;
}

object lambda(std::string_view parameter, object body) {
  object node = of_class("LAMBDA", "LAMBDA");
  node["lhs"] = column({std::string(parameter)});
  node["expr"] = std::move(body);
  return node;
}

object list(array elements) {
  return function("list_value", std::move(elements));
}

object literal(const iceberg::Literal& value) {
  return cast(string(iceberg::literal_to_text(value)), *value.type());
}

object type_of(const iceberg::Type& type) {
  if (type.kind == TypeKind::Struct) {
    std::vector<std::pair<std::string, object>> children;
    for (const iceberg::NestedField& field : type.fields) {
      children.emplace_back(field.name, type_of(*field.type));
    }
    return struct_type(children);
  }
  if (type.kind == TypeKind::List) {
    return list_type("LIST", type_of(*type.fields.front().type));
  }
  if (type.kind == TypeKind::Map) {
    return list_type("MAP", struct_type({{"key", type_of(*type.fields[0].type)},
                                         {"value", type_of(*type.fields[1].type)}}));
  }
  return primitive_type(type);
}

object empty_table() {
  return {{"type", "EMPTY"}};
}

object subquery(object node, std::string_view alias) {
  return {{"type", "SUBQUERY"},
          {"alias", alias},
          {"subquery", object{{"node", std::move(node)}, {"named_param_map", array()}}},
          {"column_name_alias", array()}};
}

object table_function(std::string_view name, array arguments, std::string_view alias) {
  return {{"type", "TABLE_FUNCTION"},
          {"alias", alias},
          {"function", function(name, std::move(arguments))},
          {"column_name_alias", array()}};
}

object argument(std::string_view name, object expression) {
  return compare("COMPARE_EQUAL", column({std::string(name)}), std::move(expression));
}

object join(std::string_view join_type, object left, object right, object condition) {
  return {{"type", "JOIN"},
          {"left", std::move(left)},
          {"right", std::move(right)},
          {"condition", std::move(condition)},
          {"join_type", join_type},
          {"ref_type", "REGULAR"}};
}

object values(std::vector<array> rows, const std::vector<std::string>& columns) {
  array all;
  for (array& row : rows) {
    all.push_back(std::move(row));
  }
  array names;
  names.reserve(columns.size());
  for (const std::string& name : columns) {
    names.emplace_back(name);
  }
  object inner = select(
      array{star()},
      object{{"type", "EXPRESSION_LIST"}, {"alias", "valueslist"}, {"values", std::move(all)}});
  object out = subquery(std::move(inner), "lh_values");
  out["column_name_alias"] = std::move(names);
  return out;
}

object select(array select_list, object from, std::optional<object> where) {
  object node{{"type", "SELECT_NODE"},
              {"modifiers", array()},
              {"cte_map", object{{"map", array()}}},
              {"select_list", std::move(select_list)},
              {"from_table", std::move(from)},
              {"aggregate_handling", "STANDARD_HANDLING"}};
  if (where) {
    node["where_clause"] = *std::move(where);
  }
  return node;
}

object union_all(object left, object right) {
  return {{"type", "SET_OPERATION_NODE"},
          {"modifiers", array()},
          {"cte_map", object{{"map", array()}}},
          {"setop_type", "UNION"},
          {"left", std::move(left)},
          {"right", std::move(right)},
          {"setop_all", true}};
}

object statement(object node) {
  return {{"error", false},
          {"statements", array{object{{"node", std::move(node)}, {"named_param_map", array()}}}}};
}

}  // namespace lakehouse::query::tree
