#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lakehouse::query {

/// Stands in a tree where a PIVOT has no list of values.
inline constexpr std::string_view kPivotMarker = "lh_distinct";

/// A statement whose PIVOTs all have values, or the marker in their place. DuckDB's parser makes
/// two statements of the others, and no tree.
struct MarkedPivots {
  std::string sql;
  std::vector<std::size_t> places;  ///< In the original, ascending: where a marker was put in.

  /// The place in the original of one in `sql`.
  [[nodiscard]] std::size_t original(std::size_t at) const;
};

/// Finds PIVOT ... ON column without IN, wherever it stands. Nothing is found in what is not
/// understood.
MarkedPivots mark_pivots(std::string_view sql);

}  // namespace lakehouse::query
