#include "engine/child/format.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>

namespace lakehouse::engine {
namespace {

char* put(char* out, std::string_view text) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

// Exactly `width` digits, zeros in front.
char* put_digits(char* out, std::uint64_t value, unsigned width) {
  for (unsigned i = width; i > 0; --i) {
    out[i - 1] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  return out + width;
}

struct FlooredDivision {
  std::int64_t quotient;
  std::int64_t remainder;  ///< Never negative.
};

FlooredDivision divide(std::int64_t value, std::int64_t by) {
  std::int64_t quotient = value / by;
  std::int64_t remainder = value % by;
  if (remainder < 0) {
    remainder += by;
    --quotient;
  }
  return {quotient, remainder};
}

// ".5": the fraction without the zeros at its end; nothing for zero.
char* put_fraction(char* out, std::int64_t fraction, std::int64_t units_per_second) {
  if (fraction == 0) {
    return out;
  }
  unsigned width = 0;
  for (std::int64_t units = units_per_second; units > 1; units /= 10) {
    ++width;
  }
  *out++ = '.';
  out = put_digits(out, static_cast<std::uint64_t>(fraction), width);
  while (out[-1] == '0') {
    --out;
  }
  return out;
}

template <class T>
char* put_floating(char* out, T value) {
  if (std::isnan(value)) {
    return put(out, "NaN");
  }
  if (std::isinf(value)) {
    return put(out, value < 0 ? "-Infinity" : "Infinity");
  }
  char* end = std::to_chars(out, out + kTextBytesMax, value).ptr;
  const std::string_view text(out, static_cast<std::size_t>(end - out));
  return text.find_first_of(".e") == std::string_view::npos ? put(end, ".0") : end;
}

constexpr std::int32_t kDateInfinity = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kTimestampInfinity = std::numeric_limits<std::int64_t>::max();

}  // namespace

char* format_int(char* out, std::int64_t value) {
  return std::to_chars(out, out + 24, value).ptr;
}

char* format_uint(char* out, std::uint64_t value) {
  return std::to_chars(out, out + 24, value).ptr;
}

char* format_uint128(char* out, UInt128 value) {
  constexpr std::uint64_t kChunk = 10'000'000'000'000'000'000U;  // 10^19
  if (value <= std::numeric_limits<std::uint64_t>::max()) {
    return format_uint(out, static_cast<std::uint64_t>(value));
  }
  out = format_uint128(out, value / kChunk);
  return put_digits(out, static_cast<std::uint64_t>(value % kChunk), 19);
}

char* format_int128(char* out, Int128 value) {
  if (value >= 0) {
    return format_uint128(out, static_cast<UInt128>(value));
  }
  *out++ = '-';
  return format_uint128(out, UInt128{0} - static_cast<UInt128>(value));
}

char* format_decimal(char* out, Int128 value, unsigned scale) {
  if (scale == 0) {
    return format_int128(out, value);
  }
  auto rest = static_cast<UInt128>(value);
  if (value < 0) {
    *out++ = '-';
    rest = UInt128{0} - rest;
  }
  std::array<char, 48> digits{};
  char* end = format_uint128(digits.data(), rest);
  const auto count = static_cast<std::size_t>(end - digits.data());
  if (count <= scale) {
    out = put(out, "0.");
    for (std::size_t i = count; i < scale; ++i) {
      *out++ = '0';
    }
    return put(out, {digits.data(), count});
  }
  out = put(out, {digits.data(), count - scale});
  *out++ = '.';
  return put(out, {end - scale, scale});
}

char* format_double(char* out, double value) {
  return put_floating(out, value);
}

char* format_float(char* out, float value) {
  return put_floating(out, value);
}

char* format_date(char* out, std::int32_t days) {
  if (days == kDateInfinity || days == -kDateInfinity) {
    return put(out, days > 0 ? "infinity" : "-infinity");
  }
  // Howard Hinnant's civil_from_days: exact for every int32.
  const std::int64_t shifted = std::int64_t{days} + 719468;
  const auto [era, day_of_era] = divide(shifted, 146097);
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const std::int64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
  const std::int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  // As DuckDB: there is no year 0, the one before year 1 is "0001 (BC)".
  const auto shown = static_cast<std::uint64_t>(year > 0 ? year : 1 - year);
  out = shown < 10'000 ? put_digits(out, shown, 4) : format_uint(out, shown);
  *out++ = '-';
  out = put_digits(out, static_cast<std::uint64_t>(month), 2);
  *out++ = '-';
  out = put_digits(out, static_cast<std::uint64_t>(day), 2);
  return year > 0 ? out : put(out, " (BC)");
}

char* format_time(char* out, std::int64_t value, std::int64_t units_per_second) {
  const auto [seconds, fraction] = divide(value, units_per_second);
  out = put_digits(out, static_cast<std::uint64_t>(seconds / 3600), 2);
  *out++ = ':';
  out = put_digits(out, static_cast<std::uint64_t>(seconds / 60 % 60), 2);
  *out++ = ':';
  out = put_digits(out, static_cast<std::uint64_t>(seconds % 60), 2);
  return put_fraction(out, fraction, units_per_second);
}

char* format_timestamp(char* out, std::int64_t value, std::int64_t units_per_second, char separator,
                       bool with_zone) {
  if (value == kTimestampInfinity || value == -kTimestampInfinity) {
    return put(out, value > 0 ? "infinity" : "-infinity");
  }
  const auto [days, time] = divide(value, 86'400 * units_per_second);
  char* end = format_date(out, static_cast<std::int32_t>(days));
  const bool before_christ = end[-1] == ')';
  if (before_christ) {
    end -= std::string_view(" (BC)").size();
  }
  *end++ = separator;
  end = format_time(end, time, units_per_second);
  end = before_christ ? put(end, " (BC)") : end;
  return with_zone ? put(end, "+00:00") : end;
}

char* format_time_tz(char* out, duckdb_time_tz value) {
  const duckdb_time_tz_struct parts = duckdb_from_time_tz(value);
  const std::int64_t micros =
      ((std::int64_t{parts.time.hour} * 60 + parts.time.min) * 60 + parts.time.sec) * 1'000'000 +
      parts.time.micros;
  out = format_time(out, micros, 1'000'000);
  *out++ = parts.offset < 0 ? '-' : '+';
  const auto offset = static_cast<std::uint64_t>(std::abs(parts.offset));
  out = put_digits(out, offset / 3600, 2);
  *out++ = ':';
  out = put_digits(out, offset / 60 % 60, 2);
  if (offset % 60 != 0) {
    *out++ = ':';
    out = put_digits(out, offset % 60, 2);
  }
  return out;
}

char* format_interval(char* out, const duckdb_interval& value) {
  char* const begin = out;
  const auto part = [&](std::int64_t count, std::string_view unit) {
    if (count == 0) {
      return;
    }
    if (out != begin) {
      *out++ = ' ';
    }
    out = format_int(out, count);
    *out++ = ' ';
    out = put(out, unit);
    if (count != 1 && count != -1) {
      *out++ = 's';
    }
  };
  part(value.months / 12, "year");
  part(value.months % 12, "month");
  part(value.days, "day");
  if (value.micros == 0 && out != begin) {
    return out;
  }
  if (out != begin) {
    *out++ = ' ';
  }
  auto micros = static_cast<std::uint64_t>(value.micros);
  if (value.micros < 0) {
    *out++ = '-';
    micros = std::uint64_t{0} - micros;
  }
  const std::uint64_t hours = micros / 3'600'000'000;
  out = hours < 100 ? put_digits(out, hours, 2) : format_uint(out, hours);
  const auto rest = static_cast<std::int64_t>(micros % 3'600'000'000);
  // The hours of the rest are "00"; what follows them is right.
  std::array<char, kTextBytesMax> text{};
  char* end = format_time(text.data(), rest, 1'000'000);
  return put(out, {text.data() + 2, static_cast<std::size_t>(end - text.data() - 2)});
}

char* format_uuid(char* out, const duckdb_hugeint& value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  // DuckDB flips the top bit so that UUIDs sort as hugeints.
  const std::uint64_t upper = static_cast<std::uint64_t>(value.upper) ^ (std::uint64_t{1} << 63U);
  for (unsigned i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) {
      *out++ = '-';
    }
    const std::uint64_t half = i < 16 ? upper : value.lower;
    *out++ = kDigits[(half >> (60U - 4U * (i % 16U))) & 15U];
  }
  return out;
}

}  // namespace lakehouse::engine
