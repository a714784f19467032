#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "catalog/schema_rules.h"
#include "iceberg/schema.h"
#include "ingest/file_reader.h"
#include "query/table_writer.h"

namespace lakehouse::ingest {

/// A column that the file lacks, and what stands in it.
struct ColumnDefault {
  std::string column;
  std::string type;                  ///< DuckDB's name of it.
  std::optional<std::string> value;  ///< As text; nothing is NULL.
};

/// How a file's columns go into a table.
struct ColumnMatch {
  /// In the file's order; empty for a column that is not read.
  std::vector<std::string> table_columns;
  std::vector<WantedColumn> wanted;        ///< In the file's order.
  std::vector<query::AlterAction> evolve;  ///< Columns to add, types to widen.
  std::vector<query::ColumnDefinition> added;
  std::vector<ColumnDefault> defaults;
  std::vector<std::string> missing;  ///< Columns of the table that nothing goes to.
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
  /// What was decided about this source's columns.
  std::vector<catalog::SchemaRule> rules;
};

/// Finds the table's column for each of the file's: by its normalised name or the
/// file's own, without case, else by a rule. FailedPrecondition, with the differences in
/// `details_json`, if one does not fit or a required one is missing.
Result<ColumnMatch> match_columns(const iceberg::Schema& schema,
                                  const std::vector<FileColumn>& columns,
                                  const MatchOptions& options);

/// Takes the columns that are not read out of the rows and puts the defaults in. The table's column
/// for each column of the rows then.
std::vector<std::string> shape_rows(const ColumnMatch& match, FileRows* rows);

/// A warning for each new column that looks like a missing one under another name.
std::vector<std::string> rename_hints(const iceberg::Schema& schema, const ColumnMatch& match);

/// The fingerprint of the table that the file's columns would make.
std::string file_fingerprint(const std::vector<FileColumn>& columns, int format_version);

/// A name for where a file comes from, out of the file's own: without folder, endings and what
/// changes from one to the next. "exports/CRM_contacts_2024-01-31.csv.gz" -> "crm_contacts".
std::string source_of_file(std::string_view file_name);

}  // namespace lakehouse::ingest
