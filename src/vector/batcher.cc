#include "vector/batcher.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace lakehouse::vector {

/// One that waits. Shared with the pass that answers it: a caller may leave before that ends, and
/// its vector and filter with it, so the pass works on copies.
struct SearchBatcher::Waiter {
  std::vector<float> vector;
  RowSet filter;
  ScanQuery query;
  bool done = false;
  Result<std::vector<Hit>> answer;
};

Result<std::vector<Hit>> SearchBatcher::search(const RequestContext& context,
                                               const ScanQuery& query) {
  std::unique_lock lock(mutex_);
  if (!running_ && waiting_.empty()) {
    running_ = true;
    lock.unlock();
    Result<std::vector<Hit>> answer = table_.search(context, query);
    lock.lock();
    running_ = false;
    changed_.notify_all();
    return answer;
  }
  if (waiting_.size() >= kWaitingMax) {
    return fail(ErrorCode::ResourceExhausted, "too many searches wait for the same index",
                "Try again in a moment.");
  }
  const auto waiter = std::make_shared<Waiter>();
  waiter->vector.assign(query.vector.begin(), query.vector.end());
  waiter->query = {.vector = waiter->vector, .k = query.k, .filter = nullptr};
  if (query.filter != nullptr) {
    waiter->filter = *query.filter;
    waiter->query.filter = &waiter->filter;
  }
  waiting_.push_back(waiter);
  while (!waiter->done) {
    if (!running_) {
      run_batch(lock);  // Which may be without us, if many came before.
      continue;
    }
    // Woken now and then: a stop token tells nobody.
    changed_.wait_for(lock, std::chrono::milliseconds(50));
    if (const Status asked = context.check(); !asked && !waiter->done) {
      std::erase(waiting_, waiter);
      return std::unexpected(asked.error());
    }
  }
  return std::move(waiter->answer);
}

void SearchBatcher::run_batch(std::unique_lock<std::mutex>& lock) {
  const std::size_t count = std::min(waiting_.size(), kBatchMax);
  const std::vector<std::shared_ptr<Waiter>> batch(
      waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
  running_ = true;
  lock.unlock();
  std::vector<ScanQuery> queries;
  queries.reserve(count);
  for (const auto& waiter : batch) {
    queries.push_back(waiter->query);
  }
  // For all of them, so under nobody's deadline: a pass is short.
  const RequestContext context;
  Result<std::vector<std::vector<Hit>>> answers = table_.search(context, queries);
  for (std::size_t i = 0; i < count; ++i) {
    // One that is wrong fails the whole: then each gets its own answer.
    batch[i]->answer = answers ? Result<std::vector<Hit>>(std::move((*answers)[i]))
                               : table_.search(context, queries[i]);
  }
  lock.lock();
  for (const auto& waiter : batch) {
    waiter->done = true;
  }
  running_ = false;
  changed_.notify_all();
}

}  // namespace lakehouse::vector
