#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "query/table_writer.h"

/// \file
/// What one statement asks for, as far as DuckDB's parser does not tell it: everything but SELECT
/// is cut into its names, definitions and the SELECT in it.

namespace lakehouse::query {

/// A table or schema as it was written.
struct NamePath {
  std::vector<std::string> parts;
  std::size_t position = 0;

  /// The parts joined by dots: what catalog::Catalog::resolve_dataset takes.
  [[nodiscard]] std::string dotted() const;
  friend bool operator==(const NamePath&, const NamePath&) = default;
};

/// Anything that DuckDB serializes as a SELECT: SELECT, WITH, FROM, VALUES, TABLE, PIVOT, UNPIVOT,
/// DESCRIBE, SUMMARIZE, SHOW. `sql` keeps the positions of the statement: what was cut off before
/// it is white space.
struct SelectStatement {
  std::string sql;
};

/// EXPLAIN [ANALYZE] of a SELECT.
struct ExplainStatement {
  SelectStatement select;
  bool analyze = false;
};

struct InsertStatement {
  NamePath table;
  std::vector<std::string> columns;  ///< Empty: all of them, in order.
  bool by_name = false;              ///< The source's column names say where they go.
  SelectStatement source;
};

struct CreateTableStatement {
  NamePath table;
  IfExists if_exists = IfExists::Fail;
  TableDefinition definition;  ///< Types are as written, aliases such as INT included.
  std::optional<SelectStatement> source;
};

struct DropTableStatement {
  NamePath table;
  bool if_exists = false;
};

struct AlterTableStatement {
  NamePath table;
  bool if_exists = false;
  AlterAction action;  ///< Types are as written.
};

struct CreateSchemaStatement {
  NamePath name;
  bool if_not_exists = false;
};

struct DropSchemaStatement {
  NamePath name;
  bool if_exists = false;
  bool cascade = false;
};

using SqlStatement = std::variant<SelectStatement, ExplainStatement, InsertStatement,
                                  CreateTableStatement, DropTableStatement, AlterTableStatement,
                                  CreateSchemaStatement, DropSchemaStatement>;

/// The one statement in `sql`; a semicolon may end it. InvalidArgument, with the position, for none
/// or several, for kinds of statements that are not supported (by name, with what to do instead)
/// and for a clause that is not understood. The SELECT parts are not looked into: DuckDB parses
/// them, and `rewrite.h` decides.
Result<SqlStatement> parse_statement(std::string_view sql);

}  // namespace lakehouse::query
