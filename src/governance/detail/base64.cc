#include "governance/detail/base64.h"

#include <array>
#include <cstdint>

namespace lakehouse::governance::detail {
namespace {

constexpr std::string_view kUrlDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Only the one spelling of each text is taken: what is left of the last digit must be zero.
std::optional<std::string> decode(std::string_view text, std::string_view digits) {
  if (text.size() % 4 == 1) {
    return std::nullopt;
  }
  std::string bytes;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const std::size_t digit = digits.find(c);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    bits = (bits << 6U) | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<char>((bits >> count) & 0xFFU));
    }
  }
  const bool is_exact = (bits & ((1U << count) - 1U)) == 0;
  return is_exact ? std::optional(std::move(bytes)) : std::nullopt;
}

}  // namespace

std::string encode_base64url(std::string_view bytes) {
  std::string text;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : bytes) {
    bits = (bits << 8U) | static_cast<unsigned char>(c);
    count += 8;
    while (count >= 6) {
      count -= 6;
      text.push_back(kUrlDigits[(bits >> count) & 63U]);
    }
  }
  if (count > 0) {
    text.push_back(kUrlDigits[(bits << (6U - count)) & 63U]);
  }
  return text;
}

std::optional<std::string> decode_base64url(std::string_view text) {
  return decode(text, kUrlDigits);
}

std::optional<std::string> decode_base64(std::string_view text) {
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) {
    text.remove_suffix(1);
  }
  return decode(text, kDigits);
}

}  // namespace lakehouse::governance::detail
