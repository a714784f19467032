#include "query/change_parser.h"

#include <algorithm>
#include <functional>
#include <set>

#include "base/text.h"

namespace lakehouse::query {
namespace {

using Stop = std::function<bool(std::size_t token)>;

/// Puts a SELECT together from parts of the statement, each in brackets: what is in one cannot
/// reach out of it. DuckDB parses what comes of it, and the rewriter walks the tree, like every
/// other.
class SelectMaker {
 public:
  explicit SelectMaker(const TokenCursor& cursor) : cursor_(cursor) {
    for (std::size_t i = 0; i < cursor.tokens().size(); ++i) {
      const Token& token = cursor.tokens()[i];
      if (token.kind == TokenKind::Parameter && token.text == "?") {
        places_.push_back(i);
      }
    }
  }

  void add(std::string_view text) { out_.sql.append(text); }

  /// The text of the tokens [from, to). A "?" gets the number that it has in the statement, since
  /// the parts may come in another order.
  void add_tokens(std::size_t from, std::size_t to) {
    const std::vector<Token>& tokens = cursor_.tokens();
    std::size_t begin = from < to ? tokens[from].position : 0;
    for (auto place = std::ranges::lower_bound(places_, from);
         place != places_.end() && *place < to; ++place) {
      add_piece(begin, tokens[*place].position);
      add(fmt::format("${} ", 1 + (place - places_.begin())));
      begin = tokens[*place].end();
    }
    if (from < to) {
      add_piece(begin, tokens[to - 1].end());
    }
  }

  /// The index of the expression among those of the SELECT.
  std::size_t add_expression(std::size_t from, std::size_t to) {
    add(expressions_ == 0 ? "(" : ", (");
    add_tokens(from, to);
    add(")");
    return expressions_++;
  }
  [[nodiscard]] std::size_t expressions() const { return expressions_; }
  SelectStatement finish() { return std::move(out_); }

 private:
  void add_piece(std::size_t begin, std::size_t end) {
    out_.moved.push_back({out_.sql.size(), begin, end - begin});
    out_.sql.append(cursor_.sql().substr(begin, end - begin));
  }

  const TokenCursor& cursor_;
  std::vector<std::size_t> places_;  ///< Of the "?", ascending.
  SelectStatement out_;
  std::size_t expressions_ = 0;
};

/// What follows the places where the cursor stands, up to the words that end it.
class ChangeParser {
 public:
  explicit ChangeParser(TokenCursor& cursor) : cursor_(cursor), maker_(cursor) {}

  Result<SqlStatement> run() {
    // WITH stands before the verb, and before the SELECT.
    maker_.add_tokens(0, cursor_.at());
    maker_.add(cursor_.at() == 0 ? "SELECT " : " SELECT ");
    const Token& verb = cursor_.take();
    Status done = verb.is("DELETE")     ? parse_delete()
                  : verb.is("TRUNCATE") ? parse_truncate()
                  : verb.is("UPDATE")   ? parse_update()
                                        : parse_merge();
    if (!done) {
      return std::unexpected(std::move(done).error());
    }
    LH_RETURN_IF_ERROR(parse_returning(&out_.returning));
    LH_RETURN_IF_ERROR(cursor_.expect_end());
    out_.expressions = maker_.expressions();
    if (out_.expressions == 0) {
      maker_.add("NULL");
    }
    if (source_) {
      maker_.add(" FROM ");
      maker_.add_tokens(source_->first, source_->second);
    }
    out_.has_source = source_.has_value();
    out_.parts = maker_.finish();
    return std::move(out_);
  }

  Status parse_conflict(InsertStatement* statement) {
    ConflictClause& conflict = statement->on_conflict.emplace();
    conflict.position = cursor_.peek().position;
    cursor_.accept_all({"ON", "CONFLICT"});
    if (cursor_.peek().is_symbol('(')) {
      LH_ASSIGN_OR_RETURN(conflict.key, cursor_.name_list("a column"));
    }
    if (cursor_.peek().is("WHERE") || cursor_.peek().is("ON")) {
      return cursor_.fail_at(cursor_.peek(), "ON CONFLICT takes a list of columns here");
    }
    LH_RETURN_IF_ERROR(cursor_.expect("DO"));
    maker_.add("SELECT ");
    if (!cursor_.accept("NOTHING")) {
      LH_RETURN_IF_ERROR(cursor_.expect("UPDATE"));
      conflict.updates = true;
      LH_RETURN_IF_ERROR(cursor_.expect("SET"));
      LH_RETURN_IF_ERROR(parse_assignments(&conflict.assignments));
      LH_RETURN_IF_ERROR(parse_condition("WHERE", &conflict.condition));
    }
    conflict.expressions = maker_.expressions();
    if (conflict.expressions == 0) {
      maker_.add("NULL");
    }
    conflict.parts = maker_.finish();
    return {};
  }

  /// RETURNING becomes a SELECT of its own: of the rows as they were changed.
  Status parse_returning(std::optional<SelectStatement>* returning) {
    if (!cursor_.accept("RETURNING")) {
      return {};
    }
    const std::size_t begin = cursor_.at();
    const std::size_t end = cursor_.tokens().size() - 1;
    if (begin == end) {
      return cursor_.expected("a list of columns");
    }
    SelectMaker maker(cursor_);
    maker.add("SELECT ");
    maker.add_tokens(begin, end);
    *returning = maker.finish();
    cursor_.move_to(end);
    return {};
  }

 private:
  // --- Stretches of tokens.

  [[nodiscard]] const Token& token(std::size_t index) const { return cursor_.tokens()[index]; }

  /// The first token from the cursor on, outside of brackets and of CASE ... END, at which `stop`
  /// holds; the last one if there is none.
  [[nodiscard]] std::size_t find(const Stop& stop) const {
    std::size_t depth = 0;
    for (std::size_t i = cursor_.at(); i + 1 < cursor_.tokens().size(); ++i) {
      const Token& one = token(i);
      const bool is_member = i > 0 && token(i - 1).is_symbol('.');
      const bool closes = TokenCursor::closes(one) || one.is_symbol('}');
      // Nothing may close what it has not opened.
      if (depth == 0 && (closes || (!is_member && stop(i)))) {
        return i;
      }
      if (TokenCursor::opens(one) || one.is_symbol('{') || (one.is("CASE") && !is_member)) {
        ++depth;
      } else if (depth > 0 && (closes || (one.is("END") && !is_member))) {
        --depth;
      }
    }
    return cursor_.tokens().size() - 1;
  }
  [[nodiscard]] Stop at_words(std::initializer_list<std::string_view> words) const {
    return [this, list = std::vector<std::string_view>(words)](std::size_t i) {
      return std::ranges::any_of(list, [&](std::string_view word) { return token(i).is(word); }) &&
             !(token(i).is("FROM") && i > 0 && token(i - 1).is("DISTINCT"));
    };
  }

  Result<std::size_t> expression(const Stop& stop, std::string_view what) {
    const std::size_t begin = cursor_.at();
    const std::size_t end = find(stop);
    if (begin == end) {
      return cursor_.expected(what);
    }
    cursor_.move_to(end);
    return maker_.add_expression(begin, end);
  }

  Status parse_condition(std::string_view word, std::optional<std::size_t>* condition) {
    if (!cursor_.accept(word)) {
      return {};
    }
    LH_ASSIGN_OR_RETURN(*condition, expression(at_words({"RETURNING"}), "a condition"));
    return {};
  }

  /// From the cursor to one of the words: table expressions, which DuckDB parses behind FROM.
  Status parse_source(std::initializer_list<std::string_view> words) {
    const std::size_t begin = cursor_.at();
    const std::size_t end = find(at_words(words));
    if (begin == end) {
      return cursor_.expected("a table");
    }
    source_ = {begin, end};
    cursor_.move_to(end);
    return {};
  }

  Status parse_target() {
    cursor_.accept("ONLY");
    LH_ASSIGN_OR_RETURN(out_.table, cursor_.name_path("a table"));
    if (cursor_.accept("AS")) {
      LH_ASSIGN_OR_RETURN(out_.alias, cursor_.name("an alias"));
    } else if (cursor_.peek().is_name() && !cursor_.peek().is("USING") &&
               !cursor_.peek().is("WHERE") && !cursor_.peek().is("SET") &&
               !cursor_.peek().is("RETURNING")) {
      out_.alias = cursor_.take().value;
    }
    return {};
  }

  // --- The verbs.

  Status parse_delete() {
    out_.verb = ChangeStatement::Verb::Delete;
    LH_RETURN_IF_ERROR(cursor_.expect("FROM"));
    LH_RETURN_IF_ERROR(parse_target());
    if (cursor_.accept("USING")) {
      LH_RETURN_IF_ERROR(parse_source({"WHERE", "RETURNING"}));
    }
    LH_RETURN_IF_ERROR(parse_condition("WHERE", &out_.condition));
    out_.clauses.emplace_back().action = ChangeClause::Action::Delete;
    return {};
  }

  Status parse_truncate() {
    out_.verb = ChangeStatement::Verb::Delete;
    cursor_.accept("TABLE");
    LH_ASSIGN_OR_RETURN(out_.table, cursor_.name_path("a table"));
    out_.clauses.emplace_back().action = ChangeClause::Action::Delete;
    return cursor_.expect_end();
  }

  Status parse_update() {
    out_.verb = ChangeStatement::Verb::Update;
    if (cursor_.peek().is("OR")) {
      return cursor_.fail_at(cursor_.peek(), "UPDATE OR ... is not supported");
    }
    LH_RETURN_IF_ERROR(parse_target());
    LH_RETURN_IF_ERROR(cursor_.expect("SET"));
    ChangeClause& clause = out_.clauses.emplace_back();
    clause.action = ChangeClause::Action::Update;
    LH_RETURN_IF_ERROR(parse_assignments(&clause.assignments));
    if (cursor_.accept("FROM")) {
      LH_RETURN_IF_ERROR(parse_source({"WHERE", "RETURNING"}));
    }
    return parse_condition("WHERE", &out_.condition);
  }

  Status parse_merge() {
    out_.verb = ChangeStatement::Verb::Merge;
    LH_RETURN_IF_ERROR(cursor_.expect("INTO"));
    LH_RETURN_IF_ERROR(parse_target());
    LH_RETURN_IF_ERROR(cursor_.expect("USING"));
    LH_RETURN_IF_ERROR(parse_source({"ON", "USING"}));
    if (cursor_.accept("USING")) {
      LH_ASSIGN_OR_RETURN(out_.using_columns, cursor_.name_list("a column"));
    } else {
      LH_RETURN_IF_ERROR(cursor_.expect("ON"));
      LH_ASSIGN_OR_RETURN(out_.condition,
                          expression(at_words({"WHEN", "RETURNING"}), "a condition"));
    }
    do {
      LH_RETURN_IF_ERROR(parse_when());
    } while (cursor_.peek().is("WHEN"));
    return {};
  }

  Status parse_when() {
    LH_RETURN_IF_ERROR(cursor_.expect("WHEN"));
    ChangeClause clause;
    if (cursor_.accept("NOT")) {
      clause.when = ChangeClause::When::NotMatched;
    }
    LH_RETURN_IF_ERROR(cursor_.expect("MATCHED"));
    if (clause.when == ChangeClause::When::NotMatched && cursor_.accept("BY")) {
      if (cursor_.accept("SOURCE")) {
        clause.when = ChangeClause::When::NotMatchedBySource;
      } else {
        LH_RETURN_IF_ERROR(cursor_.expect("TARGET"));
      }
    }
    if (cursor_.accept("AND")) {
      LH_ASSIGN_OR_RETURN(clause.condition, expression(at_words({"THEN"}), "a condition"));
    }
    LH_RETURN_IF_ERROR(cursor_.expect("THEN"));
    LH_RETURN_IF_ERROR(parse_action(&clause));
    out_.clauses.push_back(std::move(clause));
    return {};
  }

  Status parse_action(ChangeClause* clause) {
    using Action = ChangeClause::Action;
    using When = ChangeClause::When;
    const Token& verb = cursor_.take();
    if (verb.is("DELETE")) {
      clause->action = Action::Delete;
    } else if (verb.is("UPDATE")) {
      clause->action = Action::Update;
      LH_RETURN_IF_ERROR(parse_update_action(clause));
    } else if (verb.is("INSERT")) {
      clause->action = Action::Insert;
      LH_RETURN_IF_ERROR(parse_insert_action(clause));
    } else if (verb.is("DO")) {
      return cursor_.expect("NOTHING");
    } else if (verb.is("ERROR")) {
      clause->action = Action::Error;
      const Stop end = at_words({"WHEN", "RETURNING"});
      if (find(end) != cursor_.at()) {
        LH_ASSIGN_OR_RETURN(clause->message, expression(end, "a message"));
      }
      return {};
    } else {
      return cursor_.fail_at(verb, "expected UPDATE, DELETE, INSERT, DO NOTHING or ERROR");
    }
    if ((clause->action == Action::Insert) != (clause->when == When::NotMatched)) {
      return cursor_.fail_at(verb,
                             clause->action == Action::Insert
                                 ? "only what is NOT MATCHED can be inserted"
                                 : "what is NOT MATCHED BY TARGET is in no row to be changed");
    }
    if (clause->values != ChangeClause::Values::Assigned &&
        clause->when == When::NotMatchedBySource) {
      return cursor_.fail_at(verb, "there is no row of the source here: write SET column = value");
    }
    return {};
  }

  Status parse_update_action(ChangeClause* clause) {
    if (cursor_.accept("SET")) {
      if (cursor_.accept_symbol('*')) {
        clause->values = ChangeClause::Values::Positional;
        return {};
      }
      return parse_assignments(&clause->assignments);
    }
    return parse_by(clause);
  }

  Status parse_by(ChangeClause* clause) {
    clause->values = ChangeClause::Values::Positional;
    if (cursor_.accept_all({"BY", "NAME"})) {
      clause->values = ChangeClause::Values::ByName;
    } else {
      cursor_.accept_all({"BY", "POSITION"});
    }
    cursor_.accept_symbol('*');
    return {};
  }

  Status parse_insert_action(ChangeClause* clause) {
    const std::size_t begin = cursor_.at();
    if (cursor_.peek().is_symbol('(')) {
      do {
        cursor_.move_to(cursor_.at() + 1);
        const std::size_t position = cursor_.peek().position;
        LH_ASSIGN_OR_RETURN(std::string column, cursor_.name("a column"));
        clause->assignments.push_back({std::move(column), position, {}});
      } while (cursor_.peek().is_symbol(','));
      LH_RETURN_IF_ERROR(cursor_.expect_symbol(')'));
    }
    if (cursor_.accept_all({"DEFAULT", "VALUES"})) {
      return clause->assignments.empty()
                 ? Status()
                 : cursor_.fail_at(token(begin), "DEFAULT VALUES takes no list of columns");
    }
    if (!cursor_.accept("VALUES")) {
      return clause->assignments.empty() ? parse_by(clause) : cursor_.expected("VALUES");
    }
    const bool named = !clause->assignments.empty();
    clause->values = named ? ChangeClause::Values::Assigned : ChangeClause::Values::Positional;
    LH_RETURN_IF_ERROR(cursor_.expect_symbol('('));
    std::size_t count = 0;
    do {
      if (named && count == clause->assignments.size()) {
        return cursor_.fail_at(cursor_.peek(), "there are more values than columns");
      }
      if (!named) {
        clause->assignments.emplace_back().position = cursor_.peek().position;
      }
      LH_RETURN_IF_ERROR(parse_value(&clause->assignments[count++]));
    } while (cursor_.accept_symbol(','));
    LH_RETURN_IF_ERROR(cursor_.expect_symbol(')'));
    return count == clause->assignments.size()
               ? Status()
               : cursor_.fail_at(token(begin), "there are more columns than values");
  }

  /// A value in a list: up to a comma or the bracket that closes the list.
  Status parse_value(Assignment* assignment) {
    if (cursor_.peek().is("DEFAULT")) {
      cursor_.take();
      return {};
    }
    const Stop end = [this](std::size_t i) {
      return token(i).is_symbol(',') || token(i).is_symbol(')');
    };
    LH_ASSIGN_OR_RETURN(assignment->expression, expression(end, "a value"));
    return {};
  }

  // --- SET column = value, (a, b) = (x, y), ...

  Status parse_assignments(std::vector<Assignment>* out) {
    do {
      LH_RETURN_IF_ERROR(cursor_.peek().is_symbol('(') ? parse_row_assignment(out)
                                                       : parse_assignment(out));
    } while (cursor_.accept_symbol(','));
    std::set<std::string> names;
    for (const Assignment& one : *out) {
      if (!names.insert(to_lower(one.column)).second) {
        auto error = fail(ErrorCode::InvalidArgument,
                          fmt::format("column {} is assigned twice", one.column));
        error.error().position_bytes = one.position;
        return error;
      }
    }
    return {};
  }

  Status parse_column(Assignment* assignment) {
    assignment->position = cursor_.peek().position;
    LH_ASSIGN_OR_RETURN(const std::vector<std::string> parts, cursor_.path("a column"));
    assignment->column = parts.back();
    const std::string table =
        out_.alias.empty() && !out_.table.parts.empty() ? out_.table.parts.back() : out_.alias;
    if (parts.size() == 1 || (parts.size() == 2 && to_lower(parts.front()) == to_lower(table))) {
      return {};
    }
    auto error =
        fail(ErrorCode::InvalidArgument, "SET takes a column of the table, and no field in one",
             "A field of a struct is changed by column = struct_update(column, field := "
             "value).");
    error.error().position_bytes = assignment->position;
    return error;
  }

  Status parse_assignment(std::vector<Assignment>* out) {
    Assignment one;
    LH_RETURN_IF_ERROR(parse_column(&one));
    LH_RETURN_IF_ERROR(cursor_.expect_symbol('='));
    if (cursor_.peek().is("DEFAULT")) {
      cursor_.take();
    } else {
      const Stop words = at_words({"FROM", "WHERE", "RETURNING", "WHEN"});
      const Stop end = [this, words](std::size_t i) { return token(i).is_symbol(',') || words(i); };
      LH_ASSIGN_OR_RETURN(one.expression, expression(end, "a value"));
    }
    out->push_back(std::move(one));
    return {};
  }

  Status parse_row_assignment(std::vector<Assignment>* out) {
    const Token& open = cursor_.peek();
    std::vector<Assignment> columns;
    do {
      cursor_.take();
      LH_RETURN_IF_ERROR(parse_column(&columns.emplace_back()));
    } while (cursor_.peek().is_symbol(','));
    LH_RETURN_IF_ERROR(cursor_.expect_symbol(')'));
    LH_RETURN_IF_ERROR(cursor_.expect_symbol('='));
    cursor_.accept("ROW");
    if (!cursor_.peek().is_symbol('(') || cursor_.peek(1).is("SELECT")) {
      return cursor_.fail_at(open, "(columns) = takes a list of as many values in brackets",
                             "Assign each column by itself.");
    }
    std::size_t count = 0;
    do {
      cursor_.take();
      if (count == columns.size()) {
        return cursor_.fail_at(cursor_.peek(), "there are more values than columns");
      }
      LH_RETURN_IF_ERROR(parse_value(&columns[count++]));
    } while (cursor_.peek().is_symbol(','));
    LH_RETURN_IF_ERROR(cursor_.expect_symbol(')'));
    if (count < columns.size()) {
      return cursor_.fail_at(open, "there are more columns than values");
    }
    std::ranges::move(columns, std::back_inserter(*out));
    return {};
  }

  TokenCursor& cursor_;
  SelectMaker maker_;
  ChangeStatement out_;
  std::optional<std::pair<std::size_t, std::size_t>> source_;
};

}  // namespace

bool begins_change(const Token& token) {
  return token.is("DELETE") || token.is("UPDATE") || token.is("MERGE") || token.is("TRUNCATE");
}

Result<SqlStatement> parse_change(TokenCursor& cursor) {
  return ChangeParser(cursor).run();
}

Status parse_insert_or(TokenCursor& cursor, InsertStatement* statement) {
  if (!cursor.peek().is("OR")) {
    return {};
  }
  ConflictClause& conflict = statement->on_conflict.emplace();
  conflict.position = cursor.take().position;
  conflict.updates = cursor.accept("REPLACE");
  conflict.all_columns = conflict.updates;
  conflict.parts.sql = "SELECT NULL";
  return conflict.updates || cursor.accept("IGNORE") ? Status()
                                                     : cursor.expected("REPLACE or IGNORE");
}

Status parse_insert_tail(TokenCursor& cursor, InsertStatement* statement) {
  const std::vector<Token>& tokens = cursor.tokens();
  std::size_t depth = 0;
  std::size_t end = cursor.at();
  for (; end + 1 < tokens.size(); ++end) {
    const Token& token = tokens[end];
    TokenCursor::count_bracket(token, depth);
    const bool is_conflict = token.is("ON") && tokens[end + 1].is("CONFLICT") &&
                             (tokens[end + 2].is_symbol('(') || tokens[end + 2].is("DO"));
    if (depth == 0 && (token.is("RETURNING") || is_conflict)) {
      break;
    }
  }
  cursor.move_to(end);
  ChangeParser parser(cursor);
  if (cursor.peek().is("ON")) {
    if (statement->on_conflict) {
      return cursor.fail_at(cursor.peek(), "INSERT OR ... and ON CONFLICT exclude each other");
    }
    LH_RETURN_IF_ERROR(parser.parse_conflict(statement));
  }
  LH_RETURN_IF_ERROR(parser.parse_returning(&statement->returning));
  LH_RETURN_IF_ERROR(cursor.expect_end());
  cursor.move_to(end);
  return {};
}

Result<SqlStatement> parse_transaction(TokenCursor& cursor) {
  const std::vector<Token>& tokens = cursor.tokens();
  cursor.take();
  if (!cursor.accept("TRANSACTION")) {
    cursor.accept("WORK");
  }
  TransactionStatement out;
  bool ended = false;
  while (!ended) {
    if (cursor.peek().kind == TokenKind::End) {
      return cursor.expected("';' and, at the end, COMMIT or ROLLBACK");
    }
    LH_RETURN_IF_ERROR(cursor.expect_symbol(';'));
    const std::size_t begin = cursor.at();
    std::size_t end = begin;
    while (end + 1 < tokens.size() && !tokens[end].is_symbol(';')) {
      ++end;
    }
    if (begin == end) {
      continue;
    }
    const Token& first = tokens[begin];
    if (first.is("BEGIN") || first.is("START")) {
      return cursor.fail_at(first, "a transaction cannot hold another one");
    }
    ended = first.is("COMMIT") || first.is("END") || first.is("ROLLBACK") || first.is("ABORT");
    if (ended) {
      out.commits = first.is("COMMIT") || first.is("END");
      cursor.take();
      if (!cursor.accept("TRANSACTION")) {
        cursor.accept("WORK");
      }
      break;
    }
    for (std::size_t i = begin; i < end; ++i) {
      if (tokens[i].kind == TokenKind::Parameter && tokens[i].text == "?") {
        return cursor.fail_at(tokens[i], "in a transaction parameters have numbers or names",
                              "Write $1, or $name.");
      }
    }
    // Blanks before the statement keep its positions.
    std::string text(cursor.sql().substr(0, tokens[end - 1].end()));
    std::replace_if(
        text.begin(), text.begin() + static_cast<std::ptrdiff_t>(first.position),
        [](char c) { return c != '\n'; }, ' ');
    out.statements.push_back(std::move(text));
    cursor.move_to(end);
  }
  while (cursor.accept_symbol(';')) {
  }
  LH_RETURN_IF_ERROR(cursor.expect_end());
  return out;
}

}  // namespace lakehouse::query
