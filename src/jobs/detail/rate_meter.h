#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

namespace lakehouse::jobs::detail {

/// How fast a count has grown lately: over the last half a minute, or since its beginning. Not
/// thread-safe.
class RateMeter {
 public:
  using Time = std::chrono::steady_clock::time_point;

  void add(Time now, std::int64_t count);
  /// A second; 0 while too little is known. Falls while nothing comes.
  [[nodiscard]] double rate(Time now) const;

 private:
  struct Sample {
    Time at;
    std::int64_t count = 0;
  };
  std::deque<Sample> samples_;  ///< At most two a second, of the window.
  std::int64_t count_ = 0;
};

}  // namespace lakehouse::jobs::detail
