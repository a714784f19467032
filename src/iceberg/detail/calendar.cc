#include "iceberg/detail/calendar.h"

#include <charconv>
#include <limits>

#include <fmt/format.h>

namespace lakehouse::iceberg::detail {

namespace {

constexpr std::int64_t kSecondsPerDay = 86'400;
constexpr std::int64_t kYearMax = 6'000'000;  // What 32 bits of days reach, and a little.

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Takes between `min` and `max` digits off the front.
std::optional<std::int64_t> take_digits(std::string_view& text, std::size_t min, std::size_t max) {
  std::size_t count = 0;
  std::int64_t number = 0;
  while (count < text.size() && count < max && is_digit(text[count])) {
    number = number * 10 + (text[count] - '0');
    ++count;
  }
  if (count < min) {
    return std::nullopt;
  }
  text.remove_prefix(count);
  return number;
}

bool take(std::string_view& text, std::string_view wanted) {
  if (!text.starts_with(wanted)) {
    return false;
  }
  text.remove_prefix(wanted.size());
  return true;
}

bool is_leap(std::int64_t year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

std::int64_t days_in_month(std::int64_t year, std::int64_t month) {
  if (month == 2) {
    return is_leap(year) ? 29 : 28;
  }
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/// A date off the front, without the era behind it.
std::optional<CivilDate> take_date(std::string_view& text) {
  const bool negative = take(text, "-");
  if (!negative) {
    take(text, "+");
  }
  const auto year = take_digits(text, 4, 7);
  if (!year || *year > kYearMax || !take(text, "-")) {
    return std::nullopt;
  }
  const auto month = take_digits(text, 2, 2);
  if (!month || *month < 1 || *month > 12 || !take(text, "-")) {
    return std::nullopt;
  }
  const auto day = take_digits(text, 2, 2);
  const std::int64_t signed_year = negative ? -*year : *year;
  if (!day || *day < 1 || *day > 31) {
    return std::nullopt;
  }
  return CivilDate{signed_year, static_cast<std::int32_t>(*month), static_cast<std::int32_t>(*day)};
}

/// The days of a date whose era is known by now.
std::optional<std::int64_t> to_days(CivilDate date, bool before_christ) {
  if (before_christ) {
    date.year = 1 - date.year;
  }
  if (date.day > days_in_month(date.year, date.month)) {
    return std::nullopt;
  }
  return days_from_civil(date);
}

std::optional<std::int64_t> take_time(std::string_view& text, std::int64_t units_per_second) {
  const auto hours = take_digits(text, 2, 2);
  if (!hours || *hours > 24 || !take(text, ":")) {
    return std::nullopt;
  }
  const auto minutes = take_digits(text, 2, 2);
  if (!minutes || *minutes > 59) {
    return std::nullopt;
  }
  std::int64_t seconds = 0;
  std::int64_t fraction = 0;
  if (take(text, ":")) {
    const auto given = take_digits(text, 2, 2);
    if (!given || *given > 59) {
      return std::nullopt;
    }
    seconds = *given;
    if (take(text, ".")) {
      if (text.empty() || !is_digit(text.front())) {
        return std::nullopt;
      }
      std::int64_t place = units_per_second / 10;
      while (!text.empty() && is_digit(text.front())) {
        fraction += (text.front() - '0') * place;
        place /= 10;
        text.remove_prefix(1);
      }
    }
  }
  const std::int64_t total =
      (*hours * 3600 + *minutes * 60 + seconds) * units_per_second + fraction;
  if (total > kSecondsPerDay * units_per_second) {
    return std::nullopt;
  }
  return total;
}

/// The offset in seconds; 0 without one.
std::optional<std::int64_t> take_zone(std::string_view& text, bool& has_zone) {
  has_zone = true;
  if (take(text, "Z") || take(text, "z")) {
    return 0;
  }
  std::int64_t sign = 0;
  if (take(text, "+")) {
    sign = 1;
  } else if (take(text, "-")) {
    sign = -1;
  } else {
    has_zone = false;
    return 0;
  }
  std::int64_t seconds = 0;
  std::int64_t unit = 3600;
  do {
    const auto part = take_digits(text, 2, 2);
    if (!part || unit == 0 || *part > 59) {
      return std::nullopt;
    }
    seconds += *part * unit;
    unit /= 60;
  } while (take(text, ":"));
  return sign * seconds;
}

}  // namespace

std::int64_t days_from_civil(const CivilDate& date) {
  // Counts from 1 March, so that the leap day is the last of its year.
  const std::int64_t year = date.month <= 2 ? date.year - 1 : date.year;
  const std::int64_t era = floor_div(year, 400);
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t month = (date.month + 9) % 12;
  const std::int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
  const std::int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

CivilDate civil_from_days(std::int64_t days) {
  const std::int64_t shifted = days + 719'468;
  const std::int64_t era = floor_div(shifted, 146'097);
  const std::int64_t day_of_era = shifted - era * 146'097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month = (5 * day_of_year + 2) / 153;
  CivilDate date;
  date.day = static_cast<std::int32_t>(day_of_year - (153 * month + 2) / 5 + 1);
  date.month = static_cast<std::int32_t>(month < 10 ? month + 3 : month - 9);
  date.year = year_of_era + era * 400 + (date.month <= 2 ? 1 : 0);
  return date;
}

std::string date_to_string(std::int64_t days, Era era) {
  const CivilDate date = civil_from_days(days);
  if (era == Era::DuckDb) {
    const std::int64_t year = date.year > 0 ? date.year : 1 - date.year;
    return fmt::format("{:04}-{:02}-{:02}{}", year, date.month, date.day,
                       date.year > 0 ? "" : " (BC)");
  }
  const std::string_view sign = date.year < 0 ? "-" : date.year > 9999 ? "+" : "";
  return fmt::format("{}{:04}-{:02}-{:02}", sign, date.year < 0 ? -date.year : date.year,
                     date.month, date.day);
}

std::optional<std::int64_t> date_from_string(std::string_view text) {
  const auto date = take_date(text);
  if (!date) {
    return std::nullopt;
  }
  const bool before_christ = take(text, " (BC)");
  return text.empty() ? to_days(*date, before_christ) : std::nullopt;
}

std::string time_to_string(std::int64_t units, std::int64_t units_per_second, bool keep_zeros) {
  const std::int64_t seconds = units / units_per_second;
  std::string text =
      fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  const std::int64_t fraction = units % units_per_second;
  if (fraction == 0 && !keep_zeros) {
    return text;
  }
  text += units_per_second == 1'000'000 ? fmt::format(".{:06}", fraction)
                                        : fmt::format(".{:09}", fraction);
  while (!keep_zeros && text.back() == '0') {
    text.pop_back();
  }
  return text;
}

std::optional<std::int64_t> time_from_string(std::string_view text, std::int64_t units_per_second) {
  const auto time = take_time(text, units_per_second);
  return text.empty() ? time : std::nullopt;
}

std::optional<std::int64_t> timestamp_from_string(std::string_view text,
                                                  std::int64_t units_per_second, bool* has_zone) {
  const auto date = take_date(text);
  if (!date) {
    return std::nullopt;
  }
  bool before_christ = take(text, " (BC)");
  std::int64_t time = 0;
  bool zone_given = false;
  std::int64_t offset_seconds = 0;
  if (take(text, "T") || take(text, " ")) {
    const auto given = take_time(text, units_per_second);
    if (!given) {
      return std::nullopt;
    }
    time = *given;
    const auto offset = take_zone(text, zone_given);
    if (!offset) {
      return std::nullopt;
    }
    offset_seconds = *offset;
  }
  before_christ = take(text, " (BC)") || before_christ;
  const auto days = to_days(*date, before_christ);
  if (!text.empty() || !days) {
    return std::nullopt;
  }
  if (has_zone != nullptr) {
    *has_zone = zone_given;
  }
  std::int64_t units = 0;
  if (__builtin_mul_overflow(*days * kSecondsPerDay - offset_seconds, units_per_second, &units) ||
      __builtin_add_overflow(units, time, &units)) {
    return std::nullopt;
  }
  return units;
}

}  // namespace lakehouse::iceberg::detail
