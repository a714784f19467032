#include "jobs/detail/attempt.h"

#include <algorithm>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace lakehouse::jobs::detail {
namespace {

constexpr std::size_t kMessageMax = 500;
constexpr int kSavesMax = 4;
constexpr std::chrono::milliseconds kSaveAgainAfter{250};

bool may_work_again(ErrorCode code) {
  return is_retryable(code) || code == ErrorCode::Aborted || code == ErrorCode::CommitStateUnknown;
}

std::string short_message(std::string_view message) {
  std::string text = as_utf8(message);
  if (text.size() > kMessageMax) {
    std::size_t end = kMessageMax;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
      --end;  // Never within a character.
    }
    text.resize(end);
  }
  return text;
}

}  // namespace

Attempt::Attempt(Claimed claimed, std::string owner, std::chrono::milliseconds time_max,
                 Calls calls)
    : lease_{.id = claimed.job.id, .owner = std::move(owner), .attempt = claimed.job.attempts},
      kind_(claimed.job.kind),
      subject_(claimed.job.subject),
      spec_(claimed.job.spec),
      checkpoint_(std::move(claimed.checkpoint)),
      calls_(std::move(calls)),
      failures_(claimed.failures),
      job_(std::move(claimed.job)) {
  request_.principal = job_.principal;
  request_.request_id = "job-" + lease_.id;
  request_.stop = stop_.get_token();
  if (time_max.count() > 0) {
    request_.deadline = std::chrono::steady_clock::now() + time_max;
  }
}

void Attempt::progress(std::int64_t done, std::int64_t total, std::string_view message) {
  {
    const std::lock_guard lock(mutex_);
    job_.done = std::max<std::int64_t>(done, 0);
    job_.total = std::max<std::int64_t>(total, 0);
    if (!message.empty() && message != job_.message) {
      job_.message = short_message(message);
    }
    meter_.add(std::chrono::steady_clock::now(), job_.done);
    ++job_.revision;
    has_changed_ = true;
  }
  calls_.changed(lease_.id);
}

Job Attempt::shown() const {
  Job job = job_;
  job.rate = meter_.rate(std::chrono::steady_clock::now());
  job.eta_s.reset();
  if (job.rate > 0 && job.total > job.done) {
    job.eta_s = static_cast<double>(job.total - job.done) / job.rate;
  }
  return job;
}

Job Attempt::job() const {
  const std::lock_guard lock(mutex_);
  return shown();
}

std::optional<Job> Attempt::take_changes(bool always) {
  const std::lock_guard lock(mutex_);
  if (!has_changed_ && !always) {
    return std::nullopt;
  }
  has_changed_ = false;
  return shown();
}

Status Attempt::checkpoint(boost::json::value state) {
  const std::string text = to_json(state);
  if (text.size() > kTextBytesMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a checkpoint takes {} bytes, more than 1 MiB", text.size()));
  }
  const std::lock_guard lock(checkpointing_);
  for (int tries = 1;; ++tries) {
    if (stop_reason() == StopReason::Lost) {
      return fail(ErrorCode::Aborted, fmt::format("job {} is no longer this server's", lease_.id));
    }
    const auto saved = calls_.save(lease_, job(), text);
    if (saved && *saved) {
      failures_ = 0;
      return {};
    }
    if (saved) {
      stop(StopReason::Lost);
      continue;
    }
    if (tries == kSavesMax || !may_work_again(saved.error().code)) {
      return std::unexpected(Error(saved.error()).with_context("keep a checkpoint"));
    }
    std::this_thread::sleep_for(kSaveAgainAfter * tries);
  }
}

void Attempt::stop(StopReason reason) {
  StopReason none = StopReason::None;
  if (reason == StopReason::Lost) {
    reason_ = reason;
  } else if (!reason_.compare_exchange_strong(none, reason)) {
    return;
  }
  if (reason == StopReason::Cancelled) {
    const std::lock_guard lock(mutex_);
    job_.cancel_requested = true;
    ++job_.revision;
    has_changed_ = true;
  }
  stop_.request_stop();
  calls_.changed(lease_.id);
}

}  // namespace lakehouse::jobs::detail
