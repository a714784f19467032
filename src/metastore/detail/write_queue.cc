#include "metastore/detail/write_queue.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <random>
#include <thread>
#include <utility>

#include <fmt/format.h>

namespace lakehouse::metastore::detail {
namespace {

constexpr std::chrono::milliseconds kWaitStep{20};  // How soon a waiter notices that it is stopped.
constexpr std::size_t kBatchMax = 128;
constexpr int kTriesMax = 60;  // Of a batch that other servers' writes, or a lost store, undo.
constexpr std::int64_t kPauseMsMax = 100;

// Growing and random, so that servers which disturbed each other do not do it again.
void pause_before(int attempt) {
  thread_local std::minstd_rand random(std::random_device{}());
  const std::int64_t most =
      std::min<std::int64_t>(std::int64_t{1} << std::min(attempt, 10), kPauseMsMax);
  std::this_thread::sleep_for(
      std::chrono::milliseconds(std::uniform_int_distribution<std::int64_t>(0, most)(random)));
}

}  // namespace

struct WriteQueue::Request {
  const RequestContext& context;
  const Work& work;
  Status status;
  std::exception_ptr thrown;
  std::condition_variable changed;  // With the queue's mutex.
  bool done = false;
};

Status WriteQueue::write(const RequestContext& context, const Work& work) {
  Request request{.context = context, .work = work, .status = {}, .thrown = {}, .changed = {}};
  std::unique_lock lock(mutex_);
  queue_.push_back(&request);
  while (!request.done && (has_leader_ || queue_.front() != &request)) {
    request.changed.wait_for(lock, kWaitStep);
    const auto waiting = std::ranges::find(queue_, &request);
    if (waiting == queue_.end()) {
      continue;  // It runs, or has run: its outcome comes.
    }
    if (Status late = context.check(); !late) {
      queue_.erase(waiting);
      if (!queue_.empty()) {
        queue_.front()->changed.notify_one();  // It may have been this one's turn to lead.
      }
      return late;
    }
  }
  if (!request.done) {
    const auto count = static_cast<std::ptrdiff_t>(std::min(queue_.size(), kBatchMax));
    const Batch batch(queue_.begin(), queue_.begin() + count);
    queue_.erase(queue_.begin(), queue_.begin() + count);
    has_leader_ = true;
    lock.unlock();
    run(batch);
    lock.lock();
    has_leader_ = false;
    for (Request* finished : batch) {
      finished->done = true;
      finished->changed.notify_one();  // Under the lock: it is gone as soon as it sees `done`.
    }
    if (!queue_.empty()) {
      queue_.front()->changed.notify_one();
    }
  }
  if (request.thrown) {
    std::rethrow_exception(request.thrown);
  }
  return std::move(request.status);
}

// Drops those that need not be tried again. False if none is left.
bool WriteQueue::give_up_late_ones(Batch* batch) {
  std::erase_if(*batch, [](Request* request) {
    request->status = request->context.check();
    return !request->status;
  });
  return !batch->empty();
}

void WriteQueue::run(Batch batch) {
  Error problem;
  for (int tries = 1; give_up_late_ones(&batch); ++tries) {
    if (attempt(&batch, &problem)) {
      return;
    }
    if (tries >= kTriesMax) {
      problem.code = ErrorCode::Unavailable;
      for (Request* request : batch) {
        request->status = std::unexpected(problem);
      }
      return;
    }
    pause_before(tries);
  }
}

Status WriteQueue::begin(const RequestContext& context) {
  if (connection_ == nullptr || !connection_->usable()) {
    connection_.reset();
    LH_ASSIGN_OR_RETURN(connection_, open_(Mode::Write));
  }
  connection_->obey(context);
  Status begun = connection_->begin(Mode::Write);
  connection_->release();
  return begun;
}

// True if each request in the batch has its outcome. Else those that are still in it go again, and
// `problem` says why.
bool WriteQueue::attempt(Batch* batch, Error* problem) {
  const RequestContext& first = batch->front()->context;
  if (Status begun = begin(first); !begun) {
    *problem = std::move(begun).error();
    // A late first one does not make the others late.
    const bool again = !first.check() || connection_ == nullptr ||
                       connection_->state() == TransactionState::Conflict;
    for (Request* request : *batch) {
      request->status = std::unexpected(*problem);
    }
    return !again;
  }
  bool any = false;
  for (auto request = batch->begin(); request != batch->end(); ++request) {
    const TransactionState state = run_one(**request, batch->size() > 1);
    if (state == TransactionState::Open) {
      any = any || (*request)->status;
      continue;
    }
    connection_->rollback();
    if (state == TransactionState::Undone) {
      batch->erase(request);  // It has failed for itself; those beside it begin anew.
      return batch->empty();
    }
    *problem = (*request)->status ? Error{} : (*request)->status.error();
    return false;
  }
  if (!any) {
    connection_->rollback();
    return true;
  }
  Status committed = connection_->commit();
  if (committed) {
    return true;
  }
  const bool again = connection_->state() == TransactionState::Conflict &&
                     committed.error().code != ErrorCode::CommitStateUnknown;
  connection_->rollback();
  *problem = std::move(committed).error();
  if (again) {
    return false;
  }
  bool after_success = false;
  for (Request* request : *batch) {
    after_success = after_success || request->status;
    if (request->status) {
      request->status = std::unexpected(*problem);
    } else if (after_success && !request->thrown) {
      // It has changed nothing, but what it found may never have been.
      request->status = fail(ErrorCode::Unavailable, problem->message);
    }
  }
  return true;
}

// How the transaction is after the request's work, which is undone if it has failed.
TransactionState WriteQueue::run_one(Request& request, bool in_savepoint) {
  const auto savepoint = [&](std::string_view sql) {
    auto done = in_savepoint ? connection_->execute(sql, {}) : 0;
    if (!done) {
      request.status = std::unexpected(std::move(done).error());
    }
    return done.has_value();
  };
  const auto broken = [&] {
    const TransactionState state = connection_->state();
    return state == TransactionState::Open ? TransactionState::Undone : state;
  };
  request.thrown = nullptr;
  if (!savepoint("SAVEPOINT work")) {
    return broken();
  }
  connection_->obey(request.context);
  WorkTransaction transaction(*connection_);
  try {
    request.status = request.work(transaction);
  } catch (...) {  // Another writer's exception: passed on to it.
    request.thrown = std::current_exception();
    request.status = fail(ErrorCode::Internal, "a metastore transaction threw an exception");
  }
  if (request.status && transaction.failed()) {
    request.status =
        fail(ErrorCode::Internal, "a metastore transaction ignored a failed statement");
  }
  if (request.status) {
    request.status = request.context.check();
  }
  connection_->release();
  if (connection_->state() != TransactionState::Open) {
    return connection_->state();
  }
  const bool kept = request.status.has_value();
  if ((!kept && !savepoint("ROLLBACK TO work")) || !savepoint("RELEASE work")) {
    return broken();
  }
  return TransactionState::Open;
}

}  // namespace lakehouse::metastore::detail
