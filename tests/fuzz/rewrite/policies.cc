#include "policies.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tables.h"

namespace lakehouse::query::fuzz {
namespace {

using governance::ColumnMask;
using governance::TablePolicy;

/// Conditions of each table's own columns; those with subqueries read tables without a policy.
const std::map<std::string, std::vector<std::string>>& filters() {
  static const std::map<std::string, std::vector<std::string>> all = {
      {"people",
       {"city = 'Bonn'", "id % 3 = 0", "pay > 7705000", "name < 'Q8'", "boss IS NULL OR id < 20",
        "address.zip <> 10003", "list_contains(tags, 't1')", "born >= DATE '1980-01-01'",
        "id IN (SELECT n FROM main.numbers)", "id = (SELECT max(n) FROM main.numbers)",
        "pay % 2 = 1 AND city <> 'Ulm'", "current_user = 'p1' OR id > 30"}},
      {"orders",
       {"state = 'paid'", "total < 250", "person < 40 AND note IS NOT NULL", "note > 'Q7'",
        "moment >= TIMESTAMP '2021-02-01'",
        "EXISTS (SELECT 1 FROM main.numbers WHERE n = person)"}},
      {"events",
       {"seen", "score > 1.5", "kind IN ('call', 'late')", "late IS NULL", "n < 20",
        "day BETWEEN DATE '2022-01-10' AND DATE '2022-02-01'", "false"}},
      {"numbers", {"d = 3", "n < 12"}},
      {"empty", {"id > 0"}},
  };
  return all;
}

/// What a mask may show of a column in SQL.
std::string mask_sql(Dice& dice, const Column& column) {
  switch (column.kind) {
    case Kind::Int: return fmt::format("({0} % 7)::BIGINT", column.name);
    case Kind::Number: return fmt::format("round({0})::DOUBLE", column.name);
    case Kind::Text:
      return dice.percent(50)
                 ? fmt::format("left({}, 2)", column.name)
                 : fmt::format("CASE WHEN length({0}) > 4 THEN 'long' END", column.name);
    case Kind::Day: return fmt::format("date_trunc('year', {})::DATE", column.name);
    case Kind::Moment: return fmt::format("date_trunc('month', {})", column.name);
    case Kind::Bool: return fmt::format("coalesce({}, false)", column.name);
    case Kind::Texts: return fmt::format("list_sort({})", column.name);
    case Kind::Struct:
      return fmt::format("{{'street': NULL::VARCHAR, 'zip': {}.zip}}", column.name);
  }
  return "NULL";
}

ColumnMask random_mask(Dice& dice, const Column& column) {
  ColumnMask mask;
  mask.column = column.name;
  const bool is_text = column.kind == Kind::Text;
  switch (dice.roll(is_text ? 4 : 2)) {
    case 0: mask.kind = ColumnMask::Kind::Null; break;
    case 1:
      mask.kind = ColumnMask::Kind::Expression;
      mask.sql = mask_sql(dice, column);
      break;
    case 2:
      mask.kind = ColumnMask::Kind::Hash;
      mask.length = dice.percent(50) ? 0 : 8;
      break;
    default:
      mask.kind = ColumnMask::Kind::Partial;
      mask.first = dice.roll(3);
      mask.last = dice.roll(3);
      break;
  }
  return mask;
}

std::string masked(const ColumnMask& mask, const std::string& type_of) {
  const std::string& c = mask.column;
  switch (mask.kind) {
    case ColumnMask::Kind::Null: return type_of;
    case ColumnMask::Kind::Hash: {
      const std::string hash = fmt::format("sha256(CAST({} AS VARCHAR))", c);
      return mask.length == 0 ? hash : fmt::format("left({}, {})", hash, mask.length);
    }
    case ColumnMask::Kind::Partial:
      return fmt::format(
          "CASE WHEN length({0}) <= {1} THEN repeat('*', length({0})) ELSE left({0}, {2}) || "
          "repeat('*', length({0}) - {1}) || right({0}, {3}) END",
          c, mask.first + mask.last, mask.first, mask.last);
    case ColumnMask::Kind::Expression: return mask.sql;
  }
  return "NULL";
}

}  // namespace

PolicySet random_policies(Dice& dice, std::size_t number) {
  PolicySet out;
  for (const Table& table : tables()) {
    // What the filters' subqueries read is seen by all.
    if (table.name == "numbers" || dice.percent(20)) {
      continue;
    }
    TablePolicy policy;
    if (dice.percent(65)) {
      policy.row_filter = dice.pick(filters().at(table.name));
    }
    for (const Column& column : table.columns) {
      if (dice.percent(30)) {
        policy.masks.push_back(random_mask(dice, column));
      } else if (dice.percent(5)) {
        policy.hidden_columns.push_back(column.name);
      }
    }
    policy.version = fmt::format("{}-{}", table.name, number);
    if (policy.hidden_columns.size() < table.columns.size()) {
      out.emplace(table.name, std::move(policy));
    }
  }
  return out;
}

std::string masked_select(const std::string& table, const std::string& full,
                          const TablePolicy& policy) {
  const std::vector<Table>& all = tables();
  const auto described = std::ranges::find(all, table, &Table::name);
  std::vector<std::string> changed;
  for (const ColumnMask& mask : policy.masks) {
    // NULL of the column's own type.
    const std::string null = fmt::format("CASE WHEN false THEN {} END", mask.column);
    changed.push_back(fmt::format("{} AS {}", masked(mask, null), mask.column));
  }
  std::string select = "SELECT *";
  if (!policy.hidden_columns.empty()) {
    select += fmt::format(" EXCLUDE ({})", fmt::join(policy.hidden_columns, ", "));
  }
  if (!changed.empty()) {
    select += fmt::format(" REPLACE ({})", fmt::join(changed, ", "));
  }
  select += fmt::format(" FROM {} AS {}", full, described->name);
  return policy.row_filter.empty() ? select : select + " WHERE " + policy.row_filter;
}

std::string to_text(const PolicySet& policies) {
  std::string out;
  for (const auto& [table, policy] : policies) {
    out += fmt::format("  {}\n", masked_select(table, table, policy));
  }
  return out;
}

void FuzzPolicies::set(const std::string& principal, PolicySet policies) {
  const std::lock_guard lock(mutex_);
  by_principal_[principal] = std::move(policies);
}

Result<TablePolicy> FuzzPolicies::policy_for(const RequestContext& context,
                                             const governance::PolicyTable& table) {
  const std::lock_guard lock(mutex_);
  const auto set = by_principal_.find(context.principal);
  if (set == by_principal_.end()) {
    return TablePolicy{};
  }
  const std::string name = table.name.substr(table.name.rfind('.') + 1);
  const auto found = set->second.find(name);
  TablePolicy policy = found == set->second.end() ? TablePolicy{} : found->second;
  if (with_a_hole_ && !policy.masks.empty()) {
    policy.masks.pop_back();
  } else if (with_a_hole_) {
    policy.row_filter.clear();
  }
  return policy;
}

}  // namespace lakehouse::query::fuzz
