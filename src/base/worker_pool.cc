#include "base/worker_pool.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace lakehouse {

WorkerPool::WorkerPool(std::string name, std::size_t threads, std::size_t queue_max)
    : name_(std::move(name)), queue_max_(queue_max) {
  threads_.reserve(std::max<std::size_t>(threads, 1));
  for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i) {
    threads_.emplace_back([this] { work_until_stopped(); });
  }
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

Status WorkerPool::submit(std::move_only_function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      return fail(ErrorCode::Unavailable, "the server is shutting down");
    }
    // Counted with what runs: a burst finds the threads still asleep.
    if (queue_.size() + running_ >= threads_.size() + queue_max_) {
      return fail(ErrorCode::ResourceExhausted,
                  fmt::format("too many requests wait for the {} pool", name_),
                  "Retry in a moment, with fewer requests at once.");
    }
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
  return {};
}

std::size_t WorkerPool::queued() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

std::size_t WorkerPool::running() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

void WorkerPool::work_until_stopped() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) {
      return;
    }
    auto work = std::move(queue_.front());
    queue_.pop_front();
    ++running_;
    lock.unlock();
    work();
    work = nullptr;  // What it captured goes before it counts as done.
    lock.lock();
    --running_;
  }
}

}  // namespace lakehouse
