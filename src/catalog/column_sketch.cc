#include "catalog/column_sketch.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <utility>

#include "base/text.h"

namespace lakehouse::catalog {

namespace {

constexpr std::size_t kValuesMax = 100'000;
constexpr std::size_t kValueBytesMax = 1024;
constexpr std::size_t kDistinctMax = 10'000;
constexpr std::size_t kShapesMax = 1000;
constexpr std::size_t kShapeBytesMax = 40;
constexpr std::size_t kFrequentMax = 5;
/// So many of the values must be of a kind for the column to be of it.
constexpr double kKindShare = 0.95;
constexpr std::int64_t kCategoriesMax = 20;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text.substr(0, kValueBytesMax);
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::optional<double> number_of(std::string_view text) {
  if (text.starts_with('+') || text.starts_with('$')) {
    text.remove_prefix(1);
  }
  // 007 and 60601-like codes with a leading zero are no quantities.
  if (text.size() > 1 && text[0] == '0' && is_digit(text[1])) {
    return std::nullopt;
  }
  double value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
  int value = 0;
  if (text.size() < at + count) {
    return std::nullopt;
  }
  const auto [end, problem] = std::from_chars(text.data() + at, text.data() + at + count, value);
  return problem == std::errc() && end == text.data() + at + count ? std::optional(value)
                                                                   : std::nullopt;
}

/// Days since 1970, with a fraction, of 2024-01-31, 2024-01-31 12:30:00 and such.
std::optional<double> moment_of(std::string_view text) {
  constexpr std::size_t kDateBytes = 10;
  if (text.size() < kDateBytes || text[4] != '-' || text[7] != '-') {
    return std::nullopt;
  }
  const auto year = digits(text, 0, 4);
  const auto month = digits(text, 5, 2);
  const auto day = digits(text, 8, 2);
  if (!year || !month || !day || *month < 1 || *month > 12 || *day < 1 || *day > 31) {
    return std::nullopt;
  }
  // Near enough for a comparison of distributions.
  double days = (*year - 1970) * 365.25 + (*month - 1) * 30.44 + (*day - 1);
  if (text.size() > kDateBytes) {
    if (text[kDateBytes] != ' ' && text[kDateBytes] != 'T') {
      return std::nullopt;
    }
    const auto hour = digits(text, 11, 2);
    const auto minute = digits(text, 14, 2);
    if (!hour || !minute) {
      return std::nullopt;
    }
    days += (*hour * 60 + *minute) / 1440.0;
  }
  return days;
}

bool is_boolean(std::string_view lower) {
  return lower == "true" || lower == "false";
}

double length_of(std::string_view text) {
  return static_cast<double>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

/// Collects what the values are before it is known of which kind they are.
struct Counts {
  std::vector<double> numbers;
  std::vector<double> moments;
  std::int64_t booleans = 0;
  std::map<std::string, std::int64_t, std::less<>> often;
};

void take(std::string_view value, ColumnSketch* sketch, Counts* counts) {
  std::string lower = to_lower(value);
  counts->booleans += is_boolean(lower) ? 1 : 0;
  if (const auto number = number_of(value)) {
    counts->numbers.push_back(*number);
  } else if (const auto moment = moment_of(value)) {
    counts->moments.push_back(*moment);
  }
  sketch->lengths.push_back(length_of(value));
  std::string shape = shape_of(value);
  if (sketch->shapes.contains(shape) || sketch->shapes.size() < kShapesMax) {
    ++sketch->shapes[std::move(shape)];
  }
  if (counts->often.contains(value) || counts->often.size() < kDistinctMax) {
    ++counts->often[std::string(value)];
  }
}

void decide_kind(ColumnSketch* sketch, Counts* counts) {
  const auto enough = [&](std::int64_t n) {
    return static_cast<double>(n) >= kKindShare * static_cast<double>(sketch->filled());
  };
  if (sketch->filled() == 0) {
    sketch->kind = ValueKind::None;
  } else if (enough(counts->booleans)) {
    sketch->kind = ValueKind::Boolean;
  } else if (enough(static_cast<std::int64_t>(counts->numbers.size()))) {
    sketch->kind = ValueKind::Number;
    sketch->numbers = std::move(counts->numbers);
    sketch->whole_numbers =
        std::ranges::all_of(sketch->numbers, [](double n) { return n == std::floor(n); });
    sketch->ascending = sketch->numbers.size() > 2 &&
                        std::ranges::adjacent_find(sketch->numbers, std::ranges::greater_equal()) ==
                            sketch->numbers.end();
  } else if (enough(static_cast<std::int64_t>(counts->moments.size()))) {
    sketch->kind = ValueKind::Moment;
    sketch->numbers = std::move(counts->moments);
  } else {
    sketch->kind = ValueKind::Text;
  }
  std::ranges::sort(sketch->numbers);
}

}  // namespace

std::string_view to_string(ValueKind kind) {
  switch (kind) {
    case ValueKind::None: return "none";
    case ValueKind::Boolean: return "boolean";
    case ValueKind::Number: return "number";
    case ValueKind::Moment: return "date or time";
    case ValueKind::Text: break;
  }
  return "text";
}

bool ColumnSketch::categorical() const {
  const auto distinct = static_cast<std::int64_t>(values.size());
  return distinct > 0 && distinct <= kCategoriesMax && distinct * 2 <= filled();
}

std::string shape_of(std::string_view value) {
  std::string shape;
  for (const char c : value.substr(0, kValueBytesMax)) {
    const auto byte = static_cast<unsigned char>(c);
    const char as = is_digit(c)                               ? '9'
                    : c >= 'A' && c <= 'Z'                    ? 'A'
                    : (c >= 'a' && c <= 'z') || byte >= 0x80U ? 'a'
                    : c == '\t'                               ? ' '
                                                              : c;
    if (shape.empty() || shape.back() != as) {
      shape += as;
    }
    if (shape.size() == kShapeBytesMax) {
      break;
    }
  }
  return shape;
}

ColumnSketch sketch_of(std::span<const std::optional<std::string>> values) {
  ColumnSketch sketch;
  Counts counts;
  for (const std::optional<std::string>& value :
       values.first(std::min(values.size(), kValuesMax))) {
    ++sketch.count;
    const std::string_view text = value ? trimmed(*value) : std::string_view();
    if (text.empty()) {
      ++sketch.nulls;
    } else {
      take(text, &sketch, &counts);
    }
  }
  decide_kind(&sketch, &counts);
  std::ranges::sort(sketch.lengths);
  std::set<std::string> distinct;
  std::vector<std::pair<std::int64_t, std::string>> often;
  for (const auto& [value, times] : counts.often) {
    distinct.insert(to_lower(value));
    often.emplace_back(-times, value);
  }
  sketch.values.assign(distinct.begin(), distinct.end());
  std::ranges::sort(often);
  for (const auto& [times, value] : often) {
    if (sketch.frequent.size() == kFrequentMax) {
      break;
    }
    sketch.frequent.push_back(value);
  }
  return sketch;
}

double distribution_distance(std::span<const double> a, std::span<const double> b) {
  if (a.empty() || b.empty()) {
    return 0;
  }
  double most = 0;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() && j < b.size()) {
    const double at = std::min(a[i], b[j]);
    while (i < a.size() && a[i] <= at) {
      ++i;
    }
    while (j < b.size() && b[j] <= at) {
      ++j;
    }
    most = std::max(most, std::abs(static_cast<double>(i) / static_cast<double>(a.size()) -
                                   static_cast<double>(j) / static_cast<double>(b.size())));
  }
  return most;
}

}  // namespace lakehouse::catalog
