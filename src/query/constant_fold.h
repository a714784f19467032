#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include <boost/json/object.hpp>

/// \file
/// What expressions without columns come to, as far as files are chosen by them.

namespace lakehouse::query {

/// A time in microseconds since 1970, of UTC: one from `first_us` to `last_us`. What the clock says
/// when the statement runs is not known before, so that is the time from today's first moment to
/// tomorrow's last, and a day is today or tomorrow.
struct Moment {
  std::int64_t first_us = 0;
  std::int64_t last_us = 0;
  bool is_day = false;
  /// The clock's name, where it was written like a column, and would be one if there is such a one.
  std::string name = {};
  friend bool operator==(const Moment&, const Moment&) = default;
};

using FoldedConstant = std::variant<std::int64_t, Moment>;

/// The value of a node of a tree: whole numbers with + - * and dates and times with intervals,
/// casts among them, date_trunc, make_date and the clock. Nothing where DuckDB would say something
/// else, or fail, and for what is no such expression.
std::optional<FoldedConstant> fold_constant(const boost::json::object& node, std::int64_t now_us);

}  // namespace lakehouse::query
