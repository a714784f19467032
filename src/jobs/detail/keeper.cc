/// What the keeper's thread does: claim, beat, take back, prune.

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "jobs/detail/service.h"

namespace lakehouse::jobs::detail {
namespace {

using metastore::Transaction;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::minutes kPruneEvery{10};
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

RequestContext own_context(std::chrono::milliseconds time) {
  RequestContext context;
  context.request_id = "jobs";
  context.deadline = Clock::now() + time;
  return context;
}

}  // namespace

void Service::keep() {
  auto next_beat = Clock::now();
  auto next_prune = next_beat;
  for (;;) {
    bool beat_now = false;
    {
      const std::lock_guard lock(mutex_);
      if (keeper_stops_) {
        return;
      }
      beat_now = std::exchange(beat_now_, false);
      is_awake_ = false;
    }
    const auto now = Clock::now();
    if (beat_now || now >= next_beat) {
      beat(beat_now || options_.is_shared);
      next_beat = Clock::now() + options_.beat;
    }
    if (now >= next_prune) {
      prune_over();
      next_prune = now + kPruneEvery;
    }
    auto next = next_beat;
    const std::int64_t earliest_ms = claim_ready();
    if (earliest_ms != kNever) {
      next = std::min(next, Clock::now() + std::chrono::milliseconds(std::clamp<std::int64_t>(
                                               earliest_ms - now_ms(), 1, 60'000)));
    }
    std::unique_lock lock(mutex_);
    keeper_wakes_.wait_until(lock, next, [&] { return is_awake_ || keeper_stops_; });
  }
}

// Keeps the progress of what runs here, and looks at what runs at all.
void Service::beat(bool must_write) {
  Attempts attempts = locals();
  bool has_orphans = false;
  {
    const std::lock_guard lock(mutex_);
    has_orphans = std::exchange(has_orphans_, false);
  }
  if (attempts.empty() && !has_orphans && !options_.is_shared) {
    last_beat_ = Clock::now();
    return;
  }
  std::vector<std::pair<std::shared_ptr<Attempt>, Job>> changes;
  for (const auto& attempt : attempts) {
    auto job = attempt->stop_reason() == StopReason::Lost ? std::nullopt
                                                          : attempt->take_changes(must_write);
    if (job) {
      changes.emplace_back(attempt, *std::move(job));
    }
  }
  Attempts lost;
  std::vector<Running> running;
  const auto work = [&](Transaction& transaction) -> Status {
    lost.clear();
    for (const auto& [attempt, job] : changes) {
      LH_ASSIGN_OR_RETURN(const bool is_ours, detail::keep(transaction, attempt->lease(), job));
      if (!is_ours) {
        lost.push_back(attempt);
      }
    }
    LH_ASSIGN_OR_RETURN(running, detail::running(transaction));
    return {};
  };
  const RequestContext context = own_context(std::max(options_.lease / 3, options_.beat));
  const Status done =
      changes.empty() ? metastore_.read(context, work) : metastore_.write(context, work);
  if (!done) {
    const std::lock_guard lock(mutex_);
    has_orphans_ = has_orphans_ || has_orphans;
  }
  if (!done) {
    beat_failed(done.error());
    return;
  }
  last_beat_ = Clock::now();
  keeper_failed_ = false;
  for (const auto& attempt : lost) {
    attempt->stop(StopReason::Lost);  // Or it has just ended, and hears nothing any more.
  }
  heed(running);
}

void Service::beat_failed(const Error& error) {
  if (!std::exchange(keeper_failed_, true)) {
    log_.write(LogLevel::Warn, "jobs", "the metastore does not take how far jobs are",
               {{.name = "reason", .value = error.message}});
  }
  if (options_.is_shared && Clock::now() - last_beat_ > options_.lease / 3 * 2) {
    // By now others may think that we are gone, and work at our jobs soon.
    for (const auto& attempt : locals()) {
      attempt->stop(StopReason::Lost);
    }
    const std::lock_guard lock(mutex_);
    has_orphans_ = true;
  }
}

void Service::heed(const std::vector<Running>& running) {
  std::vector<Running> abandoned;
  std::set<std::string> there;
  for (const Running& job : running) {
    there.insert(job.id);
    const auto attempt = job.owner == owner_ ? local(job.id) : nullptr;
    if (attempt != nullptr) {
      if (job.cancel_requested) {
        attempt->stop(StopReason::Cancelled);
      }
    } else if (is_abandoned(job)) {
      abandoned.push_back(job);
    }
  }
  std::erase_if(heard_, [&](const auto& heard) { return !there.contains(heard.first); });
  if (!abandoned.empty()) {
    take_back_all(abandoned);
  }
}

bool Service::is_abandoned(const Running& job) {
  const auto now = Clock::now();
  const auto [heard, is_new] = heard_.try_emplace(job.id, Heard{.last = job, .at = now});
  if (!is_new && (heard->second.last.owner != job.owner || heard->second.last.beat != job.beat)) {
    heard->second = {.last = job, .at = now};
  }
  if (job.owner == owner_) {
    // Ours, and nobody works at it; unless its runner has not yet noticed that it is not.
    const std::lock_guard lock(mutex_);
    return !running_.contains(job.id);
  }
  return !options_.is_shared || now - heard->second.at >= options_.lease;
}

void Service::take_back_all(const std::vector<Running>& abandoned) {
  std::vector<Running> taken;
  const Status done = metastore_.write(
      own_context(std::chrono::seconds(10)), [&](Transaction& transaction) -> Status {
        taken.clear();
        for (const Running& job : abandoned) {
          LH_ASSIGN_OR_RETURN(const bool is_taken, take_back(transaction, job, now_ms()));
          if (is_taken) {
            taken.push_back(job);
          }
        }
        return {};
      });
  if (!done) {
    beat_failed(done.error());
    const std::lock_guard lock(mutex_);
    has_orphans_ = true;
    return;
  }
  for (const Running& job : taken) {
    log_.write(LogLevel::Info, "jobs", "a job whose server is gone is taken up again",
               {{.name = "job", .value = job.id}});
    watchers_->changed(job.id);
  }
}

Result<std::vector<std::string>> Service::find_ready(std::size_t free, std::int64_t* earliest_ms) {
  std::map<std::string, std::size_t, std::less<>> busy;
  std::set<std::string> here;
  for (const auto& attempt : locals()) {
    ++busy[attempt->kind()];
    here.insert(attempt->id());
  }
  std::vector<std::string> ids;
  LH_RETURN_IF_ERROR(metastore_.read(
      own_context(std::chrono::seconds(10)), [&](Transaction& transaction) -> Status {
        ids.clear();
        *earliest_ms = kNever;
        LH_ASSIGN_OR_RETURN(const auto queued, queued_kinds(transaction));
        for (const auto& [name, kind] : kinds_) {
          kind.queued->set(0);
        }
        for (const QueuedKind& queue : queued) {
          const auto kind = kinds_.find(queue.kind);
          if (kind == kinds_.end()) {
            continue;
          }
          kind->second.queued->set(queue.count);
          if (queue.earliest_ms > now_ms()) {
            *earliest_ms = std::min(*earliest_ms, queue.earliest_ms);
            continue;
          }
          const std::size_t limit = kind->second.options.running_max;
          const std::size_t room = limit - std::min(limit, busy[queue.kind]);
          if (room > 0 && free > 0) {
            LH_ASSIGN_OR_RETURN(auto some, ready(transaction, queue.kind, now_ms(),
                                                 static_cast<std::int64_t>(std::min(room, free))));
            std::ranges::move(some, std::back_inserter(ids));
          }
        }
        return {};
      }));
  std::erase_if(ids, [&](const std::string& id) { return here.contains(id); });
  std::ranges::sort(ids);
  ids.resize(std::min(ids.size(), free));
  return ids;
}

// When the first of those that wait for a time may begin.
std::int64_t Service::claim_ready() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      return kNever;
    }
    is_claiming_ = true;
  }
  const auto earliest_ms = claim_some();
  {
    const std::lock_guard lock(mutex_);
    is_claiming_ = false;
  }
  attempt_ended_.notify_all();
  return earliest_ms.value_or(kNever);  // What failed is tried again with the next beat.
}

Result<std::int64_t> Service::claim_some() {
  const std::size_t taken = locals().size();
  std::int64_t earliest_ms = kNever;
  LH_ASSIGN_OR_RETURN(
      const auto ids,
      find_ready(options_.workers - std::min(options_.workers, taken), &earliest_ms));
  if (ids.empty()) {
    return earliest_ms;
  }
  std::vector<Claimed> claimed;
  Status done = metastore_.write(
      own_context(std::chrono::seconds(10)), [&](Transaction& transaction) -> Status {
        claimed.clear();
        for (const std::string& id : ids) {
          LH_ASSIGN_OR_RETURN(auto job, claim(transaction, id, owner_, now_ms()));
          if (job) {
            claimed.push_back(*std::move(job));
          }
        }
        return {};
      });
  if (!done) {
    // If it was committed all the same, they are ours without anybody working at them.
    const std::lock_guard lock(mutex_);
    has_orphans_ = true;
    return std::unexpected(std::move(done).error());
  }
  begin(std::move(claimed));
  return earliest_ms;
}

void Service::begin(std::vector<Claimed> claimed) {
  for (Claimed& job : claimed) {
    const Kind& kind = kinds_.find(job.job.kind)->second;
    const auto attempt = std::make_shared<Attempt>(
        std::move(job), owner_, kind.options.time_max,
        Attempt::Calls{
            .changed = [this](const std::string& id) { watchers_->changed(id); },
            .save = [this](const Lease& lease, const Job& now,
                           const std::string& text) { return save_checkpoint(lease, now, text); }});
    kind.started->add();
    kind.running->add(1);
    bool stopping = false;
    {
      const std::lock_guard lock(mutex_);
      running_.emplace(attempt->id(), attempt);
      ready_.push_back(attempt);
      stopping = stopping_;
    }
    if (stopping) {
      attempt->stop(StopReason::ServerStops);
    }
    workers_wake_.notify_one();
    watchers_->changed(attempt->id());
  }
}

void Service::prune_over() {
  const std::int64_t before = now_ms() - options_.keep_over.count();
  std::int64_t removed = 0;
  do {
    const Status done = metastore_.write(
        own_context(std::chrono::seconds(10)), [&](Transaction& transaction) -> Status {
          LH_ASSIGN_OR_RETURN(removed, prune(transaction, before, options_.over_max));
          return {};
        });
    if (!done) {
      return;  // In ten minutes again.
    }
  } while (removed > 0);
}

}  // namespace lakehouse::jobs::detail
