#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/request_context.h"
#include "jobs/job.h"
#include "metastore/metastore.h"

namespace lakehouse::jobs {

/// What a runner is given: what to do, for whom, how far it came before, and where to say how far
/// it is. Lives as long as the runner's call. Thread-safe: a runner may use threads of its own, all
/// of which have ended when it returns.
class JobContext {
 public:
  virtual ~JobContext() = default;

  /// The caller's principal, the job's id as the request id; stopped when the job is cancelled,
  /// when this server stops, and when another server has taken the job. Work asks
  /// `request().check()` at least every 100 ms, passes it on to whatever it calls, and returns what
  /// that returned.
  [[nodiscard]] virtual const RequestContext& request() const = 0;
  [[nodiscard]] virtual const std::string& id() const = 0;
  [[nodiscard]] virtual const std::string& subject() const = 0;
  [[nodiscard]] virtual const boost::json::value& spec() const = 0;
  /// 1 the first time.
  [[nodiscard]] virtual std::int64_t attempt() const = 0;

  /// Cheap: call it as often as you like. `total` 0: not known. An empty message leaves the last.
  /// `done` includes what earlier attempts did, and should only grow. Shown at once to those who
  /// watch on this server; kept every two seconds.
  virtual void progress(std::int64_t done, std::int64_t total, std::string_view message = {}) = 0;

  /// Keeps `state` (at most 1 MiB of JSON) together with the progress: durable when this returns
  /// success, and what `last_checkpoint` gives to the next attempt. A transaction of the metastore:
  /// call it after work that is worth a second or more. Make the work durable first, and able to
  /// be done twice: a kill between the two does it again. Aborted if the job is no longer ours:
  /// then stop, without a trace.
  virtual Status checkpoint(boost::json::value state) = 0;
  /// Of the latest attempt that made one; null if none did. Does not change during the attempt.
  [[nodiscard]] virtual const boost::json::value& last_checkpoint() const = 0;
};

/// Does the job, on a thread of the service's. Returns its result, at most 1 MiB of JSON. An error
/// that is_retryable() is tried again after a while, from the last checkpoint, as KindOptions says;
/// any other fails the job. After a stop it returns soon, with whatever: the service knows why.
using Runner = std::function<Result<boost::json::value>(JobContext&)>;

/// Is told what became of a job, once it is durable; by this server only, on a thread of the
/// service's or of who cancelled it. For follow-ups that may get lost with a crash.
using OnOver = std::function<void(const Job&)>;

struct KindOptions {
  std::size_t running_max = 1;  ///< At once on one server.
  /// Attempts that fail with a retryable error and made no new checkpoint, in a row, until the job
  /// fails. Attempts that end with their server (a crash, a kill) count as well, so that a job that
  /// kills its server does not do so for ever; orderly stops do not count.
  std::int64_t attempts_max = 5;
  std::chrono::milliseconds retry_after{2'000};  ///< Doubles with each, up to five minutes.
  std::chrono::milliseconds time_max{0};         ///< Of one attempt: its deadline. 0: none.
  OnOver on_over = {};
};

/// What to do if a job of the same kind and subject is queued or running.
enum class IfLive : std::uint8_t {
  Join,    ///< It is the answer if its spec and principal are the same; else AlreadyExists.
  Refuse,  ///< AlreadyExists, naming it.
  Follow,  ///< One that is queued is the answer, its spec replaced by this one; if one is running,
           ///< this one is queued behind it. For refreshes: what changes while one runs needs
           ///< another, but never two.
};

struct StartOptions {
  /// Jobs of one kind and one subject never run side by side; the empty subject is like no other.
  std::string subject = {};
  IfLive if_live = IfLive::Join;
  std::chrono::milliseconds delay{0};  ///< It does not begin before.
};

struct Started {
  Job job;
  bool is_new = true;  ///< False: it was there already.
};

/// What `list` gives, the latest first.
struct JobFilter {
  std::string principal = {};         ///< Empty: everybody's.
  std::string kind = {};              ///< Empty: all.
  std::string subject = {};           ///< Empty: all.
  std::vector<JobState> states = {};  ///< Empty: all.
};

/// Ends a subscription when it goes; after that, nothing is called any more.
class Subscription {
 public:
  virtual ~Subscription() = default;
};

/// Long work: kept in the metastore, run by a bounded number of workers, resumed from its last
/// checkpoint after a restart. Several servers that share a metastore share its jobs: each is run
/// by one of them at a time, which shows that it lives by a heartbeat.
///
/// Thread-safe; calls block for the metastore. Made, told the kinds, then started. A runner must
/// not wait for another job: the workers are few.
class JobService {
 public:
  struct Options {
    std::size_t workers = 2;
    /// True where other servers may use the same metastore: then one that has not been heard of
    /// for `lease` loses its jobs; else all jobs of earlier processes are taken up at once.
    bool is_shared = false;
    std::chrono::milliseconds lease{15'000};
    std::chrono::milliseconds beat{2'000};  ///< How often progress is kept, and life shown.
    std::chrono::milliseconds keep_over{7 * 86'400'000};  ///< Jobs that are over go after that,
    std::int64_t over_max = 10'000;                       ///< or when there are more of them.
    std::int64_t live_max = 10'000;                       ///< More are refused: ResourceExhausted.
    std::function<std::int64_t()> now_ms = {};            ///< Empty: the system's clock.
  };

  virtual ~JobService() = default;

  /// Before `run`. A kind is a name of this program's, "vector.index", never from a request. Jobs
  /// of kinds that this server does not know wait for one that does.
  virtual void register_kind(std::string kind, KindOptions options, Runner runner) = 0;

  /// Begins to work. Once.
  virtual void run() = 0;
  /// Stops what runs, so that it is queued again and resumed by the next server; waits for the
  /// runners to return. Then nothing runs here any more. The destructor does the same.
  virtual void stop() = 0;

  /// Durable when this returns. The job is `context.principal`'s. InvalidArgument for a kind that
  /// is not known, or a spec of more than 1 MiB; see IfLive for a subject that has a job.
  virtual Result<Started> start(const RequestContext& context, std::string_view kind,
                                boost::json::value spec, StartOptions options = {}) = 0;
  /// The same as a part of a transaction of the caller's on the service's metastore, so that a
  /// record and the job that fills it come together or not at all. `wake` after its commit.
  virtual Result<Started> start_in(metastore::Transaction& transaction,
                                   const RequestContext& context, std::string_view kind,
                                   boost::json::value spec, StartOptions options = {}) = 0;
  /// Looks for work now. Cheap.
  virtual void wake() = 0;

  /// NotFound if there is none (any more). Nobody asks here whose it is: `principal` says.
  virtual Result<Job> get(const RequestContext& context, std::string_view id) = 0;
  /// InvalidArgument for a page token that is none. `limit` at least 1.
  virtual Result<JobPage> list(const RequestContext& context, const JobFilter& filter,
                               std::int64_t limit, std::string_view page_token) = 0;

  /// A queued job is cancelled when this returns; a running one is told, and is once its runner
  /// has returned. One that is over stays as it is. NotFound.
  virtual Result<Job> cancel(const RequestContext& context, std::string_view id) = 0;

  /// Blocks until the job is other than at `revision` (0: at once) and returns it;
  /// DeadlineExceeded, Cancelled as the context says, NotFound. Holds the calling thread: for tools
  /// and tests.
  virtual Result<Job> wait(const RequestContext& context, std::string_view id,
                           std::int64_t revision) = 0;
  /// Until it is over.
  Result<Job> wait_over(const RequestContext& context, std::string_view id);

  /// Calls `changed` with the job now and whenever it differs, at most ten times a second and
  /// always with how it ended; then no more. Changes that another server makes come within two
  /// seconds. On a thread of the service's: quick, and without calls to the service. NotFound.
  virtual Result<std::unique_ptr<Subscription>> subscribe(
      const RequestContext& context, std::string_view id,
      std::function<void(const Job&)> changed) = 0;
};

/// `metastore`, `log` and `metrics` outlive it.
std::unique_ptr<JobService> make_job_service(metastore::Metastore& metastore, Log& log,
                                             Metrics& metrics, JobService::Options options);

}  // namespace lakehouse::jobs
