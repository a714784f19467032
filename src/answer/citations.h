#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "answer/evidence.h"

/// \file
/// Which words of the evidence stand behind a sentence of an answer, if any do.

namespace lakehouse::answer {

/// A place in the evidence: `quote` is text [begin, end) of the evidence with that number.
struct Citation {
  std::uint32_t n = 0;
  Span span;
  std::string quote;
  double support = 0;  ///< The share of the sentence's words that are there.
};

/// A sentence as it was written, without its marks ("[2]"), and the numbers that the marks named.
struct MarkedSentence {
  std::string text;
  std::vector<std::uint32_t> marks;
};
MarkedSentence read_marks(std::string_view sentence);

/// Evidence, prepared once for the sentences that are checked against it. Immutable.
class SupportChecker {
 public:
  SupportChecker(std::string_view question, std::span<const Evidence> evidence);

  /// The places that stand behind the sentence: of those that it names, else of all, the best. None
  /// if less than half of its words are in one piece of evidence, or a number that it names is
  /// neither there nor in the question: then it is not shown to be true.
  [[nodiscard]] std::vector<Citation> citations(const MarkedSentence& sentence) const;
  /// True if there is nothing to check: "Yes."
  [[nodiscard]] bool says_nothing(const MarkedSentence& sentence) const;
  /// True if a word of the question is in it.
  [[nodiscard]] bool speaks_to_question(std::string_view text) const;

 private:
  struct Piece {
    std::uint32_t n = 0;
    std::string_view text;
    std::set<std::string> terms;  ///< Of all of it.
    std::vector<Span> sentences;  ///< Without those that read like instructions.
    std::vector<std::set<std::string>> sentence_terms;
  };
  [[nodiscard]] std::optional<Citation> best_in(const Piece& piece,
                                                const std::set<std::string>& terms) const;

  std::set<std::string> question_;
  std::set<std::string> question_numbers_;
  std::vector<Piece> pieces_;
};

/// Cuts what a model writes into sentences as it comes. Marks behind a full stop belong to it. Not
/// thread-safe.
class SentenceStream {
 public:
  /// The sentences that are complete by now.
  std::vector<std::string> add(std::string_view piece);
  /// What is left at the end; may be empty.
  std::vector<std::string> finish();

 private:
  std::string buffer_;
};

}  // namespace lakehouse::answer
