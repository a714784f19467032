#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lakehouse::catalog {

/// What the values of a column are, whatever its type says: "17" in a text column is a number.
enum class ValueKind : std::uint8_t { None, Boolean, Number, Moment, Text };
std::string_view to_string(ValueKind kind);

/// What a sample of a column's values looks like: enough to compare two columns by. A value.
struct ColumnSketch {
  std::int64_t count = 0;  ///< Values looked at, NULLs included.
  std::int64_t nulls = 0;
  ValueKind kind = ValueKind::None;            ///< None: there was no value.
  bool whole_numbers = false;                  ///< All numbers are.
  bool ascending = false;                      ///< Numbers that only grow: a counter.
  std::vector<double> numbers;                 ///< Sorted; moments as days since 1970.
  std::vector<double> lengths;                 ///< Sorted; of the texts, in code points.
  std::map<std::string, std::int64_t> shapes;  ///< "Aa Aa", "A-9": how often.
  std::vector<std::string> values;    ///< Sorted distinct ones, without case; at most 10,000.
  std::vector<std::string> frequent;  ///< The most frequent first, as they are; at most 5.

  [[nodiscard]] std::int64_t filled() const { return count - nulls; }
  /// Few values, each of them often.
  [[nodiscard]] bool categorical() const;
};

/// Of at most 100,000 values, each cut at 1 KiB; an empty text counts as NULL.
ColumnSketch sketch_of(std::span<const std::optional<std::string>> values);

/// The value's shape, runs cut short: "Mary Ann" -> "Aa Aa", "INV-2024-17" -> "A-9-9".
std::string shape_of(std::string_view value);

/// The greatest distance between the two distributions of sorted numbers, 0 to 1
/// (Kolmogorov-Smirnov).
double distribution_distance(std::span<const double> a, std::span<const double> b);

}  // namespace lakehouse::catalog
