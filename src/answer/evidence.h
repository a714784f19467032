#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "vector/vector_service.h"

/// \file
/// What an answer may be made from: chunks that a search found, as the caller may see them.

namespace lakehouse::answer {

/// A chunk that was retrieved and chosen. `n` is its number in the answer, from 1.
struct Evidence {
  std::uint32_t n = 0;
  boost::json::value key;
  std::uint32_t chunk = 0;
  std::uint64_t start = 0;  ///< Bytes of the row's text: `text` is [start, end).
  std::uint64_t end = 0;
  double score = 0;
  std::optional<double> vector_score;
  std::optional<double> text_score;
  std::string text;
};

/// The best hits that fit into `bytes_max` together, at most `count_max`; a text that is there
/// already is left out. The first is taken whatever its size, cut at a character.
std::vector<Evidence> choose_evidence(std::span<const vector::SearchHit> hits,
                                      std::size_t count_max, std::size_t bytes_max);

/// How well the evidence speaks to the question, by two signs that fail in different ways.
struct Strength {
  std::optional<double> cosine;  ///< The nearest chunk's; none if words alone were searched.
  double coverage = 0;           ///< The share of the question's words that one chunk has, at best.

  /// True if an answer from it could only be a guess.
  [[nodiscard]] bool is_weak() const;
};
Strength strength_of(std::string_view question, std::span<const Evidence> evidence);

/// A sentence of evidence that talks to whoever reads it as a program would be talked to ("ignore
/// all previous instructions"). It is no information, and kept from models and answers.
bool reads_like_instructions(std::string_view sentence);

/// Bytes [begin, end) of a text.
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
  friend bool operator==(const Span&, const Span&) = default;
};

/// The sentences of a text, without white space around them, in order. Abbreviations and decimal
/// points end none; line breaks do where an empty line or a list's mark follows.
std::vector<Span> sentences_of(std::string_view text);

}  // namespace lakehouse::answer
