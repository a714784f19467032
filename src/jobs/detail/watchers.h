#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "jobs/job_service.h"

namespace lakehouse::jobs::detail {

/// Who wants to know of a job's changes, and the thread that tells them, at most ten times a
/// second. Thread-safe.
class Watchers {
 public:
  /// The job as it is now; nothing if it cannot be known.
  using Fetch = std::function<std::optional<Job>(const std::string& id)>;

  /// With `poll`, changes may come without `changed` being called.
  Watchers(Fetch fetch, bool poll);
  /// Ends the thread. Subscriptions may outlive it, and hear nothing more.
  ~Watchers() = default;
  Watchers(const Watchers&) = delete;
  Watchers& operator=(const Watchers&) = delete;

  /// Calls `call` with `now` before it returns.
  std::unique_ptr<Subscription> add(std::string_view id, std::function<void(const Job&)> call,
                                    const std::function<Result<Job>()>& now, Status* outcome);
  /// Cheap where nobody watches.
  void changed(const std::string& id);

 private:
  struct Watcher {
    std::mutex mutex;
    std::function<void(const Job&)> call;  ///< Empty: nobody listens any more.
    std::int64_t revision = 0;             ///< That it was last called with.
  };
  class Ticket;
  struct Shared {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::multimap<std::string, std::shared_ptr<Watcher>> watchers;
    std::set<std::string> changed;
    std::atomic<std::size_t> count{0};
  };
  void run(const std::stop_token& stop);
  void tell(const std::string& id);

  const Fetch fetch_;
  const bool poll_;
  const std::shared_ptr<Shared> shared_;  ///< Also the subscriptions', which may live longer.
  std::jthread thread_;
};

}  // namespace lakehouse::jobs::detail
