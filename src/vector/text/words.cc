#include "vector/text/words.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

#include <libstemmer.h>

namespace lakehouse::vector {

namespace {

enum class CharKind : std::uint8_t { None, Letter, Sign, Accent };

struct CharRange {
  std::uint32_t first;
  std::uint32_t last;
  CharKind kind;
};
/// Every `step`-th character from first to last becomes itself + difference.
struct FoldRun {
  std::uint32_t first;
  std::uint32_t last;
  std::uint32_t step;
  std::int32_t difference;
};
struct FoldLong {
  std::uint32_t from;
  std::array<std::uint32_t, 4> to;
};

#include "vector/text/unicode_tables.inc"

constexpr std::uint32_t kApostrophe = 0x2019;

bool is_ascii_letter(std::uint32_t code) {
  return (code | 0x20U) >= 'a' && (code | 0x20U) <= 'z';
}

CharKind kind_of(std::uint32_t code) {
  if (code < 0x80) {
    return is_ascii_letter(code) || (code >= '0' && code <= '9') ? CharKind::Letter
                                                                 : CharKind::None;
  }
  const CharRange* range = std::lower_bound(
      std::begin(kRanges), std::end(kRanges), code,
      [](const CharRange& item, std::uint32_t wanted) { return item.last < wanted; });
  return range != std::end(kRanges) && range->first <= code ? range->kind : CharKind::None;
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
    return;
  }
  const unsigned tail = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  constexpr std::array<std::uint32_t, 4> kLead = {0, 0xC0, 0xE0, 0xF0};
  out.push_back(static_cast<char>(kLead[tail] | (code >> (6 * tail))));
  for (unsigned i = tail; i-- > 0;) {
    out.push_back(static_cast<char>(0x80U | ((code >> (6 * i)) & 0x3FU)));
  }
}

/// The folded character, up to four of them. Runs of other steps may lie between a run's first and
/// last, so a few before the nearest are looked at, too.
void append_folded(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code >= 'A' && code <= 'Z' ? code + 0x20 : code));
    return;
  }
  const FoldRun* run = std::upper_bound(
      std::begin(kFolds), std::end(kFolds), code,
      [](std::uint32_t wanted, const FoldRun& item) { return wanted < item.first; });
  for (int i = 0; i < 4 && run != std::begin(kFolds); ++i) {
    --run;
    if (code <= run->last && (code - run->first) % run->step == 0) {
      append_utf8(out,
                  static_cast<std::uint32_t>(static_cast<std::int64_t>(code) + run->difference));
      return;
    }
  }
  const FoldLong* fold = std::lower_bound(
      std::begin(kLongFolds), std::end(kLongFolds), code,
      [](const FoldLong& item, std::uint32_t wanted) { return item.from < wanted; });
  if (fold != std::end(kLongFolds) && fold->from == code) {
    for (const std::uint32_t to : fold->to) {
      if (to != 0) {
        append_utf8(out, to);
      }
    }
    return;
  }
  append_utf8(out, code);
}

// Sorted. Articles, pronouns, prepositions, auxiliaries and the words of questions.
constexpr std::array<std::string_view, 152> kStopWords = {
    "a",       "about",   "above",  "after",  "again",   "all",      "also",   "am",     "among",
    "an",      "and",     "any",    "anyone", "are",     "as",       "at",     "be",     "because",
    "been",    "before",  "being",  "below",  "between", "both",     "but",    "by",     "can",
    "cannot",  "could",   "did",    "do",     "does",    "doing",    "done",   "dont",   "down",
    "during",  "each",    "either", "ever",   "every",   "find",     "for",    "from",   "further",
    "get",     "give",    "given",  "had",    "has",     "have",     "having", "he",     "her",
    "here",    "hers",    "him",    "his",    "how",     "however",  "i",      "if",     "im",
    "in",      "into",    "is",     "isnt",   "it",      "its",      "itself", "ive",    "just",
    "let",     "may",     "me",     "might",  "mine",    "more",     "most",   "much",   "must",
    "my",      "no",      "nor",    "not",    "of",      "off",      "on",     "once",   "only",
    "or",      "other",   "our",    "ours",   "out",     "over",     "own",    "please", "shall",
    "she",     "should",  "show",   "so",     "some",    "such",     "tell",   "than",   "that",
    "the",     "their",   "theirs", "them",   "then",    "there",    "these",  "they",   "this",
    "those",   "through", "to",     "too",    "under",   "until",    "up",     "upon",   "us",
    "very",    "was",     "we",     "were",   "what",    "whatever", "whats",  "when",   "where",
    "whether", "which",   "while",  "who",    "whom",    "whose",    "why",    "will",   "with",
    "within",  "without", "would",  "yes",    "yet",     "you",      "your",   "yours"};

}  // namespace

bool is_stop_word(std::string_view word) {
  return std::ranges::binary_search(kStopWords, word);
}

std::vector<std::string> stop_terms(Analysis analysis) {
  std::vector<std::string> terms;
  Stemmer stemmer(analysis);
  for (const std::string_view word : kStopWords) {
    if (analysis == Analysis::English) {
      terms.emplace_back(stemmer.term(word, true));
    }
  }
  std::ranges::sort(terms);
  return terms;
}

WordReader::Char WordReader::char_at(std::size_t at) const {
  if (at >= text_.size()) {
    return {};
  }
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text_[at + i]); };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) {
    return {.code = lead, .bytes = 1};
  }
  const std::size_t tail = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC2 ? 1 : 0;
  if (tail == 0 || lead > 0xF4 || at + tail >= text_.size()) {
    return {.code = 0, .bytes = 1};
  }
  char32_t code = lead & (0x3FU >> tail);
  for (std::size_t i = 1; i <= tail; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) {
      return {.code = 0, .bytes = 1};
    }
    code = (code << 6U) | (byte(i) & 0x3FU);
  }
  constexpr std::array<char32_t, 4> kLeast = {0, 0x80, 0x800, 0x10000};
  return code < kLeast[tail] || (code >= 0xD800 && code < 0xE000) || code > 0x10FFFF
             ? Char{.code = 0, .bytes = 1}
             : Char{.code = code, .bytes = tail + 1};
}

bool WordReader::next() {
  if ((after_ == After::Sign && take_second_sign()) || (after_ == After::Word && take_mark())) {
    return true;
  }
  after_ = After::Nothing;
  while (at_ < text_.size()) {
    const Char character = char_at(at_);
    const CharKind kind = kind_of(character.code);
    if (kind == CharKind::Letter) {
      read_word();
      return true;
    }
    begin_ = at_;
    at_ += character.bytes;
    if (kind == CharKind::Sign) {
      word_.clear();
      append_folded(word_, character.code);
      end_ = at_;
      has_stem_ = false;
      after_ = After::Sign;
      return true;
    }
  }
  return false;
}

/// "don't" and "l'avion" are one word here; the stemmer takes what it knows of it.
bool WordReader::read_apostrophe(const Char& character) {
  if (character.code != '\'' && character.code != kApostrophe) {
    return false;
  }
  if (!is_ascii_letter(char_at(at_ + character.bytes).code)) {
    return false;
  }
  if (word_.size() < kTermBytesMax) {
    word_.push_back('\'');
  }
  at_ += character.bytes;
  return true;
}

void WordReader::read_word() {
  word_.clear();
  begin_ = at_;
  while (at_ < text_.size()) {
    const Char character = char_at(at_);
    const CharKind kind = kind_of(character.code);
    if (kind == CharKind::Letter) {
      const std::size_t before = word_.size();
      append_folded(word_, character.code);
      if (word_.size() > kTermBytesMax) {
        word_.resize(before);
      }
      at_ += character.bytes;
    } else if (kind == CharKind::Accent) {
      at_ += character.bytes;
    } else if (!read_apostrophe(character)) {
      break;
    }
  }
  end_ = at_;
  has_stem_ = true;
  after_ = After::Word;
}

/// Two neighbouring signs: the one before, which `word_` holds, and the one that follows.
bool WordReader::take_second_sign() {
  after_ = After::Nothing;
  const Char character = char_at(at_);
  if (kind_of(character.code) != CharKind::Sign) {
    return false;
  }
  append_folded(word_, character.code);
  end_ = at_ + character.bytes;  // But `at_` stays: that sign is a term by itself, too.
  return true;
}

/// "c++" and "c#", after "c" has been given.
bool WordReader::take_mark() {
  after_ = After::Nothing;
  const std::string_view rest = text_.substr(at_);
  const std::string_view mark = rest.starts_with("++") ? "++" : rest.starts_with('#') ? "#" : "";
  // "#" may begin the next word ("a#tag").
  if (mark.empty() || word_.size() + mark.size() > 8 ||
      kind_of(char_at(at_ + mark.size()).code) != CharKind::None) {
    return false;
  }
  word_ += mark;
  at_ += mark.size();
  end_ = at_;
  has_stem_ = false;
  return true;
}

void Stemmer::Release::operator()(sb_stemmer* stemmer) const {
  sb_stemmer_delete(stemmer);
}

Stemmer::Stemmer(Analysis analysis)
    : snowball_(analysis == Analysis::English ? sb_stemmer_new("english", "UTF_8") : nullptr) {}
Stemmer::~Stemmer() = default;

std::string_view Stemmer::term(const WordReader& reader) {
  return term(reader.word(), reader.has_stem());
}

std::string_view Stemmer::term(std::string_view word, bool has_stem) {
  if (!has_stem) {
    return word;
  }
  if (snowball_ != nullptr) {
    const sb_symbol* stem =
        sb_stemmer_stem(snowball_.get(), reinterpret_cast<const sb_symbol*>(word.data()),
                        static_cast<int>(word.size()));
    if (stem != nullptr) {
      word = {reinterpret_cast<const char*>(stem),
              static_cast<std::size_t>(sb_stemmer_length(snowball_.get()))};
    }
  }
  if (word.find('\'') == std::string_view::npos) {
    return word;
  }
  buffer_.assign(word);
  std::erase(buffer_, '\'');
  return buffer_;
}

}  // namespace lakehouse::vector
