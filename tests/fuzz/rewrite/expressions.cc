#include <fmt/format.h>
#include <fmt/ranges.h>

#include "generator.h"

namespace lakehouse::query::fuzz {
namespace {

const std::vector<std::string>& comparisons() {
  static const std::vector<std::string> all = {
      "=", "<>", "<", ">", "<=", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"};
  return all;
}

}  // namespace

Kind Generator::kind() {
  static const std::vector<Kind> all = {Kind::Int,    Kind::Int,    Kind::Text, Kind::Text,
                                        Kind::Number, Kind::Day,    Kind::Bool, Kind::Moment,
                                        Kind::Texts,  Kind::Struct, Kind::Text, Kind::Int};
  return dice_.pick(all);
}

Kind Generator::comparable() {
  static const std::vector<Kind> all = {Kind::Int,  Kind::Int,    Kind::Text,
                                        Kind::Text, Kind::Number, Kind::Day};
  return dice_.pick(all);
}

std::string Generator::literal(Kind kind) {
  switch (kind) {
    case Kind::Int:
      return dice_.percent(20) ? std::to_string(7700000 + dice_.roll(10000))
                               : std::to_string(dice_.roll(60));
    case Kind::Number: return fmt::format("{}.{}", dice_.roll(300), dice_.percent(50) ? "5" : "25");
    case Kind::Text: {
      static const std::vector<std::string> all = {
          "'Bonn'", "'Ulm'",   "'paid'", "'call'", "'Q7'",   "'Qa'", "''",
          "'t1'",   "'x.org'", "'long'", "NULL",   "'Köln'", "'***'"};
      return dice_.pick(all);
    }
    case Kind::Day:
      return fmt::format("DATE '{}-0{}-1{}'", dice_.percent(50) ? 1990 : 2022, 1 + dice_.roll(9),
                         dice_.roll(10));
    case Kind::Moment: return fmt::format("TIMESTAMP '2021-0{}-02 03:00:00'", 1 + dice_.roll(4));
    case Kind::Bool: return dice_.percent(50) ? "true" : "false";
    case Kind::Texts: return "['t1', 't2']";
    case Kind::Struct: return "{'street': 'Qx', 'zip': 10003}";
  }
  return "NULL";
}

std::string Generator::leaf(Kind kind, const Scope& scope) {
  std::vector<std::string> fitting;
  const Scope& from = outer_ != nullptr && dice_.percent(15) ? *outer_ : scope;
  for (const Column& column : from) {
    if (column.kind == kind) {
      fitting.push_back(column.name);
    }
  }
  return fitting.empty() || dice_.percent(8) ? literal(kind) : dice_.pick(fitting);
}

std::string Generator::expression(Kind kind, const Scope& scope, int depth) {
  if (depth <= 0 || dice_.percent(35)) {
    return leaf(kind, scope);
  }
  if (dice_.percent(15)) {
    const std::string one = expression(kind, scope, depth - 1);
    const std::string other = expression(kind, scope, depth - 1);
    switch (dice_.roll(3)) {
      case 0:
        return fmt::format("CASE WHEN {} THEN {} ELSE {} END", condition(scope, depth - 1), one,
                           other);
      case 1: return fmt::format("coalesce({}, {})", one, other);
      default: return fmt::format("nullif({}, {})", one, other);
    }
  }
  switch (kind) {
    case Kind::Int: return int_expression(scope, depth - 1);
    case Kind::Number: return number_expression(scope, depth - 1);
    case Kind::Text: return text_expression(scope, depth - 1);
    case Kind::Day:
    case Kind::Moment: return time_expression(kind, scope, depth - 1);
    case Kind::Bool: return condition(scope, depth - 1);
    case Kind::Texts:
      return dice_.percent(50)
                 ? fmt::format("list_transform({}, lambda x: x || {})",
                               expression(kind, scope, depth - 1), leaf(Kind::Text, scope))
                 : fmt::format("[y FOR y IN {} IF y <> {}]", expression(kind, scope, depth - 1),
                               leaf(Kind::Text, scope));
    case Kind::Struct:
      return fmt::format("{{'street': {}, 'zip': {}}}", leaf(Kind::Text, scope),
                         leaf(Kind::Int, scope));
  }
  return "NULL";
}

std::string Generator::int_expression(const Scope& scope, int depth) {
  const auto inner = [&](Kind kind) { return expression(kind, scope, depth); };
  switch (dice_.roll(12)) {
    case 0: return fmt::format("({} + {})", inner(Kind::Int), inner(Kind::Int));
    case 1: return fmt::format("({} - {})", inner(Kind::Int), inner(Kind::Int));
    case 2: return fmt::format("({} % {})", inner(Kind::Int), 2 + dice_.roll(20));
    case 3: return fmt::format("length({})", inner(Kind::Text));
    case 4: return fmt::format("({}).zip", inner(Kind::Struct));
    case 5: return fmt::format("len({})", inner(Kind::Texts));
    case 6: return fmt::format("extract(year FROM {})", inner(Kind::Day));
    case 7: return fmt::format("try_cast({} AS BIGINT)", inner(Kind::Text));
    case 8: return fmt::format("greatest({}, {})", inner(Kind::Int), inner(Kind::Int));
    case 9: return fmt::format("strpos({}, {})", inner(Kind::Text), literal(Kind::Text));
    case 10:
      return risky_ && dice_.percent(60) ? risky(scope) : fmt::format("-{}", inner(Kind::Int));
    default: {
      Scope other;
      const std::string table = base_table(&other);
      const Scope* const before = outer_;
      outer_ = &scope;
      std::string sql =
          fmt::format("(SELECT {} FROM {} WHERE {})", aggregate(Kind::Int, other, depth), table,
                      condition(other, depth - 1));
      outer_ = before;
      return sql;
    }
  }
}

/// Fails on some rows. What has failed on a row that the caller may not see would tell of it.
std::string Generator::risky(const Scope& scope) {
  switch (dice_.roll(8)) {
    case 0: return fmt::format("CAST({} AS BIGINT)", leaf(Kind::Text, scope));
    // DuckDB does not know of these that they can fail.
    case 4:
      return fmt::format("length(regexp_replace('1', '(' || {}, ''))", leaf(Kind::Text, scope));
    case 5: return fmt::format("length(chr((7705000 - {})::INT))", leaf(Kind::Int, scope));
    case 6: return fmt::format("bit_count(CAST({} AS BIT))", leaf(Kind::Text, scope));
    case 7:
      return fmt::format("CASE WHEN regexp_full_match('Q7', {} || '*') THEN 1 ELSE 0 END",
                         leaf(Kind::Text, scope));
    case 1:
      return fmt::format("CASE WHEN {} {} {} THEN 1 ELSE error('deliberate ' || {}) END",
                         leaf(Kind::Text, scope), dice_.pick(comparisons()), literal(Kind::Text),
                         leaf(Kind::Text, scope));
    case 2: return fmt::format("CAST({} AS TINYINT)", leaf(Kind::Int, scope));
    default: return fmt::format("(9223372036854775807 - 7705000 + {})", leaf(Kind::Int, scope));
  }
}

std::string Generator::number_expression(const Scope& scope, int depth) {
  const auto inner = [&](Kind kind) { return expression(kind, scope, depth); };
  switch (dice_.roll(5)) {
    case 0: return fmt::format("({} + {})", inner(Kind::Number), inner(Kind::Int));
    case 1: return fmt::format("({} * 0.5)", inner(Kind::Number));
    case 2: return fmt::format("round({}, 1)", inner(Kind::Number));
    case 3: return fmt::format("abs({} - {})", inner(Kind::Number), inner(Kind::Number));
    default: return fmt::format("({} / 4)", inner(Kind::Int));
  }
}

std::string Generator::text_expression(const Scope& scope, int depth) {
  const auto inner = [&](Kind kind) { return expression(kind, scope, depth); };
  switch (dice_.roll(14)) {
    case 0: return fmt::format("upper({})", inner(Kind::Text));
    case 1: return fmt::format("({} || {})", inner(Kind::Text), inner(Kind::Text));
    case 2:
      return fmt::format("substr({}, {}, {})", inner(Kind::Text), 1 + dice_.roll(4),
                         1 + dice_.roll(9));
    case 3: return fmt::format("reverse({})", inner(Kind::Text));
    case 4: return fmt::format("({}).street", inner(Kind::Struct));
    case 5: return fmt::format("CAST({} AS VARCHAR)", inner(kind()));
    case 6: return fmt::format("({})[{}]", inner(Kind::Texts), 1 + dice_.roll(3));
    case 7: return fmt::format("strftime({}, '%Y-%m')", inner(Kind::Day));
    case 8: return fmt::format("replace({}, 'Q', {})", inner(Kind::Text), literal(Kind::Text));
    case 9: return fmt::format("regexp_extract({}, '[a-f]+')", inner(Kind::Text));
    case 10: return fmt::format("(to_json({}) ->> '$.street')", inner(Kind::Struct));
    case 11: return fmt::format("md5({})", inner(Kind::Text));
    case 12: return fmt::format("array_to_string({}, '-')", inner(Kind::Texts));
    default: return fmt::format("concat_ws('/', {}, {})", inner(Kind::Text), inner(Kind::Int));
  }
}

std::string Generator::time_expression(Kind kind, const Scope& scope, int depth) {
  const std::string inner = expression(kind, scope, depth);
  if (kind == Kind::Day) {
    return dice_.percent(50) ? fmt::format("({} + {})", inner, dice_.roll(40))
                             : fmt::format("date_trunc('month', {})::DATE", inner);
  }
  return dice_.percent(50) ? fmt::format("({} + INTERVAL {} HOUR)", inner, dice_.roll(40))
                           : fmt::format("date_trunc('day', {})", inner);
}

std::string Generator::condition(const Scope& scope, int depth) {
  const Kind of = comparable();
  const auto inner = [&](Kind kind) { return expression(kind, scope, depth - 1); };
  if (depth > 0 && dice_.percent(25)) {
    return subquery_condition(scope, depth);
  }
  if (depth > 0 && dice_.percent(30)) {
    const std::string one = condition(scope, depth - 1);
    return dice_.percent(25) ? fmt::format("NOT ({})", one)
                             : fmt::format("({} {} {})", one, dice_.percent(50) ? "AND" : "OR",
                                           condition(scope, depth - 1));
  }
  if (risky_ && dice_.percent(20)) {
    return fmt::format("{} > 0", risky(scope));
  }
  switch (dice_.roll(10)) {
    case 0: return fmt::format("{} IS {}NULL", inner(kind()), dice_.percent(50) ? "NOT " : "");
    case 1: return fmt::format("{} BETWEEN {} AND {}", inner(of), literal(of), inner(of));
    case 2: return fmt::format("{} IN ({}, {})", inner(of), literal(of), inner(of));
    case 3:
      return fmt::format("{} {} '{}%'", inner(Kind::Text), dice_.percent(50) ? "LIKE" : "NOT ILIKE",
                         dice_.percent(50) ? "Q7" : "b");
    case 4: return fmt::format("list_contains({}, 't1')", inner(Kind::Texts));
    case 5: return fmt::format("regexp_matches({}, '[0-4]$')", inner(Kind::Text));
    case 6: return fmt::format("starts_with({}, 'Qa')", inner(Kind::Text));
    default: return fmt::format("{} {} {}", leaf(of, scope), dice_.pick(comparisons()), inner(of));
  }
}

std::string Generator::subquery_condition(const Scope& scope, int depth) {
  const Kind of = comparable();
  const std::string left = leaf(of, scope);
  const Scope* const before = outer_;
  outer_ = &scope;
  Scope other;
  const std::string table = base_table(&other);
  std::string sql;
  switch (dice_.roll(4)) {
    case 0:
      sql = fmt::format("{}EXISTS (SELECT 1 FROM {} WHERE {} AND {} = {})",
                        dice_.percent(30) ? "NOT " : "", table, condition(other, depth - 1),
                        leaf(of, other), left);
      break;
    case 1:
      sql = fmt::format("{} {} (SELECT {} FROM {} WHERE {})", left,
                        dice_.percent(30) ? "NOT IN" : "IN", leaf(of, other), table,
                        condition(other, depth - 1));
      break;
    case 2:
      sql = fmt::format("{} {} (SELECT {} FROM {} WHERE {})", left, dice_.percent(50) ? ">" : "=",
                        aggregate(of, other, 1), table, condition(other, depth - 1));
      break;
    default:
      sql = fmt::format("{} {} {} (SELECT {} FROM {})", left, dice_.percent(50) ? "<=" : "<>",
                        dice_.percent(50) ? "ANY" : "ALL", leaf(of, other), table);
      break;
  }
  outer_ = before;
  return sql;
}

std::string Generator::aggregate(Kind kind, const Scope& scope, int depth) {
  const std::string filter =
      dice_.percent(15) ? fmt::format(" FILTER (WHERE {})", condition(scope, 1)) : "";
  const auto inner = [&](Kind of) { return expression(of, scope, depth - 1); };
  switch (kind) {
    case Kind::Int:
      switch (dice_.roll(5)) {
        case 0: return "count(*)" + filter;
        case 1: return fmt::format("count({})", inner(comparable())) + filter;
        case 2: return fmt::format("count(DISTINCT {})", inner(comparable())) + filter;
        case 3: return fmt::format("sum({})", inner(Kind::Int)) + filter;
        default: return fmt::format("max({})", inner(Kind::Int)) + filter;
      }
    case Kind::Number:
      switch (dice_.roll(4)) {
        case 0: return fmt::format("sum({})", leaf(Kind::Number, scope)) + filter;
        case 1: return fmt::format("avg({})", leaf(Kind::Int, scope)) + filter;
        case 2: return fmt::format("median({})", leaf(Kind::Number, scope)) + filter;
        default: return fmt::format("quantile_cont({}, 0.25)", leaf(Kind::Int, scope)) + filter;
      }
    case Kind::Text: {
      const std::string text = inner(Kind::Text);
      if (dice_.percent(30)) {
        return fmt::format("string_agg({0}, ',' ORDER BY {0})", text) + filter;
      }
      return fmt::format("{}({})", dice_.percent(50) ? "min" : "max", text) + filter;
    }
    case Kind::Bool: return fmt::format("bool_or({})", inner(Kind::Bool)) + filter;
    case Kind::Texts: {
      const std::string text = inner(Kind::Text);
      return fmt::format("list({0} ORDER BY {0})", text) + filter;
    }
    case Kind::Day:
    case Kind::Moment:
    case Kind::Struct: return fmt::format("max({})", inner(kind)) + filter;
  }
  return "count(*)";
}

std::string Generator::window(const Scope& scope) {
  const std::string over =
      fmt::format("(PARTITION BY {} ORDER BY {}, {})", leaf(comparable(), scope),
                  leaf(Kind::Int, scope), leaf(Kind::Text, scope));
  switch (dice_.roll(5)) {
    case 0: return "rank() OVER " + over;
    case 1: return "dense_rank() OVER " + over;
    case 2: return fmt::format("count({}) OVER {}", leaf(Kind::Text, scope), over);
    case 3: return fmt::format("max({}) OVER {}", leaf(Kind::Int, scope), over);
    default: {
      // By all columns, so that it is clear which of two rows comes first.
      std::vector<std::string> names;
      for (const Column& column : scope) {
        names.push_back(column.name);
      }
      return fmt::format("row_number() OVER (PARTITION BY {} ORDER BY {}, {})",
                         leaf(comparable(), scope), leaf(Kind::Int, scope), fmt::join(names, ", "));
    }
  }
}

}  // namespace lakehouse::query::fuzz
