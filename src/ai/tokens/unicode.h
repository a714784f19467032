#pragma once

#include <string>
#include <string_view>

/// \file
/// What BERT's tokenizers do to text before they look words up, as Hugging Face's library does it.

namespace lakehouse::ai {

/// The characters of UTF-8; what is none becomes U+FFFD.
std::u32string decode_utf8(std::string_view text);
void append_utf8(std::string& to, char32_t c);

struct NormalizerOptions {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
};
std::u32string normalize(std::u32string_view text, const NormalizerOptions& options);

/// Between two words, and of none.
bool is_between_words(char32_t c);
/// A word of its own.
bool is_punctuation(char32_t c);

}  // namespace lakehouse::ai
