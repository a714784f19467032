#include "ingest/names.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/text.h"

namespace lakehouse::ingest {

namespace {

/// Latin letters with marks, as people type them without; lower case, since case goes anyway.
constexpr std::array<std::pair<std::string_view, std::string_view>, 66> kLatin = {{
    {"Ä", "ae"}, {"ä", "ae"}, {"Ö", "oe"}, {"ö", "oe"}, {"Ü", "ue"}, {"ü", "ue"}, {"ß", "ss"},
    {"À", "a"},  {"à", "a"},  {"Á", "a"},  {"á", "a"},  {"Â", "a"},  {"â", "a"},  {"Ã", "a"},
    {"ã", "a"},  {"Å", "a"},  {"å", "a"},  {"Æ", "ae"}, {"æ", "ae"}, {"Ç", "c"},  {"ç", "c"},
    {"Č", "c"},  {"č", "c"},  {"È", "e"},  {"è", "e"},  {"É", "e"},  {"é", "e"},  {"Ê", "e"},
    {"ê", "e"},  {"Ë", "e"},  {"ë", "e"},  {"Ì", "i"},  {"ì", "i"},  {"Í", "i"},  {"í", "i"},
    {"Î", "i"},  {"î", "i"},  {"Ï", "i"},  {"ï", "i"},  {"Ñ", "n"},  {"ñ", "n"},  {"Ò", "o"},
    {"ò", "o"},  {"Ó", "o"},  {"ó", "o"},  {"Ô", "o"},  {"ô", "o"},  {"Õ", "o"},  {"õ", "o"},
    {"Ø", "o"},  {"ø", "o"},  {"Š", "s"},  {"š", "s"},  {"Ù", "u"},  {"ù", "u"},  {"Ú", "u"},
    {"ú", "u"},  {"Û", "u"},  {"û", "u"},  {"Ž", "z"},  {"ž", "z"},  {"Ł", "l"},  {"ł", "l"},
    {"Œ", "oe"}, {"œ", "oe"}, {"ÿ", "y"},
}};

constexpr std::size_t kNameBytesMax = 128;

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/// Characters that are words of their own in a heading.
std::string_view word_of(char c) {
  switch (c) {
    case '%': return "percent";
    case '#': return "number";
    case '&': return "and";
    case '@': return "at";
    case '+': return "plus";
    default: return {};
  }
}

class Builder {
 public:
  void letter(std::string_view text) {
    if (gap_ && !out_.empty() && out_.back() != '.') {
      out_ += '_';
    }
    gap_ = false;
    out_ += text;
  }
  void gap() { gap_ = true; }
  void dot() {
    gap_ = false;
    if (!out_.empty() && out_.back() != '.') {
      out_ += '.';
    }
  }
  std::string finish() {
    while (!out_.empty() && out_.back() == '.') {
      out_.pop_back();
    }
    return std::move(out_);
  }

 private:
  std::string out_;
  bool gap_ = false;
};

std::size_t length_of_character(std::string_view text, std::size_t at) {
  std::size_t length = 1;
  while (at + length < text.size() &&
         (static_cast<unsigned char>(text[at + length]) & 0xC0U) == 0x80U) {
    ++length;
  }
  return length;
}

/// A new word begins at an upper-case letter after a lower-case one ("unitPrice"), and at the last
/// of several before a lower-case one ("HTTPServer").
bool begins_word(std::string_view name, std::size_t at) {
  if (at == 0 || !is_upper(name[at])) {
    return false;
  }
  const char before = name[at - 1];
  const bool lower_follows = at + 1 < name.size() && name[at + 1] >= 'a' && name[at + 1] <= 'z';
  return is_lower_or_digit(before) || (is_upper(before) && lower_follows);
}

void add_character(std::string_view name, std::size_t at, std::size_t length, bool keep_dots,
                   Builder* builder) {
  const std::string_view character = name.substr(at, length);
  const char c = character.front();
  if (length > 1) {
    const auto* const latin =
        std::ranges::find(kLatin, character, &std::pair<std::string_view, std::string_view>::first);
    // No-break and other wide spaces separate; other scripts' letters stay.
    if (character == "\u00A0" || character == "\u3000" || character.starts_with("\xE2\x80")) {
      builder->gap();
    } else {
      builder->letter(latin != kLatin.end() ? latin->second : character);
    }
  } else if (is_upper(c) || is_lower_or_digit(c)) {
    if (begins_word(name, at)) {
      builder->gap();
    }
    const char lower = is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
    builder->letter({&lower, 1});
  } else if (c == '.' && keep_dots) {
    builder->dot();
  } else if (const std::string_view word = word_of(c); !word.empty()) {
    builder->gap();
    builder->letter(word);
    builder->gap();
  } else if (c != '\'') {
    builder->gap();
  }
}

}  // namespace

std::string normalise_name(std::string_view name, std::size_t index, bool keep_dots) {
  Builder builder;
  if (is_valid_utf8(name)) {
    for (std::size_t at = 0; at < name.size();) {
      const std::size_t length = length_of_character(name, at);
      add_character(name, at, length, keep_dots, &builder);
      at += length;
    }
  }
  std::string out = builder.finish();
  if (out.empty()) {
    return "column_" + std::to_string(index + 1);
  }
  if (out.size() > kNameBytesMax) {
    std::size_t end = kNameBytesMax;
    while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0U) == 0x80U) {
      --end;
    }
    out.resize(end);
  }
  return out;
}

std::vector<std::string> normalise_names(const std::vector<std::string>& names, bool keep_dots) {
  std::vector<std::string> out;
  std::set<std::string, std::less<>> taken;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string base = normalise_name(names[i], i, keep_dots);
    std::string unique = base;
    for (int n = 2; !taken.insert(unique).second; ++n) {
      unique = base + "_" + std::to_string(n);
    }
    out.push_back(std::move(unique));
  }
  return out;
}

}  // namespace lakehouse::ingest
