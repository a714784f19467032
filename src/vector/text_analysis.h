#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// \file
/// Text becomes terms: what full-text search counts and compares.

namespace lakehouse::vector {

/// How words become terms. Kept in each index: a query is read as its rows were.
enum class Analysis : std::uint8_t {
  Plain,    ///< Words without case and accents.
  English,  ///< And without English endings: Snowball's stemmer (Porter 2).
};

/// "plain" or "english".
[[nodiscard]] std::string_view to_string(Analysis analysis);

/// The longest term, in bytes; what is longer (base64, hashes) is cut.
inline constexpr std::size_t kTermBytesMax = 64;

/// A term and where its word stands.
struct TermAt {
  std::string term;
  std::size_t begin = 0;  ///< Bytes from the start of the text.
  std::size_t end = 0;

  friend bool operator==(const TermAt&, const TermAt&) = default;
};

/// The terms of `text`, in order. Words are runs of letters and digits; what is written without
/// spaces (Chinese, Japanese, Korean, Thai...) gives each sign and each two neighbours; "C++" and
/// "C#" give the letter, too. Bytes that are no UTF-8 separate words. Linear.
[[nodiscard]] std::vector<TermAt> analyse(std::string_view text, Analysis analysis);

/// The different terms of a query and how often each is there, in the order of the first time.
/// English words that only hold a question together ("what is the") are left out, unless nothing
/// else is there or they stand in capitals among others ("IT manager").
struct QueryTerm {
  std::string term;
  std::uint32_t count = 1;
};
[[nodiscard]] std::vector<QueryTerm> query_terms(std::string_view text, Analysis analysis);

/// True for an English word that says nothing by itself, in lower case and without apostrophes.
[[nodiscard]] bool is_stop_word(std::string_view word);

}  // namespace lakehouse::vector
