#include <string>
#include <string_view>

#include <fmt/format.h>

#include "iceberg/literal.h"

namespace lakehouse::iceberg {

namespace {

constexpr std::int32_t kDigitsMax = 38;

constexpr Int128 ten_to(std::int32_t power) {
  Int128 number = 1;
  for (; power > 0; --power) {
    number *= 10;
  }
  return number;
}

std::unexpected<Error> no_decimal(std::string_view text, std::int32_t scale) {
  return fail(ErrorCode::InvalidArgument,
              fmt::format("'{}' is no decimal of scale {}", text.substr(0, 80), scale));
}

/// The exponent behind an E, taken off the text; 0 without one, nothing if it is no number.
std::optional<std::int32_t> take_exponent(std::string_view& text) {
  const auto at = text.find_first_of("eE");
  if (at == std::string_view::npos) {
    return 0;
  }
  std::string_view digits = text.substr(at + 1);
  text = text.substr(0, at);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) {
    digits.remove_prefix(1);
  }
  if (digits.empty() || digits.size() > 4) {
    return std::nullopt;
  }
  std::int32_t exponent = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    exponent = exponent * 10 + (c - '0');
  }
  return negative ? -exponent : exponent;
}

/// Appends a digit; false if that makes more than 38.
bool push_digit(Int128& number, int digit) {
  constexpr Int128 kLimit = ten_to(kDigitsMax - 1);
  if (number >= kLimit) {
    return false;
  }
  number = number * 10 + digit;
  return true;
}

}  // namespace

std::string decimal_to_string(Int128 unscaled, std::int32_t scale) {
  const bool negative = unscaled < 0;
  __extension__ using Unsigned128 = unsigned __int128;
  auto rest = static_cast<Unsigned128>(unscaled);
  if (negative) {
    rest = Unsigned128{0} - rest;
  }
  std::string digits;
  do {
    digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
    rest /= 10;
  } while (rest != 0);
  if (scale > 0) {
    const auto places = static_cast<std::size_t>(scale);
    if (digits.size() <= places) {
      digits.insert(0, places + 1 - digits.size(), '0');
    }
    digits.insert(digits.size() - places, 1, '.');
  }
  return negative ? "-" + digits : digits;
}

Result<Int128> decimal_from_string(std::string_view text, std::int32_t scale) {
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) {
    rest.remove_prefix(1);
  }
  const auto exponent = take_exponent(rest);
  if (!exponent) {
    return no_decimal(text, scale);
  }
  Int128 number = 0;
  std::int32_t places = 0;  // Digits behind the point so far.
  bool behind_point = false;
  bool any_digit = false;
  for (const char c : rest) {
    if (c == '.' && !behind_point) {
      behind_point = true;
      continue;
    }
    if (c < '0' || c > '9') {
      return no_decimal(text, scale);
    }
    any_digit = true;
    if (behind_point && places - *exponent >= scale) {
      if (c != '0') {
        return no_decimal(text, scale);
      }
      continue;
    }
    if (!push_digit(number, c - '0')) {
      return no_decimal(text, scale);
    }
    places += behind_point ? 1 : 0;
  }
  std::int32_t missing = scale - (places - *exponent);
  for (; missing > 0 && number != 0; --missing) {
    if (!push_digit(number, 0)) {
      return no_decimal(text, scale);
    }
  }
  for (; missing < 0 && number != 0; ++missing) {  // 1200E-4 at scale 2.
    if (number % 10 != 0) {
      return no_decimal(text, scale);
    }
    number /= 10;
  }
  if (!any_digit) {
    return no_decimal(text, scale);
  }
  return negative ? -number : number;
}

std::string decimal_to_bytes(Int128 unscaled) {
  std::string bytes;
  for (int shift = 120; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(static_cast<unsigned char>(unscaled >> shift)));
  }
  const char sign = unscaled < 0 ? '\xFF' : '\0';
  std::size_t skip = 0;
  // A byte may go if it only repeats the sign of the byte behind it.
  while (skip + 1 < bytes.size() && bytes[skip] == sign &&
         ((static_cast<unsigned char>(bytes[skip + 1]) ^ static_cast<unsigned char>(sign)) &
          0x80U) == 0) {
    ++skip;
  }
  return bytes.substr(skip);
}

Result<Int128> decimal_from_bytes(std::string_view bytes) {
  if (bytes.empty() || bytes.size() > 16) {
    return fail(ErrorCode::DataLoss,
                fmt::format("a decimal takes 1 to 16 bytes, not {}", bytes.size()));
  }
  __extension__ using Unsigned128 = unsigned __int128;
  const bool negative = (static_cast<unsigned char>(bytes.front()) & 0x80U) != 0;
  Unsigned128 number = negative ? ~Unsigned128{0} : Unsigned128{0};
  for (const char c : bytes) {
    number = (number << 8U) | static_cast<unsigned char>(c);
  }
  return static_cast<Int128>(number);
}

}  // namespace lakehouse::iceberg
