#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "base/text.h"
#include "query/call_guard.h"
#include "query/trino_translator.h"

namespace lakehouse::query::trino {
namespace {

/// The walk recurses, and a stack has an end.
constexpr std::size_t kDepthMax = 300;

constexpr std::array kComparisons = std::to_array<std::pair<std::string_view, std::string_view>>(
    {{"COMPARE_EQUAL", "="},
     {"COMPARE_NOTEQUAL", "<>"},
     {"COMPARE_LESSTHAN", "<"},
     {"COMPARE_GREATERTHAN", ">"},
     {"COMPARE_LESSTHANOREQUALTO", "<="},
     {"COMPARE_GREATERTHANOREQUALTO", ">="},
     {"COMPARE_DISTINCT_FROM", "IS DISTINCT FROM"},
     {"COMPARE_NOT_DISTINCT_FROM", "IS NOT DISTINCT FROM"}});

Result<std::string_view> comparison_sign(std::string_view type) {
  const auto* const found =
      std::ranges::find(kComparisons, type, &std::pair<std::string_view, std::string_view>::first);
  if (found == kComparisons.end()) {
    return refuse(fmt::format("the comparison {}", type));
  }
  return found->second;
}

__extension__ using Int128 = __int128;

/// The whole number of a constant's "value", as json_serialize_sql writes large ones.
std::optional<Int128> whole_of(const value& content) {
  if (content.is_int64()) {
    return content.get_int64();
  }
  if (content.is_uint64()) {
    return static_cast<Int128>(content.get_uint64());
  }
  const object* halves = content.if_object();
  const value* upper = halves == nullptr ? nullptr : halves->if_contains("upper");
  const value* lower = halves == nullptr ? nullptr : halves->if_contains("lower");
  if (upper == nullptr || lower == nullptr || !upper->is_int64() || !lower->is_number()) {
    return std::nullopt;
  }
  const auto low = lower->is_uint64()
                       ? lower->get_uint64()
                       : static_cast<std::uint64_t>(lower->to_number<std::int64_t>());
  return static_cast<Int128>(upper->get_int64()) * (static_cast<Int128>(1) << 64U) + low;
}

std::string decimal_text(Int128 number, int scale) {
  const bool negative = number < 0;
  std::string digits = fmt::format("{}", negative ? -number : number);
  if (scale > 0) {
    const auto places = static_cast<std::size_t>(scale);
    if (digits.size() <= places) {
      digits.insert(0, places + 1 - digits.size(), '0');
    }
    digits.insert(digits.size() - places, ".");
  }
  return (negative ? "-" : "") + digits;
}

Expr whole_constant(Int128 number, Kind kind) {
  Expr out;
  out.type.kind = kind;
  if (number >= INT64_MIN && number <= INT64_MAX) {
    out.whole = static_cast<std::int64_t>(number);
  }
  out.sql = kind == Kind::Integer
                ? fmt::format("{}", number)
                : fmt::format("{} '{}'", kind == Kind::BigInt ? "BIGINT" : "DECIMAL", number);
  if (number < 0) {
    out.sql = "(" + out.sql + ")";
  }
  return out;
}

Expr double_constant(double number) {
  const std::string text = std::isnan(number)   ? "NaN"
                           : std::isinf(number) ? (number < 0 ? "-Infinity" : "Infinity")
                                                : fmt::format("{}", number);
  return {.sql = fmt::format("DOUBLE '{}'", text), .type = {.kind = Kind::Double}};
}

Expr text_constant(std::string_view text) {
  return {.sql = quoted(text), .type = {.kind = Kind::Varchar}, .text = std::string(text)};
}

Expr null_constant() {
  return {.sql = "NULL", .type = {.kind = Kind::Null}};
}

int digits_of(const SqlType& type) {
  if (type.kind == Kind::Decimal) {
    return type.precision - type.scale;
  }
  return type.kind == Kind::Integer ? 10 : type.kind == Kind::BigInt ? 19 : 38;
}

SqlType wider_number(const SqlType& a, const SqlType& b) {
  for (const Kind kind : {Kind::Double, Kind::Real}) {
    if (a.kind == kind || b.kind == kind) {
      return {.kind = kind};
    }
  }
  if (a.kind == Kind::Decimal || b.kind == Kind::Decimal) {
    const int scale = std::max(a.scale, b.scale);
    const int digits = std::max(digits_of(a), digits_of(b));
    return {.kind = Kind::Decimal, .precision = std::min(38, digits + scale), .scale = scale};
  }
  return {.kind = std::max(a.kind, b.kind)};
}

std::unexpected<Error> refuse_mix(const SqlType& a, const SqlType& b) {
  return refuse(fmt::format("{} together with {}", duckdb_name(a), duckdb_name(b)));
}

/// Casts that give the same value, or an error, in both.
bool is_safe_cast(const SqlType& from, const SqlType& to) {
  if (from.kind == Kind::Null || (from.kind == to.kind && from.kind != Kind::Nested)) {
    return true;
  }
  if (is_exact(from)) {
    // Both round half away from zero; a double would be rounded in different ways.
    return is_numeric(to) || to.kind == Kind::Varchar ||
           (to.kind == Kind::Boolean && is_whole(from));
  }
  if (from.kind == Kind::Boolean) {
    return is_whole(to) || to.kind == Kind::Varchar;
  }
  if (from.kind == Kind::Real || from.kind == Kind::Double) {
    return to.kind == Kind::Real || to.kind == Kind::Double;
  }
  if (is_moment(from)) {
    return is_moment(to) || (from.kind == Kind::Date && to.kind == Kind::Varchar);
  }
  if (from.kind == Kind::Varchar) {
    return is_numeric(to) || is_moment(to) || to.kind == Kind::Uuid;
  }
  return from.kind == Kind::Uuid && to.kind == Kind::Varchar;
}

}  // namespace

// --- Helpers.

std::string text_of(const object& node, std::string_view member) {
  const value* found = node.if_contains(member);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}
const value* member_of(const object& node, std::string_view member) {
  const value* found = node.if_contains(member);
  return found == nullptr || found->is_null() ? nullptr : found;
}
const array* array_of(const object& node, std::string_view member) {
  const value* found = node.if_contains(member);
  const array* list = found == nullptr ? nullptr : found->if_array();
  return list == nullptr || list->empty() ? nullptr : list;
}
std::unexpected<Error> refuse(std::string what) {
  return fail(ErrorCode::Unimplemented,
              fmt::format("the cluster cannot run this statement as it is meant here: {}", what),
              "Leave `engine` out, or say local.");
}
std::string quoted(std::string_view text) {
  return quote_sql_literal(text);
}
std::string as_double(const Expr& expression) {
  return expression.type.kind == Kind::Double ? expression.sql
                                              : fmt::format("CAST({} AS double)", expression.sql);
}

void take_type(Expr& expression, const SqlType& type) {
  if (expression.text && type.kind != Kind::Varchar && type.kind != Kind::Null) {
    expression.sql = fmt::format("CAST({} AS {})", expression.sql, trino_name(type));
    expression.type = type;
    expression.text.reset();
  }
}

Result<SqlType> unify(std::vector<Expr*> operands) {
  SqlType common;
  for (const Expr* one : operands) {
    const SqlType& type = one->type;
    if (type.kind == Kind::Null || one->text) {
      continue;
    }
    if (type.kind == Kind::Nested || type.kind == Kind::Interval) {
      return refuse(fmt::format("a {} here", duckdb_name(type)));
    }
    if (common.kind == Kind::Null) {
      common = type;
    } else if (is_numeric(common) && is_numeric(type)) {
      common = wider_number(common, type);
    } else if (is_moment(common) && is_moment(type)) {
      common.kind = std::max(common.kind, type.kind);
    } else if (common.kind != type.kind) {
      return refuse_mix(common, type);
    }
  }
  bool has_text = false;
  for (Expr* one : operands) {
    has_text = has_text || one->text;
    take_type(*one, common);
  }
  return common.kind == Kind::Null && has_text ? SqlType{.kind = Kind::Varchar} : common;
}

// --- Expressions.

Result<Expr> Translator::expression(const value* node, Scope& scope) {
  if (node == nullptr || !node->is_object()) {
    return refuse("a part that is missing");
  }
  if (depth_ >= kDepthMax) {
    return refuse("a statement nested that deep");
  }
  ++depth_;
  auto made = expression_inside(node->get_object(), scope);
  --depth_;
  return made;
}

Result<Expr> Translator::expression_inside(const object& node, Scope& scope) {
  using Part = Result<Expr> (Translator::*)(const object&, Scope&);
  static constexpr std::array kParts =
      std::to_array<std::pair<std::string_view, Part>>({{"COLUMN_REF", &Translator::column},
                                                        {"CAST", &Translator::cast},
                                                        {"COMPARISON", &Translator::comparison},
                                                        {"CONJUNCTION", &Translator::conjunction},
                                                        {"OPERATOR", &Translator::operation},
                                                        {"BETWEEN", &Translator::between},
                                                        {"CASE", &Translator::when},
                                                        {"SUBQUERY", &Translator::subquery},
                                                        {"FUNCTION", &Translator::function},
                                                        {"WINDOW", &Translator::window}});
  const std::string name = text_of(node, "class");
  if (name == "CONSTANT") {
    return constant(node);
  }
  if (name == "PARAMETER") {
    return parameter(node);
  }
  for (const auto& [part, translate] : kParts) {
    if (part == name) {
      return (this->*translate)(node, scope);
    }
  }
  return refuse(fmt::format("a {} expression", to_lower(name)));
}

Result<Expr> Translator::boolean(const value* node, Scope& scope) {
  LH_ASSIGN_OR_RETURN(Expr made, expression(node, scope));
  if (made.type.kind != Kind::Boolean && made.type.kind != Kind::Null) {
    return refuse(fmt::format("a {} as a condition", duckdb_name(made.type)));
  }
  return made;
}

Result<std::vector<Expr>> Translator::children(const object& node, Scope& scope) {
  std::vector<Expr> out;
  if (const array* list = array_of(node, "children")) {
    for (const value& child : *list) {
      LH_ASSIGN_OR_RETURN(Expr made, expression(&child, scope));
      out.push_back(std::move(made));
    }
  }
  return out;
}

Result<Expr> Translator::constant(const object& node) {
  const value* holder = member_of(node, "value");
  const object* typed = holder == nullptr ? nullptr : holder->if_object();
  const value* content = typed == nullptr ? nullptr : member_of(*typed, "value");
  const value* type = typed == nullptr ? nullptr : member_of(*typed, "type");
  if (type == nullptr) {
    return refuse("a constant that is not understood");
  }
  if (content == nullptr) {
    return null_constant();
  }
  const std::string id = type->is_object() ? text_of(type->get_object(), "id") : "";
  const auto whole = whole_of(*content);
  if (id == "VARCHAR" && content->is_string()) {
    return text_constant(content->get_string());
  }
  if (id == "BOOLEAN" && content->is_bool()) {
    return Expr{.sql = content->get_bool() ? "true" : "false", .type = {.kind = Kind::Boolean}};
  }
  if ((id == "TINYINT" || id == "SMALLINT" || id == "INTEGER") && whole) {
    return whole_constant(*whole, Kind::Integer);
  }
  if ((id == "BIGINT" || id == "HUGEINT") && whole) {
    return whole_constant(*whole, id == "BIGINT" ? Kind::BigInt : Kind::HugeInt);
  }
  if (id == "DOUBLE" && content->is_number()) {
    return double_constant(content->to_number<double>());
  }
  if (id == "DECIMAL" && whole) {
    LH_ASSIGN_OR_RETURN(SqlType decimal, type_of_tree(*type));
    std::string sql = fmt::format("DECIMAL '{}'", decimal_text(*whole, decimal.scale));
    return Expr{.sql = std::move(sql), .type = decimal};
  }
  return refuse(fmt::format("a constant of the type {}", id));
}

Result<Expr> Translator::parameter(const object& node) {
  const std::string name = text_of(node, "identifier");
  const value* given = nullptr;
  if (const object* named = parameters_.if_object()) {
    for (const auto& member : *named) {
      given = to_lower(member.key()) == to_lower(name) ? &member.value() : given;
    }
  } else if (const array* list = parameters_.if_array()) {
    std::size_t place = 0;
    std::from_chars(name.data(), name.data() + name.size(), place);
    given = place >= 1 && place <= list->size() ? &(*list)[place - 1] : nullptr;
  }
  if (given == nullptr) {
    return fail(ErrorCode::InvalidArgument, fmt::format("the parameter ${} has no value", name));
  }
  if (given->is_null()) {
    return null_constant();
  }
  if (given->is_bool()) {
    return Expr{.sql = given->get_bool() ? "true" : "false", .type = {.kind = Kind::Boolean}};
  }
  if (given->is_int64()) {
    return whole_constant(given->get_int64(), Kind::BigInt);
  }
  if (given->is_double()) {
    return double_constant(given->get_double());
  }
  if (given->is_string()) {
    return text_constant(given->get_string());
  }
  return refuse(fmt::format("the parameter ${}, which is no simple value", name));
}

Result<Expr> Translator::column(const object& node, Scope& scope) {
  std::vector<std::string> names;
  if (const array* list = array_of(node, "column_names")) {
    for (const value& name : *list) {
      names.emplace_back(name.is_string() ? name.get_string() : "");
    }
  }
  for (Scope* at = &scope; at != nullptr; at = at->outer) {
    LH_ASSIGN_OR_RETURN(auto found, find_column(names, *at));
    if (!found && names.size() == 1) {
      LH_ASSIGN_OR_RETURN(found, find_alias(names.front(), *at));
    }
    if (found) {
      return *std::move(found);
    }
  }
  return refuse(fmt::format("the name {}", fmt::join(names, ".")));
}

namespace {

bool same_name(std::string_view a, std::string_view b) {
  return to_lower(a) == to_lower(b);
}

/// `rest` are the names of fields below the column.
Result<Expr> field_of(Expr column, std::span<const std::string> rest) {
  for (const std::string& name : rest) {
    const iceberg::TypePtr type = column.type.nested;
    const auto found = type == nullptr || type->kind != iceberg::TypeKind::Struct
                           ? std::vector<iceberg::NestedField>::const_iterator()
                           : std::ranges::find_if(type->fields, [&](const auto& field) {
                               return same_name(field.name, name);
                             });
    if (type == nullptr || type->kind != iceberg::TypeKind::Struct || found == type->fields.end()) {
      return refuse(fmt::format("the name {}", name));
    }
    LH_ASSIGN_OR_RETURN(column.type, type_of_column(*found->type));
    column.sql += "." + quote_sql_identifier(found->name);
  }
  return column;
}

}  // namespace

Result<std::optional<Expr>> Translator::find_column(const std::vector<std::string>& names,
                                                    Scope& scope) {
  const std::span<const std::string> all(names);
  for (const bool qualified : {true, false}) {
    const ScopeColumn* found = nullptr;
    if (names.size() < (qualified ? 2U : 1U)) {
      continue;
    }
    for (const Relation& relation : scope.relations) {
      if (qualified && !same_name(relation.alias, names[0])) {
        continue;
      }
      for (const ScopeColumn& column : relation.columns) {
        if ((!qualified && column.hidden) || !same_name(column.name, names[qualified ? 1 : 0])) {
          continue;
        }
        if (found != nullptr) {
          return refuse(fmt::format("the name {}, which two columns have", names.back()));
        }
        found = &column;
      }
    }
    if (found != nullptr) {
      const bool merged = !qualified && !found->merged.empty();
      Expr column{.sql = merged ? found->merged : found->sql, .type = found->type};
      LH_ASSIGN_OR_RETURN(Expr made, field_of(std::move(column), all.subspan(qualified ? 2 : 1)));
      return made;
    }
  }
  return std::nullopt;
}

Result<std::optional<Expr>> Translator::find_alias(const std::string& name, Scope& scope) {
  if (scope.select_list == nullptr) {
    return std::nullopt;
  }
  for (const value& entry : *scope.select_list) {
    const bool is_open = std::ranges::find(scope.open, &entry) != scope.open.end();
    if (is_open || !entry.is_object() || !same_name(text_of(entry.get_object(), "alias"), name)) {
      continue;
    }
    scope.open.push_back(&entry);
    auto made = expression(&entry, scope);
    scope.open.pop_back();
    LH_ASSIGN_OR_RETURN(Expr found, std::move(made));
    return found;
  }
  return std::nullopt;
}

Result<Expr> Translator::cast(const object& node, Scope& scope) {
  const value* type = member_of(node, "cast_type");
  LH_ASSIGN_OR_RETURN(Expr child, expression(member_of(node, "child"), scope));
  auto to = type == nullptr ? Result<SqlType>(refuse("a cast")) : type_of_tree(*type);
  if (!to) {
    return refuse(to.error().message);
  }
  const value* is_try = member_of(node, "try_cast");
  const bool tries = is_try != nullptr && is_try->is_bool() && is_try->get_bool();
  if (child.text && to->kind == Kind::Boolean) {
    const std::string truth = to_lower(*child.text);
    if (truth == "t" || truth == "true" || truth == "f" || truth == "false") {
      return Expr{.sql = truth.front() == 't' ? "true" : "false", .type = *to};
    }
  }
  if (!is_safe_cast(child.type, *to) || (tries && child.type.kind == Kind::Varchar)) {
    return refuse(fmt::format("a cast of {} to {}", duckdb_name(child.type), duckdb_name(*to)));
  }
  Expr out{
      .sql = fmt::format("{}({} AS {})", tries ? "TRY_CAST" : "CAST", child.sql, trino_name(*to)),
      .type = *std::move(to)};
  return out;
}

Result<Expr> Translator::comparison(const object& node, Scope& scope) {
  LH_ASSIGN_OR_RETURN(const std::string_view sign, comparison_sign(text_of(node, "type")));
  LH_ASSIGN_OR_RETURN(Expr left, expression(member_of(node, "left"), scope));
  LH_ASSIGN_OR_RETURN(Expr right, expression(member_of(node, "right"), scope));
  LH_RETURN_IF_ERROR(unify({&left, &right}));
  return Expr{.sql = fmt::format("({} {} {})", left.sql, sign, right.sql),
              .type = {.kind = Kind::Boolean}};
}

Result<Expr> Translator::conjunction(const object& node, Scope& scope) {
  const array* list = array_of(node, "children");
  std::vector<std::string> parts;
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    LH_ASSIGN_OR_RETURN(Expr part, boolean(&(*list)[i], scope));
    parts.push_back(std::move(part.sql));
  }
  const bool is_and = text_of(node, "type") == "CONJUNCTION_AND";
  return Expr{.sql = fmt::format("({})", fmt::join(parts, is_and ? " AND " : " OR ")),
              .type = {.kind = Kind::Boolean}};
}

Result<Expr> Translator::operation(const object& node, Scope& scope) {
  const std::string type = text_of(node, "type");
  const array* list = array_of(node, "children");
  if (list == nullptr) {
    return refuse(fmt::format("the operator {}", type));
  }
  if (type == "OPERATOR_NOT") {
    LH_ASSIGN_OR_RETURN(const Expr inner, boolean(&list->front(), scope));
    return Expr{.sql = fmt::format("(NOT {})", inner.sql), .type = {.kind = Kind::Boolean}};
  }
  if (type == "OPERATOR_IS_NULL" || type == "OPERATOR_IS_NOT_NULL") {
    LH_ASSIGN_OR_RETURN(const Expr inner, expression(&list->front(), scope));
    return Expr{.sql = fmt::format("({} {})", inner.sql,
                                   type == "OPERATOR_IS_NULL" ? "IS NULL" : "IS NOT NULL"),
                .type = {.kind = Kind::Boolean}};
  }
  if (type == "COMPARE_IN" || type == "COMPARE_NOT_IN") {
    return in_list(node, scope, type == "COMPARE_NOT_IN");
  }
  if (node.contains(kGuardMember)) {
    return expression(&list->front(), scope);
  }
  if (type == "OPERATOR_COALESCE" || type == "OPERATOR_NULLIF") {
    LH_ASSIGN_OR_RETURN(std::vector<Expr> operands, children(node, scope));
    return scalar(type == "OPERATOR_NULLIF" ? "nullif" : "coalesce", std::move(operands));
  }
  return refuse(fmt::format("the operator {}", type));
}

Result<Expr> Translator::in_list(const object& node, Scope& scope, bool negated) {
  LH_ASSIGN_OR_RETURN(std::vector<Expr> operands, children(node, scope));
  std::vector<Expr*> pointers;
  for (Expr& operand : operands) {
    pointers.push_back(&operand);
  }
  LH_RETURN_IF_ERROR(unify(pointers));
  std::vector<std::string> listed;
  for (std::size_t i = 1; i < operands.size(); ++i) {
    listed.push_back(std::move(operands[i].sql));
  }
  return Expr{.sql = fmt::format("({} {}IN ({}))", operands.front().sql, negated ? "NOT " : "",
                                 fmt::join(listed, ", ")),
              .type = {.kind = Kind::Boolean}};
}

Result<Expr> Translator::between(const object& node, Scope& scope) {
  LH_ASSIGN_OR_RETURN(Expr input, expression(member_of(node, "input"), scope));
  LH_ASSIGN_OR_RETURN(Expr lower, expression(member_of(node, "lower"), scope));
  LH_ASSIGN_OR_RETURN(Expr upper, expression(member_of(node, "upper"), scope));
  LH_RETURN_IF_ERROR(unify({&input, &lower, &upper}));
  const bool negated = text_of(node, "type") == "COMPARE_NOT_BETWEEN";
  return Expr{.sql = fmt::format("({} {}BETWEEN {} AND {})", input.sql, negated ? "NOT " : "",
                                 lower.sql, upper.sql),
              .type = {.kind = Kind::Boolean}};
}

Result<Expr> Translator::when(const object& node, Scope& scope) {
  std::vector<std::pair<std::string, Expr>> arms;
  if (const array* checks = array_of(node, "case_checks")) {
    for (const value& check : *checks) {
      const object* pair = check.if_object();
      if (pair == nullptr) {
        return refuse("a CASE");
      }
      LH_ASSIGN_OR_RETURN(Expr condition, boolean(member_of(*pair, "when_expr"), scope));
      LH_ASSIGN_OR_RETURN(Expr then, expression(member_of(*pair, "then_expr"), scope));
      arms.emplace_back(std::move(condition.sql), std::move(then));
    }
  }
  Expr otherwise = null_constant();
  if (const value* given = member_of(node, "else_expr")) {
    LH_ASSIGN_OR_RETURN(otherwise, expression(given, scope));
  }
  std::vector<Expr*> results{&otherwise};
  for (auto& arm : arms) {
    results.push_back(&arm.second);
  }
  LH_ASSIGN_OR_RETURN(const SqlType type, unify(results));
  std::string sql = "(CASE";
  for (const auto& [condition, then] : arms) {
    sql += fmt::format(" WHEN {} THEN {}", condition, then.sql);
  }
  return Expr{.sql = sql + fmt::format(" ELSE {} END)", otherwise.sql), .type = type};
}

Result<Expr> Translator::subquery(const object& node, Scope& scope) {
  const std::string type = text_of(node, "subquery_type");
  LH_ASSIGN_OR_RETURN(Query inner, statement(member_of(node, "subquery"), &scope));
  if (type == "EXISTS" || type == "NOT_EXISTS") {
    return Expr{.sql = fmt::format("({}EXISTS ({}))", type == "EXISTS" ? "" : "NOT ", inner.sql),
                .type = {.kind = Kind::Boolean}};
  }
  if (inner.columns.size() != 1) {
    return refuse("a subquery of several columns");
  }
  Expr column{.sql = "", .type = inner.columns.front().second};
  if (type == "SCALAR") {
    return Expr{.sql = fmt::format("({})", inner.sql), .type = column.type};
  }
  if (type != "ANY") {
    return refuse(fmt::format("a subquery of the kind {}", type));
  }
  LH_ASSIGN_OR_RETURN(Expr child, expression(member_of(node, "child"), scope));
  LH_RETURN_IF_ERROR(unify({&child, &column}));
  LH_ASSIGN_OR_RETURN(const std::string_view sign,
                      comparison_sign(text_of(node, "comparison_type")));
  const std::string how = sign == "=" ? "IN" : fmt::format("{} ANY", sign);
  return Expr{.sql = fmt::format("({} {} ({}))", child.sql, how, inner.sql),
              .type = {.kind = Kind::Boolean}};
}

}  // namespace lakehouse::query::trino
