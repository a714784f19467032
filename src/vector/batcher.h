#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "vector/exact_scan.h"

namespace lakehouse::vector {

struct PreparedQuery;

/// Concurrent exact searches of one table, scored together: while a pass runs, those that come wait
/// and make the next one. A search that comes alone starts at once, so nobody waits for company.
/// Thread-safe. The table must outlive it.
class SearchBatcher {
 public:
  static constexpr std::size_t kBatchMax = 64;
  /// Beyond this ResourceExhausted.
  static constexpr std::size_t kWaitingMax = 1024;

  explicit SearchBatcher(const VectorTable& table) : table_(table) {}

  /// As VectorTable::search. Blocks until the answer is there, or the caller's own deadline or
  /// cancellation.
  Result<std::vector<Hit>> search(const RequestContext& context, const ScanQuery& query);
  // For this module alone, which knows what that is.
  Result<std::vector<Hit>> search(const RequestContext& context, PreparedQuery query);

 private:
  struct Waiter;
  class Pass;
  void run_batch(std::unique_lock<std::mutex>& lock);

  const VectorTable& table_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Waiter>> waiting_;
  bool running_ = false;
};

}  // namespace lakehouse::vector
