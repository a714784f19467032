#pragma once

#include <cstddef>
#include <cstdint>
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

/// Text of a statement that stands elsewhere in a SELECT made from it. In bytes.
struct MovedText {
  std::size_t to = 0;
  std::size_t from = 0;  ///< In the statement.
  std::size_t length = 0;
};

/// Anything that DuckDB serializes as a SELECT: SELECT, WITH, FROM, VALUES, TABLE, PIVOT, UNPIVOT,
/// DESCRIBE, SUMMARIZE, SHOW. `sql` keeps the positions of the statement: what was cut off before
/// it is white space. Except where parts were put together: then `moved` says where they are from.
struct SelectStatement {
  std::string sql;
  std::vector<MovedText> moved;

  /// The place in the statement of a place in `sql`; nothing for what is not the statement's.
  [[nodiscard]] std::optional<std::size_t> position(std::size_t in_sql) const;
};

/// EXPLAIN [ANALYZE] of a SELECT, or EXPLAIN of a statement that writes.
struct ExplainStatement {
  SelectStatement select;
  bool analyze = false;
  /// INSERT, UPDATE, DELETE or MERGE, instead of `select`. Keeps the positions of the whole text.
  std::string write;
};

/// A column and what it becomes.
struct Assignment {
  std::string column;
  std::size_t position = 0;  ///< The column's.
  /// Which of the statement's expressions; nothing for DEFAULT.
  std::optional<std::size_t> expression;
};

/// What becomes of rows: WHEN ... THEN of a MERGE, SET of an UPDATE.
struct ChangeClause {
  enum class When : std::uint8_t { Matched, NotMatched, NotMatchedBySource };
  enum class Action : std::uint8_t { Nothing, Update, Delete, Insert, Error };
  enum class Values : std::uint8_t {
    Assigned,    ///< `assignments` say.
    Positional,  ///< All columns, those of the source in their order; of assignments: theirs.
    ByName,      ///< The source's columns say where they go.
  };
  When when = When::Matched;
  std::optional<std::size_t> condition;  ///< Which of the expressions.
  Action action = Action::Nothing;
  Values values = Values::Assigned;
  std::vector<Assignment> assignments;
  std::optional<std::size_t> message;  ///< Of Error: which of the expressions.
};

/// DELETE, UPDATE and MERGE. `parts` is a SELECT of all expressions in the statement from what
/// stands behind USING or FROM, without the table that is changed; each expression is in brackets.
struct ChangeStatement {
  enum class Verb : std::uint8_t { Delete, Update, Merge };
  Verb verb = Verb::Delete;
  NamePath table;
  std::string alias;
  SelectStatement parts;
  std::size_t expressions = 0;
  bool has_source = false;
  std::optional<std::size_t> condition;    ///< WHERE, or ON of a MERGE.
  std::vector<std::string> using_columns;  ///< Of a MERGE instead of ON.
  std::vector<ChangeClause> clauses;
  std::optional<SelectStatement> returning;  ///< SELECT of what RETURNING says, from nothing.
};

/// ON CONFLICT of an INSERT, or its OR REPLACE and OR IGNORE.
struct ConflictClause {
  std::vector<std::string> key;  ///< Empty: the table's identifier fields.
  std::size_t position = 0;
  bool updates = false;      ///< DO UPDATE, else DO NOTHING.
  bool all_columns = false;  ///< OR REPLACE: each column of the INSERT, without assignments.
  std::vector<Assignment> assignments;
  std::optional<std::size_t> condition;
  SelectStatement parts;  ///< A SELECT of the expressions; as in ChangeStatement.
  std::size_t expressions = 0;
};

struct InsertStatement {
  NamePath table;
  std::string alias;
  std::vector<std::string> columns;  ///< Empty: all of them, in order.
  bool by_name = false;              ///< The source's column names say where they go.
  SelectStatement source;
  std::optional<ConflictClause> on_conflict;
  std::optional<SelectStatement> returning;
};

/// BEGIN; ...; COMMIT. Each statement keeps the positions of the whole text.
struct TransactionStatement {
  std::vector<std::string> statements;
  bool commits = true;  ///< Else it ends with ROLLBACK.
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

struct CreateViewStatement {
  NamePath view;
  IfExists if_exists = IfExists::Fail;
  std::vector<std::string> columns;  ///< Empty: called as the SELECT does.
  std::string comment;
  std::string sql;  ///< The SELECT as it is kept.
  SelectStatement source;
};

struct DropViewStatement {
  NamePath view;
  bool if_exists = false;
};

struct RenameViewStatement {
  NamePath view;
  bool if_exists = false;
  std::string to;
};

struct MacroParameter {
  std::string name;
  std::optional<std::string> default_sql;
  friend bool operator==(const MacroParameter&, const MacroParameter&) = default;
};

/// One of a macro's forms, which differ in their parameters.
struct MacroDefinition {
  std::vector<MacroParameter> parameters;
  bool is_table = false;  ///< Then `sql` is a SELECT, else an expression.
  std::string sql;
  friend bool operator==(const MacroDefinition&, const MacroDefinition&) = default;
};

struct CreateMacroStatement {
  NamePath macro;
  IfExists if_exists = IfExists::Fail;
  std::vector<MacroDefinition> definitions;
};

struct DropMacroStatement {
  NamePath macro;
  bool if_exists = false;
};

using SqlStatement = std::variant<SelectStatement, ExplainStatement, InsertStatement,
                                  ChangeStatement, TransactionStatement, CreateTableStatement,
                                  DropTableStatement, AlterTableStatement, CreateSchemaStatement,
                                  DropSchemaStatement, CreateViewStatement, DropViewStatement,
                                  RenameViewStatement, CreateMacroStatement, DropMacroStatement>;

/// The one statement in `sql`; a semicolon may end it. Several only from BEGIN to COMMIT or
/// ROLLBACK. InvalidArgument, with the position, for none or several otherwise, for kinds of
/// statements that are not supported (by name, with what to do instead) and for a clause that is
/// not understood. The SELECT parts are not looked into: DuckDB parses them, and `rewrite.h`
/// decides.
Result<SqlStatement> parse_statement(std::string_view sql);

}  // namespace lakehouse::query
