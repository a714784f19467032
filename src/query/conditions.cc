#include "query/conditions.h"

#include <algorithm>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "query/ddl.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;
using iceberg::CompareOp;
using iceberg::Literal;
using iceberg::TypeKind;

std::string_view text_of(const json::object& node, std::string_view name) {
  const json::value* found = node.if_contains(name);
  return found != nullptr && found->is_string() ? std::string_view(found->get_string())
                                                : std::string_view();
}
const json::object* object_in(const json::object& node, std::string_view name) {
  const json::value* found = node.if_contains(name);
  return found == nullptr ? nullptr : found->if_object();
}
const json::array* array_in(const json::object& node, std::string_view name) {
  const json::value* found = node.if_contains(name);
  return found == nullptr ? nullptr : found->if_array();
}
bool is_set(const json::object& node, std::string_view name) {
  const json::value* found = node.if_contains(name);
  return found != nullptr && !found->is_null() &&
         !(found->is_array() && found->get_array().empty());
}

struct Prunable {
  std::string alias;  ///< Lower case.
  const json::object* node = nullptr;
};

/// The tables of a FROM whose rows may be left out before its joins.
void find_prunable(const json::object& ref, std::vector<Prunable>& out) {
  const std::string_view type = text_of(ref, "type");
  if (is_set(ref, "sample")) {
    return;
  }
  if (type == "BASE_TABLE" && !is_set(ref, "column_name_alias")) {
    const std::string_view alias = text_of(ref, "alias");
    out.push_back({to_lower(alias.empty() ? text_of(ref, "table_name") : alias), &ref});
    return;
  }
  if (type != "JOIN") {
    return;
  }
  const std::string_view kind = text_of(ref, "ref_type");
  const std::string_view join = text_of(ref, "join_type");
  if (kind != "REGULAR" && kind != "CROSS" && kind != "NATURAL") {
    return;
  }
  if (const json::object* left = object_in(ref, "left")) {
    find_prunable(*left, out);
  }
  const json::object* right = object_in(ref, "right");
  // What a SEMI or ANTI join compares with is not what the WHERE speaks of.
  if (right != nullptr &&
      (join == "INNER" || join == "LEFT" || join == "RIGHT" || join == "OUTER")) {
    find_prunable(*right, out);
  }
}

std::optional<Constant> constant_of(const json::object& node) {
  const json::object* inner = &node;
  Constant out;
  if (text_of(node, "class") == "CAST") {
    const json::object* type = object_in(node, "cast_type");
    inner = object_in(node, "child");
    if (type == nullptr || inner == nullptr) {
      return std::nullopt;
    }
    out.cast = text_of(*type, "id");
  }
  if (text_of(*inner, "class") != "CONSTANT") {
    return std::nullopt;
  }
  const json::object* holder = object_in(*inner, "value");
  const json::object* type = holder == nullptr ? nullptr : object_in(*holder, "type");
  const json::value* value = holder == nullptr ? nullptr : holder->if_contains("value");
  if (type == nullptr || value == nullptr) {
    return std::nullopt;
  }
  const std::string_view id = text_of(*type, "id");
  if ((id == "INTEGER" || id == "BIGINT") && value->is_int64() && out.cast.empty()) {
    out.value = value->get_int64();
    return out;
  }
  if (id == "VARCHAR" && value->is_string()) {
    out.value = std::string(value->get_string());
    return out;
  }
  return std::nullopt;
}

CompareOp flipped(CompareOp op) {
  switch (op) {
    case CompareOp::Lt: return CompareOp::Gt;
    case CompareOp::LtEq: return CompareOp::GtEq;
    case CompareOp::Gt: return CompareOp::Lt;
    case CompareOp::GtEq: return CompareOp::LtEq;
    case CompareOp::Eq:
    case CompareOp::In:
    case CompareOp::IsNull:
    case CompareOp::NotNull: break;
  }
  return op;
}

std::optional<CompareOp> comparison(std::string_view type) {
  if (type == "COMPARE_EQUAL") {
    return CompareOp::Eq;
  }
  if (type == "COMPARE_LESSTHAN") {
    return CompareOp::Lt;
  }
  if (type == "COMPARE_LESSTHANOREQUALTO") {
    return CompareOp::LtEq;
  }
  if (type == "COMPARE_GREATERTHAN") {
    return CompareOp::Gt;
  }
  if (type == "COMPARE_GREATERTHANOREQUALTO") {
    return CompareOp::GtEq;
  }
  return std::nullopt;
}

/// Reads one WHERE.
class Reader {
 public:
  explicit Reader(const json::object& select) {
    const json::object* from = object_in(select, "from_table");
    if (from == nullptr || is_set(select, "sample")) {
      return;
    }
    find_prunable(*from, tables_);
    is_single_ = text_of(*from, "type") == "BASE_TABLE";
    if (const json::object* where = object_in(select, "where_clause"); !tables_.empty() && where) {
      read(*where);
    }
  }

  std::map<const json::object*, std::vector<Condition>> take() { return std::move(found_); }

 private:
  void read(const json::object& node) {
    const std::string_view kind = text_of(node, "class");
    const std::string_view type = text_of(node, "type");
    if (kind == "CONJUNCTION" && type == "CONJUNCTION_AND") {
      if (const json::array* children = array_in(node, "children")) {
        for (const json::value& child : *children) {
          if (child.is_object()) {
            read(child.get_object());
          }
        }
      }
    } else if (kind == "COMPARISON") {
      read_comparison(node);
    } else if (kind == "BETWEEN") {
      add(object_in(node, "input"), CompareOp::GtEq, {object_in(node, "lower")});
      add(object_in(node, "input"), CompareOp::LtEq, {object_in(node, "upper")});
    } else if (kind == "OPERATOR" && type == "COMPARE_IN") {
      read_in(node);
    }
  }

  void read_comparison(const json::object& node) {
    const auto op = comparison(text_of(node, "type"));
    const json::object* left = object_in(node, "left");
    const json::object* right = object_in(node, "right");
    if (!op || left == nullptr || right == nullptr) {
      return;
    }
    if (text_of(*left, "class") == "COLUMN_REF") {
      add(left, *op, {right});
    } else {
      add(right, flipped(*op), {left});
    }
  }

  void read_in(const json::object& node) {
    const json::array* children = array_in(node, "children");
    if (children == nullptr || children->size() < 2) {
      return;
    }
    std::vector<const json::object*> values;
    for (std::size_t i = 1; i < children->size(); ++i) {
      values.push_back((*children)[i].if_object());
    }
    add(children->front().if_object(), CompareOp::In, values);
  }

  void add(const json::object* column, CompareOp op,
           const std::vector<const json::object*>& values) {
    const json::array* names = column != nullptr && text_of(*column, "class") == "COLUMN_REF"
                                   ? array_in(*column, "column_names")
                                   : nullptr;
    if (names == nullptr || names->empty() || names->size() > 2) {
      return;
    }
    const json::object* table = table_of(*names);
    if (table == nullptr || !names->back().is_string()) {
      return;
    }
    Condition condition{std::string(names->back().get_string()), op, {}};
    for (const json::object* value : values) {
      auto constant = value == nullptr ? std::nullopt : constant_of(*value);
      if (!constant) {
        return;
      }
      condition.constants.push_back(*std::move(constant));
    }
    found_[table].push_back(std::move(condition));
  }

  const json::object* table_of(const json::array& names) const {
    if (names.size() == 1) {
      // With several tables the name may be any one's.
      return is_single_ ? tables_.front().node : nullptr;
    }
    const std::string alias = names.front().is_string() ? to_lower(names.front().get_string()) : "";
    const auto found = std::ranges::find(tables_, alias, &Prunable::alias);
    if (found == tables_.end() || std::ranges::count(tables_, alias, &Prunable::alias) != 1) {
      return nullptr;
    }
    return found->node;
  }

  std::vector<Prunable> tables_;
  bool is_single_ = false;
  std::map<const json::object*, std::vector<Condition>> found_;
};

std::optional<Literal> parsed(TypeKind kind, const std::string& text) {
  auto literal = iceberg::literal_from_text(*iceberg::primitive(kind), text);
  return literal ? std::optional(*std::move(literal)) : std::nullopt;
}

/// Up to here a double holds every whole number.
constexpr std::int64_t kExactMax = std::int64_t{1} << 53U;

std::optional<Literal> number(const iceberg::Type& type, std::int64_t value) {
  if (type.kind == TypeKind::Int && value >= INT32_MIN && value <= INT32_MAX) {
    return Literal::of_int(static_cast<std::int32_t>(value));
  }
  if (type.kind == TypeKind::Long) {
    return Literal::of_long(value);
  }
  if (type.kind == TypeKind::Double && value > -kExactMax && value < kExactMax) {
    return Literal::of_double(static_cast<double>(value));
  }
  if (type.kind == TypeKind::Decimal) {
    if (const auto unscaled = iceberg::decimal_from_string(std::to_string(value), type.scale)) {
      return Literal::of_decimal(*unscaled, type.precision, type.scale);
    }
  }
  return std::nullopt;
}

std::optional<Literal> text(const iceberg::Type& type, const Constant& constant) {
  const auto& value = std::get<std::string>(constant.value);
  const std::string& cast = constant.cast;
  const bool is_day = value.size() == 10;
  if (type.kind == TypeKind::String) {
    return cast.empty() || cast == "VARCHAR" ? std::optional(Literal::of_string(value))
                                             : std::nullopt;
  }
  if (type.kind == TypeKind::Date) {
    return is_day && (cast.empty() || cast == "DATE") ? parsed(TypeKind::Date, value)
                                                      : std::nullopt;
  }
  // A cast to DATE cuts the time off: only texts without one mean what they say.
  const bool cast_fits = cast.empty() || cast == "TIMESTAMP" || (cast == "DATE" && is_day);
  const std::string moment = is_day ? value + " 00:00:00" : value;
  if (type.kind == TypeKind::Timestamp) {
    return cast_fits ? parsed(TypeKind::Timestamp, moment) : std::nullopt;
  }
  if (type.kind == TypeKind::Timestamptz && moment.size() >= 19 &&
      (cast_fits || cast == "TIMESTAMP WITH TIME ZONE")) {
    // The session's zone is UTC.
    const bool zoned = moment.find_first_of("+-", 10) != std::string::npos;
    return parsed(TypeKind::Timestamptz, zoned ? moment : moment + "+00");
  }
  return std::nullopt;
}

}  // namespace

std::map<const boost::json::object*, std::vector<Condition>> conditions_of(
    const boost::json::object& select_node) {
  return Reader(select_node).take();
}

iceberg::Filter filter_of(const std::vector<Condition>& conditions, const iceberg::Schema& schema) {
  iceberg::Filter out;
  for (const Condition& condition : conditions) {
    const iceberg::NestedField* field = find_column(schema.fields, condition.column);
    if (field == nullptr) {
      continue;
    }
    iceberg::Predicate predicate{field->id, condition.op, {}};
    for (const Constant& constant : condition.constants) {
      auto literal = std::holds_alternative<std::int64_t>(constant.value)
                         ? number(*field->type, std::get<std::int64_t>(constant.value))
                         : text(*field->type, constant);
      if (!literal) {
        break;
      }
      predicate.values.push_back(*std::move(literal));
    }
    if (predicate.values.size() == condition.constants.size()) {
      out.push_back(std::move(predicate));
    }
  }
  return out;
}

}  // namespace lakehouse::query
