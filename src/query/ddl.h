#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "iceberg/partition_spec.h"
#include "iceberg/schema.h"
#include "iceberg/table_metadata.h"
#include "iceberg/table_update.h"
#include "query/table_writer.h"

/// \file
/// What CREATE TABLE and ALTER TABLE mean for a table's metadata. Pure: nothing here does I/O.

namespace lakehouse::query {

/// The format version that a table's properties ask for, or else `otherwise`. InvalidArgument for
/// one that is not known.
Result<int> format_version_of(std::span<const std::pair<std::string, std::string>> properties,
                              int otherwise = iceberg::kFormatVersionDefault);

/// The columns as a schema, with ids from `first_id` on. InvalidArgument for none, for a type that
/// is not known, and for names that are empty or differ in case only (DuckDB would mix them up).
Result<iceberg::Schema> schema_from_columns(std::span<const ColumnDefinition> columns,
                                            int format_version, std::int32_t first_id = 1);

/// InvalidArgument for an unknown column or transform, or one that does not take the column's type.
Result<iceberg::PartitionSpec> spec_from_definitions(
    std::span<const PartitionDefinition> definitions, const iceberg::Schema& schema);

/// The column of that name: exactly, else if it is the only one that differs in case alone.
[[nodiscard]] const iceberg::NestedField* find_column(const std::vector<iceberg::NestedField>& in,
                                                      std::string_view name);

/// The updates that the actions come to; RenameTable is not one of them (InvalidArgument). Empty if
/// nothing changes.
Result<std::vector<iceberg::TableUpdate>> plan_alter(const iceberg::TableMetadata& metadata,
                                                     std::span<const AlterAction> actions);

/// The updates that make an existing table what `definition` says, with new field ids.
Result<std::vector<iceberg::TableUpdate>> plan_replace(const iceberg::TableMetadata& metadata,
                                                       const TableDefinition& definition);

/// The updates that commit a staged table.
std::vector<iceberg::TableUpdate> updates_of_staged(const iceberg::TableMetadata& staged);

}  // namespace lakehouse::query
