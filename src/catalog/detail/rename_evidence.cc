#include "catalog/detail/rename_evidence.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <set>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace lakehouse::catalog {

namespace {

using iceberg::Type;
using iceberg::TypeKind;

/// Before any evidence: most pairs of a lost and a new column are not the same.
constexpr double kPrior = -2.2;
/// A sample of so many values says all that a sample can.
constexpr double kSampleFull = 20;
/// Of a column's distinct values, so many are looked for in another's.
constexpr std::size_t kSplitValuesMax = 500;

/// Weight by a threshold: the first step that the value reaches.
struct Step {
  double at_least;
  double weight;
};
double stepped(double value, std::span<const Step> steps) {
  for (const Step& step : steps) {
    if (value >= step.at_least) {
      return step.weight;
    }
  }
  return 0;
}

enum class TypeClass : std::uint8_t { Boolean, Number, Moment, Text, Binary, Nested };

TypeClass class_of(const Type& type) {
  switch (type.kind) {
    case TypeKind::Boolean: return TypeClass::Boolean;
    case TypeKind::Int:
    case TypeKind::Long:
    case TypeKind::Float:
    case TypeKind::Double:
    case TypeKind::Decimal: return TypeClass::Number;
    case TypeKind::Date:
    case TypeKind::Time:
    case TypeKind::Timestamp:
    case TypeKind::Timestamptz:
    case TypeKind::TimestampNs:
    case TypeKind::TimestamptzNs: return TypeClass::Moment;
    case TypeKind::String:
    case TypeKind::Uuid:
    case TypeKind::Unknown: return TypeClass::Text;
    case TypeKind::Fixed:
    case TypeKind::Binary:
    case TypeKind::Variant:
    case TypeKind::Geometry:
    case TypeKind::Geography: return TypeClass::Binary;
    case TypeKind::Struct:
    case TypeKind::List:
    case TypeKind::Map: break;
  }
  return TypeClass::Nested;
}

Evidence name_evidence(const Candidate& before, const Candidate& after) {
  Evidence evidence{.kind = "name", .detail = {}, .weight = 0};
  if (says_nothing(before.parts) || says_nothing(after.parts)) {
    evidence.detail = "one of the names says nothing";
    return evidence;
  }
  const NameLikeness names = compare_names(before.parts, after.parts);
  if (names.exclusive) {
    evidence.detail = fmt::format("they exclude each other: {}", names.opposed);
    evidence.weight = -5;
    return evidence;
  }
  constexpr auto kSteps = std::to_array<Step>({{0.97, 4.6},
                                               {0.85, 4.0},
                                               {0.75, 3.2},
                                               {0.66, 2.2},
                                               {0.58, 1.4},
                                               {0.5, 0.8},
                                               {0.4, 0.0},
                                               {0.3, -0.4},
                                               {0.2, -0.8},
                                               {0, -1.2}});
  evidence.weight = stepped(names.score, kSteps);
  if (names.both_differ) {
    constexpr double kBothDiffer = 1.6;
    evidence.weight = std::min(evidence.weight, 1.2) - kBothDiffer;
  }
  evidence.detail = names.common.empty() ? fmt::format("alike by {:.0f} %", names.score * 100)
                                         : fmt::format("{} in common, alike by {:.0f} %",
                                                       names.common, names.score * 100);
  return evidence;
}

Evidence type_evidence(const Type& before, const Type& after, int format_version) {
  Evidence evidence{.kind = "type", .detail = {}, .weight = 0};
  const std::string from = to_string(before);
  const std::string to = to_string(after);
  evidence.detail = from == to ? "both " + from : fmt::format("{} and {}", from, to);
  if (before == after) {
    evidence.weight = 0.3;
  } else if (can_promote(before, after, format_version) ||
             can_promote(after, before, format_version)) {
    evidence.weight = 0.1;
  } else {
    const TypeClass a = class_of(before);
    const TypeClass b = class_of(after);
    if (a == b) {
      evidence.weight = a == TypeClass::Nested ? -1 : -0.1;
    } else if (a == TypeClass::Text || b == TypeClass::Text) {
      evidence.weight = a == TypeClass::Nested || b == TypeClass::Nested ? -3 : -0.6;
    } else {
      evidence.weight = -4;
    }
  }
  return evidence;
}

double shapes_in_common(const ColumnSketch& a, const ColumnSketch& b) {
  double common = 0;
  for (const auto& [shape, times] : a.shapes) {
    if (const auto found = b.shapes.find(shape); found != b.shapes.end()) {
      common += std::min(static_cast<double>(times) / static_cast<double>(a.filled()),
                         static_cast<double>(found->second) / static_cast<double>(b.filled()));
    }
  }
  return common;
}

/// A shape that few kinds of columns have: "A-9-9", "a.a@a.a"; not words or a number.
bool telling_shape(const ColumnSketch& sketch) {
  const auto most =
      std::ranges::max_element(sketch.shapes, {}, [](const auto& one) { return one.second; });
  const std::string& shape = most->first;
  const bool digits = shape.contains('9');
  const bool letters = shape.find_first_of("Aa") != std::string::npos;
  const bool marks = shape.find_first_not_of("Aa9 ") != std::string::npos;
  return (digits && letters) || (marks && (digits || letters) && shape.size() > 3);
}

/// Distance that two samples of one distribution seldom exceed.
double noise_of(std::size_t a, std::size_t b) {
  return 1.36 * std::sqrt((static_cast<double>(a) + static_cast<double>(b)) /
                          (static_cast<double>(a) * static_cast<double>(b)));
}

Evidence number_evidence(const ColumnSketch& a, const ColumnSketch& b) {
  Evidence evidence{.kind = "values", .detail = {}, .weight = 0};
  if (a.ascending || b.ascending) {
    evidence.weight = a.ascending == b.ascending ? 0.8 : -0.8;
    evidence.detail = a.ascending == b.ascending ? "both count up" : "only one counts up";
    return evidence;
  }
  const double distance = distribution_distance(a.numbers, b.numbers);
  const double noise = noise_of(a.numbers.size(), b.numbers.size());
  evidence.detail = fmt::format("distributions {:.2f} apart", distance);
  if (distance <= noise) {
    evidence.weight = 1.0;
  } else if (distance <= noise + 0.15) {
    evidence.weight = 0.2;
  } else {
    evidence.weight = distance <= noise + 0.35 ? -1.0 : -2.4;
  }
  if (a.whole_numbers != b.whole_numbers) {
    evidence.weight -= 1;
    evidence.detail += ", whole numbers in one only";
  }
  return evidence;
}

Evidence text_evidence(const ColumnSketch& a, const ColumnSketch& b) {
  Evidence evidence{.kind = "values", .detail = {}, .weight = 0};
  const double common = shapes_in_common(a, b);
  const double lengths = distribution_distance(a.lengths, b.lengths);
  const double noise = noise_of(a.lengths.size(), b.lengths.size());
  evidence.detail = fmt::format("{:.0f} % of the shapes in common", common * 100);
  constexpr auto kSteps =
      std::to_array<Step>({{0.8, 1.0}, {0.5, 0.4}, {0.25, -0.3}, {0.08, -1.2}, {0, -2.2}});
  evidence.weight = stepped(common, kSteps);
  if (common >= 0.8 && telling_shape(a)) {
    evidence.weight += 1.2;
    evidence.detail += fmt::format(", such as {}", shape_of(a.frequent.front()));
  }
  // Free text has many shapes, and is known by its length.
  const bool free_text = a.shapes.size() > 8 && b.shapes.size() > 8;
  if (free_text && lengths <= noise + 0.1) {
    evidence.weight = std::max(evidence.weight, 0.6);
  } else if (lengths > noise + 0.3) {
    evidence.weight -= 0.8;
    evidence.detail += ", of other lengths";
  }
  return evidence;
}

Evidence values_evidence(const ColumnSketch& a, const ColumnSketch& b) {
  Evidence evidence{.kind = "values", .detail = {}, .weight = 0};
  if (a.filled() == 0 || b.filled() == 0) {
    return evidence;
  }
  if (a.kind != b.kind) {
    evidence.detail = fmt::format("{} and {}", to_string(a.kind), to_string(b.kind));
    evidence.weight = -2.6;
  } else if (a.kind == ValueKind::Number) {
    evidence = number_evidence(a, b);
  } else if (a.kind == ValueKind::Moment) {
    // The next file's days are later: only how exact they are tells.
    const double common = shapes_in_common(a, b);
    evidence.weight = common >= 0.8 ? 0.5 : -0.8;
    evidence.detail = common >= 0.8 ? "moments, equally exact" : "moments, not equally exact";
  } else if (a.kind == ValueKind::Text) {
    evidence = text_evidence(a, b);
  } else {
    evidence.weight = 0.2;
    evidence.detail = "both true or false";
  }
  const auto fewer = static_cast<double>(std::min(a.filled(), b.filled()));
  evidence.weight *= std::min(1.0, fewer / kSampleFull);
  return evidence;
}

double overlap_weight(const ColumnSketch& a, const ColumnSketch& b, double share,
                      std::size_t fewer) {
  if (a.categorical() && b.categorical()) {
    if (fewer <= 2) {
      constexpr auto kSteps = std::to_array<Step>({{0.99, 0.5}, {0.5, 0}, {0, -1.5}});
      return stepped(share, kSteps);
    }
    constexpr auto kSteps = std::to_array<Step>({{0.8, 2.4}, {0.5, 1.0}, {0.2, -0.5}, {0, -2.4}});
    return stepped(share, kSteps);
  }
  constexpr auto kSteps =
      std::to_array<Step>({{0.6, 3.6}, {0.3, 2.8}, {0.12, 1.6}, {0.04, 0.6}, {0, 0}});
  return stepped(share, kSteps);
}

Evidence overlap_evidence(const ColumnSketch& a, const ColumnSketch& b) {
  Evidence evidence{.kind = "overlap", .detail = {}, .weight = 0};
  if (a.values.empty() || b.values.empty() || a.kind == ValueKind::Boolean) {
    return evidence;
  }
  std::vector<std::string> both;
  std::ranges::set_intersection(a.values, b.values, std::back_inserter(both));
  const std::size_t fewer = std::min(a.values.size(), b.values.size());
  const double share = static_cast<double>(both.size()) / static_cast<double>(fewer);
  evidence.detail = fmt::format("{} of {} distinct values in common", both.size(), fewer);
  evidence.weight = overlap_weight(a, b, share, fewer);
  // Small whole numbers and days meet by chance.
  if (a.kind == ValueKind::Number && a.whole_numbers && b.whole_numbers) {
    constexpr double kDense = 4;
    const double range = std::max(a.numbers.back() - a.numbers.front(), 1.0);
    evidence.weight *= range < kDense * static_cast<double>(a.values.size()) ? 0.15 : 0.8;
  } else if (a.kind == ValueKind::Moment) {
    evidence.weight *= share >= 0.3 ? 0.8 : 0.2;
  }
  const auto rows = static_cast<double>(std::min(a.filled(), b.filled()));
  evidence.weight *= std::min(1.0, rows / kSampleFull);
  return evidence;
}

Evidence place_evidence(const Candidate& before, const Candidate& after) {
  Evidence evidence{.kind = "position", .detail = {}, .weight = 0};
  if (before.left == after.left) {
    evidence.weight = 0.5;
    evidence.detail = before.left.empty() ? "both come before all unchanged columns"
                                          : fmt::format("both come after {}", before.left);
  }
  return evidence;
}

// Splits.

/// What a whole is often split into.
struct Pattern {
  std::string_view whole;  ///< Words of which one must be in the whole's name.
  std::string_view parts;  ///< Words of which the parts have one each.
};
constexpr auto kPatterns = std::to_array<Pattern>({
    {"name person contact customer employee owner", "first last middle"},
    {"address location street", "street city state postal country number line"},
    {"timestamp date time create update start end", "date time"},
    {"location position coordinates latitude", "latitude longitude altitude"},
    {"phone mobile fax", "country code number area extension local"},
    {"price amount total cost value", "amount currency value price"},
    {"period range date validity", "start end"},
    {"size dimension dimensions dim dims", "length width height depth"},
    {"city location site", "city state country"},
});

bool has_word(std::string_view list, std::string_view word) {
  for (std::size_t at = list.find(word); at != std::string_view::npos;
       at = list.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || list[at - 1] == ' ') && (end == list.size() || list[end] == ' ')) {
      return true;
    }
  }
  return false;
}

bool names_one_of(const Candidate& candidate, std::string_view list) {
  return std::ranges::any_of(candidate.parts,
                             [&](const NamePart& part) { return has_word(list, part.meaning); });
}

bool is_separator(char c) {
  return c == ' ' || c == ',' || c == ';' || c == '/' || c == '|' || c == '-' || c == 'x' ||
         c == '_';
}

using Pieces = std::unordered_set<std::string>;

/// The runs of one to four words in the value, as they stand in it. An "x" between digits parts.
void add_pieces(std::string_view value, Pieces* pieces) {
  constexpr std::size_t kRunMax = 4;
  constexpr std::size_t kWordsMax = 16;
  std::vector<std::pair<std::size_t, std::size_t>> words;
  for (std::size_t at = 0; at < value.size() && words.size() < kWordsMax;) {
    std::size_t end = at;
    while (end < value.size() &&
           (!is_separator(value[end]) ||
            (value[end] == 'x' && (end == 0 || value[end - 1] < '0' || value[end - 1] > '9')))) {
      ++end;
    }
    // A minus belongs to its number: "41.5, -87.6".
    const bool minus = at > 1 && value[at - 1] == '-' && value[at - 2] == ' ';
    if (end > at) {
      words.emplace_back(minus ? at - 1 : at, end);
    }
    at = end + 1;
  }
  if (words.size() < 2) {
    return;
  }
  for (std::size_t first = 0; first < words.size(); ++first) {
    for (std::size_t last = first; last < std::min(words.size(), first + kRunMax); ++last) {
      if (last - first + 1 < words.size()) {
        pieces->emplace(value.substr(words[first].first, words[last].second - words[first].first));
      }
    }
  }
}

/// How many of the distinct values of the part occur as pieces of the whole's.
double share_in_pieces(const ColumnSketch& part, const Pieces& pieces) {
  if (part.values.empty()) {
    return 0;
  }
  const auto values = std::span(part.values).first(std::min(part.values.size(), kSplitValuesMax));
  const auto found = std::ranges::count_if(
      values, [&](const std::string& value) { return pieces.contains(value); });
  return static_cast<double>(found) / static_cast<double>(values.size());
}

struct Part {
  const Candidate* candidate = nullptr;
  bool by_pattern = false;
  bool by_name = false;  ///< Has the whole's name in its own: venue, venue_city.
  double by_values = 0;
};

/// A weight for a set of parts of a whole.
Split weigh(const Candidate& whole, const std::vector<Part>& parts, bool merged) {
  Split split{
      .whole = whole.column->name, .parts = {}, .merged = merged, .confidence = 0, .evidence = {}};
  double values = 0;
  std::size_t pattern = 0;
  std::size_t name = 0;
  for (const Part& part : parts) {
    split.parts.push_back(part.candidate->column->name);
    values += part.by_values;
    pattern += part.by_pattern ? 1 : 0;
    name += part.by_name ? 1 : 0;
  }
  const auto count = static_cast<double>(parts.size());
  if (pattern >= 2) {
    split.evidence.push_back(
        {.kind = "name", .detail = "the names are those of a whole and its parts", .weight = 2.6});
  } else if (name >= 2) {
    split.evidence.push_back(
        {.kind = "name", .detail = "the parts have the whole's name in theirs", .weight = 1.4});
  }
  const double mean = values / count;
  constexpr auto kSteps =
      std::to_array<Step>({{0.6, 3.4}, {0.35, 2.4}, {0.15, 1.0}, {0.05, 0}, {0, -1.4}});
  const bool known = whole.column->values && whole.column->values->filled() > 0;
  split.evidence.push_back(
      {.kind = "values",
       .detail = known
                     ? fmt::format("{:.0f} % of the parts' values occur in the whole's", mean * 100)
                     : "no values are known",
       .weight = known ? stepped(mean, kSteps) : 0});
  split.confidence = confidence_of(split.evidence);
  return split;
}

/// Whether the whole's values have words, and so may have parts.
bool may_have_parts(const ColumnSketch& sketch) {
  std::int64_t several = 0;
  for (const auto& [shape, times] : sketch.shapes) {
    const bool marked = shape.find_first_of(" ,;/|-_") != std::string::npos;
    const bool multiplied = shape.contains("9a9");
    several += marked || multiplied ? times : 0;
  }
  return several * 2 > sketch.filled();
}

/// For each of `many`, how many of its values occur in the whole's.
std::vector<double> shares_in(const Candidate& whole, const std::vector<Candidate>& many) {
  Pieces pieces;
  if (whole.column->values) {
    const std::vector<std::string>& values = whole.column->values->values;
    for (std::size_t i = 0; i < std::min(values.size(), kSplitValuesMax); ++i) {
      add_pieces(values[i], &pieces);
    }
  }
  std::vector<double> shares(many.size(), 0);
  for (std::size_t i = 0; i < many.size(); ++i) {
    if (many[i].column->values) {
      shares[i] = share_in_pieces(*many[i].column->values, pieces);
    }
  }
  return shares;
}

std::vector<Part> parts_of(const Candidate& whole, const std::vector<Candidate>& many,
                           const std::vector<double>& shares, const Pattern* pattern) {
  std::vector<Part> parts;
  for (std::size_t i = 0; i < many.size(); ++i) {
    const Candidate& one = many[i];
    Part part{.candidate = &one, .by_pattern = false, .by_name = false, .by_values = shares[i]};
    part.by_pattern = pattern != nullptr && names_one_of(one, pattern->parts);
    part.by_name = std::ranges::any_of(whole.parts, [&](const NamePart& word) {
      return word.weight >= 1 && one.parts.size() > 1 &&
             std::ranges::find(one.parts, word.meaning, &NamePart::meaning) != one.parts.end();
    });
    constexpr double kSupported = 0.15;
    if (part.by_pattern || part.by_values >= kSupported) {
      parts.push_back(part);
    }
  }
  return parts;
}

}  // namespace

std::vector<Evidence> rename_evidence(const Candidate& before, const Candidate& after,
                                      int format_version) {
  std::vector<Evidence> all = {
      name_evidence(before, after),
      type_evidence(*before.column->type, *after.column->type, format_version),
      place_evidence(before, after)};
  if (before.column->values && after.column->values) {
    all.push_back(values_evidence(*before.column->values, *after.column->values));
    all.push_back(overlap_evidence(*before.column->values, *after.column->values));
  }
  std::erase_if(all, [](const Evidence& one) { return one.detail.empty(); });
  return all;
}

double confidence_of(const std::vector<Evidence>& evidence) {
  double odds = kPrior;
  for (const Evidence& one : evidence) {
    odds += one.weight;
  }
  return 1 / (1 + std::exp(-odds));
}

std::vector<Split> find_splits(const std::vector<Candidate>& wholes,
                               const std::vector<Candidate>& many, bool merged) {
  constexpr double kSplitSure = 0.5;
  std::vector<Split> found;
  if (many.size() < 2) {
    return found;
  }
  for (const Candidate& whole : wholes) {
    const bool possible = !whole.column->values || whole.column->values->filled() == 0 ||
                          may_have_parts(*whole.column->values);
    if (!possible || class_of(*whole.column->type) == TypeClass::Nested) {
      continue;
    }
    Split best;
    const std::vector<double> shares = shares_in(whole, many);
    const auto consider = [&](const Pattern* pattern) {
      const std::vector<Part> parts = parts_of(whole, many, shares, pattern);
      if (parts.size() >= 2) {
        Split split = weigh(whole, parts, merged);
        if (split.confidence > best.confidence) {
          best = std::move(split);
        }
      }
    };
    consider(nullptr);
    for (const Pattern& pattern : kPatterns) {
      if (names_one_of(whole, pattern.whole)) {
        consider(&pattern);
      }
    }
    if (best.confidence >= kSplitSure) {
      found.push_back(std::move(best));
    }
  }
  std::ranges::sort(found, std::ranges::greater(), &Split::confidence);
  std::set<std::string> used;
  std::erase_if(found, [&](const Split& split) {
    const bool taken = std::ranges::any_of(
        split.parts, [&](const std::string& part) { return used.contains(part); });
    if (!taken) {
      used.insert(split.parts.begin(), split.parts.end());
    }
    return taken;
  });
  return found;
}

}  // namespace lakehouse::catalog
