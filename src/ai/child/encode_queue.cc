#include "ai/child/encode_queue.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <numeric>
#include <utility>

#include <fmt/format.h>

namespace lakehouse::ai {
namespace {

// How soon it is noticed that nobody waits any more.
constexpr std::chrono::milliseconds kLook{20};

}  // namespace

/// One call's texts, while they are run.
struct EncodeQueue::Job {
  EncoderModel* model = nullptr;
  std::span<const TokenIds> texts;
  float* rows = nullptr;
  // Guarded by mutex_.
  std::condition_variable done;
  std::size_t batches_left = 0;
  Status outcome;
};

EncodeQueue::EncodeQueue(unsigned workers) {
  for (unsigned i = 0; i < workers; ++i) {
    threads_.emplace_back([this] { work(); });
  }
}

EncodeQueue::~EncodeQueue() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

Status EncodeQueue::run(EncoderModel& model, std::span<const TokenIds> texts,
                        EmbedPriority priority, const Reply& reply, float* rows) {
  Job job;
  job.model = &model;
  job.texts = texts;
  job.rows = rows;
  // Texts of a length go together: a shorter one costs as much as the longest beside it.
  std::vector<std::size_t> order(texts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, std::greater<>(), [&](std::size_t i) { return texts[i].ids.size(); });
  std::unique_lock lock(mutex_);
  auto& queue = waiting_[static_cast<std::size_t>(priority)];
  for (std::size_t begin = 0; begin < order.size();) {
    const std::size_t size = model.batch_of(texts[order[begin]].ids.size());
    const std::size_t end = std::min(order.size(), begin + std::max<std::size_t>(size, 1));
    queue.push_back({.job = &job,
                     .members = {order.begin() + static_cast<std::ptrdiff_t>(begin),
                                 order.begin() + static_cast<std::ptrdiff_t>(end)}});
    ++job.batches_left;
    begin = end;
  }
  wake_.notify_all();
  while (job.batches_left > 0) {
    job.done.wait_for(lock, kLook);
    if (job.outcome) {
      job.outcome = reply.check();
    }
    if (!job.outcome) {
      // What no worker has taken is not begun.
      job.batches_left -= std::erase_if(queue, [&](const Batch& b) { return b.job == &job; });
    }
  }
  return job.outcome;
}

Status EncodeQueue::run_batch(const Batch& batch, Encoder& encoder) const {
  const Job& job = *batch.job;
  const std::size_t dimensions = job.model->shape().dimensions;
  std::vector<const TokenIds*> texts;
  for (const std::size_t member : batch.members) {
    texts.push_back(&job.texts[member]);
  }
  std::vector<float> rows(texts.size() * dimensions);
  LH_RETURN_IF_ERROR(encoder.run(texts, rows.data()));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::copy_n(rows.data() + i * dimensions, dimensions, job.rows + batch.members[i] * dimensions);
  }
  return {};
}

void EncodeQueue::finish(const Batch& batch, Status done) {
  Job& job = *batch.job;
  if (!done && job.outcome) {
    job.outcome = std::move(done);
  }
  if (--job.batches_left == 0 || !job.outcome) {
    job.done.notify_all();
  }
}

void EncodeQueue::work() {
  std::map<EncoderModel*, std::unique_ptr<Encoder>> encoders;
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_[0].empty() || !waiting_[1].empty(); });
    if (stopping_) {
      return;
    }
    auto& queue = waiting_[0].empty() ? waiting_[1] : waiting_[0];
    const Batch batch = std::move(queue.front());
    queue.pop_front();
    lock.unlock();
    Status done;
    try {
      std::unique_ptr<Encoder>& encoder = encoders[batch.job->model];
      if (encoder == nullptr) {
        if (auto made = batch.job->model->make_encoder()) {
          encoder = *std::move(made);
        } else {
          done = std::unexpected(std::move(made).error());
        }
      }
      if (done) {
        done = run_batch(batch, *encoder);
      }
    } catch (const std::bad_alloc&) {
      done = fail(ErrorCode::ResourceExhausted, "the model process has no memory left for this",
                  "Ask for less at once, or raise ai.memory_limit.");
    } catch (const std::exception& thrown) {
      done = fail(ErrorCode::Internal, fmt::format("the model failed: {}", thrown.what()));
    }
    lock.lock();
    finish(batch, std::move(done));
  }
}

}  // namespace lakehouse::ai
