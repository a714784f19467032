#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "ai/child/encoder.h"
#include "ai/child/operations.h"
#include "ai/model_service.h"

namespace lakehouse::ai {

/// The threads that run encoders, and what waits for them: batches, those of a person before those
/// of a job. Thread-safe. Lives as long as the process.
class EncodeQueue {
 public:
  explicit EncodeQueue(unsigned workers);
  ~EncodeQueue();
  EncodeQueue(const EncodeQueue&) = delete;
  EncodeQueue& operator=(const EncodeQueue&) = delete;

  /// Vectors of `texts`, row-major to `rows` in their order; waits for them. Gives up between two
  /// batches when `reply` says so. `model` outlives the queue.
  Status run(EncoderModel& model, std::span<const TokenIds> texts, EmbedPriority priority,
             const Reply& reply, float* rows);

  [[nodiscard]] unsigned workers() const { return static_cast<unsigned>(threads_.size()); }

 private:
  struct Job;
  struct Batch {
    Job* job = nullptr;
    std::vector<std::size_t> members;
  };

  void work();
  Status run_batch(const Batch& batch, Encoder& encoder) const;
  static void finish(const Batch& batch, Status done);  // With mutex_ held.

  std::mutex mutex_;
  std::condition_variable wake_;
  std::array<std::deque<Batch>, 2> waiting_;  // By priority; guarded by mutex_.
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace lakehouse::ai
