#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// \file
/// Days and times as text, for every year that 32 bits of days reach: std::chrono's calendar ends
/// at year 32767. Proleptic Gregorian; year 0 is 1 BC.

namespace lakehouse::iceberg::detail {

struct CivilDate {
  std::int64_t year = 1970;
  std::int32_t month = 1;
  std::int32_t day = 1;
};

std::int64_t days_from_civil(const CivilDate& date);
CivilDate civil_from_days(std::int64_t days);

enum class Era : std::uint8_t {
  Iso,    ///< -0044-03-15, +12345-01-01.
  DuckDb  ///< 0045-03-15 (BC), 12345-01-01.
};

std::string date_to_string(std::int64_t days, Era era);
/// Either era's form; nothing if the text is no date.
std::optional<std::int64_t> date_from_string(std::string_view text);

/// "22:31:08", and ".123456" or ".123456789" behind it: all digits if `keep_zeros`, else as many as
/// it takes to drop the zeros at the end.
std::string time_to_string(std::int64_t units, std::int64_t units_per_second, bool keep_zeros);
/// "22:31", "22:31:08", "22:31:08.5"; digits beyond the unit are cut.
std::optional<std::int64_t> time_from_string(std::string_view text, std::int64_t units_per_second);

/// Date and time with a space or a T between them, then perhaps Z or an offset (+02, +02:00,
/// -08:00:00), which is applied. `has_zone`, if given, says whether there was one. Nothing if the
/// text is no timestamp or does not fit 64 bits.
std::optional<std::int64_t> timestamp_from_string(std::string_view text,
                                                  std::int64_t units_per_second, bool* has_zone);

constexpr std::int64_t floor_div(std::int64_t value, std::int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

}  // namespace lakehouse::iceberg::detail
