#include "generator.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace lakehouse::query::fuzz {
namespace {

constexpr std::size_t kColumnsMax = 12;  ///< Of a FROM: joins of joins grow.

}  // namespace

std::string Generator::statement() {
  aliases_ = 0;
  outer_ = nullptr;
  ctes_.clear();
  const Query made = query(3, nullptr);
  if (dice_.percent(2)) {
    return fmt::format("DESCRIBE {}", made.sql);
  }
  return made.sql;
}

Generator::Query Generator::query(int depth, const Scope* outer) {
  const std::size_t ctes = ctes_.size();
  const std::string with = depth > 0 && dice_.percent(25) ? common_tables(depth - 1) : "";
  Query made =
      depth > 0 && dice_.percent(15) ? set_operation(depth - 1) : select(depth, outer, nullptr);
  made.sql = with + made.sql;
  ctes_.resize(ctes);
  return made;
}

std::string Generator::common_tables(int depth) {
  std::vector<std::string> out;
  bool is_recursive = false;
  for (std::size_t i = 0; i <= dice_.roll(2); ++i) {
    // Often under a table's name, which it then hides; also from itself, unless it is recursive.
    const std::string name = dice_.percent(40) ? dice_.pick(tables()).name : "c" + alias();
    if (dice_.percent(15)) {
      is_recursive = true;
      const std::string limit = std::to_string(3 + dice_.roll(10));
      out.push_back(
          fmt::format("{0}(n) AS (SELECT {2} UNION ALL SELECT n + 1 FROM {0} WHERE n < "
                      "{1})",
                      name, limit, dice_.roll(3)));
      ctes_.emplace_back(name, Scope{{"n", Kind::Int}});
      continue;
    }
    const Query made = select(depth, nullptr, nullptr);
    const std::size_t how = dice_.roll(6);
    out.push_back(fmt::format("{} AS {}({})", name,
                              how == 0   ? "MATERIALIZED "
                              : how == 1 ? "NOT MATERIALIZED "
                                         : "",
                              made.sql));
    ctes_.emplace_back(name, made.columns);
  }
  return fmt::format("WITH {}{} ", is_recursive ? "RECURSIVE " : "", fmt::join(out, ", "));
}

Generator::Query Generator::set_operation(int depth) {
  static const std::vector<std::string> kOperations = {
      "UNION",     "UNION ALL",     "EXCEPT",           "EXCEPT ALL",
      "INTERSECT", "INTERSECT ALL", "UNION ALL BY NAME"};
  std::vector<Kind> kinds;
  for (std::size_t i = 0; i <= dice_.roll(3); ++i) {
    kinds.push_back(kind());
  }
  Query left = select(depth, nullptr, &kinds);
  const Query right = select(depth, nullptr, &kinds);
  left.sql = fmt::format("({}) {} ({})", left.sql, dice_.pick(kOperations), right.sql);
  return left;
}

Generator::Query Generator::select(int depth, const Scope* outer, const std::vector<Kind>* wanted) {
  const Scope* const before = outer_;
  outer_ = outer;
  Query out;
  Scope scope;
  const std::string source = from(depth, &scope);
  std::vector<Kind> kinds;
  for (std::size_t i = 0; wanted == nullptr && i <= dice_.roll(4); ++i) {
    kinds.push_back(kind());
  }
  if (wanted != nullptr) {
    kinds = *wanted;
  }
  const std::string where =
      dice_.percent(60) ? fmt::format(" WHERE {}", condition(scope, depth)) : "";
  if (wanted == nullptr && dice_.percent(12)) {
    out.sql = fmt::format("SELECT {} FROM {}{}", star(scope), source, where);
    out.columns = {};
  } else if (dice_.percent(30)) {
    std::string group_by;
    const std::string list = grouped(depth, scope, kinds, &out.columns, &group_by);
    const std::string having =
        dice_.percent(20)
            ? fmt::format(" HAVING {} > {}", aggregate(Kind::Int, scope, 1), dice_.roll(3))
            : "";
    out.sql = fmt::format("SELECT {} FROM {}{}{}{}", list, source, where, group_by, having);
  } else {
    const std::string distinct = dice_.percent(10) ? "DISTINCT " : "";
    const std::string list = select_list(depth, scope, kinds, &out.columns);
    const std::string qualify =
        distinct.empty() && dice_.percent(6) ? fmt::format(" QUALIFY {} <= 2", window(scope)) : "";
    out.sql = dice_.percent(5)
                  ? fmt::format("FROM {} SELECT {}{}{}{}", source, distinct, list, where, qualify)
                  : fmt::format("SELECT {}{} FROM {}{}{}", distinct, list, source, where, qualify);
  }
  // Who selects from here needs names to select by.
  if (!out.columns.empty()) {
    out.sql += tail(out.columns.size());
  }
  outer_ = before;
  return out;
}

std::string Generator::star(const Scope& scope) {
  const std::string& some = dice_.pick(scope).name;
  const std::string bare = some.substr(some.rfind('.') + 1);
  switch (dice_.roll(7)) {
    case 0: return "*";
    case 1: return fmt::format("* EXCLUDE ({})", bare);
    case 2: return fmt::format("* REPLACE (NULL AS {})", bare);
    case 3: return fmt::format("* RENAME ({} AS renamed)", bare);
    case 4: return "COLUMNS('.*')";
    case 5: return "COLUMNS(c -> c LIKE '%e%' OR c = 'n' OR c = 'c1')";
    default: return some.contains('.') ? some.substr(0, some.rfind('.')) + ".*" : "*";
  }
}

std::string Generator::select_list(int depth, const Scope& scope, const std::vector<Kind>& kinds,
                                   Scope* columns) {
  std::vector<std::string> list;
  for (const Kind one : kinds) {
    const std::string name = fmt::format("c{}", list.size() + 1);
    const bool is_window = one == Kind::Int && dice_.percent(12);
    list.push_back(fmt::format(
        "{} AS {}", is_window ? window(scope) : expression(one, scope, std::min(depth, 2)), name));
    columns->push_back({name, one});
  }
  return fmt::format("{}", fmt::join(list, ", "));
}

std::string Generator::grouped(int depth, const Scope& scope, const std::vector<Kind>& kinds,
                               Scope* columns, std::string* group_by) {
  std::vector<std::string> list;
  std::vector<std::string> keys;
  for (const Kind one : kinds) {
    const std::string name = fmt::format("c{}", list.size() + 1);
    const bool is_key = keys.size() < 3 && dice_.percent(40);
    list.push_back((is_key ? expression(one, scope, 1) : aggregate(one, scope, depth)) + " AS " +
                   name);
    if (is_key) {
      keys.push_back(std::to_string(list.size()));
    }
    columns->push_back({name, one});
  }
  if (!keys.empty()) {
    static const std::vector<std::string> kHows = {"{}", "{}", "ROLLUP ({})", "CUBE ({})",
                                                   "GROUPING SETS (({}), ())"};
    const std::string how = dice_.pick(kHows);
    *group_by =
        " GROUP BY " + (dice_.percent(30) ? std::string("ALL")
                                          : fmt::format(fmt::runtime(how), fmt::join(keys, ", ")));
  }
  return fmt::format("{}", fmt::join(list, ", "));
}

/// By all columns, so that it is clear which rows a LIMIT leaves.
std::string Generator::tail(std::size_t columns) {
  if (!dice_.percent(20)) {
    return "";
  }
  std::vector<std::size_t> order;
  for (std::size_t i = 1; i <= columns; ++i) {
    order.push_back(i);
  }
  std::string out = dice_.percent(40) ? std::string(" ORDER BY ALL")
                                      : fmt::format(" ORDER BY {}{}", fmt::join(order, ", "),
                                                    dice_.percent(30) ? " DESC NULLS LAST" : "");
  if (dice_.percent(70)) {
    out += fmt::format(" LIMIT {}", 1 + dice_.roll(20));
    if (dice_.percent(30)) {
      out += fmt::format(" OFFSET {}", dice_.roll(5));
    }
  }
  return out;
}

// --- FROM.

std::string Generator::from(int depth, Scope* scope) {
  std::string out = depth > 0 && dice_.percent(35) ? join(depth - 1, scope) : table(depth, scope);
  if (scope->size() > kColumnsMax) {
    scope->resize(kColumnsMax);
  }
  return out;
}

std::string Generator::base_table(Scope* scope) {
  if (!ctes_.empty() && dice_.percent(50)) {
    const auto& [name, columns] = dice_.pick(ctes_);
    if (!columns.empty()) {
      const std::string as = alias();
      for (const Column& column : columns) {
        scope->push_back({as + "." + column.name, column.kind});
      }
      return fmt::format("{} AS {}", name, as);
    }
  }
  const Table& table = dice_.pick(tables());
  const bool is_hidden =
      std::ranges::any_of(ctes_, [&](const auto& cte) { return cte.first == table.name; });
  // Behind its schema the table is itself, whatever a common table expression is called.
  const std::string name = is_hidden || dice_.percent(15) ? "main." + table.name : table.name;
  const std::string as = alias();
  std::string out =
      dice_.percent(80) ? fmt::format("{} AS {}", name, as) : fmt::format("{} {}", name, as);
  if (dice_.percent(4)) {
    out += " TABLESAMPLE 100%";
  }
  for (const Column& column : table.columns) {
    scope->push_back({as + "." + column.name, column.kind});
  }
  return out;
}

std::string Generator::table(int depth, Scope* scope) {
  const std::size_t how = dice_.roll(20);
  if (depth > 0 && how < 3) {
    const Query inner = query(depth - 1, nullptr);
    if (!inner.columns.empty()) {
      const std::string as = alias();
      std::vector<std::string> renamed;
      for (const Column& column : inner.columns) {
        renamed.push_back("r" + column.name);
        scope->push_back({as + "." + (how == 0 ? renamed.back() : column.name), column.kind});
      }
      return how == 0 ? fmt::format("({}) AS {}({})", inner.sql, as, fmt::join(renamed, ", "))
                      : fmt::format("({}) AS {}", inner.sql, as);
    }
  }
  if (how == 3) {
    const std::string as = alias();
    *scope = {{as + ".x", Kind::Int}, {as + ".y", Kind::Text}};
    return fmt::format("(VALUES (1, 'Bonn'), ({}, 'Q7'), (NULL, NULL)) AS {}(x, y)", dice_.roll(60),
                       as);
  }
  if (how == 4) {
    return pivot(scope);
  }
  if (how == 5) {
    // Without an alias it is called by its name, perhaps with its schema before it.
    const Table& table = dice_.pick(tables());
    if (std::ranges::none_of(ctes_, [&](const auto& cte) { return cte.first == table.name; })) {
      static const std::vector<std::string> kPrefixes = {"{0}.", "main.{0}.", ""};
      const std::string& prefix = dice_.pick(kPrefixes);
      for (const Column& column : table.columns) {
        scope->push_back(
            {fmt::format(fmt::runtime(prefix), table.name) + column.name, column.kind});
      }
      return (dice_.percent(50) ? "main." : "") + table.name;
    }
  }
  return base_table(scope);
}

std::string Generator::join(int depth, Scope* scope) {
  static const std::vector<std::string> kJoins = {"JOIN",      "JOIN",       "LEFT JOIN",
                                                  "LEFT JOIN", "RIGHT JOIN", "FULL JOIN",
                                                  "SEMI JOIN", "ANTI JOIN"};
  std::string left = table(depth, scope);
  if (dice_.percent(8)) {
    Scope lists;
    for (const Column& column : *scope) {
      if (column.kind == Kind::Texts) {
        lists.push_back(column);
      }
    }
    if (!lists.empty()) {
      const std::string as = alias();
      left += fmt::format(", unnest({}) AS {}(u)", dice_.pick(lists).name, as);
      scope->push_back({as + ".u", Kind::Text});
      return left;
    }
  }
  if (dice_.percent(10)) {
    const Query inner = select(0, scope, nullptr);
    const std::string as = alias();
    for (const Column& column : inner.columns) {
      scope->push_back({as + "." + column.name, column.kind});
    }
    return fmt::format("{}, LATERAL ({}) AS {}", left, inner.sql, as);
  }
  Scope other;
  const std::string right = table(depth, &other);
  const std::string& how = dice_.pick(kJoins);
  // Equal keys first: a product of everything would be large and slow.
  std::vector<std::string> keys;
  for (const Scope* side : {scope, &other}) {
    std::vector<std::string> fitting;
    for (const Column& column : *side) {
      if (column.kind == Kind::Int) {
        fitting.push_back(column.name);
      }
    }
    keys.push_back(fitting.empty() ? "1" : dice_.pick(fitting));
  }
  Scope both = *scope;
  both.insert(both.end(), other.begin(), other.end());
  const std::string more =
      dice_.percent(30) ? fmt::format(" AND {}", condition(both, 0)) : std::string();
  if (how != "SEMI JOIN" && how != "ANTI JOIN") {
    *scope = std::move(both);
  }
  return fmt::format("{} {} {} ON {} = {}{}", left, how, right, keys[0], keys[1], more);
}

std::string Generator::pivot(Scope* scope) {
  const std::string as = alias();
  if (dice_.percent(50)) {
    *scope = {
        {as + ".person", Kind::Int}, {as + ".paid", Kind::Number}, {as + ".void", Kind::Number}};
    return fmt::format(
        "(SELECT person % 7 AS person, state, total FROM main.orders) PIVOT "
        "(sum(total) FOR state IN ('paid', 'void') GROUP BY person) AS {}",
        as);
  }
  *scope = {{as + ".k", Kind::Text}, {as + ".v", Kind::Text}};
  return fmt::format("(SELECT name, city FROM main.people) UNPIVOT (v FOR k IN (name, city)) AS {}",
                     as);
}

}  // namespace lakehouse::query::fuzz
