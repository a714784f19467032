#include "jobs/detail/service.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include <fmt/format.h>

#include "base/id.h"
#include "base/json.h"

namespace lakehouse::jobs::detail {
namespace {

using metastore::Transaction;

constexpr std::string_view kSeconds = "Time that attempts at jobs took.";

}  // namespace

Service::Service(metastore::Metastore& metastore, Log& log, Metrics& metrics, Options options)
    : metastore_(metastore),
      log_(log),
      metrics_(metrics),
      options_(std::move(options)),
      owner_(new_uuid()),
      watchers_(std::make_unique<Watchers>(
          [this](const std::string& id) -> std::optional<Job> {
            RequestContext context;
            context.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
            auto job = get(context, id);
            return job ? std::optional(*std::move(job)) : std::nullopt;
          },
          options_.is_shared)) {}

Service::~Service() {
  stop();
  watchers_.reset();
}

void Service::register_kind(std::string kind, KindOptions options, Runner runner) {
  assert(!keeper_.joinable());
  const Labels labels = {{"kind", kind}};
  Kind entry;
  entry.started = &metrics_.counter("lakehouse_job_attempts_total",
                                    "Attempts at jobs that began on this server.", labels);
  entry.retried = &metrics_.counter("lakehouse_job_retries_total",
                                    "Attempts at jobs that failed and are made again.", labels);
  entry.queued = &metrics_.gauge("lakehouse_jobs_queued", "Jobs that wait for a worker.", labels);
  entry.running =
      &metrics_.gauge("lakehouse_jobs_running", "Jobs that run on this server.", labels);
  entry.seconds =
      &metrics_.histogram("lakehouse_job_attempt_seconds", kSeconds, labels,
                          {0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400, 43200, 86400});
  entry.options = std::move(options);
  entry.runner = std::move(runner);
  kinds_.insert_or_assign(std::move(kind), std::move(entry));
}

void Service::run() {
  assert(!keeper_.joinable());
  last_beat_ = std::chrono::steady_clock::now();
  keeper_ = std::thread([this] { keep(); });
  for (std::size_t i = 0; i < options_.workers; ++i) {
    workers_.emplace_back([this] { work(); });
  }
}

void Service::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  for (const auto& attempt : locals()) {
    attempt->stop(StopReason::ServerStops);
  }
  {
    constexpr std::chrono::seconds kPatience{10};
    std::unique_lock lock(mutex_);
    while (!attempt_ended_.wait_for(lock, kPatience,
                                    [&] { return running_.empty() && !is_claiming_; })) {
      for (const auto& [id, attempt] : running_) {
        log_.write(LogLevel::Warn, "jobs", "a job takes its time to stop",
                   {{.name = "job", .value = id}, {.name = "kind", .value = attempt->kind()}});
      }
    }
    keeper_stops_ = true;  // Not before: until then it shows that we live.
  }
  keeper_wakes_.notify_all();
  workers_wake_.notify_all();
  for (std::thread& worker : workers_) {
    worker.join();
  }
  workers_.clear();
  if (keeper_.joinable()) {
    keeper_.join();
  }
}

std::int64_t Service::now_ms() const {
  if (options_.now_ms) {
    return options_.now_ms();
  }
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::shared_ptr<Attempt> Service::local(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto found = running_.find(id);
  return found == running_.end() || found->second->stop_reason() == StopReason::Lost
             ? nullptr
             : found->second;
}

Service::Attempts Service::locals() const {
  Attempts all;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, attempt] : running_) {
    all.push_back(attempt);
  }
  return all;
}

Result<Started> Service::start(const RequestContext& context, std::string_view kind,
                               boost::json::value spec, StartOptions options) {
  Result<Started> started;
  LH_RETURN_IF_ERROR(metastore_.write(context, [&](Transaction& transaction) -> Status {
    started = start_in(transaction, context, kind, spec, options);
    return started ? Status() : std::unexpected(started.error());
  }));
  wake();
  watchers_->changed(started->job.id);
  return started;
}

Result<Started> Service::start_in(Transaction& transaction, const RequestContext& context,
                                  std::string_view kind, boost::json::value spec,
                                  StartOptions options) {
  if (!kinds_.contains(kind)) {
    return fail(ErrorCode::InvalidArgument, fmt::format("there is no kind of job '{}'", kind));
  }
  return detail::start(transaction, {.kind = std::string(kind),
                                     .principal = context.principal,
                                     .spec = to_json(spec),
                                     .options = std::move(options),
                                     .now_ms = now_ms(),
                                     .live_max = options_.live_max});
}

void Service::wake() {
  {
    const std::lock_guard lock(mutex_);
    is_awake_ = true;
  }
  keeper_wakes_.notify_one();
}

Result<Job> Service::get(const RequestContext& context, std::string_view id) {
  if (const auto attempt = local(id)) {
    return attempt->job();
  }
  std::optional<Job> job;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(job, find(transaction, id));
    return {};
  }));
  if (!job) {
    return fail(ErrorCode::NotFound, "there is no such job (any more)");
  }
  return *std::move(job);
}

Result<JobPage> Service::list(const RequestContext& context, const JobFilter& filter,
                              std::int64_t limit, std::string_view page_token) {
  JobPage page;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(page, detail::list(transaction, filter, limit, page_token));
    return {};
  }));
  for (Job& job : page.items) {
    const auto attempt = job.state == JobState::Running ? local(job.id) : nullptr;
    if (attempt != nullptr) {
      job = attempt->job();
      job.spec = nullptr;
    }
  }
  return page;
}

Result<Job> Service::cancel(const RequestContext& context, std::string_view id) {
  std::optional<Job> job;
  bool was_queued = false;
  LH_RETURN_IF_ERROR(metastore_.write(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const std::optional<Job> before, find(transaction, id));
    was_queued = before && before->state == JobState::Queued;
    LH_ASSIGN_OR_RETURN(job, detail::cancel(transaction, id, now_ms()));
    return {};
  }));
  if (!job) {
    return fail(ErrorCode::NotFound, "there is no such job (any more)");
  }
  if (was_queued) {
    watchers_->changed(job->id);
    tell_over(*job);
    wake();  // What follows it may begin.
    return *std::move(job);
  }
  if (const auto attempt = local(id); attempt != nullptr && !is_over(job->state)) {
    attempt->stop(StopReason::Cancelled);
    return attempt->job();
  }
  {
    // Claimed a moment ago, perhaps: the next look at the metastore finds that it is unwanted.
    const std::lock_guard lock(mutex_);
    beat_now_ = true;
  }
  wake();
  return *std::move(job);
}

Result<Job> Service::wait(const RequestContext& context, std::string_view id,
                          std::int64_t revision) {
  struct Seen {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::optional<Job> job;
  } seen;
  LH_ASSIGN_OR_RETURN(const auto subscription, subscribe(context, id, [&](const Job& job) {
                        const std::lock_guard lock(seen.mutex);
                        seen.job = job;
                        seen.changed.notify_one();
                      }));
  std::unique_lock lock(seen.mutex);
  const auto is_news = [&] { return seen.job && seen.job->revision != revision; };
  if (context.time_left()) {
    seen.changed.wait_until(lock, context.stop, context.deadline, is_news);
  } else {
    seen.changed.wait(lock, context.stop, is_news);
  }
  if (!is_news()) {
    LH_RETURN_IF_ERROR(context.check());
    return fail(ErrorCode::DeadlineExceeded, "the job has not changed");
  }
  Job job = *std::move(seen.job);
  lock.unlock();
  return job;
}

Result<std::unique_ptr<Subscription>> Service::subscribe(const RequestContext& context,
                                                         std::string_view id,
                                                         std::function<void(const Job&)> changed) {
  Status outcome;
  auto subscription =
      watchers_->add(id, std::move(changed), [&] { return get(context, id); }, &outcome);
  LH_RETURN_IF_ERROR(outcome);
  return subscription;
}

void Service::tell_over(const Job& job) {
  const auto kind = kinds_.find(job.kind);
  if (kind == kinds_.end()) {
    return;
  }
  metrics_
      .counter("lakehouse_jobs_over_total", "Jobs that are over, by how they ended.",
               {{"kind", job.kind}, {"state", std::string(to_string(job.state))}})
      .add();
  if (kind->second.options.on_over) {
    kind->second.options.on_over(job);
  }
}

}  // namespace lakehouse::jobs::detail

namespace lakehouse::jobs {

std::unique_ptr<JobService> make_job_service(metastore::Metastore& metastore, Log& log,
                                             Metrics& metrics, JobService::Options options) {
  return std::make_unique<detail::Service>(metastore, log, metrics, std::move(options));
}

}  // namespace lakehouse::jobs
