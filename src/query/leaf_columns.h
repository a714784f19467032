#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "iceberg/schema.h"

namespace lakehouse::query {

/// A column that holds values, and no others: top-level, or within structs, lists and maps.
struct LeafColumn {
  std::int32_t field_id = 0;
  std::string path;  ///< Dotted, as Schema::path_of gives it.
  iceberg::TypePtr type;
  /// What reads it in SQL; of a list its first element, of a map its first key and value.
  std::string sql;
};

enum class Lists : std::uint8_t {
  Inside,  ///< What lists and maps hold are columns, too.
  Whole,   ///< A list or a map is one column.
};

/// In the schema's order, at most `count_max`. The SQL holds names as quoted identifiers and
/// literals only.
std::vector<LeafColumn> leaf_columns(const iceberg::Schema& schema, Lists lists,
                                     std::size_t count_max);

}  // namespace lakehouse::query
