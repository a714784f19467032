#pragma once

#include <cstdint>

#include "engine/child/duck.h"

/// \file
/// Values as text, at full speed. Each function writes at `out`, where kTextBytesMax bytes are
/// free, and returns the end of what it wrote. No quotes.

namespace lakehouse::engine {

/// More than the longest: an INTERVAL of four parts, a HUGEINT with its scale.
constexpr std::size_t kTextBytesMax = 128;

__extension__ using Int128 = __int128;
__extension__ using UInt128 = unsigned __int128;

char* format_int(char* out, std::int64_t value);
char* format_uint(char* out, std::uint64_t value);
char* format_uint128(char* out, UInt128 value);
char* format_int128(char* out, Int128 value);
/// `value` / 10^scale, with all `scale` digits.
char* format_decimal(char* out, Int128 value, unsigned scale);
/// Shortest text that reads back as the same number, always with a point or exponent; "NaN",
/// "Infinity", "-Infinity".
char* format_double(char* out, double value);
char* format_float(char* out, float value);

char* format_date(char* out, std::int32_t days);
/// `separator` is between date and time: 'T' in ISO 8601.
char* format_timestamp(char* out, std::int64_t value, std::int64_t units_per_second, char separator,
                       bool with_zone);
char* format_time(char* out, std::int64_t value, std::int64_t units_per_second);
char* format_time_tz(char* out, duckdb_time_tz value);
char* format_interval(char* out, const duckdb_interval& value);
char* format_uuid(char* out, const duckdb_hugeint& value);

}  // namespace lakehouse::engine
