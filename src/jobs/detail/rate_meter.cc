#include "jobs/detail/rate_meter.h"

namespace lakehouse::jobs::detail {
namespace {

constexpr std::chrono::seconds kWindow{30};
constexpr std::chrono::milliseconds kBetween{500};
constexpr double kLeastSeconds = 0.05;

}  // namespace

void RateMeter::add(Time now, std::int64_t count) {
  if (count < count_) {
    samples_.clear();  // Another count has begun.
  }
  count_ = count;
  if (samples_.empty() || now - samples_.back().at >= kBetween) {
    samples_.push_back({.at = now, .count = count});
  }
  while (samples_.size() > 2 && now - samples_[1].at > kWindow) {
    samples_.pop_front();
  }
}

double RateMeter::rate(Time now) const {
  if (samples_.empty()) {
    return 0;
  }
  const double seconds = std::chrono::duration<double>(now - samples_.front().at).count();
  const auto grown = static_cast<double>(count_ - samples_.front().count);
  return seconds < kLeastSeconds ? 0 : grown / seconds;
}

}  // namespace lakehouse::jobs::detail
