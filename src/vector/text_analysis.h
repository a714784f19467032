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
  English,  ///< And without English endings (Snowball's stemmer), without words that say nothing.
};

/// "plain" or "english".
[[nodiscard]] std::string_view to_string(Analysis analysis);

/// The longest term, in bytes; what is longer (base64, hashes) is cut.
inline constexpr std::size_t kTermBytesMax = 64;

/// A term and where its word stands.
struct TermAt {
  std::string term;
  std::uint32_t begin = 0;  ///< Bytes from the start of the text.
  std::uint32_t end = 0;

  friend bool operator==(const TermAt&, const TermAt&) = default;
};

/// The terms of `text`, in order. Words are runs of letters and digits; a sign of Chinese, Japanese
/// or Thai is taken together with the next one, as these are written without spaces. Bytes that
/// are no UTF-8 separate words. Reads the first 2^31 bytes. Linear.
[[nodiscard]] std::vector<TermAt> analyse(std::string_view text, Analysis analysis);

/// The stem of an English word in lower case: Snowball's "English" (Porter 2).
[[nodiscard]] std::string english_stem(std::string_view word);

}  // namespace lakehouse::vector
