#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/text.h"
#include "query/trino_translator.h"

namespace lakehouse::query::trino {
namespace {

constexpr std::array kAggregates = std::to_array<std::string_view>(
    {"any_value",   "avg",     "bool_and",       "bool_or",    "count",   "count_if",
     "count_star",  "countif", "covar_pop",      "covar_samp", "corr",    "max",
     "mean",        "min",     "regr_intercept", "regr_slope", "stddev",  "stddev_pop",
     "stddev_samp", "sum",     "var_pop",        "var_samp",   "variance"});

Expr of_kind(std::string sql, Kind kind) {
  return {.sql = std::move(sql), .type = {.kind = kind}};
}

bool all_are(const std::vector<Expr>& arguments, bool (*is)(const SqlType&)) {
  return std::ranges::all_of(arguments, [is](const Expr& one) { return is(one.type); });
}
bool is_text(const SqlType& type) {
  return type.kind == Kind::Varchar;
}

/// What has no FROM for its arguments' types ends here.
std::unexpected<Error> refuse_call(std::string_view name, const std::vector<Expr>& arguments) {
  std::vector<std::string_view> types;
  for (const Expr& argument : arguments) {
    types.push_back(duckdb_name(argument.type));
  }
  return refuse(fmt::format("{}({})", name, fmt::join(types, ", ")));
}

// --- Intervals.

struct Interval {
  std::int64_t amount = 0;
  std::string_view unit;  ///< DAY, as Trino writes it.
};
struct Unit {
  std::string_view function;
  std::string_view word;
  std::string_view unit;
  std::int64_t times;
};
constexpr std::array kUnits = std::to_array<Unit>({{"to_years", "year", "YEAR", 1},
                                                   {"to_quarters", "quarter", "MONTH", 3},
                                                   {"to_months", "month", "MONTH", 1},
                                                   {"to_weeks", "week", "DAY", 7},
                                                   {"to_days", "day", "DAY", 1},
                                                   {"to_hours", "hour", "HOUR", 1},
                                                   {"to_minutes", "minute", "MINUTE", 1},
                                                   {"to_seconds", "second", "SECOND", 1}});
constexpr std::int64_t kAmountMax = 1'000'000'000;

std::optional<std::int64_t> whole_text(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool good = error == std::errc() && end == text.data() + text.size();
  return good ? std::optional(number) : std::nullopt;
}

/// The constant below the casts and the trunc() that the parser puts around INTERVAL's number.
const object* constant_below(const value* node) {
  const object* at = node == nullptr ? nullptr : node->if_object();
  while (at != nullptr && text_of(*at, "class") != "CONSTANT") {
    const value* next = nullptr;
    if (text_of(*at, "class") == "CAST") {
      next = member_of(*at, "child");
    } else if (const array* list = array_of(*at, "children");
               list != nullptr && text_of(*at, "function_name") == "trunc") {
      next = &list->front();
    }
    at = next == nullptr ? nullptr : next->if_object();
  }
  const value* holder = at == nullptr ? nullptr : member_of(*at, "value");
  return holder == nullptr ? nullptr : holder->if_object();
}

std::optional<Interval> interval_of(const Unit& unit, std::int64_t amount) {
  if (amount > kAmountMax || amount < -kAmountMax) {
    return std::nullopt;
  }
  return Interval{amount * unit.times, unit.unit};
}

/// INTERVAL 3 MONTH, INTERVAL '3' MONTH, INTERVAL '3 months'; nothing if it is no such constant.
std::optional<Interval> interval_constant(const value& node) {
  const object* call = node.if_object();
  const object* constant = constant_below(&node);
  if (call == nullptr) {
    return std::nullopt;
  }
  if (text_of(*call, "class") == "CAST" && constant != nullptr) {
    const value* type = member_of(*call, "cast_type");
    const std::string text = text_of(*constant, "value");
    const std::size_t blank = text.find(' ');
    if (type == nullptr || !type->is_object() || text_of(type->get_object(), "id") != "INTERVAL" ||
        blank == std::string::npos) {
      return std::nullopt;
    }
    const auto amount = whole_text(std::string_view(text).substr(0, blank));
    std::string word = to_lower(std::string_view(text).substr(blank + 1));
    word.resize(word.size() - (word.ends_with('s') ? 1 : 0));
    const auto* const unit = std::ranges::find(kUnits, std::string_view(word), &Unit::word);
    return amount && unit != kUnits.end() ? interval_of(*unit, *amount) : std::nullopt;
  }
  const std::string name = text_of(*call, "function_name");
  const auto* const unit = std::ranges::find(kUnits, std::string_view(name), &Unit::function);
  const array* list = array_of(*call, "children");
  const object* number = list == nullptr ? nullptr : constant_below(&list->front());
  const value* content = number == nullptr ? nullptr : member_of(*number, "value");
  if (unit == kUnits.end() || content == nullptr) {
    return std::nullopt;
  }
  const auto amount = content->is_int64()    ? std::optional(content->get_int64())
                      : content->is_string() ? whole_text(content->get_string())
                                             : std::nullopt;
  return amount ? interval_of(*unit, *amount) : std::nullopt;
}

// --- Parts of dates.

struct DatePart {
  std::string_view name;
  std::string_view trino;  ///< With {} for the date.
};
constexpr std::array kDateParts = std::to_array<DatePart>({{"year", "year({})"},
                                                           {"quarter", "quarter({})"},
                                                           {"month", "month({})"},
                                                           {"week", "week({})"},
                                                           {"weekofyear", "week({})"},
                                                           {"day", "day({})"},
                                                           {"dayofmonth", "day({})"},
                                                           {"doy", "day_of_year({})"},
                                                           {"dayofyear", "day_of_year({})"},
                                                           {"dow", "(day_of_week({}) % 7)"},
                                                           {"dayofweek", "(day_of_week({}) % 7)"},
                                                           {"isodow", "day_of_week({})"},
                                                           {"hour", "hour({})"},
                                                           {"minute", "minute({})"}});
constexpr std::array kTruncations =
    std::to_array<std::string_view>({"year", "quarter", "month", "week", "day", "hour", "minute"});

const DatePart* date_part(std::string_view name) {
  const auto* const found = std::ranges::find(kDateParts, name, &DatePart::name);
  return found == kDateParts.end() ? nullptr : found;
}

}  // namespace

bool is_aggregate(std::string_view name) {
  return std::ranges::find(kAggregates, name) != kAggregates.end();
}

Result<Expr> Translator::function(const object& node, Scope& scope) {
  const std::string name = to_lower(text_of(node, "function_name"));
  if (is_aggregate(name)) {
    return aggregate(node, name, scope, "");
  }
  for (const char* member : {"filter", "distinct"}) {
    const value* given = member_of(node, member);
    if (given != nullptr && (given->is_object() || (given->is_bool() && given->get_bool()))) {
      return refuse(fmt::format("{} as an aggregate", name));
    }
  }
  LH_ASSIGN_OR_RETURN(auto shifted, interval_shift(node, scope));
  if (shifted) {
    return *std::move(shifted);
  }
  LH_ASSIGN_OR_RETURN(std::vector<Expr> arguments, children(node, scope));
  return scalar(name, std::move(arguments));
}

/// A date or timestamp and a constant interval: DuckDB makes a TIMESTAMP of both.
Result<std::optional<Expr>> Translator::interval_shift(const object& node, Scope& scope) {
  const std::string name = text_of(node, "function_name");
  const array* list = array_of(node, "children");
  if ((name != "+" && name != "-") || list == nullptr || list->size() != 2) {
    return std::nullopt;
  }
  const auto right = interval_constant((*list)[1]);
  const auto left = name == "+" && !right ? interval_constant((*list)[0]) : std::nullopt;
  if (!left && !right) {
    return std::nullopt;
  }
  LH_ASSIGN_OR_RETURN(const Expr moment, expression(&(*list)[right ? 0 : 1], scope));
  if (!is_moment(moment.type)) {
    return refuse(fmt::format("{} and an INTERVAL", duckdb_name(moment.type)));
  }
  const Interval interval = right ? *right : *left;
  const std::string start = moment.type.kind == Kind::Date
                                ? fmt::format("CAST({} AS timestamp(6))", moment.sql)
                                : moment.sql;
  return of_kind(
      fmt::format("({} {} INTERVAL {}'{}' {})", start, name, interval.amount < 0 ? "-" : "",
                  std::abs(interval.amount), interval.unit),
      moment.type.kind == Kind::Timestamptz ? Kind::Timestamptz : Kind::Timestamp);
}

Result<Expr> Translator::arithmetic(std::string_view name, std::vector<Expr> operands) {
  if (operands.size() == 1 && name == "-" && is_numeric(operands[0].type)) {
    return Expr{.sql = fmt::format("(-{})", operands[0].sql), .type = operands[0].type};
  }
  if (operands.size() != 2) {
    return refuse_call(name, operands);
  }
  Expr& left = operands[0];
  Expr& right = operands[1];
  if (is_moment(left.type)) {
    return moments(name, left, right);
  }
  LH_ASSIGN_OR_RETURN(SqlType type, unify({&left, &right}));
  if (!all_are(operands, is_numeric)) {
    return refuse_call(name, operands);
  }
  if (name == "/") {
    return of_kind(fmt::format("({} / {})", as_double(left), as_double(right)), Kind::Double);
  }
  const bool is_remainder = name == "%" || name == "mod";
  if (is_remainder || name == "//") {
    if (!(name == "//" ? is_whole(type) : is_exact(type))) {
      return refuse_call(name, operands);
    }
    // By zero: NULL in DuckDB, an error in Trino.
    return Expr{
        .sql = fmt::format("({} {} nullif({}, 0))", left.sql, is_remainder ? "%" : "/", right.sql),
        .type = type};
  }
  if (type.kind == Kind::Decimal) {
    const bool product = name == "*";
    const int scale = product ? left.type.scale + right.type.scale : type.scale;
    const int digits = product ? left.type.precision + right.type.precision : type.precision + 1;
    type.scale = scale;
    type.precision = std::min(38, std::max(digits, scale));
  }
  return Expr{.sql = fmt::format("({} {} {})", left.sql, name, right.sql), .type = type};
}

Result<Expr> Translator::moments(std::string_view name, const Expr& left, const Expr& right) {
  if (left.type.kind == Kind::Date && name == "-" && right.type.kind == Kind::Date) {
    return of_kind(fmt::format("date_diff('day', {}, {})", right.sql, left.sql), Kind::BigInt);
  }
  if (left.type.kind == Kind::Date && (name == "-" || name == "+") && is_whole(right.type)) {
    return of_kind(
        fmt::format("date_add('day', {}{}, {})", name == "-" ? "-" : "", right.sql, left.sql),
        Kind::Date);
  }
  return refuse_call(name, {left, right});
}

Result<Expr> Translator::scalar(const std::string& name, std::vector<Expr> arguments) {
  if (name == "+" || name == "-" || name == "*" || name == "/" || name == "%" || name == "mod" ||
      name == "//") {
    return arithmetic(name, std::move(arguments));
  }
  if (name == "coalesce" || (name == "nullif" && arguments.size() == 2)) {
    std::vector<Expr*> pointers;
    std::vector<std::string> listed;
    for (Expr& argument : arguments) {
      pointers.push_back(&argument);
    }
    LH_ASSIGN_OR_RETURN(const SqlType type, unify(pointers));
    for (const Expr& argument : arguments) {
      listed.push_back(argument.sql);
    }
    if (listed.size() == 1) {
      return Expr{.sql = listed.front(), .type = type};
    }
    return Expr{.sql = fmt::format("{}({})", name, fmt::join(listed, ", ")),
                .type = name == "nullif" ? arguments.front().type : type};
  }
  LH_ASSIGN_OR_RETURN(auto made, text_function(name, arguments));
  if (!made) {
    LH_ASSIGN_OR_RETURN(made, date_function(name, arguments));
  }
  if (!made) {
    LH_ASSIGN_OR_RETURN(made, number_function(name, arguments));
  }
  if (!made) {
    return refuse_call(name, arguments);
  }
  return *std::move(made);
}

namespace {

struct TextFunction {
  std::string_view name;
  std::size_t arguments;
  std::string_view trino;  ///< {0}, {1} are the arguments.
  Kind kind;
};
constexpr std::array kTextFunctions = std::to_array<TextFunction>(
    {{"lower", 1, "lower({0})", Kind::Varchar},
     {"lcase", 1, "lower({0})", Kind::Varchar},
     {"upper", 1, "upper({0})", Kind::Varchar},
     {"ucase", 1, "upper({0})", Kind::Varchar},
     {"length", 1, "length({0})", Kind::BigInt},
     {"len", 1, "length({0})", Kind::BigInt},
     {"char_length", 1, "length({0})", Kind::BigInt},
     {"character_length", 1, "length({0})", Kind::BigInt},
     // DuckDB takes blanks off, Trino's own trim every white space.
     {"trim", 1, "trim(BOTH ' ' FROM {0})", Kind::Varchar},
     {"ltrim", 1, "trim(LEADING ' ' FROM {0})", Kind::Varchar},
     {"rtrim", 1, "trim(TRAILING ' ' FROM {0})", Kind::Varchar},
     {"strpos", 2, "strpos({0}, {1})", Kind::BigInt},
     {"instr", 2, "strpos({0}, {1})", Kind::BigInt},
     {"position", 2, "strpos({0}, {1})", Kind::BigInt},
     {"contains", 2, "(strpos({0}, {1}) > 0)", Kind::Boolean},
     {"starts_with", 2, "starts_with({0}, {1})", Kind::Boolean},
     {"prefix", 2, "starts_with({0}, {1})", Kind::Boolean},
     {"^@", 2, "starts_with({0}, {1})", Kind::Boolean},
     {"||", 2, "concat({0}, {1})", Kind::Varchar},
     {"~~", 2, "({0} LIKE {1})", Kind::Boolean},
     {"!~~", 2, "({0} NOT LIKE {1})", Kind::Boolean},
     {"~~*", 2, "(lower({0}) LIKE lower({1}))", Kind::Boolean},
     {"!~~*", 2, "(lower({0}) NOT LIKE lower({1}))", Kind::Boolean},
     {"like_escape", 3, "({0} LIKE {1} ESCAPE {2})", Kind::Boolean},
     {"not_like_escape", 3, "({0} NOT LIKE {1} ESCAPE {2})", Kind::Boolean}});

}  // namespace

Result<std::optional<Expr>> Translator::text_function(const std::string& name,
                                                      const std::vector<Expr>& arguments) {
  const bool has_text_only = std::ranges::all_of(
      arguments, [](const Expr& one) { return is_text(one.type) || one.type.kind == Kind::Null; });
  if (name == "concat" && has_text_only) {
    // NULLs are left out here, and spread in Trino.
    std::vector<std::string> parts{"''", "''"};
    for (const Expr& argument : arguments) {
      parts.push_back(fmt::format("coalesce({}, '')", argument.sql));
    }
    return of_kind(fmt::format("concat({})", fmt::join(parts, ", ")), Kind::Varchar);
  }
  if (arguments.empty() || !is_text(arguments[0].type)) {
    return std::nullopt;
  }
  if (all_are(arguments, is_text)) {
    for (const TextFunction& one : kTextFunctions) {
      if (one.name == name && one.arguments == arguments.size()) {
        const auto argument = [&](std::size_t i) {
          return i < arguments.size() ? arguments[i].sql : std::string();
        };
        return of_kind(fmt::format(fmt::runtime(one.trino), argument(0), argument(1), argument(2)),
                       one.kind);
      }
    }
    const bool replaces = name == "replace" && arguments.size() == 3;
    if (replaces && arguments[1].text && !arguments[1].text->empty()) {
      return of_kind(
          fmt::format("replace({}, {}, {})", arguments[0].sql, arguments[1].sql, arguments[2].sql),
          Kind::Varchar);
    }
    return std::nullopt;
  }
  // Positions before the first character mean different things.
  const bool cuts = name == "substring" || name == "substr";
  const std::size_t numbers = arguments.size() - 1;
  if (cuts && (numbers == 1 || numbers == 2) && arguments[1].whole && *arguments[1].whole >= 1 &&
      (numbers == 1 || (arguments[2].whole && *arguments[2].whole >= 0))) {
    return of_kind(numbers == 1 ? fmt::format("substr({}, {})", arguments[0].sql, arguments[1].sql)
                                : fmt::format("substr({}, {}, {})", arguments[0].sql,
                                              arguments[1].sql, arguments[2].sql),
                   Kind::Varchar);
  }
  if (name == "left" && arguments.size() == 2 && arguments[1].whole && *arguments[1].whole >= 0) {
    return of_kind(fmt::format("substr({}, 1, {})", arguments[0].sql, arguments[1].sql),
                   Kind::Varchar);
  }
  return std::nullopt;
}

Result<std::optional<Expr>> Translator::date_function(const std::string& name,
                                                      const std::vector<Expr>& arguments) {
  if (arguments.size() == 1 && is_moment(arguments[0].type)) {
    const DatePart* part = date_part(name);
    const bool has_time = arguments[0].type.kind != Kind::Date;
    if (part != nullptr && (has_time || (name != "hour" && name != "minute"))) {
      return of_kind(fmt::format(fmt::runtime(part->trino), arguments[0].sql), Kind::BigInt);
    }
  }
  if (arguments.size() < 2 || !arguments[0].text || !is_moment(arguments[1].type)) {
    return std::nullopt;
  }
  const std::string part = to_lower(*arguments[0].text);
  if (name == "date_part" || name == "datepart") {
    return date_function(part, {arguments[1]});
  }
  if ((name == "date_trunc" || name == "datetrunc") &&
      std::ranges::find(kTruncations, std::string_view(part)) != kTruncations.end()) {
    const bool zoned = arguments[1].type.kind == Kind::Timestamptz;
    const SqlType type{.kind = zoned ? Kind::Timestamptz : Kind::Timestamp};
    return Expr{.sql = fmt::format("date_trunc({}, CAST({} AS {}))", quoted(part), arguments[1].sql,
                                   trino_name(type)),
                .type = type};
  }
  // DuckDB counts the boundaries between the two, Trino the whole units.
  if ((name == "date_diff" || name == "datediff") && arguments.size() == 3 &&
      arguments[1].type.kind == Kind::Date && arguments[2].type.kind == Kind::Date) {
    const std::string& from = arguments[1].sql;
    const std::string& to = arguments[2].sql;
    if (part == "day") {
      return of_kind(fmt::format("date_diff('day', {}, {})", from, to), Kind::BigInt);
    }
    if (part == "month") {
      return of_kind(
          fmt::format("((year({1}) - year({0})) * 12 + month({1}) - month({0}))", from, to),
          Kind::BigInt);
    }
    if (part == "year") {
      return of_kind(fmt::format("(year({}) - year({}))", to, from), Kind::BigInt);
    }
  }
  return std::nullopt;
}

Result<std::optional<Expr>> Translator::number_function(const std::string& name,
                                                        const std::vector<Expr>& arguments) {
  if (arguments.empty() || !all_are(arguments, is_numeric)) {
    return std::nullopt;
  }
  const Expr& first = arguments[0];
  if (name == "abs" && arguments.size() == 1) {
    return Expr{.sql = fmt::format("abs({})", first.sql), .type = first.type};
  }
  if ((name == "floor" || name == "ceil" || name == "ceiling") && arguments.size() == 1) {
    const std::string call = name == "floor" ? "floor" : "ceiling";
    if (first.type.kind == Kind::Decimal) {
      return Expr{.sql = fmt::format("{}({})", call, first.sql),
                  .type = {.kind = Kind::Decimal, .precision = first.type.precision}};
    }
    return of_kind(fmt::format("{}({})", call, as_double(first)), Kind::Double);
  }
  const bool rounds = name == "round" && first.type.kind != Kind::Real && !is_whole(first.type);
  if (rounds && (arguments.size() == 1 ||
                 (arguments.size() == 2 && arguments[1].whole && *arguments[1].whole >= 0))) {
    const std::int64_t places = arguments.size() == 1 ? 0 : *arguments[1].whole;
    Expr out{.sql = fmt::format("round({}, {})", first.sql, places), .type = first.type};
    if (out.type.kind == Kind::Decimal) {
      // Trino keeps the scale.
      out.type.scale = static_cast<int>(std::min<std::int64_t>(places, out.type.scale));
      out.type.precision = std::min(38, out.type.precision + 1);
      out.sql = fmt::format("CAST({} AS {})", out.sql, trino_name(out.type));
    }
    return out;
  }
  if ((name == "power" || name == "pow") && arguments.size() == 2) {
    return of_kind(fmt::format("power({}, {})", as_double(first), as_double(arguments[1])),
                   Kind::Double);
  }
  if (name == "exp" && arguments.size() == 1) {
    return of_kind(fmt::format("exp({})", as_double(first)), Kind::Double);
  }
  return std::nullopt;
}

// --- Aggregates and windows.

namespace {

/// The argument of a sum, so that it cannot overflow where DuckDB's does not.
std::string summand(const Expr& argument) {
  if (argument.type.kind == Kind::BigInt) {
    return fmt::format("CAST({} AS decimal(38,0))", argument.sql);
  }
  return argument.type.kind == Kind::Real ? as_double(argument) : argument.sql;
}

SqlType sum_type(const SqlType& type) {
  if (is_whole(type)) {
    return {.kind = Kind::HugeInt};
  }
  return type.kind == Kind::Decimal
             ? SqlType{.kind = Kind::Decimal, .precision = 38, .scale = type.scale}
             : SqlType{.kind = Kind::Double};
}

/// `call` takes a function and its argument.
template <class Call>
Result<Expr> aggregate_of(const std::string& name, const std::vector<Expr>& arguments,
                          const Call& call) {
  const Expr& first = arguments.front();
  if (name == "count" && arguments.size() == 1) {
    return of_kind(call("count", first.sql), Kind::BigInt);
  }
  if ((name == "min" || name == "max" || name == "any_value") && arguments.size() == 1 &&
      first.type.kind != Kind::Nested && first.type.kind != Kind::Null) {
    return Expr{.sql = call(name, first.sql), .type = first.type};
  }
  const bool is_flag = first.type.kind == Kind::Boolean && arguments.size() == 1;
  if (is_flag && (name == "bool_and" || name == "bool_or")) {
    return of_kind(call(name, first.sql), Kind::Boolean);
  }
  if (is_flag && (name == "count_if" || name == "countif")) {
    return of_kind(call("count_if", first.sql), Kind::HugeInt);
  }
  if (!all_are(arguments, is_numeric)) {
    return refuse_call(name, arguments);
  }
  if (name == "sum" && arguments.size() == 1) {
    return Expr{.sql = call("sum", summand(first)), .type = sum_type(first.type)};
  }
  if ((name == "avg" || name == "mean") && arguments.size() == 1) {
    // Of decimals, Trino's own is a decimal.
    return of_kind(fmt::format("(CAST({} AS double) / {})", call("sum", summand(first)),
                               call("count", first.sql)),
                   Kind::Double);
  }
  std::vector<std::string> doubles;
  for (const Expr& argument : arguments) {
    doubles.push_back(as_double(argument));
  }
  const bool is_pair = name.starts_with("co") || name.starts_with("regr");
  const bool is_spread = name.starts_with("std") || name.starts_with("var");
  if ((is_pair && arguments.size() == 2) || (is_spread && arguments.size() == 1)) {
    return of_kind(call(name, fmt::format("{}", fmt::join(doubles, ", "))), Kind::Double);
  }
  return refuse_call(name, arguments);
}

}  // namespace

Result<Expr> Translator::aggregate(const object& node, const std::string& name, Scope& scope,
                                   const std::string& over) {
  if (const value* orders = member_of(node, "order_bys");
      orders != nullptr && orders->is_object() && array_of(orders->get_object(), "orders")) {
    return refuse(fmt::format("ORDER BY inside of {}", name));
  }
  std::string filter;
  for (const char* member : {"filter", "filter_expr"}) {
    if (const value* given = member_of(node, member)) {
      LH_ASSIGN_OR_RETURN(const Expr condition, boolean(given, scope));
      filter = fmt::format(" FILTER (WHERE {})", condition.sql);
    }
  }
  LH_ASSIGN_OR_RETURN(const std::vector<Expr> arguments, children(node, scope));
  if (name == "count_star" || (name == "count" && arguments.empty())) {
    return of_kind(fmt::format("count(*){}{}", filter, over), Kind::BigInt);
  }
  if (arguments.empty()) {
    return refuse(name + "()");
  }
  const value* distinct = member_of(node, "distinct");
  const bool is_distinct = distinct != nullptr && distinct->is_bool() && distinct->get_bool();
  if (is_distinct && !over.empty()) {
    return refuse("DISTINCT in a window");
  }
  return aggregate_of(name, arguments, [&](std::string_view call, const std::string& argument) {
    return fmt::format("{}({}{}){}{}", call, is_distinct ? "DISTINCT " : "", argument, filter,
                       over);
  });
}

Result<Expr> Translator::window(const object& node, Scope& scope) {
  const std::string name = to_lower(text_of(node, "function_name"));
  const value* ignores = member_of(node, "ignore_nulls");
  if ((ignores != nullptr && ignores->is_bool() && ignores->get_bool()) ||
      array_of(node, "arg_orders") != nullptr || text_of(node, "exclude_clause") != "NO_OTHER") {
    return refuse(fmt::format("IGNORE NULLS, ORDER BY or EXCLUDE in the window of {}", name));
  }
  LH_ASSIGN_OR_RETURN(const std::string clause, window_clause(node, scope));
  const std::string over = fmt::format(" OVER ({})", clause);
  if (is_aggregate(name)) {
    return aggregate(node, name, scope, over);
  }
  if (member_of(node, "filter_expr") != nullptr) {
    return refuse(fmt::format("FILTER with {}", name));
  }
  LH_ASSIGN_OR_RETURN(std::vector<Expr> arguments, children(node, scope));
  if (arguments.empty()) {
    for (const char* rank : {"row_number", "rank", "dense_rank"}) {
      if (name == rank) {
        return of_kind(name + "()" + over, Kind::BigInt);
      }
    }
    if (name == "percent_rank" || name == "cume_dist") {
      return of_kind(name + "()" + over, Kind::Double);
    }
  }
  if (name == "ntile" && arguments.size() == 1 && arguments[0].whole) {
    return of_kind(fmt::format("ntile({}){}", arguments[0].sql, over), Kind::BigInt);
  }
  const bool shifts = name == "lag" || name == "lead";
  if (arguments.size() != 1 || (!shifts && name != "first_value" && name != "last_value")) {
    return refuse_call(name, arguments);
  }
  std::string sql = fmt::format("{}({}", name, arguments[0].sql);
  if (const value* given = shifts ? member_of(node, "offset_expr") : nullptr) {
    LH_ASSIGN_OR_RETURN(const Expr offset, expression(given, scope));
    if (!offset.whole || *offset.whole < 0) {
      return refuse(fmt::format("{} by that offset", name));
    }
    sql += ", " + offset.sql;
    if (const value* otherwise = member_of(node, "default_expr")) {
      LH_ASSIGN_OR_RETURN(Expr last, expression(otherwise, scope));
      LH_RETURN_IF_ERROR(unify({&arguments[0], &last}));
      sql += ", " + last.sql;
    }
  }
  return Expr{.sql = sql + ")" + over, .type = arguments[0].type};
}

Result<std::string> Translator::window_clause(const object& node, Scope& scope) {
  std::string clause;
  if (const array* list = array_of(node, "partitions")) {
    std::vector<std::string> parts;
    for (const value& one : *list) {
      LH_ASSIGN_OR_RETURN(Expr part, expression(&one, scope));
      parts.push_back(std::move(part.sql));
    }
    clause = fmt::format("PARTITION BY {}", fmt::join(parts, ", "));
  }
  if (const array* list = array_of(node, "orders")) {
    std::vector<std::string> orders;
    for (const value& one : *list) {
      if (!one.is_object()) {
        return refuse("an ORDER BY");
      }
      LH_ASSIGN_OR_RETURN(const Expr by,
                          expression(member_of(one.get_object(), "expression"), scope));
      const std::string nulls = text_of(one.get_object(), "null_order");
      orders.push_back(fmt::format(
          "{} {} {}", by.sql, text_of(one.get_object(), "type") == "DESCENDING" ? "DESC" : "ASC",
          nulls == "NULLS FIRST" || nulls == "NULLS_FIRST" ? "NULLS FIRST" : "NULLS LAST"));
    }
    clause += fmt::format("{}ORDER BY {}", clause.empty() ? "" : " ", fmt::join(orders, ", "));
  }
  const std::string start = text_of(node, "start");
  const std::string end = text_of(node, "end");
  if (start == "UNBOUNDED_PRECEDING" && end == "CURRENT_ROW_RANGE") {
    return clause;  // What both take where none is written.
  }
  const auto bound = [&](const std::string& kind, const char* member) -> Result<std::string> {
    if (kind == "UNBOUNDED_PRECEDING" || kind == "UNBOUNDED_FOLLOWING") {
      return kind == "UNBOUNDED_PRECEDING" ? "UNBOUNDED PRECEDING" : "UNBOUNDED FOLLOWING";
    }
    if (kind == "CURRENT_ROW_ROWS" || kind == "CURRENT_ROW_RANGE") {
      return "CURRENT ROW";
    }
    const value* given = member_of(node, member);
    if (given == nullptr || !kind.ends_with("_ROWS")) {
      return refuse(fmt::format("the window frame {}", kind));
    }
    LH_ASSIGN_OR_RETURN(const Expr offset, expression(given, scope));
    if (!offset.whole || *offset.whole < 0) {
      return refuse("a window frame that is not constant");
    }
    return fmt::format("{} {}", *offset.whole,
                       kind == "EXPR_PRECEDING_ROWS" ? "PRECEDING" : "FOLLOWING");
  };
  const bool is_range = start.ends_with("_RANGE") || end.ends_with("_RANGE");
  LH_ASSIGN_OR_RETURN(const std::string from, bound(start, "start_expr"));
  LH_ASSIGN_OR_RETURN(const std::string to, bound(end, "end_expr"));
  return fmt::format("{}{}{} BETWEEN {} AND {}", clause, clause.empty() ? "" : " ",
                     is_range ? "RANGE" : "ROWS", from, to);
}

}  // namespace lakehouse::query::trino
