#include "query/sql_lexer.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/text.h"

namespace lakehouse::query {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_word_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_word_part(char c) {
  return is_word_start(c) || is_digit(c) || c == '$';
}
bool is_hex_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

/// Those of three bytes that no range holds.
constexpr std::array<std::string_view, 5> kSpaces = {"\xE2\x80\xAF", "\xE2\x81\x9F", "\xE2\x81\xA0",
                                                     "\xE3\x80\x80", "\xEF\xBB\xBF"};

/// The spaces beyond ASCII that DuckDB reads as spaces: no-break ones, those of U+2000 to U+200D,
/// the ideographic one and the byte order mark.
std::size_t wide_space(std::string_view rest) {
  if (rest.starts_with("\xC2\xA0")) {
    return 2;
  }
  if (std::ranges::any_of(kSpaces, [&](std::string_view s) { return rest.starts_with(s); })) {
    return 3;
  }
  if (rest.size() >= 3 && rest.starts_with("\xE2\x80") &&
      static_cast<unsigned char>(rest[2]) <= 0x8D) {
    return 3;
  }
  return 0;
}

class Lexer {
 public:
  explicit Lexer(std::string_view sql) : sql_(sql) {}

  Result<std::vector<Token>> run() {
    if (sql_.contains('\0')) {
      return fail_at(sql_.find('\0'), "the statement holds a null byte");
    }
    if (!is_valid_utf8(sql_)) {
      return fail(ErrorCode::InvalidArgument, "the statement is not valid UTF-8");
    }
    while (true) {
      LH_RETURN_IF_ERROR(skip_space());
      if (at_ >= sql_.size()) {
        break;
      }
      LH_RETURN_IF_ERROR(next());
    }
    add(TokenKind::End, at_);
    return std::move(tokens_);
  }

 private:
  static std::unexpected<Error> fail_at(std::size_t position, std::string message) {
    auto error = fail(ErrorCode::InvalidArgument, std::move(message));
    error.error().position_bytes = position;
    return error;
  }

  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0';
  }

  void add(TokenKind kind, std::size_t begin, std::string value = {}) {
    tokens_.push_back({kind, sql_.substr(begin, at_ - begin), std::move(value), begin});
  }

  Status skip_space() {
    while (at_ < sql_.size()) {
      const char c = sql_[at_];
      if (c == ' ' || (c >= '\t' && c <= '\r')) {
        ++at_;
      } else if (const std::size_t wide = wide_space(sql_.substr(at_)); wide > 0) {
        at_ += wide;
      } else if (c == '-' && peek(1) == '-') {
        at_ = std::min(sql_.find_first_of("\n\r", at_), sql_.size());
      } else if (c == '/' && peek(1) == '*') {
        LH_RETURN_IF_ERROR(skip_block_comment());
      } else {
        break;
      }
    }
    return {};
  }

  Status skip_block_comment() {
    const std::size_t begin = at_;
    std::size_t depth = 0;
    while (at_ < sql_.size()) {
      if (peek() == '/' && peek(1) == '*') {
        ++depth;
        at_ += 2;
      } else if (peek() == '*' && peek(1) == '/') {
        at_ += 2;
        if (--depth == 0) {
          return {};
        }
      } else {
        ++at_;
      }
    }
    return fail_at(begin, "a comment begins here that does not end");
  }

  Status next() {
    const char c = peek();
    if (c == '\'') {
      return quoted(TokenKind::String, at_, false);
    }
    if (c == '"') {
      return quoted(TokenKind::QuotedIdentifier, at_, false);
    }
    if (is_word_start(c)) {
      return word();
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      number();
      return {};
    }
    if (c == '$') {
      return dollar();
    }
    const std::size_t begin = at_++;
    if (c == '?') {
      while (is_digit(peek())) {
        ++at_;
      }
      add(TokenKind::Parameter, begin);
      return {};
    }
    add(TokenKind::Symbol, begin);
    return {};
  }

  /// A string or a quoted name whose opening quote is the next character; `begin` is where the
  /// token begins (its prefix, such as E).
  Status quoted(TokenKind kind, std::size_t begin, bool backslash_escapes) {
    const char quote = sql_[at_++];
    std::string value;
    while (at_ < sql_.size()) {
      const char c = sql_[at_++];
      if (c == quote) {
        if (peek() != quote) {
          if (kind == TokenKind::QuotedIdentifier && value.empty()) {
            return fail_at(begin, "a quoted name is empty");
          }
          add(kind, begin, std::move(value));
          return {};
        }
        ++at_;
      } else if (c == '\\' && backslash_escapes && at_ < sql_.size()) {
        ++at_;
      }
      value.push_back(c);
    }
    return fail_at(begin, kind == TokenKind::String
                              ? "a string begins here that does not end"
                              : "a quoted name begins here that does not end");
  }

  Status word() {
    const std::size_t begin = at_;
    while (at_ < sql_.size() && is_word_part(peek()) && wide_space(sql_.substr(at_)) == 0) {
      ++at_;
    }
    const std::string_view text = sql_.substr(begin, at_ - begin);
    // E'', B'', X'' and N'' are strings with a prefix.
    if (peek() == '\'' && text.size() == 1) {
      const char prefix = upper(text.front());
      if (prefix == 'E' || prefix == 'B' || prefix == 'X' || prefix == 'N') {
        return quoted(TokenKind::String, begin, prefix == 'E');
      }
    }
    add(TokenKind::Word, begin, std::string(text));
    return {};
  }

  void number() {
    const std::size_t begin = at_;
    if (peek() == '0' && upper(peek(1)) == 'X') {
      at_ += 2;
      while (is_hex_digit(peek()) || peek() == '_') {
        ++at_;
      }
      add(TokenKind::Number, begin);
      return;
    }
    const auto digits = [this] {
      while (is_digit(peek()) || (peek() == '_' && is_digit(peek(1)))) {
        ++at_;
      }
    };
    digits();
    if (peek() == '.') {
      ++at_;
      digits();
    }
    if (upper(peek()) == 'E') {
      const std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
      if (is_digit(peek(1 + sign))) {
        at_ += 1 + sign;
        digits();
      }
    }
    add(TokenKind::Number, begin);
  }

  /// $1 and $name are parameters, $$ and $tag$ open a string.
  Status dollar() {
    const std::size_t begin = at_++;
    if (is_digit(peek())) {
      while (is_digit(peek())) {
        ++at_;
      }
      add(TokenKind::Parameter, begin);
      return {};
    }
    while (is_word_start(peek()) || is_digit(peek())) {
      ++at_;
    }
    if (peek() == '$') {
      ++at_;
      const std::string_view tag = sql_.substr(begin, at_ - begin);
      const std::size_t close = sql_.find(tag, at_);
      if (close == std::string_view::npos) {
        return fail_at(begin, "a string begins here that does not end");
      }
      std::string value(sql_.substr(at_, close - at_));
      at_ = close + tag.size();
      add(TokenKind::String, begin, std::move(value));
      return {};
    }
    add(at_ - begin > 1 ? TokenKind::Parameter : TokenKind::Symbol, begin);
    return {};
  }

  std::string_view sql_;
  std::size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

bool Token::is(std::string_view word) const {
  return kind == TokenKind::Word &&
         std::ranges::equal(text, word, [](char a, char b) { return upper(a) == b; });
}

Result<std::vector<Token>> tokenize(std::string_view sql) {
  return Lexer(sql).run();
}

}  // namespace lakehouse::query
