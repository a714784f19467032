#include "query/conditions.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "query/ddl.h"
#include "query/tree_members.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;
using iceberg::CompareOp;
using iceberg::Literal;
using iceberg::TypeKind;

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

std::optional<Constant> plain_constant(const json::object& node) {
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

std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::optional<Constant> constant_of(const json::object& node) {
  if (auto plain = plain_constant(node)) {
    return plain;
  }
  const auto folded = fold_constant(node, now_us());
  if (!folded) {
    return std::nullopt;
  }
  Constant out;
  std::visit([&](const auto& value) { out.value = value; }, *folded);
  return out;
}

CompareOp flipped(CompareOp op) {
  switch (op) {
    case CompareOp::Lt: return CompareOp::Gt;
    case CompareOp::LtEq: return CompareOp::GtEq;
    case CompareOp::Gt: return CompareOp::Lt;
    case CompareOp::GtEq: return CompareOp::LtEq;
    case CompareOp::Eq:
    case CompareOp::NotEq:
    case CompareOp::In:
    case CompareOp::NotIn:
    case CompareOp::StartsWith:
    case CompareOp::NotStartsWith:
    case CompareOp::IsNull:
    case CompareOp::NotNull:
    case CompareOp::IsNan:
    case CompareOp::NotNan: break;
  }
  return op;
}

std::optional<CompareOp> comparison(std::string_view type) {
  constexpr std::array<std::pair<std::string_view, CompareOp>, 6> kNames = {
      {{"COMPARE_EQUAL", CompareOp::Eq},
       {"COMPARE_NOTEQUAL", CompareOp::NotEq},
       {"COMPARE_LESSTHAN", CompareOp::Lt},
       {"COMPARE_LESSTHANOREQUALTO", CompareOp::LtEq},
       {"COMPARE_GREATERTHAN", CompareOp::Gt},
       {"COMPARE_GREATERTHANOREQUALTO", CompareOp::GtEq}}};
  const auto* const found =
      std::ranges::find(kNames, type, &std::pair<std::string_view, CompareOp>::first);
  return found == kNames.end() ? std::nullopt : std::optional(found->second);
}

using ByTable = std::map<const json::object*, Condition>;

Condition joined(Condition::Kind kind, Condition a, Condition b) {
  Condition out;
  out.kind = kind;
  for (Condition* each : {&a, &b}) {
    if (each->kind == kind) {
      std::ranges::move(each->parts, std::back_inserter(out.parts));
    } else {
      out.parts.push_back(std::move(*each));
    }
  }
  return out;
}

ByTable both(ByTable a, ByTable b) {
  for (auto& [table, condition] : b) {
    const auto found = a.find(table);
    if (found == a.end()) {
      a.emplace(table, std::move(condition));
    } else {
      found->second = joined(Condition::Kind::And, std::move(found->second), std::move(condition));
    }
  }
  return a;
}

/// Of a table that one side does not speak of, an OR says nothing.
ByTable either(ByTable a, ByTable b) {
  ByTable out;
  for (auto& [table, condition] : a) {
    const auto found = b.find(table);
    if (found != b.end()) {
      out.emplace(table,
                  joined(Condition::Kind::Or, std::move(condition), std::move(found->second)));
    }
  }
  return out;
}

/// Reads one WHERE.
class Reader {
 public:
  explicit Reader(const json::object& select) {
    const json::object* from = object_in(select, "from_table");
    if (from == nullptr || is_set(select, "sample")) {
      return;
    }
    results_ = array_in(select, "select_list");
    find_prunable(*from, tables_);
    is_single_ = text_of(*from, "type") == "BASE_TABLE";
    if (const json::object* where = object_in(select, "where_clause"); !tables_.empty() && where) {
      found_ = read(*where, false);
    }
  }

  std::map<const json::object*, std::vector<Condition>> take() {
    std::map<const json::object*, std::vector<Condition>> out;
    for (auto& [table, condition] : found_) {
      out[table].push_back(std::move(condition));
    }
    return out;
  }

 private:
  /// What holds where the node is true; where it is false, if `negate`.
  ByTable read(const json::object& node, bool negate) const {
    const std::string_view kind = text_of(node, "class");
    const std::string_view type = text_of(node, "type");
    if (kind == "CONJUNCTION") {
      return read_conjunction(node, (type == "CONJUNCTION_AND") != negate, negate);
    }
    if (kind == "COMPARISON") {
      return read_comparison(node, negate);
    }
    if (kind == "BETWEEN") {
      const json::object* input = object_in(node, "input");
      ByTable lower = is(input, signed_op(CompareOp::GtEq, negate), {object_in(node, "lower")});
      ByTable upper = is(input, signed_op(CompareOp::LtEq, negate), {object_in(node, "upper")});
      return negate ? either(std::move(lower), std::move(upper))
                    : both(std::move(lower), std::move(upper));
    }
    if (kind == "FUNCTION") {
      return read_like(node, negate);
    }
    return kind == "OPERATOR" ? read_operator(node, type, negate) : ByTable();
  }

  ByTable read_conjunction(const json::object& node, bool is_and, bool negate) const {
    const json::array* children = array_in(node, "children");
    ByTable out;
    for (std::size_t i = 0; children != nullptr && i < children->size(); ++i) {
      const json::object* child = (*children)[i].if_object();
      ByTable found = child == nullptr ? ByTable() : read(*child, negate);
      out = i == 0   ? std::move(found)
            : is_and ? both(std::move(out), std::move(found))
                     : either(std::move(out), std::move(found));
    }
    return out;
  }

  static CompareOp signed_op(CompareOp op, bool negate) {
    return negate ? iceberg::negated(op) : op;
  }

  ByTable read_comparison(const json::object& node, bool negate) const {
    const auto op = comparison(text_of(node, "type"));
    const json::object* left = object_in(node, "left");
    const json::object* right = object_in(node, "right");
    if (!op || left == nullptr || right == nullptr) {
      return {};
    }
    return text_of(*left, "class") == "COLUMN_REF"
               ? is(left, signed_op(*op, negate), {right})
               : is(right, signed_op(flipped(*op), negate), {left});
  }

  ByTable read_operator(const json::object& node, std::string_view type, bool negate) const {
    const json::array* children = array_in(node, "children");
    const json::object* first =
        children == nullptr || children->empty() ? nullptr : children->front().if_object();
    if (first == nullptr) {
      return {};
    }
    if (type == "OPERATOR_NOT") {
      return read(*first, !negate);
    }
    if (type == "OPERATOR_IS_NULL" || type == "OPERATOR_IS_NOT_NULL") {
      const bool wants_null = (type == "OPERATOR_IS_NULL") != negate;
      if (wants_null && !is_single_) {
        return {};  // An outer join's NULLs pass, too.
      }
      return is(first, wants_null ? CompareOp::IsNull : CompareOp::NotNull, {});
    }
    if ((type != "COMPARE_IN" && type != "COMPARE_NOT_IN") || children->size() < 2) {
      return {};
    }
    std::vector<const json::object*> values;
    for (std::size_t i = 1; i < children->size(); ++i) {
      values.push_back((*children)[i].if_object());
    }
    return is(first, signed_op(CompareOp::In, (type == "COMPARE_NOT_IN") != negate), values);
  }

  /// A LIKE by the text before its first wildcard, and starts_with.
  ByTable read_like(const json::object& node, bool negate) const {
    const std::string_view name = text_of(node, "function_name");
    const json::array* children = array_in(node, "children");
    const bool is_like = name == "~~" || name == "!~~";
    const bool is_prefix = name == "starts_with" || name == "^@";
    if ((!is_like && !is_prefix) || children == nullptr || children->size() != 2) {
      return {};
    }
    const json::object* pattern = (*children)[1].if_object();
    auto constant = pattern == nullptr ? std::nullopt : plain_constant(*pattern);
    if (!constant || !constant->cast.empty() ||
        !std::holds_alternative<std::string>(constant->value)) {
      return {};
    }
    const bool wants_other = negate != (name == "!~~");
    auto& text = std::get<std::string>(constant->value);
    if (is_like) {
      const std::size_t end = std::min(text.find_first_of("%_"), text.size());
      // What does not match the pattern may start so, unless nothing but the start is asked for.
      if (end == 0 || (wants_other && text.substr(end) != "%")) {
        return {};
      }
      text.resize(end);
    }
    return compares((*children)[0].if_object(), signed_op(CompareOp::StartsWith, wants_other),
                    {*std::move(constant)});
  }

  ByTable is(const json::object* column, CompareOp op,
             const std::vector<const json::object*>& values) const {
    std::vector<Constant> constants;
    for (const json::object* value : values) {
      auto constant = value == nullptr ? std::nullopt : constant_of(*value);
      if (!constant || !is_known(*constant)) {
        return {};
      }
      constants.push_back(*std::move(constant));
    }
    return compares(column, op, std::move(constants));
  }

  ByTable compares(const json::object* column, CompareOp op,
                   std::vector<Constant> constants) const {
    const json::array* names = column != nullptr && text_of(*column, "class") == "COLUMN_REF"
                                   ? array_in(*column, "column_names")
                                   : nullptr;
    if (names == nullptr || names->empty() || names->size() > 2) {
      return {};
    }
    const json::object* table = table_of(*names);
    if (table == nullptr || !names->back().is_string()) {
      return {};
    }
    ByTable out;
    out.emplace(table, Condition{.column = std::string(names->back().get_string()),
                                 .op = op,
                                 .constants = std::move(constants)});
    return out;
  }

  /// What is written like a column is one where a table has it; of several that is not known here.
  [[nodiscard]] bool is_known(const Constant& constant) const {
    const auto* moment = std::get_if<Moment>(&constant.value);
    return moment == nullptr || moment->name.empty() || (is_single_ && !names_a_result(*moment));
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

  /// Or like a column of the answer.
  [[nodiscard]] bool names_a_result(const Moment& moment) const {
    return results_ != nullptr && std::ranges::any_of(*results_, [&](const json::value& one) {
             return one.is_object() && to_lower(text_of(one.get_object(), "alias")) == moment.name;
           });
  }

  std::vector<Prunable> tables_;
  const json::array* results_ = nullptr;
  bool is_single_ = false;
  ByTable found_;
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

using iceberg::Expression;

constexpr std::int64_t kDayUs = std::int64_t{86'400} * 1'000'000;

std::optional<Literal> moment_in(const iceberg::Type& type, std::int64_t us) {
  if (type.kind == TypeKind::Date) {
    const std::int64_t day = (us >= 0 ? us : us - (kDayUs - 1)) / kDayUs;
    return Literal::of_date(static_cast<std::int32_t>(day));
  }
  if (type.kind == TypeKind::Timestamp || type.kind == TypeKind::Timestamptz) {
    Literal literal = Literal::of_timestamp(us);
    literal.kind = type.kind;
    return literal;
  }
  return std::nullopt;
}

/// Compares with a time that is known to lie between two, so that more may match than does.
std::optional<Expression> moment_predicate(std::int32_t field_id, const iceberg::Type& type,
                                           CompareOp op, const Moment& moment) {
  const auto first = moment_in(type, moment.first_us);
  const auto last = moment_in(type, moment.last_us);
  if (!first || !last) {
    return std::nullopt;
  }
  const auto is = [&](CompareOp by, const Literal& value) {
    return Expression::is({.field_id = field_id, .op = by, .values = {value}});
  };
  // A day that a moment lies in is neither before nor after it.
  const bool is_exact = type.kind != TypeKind::Date || moment.is_day;
  if (op == CompareOp::Gt || op == CompareOp::GtEq) {
    return is(is_exact ? op : CompareOp::GtEq, *first);
  }
  if (op == CompareOp::Lt || op == CompareOp::LtEq) {
    return is(is_exact ? op : CompareOp::LtEq, *last);
  }
  if (op == CompareOp::Eq) {
    return Expression::all_of({is(CompareOp::GtEq, *first), is(CompareOp::LtEq, *last)});
  }
  return std::nullopt;
}

/// Nothing if the condition cannot be said in the column's type.
std::optional<Expression> predicate_of(const Condition& condition, const iceberg::Schema& schema) {
  const iceberg::NestedField* field = find_column(schema.fields, condition.column);
  if (field == nullptr ||
      ((condition.op == CompareOp::StartsWith || condition.op == CompareOp::NotStartsWith) &&
       field->type->kind != TypeKind::String)) {
    return std::nullopt;
  }
  iceberg::Predicate predicate{.field_id = field->id, .op = condition.op, .values = {}};
  for (const Constant& constant : condition.constants) {
    if (const auto* moment = std::get_if<Moment>(&constant.value)) {
      return condition.constants.size() == 1 &&
                     (moment->name.empty() || find_column(schema.fields, moment->name) == nullptr)
                 ? moment_predicate(field->id, *field->type, condition.op, *moment)
                 : std::nullopt;
    }
    auto literal = std::holds_alternative<std::int64_t>(constant.value)
                       ? number(*field->type, std::get<std::int64_t>(constant.value))
                       : text(*field->type, constant);
    if (!literal) {
      return std::nullopt;
    }
    predicate.values.push_back(*std::move(literal));
  }
  return Expression::is(std::move(predicate));
}

std::optional<Expression> expression_of(const Condition& condition, const iceberg::Schema& schema) {
  if (condition.kind == Condition::Kind::Is) {
    return predicate_of(condition, schema);
  }
  const bool is_and = condition.kind == Condition::Kind::And;
  std::vector<Expression> parts;
  for (const Condition& part : condition.parts) {
    auto expression = expression_of(part, schema);
    if (expression) {
      parts.push_back(*std::move(expression));
    } else if (!is_and) {
      return std::nullopt;
    }
  }
  return is_and ? Expression::all_of(std::move(parts)) : Expression::any_of(std::move(parts));
}

}  // namespace

std::map<const boost::json::object*, std::vector<Condition>> conditions_of(
    const boost::json::object& select_node) {
  return Reader(select_node).take();
}

bool name_the_clock(const std::vector<Condition>& conditions) {
  return std::ranges::any_of(conditions, [](const Condition& condition) {
    return name_the_clock(condition.parts) ||
           std::ranges::any_of(condition.constants, [](const Constant& constant) {
             const auto* moment = std::get_if<Moment>(&constant.value);
             return moment != nullptr && moment->first_us != moment->last_us;
           });
  });
}

iceberg::Filter filter_of(const std::vector<Condition>& conditions, const iceberg::Schema& schema) {
  Condition all;
  all.kind = Condition::Kind::And;
  all.parts = conditions;
  return expression_of(all, schema).value_or(iceberg::Filter());
}

}  // namespace lakehouse::query
