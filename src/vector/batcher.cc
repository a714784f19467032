#include "vector/batcher.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "vector/detail/table_data.h"

namespace lakehouse::vector {

/// One that waits. Shared with the pass that answers it: a caller may leave before that ends, and
/// its filter with it, so the pass works on a copy.
struct SearchBatcher::Waiter {
  PreparedQuery query;
  RowSet filter;
  bool done = false;
  /// Stays if the pass ends by an exception: there is no memory.
  Result<std::vector<Hit>> answer =
      fail(ErrorCode::ResourceExhausted, "there was no memory for the search");
};

/// A pass, from when it may run without the lock to when others may run: however it ends.
class SearchBatcher::Pass {
 public:
  Pass(SearchBatcher& batcher, std::unique_lock<std::mutex>& lock,
       std::span<const std::shared_ptr<Waiter>> batch)
      : batcher_(batcher), lock_(lock), batch_(batch) {
    batcher_.running_ = true;
    lock_.unlock();
  }
  ~Pass() {
    lock_.lock();
    for (const auto& waiter : batch_) {
      waiter->done = true;
    }
    batcher_.running_ = false;
    batcher_.changed_.notify_all();
  }
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

 private:
  SearchBatcher& batcher_;
  std::unique_lock<std::mutex>& lock_;
  std::span<const std::shared_ptr<Waiter>> batch_;
};

Result<std::vector<Hit>> SearchBatcher::search(const RequestContext& context,
                                               const ScanQuery& query) {
  LH_ASSIGN_OR_RETURN(PreparedQuery prepared, prepare_query(table_.data(), query));
  return search(context, std::move(prepared));
}

Result<std::vector<Hit>> SearchBatcher::search(const RequestContext& context, PreparedQuery query) {
  std::unique_lock lock(mutex_);
  if (!running_ && waiting_.empty()) {
    const Pass pass(*this, lock, {});
    return scan_table(context, table_.data(), query);
  }
  if (waiting_.size() >= kWaitingMax) {
    return fail(ErrorCode::ResourceExhausted, "too many searches wait for the same index",
                "Try again in a moment.");
  }
  const auto waiter = std::make_shared<Waiter>();
  waiter->query = std::move(query);
  if (waiter->query.filter != nullptr) {
    waiter->filter = *waiter->query.filter;
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
  const Pass pass(*this, lock, batch);
  std::vector<const PreparedQuery*> queries;
  queries.reserve(count);
  for (const auto& waiter : batch) {
    queries.push_back(&waiter->query);
  }
  // For all of them, so under nobody's deadline: a pass is short.
  Result<std::vector<std::vector<Hit>>> answers =
      scan_table(RequestContext(), table_.data(), queries);
  for (std::size_t i = 0; i < count; ++i) {
    batch[i]->answer = answers ? Result<std::vector<Hit>>(std::move((*answers)[i]))
                               : std::unexpected(answers.error());
  }
}

}  // namespace lakehouse::vector
