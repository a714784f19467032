#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "vector/text_analysis.h"

struct sb_stemmer;

namespace lakehouse::vector {

/// Cuts text into words, one after the other; see `analyse`. What a word's form is here is not yet
/// stemmed. The text must outlive it. Not thread-safe.
class WordReader {
 public:
  explicit WordReader(std::string_view text) : text_(text) {}

  /// To the next word; false at the end.
  bool next();

  /// Without case and accents, at most `kTermBytesMax`; English apostrophes are still in it.
  [[nodiscard]] const std::string& word() const { return word_; }
  [[nodiscard]] std::size_t begin() const { return begin_; }
  [[nodiscard]] std::size_t end() const { return end_; }
  /// Letters that have endings; not signs, nor "c++".
  [[nodiscard]] bool has_stem() const { return has_stem_; }

 private:
  struct Char {
    char32_t code = 0;
    std::size_t bytes = 0;
  };
  [[nodiscard]] Char char_at(std::size_t at) const;
  void read_word();
  bool read_apostrophe(const Char& character);
  bool take_second_sign();
  bool take_mark();

  std::string_view text_;
  std::size_t at_ = 0;
  std::string word_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool has_stem_ = false;
  enum class After : std::uint8_t { Nothing, Sign, Word };
  After after_ = After::Nothing;
};

/// Words into terms. Holds the stemmer, so not thread-safe: one for each use.
class Stemmer {
 public:
  explicit Stemmer(Analysis analysis);
  ~Stemmer();
  Stemmer(const Stemmer&) = delete;
  Stemmer& operator=(const Stemmer&) = delete;

  /// The term of what the reader stands at; may be empty. Valid until the next call.
  std::string_view term(const WordReader& reader);
  /// The same for a word that the caller has.
  std::string_view term(std::string_view word, bool has_stem);

 private:
  struct Release {
    void operator()(sb_stemmer* stemmer) const;
  };
  std::unique_ptr<sb_stemmer, Release> snowball_;  ///< Null in Plain.
  std::string buffer_;
};

/// The terms of all of them, sorted; none in Plain.
[[nodiscard]] std::vector<std::string> stop_terms(Analysis analysis);

}  // namespace lakehouse::vector
