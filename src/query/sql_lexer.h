#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace lakehouse::query {

enum class TokenKind : std::uint8_t {
  Word,              ///< A keyword or a bare identifier.
  QuotedIdentifier,  ///< "a ""b"""
  String,            ///< 'a', E'a', x'00', $$a$$, $tag$a$tag$
  Number,
  Parameter,  ///< ?, ?1, $1, $name
  Symbol,     ///< One character: punctuation, or a part of an operator.
  End,        ///< After the last one, at the text's end.
};

/// One token of a statement.
struct Token {
  TokenKind kind = TokenKind::End;
  std::string_view text;     ///< As it stands in the statement, quotes included.
  std::string value;         ///< Of a word or a quoted identifier: the name itself.
  std::size_t position = 0;  ///< In bytes from the statement's begin.

  [[nodiscard]] std::size_t end() const { return position + text.size(); }
  /// A bare word, compared without case; `word` is upper case. A quoted name is never a keyword.
  [[nodiscard]] bool is(std::string_view word) const;
  [[nodiscard]] bool is_symbol(char symbol) const {
    return kind == TokenKind::Symbol && text.front() == symbol;
  }
  [[nodiscard]] bool is_name() const {
    return kind == TokenKind::Word || kind == TokenKind::QuotedIdentifier;
  }
};

/// The tokens of `sql` by DuckDB's lexical rules, without comments and white space; the last one is
/// End. They point into `sql`. InvalidArgument, with its position, for a string, a name or a
/// comment that does not end, for a null byte and for bytes that are not UTF-8.
Result<std::vector<Token>> tokenize(std::string_view sql);

}  // namespace lakehouse::query
