#include "ai/tokens/unicode.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace lakehouse::ai {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};
struct ClassRange {
  char32_t first;
  char32_t last;
  std::uint8_t combining_class;
};
struct Mapping {
  char32_t from;
  std::uint16_t offset;
  std::uint8_t length;
};

#include "ai/tokens/unicode_tables.inc"

constexpr char32_t kReplacement = 0xFFFD;

template <class Entry>
const Entry* find_range(std::span<const Entry> ranges, char32_t c) {
  const auto after = std::ranges::upper_bound(ranges, c, {}, &Entry::first);
  return after == ranges.begin() || std::prev(after)->last < c ? nullptr : &*std::prev(after);
}

bool is_in(std::span<const Range> ranges, char32_t c) {
  return find_range(ranges, c) != nullptr;
}

std::u32string_view mapped(std::span<const Mapping> mappings, const char32_t* texts,
                           const char32_t& c) {
  const auto found = std::ranges::lower_bound(mappings, c, {}, &Mapping::from);
  return found == mappings.end() || found->from != c
             ? std::u32string_view(&c, 1)
             : std::u32string_view(texts + found->offset, found->length);
}

std::u32string clean(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    if (is_in(kSpace, c)) {
      out.push_back(U' ');
    } else if (!is_in(kGone, c)) {
      out.push_back(c);
    }
  }
  return out;
}

std::u32string put_apart(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    if (is_in(kIdeograph, c)) {
      out.append({U' ', c, U' '});
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::uint8_t combining_class(char32_t c) {
  const auto* found = find_range(std::span<const ClassRange>(kClass), c);
  return found == nullptr ? std::uint8_t{0} : found->combining_class;
}

void append_decomposed(std::u32string& out, char32_t c) {
  // Hangul syllables are put together by rule; Unicode, chapter 3.12.
  constexpr char32_t kBase = 0xAC00;
  constexpr char32_t kCount = 11'172;
  constexpr char32_t kVowels = 21;
  constexpr char32_t kTails = 28;
  if (c < kBase || c >= kBase + kCount) {
    out.append(mapped(kDecomposed, kDecomposedText, c));
    return;
  }
  const char32_t index = c - kBase;
  out.push_back(0x1100 + index / (kVowels * kTails));
  out.push_back(0x1161 + index % (kVowels * kTails) / kTails);
  if (index % kTails != 0) {
    out.push_back(0x11A7 + index % kTails);
  }
}

// By class, and of one class as they were.
void put_in_order(std::u32string::iterator begin, std::u32string::iterator end) {
  if (end - begin < 2) {
    return;
  }
  std::vector<std::tuple<std::uint8_t, std::ptrdiff_t, char32_t>> marks;
  for (auto at = begin; at != end; ++at) {
    marks.emplace_back(combining_class(*at), at - begin, *at);
  }
  std::ranges::sort(marks);
  for (const auto& [combining_class, position, c] : marks) {
    *begin++ = c;
  }
}

std::u32string without_accents(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    append_decomposed(out, c);
  }
  // Marks on one letter have an order of their own.
  const auto is_starter = [](char32_t c) { return c < 0x300 || combining_class(c) == 0; };
  for (auto at = out.begin(); at != out.end();) {
    const auto begin = std::find_if_not(at, out.end(), is_starter);
    at = std::find_if(begin, out.end(), is_starter);
    put_in_order(begin, at);
  }
  std::erase_if(out, [](char32_t c) { return is_in(kMark, c); });
  return out;
}

std::u32string lowered(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    out.append(mapped(kLowered, kLoweredText, c));
  }
  return out;
}

// Most text is ASCII, and needs none of the tables.
std::u32string normalize_ascii(std::u32string_view text, const NormalizerOptions& options) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    const bool is_space = c == U' ' || (c >= U'\t' && c <= U'\r');
    const bool is_control = c < U' ' || c == 0x7F;
    if (options.clean_text && is_in(kSpace, c)) {
      out.push_back(U' ');
    } else if (options.clean_text && is_control && is_in(kGone, c)) {
      continue;
    } else {
      out.push_back(options.lowercase && !is_space && c >= U'A' && c <= U'Z' ? c + 32 : c);
    }
  }
  return out;
}

}  // namespace

std::u32string decode_utf8(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t k) {
      return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0U;
    };
    const unsigned lead = byte(0);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    char32_t c = length == 1 ? lead : lead & (0xFFU >> (length + 1));
    bool is_valid = lead < 0x80 || (lead >= 0xC2 && lead <= 0xF4);
    for (std::size_t k = 1; k < length && is_valid; ++k) {
      is_valid = (byte(k) & 0xC0U) == 0x80U;
      c = c << 6U | (byte(k) & 0x3FU);
    }
    is_valid = is_valid && (length < 3 || c >= (length == 3 ? 0x800U : 0x10000U)) &&
               c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
    out.push_back(is_valid ? c : kReplacement);
    i += is_valid ? length : 1;
  }
  return out;
}

void append_utf8(std::string& to, char32_t c) {
  if (c < 0x80) {
    to.push_back(static_cast<char>(c));
    return;
  }
  const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  to.push_back(static_cast<char>((0xF00U >> static_cast<unsigned>(more + 1) & 0xFFU) |
                                 c >> static_cast<unsigned>(6 * more)));
  for (int k = more - 1; k >= 0; --k) {
    to.push_back(static_cast<char>(0x80U | (c >> static_cast<unsigned>(6 * k) & 0x3FU)));
  }
}

std::u32string normalize(std::u32string_view text, const NormalizerOptions& options) {
  if (std::ranges::all_of(text, [](char32_t c) { return c < 0x80; })) {
    return normalize_ascii(text, options);
  }
  std::u32string out(text);
  if (options.clean_text) {
    out = clean(out);
  }
  if (options.handle_chinese_chars) {
    out = put_apart(out);
  }
  if (options.strip_accents) {
    out = without_accents(out);
  }
  if (options.lowercase) {
    out = lowered(out);
  }
  return out;
}

bool is_between_words(char32_t c) {
  return is_in(kSplit, c);
}

bool is_punctuation(char32_t c) {
  return is_in(kPunctuation, c);
}

}  // namespace lakehouse::ai
