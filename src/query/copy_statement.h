#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "iceberg/table_metadata.h"

/// \file
/// The COPY by which an engine writes rows as a table's Parquet files.

namespace lakehouse::query {

/// How the rows of a source become files.
struct CopyPlan {
  engine::Statement statement;
  /// The spec's fields that are written as partitions, by their index in it, in the order of the
  /// keys "__lh_p0", "__lh_p1"... in the statistics. Void fields are not: their value is null.
  std::vector<std::size_t> partition_fields;
};

struct CopyOptions {
  std::string folder;                 ///< Files go below it; must be there.
  std::uint64_t file_size_bytes = 0;  ///< 0: one file, in the source's order.
  std::int64_t row_group_rows = 122'880;
};

/// Casts the source's columns, which go to the table's `columns` in their order (empty: all of the
/// schema's), to the current schema of `table`, and partitions them by its default spec.
///
/// InvalidArgument if the columns do not fit. Nested required columns are checked by the statement
/// itself; whether others held a NULL is in the statistics (parquet_stats.h).
Result<CopyPlan> plan_copy(const iceberg::TableMetadata& table, engine::Statement source,
                           const std::vector<engine::Column>& source_columns,
                           const std::vector<std::string>& columns, const CopyOptions& options);

/// DuckDB's COPY option FIELD_IDS for the schema: {'id': 1, 'tags': {__duckdb_field_id: 2, ...}}.
std::string field_ids_option(const iceberg::Schema& schema);

}  // namespace lakehouse::query
