#include "metastore/postgres/text.h"

#include <charconv>

#include <fmt/format.h>

#include "base/text.h"

namespace lakehouse::metastore::postgres {
namespace {

constexpr char kEscape = '\x01';
constexpr char kNul = '0';     // Then the escape stands for NUL,
constexpr char kItself = '1';  // for U+0001,
constexpr char kByte = 'x';    // or for the byte whose two hex digits follow.
constexpr std::string_view kEscaped("\0\x01", 2);

}  // namespace

std::string encode_text(std::string_view text) {
  const bool is_utf8 = is_valid_utf8(text);
  if (is_utf8 && text.find_first_of(kEscaped) == std::string_view::npos) {
    return std::string(text);
  }
  std::string stored;
  for (const char c : text) {
    if (c == '\0' || c == kEscape) {
      stored += kEscape;
      stored += c == '\0' ? kNul : kItself;
    } else if (!is_utf8 && static_cast<unsigned char>(c) >= 0x80) {
      stored += fmt::format("{}{}{:02x}", kEscape, kByte, static_cast<unsigned char>(c));
    } else {
      stored += c;
    }
  }
  return stored;
}

std::string decode_text(std::string_view stored) {
  if (!stored.contains(kEscape)) {
    return std::string(stored);
  }
  std::string text;
  for (std::size_t i = 0; i < stored.size(); ++i) {
    if (stored[i] != kEscape || i + 1 == stored.size()) {
      text += stored[i];
      continue;
    }
    ++i;
    unsigned byte = stored[i] == kNul ? 0 : 1;
    if (stored[i] == kByte) {
      const std::string_view digits = stored.substr(i + 1, 2);
      std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
      i += digits.size();
    }
    text += static_cast<char>(byte);
  }
  return text;
}

}  // namespace lakehouse::metastore::postgres
