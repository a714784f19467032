#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace lakehouse::query::fuzz {

/// Chance that a seed decides, the same on every machine. Not thread-safe.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}

  /// One of 0 .. sides - 1.
  std::size_t roll(std::size_t sides) { return static_cast<std::size_t>(engine_() % sides); }
  bool percent(std::size_t chance) { return roll(100) < chance; }

  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[roll(from.size())];
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace lakehouse::query::fuzz
