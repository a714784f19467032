#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <boost/json/object.hpp>

#include "iceberg/scan.h"
#include "iceberg/schema.h"
#include "query/constant_fold.h"

/// \file
/// Which files a WHERE rules out: its simple comparisons, as predicates on the table's bounds.

namespace lakehouse::query {

/// A constant as it stands in the tree, or what an expression without columns comes to.
struct Constant {
  std::variant<std::int64_t, std::string, Moment> value;  ///< A whole number, text, a time.
  std::string cast;  ///< The type that the text is cast to, as DuckDB names it; may be empty.
  friend bool operator==(const Constant&, const Constant&) = default;
};

/// `column op constant`, true of every row that the statement wants of the table; or several of
/// them, joined.
struct Condition {
  enum class Kind : std::uint8_t { Is, And, Or };

  std::string column;
  iceberg::CompareOp op = iceberg::CompareOp::Eq;
  std::vector<Constant> constants;
  Kind kind = Kind::Is;
  std::vector<Condition> parts = {};  ///< Of And and Or.
  friend bool operator==(const Condition&, const Condition&) = default;
};

/// What a SELECT's WHERE says of the tables in its FROM, by their nodes; all of the conditions
/// hold. Only what holds whatever the joins: what no NULL of an outer join passes, of tables whose
/// rows may be left out before the join (not in ASOF and POSITIONAL joins, not of samples). An OR
/// counts if each of its sides says something of the same table.
std::map<const boost::json::object*, std::vector<Condition>> conditions_of(
    const boost::json::object& select_node);

/// True if a condition holds for today only: one with the clock in it.
bool name_the_clock(const std::vector<Condition>& conditions);

/// As far as they can be said in the columns' own types; the rest is left out.
iceberg::Filter filter_of(const std::vector<Condition>& conditions, const iceberg::Schema& schema);

}  // namespace lakehouse::query
