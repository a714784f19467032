#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

/// \file
/// Vectors for tests: clusters, as texts have them, and always the same.

namespace lakehouse::vector {

inline std::vector<float> some_vectors(std::size_t count, std::size_t dimensions,
                                       std::uint64_t seed = 1) {
  constexpr std::size_t kClusters = 32;
  std::mt19937_64 centre_dice(99);
  std::mt19937_64 dice(seed);
  std::normal_distribution<float> normal;
  std::vector<float> centres(kClusters * dimensions);
  for (float& value : centres) {
    value = normal(centre_dice);
  }
  std::vector<float> rows;
  rows.reserve(count * dimensions);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t cluster = dice() % kClusters;
    for (std::size_t d = 0; d < dimensions; ++d) {
      rows.push_back(centres[cluster * dimensions + d] + 0.6F * normal(dice));
    }
  }
  return rows;
}

}  // namespace lakehouse::vector
