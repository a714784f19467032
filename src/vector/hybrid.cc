#include "vector/hybrid.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

namespace lakehouse::vector {

namespace {

bool ranks_before(const HybridHit& a, const HybridHit& b) {
  return a.score > b.score || (a.score == b.score && a.row < b.row);
}

/// The query moved towards the mean of the rows, of length 1 again.
Result<std::vector<float>> moved_query(std::span<const float> query,
                                       std::span<const HybridHit> hits, const HybridSides& sides,
                                       float weight) {
  std::vector<Row> rows;
  for (const HybridHit& hit : hits) {
    rows.push_back(hit.row);
  }
  std::vector<float> vectors(rows.size() * query.size());
  LH_RETURN_IF_ERROR(sides.vectors(rows, vectors));
  std::vector<float> mean(query.size(), 0.0F);
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    mean[i % query.size()] += vectors[i];
  }
  const auto count = static_cast<float>(rows.size());
  // A caller's query may be of any length, rows are of length 1.
  float square = 0;
  for (const float value : query) {
    square += value * value;
  }
  const float scale = square > 0 ? (1 - weight) / std::sqrt(square) : 0;
  float moved_square = 0;
  for (std::size_t i = 0; i < query.size(); ++i) {
    mean[i] = query[i] * scale + (count > 0 ? mean[i] * weight / count : 0);
    moved_square += mean[i] * mean[i];
  }
  if (count == 0 || !(moved_square > 0)) {
    return std::vector<float>(query.begin(), query.end());
  }
  for (float& value : mean) {
    value /= std::sqrt(moved_square);
  }
  return mean;
}

}  // namespace

std::vector<HybridHit> fuse(std::span<const Hit> nearest, std::span<const Hit> by_words,
                            std::size_t k, const HybridOptions& options) {
  std::vector<HybridHit> fused;
  fused.reserve(nearest.size() + by_words.size());
  std::unordered_map<Row, std::size_t> places;
  const auto place_of = [&](Row row) -> HybridHit& {
    const auto [place, is_new] = places.try_emplace(row, fused.size());
    if (is_new) {
      fused.push_back({.row = row, .score = 0, .vector_score = {}, .text_score = {}});
    }
    return fused[place->second];
  };
  for (std::size_t i = 0; i < nearest.size(); ++i) {
    HybridHit& hit = place_of(nearest[i].row);
    hit.score += 1 / (options.rank_constant + static_cast<double>(i + 1));
    hit.vector_score = nearest[i].score;
  }
  for (std::size_t i = 0; i < by_words.size(); ++i) {
    HybridHit& hit = place_of(by_words[i].row);
    hit.score += 1 / (options.rank_constant + static_cast<double>(i + 1));
    hit.text_score = by_words[i].score;
  }
  const std::size_t count = std::min(k, fused.size());
  std::partial_sort(fused.begin(), fused.begin() + static_cast<std::ptrdiff_t>(count), fused.end(),
                    ranks_before);
  fused.resize(count);
  return fused;
}

Result<std::vector<HybridHit>> hybrid_search(std::span<const float> query, std::size_t k,
                                             const HybridSides& sides,
                                             const HybridOptions& options) {
  const std::size_t candidates = std::max(k * options.candidates_per_k, options.candidates_min);
  LH_ASSIGN_OR_RETURN(std::vector<Hit> nearest, sides.nearest(query, candidates));
  LH_ASSIGN_OR_RETURN(std::vector<Hit> by_words, sides.by_words(candidates, {}));
  if (options.feedback_rows == 0) {
    return fuse(nearest, by_words, k, options);
  }
  const std::vector<HybridHit> first = fuse(nearest, by_words, options.feedback_rows, options);
  // Equal weights: scores of fused ranks say little about how much better one row is.
  std::vector<Hit> feedback;
  for (const HybridHit& hit : first) {
    feedback.push_back({.row = hit.row, .score = 1.0F});
  }
  LH_ASSIGN_OR_RETURN(const std::vector<float> moved,
                      moved_query(query, first, sides, options.feedback_weight));
  LH_ASSIGN_OR_RETURN(std::vector<Hit> nearest_again, sides.nearest(moved, candidates));
  LH_ASSIGN_OR_RETURN(std::vector<Hit> by_words_again, sides.by_words(candidates, feedback));
  std::vector<HybridHit> fused = fuse(nearest_again, by_words_again, k, options);
  // Scores shown are those of what was asked, not of what it was made into.
  std::unordered_map<Row, float> cosines;
  std::unordered_map<Row, float> words;
  for (const Hit& hit : nearest) {
    cosines.emplace(hit.row, hit.score);
  }
  for (const Hit& hit : by_words) {
    words.emplace(hit.row, hit.score);
  }
  const auto score_in = [](const std::unordered_map<Row, float>& scores, Row row) {
    const auto found = scores.find(row);
    return found == scores.end() ? std::optional<float>() : std::optional<float>(found->second);
  };
  for (HybridHit& hit : fused) {
    hit.vector_score = score_in(cosines, hit.row);
    hit.text_score = score_in(words, hit.row);
  }
  return fused;
}

std::string describe(const HybridOptions& options) {
  return options.feedback_rows == 0
             ? fmt::format("rrf: {}", options.rank_constant)
             : fmt::format("rrf: {}, feedback: {}", options.rank_constant, options.feedback_rows);
}

}  // namespace lakehouse::vector
