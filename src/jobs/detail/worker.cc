/// What the workers' threads do: run an attempt, and make durable what became of it.

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"
#include "jobs/detail/service.h"

namespace lakehouse::jobs::detail {
namespace {

using metastore::Transaction;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kRetryMax{300'000};
constexpr int kEndTriesMax = 8;
constexpr std::chrono::milliseconds kEndAgainAfter{250};  // Grows with each.

std::chrono::milliseconds retry_after(const KindOptions& options, std::int64_t failures) {
  const auto doublings = std::clamp<std::int64_t>(failures - 1, 0, 20);
  return std::min(options.retry_after * (std::int64_t{1} << doublings), kRetryMax);
}

std::unexpected<Error> server_ended(std::int64_t times) {
  return fail(
      ErrorCode::Aborted,
      fmt::format("its server ended while it ran, {} times without a new checkpoint", times),
      "The server's log may say why; start the job again once that is mended.");
}

}  // namespace

void Service::work() {
  for (;;) {
    std::shared_ptr<Attempt> attempt;
    {
      std::unique_lock lock(mutex_);
      workers_wake_.wait(lock, [&] { return !ready_.empty() || keeper_stops_; });
      if (ready_.empty()) {
        return;
      }
      attempt = std::move(ready_.front());
      ready_.pop_front();
    }
    const Kind& kind = kinds_.find(attempt->kind())->second;
    const auto begun = Clock::now();
    settle(kind, *attempt, call_runner(kind, *attempt));
    kind.seconds->observe(std::chrono::duration<double>(Clock::now() - begun).count());
  }
}

Result<boost::json::value> Service::call_runner(const Kind& kind, Attempt& attempt) {
  LH_RETURN_IF_ERROR(attempt.request().check());
  if (attempt.failures() > kind.options.attempts_max) {
    return server_ended(attempt.failures() - 1);
  }
  log_.write(LogLevel::Info, "jobs", attempt.request(), "begins",
             {{.name = "kind", .value = attempt.kind()},
              {.name = "subject", .value = attempt.subject()},
              {.name = "principal", .value = attempt.request().principal},
              {.name = "attempt", .value = attempt.attempt()}});
  try {
    return kind.runner(attempt);
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::ResourceExhausted, "the server has no memory left for the job");
  } catch (const std::exception& bug) {
    return fail(ErrorCode::Internal, fmt::format("the job threw: {}", bug.what()));
  }
}

// What the job is after an attempt.
Job Service::ending(const Kind& kind, const Attempt& attempt,
                    const Result<boost::json::value>& outcome) const {
  const StopReason reason = attempt.stop_reason();
  Job job = attempt.job();
  ++job.revision;
  job.eta_s.reset();
  job.error.reset();
  job.not_before_ms = 0;
  job.ended_at_ms = now_ms();
  if (outcome) {
    job.state = JobState::Done;
  } else if (reason == StopReason::Cancelled) {
    job.state = JobState::Cancelled;
  } else if (reason == StopReason::ServerStops) {
    job.state = JobState::Queued;
  } else {
    job.error = outcome.error();
    const bool again =
        is_retryable(outcome.error().code) && attempt.failures() < kind.options.attempts_max;
    job.state = again ? JobState::Queued : JobState::Failed;
    job.not_before_ms =
        again ? now_ms() + retry_after(kind.options, attempt.failures()).count() : 0;
  }
  if (job.state == JobState::Queued) {
    job.ended_at_ms = 0;
    job.rate = 0;
  } else {
    const auto ran_ms =
        static_cast<double>(std::max<std::int64_t>(job.ended_at_ms - job.started_at_ms, 1));
    job.rate = static_cast<double>(job.done) * 1000 / ran_ms;
  }
  return job;
}

void Service::settle(const Kind& kind, Attempt& attempt, Result<boost::json::value> outcome) {
  std::string result = outcome ? to_json(*outcome) : std::string();
  if (result.size() > kTextBytesMax) {
    result.clear();
    outcome = fail(ErrorCode::Internal, "the job's result takes more than 1 MiB");
  }
  const Job job = ending(kind, attempt, outcome);
  Status written;
  if (attempt.stop_reason() == StopReason::Lost) {
    log_.write(LogLevel::Warn, "jobs", attempt.request(), "another server has taken the job");
  } else {
    written = write_end(attempt, job, result);
    log_.write(job.state == JobState::Failed ? LogLevel::Warn : LogLevel::Info, "jobs",
               attempt.request(), job.state == JobState::Queued ? "waits" : to_string(job.state),
               {{.name = "kind", .value = attempt.kind()},
                {.name = "done", .value = job.done},
                {.name = "reason",
                 .value = job.error ? std::string_view(job.error->message) : std::string_view()}});
  }
  const bool is_ours = written && attempt.stop_reason() != StopReason::Lost;
  if (is_ours && job.error && job.state == JobState::Queued) {
    kind.retried->add();
  }
  kind.running->add(-1);
  {
    const std::lock_guard lock(mutex_);
    running_.erase(attempt.id());
    has_orphans_ = has_orphans_ || !written;
  }
  watchers_->changed(attempt.id());
  if (is_ours && is_over(job.state)) {
    tell_over(job);
  }
  attempt_ended_.notify_all();
  wake();
}

// Until it is written or plainly cannot be; then the job is run again from its last checkpoint.
Status Service::write_end(const Attempt& attempt, const Job& job, const std::string& result) {
  for (int tries = 1;; ++tries) {
    RequestContext context;
    context.request_id = attempt.request().request_id;
    context.deadline = Clock::now() + std::chrono::seconds(10);
    bool is_ours = false;
    const Status written = metastore_.write(context, [&](Transaction& transaction) -> Status {
      LH_ASSIGN_OR_RETURN(is_ours, end_attempt(transaction, attempt.lease(), job, result,
                                               attempt.stop_reason() == StopReason::ServerStops));
      return {};
    });
    if (written) {
      // If an earlier try was committed after all, the lease has ended with it.
      return is_ours || tries > 1 ? Status()
                                  : fail(ErrorCode::Aborted, "another server has taken the job");
    }
    if (tries == kEndTriesMax || attempt.stop_reason() == StopReason::Lost) {
      log_.write(LogLevel::Error, "jobs", attempt.request(), "how the job ended cannot be kept",
                 {{.name = "reason", .value = written.error().message}});
      return written;
    }
    std::this_thread::sleep_for(kEndAgainAfter * tries);
  }
}

Result<bool> Service::save_checkpoint(const Lease& lease, const Job& job,
                                      const std::string& checkpoint) {
  RequestContext context;  // Not the job's: what it has done when it is stopped is worth keeping.
  context.request_id = "job-" + lease.id;
  context.deadline = Clock::now() + std::chrono::seconds(10);
  bool is_ours = false;
  LH_RETURN_IF_ERROR(metastore_.write(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(is_ours, keep_checkpoint(transaction, lease, job, checkpoint));
    return {};
  }));
  return is_ours;
}

}  // namespace lakehouse::jobs::detail
