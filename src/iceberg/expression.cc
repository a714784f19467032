#include "iceberg/expression.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace lakehouse::iceberg {

namespace json = boost::json;

namespace {

constexpr std::int64_t kNanosPerMicro = 1000;

struct OpName {
  std::string_view name;
  CompareOp op;
};

constexpr std::array<OpName, 14> kOpNames = {{{"eq", CompareOp::Eq},
                                              {"not-eq", CompareOp::NotEq},
                                              {"lt", CompareOp::Lt},
                                              {"lt-eq", CompareOp::LtEq},
                                              {"gt", CompareOp::Gt},
                                              {"gt-eq", CompareOp::GtEq},
                                              {"in", CompareOp::In},
                                              {"not-in", CompareOp::NotIn},
                                              {"starts-with", CompareOp::StartsWith},
                                              {"not-starts-with", CompareOp::NotStartsWith},
                                              {"is-null", CompareOp::IsNull},
                                              {"not-null", CompareOp::NotNull},
                                              {"is-nan", CompareOp::IsNan},
                                              {"not-nan", CompareOp::NotNan}}};

bool is_set(CompareOp op) {
  return op == CompareOp::In || op == CompareOp::NotIn;
}

bool is_unary(CompareOp op) {
  return op == CompareOp::IsNull || op == CompareOp::NotNull || op == CompareOp::IsNan ||
         op == CompareOp::NotNan;
}

bool is_prefix(CompareOp op) {
  return op == CompareOp::StartsWith || op == CompareOp::NotStartsWith;
}

bool is_floating(const Type& type) {
  return type.kind == TypeKind::Float || type.kind == TypeKind::Double;
}

/// Sets are kept in order, so that they can be searched; one value is no set.
Predicate in_order(Predicate predicate) {
  if (is_set(predicate.op)) {
    std::vector<Literal>& values = predicate.values;
    std::sort(values.begin(), values.end(),
              [](const Literal& a, const Literal& b) { return compare(a, b) < 0; });
    values.erase(std::unique(values.begin(), values.end()), values.end());
    if (values.size() == 1) {
      predicate.op = predicate.op == CompareOp::In ? CompareOp::Eq : CompareOp::NotEq;
    }
  }
  return predicate;
}

/// A field by its dotted path through structs; names may have dots themselves.
const NestedField* find_field(const std::vector<NestedField>& fields, std::string_view path,
                              bool case_sensitive) {
  const auto same = [&](std::string_view a, std::string_view b) {
    return case_sensitive ? a == b : to_lower(a) == to_lower(b);
  };
  for (const NestedField& field : fields) {
    if (same(field.name, path)) {
      return &field;
    }
    const std::size_t length = field.name.size();
    if (field.type->kind == TypeKind::Struct && path.size() > length && path[length] == '.' &&
        same(field.name, path.substr(0, length))) {
      const NestedField* found =
          find_field(field.type->fields, path.substr(length + 1), case_sensitive);
      if (found != nullptr) {
        return found;
      }
    }
  }
  return nullptr;
}

/// A value of a predicate; or that it lies beyond all that the column can hold.
struct BoundValue {
  std::optional<Literal> value;
  bool is_above = false;  ///< If there is no value: above all, else below all.
};

std::unexpected<Error> unfit(const Type& type, const json::value& value) {
  constexpr std::size_t kShownMax = 80;
  const std::string text = to_json(value);
  return fail(ErrorCode::InvalidArgument,
              fmt::format("the filter's value {}{} is no {}", text.substr(0, kShownMax),
                          text.size() > kShownMax ? "..." : "", to_string(type)));
}

Literal of_units(const Type& type, std::int64_t units) {
  return Literal{type.kind, 0, 0, units};
}

Result<BoundValue> bind_whole_number(const Type& type, const json::value& value) {
  if (value.is_uint64() && value.get_uint64() > std::uint64_t{INT64_MAX}) {
    return BoundValue{std::nullopt, true};
  }
  if (!value.is_int64() && !value.is_uint64()) {
    return unfit(type, value);
  }
  const auto number = value.to_number<std::int64_t>();
  if (type.kind == TypeKind::Long) {
    return BoundValue{Literal::of_long(number)};
  }
  if (number < INT32_MIN || number > INT32_MAX) {
    return BoundValue{std::nullopt, number > 0};
  }
  return BoundValue{Literal::of_int(static_cast<std::int32_t>(number))};
}

/// What clients send for a moment that they hold as a number.
Result<BoundValue> bind_units(const Type& type, std::int64_t number, const json::value& value) {
  if (type.kind == TypeKind::Date) {
    if (number < INT32_MIN || number > INT32_MAX) {
      return unfit(type, value);
    }
    return BoundValue{Literal::of_date(static_cast<std::int32_t>(number))};
  }
  const bool nanos = type.kind == TypeKind::TimestampNs || type.kind == TypeKind::TimestamptzNs;
  std::int64_t units = number;
  if (nanos && __builtin_mul_overflow(number, kNanosPerMicro, &units)) {
    return unfit(type, value);
  }
  return BoundValue{of_units(type, units)};
}

Result<BoundValue> bind_floating(const Type& type, const json::value& value) {
  // Some clients write the digits as text, as they do for decimals.
  const TypePtr wide = primitive(TypeKind::Double);
  auto bound = literal_from_json(*wide, value);
  if (!bound && value.is_string()) {
    bound = literal_from_text(*wide, value.get_string());
  }
  if (!bound || std::isnan(bound->as_double())) {
    return unfit(type, value);  // "NaN" is asked for with is-nan.
  }
  const double number = bound->as_double();
  if (type.kind == TypeKind::Double) {
    return BoundValue{*bound};
  }
  // Engines differ about 0.1 as a float: then the value stays a double, from which nothing follows.
  const auto narrow = static_cast<float>(number);
  return BoundValue{static_cast<double>(narrow) == number ? Literal::of_float(narrow) : *bound};
}

Result<BoundValue> bind_value(const Type& type, const json::value& value) {
  switch (type.kind) {
    case TypeKind::Int:
    case TypeKind::Long: return bind_whole_number(type, value);
    case TypeKind::Float:
    case TypeKind::Double: return bind_floating(type, value);
    case TypeKind::Date:
    case TypeKind::Time:
    case TypeKind::Timestamp:
    case TypeKind::Timestamptz:
    case TypeKind::TimestampNs:
    case TypeKind::TimestamptzNs:
      if (value.is_int64()) {
        return bind_units(type, value.get_int64(), value);
      }
      break;
    case TypeKind::Decimal:
      if (value.is_number()) {
        const auto bound = literal_from_json(type, json::value(to_json(value)));
        return bound ? Result<BoundValue>(BoundValue{*bound}) : unfit(type, value);
      }
      break;
    case TypeKind::Boolean:
    case TypeKind::String:
    case TypeKind::Uuid:
    case TypeKind::Fixed:
    case TypeKind::Binary:
    case TypeKind::Unknown:
    case TypeKind::Variant:
    case TypeKind::Geometry:
    case TypeKind::Geography:
    case TypeKind::Struct:
    case TypeKind::List:
    case TypeKind::Map: break;
  }
  const auto bound = literal_from_json(type, value);
  return bound ? Result<BoundValue>(BoundValue{*bound}) : unfit(type, value);
}

/// A comparison with a value that no row can have.
Expression beyond(const Predicate& predicate, bool is_above) {
  switch (predicate.op) {
    case CompareOp::Lt:
    case CompareOp::LtEq:
    case CompareOp::Gt:
    case CompareOp::GtEq: {
      const bool wants_less = predicate.op == CompareOp::Lt || predicate.op == CompareOp::LtEq;
      if (wants_less != is_above) {
        return Expression::always(false);
      }
      return Expression::is(
          {predicate.field_id, CompareOp::NotNull, {}, predicate.transform});  // All values do.
    }
    case CompareOp::NotEq: return Expression::always(true);
    case CompareOp::Eq:
    case CompareOp::In:
    case CompareOp::NotIn:
    case CompareOp::StartsWith:
    case CompareOp::NotStartsWith:
    case CompareOp::IsNull:
    case CompareOp::NotNull:
    case CompareOp::IsNan:
    case CompareOp::NotNan: break;
  }
  return Expression::always(false);
}

Result<const json::value*> operand(JsonFields& fields, std::string_view name) {
  const json::value* value = fields.optional_value(name);
  if (value == nullptr) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("an expression of the filter has no '{}'", name));
  }
  return value;
}

/// What a predicate speaks of.
struct Term {
  const NestedField* field = nullptr;
  bool required = false;
  Transform transform;
  TypePtr type;  ///< Of the term.
};

class Binder {
 public:
  Binder(const Schema& schema, bool case_sensitive)
      : schema_(schema), case_sensitive_(case_sensitive) {}

  Result<Expression> bind(const json::value& value, bool negate) {
    if (value.is_bool()) {
      return Expression::always(value.get_bool() != negate);
    }
    LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a filter's expression"));
    LH_ASSIGN_OR_RETURN(const std::string type, fields.require_string("type"));
    if (type == "true" || type == "false") {
      return Expression::always((type == "true") != negate);
    }
    if (type == "literal") {  // As older clients write them.
      LH_ASSIGN_OR_RETURN(const bool constant, fields.require_bool("value"));
      return Expression::always(constant != negate);
    }
    if (type == "not") {
      LH_ASSIGN_OR_RETURN(const json::value* child, operand(fields, "child"));
      return bind(*child, !negate);
    }
    if (type == "and" || type == "or") {
      return bind_pair(fields, (type == "and") != negate, negate);
    }
    const auto found = std::ranges::find(kOpNames, type, &OpName::name);
    if (found == kOpNames.end()) {
      return fail(ErrorCode::InvalidArgument, fmt::format("a filter has no operation '{}'", type),
                  "There are and, or, not, true, false, eq, not-eq, lt, lt-eq, gt, gt-eq, in, "
                  "not-in, starts-with, not-starts-with, is-null, not-null, is-nan, not-nan.");
    }
    if (++predicates_ > kPredicatesMax) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("the filter has more than {} predicates", kPredicatesMax));
    }
    return bind_predicate(fields, negate ? negated(found->op) : found->op);
  }

 private:
  Result<Expression> bind_pair(JsonFields& fields, bool is_and, bool negate) {
    std::vector<Expression> parts;
    for (const std::string_view side : {"left", "right"}) {
      LH_ASSIGN_OR_RETURN(const json::value* value, operand(fields, side));
      LH_ASSIGN_OR_RETURN(Expression part, bind(*value, negate));
      parts.push_back(std::move(part));
    }
    return is_and ? Expression::all_of(std::move(parts)) : Expression::any_of(std::move(parts));
  }

  Result<Term> bind_term(JsonFields& fields) const {
    LH_ASSIGN_OR_RETURN(const json::value* value, operand(fields, "term"));
    Term term;
    std::string name;
    if (value->is_string()) {
      name = value->get_string();
    } else {
      LH_ASSIGN_OR_RETURN(JsonFields parts, JsonFields::of(*value, "a filter's term"));
      LH_ASSIGN_OR_RETURN(name, parts.require_string("term"));
      LH_ASSIGN_OR_RETURN(const auto transform, parts.optional_string("transform"));
      LH_ASSIGN_OR_RETURN(term.transform, transform_from_string(transform.value_or("identity")));
    }
    term.field = find_field(schema_.fields, name, case_sensitive_);
    if (term.field == nullptr) {
      std::vector<std::string> names;
      for (const NestedField& field : schema_.fields) {
        names.push_back(field.name);
      }
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("the filter's column '{}' does not exist", name),
                  did_you_mean(name, names));
    }
    term.required = term.field->required && schema_.find(term.field->name) == term.field;
    if (term.transform.kind == Transform::Kind::Unknown ||
        term.transform.kind == Transform::Kind::Void) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("a filter cannot use the transform '{}'", to_string(term.transform)));
    }
    term.type = term.field->type;
    if (term.transform.kind != Transform::Kind::Identity) {
      LH_ASSIGN_OR_RETURN(term.type, result_type(term.transform, *term.field->type));
    }
    return term;
  }

  Result<Expression> bind_predicate(JsonFields& fields, CompareOp op) const {
    LH_ASSIGN_OR_RETURN(const Term term, bind_term(fields));
    Predicate predicate{term.field->id, op, {}, term.transform};
    if (is_unary(op)) {
      return bind_unary(term, std::move(predicate));
    }
    if (is_nested(*term.type)) {
      return fail(
          ErrorCode::InvalidArgument,
          fmt::format("the filter compares column '{}', which is a {}", term.field->name,
                      to_string(*term.type)),
          "Name one of its fields, as in address.street; lists and maps cannot be compared.");
    }
    if (is_prefix(op) && term.type->kind != TypeKind::String) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("starts-with is for text, and column '{}' is {}", term.field->name,
                              to_string(*term.type)));
    }
    return is_set(op) ? bind_set(fields, term, std::move(predicate))
                      : bind_literal(fields, term, std::move(predicate));
  }

  static Result<Expression> bind_unary(const Term& term, Predicate predicate) {
    const bool about_nan = predicate.op == CompareOp::IsNan || predicate.op == CompareOp::NotNan;
    if (about_nan && !is_floating(*term.type)) {
      return fail(ErrorCode::InvalidArgument, fmt::format("{} columns such as '{}' have no NaN",
                                                          to_string(*term.type), term.field->name));
    }
    if (term.required && !about_nan) {
      return Expression::always(predicate.op == CompareOp::NotNull);
    }
    return Expression::is(std::move(predicate));
  }

  static Result<Expression> bind_literal(JsonFields& fields, const Term& term,
                                         Predicate predicate) {
    LH_ASSIGN_OR_RETURN(const json::value* value, operand(fields, "value"));
    LH_ASSIGN_OR_RETURN(BoundValue bound, bind_value(*term.type, *value));
    if (!bound.value) {
      return beyond(predicate, bound.is_above);
    }
    predicate.values.push_back(*std::move(bound.value));
    return Expression::is(std::move(predicate));
  }

  static Result<Expression> bind_set(JsonFields& fields, const Term& term, Predicate predicate) {
    LH_ASSIGN_OR_RETURN(const json::array* values, fields.require_array("values"));
    if (values->size() > kInValuesMax) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("a filter's set has more than {} values", kInValuesMax));
    }
    for (const json::value& value : *values) {
      LH_ASSIGN_OR_RETURN(BoundValue bound, bind_value(*term.type, value));
      if (bound.value) {  // What no row can have does not matter in a set.
        predicate.values.push_back(*std::move(bound.value));
      }
    }
    if (predicate.values.empty()) {
      return Expression::always(predicate.op == CompareOp::NotIn);
    }
    return Expression::is(std::move(predicate));
  }

  const Schema& schema_;
  bool case_sensitive_;
  std::size_t predicates_ = 0;
};

json::value term_to_json(const Predicate& predicate, const Schema& schema) {
  std::string name = schema.path_of(predicate.field_id);
  if (predicate.transform.kind == Transform::Kind::Identity) {
    return json::value(name);
  }
  return json::object{{"type", "transform"},
                      {"transform", to_string(predicate.transform)},
                      {"term", std::move(name)}};
}

json::object predicate_to_json(const Predicate& predicate, const Schema& schema) {
  json::object out{{"type", std::ranges::find(kOpNames, predicate.op, &OpName::op)->name},
                   {"term", term_to_json(predicate, schema)}};
  if (is_set(predicate.op)) {
    json::array values;
    for (const Literal& value : predicate.values) {
      values.push_back(literal_to_json(value));
    }
    out["values"] = std::move(values);
  } else if (!is_unary(predicate.op) && !predicate.values.empty()) {
    out["value"] = literal_to_json(predicate.values.front());
  }
  return out;
}

/// The protocol knows pairs only: halves keep the nesting shallow.
json::value pairs(std::string_view type, std::span<const Expression> parts, const Schema& schema) {
  if (parts.size() == 1) {
    return expression_to_json(parts.front(), schema);
  }
  const std::size_t half = parts.size() / 2;
  return json::object{{"type", type},
                      {"left", pairs(type, parts.first(half), schema)},
                      {"right", pairs(type, parts.subspan(half), schema)}};
}

}  // namespace

CompareOp negated(CompareOp op) {
  switch (op) {
    case CompareOp::Eq: return CompareOp::NotEq;
    case CompareOp::NotEq: return CompareOp::Eq;
    case CompareOp::Lt: return CompareOp::GtEq;
    case CompareOp::LtEq: return CompareOp::Gt;
    case CompareOp::Gt: return CompareOp::LtEq;
    case CompareOp::GtEq: return CompareOp::Lt;
    case CompareOp::In: return CompareOp::NotIn;
    case CompareOp::NotIn: return CompareOp::In;
    case CompareOp::StartsWith: return CompareOp::NotStartsWith;
    case CompareOp::NotStartsWith: return CompareOp::StartsWith;
    case CompareOp::IsNull: return CompareOp::NotNull;
    case CompareOp::NotNull: return CompareOp::IsNull;
    case CompareOp::IsNan: return CompareOp::NotNan;
    case CompareOp::NotNan: return CompareOp::IsNan;
  }
  return op;
}

Expression::Expression(std::initializer_list<Predicate> all) {
  std::vector<Expression> parts;
  for (const Predicate& predicate : all) {
    parts.push_back(is(predicate));
  }
  *this = all_of(std::move(parts));
}

Expression Expression::always(bool value) {
  Expression out;
  out.kind_ = value ? Kind::True : Kind::False;
  return out;
}

Expression Expression::is(Predicate predicate) {
  Expression out;
  out.kind_ = Kind::Is;
  out.predicate_ = in_order(std::move(predicate));
  return out;
}

Expression Expression::join(Kind kind, std::vector<Expression> parts) {
  const Kind neutral = kind == Kind::And ? Kind::True : Kind::False;
  const Kind deciding = kind == Kind::And ? Kind::False : Kind::True;
  Expression out;
  out.kind_ = kind;
  for (Expression& part : parts) {
    if (part.kind_ == deciding) {
      return std::move(part);
    }
    if (part.kind_ == kind) {
      std::ranges::move(part.parts_, std::back_inserter(out.parts_));
    } else if (part.kind_ != neutral) {
      out.parts_.push_back(std::move(part));
    }
  }
  if (out.parts_.empty()) {
    return always(neutral == Kind::True);
  }
  if (out.parts_.size() == 1) {
    Expression only = std::move(out.parts_.front());
    return only;
  }
  return out;
}

Expression Expression::all_of(std::vector<Expression> parts) {
  return join(Kind::And, std::move(parts));
}

Expression Expression::any_of(std::vector<Expression> parts) {
  return join(Kind::Or, std::move(parts));
}

Expression Expression::negated() const {
  switch (kind_) {
    case Kind::True: return always(false);
    case Kind::False: return always(true);
    case Kind::Is: {
      Predicate predicate = predicate_;
      predicate.op = iceberg::negated(predicate.op);
      return is(std::move(predicate));
    }
    case Kind::And:
    case Kind::Or: break;
  }
  std::vector<Expression> parts;
  for (const Expression& part : parts_) {
    parts.push_back(part.negated());
  }
  return join(kind_ == Kind::And ? Kind::Or : Kind::And, std::move(parts));
}

Result<Expression> expression_from_json(const json::value& value, const Schema& schema,
                                        bool case_sensitive) {
  return Binder(schema, case_sensitive).bind(value, false);
}

json::value expression_to_json(const Expression& expression, const Schema& schema) {
  switch (expression.kind()) {
    case Expression::Kind::True: return true;
    case Expression::Kind::False: return false;
    case Expression::Kind::Is: return predicate_to_json(expression.predicate(), schema);
    case Expression::Kind::And: return pairs("and", expression.parts(), schema);
    case Expression::Kind::Or: return pairs("or", expression.parts(), schema);
  }
  return true;
}

}  // namespace lakehouse::iceberg
