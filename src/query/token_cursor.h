#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "query/sql_lexer.h"
#include "query/statement.h"

namespace lakehouse::query {

/// A place among a statement's tokens, and what parsers ask there. Not thread-safe.
class TokenCursor {
 public:
  TokenCursor(std::string_view sql, std::vector<Token> tokens)
      : sql_(sql), tokens_(std::move(tokens)) {}

  [[nodiscard]] const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  const Token& take() {
    const Token& token = peek();
    at_ = std::min(at_ + 1, tokens_.size() - 1);
    return token;
  }
  bool accept(std::string_view word) {
    const bool found = peek().is(word);
    at_ += found ? 1 : 0;
    return found;
  }
  bool accept_symbol(char symbol) {
    const bool found = peek().is_symbol(symbol);
    at_ += found ? 1 : 0;
    return found;
  }
  /// Several words in a row, or nothing.
  bool accept_all(std::initializer_list<std::string_view> words) {
    std::size_t ahead = 0;
    for (const std::string_view word : words) {
      if (!peek(ahead++).is(word)) {
        return false;
      }
    }
    at_ += words.size();
    return true;
  }

  std::unexpected<Error> fail_at(const Token& token, std::string message,
                                 std::string hint = {}) const {
    auto error = fail(ErrorCode::InvalidArgument, std::move(message), std::move(hint));
    error.error().position_bytes = token.position;
    return error;
  }
  std::unexpected<Error> expected(std::string_view what) const {
    const Token& token = peek();
    return token.kind == TokenKind::End
               ? fail_at(token, fmt::format("the statement ends where {} should stand", what))
               : fail_at(token, fmt::format("expected {}, not '{}'", what, token.text));
  }
  Status expect(std::string_view word) { return accept(word) ? Status() : Status(expected(word)); }
  Status expect_symbol(char symbol) {
    return accept_symbol(symbol) ? Status() : Status(expected(fmt::format("'{}'", symbol)));
  }
  Status expect_end() {
    return peek().kind == TokenKind::End ? Status() : Status(expected("the end of the statement"));
  }

  /// The index of the token behind the bracket that closes the one at `open`.
  [[nodiscard]] Result<std::size_t> behind_bracket(std::size_t open) const {
    std::size_t depth = 0;
    for (std::size_t i = open; i < tokens_.size(); ++i) {
      count_bracket(tokens_[i], depth);
      if (depth == 0) {
        return i + 1;
      }
    }
    return fail_at(tokens_[open], "a bracket opens here that does not close");
  }
  static bool opens(const Token& token) { return token.is_symbol('(') || token.is_symbol('['); }
  static bool closes(const Token& token) { return token.is_symbol(')') || token.is_symbol(']'); }
  static void count_bracket(const Token& token, std::size_t& depth) {
    if (opens(token)) {
      ++depth;
    } else if (closes(token) && depth > 0) {
      --depth;
    }
  }

  Result<std::string> name(std::string_view what) {
    if (!peek().is_name()) {
      return expected(what);
    }
    return take().value;
  }
  Result<std::vector<std::string>> path(std::string_view what) {
    std::vector<std::string> parts;
    do {
      LH_ASSIGN_OR_RETURN(std::string part, name(what));
      parts.push_back(std::move(part));
    } while (accept_symbol('.'));
    return parts;
  }
  Result<NamePath> name_path(std::string_view what) {
    NamePath out{{}, peek().position};
    if (peek().kind == TokenKind::String) {
      return fail_at(peek(), fmt::format("{} is not {}", peek().text, what),
                     "Files are read by ingesting them (POST /ingest/file).");
    }
    LH_ASSIGN_OR_RETURN(out.parts, path(what));
    return out;
  }
  Result<std::vector<std::string>> name_list(std::string_view what) {
    std::vector<std::string> names;
    LH_RETURN_IF_ERROR(expect_symbol('('));
    do {
      LH_ASSIGN_OR_RETURN(std::string one, name(what));
      names.push_back(std::move(one));
    } while (accept_symbol(','));
    LH_RETURN_IF_ERROR(expect_symbol(')'));
    return names;
  }

  /// Where the token before the one at `index` ends.
  [[nodiscard]] std::size_t end_before(std::size_t index) const {
    return index == 0 ? 0 : tokens_[index - 1].end();
  }

  [[nodiscard]] std::size_t at() const { return at_; }
  void move_to(std::size_t token) { at_ = token; }
  [[nodiscard]] std::string_view sql() const { return sql_; }
  [[nodiscard]] const std::vector<Token>& tokens() const { return tokens_; }

 protected:
  std::string_view sql_;
  std::vector<Token> tokens_;  ///< The last one is End.
  std::size_t at_ = 0;
};

}  // namespace lakehouse::query
