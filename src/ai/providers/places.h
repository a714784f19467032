#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "base/error.h"
#include "base/request_context.h"

namespace lakehouse::ai {

/// So many calls at once, and so many that wait for one of these places. Thread-safe.
class Places {
 public:
  Places(unsigned places, unsigned waiting_max) : free_(places), waiting_max_(waiting_max) {}

  /// Given back when it goes.
  class Place {
   public:
    explicit Place(Places* places) : places_(places) {}
    ~Place() {
      if (places_ != nullptr) {
        places_->leave();
      }
    }
    Place(Place&& other) noexcept : places_(other.places_) { other.places_ = nullptr; }
    Place& operator=(Place&&) = delete;
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    Places* places_;
  };

  /// ResourceExhausted if too many wait already; Cancelled or DeadlineExceeded by the context.
  Result<Place> enter(const RequestContext& context, const std::string& what) {
    std::unique_lock lock(mutex_);
    if (free_ == 0 && waiting_ >= waiting_max_) {
      return fail(ErrorCode::ResourceExhausted, what + " has too many calls waiting", "Try again.");
    }
    ++waiting_;
    const auto has_place = [this] { return free_ > 0; };
    const bool got = context.deadline == std::chrono::steady_clock::time_point::max()
                         ? changed_.wait(lock, context.stop, has_place)
                         : changed_.wait_until(lock, context.stop, context.deadline, has_place);
    --waiting_;
    if (!got) {
      LH_RETURN_IF_ERROR(context.check());
      return fail(ErrorCode::DeadlineExceeded, what + " had no free place in time", "Try again.");
    }
    --free_;
    return Place(this);
  }

 private:
  void leave() {
    {
      const std::lock_guard lock(mutex_);
      ++free_;
    }
    changed_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  unsigned free_;
  unsigned waiting_ = 0;
  unsigned waiting_max_;
};

}  // namespace lakehouse::ai
