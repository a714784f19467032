#include "engine/child/sql_text.h"

#include <algorithm>
#include <cstdint>

#include "base/text.h"

namespace lakehouse::engine {
namespace {

enum class Kind : std::uint8_t { Blank, Comment, Word, Quoted, Other };

struct Token {
  Kind kind = Kind::Other;
  std::string_view text;
};

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

bool is_word_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool is_word(char c) {
  return is_word_start(c) || (c >= '0' && c <= '9') || c == '$';
}

// The end of a quoted part whose opening mark is at `begin`; a doubled mark is one within.
std::size_t quoted_end(std::string_view sql, std::size_t begin, bool backslashes) {
  const char mark = sql[begin];
  std::size_t i = begin + 1;
  while (i < sql.size()) {
    if (backslashes && sql[i] == '\\') {
      i += 2;
    } else if (sql[i] != mark) {
      ++i;
    } else if (i + 1 < sql.size() && sql[i + 1] == mark) {
      i += 2;
    } else {
      return i + 1;
    }
  }
  return sql.size();
}

std::size_t comment_end(std::string_view sql, std::size_t begin) {
  std::size_t depth = 0;
  std::size_t i = begin;
  while (i + 1 < sql.size()) {
    const std::string_view two = sql.substr(i, 2);
    if (two == "/*") {
      ++depth;
      i += 2;
    } else if (two == "*/") {
      i += 2;
      if (--depth == 0) {
        return i;
      }
    } else {
      ++i;
    }
  }
  return sql.size();
}

// The end of $tag$...$tag$, or `begin` if the dollar begins none.
std::size_t dollar_quote_end(std::string_view sql, std::size_t begin) {
  std::size_t i = begin + 1;
  if (i < sql.size() && sql[i] >= '0' && sql[i] <= '9') {
    return begin;
  }
  while (i < sql.size() && sql[i] != '$' && is_word(sql[i])) {
    ++i;
  }
  if (i >= sql.size() || sql[i] != '$') {
    return begin;
  }
  const std::string_view tag = sql.substr(begin, i + 1 - begin);
  const std::size_t close = sql.find(tag, i + 1);
  return close == std::string_view::npos ? sql.size() : close + tag.size();
}

std::size_t word_end(std::string_view sql, std::size_t begin) {
  std::size_t i = begin;
  while (i < sql.size() && is_word(sql[i])) {
    ++i;
  }
  return i;
}

Token next_token(std::string_view sql, std::size_t begin) {
  const auto token = [&](Kind kind, std::size_t end) {
    return Token{.kind = kind, .text = sql.substr(begin, std::min(end, sql.size()) - begin)};
  };
  const char c = sql[begin];
  const std::string_view two = sql.substr(begin, 2);
  if (is_blank(c)) {
    return token(Kind::Blank, begin + 1);
  }
  if (two == "--") {
    return token(Kind::Comment, sql.find('\n', begin));
  }
  if (two == "/*") {
    return token(Kind::Comment, comment_end(sql, begin));
  }
  if (c == '\'' || c == '"') {
    return token(Kind::Quoted, quoted_end(sql, begin, false));
  }
  if (c == '$') {
    const std::size_t end = dollar_quote_end(sql, begin);
    return end == begin ? token(Kind::Other, begin + 1) : token(Kind::Quoted, end);
  }
  if (is_word_start(c)) {
    const std::size_t end = word_end(sql, begin);
    const bool escapes =
        end == begin + 1 && (c == 'e' || c == 'E') && end < sql.size() && sql[end] == '\'';
    return escapes ? token(Kind::Quoted, quoted_end(sql, end, true)) : token(Kind::Word, end);
  }
  if (c >= '0' && c <= '9') {
    return token(Kind::Other, word_end(sql, begin));
  }
  return token(Kind::Other, begin + 1);
}

std::string upper(std::string_view text) {
  std::string raised(text);
  std::ranges::transform(raised, raised.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return raised;
}

}  // namespace

std::vector<SqlPiece> split_statements(std::string_view sql) {
  constexpr std::size_t kNone = std::string_view::npos;
  std::vector<SqlPiece> pieces;
  std::size_t begin = kNone;
  std::size_t end = 0;
  const auto close = [&] {
    if (begin != kNone) {
      pieces.push_back({.offset_bytes = begin, .text = sql.substr(begin, end - begin)});
    }
    begin = kNone;
  };
  std::size_t i = 0;
  while (i < sql.size()) {
    const Token token = next_token(sql, i);
    if (token.kind == Kind::Other && token.text == ";") {
      close();
    } else if (token.kind != Kind::Blank && token.kind != Kind::Comment) {
      begin = begin == kNone ? i : begin;
      end = i + token.text.size();
    }
    i += token.text.size();
  }
  close();
  return pieces;
}

std::string leading_keyword(std::string_view statement) {
  std::size_t depth = 0;
  bool in_with = false;
  std::size_t i = 0;
  while (i < statement.size()) {
    const Token token = next_token(statement, i);
    i += token.text.size();
    if (token.kind == Kind::Other) {
      depth += token.text == "(" ? 1U : 0U;
      depth -= token.text == ")" && depth > 0 ? 1U : 0U;
    }
    // A parenthesised query begins with "(", and its keyword is in it.
    if (token.kind != Kind::Word || (in_with && depth > 0)) {
      continue;
    }
    std::string word = upper(token.text);
    if (!in_with) {
      in_with = word == "WITH";
      depth = in_with ? 0 : depth;
      if (!in_with) {
        return word;
      }
      continue;
    }
    for (const std::string_view verb : {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "FROM",
                                        "VALUES", "TABLE", "PIVOT", "UNPIVOT"}) {
      if (word == verb) {
        return word;
      }
    }
  }
  return {};
}

std::size_t bytes_of_characters(std::string_view text, std::size_t characters) {
  std::size_t i = 0;
  while (i < text.size() && characters > 0) {
    ++i;
    while (i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80) {
      ++i;
    }
    --characters;
  }
  return i;
}

std::string identifier_at(std::string_view sql, std::size_t offset_bytes) {
  if (offset_bytes >= sql.size()) {
    return {};
  }
  const Token token = next_token(sql, offset_bytes);
  if (token.kind == Kind::Word) {
    return std::string(token.text);
  }
  if (token.kind != Kind::Quoted || !token.text.starts_with('"') || token.text.size() < 2) {
    return {};
  }
  std::string name;
  const std::string_view inner = token.text.substr(1, token.text.size() - 2);
  for (std::size_t i = 0; i < inner.size(); ++i) {
    name.push_back(inner[i]);
    i += inner[i] == '"' ? 1U : 0U;
  }
  return name;
}

}  // namespace lakehouse::engine
