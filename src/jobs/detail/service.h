#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "jobs/detail/attempt.h"
#include "jobs/detail/watchers.h"
#include "jobs/job_service.h"

namespace lakehouse::jobs::detail {

/// The one JobService. Its threads: the keeper claims jobs, shows that this server lives, and takes
/// back the jobs of those that do not; the workers run them; the watchers' tells who listens.
class Service final : public JobService {
 public:
  Service(metastore::Metastore& metastore, Log& log, Metrics& metrics, Options options);
  ~Service() override;
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  void register_kind(std::string kind, KindOptions options, Runner runner) override;
  void run() override;
  void stop() override;
  Result<Started> start(const RequestContext& context, std::string_view kind,
                        boost::json::value spec, StartOptions options) override;
  Result<Started> start_in(metastore::Transaction& transaction, const RequestContext& context,
                           std::string_view kind, boost::json::value spec,
                           StartOptions options) override;
  void wake() override;
  Result<Job> get(const RequestContext& context, std::string_view id) override;
  Result<JobPage> list(const RequestContext& context, const JobFilter& filter, std::int64_t limit,
                       std::string_view page_token) override;
  Result<Job> cancel(const RequestContext& context, std::string_view id) override;
  Result<Job> wait(const RequestContext& context, std::string_view id,
                   std::int64_t revision) override;
  Result<std::unique_ptr<Subscription>> subscribe(const RequestContext& context,
                                                  std::string_view id,
                                                  std::function<void(const Job&)> changed) override;

 private:
  struct Kind {
    KindOptions options;
    Runner runner;
    Counter* started = nullptr;
    Counter* retried = nullptr;
    Gauge* queued = nullptr;
    Gauge* running = nullptr;
    Histogram* seconds = nullptr;
  };
  struct Heard {
    Running last;
    std::chrono::steady_clock::time_point at;  ///< When it was first seen so.
  };
  using Attempts = std::vector<std::shared_ptr<Attempt>>;

  [[nodiscard]] std::int64_t now_ms() const;
  [[nodiscard]] std::shared_ptr<Attempt> local(std::string_view id) const;
  [[nodiscard]] Attempts locals() const;

  void keep();
  void beat(bool must_write);
  void beat_failed(const Error& error);
  void heed(const std::vector<Running>& running);
  [[nodiscard]] bool is_abandoned(const Running& job);
  void take_back_all(const std::vector<Running>& abandoned);
  std::int64_t claim_ready();
  Result<std::int64_t> claim_some();
  Result<std::vector<std::string>> find_ready(std::size_t free, std::int64_t* earliest_ms);
  void begin(std::vector<Claimed> claimed);
  void prune_over();

  void work();
  Result<boost::json::value> call_runner(const Kind& kind, Attempt& attempt);
  void settle(const Kind& kind, Attempt& attempt, Result<boost::json::value> outcome);
  [[nodiscard]] Job ending(const Kind& kind, const Attempt& attempt,
                           const Result<boost::json::value>& outcome) const;
  Status write_end(const Attempt& attempt, const Job& job, const std::string& result);
  Result<bool> save_checkpoint(const Lease& lease, const Job& job, const std::string& checkpoint);
  void tell_over(const Job& job);

  metastore::Metastore& metastore_;
  Log& log_;
  Metrics& metrics_;
  const Options options_;
  const std::string owner_;
  std::map<std::string, Kind, std::less<>> kinds_;  ///< Does not change once it runs.

  // The keeper's own.
  std::map<std::string, Heard> heard_;
  std::chrono::steady_clock::time_point last_beat_;
  bool keeper_failed_ = false;  ///< That was logged already.

  mutable std::mutex mutex_;
  std::condition_variable keeper_wakes_;
  std::condition_variable workers_wake_;
  std::condition_variable attempt_ended_;
  // Guarded by mutex_.
  std::map<std::string, std::shared_ptr<Attempt>, std::less<>> running_;
  std::deque<std::shared_ptr<Attempt>> ready_;
  bool is_awake_ = false;
  bool beat_now_ = false;
  bool has_orphans_ = true;   ///< Jobs may be ours, or of servers before us, that nobody works at.
  bool is_claiming_ = false;  ///< More may begin, although it is stopping.
  bool stopping_ = false;
  bool keeper_stops_ = false;

  std::thread keeper_;
  std::vector<std::thread> workers_;
  std::unique_ptr<Watchers> watchers_;  ///< Goes first: it asks the rest.
};

}  // namespace lakehouse::jobs::detail
