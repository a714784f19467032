#include "vector/chunking.h"

#include <algorithm>
#include <cstdint>

namespace lakehouse::vector {
namespace {

/// How well a text may be cut behind a character, the better the higher.
enum class Cut : std::uint8_t { None, Word, Line, Sentence, Paragraph };

struct Character {
  std::size_t start = 0;  ///< In bytes.
  char32_t code = 0;
  bool is_space = false;
};

constexpr char32_t kBroken = 0xFFFD;

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

/// How many bytes the character at `at` has, and its code; one byte if they are no UTF-8.
std::size_t decode(std::string_view text, std::size_t at, char32_t* code) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t size = lead < 0x80                   ? 1
                           : lead >= 0xF0 && lead < 0xF5 ? 4
                           : lead >= 0xE0                ? 3
                           : lead >= 0xC2                ? 2
                                                         : 0;
  *code = kBroken;
  if (size == 0 || lead >= 0xF5 || at + size > text.size()) {
    return 1;
  }
  char32_t value = size == 1 ? lead : lead & (0xFFU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if (!is_continuation(text[at + i])) {
      return 1;
    }
    value = value << 6U | (static_cast<unsigned char>(text[at + i]) & 0x3FU);
  }
  *code = value;
  return size;
}

bool is_space(char32_t code) {
  return code == ' ' || (code >= 0x09 && code <= 0x0D) || code == 0x85 || code == 0xA0 ||
         (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F ||
         code == 0x205F || code == 0x3000;
}

bool is_newline(char32_t code) {
  return code == '\n' || code == 0x2028 || code == 0x2029;
}

/// Of CJK and its like: nothing follows them.
bool ends_sentence_alone(char32_t code) {
  return code == 0x3002 || code == 0xFF01 || code == 0xFF1F || code == 0xFF61;
}

bool ends_sentence_before_space(char32_t code) {
  return code == '.' || code == '!' || code == '?' || code == 0x2026 || code == 0x061F ||
         code == 0x0964 || code == 0x203D;
}

bool closes(char32_t code) {
  return code == '"' || code == '\'' || code == ')' || code == ']' || code == 0x2019 ||
         code == 0x201D || code == 0xBB || code == 0x300D;
}

/// Extends the character before it: combining marks, joiners, variation selectors, skin tones.
bool extends(char32_t code) {
  return (code >= 0x0300 && code <= 0x036F) || (code >= 0x1AB0 && code <= 0x1AFF) ||
         (code >= 0x20D0 && code <= 0x20FF) || code == 0x200D ||
         (code >= 0xFE00 && code <= 0xFE0F) || (code >= 0x1F3FB && code <= 0x1F3FF) ||
         (code >= 0xE0100 && code <= 0xE01EF);
}

/// Characters outside of scripts that put spaces between words.
bool is_word_alone(char32_t code) {
  return (code >= 0x2E80 && code <= 0x9FFF) || (code >= 0xF900 && code <= 0xFAFF) ||
         (code >= 0x20000 && code <= 0x3FFFF);
}

class Chunker {
 public:
  Chunker(std::string_view text, const ChunkOptions& options) : text_(text), options_(options) {
    characters_.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
      char32_t code = 0;
      const std::size_t size = decode(text, at, &code);
      characters_.push_back({at, code, is_space(code)});
      at += size;
    }
  }

  std::vector<ChunkSpan> run() {
    std::vector<ChunkSpan> chunks;
    std::size_t from = skip_space(0);
    while (from < characters_.size()) {
      std::size_t to = end_of(from);
      const bool is_last = to == characters_.size();
      std::size_t trimmed = to;
      while (trimmed > from && characters_[trimmed - 1].is_space) {
        --trimmed;
      }
      chunks.push_back({characters_[from].start, byte_of(trimmed)});
      if (is_last) {
        break;
      }
      const std::size_t next = skip_space(to);
      if (next == characters_.size()) {
        break;
      }
      from = options_.overlap == 0 ? next : begin_of_next(from, next);
    }
    return chunks;
  }

 private:
  [[nodiscard]] std::size_t byte_of(std::size_t at) const {
    return at < characters_.size() ? characters_[at].start : text_.size();
  }
  [[nodiscard]] std::size_t skip_space(std::size_t at) const {
    while (at < characters_.size() && characters_[at].is_space) {
      ++at;
    }
    return at;
  }
  /// Whether one may cut before the character at all.
  [[nodiscard]] bool may_cut(std::size_t at) const {
    return at >= characters_.size() || at == 0 ||
           (!extends(characters_[at].code) && characters_[at - 1].code != 0x200D);
  }

  /// How well one may cut before the character `at`.
  [[nodiscard]] Cut cut_before(std::size_t at) const {
    const Character& last = characters_[at - 1];
    if (last.is_space) {
      // Only what lies behind the white space's first character counts: a cut has it all before.
      std::size_t text_end = at;
      int newlines = 0;
      while (text_end > 0 && characters_[text_end - 1].is_space) {
        --text_end;
        newlines += is_newline(characters_[text_end].code) ? 1 : 0;
      }
      if (newlines >= 2) {
        return Cut::Paragraph;
      }
      std::size_t mark = text_end;
      while (mark > 0 && closes(characters_[mark - 1].code)) {
        --mark;
      }
      if (mark > 0 && (ends_sentence_before_space(characters_[mark - 1].code) ||
                       ends_sentence_alone(characters_[mark - 1].code))) {
        return Cut::Sentence;
      }
      return newlines > 0 ? Cut::Line : Cut::Word;
    }
    if (ends_sentence_alone(last.code)) {
      return Cut::Sentence;
    }
    return is_word_alone(last.code) || is_word_alone(characters_[at].code) ? Cut::Word : Cut::None;
  }

  [[nodiscard]] std::size_t end_of(std::size_t from) const {
    const std::size_t full = from + options_.size;
    if (full >= characters_.size()) {
      return characters_.size();
    }
    if (options_.sentences) {
      std::size_t best_at = 0;
      Cut best = Cut::None;
      // White space runs are walked once for each of their characters: they are bounded here.
      for (std::size_t at = full; at > from + options_.size / 2; --at) {
        const Cut cut = characters_[at].is_space ? Cut::None : cut_before(at);
        if (cut > best) {
          best = cut;
          best_at = at;
        }
        if (best == Cut::Paragraph) {
          break;
        }
      }
      if (best != Cut::None) {
        return best_at;
      }
    }
    std::size_t at = full;
    // What is one sign to a reader stays whole, as long as that costs little.
    while (!may_cut(at) && at > from + options_.size / 2 + 1) {
      --at;
    }
    return may_cut(at) ? at : full;
  }

  /// Where the next chunk begins, if what comes first in it is `next`: at a word within the
  /// overlap.
  [[nodiscard]] std::size_t begin_of_next(std::size_t from, std::size_t next) const {
    const std::size_t lowest =
        std::max(next - std::min<std::size_t>(next, options_.overlap), from + 1);
    std::size_t at = lowest;
    if (options_.sentences) {
      // A sentence's begin if there is one, else a word's.
      std::size_t word = next;
      for (; at < next; ++at) {
        if (characters_[at].is_space) {
          continue;
        }
        const Cut cut = cut_before(at);
        if (cut >= Cut::Sentence) {
          return at;
        }
        if (cut > Cut::None && word == next) {
          word = at;
        }
      }
      return word;
    }
    while (at < next && !may_cut(at)) {
      ++at;
    }
    return skip_space(at);
  }

  std::string_view text_;
  const ChunkOptions& options_;
  std::vector<Character> characters_;
};

}  // namespace

std::vector<ChunkSpan> chunk_text(std::string_view text, const ChunkOptions& options) {
  return Chunker(text, options).run();
}

}  // namespace lakehouse::vector
