#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "query/query_service.h"

/// \file
/// What a caller may ask about: tables and columns with what the registry says of them.

namespace lakehouse::answer {

struct SchemaColumn {
  std::string name;
  std::string type;  ///< DuckDB's.
  std::string note;  ///< One line; may be empty.
  /// Single values of it may be shown to a model: it holds text and nothing personal.
  bool shows_values = false;
  /// The most frequent values, if `shows_values`, and whether they are all there are.
  std::vector<std::string> values = {};
  bool has_all_values = false;
  /// The dataset whose rows its values name (naming_column), if they do; else empty.
  std::string refers_to = {};
};

struct SchemaTable {
  std::string name_space;
  std::string name;
  std::string description;  ///< One line; may be empty.
  std::vector<SchemaColumn> columns;

  /// As a statement names it: without its namespace if that is `main`; quoted where it must be.
  [[nodiscard]] std::string sql_name() const;
  /// "namespace.table".
  [[nodiscard]] std::string dataset() const { return name_space + "." + name; }
};

/// A name as it stands in a statement: in quotes unless it is a plain word that is no keyword.
std::string plain_or_quoted(std::string_view name);

/// The tables that the caller may see, or those of `datasets` only ("namespace.table"; NotFound for
/// one that is not there). Namespaces of the server's own are left out.
Result<std::vector<SchemaTable>> read_schema(const RequestContext& context,
                                             query::QueryService& queries,
                                             const std::vector<std::string>& datasets);

/// Fills in the frequent values of the columns that show them. What cannot be read in `time_max`
/// is left out.
Status read_values(const RequestContext& context, query::QueryService& queries,
                   std::chrono::milliseconds time_max, SchemaTable& table);

/// Fills in `refers_to` of columns all of whose values that were read stand in another table's
/// naming column: river.traverse has names of states, whatever it is called. Too few values tell
/// nothing.
Status find_references(const RequestContext& context, query::QueryService& queries,
                       std::chrono::milliseconds time_max, std::vector<SchemaTable>& tables);

/// A value of a table that a question names.
struct ValueFound {
  std::string table;   ///< As statements name it.
  std::string column;  ///< The same.
  std::string value;
  friend bool operator==(const ValueFound&, const ValueFound&) = default;
};

/// The values of the tables' text columns that are equal to one of `phrases` but for case. Columns
/// with personal data are searched, too: the caller has said the value.
Status find_values(const RequestContext& context, query::QueryService& queries,
                   std::chrono::milliseconds time_max, const SchemaTable& table,
                   const std::vector<std::string>& phrases, std::vector<ValueFound>& found);

}  // namespace lakehouse::answer
