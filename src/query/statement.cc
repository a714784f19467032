#include "query/statement.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "query/change_parser.h"
#include "query/definition_parser.h"
#include "query/token_cursor.h"

namespace lakehouse::query {
namespace {

struct Refusal {
  std::string_view word;
  std::string_view reason;
  std::string_view hint;
};

constexpr std::string_view kFiles =
    "Read files by ingesting them (POST /ingest/file); take results by the Accept header.";
constexpr std::string_view kNoSession = "A transaction is one request: BEGIN; ...; COMMIT.";
constexpr std::string_view kNoSettings = "Settings belong to the server's configuration file.";

/// Statements that DuckDB knows and a request may not use.
constexpr std::array kRefused = {
    Refusal{"COPY", "COPY would read or write files", kFiles},
    Refusal{"EXPORT", "EXPORT would write files", kFiles},
    Refusal{"IMPORT", "IMPORT would read files", kFiles},
    Refusal{"ATTACH", "ATTACH would open another database",
            "Register its tables in this catalog, or ingest them."},
    Refusal{"DETACH", "DETACH is not available: there is one catalog", ""},
    Refusal{"USE", "USE is not available: a request has no session",
            "Write the namespace before the table: namespace.table."},
    Refusal{"PRAGMA", "PRAGMA would change or read the engine's settings", kNoSettings},
    Refusal{"SET", "SET would change the engine's settings", kNoSettings},
    Refusal{"RESET", "RESET would change the engine's settings", kNoSettings},
    Refusal{"INSTALL", "INSTALL would load code into the engine", ""},
    Refusal{"LOAD", "LOAD would load code into the engine", ""},
    Refusal{"CALL", "CALL is not available", "Use SELECT * FROM function(...)."},
    Refusal{"COMMIT", "there is no transaction to end", kNoSession},
    Refusal{"END", "there is no transaction to end", kNoSession},
    Refusal{"ROLLBACK", "there is no transaction to end", kNoSession},
    Refusal{"ABORT", "there is no transaction to end", kNoSession},
    Refusal{"CHECKPOINT", "CHECKPOINT is not available: every commit is durable", ""},
    Refusal{"FORCE", "FORCE CHECKPOINT is not available: every commit is durable", ""},
    Refusal{"VACUUM", "VACUUM is not available", ""},
    Refusal{"ANALYZE", "ANALYZE is not available: statistics are kept with the files", ""},
    Refusal{"PREPARE", "PREPARE is not available: a request has no session",
            R"(Send parameters with the statement: {"sql": ..., "params": [...]}.)"},
    Refusal{"EXECUTE", "EXECUTE is not available: a request has no session",
            R"(Send parameters with the statement: {"sql": ..., "params": [...]}.)"},
    Refusal{"DEALLOCATE", "DEALLOCATE is not available: a request has no session", ""},
    Refusal{"COMMENT", "COMMENT ON is not supported by this version", ""},
    Refusal{"GRANT", "GRANT is not supported by this version", ""},
    Refusal{"REVOKE", "REVOKE is not supported by this version", ""},
};

/// What CREATE and DROP may not make, beside tables and schemas.
constexpr std::array kRefusedObjects = {
    Refusal{"TEMP", "temporary tables are not available: a request has no session",
            "Name a part of the statement by WITH name AS (...)."},
    Refusal{"TEMPORARY", "temporary tables are not available: a request has no session",
            "Name a part of the statement by WITH name AS (...)."},
    Refusal{"INDEX", "Iceberg tables have no indexes", "Partition or sort the table instead."},
    Refusal{"UNIQUE", "Iceberg tables have no indexes", "Partition or sort the table instead."},
    Refusal{"SEQUENCE", "Iceberg has no sequences", "uuid() and row_number() give keys."},
    Refusal{"TYPE", "Iceberg has no types of one's own", "Write the type where it is used."},
    Refusal{"SECRET", "secrets belong to the server's configuration", ""},
    Refusal{"PERSISTENT", "secrets belong to the server's configuration", ""},
    Refusal{"DATABASE", "there is one catalog", "CREATE SCHEMA makes a namespace."},
};

/// What starts a statement that json_serialize_sql takes.
constexpr std::array<std::string_view, 11> kSelectWords = {
    "SELECT",  "WITH",     "FROM", "VALUES", "TABLE",    "PIVOT",
    "UNPIVOT", "DESCRIBE", "DESC", "SHOW",   "SUMMARIZE"};

constexpr std::array<std::string_view, 5> kConstraints = {"PRIMARY", "UNIQUE", "CHECK", "FOREIGN",
                                                          "CONSTRAINT"};

constexpr std::array<std::string_view, 13> kAfterType = {
    "NOT",     "NULL",    "DEFAULT",   "PRIMARY", "UNIQUE",     "CHECK", "REFERENCES",
    "COMMENT", "COLLATE", "GENERATED", "AS",      "CONSTRAINT", "USING"};

class Parser : private TokenCursor {
 public:
  Parser(std::string_view sql, std::vector<Token> tokens) : TokenCursor(sql, std::move(tokens)) {}

  Result<SqlStatement> run() {
    if (peek().is("BEGIN") || peek().is("START")) {
      return parse_transaction(*this);
    }
    LH_RETURN_IF_ERROR(check_single());
    if (peek().kind == TokenKind::End) {
      return fail(ErrorCode::InvalidArgument, "the statement is empty");
    }
    if (begins_change(peek())) {
      return parse_change(*this);
    }
    if (peek().is("EXPLAIN")) {
      return explain();
    }
    if (peek().is("INSERT")) {
      return insert();
    }
    if (peek().is("WITH")) {
      return with();
    }
    if (peek().is_symbol('(') || std::ranges::any_of(kSelectWords, [this](std::string_view word) {
          return peek().is(word);
        })) {
      return select_from(0);
    }
    if (peek().is("CREATE")) {
      return create();
    }
    if (peek().is("DROP")) {
      return drop();
    }
    if (peek().is("ALTER")) {
      return alter();
    }
    return refuse_statement();
  }

 private:
  Status check_single() {
    const auto semicolon = [](const Token& token) { return token.is_symbol(';'); };
    while (tokens_.size() > 1 && semicolon(tokens_[tokens_.size() - 2])) {
      tokens_.erase(tokens_.end() - 2);
    }
    const auto found = std::ranges::find_if(tokens_, semicolon);
    if (found != tokens_.end()) {
      return fail_at(*found, "a request holds one statement, and this is the end of the first",
                     "Send the statements one by one.");
    }
    return {};
  }

  /// The statement up to token `until`, with the tokens [from, to) blanked, so that positions in
  /// the rest stay.
  SelectStatement blanked(std::size_t from, std::size_t to, std::size_t until) const {
    SelectStatement select{std::string(sql_.substr(0, end_before(until))), {}};
    const std::size_t begin = from < to ? tokens_[from].position : 0;
    const std::size_t end = from < to ? tokens_[to].position : 0;
    // Line ends stay, too: DuckDB's messages count lines.
    const auto first = select.sql.begin();
    std::replace_if(
        first + static_cast<std::ptrdiff_t>(begin),
        first + static_cast<std::ptrdiff_t>(std::min(end, select.sql.size())),
        [](char c) { return c != '\n'; }, ' ');
    return select;
  }
  SelectStatement select_from(std::size_t token) { return blanked(0, token, tokens_.size() - 1); }

  // --- Statements.

  std::unexpected<Error> refuse_statement() const {
    for (const Refusal& refusal : kRefused) {
      if (peek().is(refusal.word)) {
        return fail_at(peek(), std::string(refusal.reason), std::string(refusal.hint));
      }
    }
    return fail_at(peek(), fmt::format("no statement begins with '{}'", peek().text),
                   "There are SELECT, INSERT, UPDATE, DELETE, MERGE, CREATE TABLE, CREATE SCHEMA, "
                   "ALTER TABLE, DROP, "
                   "DESCRIBE, SUMMARIZE, SHOW TABLES and EXPLAIN.");
  }

  Result<SqlStatement> explain() {
    ++at_;
    ExplainStatement statement;
    statement.analyze = accept("ANALYZE");
    if (peek().is_symbol('(')) {
      const Token& inner = peek(1);
      if (!inner.is("SELECT") && !inner.is("WITH") && !inner.is("FROM") && !inner.is("VALUES") &&
          !inner.is_symbol('(')) {
        return fail_at(peek(), "EXPLAIN takes no options here");
      }
    }
    const std::size_t begin = at_;
    LH_ASSIGN_OR_RETURN(const SqlStatement inner, run_inner());
    if (std::holds_alternative<SelectStatement>(inner)) {
      statement.select = select_from(begin);
      return statement;
    }
    if (statement.analyze) {
      return fail_at(tokens_[begin], "EXPLAIN ANALYZE would run a statement that writes",
                     "EXPLAIN alone shows its plan.");
    }
    if (std::holds_alternative<InsertStatement>(inner) ||
        std::holds_alternative<ChangeStatement>(inner)) {
      statement.write = select_from(begin).sql;
      return statement;
    }
    const SelectStatement* source = source_of(inner);
    if (source == nullptr) {
      return fail_at(tokens_[begin], "what does not read has no plan to explain",
                     "Explain a SELECT of the same rows.");
    }
    statement.select = *source;
    std::fill_n(statement.select.sql.begin(), tokens_[begin].position, ' ');
    return statement;
  }
  /// The SELECT that a statement makes something of: its plan is that one's.
  static const SelectStatement* source_of(const SqlStatement& statement) {
    if (const auto* view = std::get_if<CreateViewStatement>(&statement)) {
      return &view->source;
    }
    const auto* create = std::get_if<CreateTableStatement>(&statement);
    return create != nullptr && create->source ? &*create->source : nullptr;
  }
  Result<SqlStatement> run_inner() {
    if (peek().is("EXPLAIN") || peek().kind == TokenKind::End) {
      return expected("a SELECT");
    }
    return run();
  }

  /// WITH ... SELECT is a select; WITH ... INSERT an insert whose source begins with the WITH.
  Result<SqlStatement> with() {
    std::size_t depth = 0;
    for (std::size_t i = at_; i < tokens_.size(); ++i) {
      const Token& token = tokens_[i];
      count_bracket(token, depth);
      if (depth > 0 || i == 0 || !closes(tokens_[i - 1])) {
        continue;
      }
      // Behind a definition's closing bracket stands a comma, or the statement proper.
      if (token.is("INSERT")) {
        at_ = i;
        return insert();
      }
      if (begins_change(token)) {
        at_ = i;
        return parse_change(*this);
      }
    }
    return select_from(0);
  }

  Result<SqlStatement> insert() {
    const std::size_t begin = at_++;
    InsertStatement statement;
    LH_RETURN_IF_ERROR(parse_insert_or(*this, &statement));
    LH_RETURN_IF_ERROR(expect("INTO"));
    LH_ASSIGN_OR_RETURN(statement.table, name_path("a table"));
    if (accept("AS")) {
      LH_ASSIGN_OR_RETURN(statement.alias, name("an alias"));
    }
    if (peek().is_symbol('(') && !opens_a_query(at_)) {
      LH_ASSIGN_OR_RETURN(statement.columns, name_list("a column"));
    }
    if (accept_all({"BY", "NAME"})) {
      statement.by_name = true;
      if (!statement.columns.empty()) {
        return fail_at(tokens_[at_ - 1], "a list of columns and BY NAME exclude each other");
      }
    } else {
      accept_all({"BY", "POSITION"});
    }
    if (peek().is("DEFAULT")) {
      return fail_at(peek(), "INSERT ... DEFAULT VALUES is not supported",
                     "Write the values, or NULL.");
    }
    LH_RETURN_IF_ERROR(expect_query());
    const std::size_t source = at_;
    LH_RETURN_IF_ERROR(parse_insert_tail(*this, &statement));
    statement.source = blanked(begin, source, at_);
    return statement;
  }

  [[nodiscard]] bool opens_a_query(std::size_t bracket) const {
    std::size_t i = bracket;
    while (tokens_[i].is_symbol('(')) {
      ++i;
    }
    const Token& token = tokens_[i];
    return token.is("SELECT") || token.is("WITH") || token.is("FROM") ||
           (token.is("VALUES") && tokens_[i + 1].is_symbol('('));
  }

  Status expect_query() {
    for (const std::string_view word : {"SELECT", "WITH", "FROM", "VALUES", "TABLE", "PIVOT",
                                        "UNPIVOT", "DESCRIBE", "SUMMARIZE", "SHOW"}) {
      if (peek().is(word)) {
        return {};
      }
    }
    return peek().is_symbol('(') ? Status() : Status(expected("SELECT or VALUES"));
  }

  std::unexpected<Error> refuse_object(std::string_view verb) const {
    for (const Refusal& refusal : kRefusedObjects) {
      if (peek().is(refusal.word)) {
        return fail_at(peek(), fmt::format("{} {}: {}", verb, refusal.word, refusal.reason),
                       std::string(refusal.hint));
      }
    }
    return expected("TABLE or SCHEMA");
  }

  Result<SqlStatement> create() {
    ++at_;
    const Token& replace = peek();
    const bool or_replace = accept_all({"OR", "REPLACE"});
    if (accept("SCHEMA")) {
      if (or_replace) {
        return fail_at(replace, "CREATE OR REPLACE SCHEMA is not supported",
                       "DROP SCHEMA ... CASCADE, then CREATE SCHEMA.");
      }
      CreateSchemaStatement statement;
      statement.if_not_exists = accept_all({"IF", "NOT", "EXISTS"});
      LH_ASSIGN_OR_RETURN(statement.name, name_path("a schema"));
      LH_RETURN_IF_ERROR(expect_end());
      return statement;
    }
    if (begins_definition(peek())) {
      return parse_definition(*this, or_replace);
    }
    if (!accept("TABLE")) {
      return refuse_object("CREATE");
    }
    CreateTableStatement statement;
    const Token& exists = peek();
    if (accept_all({"IF", "NOT", "EXISTS"})) {
      if (or_replace) {
        return fail_at(exists, "OR REPLACE and IF NOT EXISTS exclude each other");
      }
      statement.if_exists = IfExists::Keep;
    } else if (or_replace) {
      statement.if_exists = IfExists::Replace;
    }
    LH_ASSIGN_OR_RETURN(statement.table, name_path("a table"));
    LH_RETURN_IF_ERROR(table_body(statement));
    return statement;
  }

  Status table_body(CreateTableStatement& statement) {
    if (peek().is_symbol('(')) {
      LH_RETURN_IF_ERROR(column_definitions(statement.definition));
    }
    if (accept_all({"PARTITIONED", "BY"}) || accept_all({"PARTITION", "BY"})) {
      LH_RETURN_IF_ERROR(partition_definitions(statement.definition.partition_by));
    }
    if (accept("WITH")) {
      LH_RETURN_IF_ERROR(table_properties(statement.definition.properties));
    }
    if (!accept("AS")) {
      if (statement.definition.columns.empty()) {
        return expected("a list of columns, or AS and a SELECT");
      }
      return expect_end();
    }
    if (!statement.definition.columns.empty()) {
      return fail_at(tokens_[at_ - 1], "a list of columns and AS exclude each other",
                     "Name and cast the columns in the SELECT.");
    }
    LH_RETURN_IF_ERROR(expect_query());
    // WITH NO DATA, as PostgreSQL spells it, would silently be read as data wanted.
    const std::size_t last = tokens_.size() - 1;
    if (last >= 3 && tokens_[last - 1].is("DATA") &&
        (tokens_[last - 2].is("NO") || tokens_[last - 2].is("WITH"))) {
      return fail_at(tokens_[last - 1], "WITH [NO] DATA is not supported",
                     "Add WHERE false to the SELECT for a table without rows.");
    }
    statement.source = select_from(at_);
    return {};
  }

  Status column_definitions(TableDefinition& definition) {
    LH_RETURN_IF_ERROR(expect_symbol('('));
    do {
      LH_RETURN_IF_ERROR(refuse_table_constraint());
      LH_ASSIGN_OR_RETURN(ColumnDefinition column, column_definition());
      const auto twin = [&column](const ColumnDefinition& other) {
        return to_lower(other.name) == to_lower(column.name);
      };
      if (std::ranges::any_of(definition.columns, twin)) {
        return fail_at(peek(), fmt::format("the column {} is defined twice", column.name));
      }
      definition.columns.push_back(std::move(column));
    } while (accept_symbol(','));
    return expect_symbol(')');
  }

  Status refuse_table_constraint() const {
    for (const std::string_view word : kConstraints) {
      // A column may be called so: then a type follows, and none of these words.
      if (peek().is(word) && (peek(1).is_symbol('(') || peek(1).is("KEY") ||
                              (word == "CONSTRAINT" && peek(1).is_name()))) {
        return refuse_constraint(word);
      }
    }
    return {};
  }
  std::unexpected<Error> refuse_constraint(std::string_view word) const {
    return fail_at(peek(), fmt::format("{}: Iceberg tables keep no constraint but NOT NULL", word),
                   "Leave it out; check the rows by a query.");
  }

  /// name type [NOT NULL | NULL] [DEFAULT constant] [COMMENT 'text'], in any order behind the type.
  Result<ColumnDefinition> column_definition() {
    ColumnDefinition column;
    LH_ASSIGN_OR_RETURN(column.name, name("a column"));
    LH_ASSIGN_OR_RETURN(column.type, type(column.name));
    while (!peek().is_symbol(',') && !peek().is_symbol(')') && peek().kind != TokenKind::End) {
      if (accept_all({"NOT", "NULL"})) {
        column.required = true;
      } else if (accept("NULL")) {
        column.required = false;
      } else if (peek().is("COMMENT") && peek(1).kind == TokenKind::String) {
        ++at_;
        column.doc = take().value;
      } else if (accept("DEFAULT")) {
        LH_ASSIGN_OR_RETURN(column.default_value, default_value());
      } else if (peek().is("GENERATED") || peek().is("AS")) {
        return fail_at(peek(), "generated columns are not supported",
                       "Compute it in the SELECT that reads the table.");
      } else if (peek().is_name()) {
        return refuse_constraint(peek().text);
      } else {
        return expected("',' or ')'");
      }
    }
    return column;
  }

  /// A constant: 1, -1.5, 'text', DATE '2024-01-31', TRUE; nothing for NULL.
  Result<std::optional<std::string>> default_value() {
    if (accept("NULL")) {
      return std::nullopt;
    }
    std::string text;
    if (accept_symbol('-')) {
      text = "-";
    }
    const bool typed = text.empty() && peek(1).kind == TokenKind::String &&
                       (peek().is("DATE") || peek().is("TIME") || peek().is("TIMESTAMP") ||
                        peek().is("TIMESTAMPTZ") || peek().is("UUID") || peek().is("BLOB"));
    at_ += typed ? 1 : 0;
    const bool plain = text.empty() && (peek().kind == TokenKind::String || peek().is("TRUE") ||
                                        peek().is("FALSE"));
    if (!plain && peek().kind != TokenKind::Number) {
      return fail_at(peek(), "a default is a constant: a number, a string, TRUE or FALSE",
                     "Compute other values in each INSERT.");
    }
    const Token& token = take();
    return text + (token.kind == TokenKind::String   ? token.value
                   : token.kind == TokenKind::Number ? std::string(token.text)
                                                     : to_lower(token.text));
  }

  /// The tokens of a type, as text: up to a comma, a closing bracket, the end or a word that
  /// continues the column's definition.
  Result<std::string> type(std::string_view column) {
    std::string text;
    while (true) {
      const Token& token = peek();
      if (opens(token)) {
        LH_ASSIGN_OR_RETURN(const std::size_t behind, behind_bracket(at_));
        LH_RETURN_IF_ERROR(check_type_tokens(at_, behind));
        text.append(sql_.substr(token.position, tokens_[behind - 1].end() - token.position));
        at_ = behind;
        continue;
      }
      if (!token.is_name() ||
          (!text.empty() && std::ranges::any_of(kAfterType, [&token](std::string_view word) {
            return token.is(word);
          }))) {
        break;
      }
      text.append(text.empty() ? "" : " ").append(token.text);
      ++at_;
    }
    if (text.empty()) {
      return expected(fmt::format("the type of column {}", column));
    }
    return text;
  }
  /// What may stand in a type's brackets. The text goes into a statement of ours as a type.
  Status check_type_tokens(std::size_t from, std::size_t to) const {
    for (std::size_t i = from; i < to; ++i) {
      const Token& token = tokens_[i];
      const bool fits = token.is_name() || token.kind == TokenKind::Number ||
                        token.kind == TokenKind::String || opens(token) || closes(token) ||
                        token.is_symbol(',');
      if (!fits || token.is("SELECT") || token.is("FROM")) {
        return fail_at(token, fmt::format("'{}' does not belong in a type", token.text));
      }
    }
    return {};
  }

  Status partition_definitions(std::vector<PartitionDefinition>& out) {
    LH_RETURN_IF_ERROR(expect_symbol('('));
    do {
      LH_ASSIGN_OR_RETURN(PartitionDefinition one, partition_definition());
      out.push_back(std::move(one));
    } while (accept_symbol(','));
    return expect_symbol(')');
  }

  /// column, year|month|day|hour(column), bucket|truncate(number, column) in either order.
  Result<PartitionDefinition> partition_definition() {
    if (!peek().is_name() || !peek(1).is_symbol('(')) {
      LH_ASSIGN_OR_RETURN(const auto parts, path("a column or a transform"));
      return PartitionDefinition{fmt::format("{}", fmt::join(parts, ".")), "identity", {}};
    }
    const Token& function = take();
    ++at_;
    std::string transform = to_lower(function.value);
    if (transform.ends_with('s')) {
      transform.pop_back();  // days(at), as Spark spells it.
    }
    const bool with_number = transform == "bucket" || transform == "truncate";
    if (!with_number && transform != "year" && transform != "month" && transform != "day" &&
        transform != "hour" && transform != "identity" && transform != "void") {
      return fail_at(
          function, fmt::format("'{}' is no partition transform", function.text),
          "There are year, month, day, hour, bucket(n, column) and truncate(n, column).");
    }
    std::string number;
    const auto accept_number = [&] {
      if (peek().kind == TokenKind::Number) {
        number = std::string(take().text);
      }
    };
    accept_number();
    if (!number.empty()) {
      LH_RETURN_IF_ERROR(expect_symbol(','));
    }
    LH_ASSIGN_OR_RETURN(const auto parts, path("a column"));
    if (with_number && number.empty() && accept_symbol(',')) {
      accept_number();
    }
    if (with_number == number.empty()) {
      return fail_at(function, with_number ? fmt::format("{} wants a number: {}(16, column)",
                                                         transform, transform)
                                           : fmt::format("{} takes no number", transform));
    }
    LH_RETURN_IF_ERROR(expect_symbol(')'));
    return PartitionDefinition{fmt::format("{}", fmt::join(parts, ".")),
                               with_number ? fmt::format("{}[{}]", transform, number) : transform,
                               {}};
  }

  /// ('key' = 'value', ...)
  Status table_properties(std::vector<std::pair<std::string, std::string>>& out) {
    LH_RETURN_IF_ERROR(expect_symbol('('));
    do {
      LH_ASSIGN_OR_RETURN(std::string key, property_text("a property's name"));
      LH_RETURN_IF_ERROR(expect_symbol('='));
      LH_ASSIGN_OR_RETURN(std::string value, property_text("a property's value"));
      out.emplace_back(std::move(key), std::move(value));
    } while (accept_symbol(','));
    return expect_symbol(')');
  }
  Result<std::string> property_text(std::string_view what) {
    if (peek().kind == TokenKind::Number) {
      return std::string(take().text);
    }
    if (peek().kind != TokenKind::String && !peek().is_name()) {
      return expected(what);
    }
    return take().value;
  }

  Result<SqlStatement> drop() {
    ++at_;
    if (accept("SCHEMA")) {
      DropSchemaStatement statement;
      statement.if_exists = accept_all({"IF", "EXISTS"});
      LH_ASSIGN_OR_RETURN(statement.name, name_path("a schema"));
      statement.cascade = accept("CASCADE");
      if (!statement.cascade) {
        accept("RESTRICT");
      }
      LH_RETURN_IF_ERROR(expect_end());
      return statement;
    }
    if (begins_definition(peek())) {
      return parse_drop_definition(*this);
    }
    if (!accept("TABLE")) {
      return refuse_object("DROP");
    }
    DropTableStatement statement;
    statement.if_exists = accept_all({"IF", "EXISTS"});
    LH_ASSIGN_OR_RETURN(statement.table, name_path("a table"));
    if (peek().is_symbol(',')) {
      return fail_at(peek(), "DROP TABLE takes one table", "Send a statement for each of them.");
    }
    if (!accept("CASCADE")) {
      accept("RESTRICT");
    }
    LH_RETURN_IF_ERROR(expect_end());
    return statement;
  }

  Result<SqlStatement> alter() {
    ++at_;
    if (peek().is("VIEW")) {
      return parse_alter_view(*this);
    }
    if (!accept("TABLE")) {
      return expected("TABLE or VIEW");
    }
    AlterTableStatement statement;
    statement.if_exists = accept_all({"IF", "EXISTS"});
    LH_ASSIGN_OR_RETURN(statement.table, name_path("a table"));
    LH_ASSIGN_OR_RETURN(statement.action, alter_action());
    if (peek().is_symbol(',')) {
      return fail_at(peek(), "ALTER TABLE makes one change at a time",
                     "Send a statement for each of them.");
    }
    LH_RETURN_IF_ERROR(expect_end());
    return statement;
  }

  Result<AlterAction> alter_action() {
    if (accept("ADD")) {
      return add_column();
    }
    if (accept("DROP")) {
      LH_RETURN_IF_ERROR(refuse_table_constraint());
      accept("COLUMN");
      DropColumn action;
      action.if_exists = accept_all({"IF", "EXISTS"});
      LH_ASSIGN_OR_RETURN(action.path, path("a column"));
      if (!accept("CASCADE")) {
        accept("RESTRICT");
      }
      return action;
    }
    if (accept("RENAME")) {
      return rename();
    }
    if (accept("ALTER")) {
      return alter_column();
    }
    if (accept("SET")) {
      return set_table();
    }
    return expected("ADD, DROP, RENAME, ALTER or SET");
  }

  Result<AlterAction> add_column() {
    LH_RETURN_IF_ERROR(refuse_table_constraint());
    accept("COLUMN");
    AddColumn action;
    action.if_not_exists = accept_all({"IF", "NOT", "EXISTS"});
    // The path's last part is the column's name: the definition begins with it.
    while (peek().is_name() && peek(1).is_symbol('.')) {
      action.parent.push_back(take().value);
      ++at_;
    }
    LH_ASSIGN_OR_RETURN(action.column, column_definition());
    return action;
  }

  Result<AlterAction> rename() {
    if (accept("TO")) {
      LH_ASSIGN_OR_RETURN(std::string to, name("the table's new name"));
      return RenameTable{std::move(to)};
    }
    accept("COLUMN");
    RenameColumn action;
    LH_ASSIGN_OR_RETURN(action.path, path("a column"));
    LH_RETURN_IF_ERROR(expect("TO"));
    LH_ASSIGN_OR_RETURN(action.new_name, name("the column's new name"));
    return action;
  }

  Result<AlterAction> alter_column() {
    accept("COLUMN");
    LH_ASSIGN_OR_RETURN(std::vector<std::string> column, path("a column"));
    if (accept_all({"SET", "NOT", "NULL"})) {
      return SetNotNull{std::move(column)};
    }
    if (accept_all({"DROP", "NOT", "NULL"})) {
      return DropNotNull{std::move(column)};
    }
    if (accept("COMMENT")) {
      LH_ASSIGN_OR_RETURN(std::string doc, property_text("the comment"));
      return SetColumnDoc{std::move(column), std::move(doc)};
    }
    if (accept_all({"DROP", "DEFAULT"})) {
      return SetColumnDefault{std::move(column), std::nullopt};
    }
    if (accept_all({"SET", "DEFAULT"})) {
      SetColumnDefault action{std::move(column), std::nullopt};
      LH_ASSIGN_OR_RETURN(action.value, default_value());
      return action;
    }
    accept_all({"SET", "DATA"});
    accept("SET");
    LH_RETURN_IF_ERROR(expect("TYPE"));
    ChangeColumnType action{std::move(column), {}};
    LH_ASSIGN_OR_RETURN(action.type, type(action.path.back()));
    if (peek().is("USING")) {
      return fail_at(peek(), "USING is not supported: a type is widened without rewriting rows",
                     "CREATE OR REPLACE TABLE t AS SELECT ... rewrites them.");
    }
    return action;
  }

  Result<AlterAction> set_table() {
    if (accept_all({"PARTITIONED", "BY"}) || accept_all({"PARTITION", "BY"})) {
      SetPartitioning action;
      LH_RETURN_IF_ERROR(partition_definitions(action.partition_by));
      return action;
    }
    accept("PROPERTIES");
    accept("TBLPROPERTIES");
    if (!peek().is_symbol('(')) {
      return expected("PARTITIONED BY (...) or ('property' = 'value')");
    }
    SetProperties action;
    LH_RETURN_IF_ERROR(table_properties(action.set));
    return action;
  }
};

}  // namespace

std::optional<std::size_t> SelectStatement::position(std::size_t in_sql) const {
  if (moved.empty()) {
    return in_sql;
  }
  for (const MovedText& text : moved) {
    if (in_sql >= text.to && in_sql < text.to + text.length) {
      return text.from + (in_sql - text.to);
    }
  }
  return std::nullopt;
}

std::string NamePath::dotted() const {
  return fmt::format("{}", fmt::join(parts, "."));
}

Result<SqlStatement> parse_statement(std::string_view sql) {
  LH_ASSIGN_OR_RETURN(std::vector<Token> tokens, tokenize(sql));
  return Parser(sql, std::move(tokens)).run();
}

}  // namespace lakehouse::query
