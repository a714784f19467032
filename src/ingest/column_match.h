#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "iceberg/schema.h"
#include "ingest/file_reader.h"
#include "query/table_writer.h"

namespace lakehouse::ingest {

/// How a file's columns go into a table.
struct ColumnMatch {
  std::vector<std::string> table_columns;  ///< In the file's order.
  std::vector<WantedColumn> wanted;        ///< In the file's order.
  std::vector<query::AlterAction> evolve;  ///< Columns to add, types to widen.
  std::vector<query::ColumnDefinition> added;
};

/// The file's columns as definitions for a new table: normalised names, the original as the doc.
std::vector<query::ColumnDefinition> definitions_of(const std::vector<FileColumn>& columns);

struct MatchOptions {
  int format_version = 2;
  bool inferred = false;      ///< The types are guesses: a value decides whether it fits.
  bool read_as_text = false;  ///< CSV: values are read as the table's type from their text.
  bool may_add = true;        ///< Else a column that the table lacks is a difference.
  /// Columns of the table, by name, whose values turned out not to fit: widen them if possible.
  std::vector<std::string> misfits;
};

/// Finds the table's column for each of the file's: by its normalised name or the
/// file's own, without case. FailedPrecondition, with the differences in `details_json`, if one
/// does not fit or a required one is missing.
Result<ColumnMatch> match_columns(const iceberg::Schema& schema,
                                  const std::vector<FileColumn>& columns,
                                  const MatchOptions& options);

}  // namespace lakehouse::ingest
