#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"

namespace lakehouse {

/// Threads on which blocking work runs, so that an event loop never waits for a disk or a query.
///
/// Thread-safe. At most `threads` pieces of work run and `queue_max` wait; more are refused, so
/// that overload is an answer and not a growing queue.
class WorkerPool {
 public:
  /// `name` is what a refusal calls it: "storage".
  WorkerPool(std::string name, std::size_t threads, std::size_t queue_max);
  /// Runs what was accepted, then ends the threads.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// ResourceExhausted if too much waits already; `work` then never runs. What it throws ends the
  /// program: work catches its own.
  Status submit(std::move_only_function<void()> work);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::size_t queued() const;
  [[nodiscard]] std::size_t running() const;

 private:
  void work_until_stopped();

  const std::string name_;
  const std::size_t queue_max_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::move_only_function<void()>> queue_;
  std::size_t running_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace lakehouse
