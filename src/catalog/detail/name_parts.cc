#include "catalog/detail/name_parts.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/text.h"
#include "catalog/detail/name_words.h"

namespace lakehouse::catalog {

namespace {

constexpr std::size_t kPartsMax = 12;
constexpr std::size_t kPartBytesMax = 40;
constexpr double kGeneralWeight = 0.5;
constexpr double kNoiseWeight = 0.1;
/// Parts that are at least so alike mean the same.
constexpr double kSame = 0.75;

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return is_upper(c) || is_lower(c) || static_cast<unsigned char>(c) >= 0x80U;
}

/// "orders" and "order", "shipped" and "ship", "price" and "pricing" have the same stem.
std::string stem(std::string word) {
  const auto cut = [&word](std::string_view ending, std::size_t rest_min) {
    if (word.size() >= rest_min + ending.size() && word.ends_with(ending)) {
      word.resize(word.size() - ending.size());
      return true;
    }
    return false;
  };
  if (!word.ends_with("ss") && !word.ends_with("us") && !word.ends_with("is")) {
    if (cut("ies", 3)) {
      word += 'y';
    } else {
      cut("s", 3);
    }
  }
  if (cut("ing", 4) || cut("ed", 4)) {
    if (word.size() > 3 && word[word.size() - 1] == word[word.size() - 2]) {
      word.pop_back();
    }
  }
  cut("e", 4);
  return word;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t end = std::min(line.find(' ', at), line.size());
    if (end > at) {
      words.push_back(line.substr(at, end - at));
    }
    at = end + 1;
  }
  return words;
}

/// The lists of name_words.h, to be looked up. Immutable.
class Words {
 public:
  static const Words& get() {
    static const Words words;
    return words;
  }

  [[nodiscard]] const std::string* meaning(const std::string& word) const {
    auto found = meanings_.find(word);
    if (found == meanings_.end()) {
      found = meanings_.find(stem(word));
    }
    return found == meanings_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] const std::vector<std::string>* initialism(const std::string& word) const {
    const auto found = initialisms_.find(word);
    return found == initialisms_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] double weight(const std::string& meaning) const {
    return noise_.contains(meaning)     ? kNoiseWeight
           : general_.contains(meaning) ? kGeneralWeight
                                        : 1;
  }
  [[nodiscard]] bool exclude(const std::string& a, const std::string& b) const {
    return exclusive_.contains({a, b});
  }
  [[nodiscard]] double near(const std::string& a, const std::string& b) const {
    const auto found = near_.find({a, b});
    return found == near_.end() ? 0 : found->second;
  }

 private:
  Words() {
    for (const std::string_view line : kMeanings) {
      const std::size_t colon = line.find(':');
      const std::string meaning(line.substr(0, colon));
      meanings_.emplace(meaning, meaning);
      meanings_.emplace(stem(meaning), meaning);
      for (const std::string_view word : words_of(line.substr(colon + 1))) {
        meanings_.emplace(word, meaning);
        meanings_.emplace(stem(std::string(word)), meaning);
      }
    }
    for (const std::string_view line : kInitialisms) {
      const std::size_t colon = line.find(':');
      for (const std::string_view word : words_of(line.substr(colon + 1))) {
        initialisms_[std::string(line.substr(0, colon))].emplace_back(word);
      }
    }
    general_.insert(kGeneral.begin(), kGeneral.end());
    noise_.insert(kNoise.begin(), kNoise.end());
    for (const std::string_view line : kExclusive) {
      const std::vector<std::string_view> words = words_of(line);
      for (const std::string_view a : words) {
        for (const std::string_view b : words) {
          if (a != b) {
            exclusive_.emplace(a, b);
          }
        }
      }
    }
    for (const NearWords& one : kNear) {
      near_[{std::string(one.a), std::string(one.b)}] = one.likeness;
      near_[{std::string(one.b), std::string(one.a)}] = one.likeness;
    }
  }

  std::map<std::string, std::string, std::less<>> meanings_;
  std::map<std::string, std::vector<std::string>> initialisms_;
  std::set<std::string, std::less<>> general_;
  std::set<std::string, std::less<>> noise_;
  std::set<std::pair<std::string, std::string>> exclusive_;
  std::map<std::pair<std::string, std::string>, double> near_;
};

std::vector<std::string> raw_parts(std::string_view name) {
  std::vector<std::string> parts;
  std::string part;
  const auto flush = [&] {
    if (!part.empty() && parts.size() < kPartsMax) {
      parts.push_back(to_lower(part));
    }
    part.clear();
  };
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (!is_letter(c) && !is_digit(c)) {
      flush();
      continue;
    }
    if (!part.empty()) {
      const char before = name[i - 1];
      const bool lower_follows = i + 1 < name.size() && is_lower(name[i + 1]);
      const bool new_word = is_upper(c) && (!is_upper(before) || lower_follows);
      if (new_word || is_digit(c) != is_digit(before)) {
        flush();
      }
    }
    if (part.size() < kPartBytesMax) {
      part += c;
    }
  }
  flush();
  return parts;
}

/// "orderdate" as {"order", "date"}: known words of three letters and more, the fewest; empty if it
/// is not made of them.
std::vector<std::string> compound(const std::string& word) {
  constexpr std::size_t kWordMin = 3;
  const std::size_t size = word.size();
  std::vector<std::vector<std::string>> best(size + 1);
  std::vector<bool> reached(size + 1, false);
  reached[0] = true;
  for (std::size_t end = kWordMin; end <= size; ++end) {
    for (std::size_t start = 0; start + kWordMin <= end; ++start) {
      const std::string piece = word.substr(start, end - start);
      if (!reached[start] || Words::get().meaning(piece) == nullptr) {
        continue;
      }
      if (!reached[end] || best[start].size() + 1 < best[end].size()) {
        best[end] = best[start];
        best[end].push_back(piece);
        reached[end] = true;
      }
    }
  }
  return reached[size] ? best[size] : std::vector<std::string>();
}

NamePart part_of(const std::string& word) {
  NamePart part{.text = word, .meaning = word, .known = false, .weight = 1};
  if (const std::string* meaning = Words::get().meaning(word)) {
    part.meaning = *meaning;
    part.known = true;
  }
  part.weight = Words::get().weight(part.meaning);
  if (!part.known && (word.size() == 1 || std::ranges::all_of(word, is_digit))) {
    part.weight = kNoiseWeight;
  }
  return part;
}

bool is_subsequence(std::string_view part, std::string_view whole) {
  std::size_t at = 0;
  for (const char c : part) {
    at = whole.find(c, at);
    if (at == std::string_view::npos) {
      return false;
    }
    ++at;
  }
  return true;
}

/// How likely the shorter word is an abbreviation of the longer one.
double abbreviates(std::string_view a, std::string_view b) {
  if (a.size() > b.size()) {
    std::swap(a, b);
  }
  if (a.size() < 2 || a.size() == b.size() || a.front() != b.front()) {
    return 0;
  }
  constexpr std::size_t kSure = 3;
  if (b.starts_with(a)) {
    return a.size() >= kSure ? 0.9 : 0.6;
  }
  if (!is_subsequence(a, b)) {
    return 0;
  }
  const bool no_vowels = a.substr(1).find_first_of("aeiou") == std::string_view::npos;
  if (a.size() >= kSure) {
    return no_vowels || a.back() == b.back() ? 0.85 : 0.6;
  }
  return no_vowels ? 0.6 : 0;
}

bool one_edit_apart(std::string_view a, std::string_view b) {
  constexpr std::size_t kLongEnough = 5;
  if (a.size() > b.size()) {
    std::swap(a, b);
  }
  if (a.size() < kLongEnough || b.size() - a.size() > 1) {
    return false;
  }
  const auto [at_a, at_b] = std::ranges::mismatch(a, b);
  const std::string_view rest_a(at_a, a.end());
  const std::string_view rest_b(at_b, b.end());
  return rest_b.empty() || rest_a == rest_b.substr(1) ||
         (a.size() == b.size() && rest_a.substr(1) == rest_b.substr(1));
}

double likeness(const NamePart& a, const NamePart& b) {
  if (a.meaning == b.meaning) {
    return 1;
  }
  if (const double near = Words::get().near(a.meaning, b.meaning); near > 0) {
    return near;
  }
  // Two words that we know are what they are, however alike they look: count and country.
  if (a.known && b.known) {
    return 0;
  }
  if (one_edit_apart(a.text, b.text)) {
    return 0.85;
  }
  return std::max({abbreviates(a.text, b.text), abbreviates(a.text, b.meaning),
                   abbreviates(a.meaning, b.text)});
}

/// How many parts from `at` on have the word's letters as their initials: "hr" of heart rate.
std::size_t initials_at(const std::string& word, const std::vector<NamePart>& parts,
                        std::size_t at) {
  if (word.size() < 2 || at + word.size() > parts.size()) {
    return 0;
  }
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (parts[at + i].text.front() != word[i]) {
      return 0;
    }
  }
  return word.size();
}

/// Finds which parts of two names go together.
class Alignment {
 public:
  Alignment(const std::vector<NamePart>& a, const std::vector<NamePart>& b)
      : a_(a), b_(b), to_a_(a.size(), 0), to_b_(b.size(), 0) {
    take_initials(a_, b_, &to_a_, &to_b_);
    take_initials(b_, a_, &to_b_, &to_a_);
    take_pairs();
  }

  [[nodiscard]] NameLikeness result() const {
    NameLikeness out;
    double together = 0;
    double all = 0;
    const auto add = [&](const std::vector<NamePart>& parts, const std::vector<double>& matched) {
      for (std::size_t i = 0; i < parts.size(); ++i) {
        together += parts[i].weight * matched[i];
        all += parts[i].weight;
      }
    };
    add(a_, to_a_);
    add(b_, to_b_);
    out.score = all > 0 ? together / all : 0;
    for (std::size_t i = 0; i < a_.size(); ++i) {
      if (to_a_[i] >= kSame && a_[i].weight > kNoiseWeight) {
        out.common += (out.common.empty() ? "" : ", ") + a_[i].meaning;
      }
    }
    bool lacks_a = false;
    bool lacks_b = false;
    for (std::size_t i = 0; i < a_.size(); ++i) {
      for (std::size_t j = 0; j < b_.size(); ++j) {
        const bool apart = to_a_[i] < kSame && to_b_[j] < kSame;
        if (apart && Words::get().exclude(a_[i].meaning, b_[j].meaning)) {
          out.exclusive = true;
          out.opposed = a_[i].meaning + " / " + b_[j].meaning;
        }
      }
    }
    const auto lacks = [](const std::vector<NamePart>& parts, const std::vector<double>& matched) {
      for (std::size_t i = 0; i < parts.size(); ++i) {
        if (matched[i] < 0.3 && parts[i].weight >= kGeneralWeight) {
          return true;
        }
      }
      return false;
    };
    lacks_a = lacks(a_, to_a_);
    lacks_b = lacks(b_, to_b_);
    out.both_differ = lacks_a && lacks_b;
    return out;
  }

 private:
  static void take_initials(const std::vector<NamePart>& shorts, const std::vector<NamePart>& longs,
                            std::vector<double>* to_shorts, std::vector<double>* to_longs) {
    constexpr double kInitials = 0.9;
    for (std::size_t i = 0; i < shorts.size(); ++i) {
      for (std::size_t at = 0; at < longs.size() && (*to_shorts)[i] == 0; ++at) {
        const std::size_t count = initials_at(shorts[i].text, longs, at);
        if (count == 0) {
          continue;
        }
        (*to_shorts)[i] = kInitials;
        for (std::size_t j = at; j < at + count; ++j) {
          (*to_longs)[j] = kInitials;
        }
      }
    }
  }

  void take_pairs() {
    while (true) {
      double best = 0.25;
      std::size_t best_i = 0;
      std::size_t best_j = 0;
      bool any = false;
      for (std::size_t i = 0; i < a_.size(); ++i) {
        for (std::size_t j = 0; j < b_.size(); ++j) {
          const double like = to_a_[i] > 0 || to_b_[j] > 0 ? 0 : likeness(a_[i], b_[j]);
          if (like > best) {
            best = like;
            best_i = i;
            best_j = j;
            any = true;
          }
        }
      }
      if (!any) {
        return;
      }
      to_a_[best_i] = best;
      to_b_[best_j] = best;
    }
  }

  const std::vector<NamePart>& a_;
  const std::vector<NamePart>& b_;
  std::vector<double> to_a_;
  std::vector<double> to_b_;
};

std::string joined(const std::vector<NamePart>& parts) {
  std::string all;
  for (const NamePart& part : parts) {
    all += part.text;
  }
  return all;
}

}  // namespace

std::vector<NamePart> name_parts(std::string_view name) {
  constexpr std::size_t kCompoundMin = 6;
  std::vector<NamePart> parts;
  for (const std::string& word : raw_parts(name)) {
    if (const auto* const words = Words::get().initialism(word)) {
      for (const std::string& one : *words) {
        parts.push_back(part_of(one));
      }
      continue;
    }
    const bool known = Words::get().meaning(word) != nullptr;
    const std::vector<std::string> words =
        known || word.size() < kCompoundMin ? std::vector<std::string>() : compound(word);
    if (words.size() < 2) {
      parts.push_back(part_of(word));
    } else {
      for (const std::string& one : words) {
        parts.push_back(part_of(one));
      }
    }
  }
  parts.resize(std::min(parts.size(), kPartsMax));
  return parts;
}

NameLikeness compare_names(const std::vector<NamePart>& a, const std::vector<NamePart>& b) {
  NameLikeness likeness = Alignment(a, b).result();
  if (!a.empty() && joined(a) == joined(b)) {
    likeness.score = 1;
    likeness.exclusive = false;
    likeness.both_differ = false;
  }
  return likeness;
}

bool says_nothing(const std::vector<NamePart>& parts) {
  return std::ranges::all_of(parts,
                             [](const NamePart& part) { return part.weight <= kNoiseWeight; });
}

}  // namespace lakehouse::catalog
