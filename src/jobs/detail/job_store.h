#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "jobs/job.h"
#include "jobs/job_service.h"
#include "metastore/metastore.h"

/// \file
/// Jobs in the metastore: each function is a part of a transaction of its caller's.

namespace lakehouse::jobs::detail {

using metastore::Transaction;

inline constexpr std::size_t kTextBytesMax = std::size_t{1} << 20U;  ///< Of a spec and the like.

struct NewJob {
  std::string kind;
  std::string principal;
  std::string spec;  ///< JSON.
  StartOptions options;
  std::int64_t now_ms = 0;
  std::int64_t live_max = 0;
};
Result<Started> start(Transaction& transaction, const NewJob& job);

/// With spec and result; nothing if it is not there.
Result<std::optional<Job>> find(Transaction& transaction, std::string_view id);
Result<JobPage> list(Transaction& transaction, const JobFilter& filter, std::int64_t limit,
                     std::string_view page_token);

/// Who works at which attempt of a job: every write of a runner's holds only while that is so.
struct Lease {
  std::string id;
  std::string owner;
  std::int64_t attempt = 0;
};

struct QueuedKind {
  std::string kind;
  std::int64_t count = 0;
  std::int64_t earliest_ms = 0;  ///< When the first of them may begin.
};
Result<std::vector<QueuedKind>> queued_kinds(Transaction& transaction);
/// Those that may begin now, the oldest first.
Result<std::vector<std::string>> ready(Transaction& transaction, std::string_view kind,
                                       std::int64_t now_ms, std::int64_t limit);

struct Claimed {
  Job job;
  boost::json::value checkpoint;
  std::int64_t failures = 0;  ///< Attempts without a checkpoint, this one included.
};
/// Makes it running and `owner`'s; nothing if it may not begin (any more).
Result<std::optional<Claimed>> claim(Transaction& transaction, std::string_view id,
                                     std::string_view owner, std::int64_t now_ms);

/// Keeps what the job shows, and that its owner lives. False if the lease does not hold.
Result<bool> keep(Transaction& transaction, const Lease& lease, const Job& job);
/// The same, with a checkpoint.
Result<bool> keep_checkpoint(Transaction& transaction, const Lease& lease, const Job& job,
                             const std::string& checkpoint);
/// The end of an attempt: `job.state` is what becomes of it. `failures_less`: it does not count.
Result<bool> end_attempt(Transaction& transaction, const Lease& lease, const Job& job,
                         const std::string& result, bool failures_less);

/// Asks for an end, or ends it if it is queued. Nothing if it is not there.
Result<std::optional<Job>> cancel(Transaction& transaction, std::string_view id,
                                  std::int64_t now_ms);

struct Running {
  std::string id;
  std::string owner;
  std::int64_t beat = 0;
  std::int64_t attempt = 0;
  bool cancel_requested = false;
  friend bool operator==(const Running&, const Running&) = default;
};
Result<std::vector<Running>> running(Transaction& transaction);
/// Puts a job back whose owner has not shown life since `seen`: queued, or cancelled if that was
/// asked for. False if it has.
Result<bool> take_back(Transaction& transaction, const Running& seen, std::int64_t now_ms);

/// Removes jobs that ended before, and the oldest of those beyond `over_max`; some of them at a
/// time. How many went.
Result<std::int64_t> prune(Transaction& transaction, std::int64_t ended_before_ms,
                           std::int64_t over_max);

}  // namespace lakehouse::jobs::detail
