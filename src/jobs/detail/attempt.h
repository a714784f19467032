#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>

#include "jobs/detail/job_store.h"
#include "jobs/detail/rate_meter.h"
#include "jobs/job_service.h"

namespace lakehouse::jobs::detail {

/// Why a runner was told to stop.
enum class StopReason : std::uint8_t { None, Cancelled, ServerStops, Lost };

/// One attempt at a job on this server, from its claim until what became of it is durable.
/// Thread-safe.
class Attempt final : public JobContext {
 public:
  struct Calls {
    std::function<void(const std::string& id)> changed;
    /// Makes a checkpoint durable. False if the job is no longer ours.
    std::function<Result<bool>(const Lease&, const Job&, const std::string&)> save;
  };
  Attempt(Claimed claimed, std::string owner, std::chrono::milliseconds time_max, Calls calls);

  [[nodiscard]] const RequestContext& request() const override { return request_; }
  [[nodiscard]] const std::string& id() const override { return lease_.id; }
  [[nodiscard]] const std::string& subject() const override { return subject_; }
  [[nodiscard]] const boost::json::value& spec() const override { return spec_; }
  [[nodiscard]] std::int64_t attempt() const override { return lease_.attempt; }
  void progress(std::int64_t done, std::int64_t total, std::string_view message) override;
  Status checkpoint(boost::json::value state) override;
  [[nodiscard]] const boost::json::value& last_checkpoint() const override { return checkpoint_; }

  [[nodiscard]] const Lease& lease() const { return lease_; }
  [[nodiscard]] const std::string& kind() const { return kind_; }
  /// Attempts in a row without a checkpoint, this one included unless it made one.
  [[nodiscard]] std::int64_t failures() const { return failures_.load(); }
  /// The job as it shows now.
  [[nodiscard]] Job job() const;
  /// The same, if it has changed since the last time or `always`.
  std::optional<Job> take_changes(bool always);

  /// The first reason holds, but for Lost, which ends all doubt.
  void stop(StopReason reason);
  [[nodiscard]] StopReason stop_reason() const { return reason_.load(); }

 private:
  [[nodiscard]] Job shown() const;

  const Lease lease_;
  const std::string kind_;
  const std::string subject_;
  const boost::json::value spec_;
  const boost::json::value checkpoint_;
  const Calls calls_;
  std::stop_source stop_;
  RequestContext request_;
  std::atomic<std::int64_t> failures_;
  std::atomic<StopReason> reason_ = StopReason::None;
  std::mutex checkpointing_;  ///< One after the other, so that the latest is the last.
  mutable std::mutex mutex_;
  Job job_;  ///< Guarded by mutex_, as what follows.
  RateMeter meter_;
  bool has_changed_ = true;
};

}  // namespace lakehouse::jobs::detail
