#pragma once

#include <string>
#include <vector>

#include "engine/child/duck.h"

namespace lakehouse::engine {

/// A column's type, taken apart once a result so that reading cells asks DuckDB nothing.
struct TypeInfo {
  duckdb_type id = DUCKDB_TYPE_INVALID;
  std::string name;                            ///< As DuckDB writes it in SQL.
  duckdb_type physical = DUCKDB_TYPE_INVALID;  ///< Of DECIMAL and ENUM: the integer stored.
  unsigned scale = 0;                          ///< Of DECIMAL.
  idx_t array_size = 0;                        ///< Of ARRAY.
  std::vector<std::string> labels;             ///< Of ENUM; of STRUCT and UNION: the members.
  std::vector<std::string> labels_json;        ///< The same in JSON, with their quotes.
  std::vector<TypeInfo> children;              ///< Of MAP: key and value.
};

TypeInfo describe_type(duckdb_logical_type type);

/// `text` as a JSON string with its quotes.
std::string quote_json(std::string_view text);

}  // namespace lakehouse::engine
