#include "cli/statements.h"

#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "query/sql_lexer.h"

namespace lakehouse::cli {

bool is_blank_sql(std::string_view text) {
  const Result<std::vector<query::Token>> tokens = query::tokenize(text);
  return tokens && tokens->size() <= 1;
}

SplitText split_statements(std::string_view text) {
  SplitText split;
  const Result<std::vector<query::Token>> tokens = query::tokenize(text);
  if (!tokens) {
    // Something is open (a string, a comment), or the bytes are wrong: for the server to say.
    const bool is_text = is_valid_utf8(text) && text.find('\0') == std::string_view::npos;
    if (is_text) {
      split.rest = std::string(text);
    } else {
      split.statements.emplace_back(text);
    }
    return split;
  }
  // Where the statement's first token stands; comments before it are nobody's. A transaction is one
  // statement, down to its COMMIT or ROLLBACK.
  std::optional<std::size_t> begin;
  bool in_transaction = false;
  bool ends_transaction = false;
  bool at_first_word = true;
  for (const query::Token& token : *tokens) {
    if (token.is_symbol(';')) {
      if (begin && (!in_transaction || ends_transaction)) {
        split.statements.emplace_back(text.substr(*begin, token.position - *begin));
        begin.reset();
        in_transaction = false;
      }
      at_first_word = true;
    } else if (token.kind != query::TokenKind::End && at_first_word) {
      ends_transaction =
          token.is("COMMIT") || token.is("END") || token.is("ROLLBACK") || token.is("ABORT");
      if (!begin) {
        begin = token.position;
        in_transaction = token.is("BEGIN") || token.is("START");
      }
      at_first_word = false;
    }
  }
  split.rest = begin ? std::string(text.substr(*begin)) : std::string();
  return split;
}

}  // namespace lakehouse::cli
