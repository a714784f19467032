#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "iceberg/table_metadata.h"

/// \file
/// What a Parquet file really holds, as against what the table's schema says.

namespace lakehouse::query {

/// A column of a file, or a field in one.
struct PhysicalField {
  enum class Kind : std::uint8_t { Primitive, Struct, List, Map };

  std::string name;
  std::optional<std::int32_t> id;
  Kind kind = Kind::Primitive;
  std::string type;                     ///< Primitive: as DuckDB reads it, e.g. "DECIMAL(9,2)".
  std::vector<PhysicalField> children;  ///< List: the element. Map: key and value.
  friend bool operator==(const PhysicalField&, const PhysicalField&) = default;
};

/// Immutable, and shared by the files that are alike.
struct PhysicalSchema {
  std::vector<PhysicalField> columns;
  std::string signature;  ///< Equal for equal schemas, and for no others.
  [[nodiscard]] bool has(std::string_view column) const;  ///< Compared without case.
};
using PhysicalSchemaPtr = std::shared_ptr<const PhysicalSchema>;

/// From the rows of DuckDB's parquet_schema() for one file, in order, as the text of a JSON array
/// of {name, num_children, repetition_type, converted_type, logical_type, field_id, duckdb_type}.
Result<PhysicalSchemaPtr> physical_schema_from_json(std::string_view rows);

/// The same with ids where the file has none: by the table's name mapping
/// (schema.name-mapping.default), or else by the names of its schema. A file with ids stays.
Result<PhysicalSchemaPtr> with_ids(PhysicalSchemaPtr file, const iceberg::TableMetadata& table);

}  // namespace lakehouse::query
