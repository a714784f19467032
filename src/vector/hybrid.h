#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "vector/exact_scan.h"
#include "vector/row_set.h"

/// \file
/// Words and vectors together: two rankings of the same rows become one.

namespace lakehouse::vector {

/// A row found by at least one of the two.
struct HybridHit {
  Row row = 0;
  double score = 0;                   ///< Of the fused ranking: compares within one answer only.
  std::optional<float> vector_score;  ///< Cosine to the query, where it was among the nearest.
  std::optional<float> text_score;    ///< BM25, where it was among the best by words.

  friend bool operator==(const HybridHit&, const HybridHit&) = default;
};

struct HybridOptions {
  /// Reciprocal rank fusion (Cormack, Clarke, Buettcher 2009): a row's score is the sum of
  /// 1 / (rank_constant + rank) over the rankings that have it.
  double rank_constant = 60;
  /// What is taken from each ranking: so many times k, and at least `candidates_min`.
  std::size_t candidates_per_k = 3;
  std::size_t candidates_min = 100;
  /// Pseudo relevance feedback: the best rows of the first round teach both sides what else to
  /// look for, and the second round is the answer. 0: one round only.
  std::size_t feedback_rows = 5;
  /// How far the query's vector moves to the mean of those rows: Rocchio's usual 1 to 0.75.
  float feedback_weight = 0.43F;
};

/// The two sides, over the same rows, each restricted to what the caller may see. `vectors` copies
/// the vectors of rows that they found to `out`, one after the other.
struct HybridSides {
  std::function<Result<std::vector<Hit>>(std::span<const float> query, std::size_t k)> nearest;
  std::function<Result<std::vector<Hit>>(std::size_t k, std::span<const Hit> feedback)> by_words;
  std::function<Status(std::span<const Row> rows, std::span<float> out)> vectors;
};

/// The fused best k, best first, rows with the same score by their number. Errors are the sides'.
Result<std::vector<HybridHit>> hybrid_search(std::span<const float> query, std::size_t k,
                                             const HybridSides& sides,
                                             const HybridOptions& options = {});

/// Fusion alone: the best k out of two rankings, each the best first.
std::vector<HybridHit> fuse(std::span<const Hit> nearest, std::span<const Hit> by_words,
                            std::size_t k, const HybridOptions& options = {});

/// What was done, for the answer: "rrf: 60, feedback: 5".
std::string describe(const HybridOptions& options);

}  // namespace lakehouse::vector
