#include "jobs/detail/job_store.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "base/id.h"
#include "base/json.h"

namespace lakehouse::jobs::detail {
namespace {

namespace json = boost::json;
using metastore::integer;
using metastore::Row;
using metastore::text;

constexpr std::int64_t kPrunedAtOnce = 500;
constexpr std::size_t kSubjectMax = 1000;

#define LH_JOB_COLUMNS                                                                     \
  "id, kind, principal, subject, state, done, total, message, rate_milli, created_at_ms, " \
  "started_at_ms, ended_at_ms, not_before_ms, attempts, cancel_requested, error, revision"
/// No other of its kind and subject runs.
#define LH_JOB_IS_ALONE                                                                        \
  "(subject = '' OR NOT EXISTS (SELECT 1 FROM jobs AS other WHERE other.kind = jobs.kind AND " \
  "other.subject = jobs.subject AND other.state = 1))"
#define LH_JOB_LEASE "id = $1 AND owner = $2 AND attempts = $3 AND state = 1"

std::string error_text(const std::optional<Error>& error) {
  return error ? to_json(json::object{{"code", to_string(error->code)},
                                      {"message", error->message},
                                      {"hint", error->hint}})
               : std::string();
}

Result<std::optional<Error>> error_of(const std::string& stored) {
  if (stored.empty()) {
    return std::nullopt;
  }
  LH_ASSIGN_OR_RETURN(const json::value value, parse_json(stored, "a job's error"));
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a job's error"));
  LH_ASSIGN_OR_RETURN(const std::string code, fields.require_string("code"));
  Error error;
  for (int i = 0; i <= static_cast<int>(ErrorCode::Internal); ++i) {
    if (to_string(static_cast<ErrorCode>(i)) == code) {
      error.code = static_cast<ErrorCode>(i);
    }
  }
  LH_ASSIGN_OR_RETURN(error.message, fields.require_string("message"));
  LH_ASSIGN_OR_RETURN(error.hint, fields.require_string("hint"));
  return error;
}

Result<Job> job_of(const Row& row) {
  Job job;
  job.id = text(row[0]);
  job.kind = text(row[1]);
  job.principal = text(row[2]);
  job.subject = text(row[3]);
  job.state = static_cast<JobState>(integer(row[4]));
  job.done = integer(row[5]);
  job.total = integer(row[6]);
  job.message = text(row[7]);
  job.rate = static_cast<double>(integer(row[8])) / 1000;
  job.created_at_ms = integer(row[9]);
  job.started_at_ms = integer(row[10]);
  job.ended_at_ms = integer(row[11]);
  job.not_before_ms = integer(row[12]);
  job.attempts = integer(row[13]);
  job.cancel_requested = integer(row[14]) != 0;
  LH_ASSIGN_OR_RETURN(job.error, error_of(text(row[15])));
  job.revision = integer(row[16]);
  if (job.state == JobState::Running && job.rate > 0 && job.total > job.done) {
    job.eta_s = static_cast<double>(job.total - job.done) / job.rate;
  }
  return job;
}

std::int64_t milli(double rate) {
  return std::isfinite(rate) ? std::llround(std::clamp(rate, 0.0, 1e12) * 1000) : 0;
}

Status put_text(Transaction& transaction, std::string_view id, std::string_view name,
                const std::string& body) {
  LH_ASSIGN_OR_RETURN(
      const std::int64_t changed,
      transaction.execute("UPDATE job_texts SET body = $3 WHERE job_id = $1 AND name = $2",
                          {std::string(id), std::string(name), body}));
  if (changed == 0) {
    LH_RETURN_IF_ERROR(
        transaction.execute("INSERT INTO job_texts (job_id, name, body) VALUES ($1, $2, $3)",
                            {std::string(id), std::string(name), body}));
  }
  return {};
}

/// Null if there is none.
Result<json::value> find_text(Transaction& transaction, std::string_view id,
                              std::string_view name) {
  LH_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT body FROM job_texts WHERE job_id = $1 AND name = $2",
                        {std::string(id), std::string(name)}));
  if (rows.empty()) {
    return json::value();
  }
  return parse_json(text(rows.front()[0]), "a job's text");
}

struct Live {
  std::string id;
  std::string principal;
  JobState state = JobState::Queued;
};

Result<std::vector<Live>> live_ones(Transaction& transaction, const NewJob& job) {
  std::vector<Live> live;
  if (job.options.subject.empty()) {
    return live;
  }
  LH_ASSIGN_OR_RETURN(const auto rows,
                      transaction.query("SELECT id, principal, state FROM jobs WHERE kind = $1 AND "
                                        "subject = $2 AND state <= 1 ORDER BY id",
                                        {job.kind, job.options.subject}));
  for (const Row& row : rows) {
    live.push_back({.id = text(row[0]),
                    .principal = text(row[1]),
                    .state = static_cast<JobState>(integer(row[2]))});
  }
  return live;
}

Result<Started> already(Transaction& transaction, const std::string& id) {
  LH_ASSIGN_OR_RETURN(std::optional<Job> job, find(transaction, id));
  if (!job) {
    return fail(ErrorCode::Internal, fmt::format("job {} is gone within its transaction", id));
  }
  return Started{.job = *std::move(job), .is_new = false};
}

/// The job that a start ends at instead of a new one; nothing if there is to be a new one.
Result<std::optional<Started>> existing(Transaction& transaction, const NewJob& job) {
  LH_ASSIGN_OR_RETURN(const std::vector<Live> live, live_ones(transaction, job));
  if (live.empty()) {
    return std::nullopt;
  }
  if (job.options.if_live == IfLive::Follow) {
    const auto queued = std::ranges::find_if(live, [&](const Live& other) {
      return other.state == JobState::Queued && other.principal == job.principal;
    });
    if (queued == live.end()) {
      return std::nullopt;
    }
    LH_RETURN_IF_ERROR(put_text(transaction, queued->id, "spec", job.spec));
    LH_RETURN_IF_ERROR(
        transaction.execute("UPDATE jobs SET revision = revision + 1 WHERE id = $1", {queued->id}));
    return already(transaction, queued->id);
  }
  if (job.options.if_live == IfLive::Join) {
    for (const Live& other : live) {
      LH_ASSIGN_OR_RETURN(Started found, already(transaction, other.id));
      if (other.principal == job.principal && to_json(found.job.spec) == job.spec) {
        return found;
      }
    }
  }
  return fail(
      ErrorCode::AlreadyExists,
      fmt::format("{} has a job of the kind {} already, which is {}: {}", job.options.subject,
                  job.kind, to_string(live.front().state), live.front().id),
      "Wait for it, or cancel it.");
}

Status check_new(Transaction& transaction, const NewJob& job) {
  if (job.spec.size() > kTextBytesMax) {
    return fail(ErrorCode::InvalidArgument, "what the job is to do takes more than 1 MiB");
  }
  if (job.options.subject.size() > kSubjectMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a job's subject may have {} bytes", kSubjectMax));
  }
  LH_ASSIGN_OR_RETURN(const auto rows,
                      transaction.query("SELECT COUNT(*) FROM jobs WHERE state <= 1"));
  if (integer(rows.front()[0]) >= job.live_max) {
    return fail(ErrorCode::ResourceExhausted,
                fmt::format("there are {} jobs already that are not over", job.live_max),
                "Wait for some of them to end, or cancel some.");
  }
  return {};
}

}  // namespace

Result<Started> start(Transaction& transaction, const NewJob& job) {
  LH_ASSIGN_OR_RETURN(std::optional<Started> found, existing(transaction, job));
  if (found) {
    return *std::move(found);
  }
  LH_RETURN_IF_ERROR(check_new(transaction, job));
  const std::string id = new_uuid();
  const std::int64_t delay = job.options.delay.count();
  LH_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO jobs (id, kind, principal, subject, state, done, total, message, rate_milli, "
      "created_at_ms, started_at_ms, ended_at_ms, not_before_ms, attempts, failures, "
      "cancel_requested, error, owner, beat, revision) VALUES ($1, $2, $3, $4, 0, 0, 0, '', 0, $5, "
      "0, 0, $6, 0, 0, 0, '', '', 0, 1)",
      {id, job.kind, job.principal, job.options.subject, job.now_ms,
       delay > 0 ? job.now_ms + delay : 0}));
  LH_RETURN_IF_ERROR(put_text(transaction, id, "spec", job.spec));
  LH_ASSIGN_OR_RETURN(Started started, already(transaction, id));
  started.is_new = true;
  return started;
}

Result<std::optional<Job>> find(Transaction& transaction, std::string_view id) {
  LH_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT " LH_JOB_COLUMNS " FROM jobs WHERE id = $1", {std::string(id)}));
  if (rows.empty()) {
    return std::nullopt;
  }
  LH_ASSIGN_OR_RETURN(Job job, job_of(rows.front()));
  LH_ASSIGN_OR_RETURN(job.spec, find_text(transaction, id, "spec"));
  LH_ASSIGN_OR_RETURN(job.result, find_text(transaction, id, "result"));
  return job;
}

Result<JobPage> list(Transaction& transaction, const JobFilter& filter, std::int64_t limit,
                     std::string_view page_token) {
  constexpr std::string_view kHexAndDash = "0123456789abcdef-";
  if (!page_token.empty() &&
      (page_token.size() != 36 || page_token.find_first_not_of(kHexAndDash) != page_token.npos)) {
    return fail(ErrorCode::InvalidArgument, "page_token is not one that a list of jobs gave",
                "Take next_page_token as it was.");
  }
  const auto wanted = [&](JobState state) -> std::int64_t {
    return filter.states.empty() || std::ranges::find(filter.states, state) != filter.states.end()
               ? static_cast<std::int64_t>(state)
               : -1;
  };
  const std::string before = page_token.empty() ? "g" : std::string(page_token);
  LH_ASSIGN_OR_RETURN(
      const auto rows,
      filter.principal.empty()
          ? transaction.query("SELECT " LH_JOB_COLUMNS
                              " FROM jobs WHERE id < $1 AND state IN ($2, $3, $4, $5, $6) AND ($7 "
                              "= '' OR kind = $7) AND ($8 = '' OR subject = $8) ORDER BY id DESC "
                              "LIMIT $9",
                              {before, wanted(JobState::Queued), wanted(JobState::Running),
                               wanted(JobState::Done), wanted(JobState::Failed),
                               wanted(JobState::Cancelled), filter.kind, filter.subject, limit + 1})
          : transaction.query(
                "SELECT " LH_JOB_COLUMNS
                " FROM jobs WHERE id < $1 AND state IN ($2, $3, $4, $5, $6) AND ($7 "
                "= '' OR kind = $7) AND ($8 = '' OR subject = $8) AND principal = "
                "$10 ORDER BY id DESC LIMIT $9",
                {before, wanted(JobState::Queued), wanted(JobState::Running),
                 wanted(JobState::Done), wanted(JobState::Failed), wanted(JobState::Cancelled),
                 filter.kind, filter.subject, limit + 1, filter.principal}));
  JobPage page;
  for (const Row& row : rows) {
    if (std::cmp_equal(page.items.size(), limit)) {
      page.next_page_token = page.items.back().id;
      break;
    }
    LH_ASSIGN_OR_RETURN(Job job, job_of(row));
    page.items.push_back(std::move(job));
  }
  return page;
}

Result<std::vector<QueuedKind>> queued_kinds(Transaction& transaction) {
  LH_ASSIGN_OR_RETURN(const auto rows,
                      transaction.query("SELECT kind, COUNT(*), MIN(not_before_ms) FROM jobs WHERE "
                                        "state = 0 GROUP BY kind"));
  std::vector<QueuedKind> kinds;
  for (const Row& row : rows) {
    kinds.push_back(
        {.kind = text(row[0]), .count = integer(row[1]), .earliest_ms = integer(row[2])});
  }
  return kinds;
}

Result<std::vector<std::string>> ready(Transaction& transaction, std::string_view kind,
                                       std::int64_t now_ms, std::int64_t limit) {
  LH_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT id FROM jobs WHERE state = 0 AND kind = $1 AND not_before_ms <= $2 "
                        "AND " LH_JOB_IS_ALONE " ORDER BY id LIMIT $3",
                        {std::string(kind), now_ms, limit}));
  std::vector<std::string> ids;
  for (const Row& row : rows) {
    ids.push_back(text(row[0]));
  }
  return ids;
}

Result<std::optional<Claimed>> claim(Transaction& transaction, std::string_view id,
                                     std::string_view owner, std::int64_t now_ms) {
  LH_ASSIGN_OR_RETURN(
      const std::int64_t changed,
      transaction.execute(
          "UPDATE jobs SET state = 1, owner = $2, beat = beat + 1, attempts = "
          "attempts + 1, failures = failures + 1, started_at_ms = CASE started_at_ms "
          "WHEN 0 THEN $3 ELSE started_at_ms END, not_before_ms = 0, rate_milli = 0, "
          "revision = revision + 1 WHERE id = $1 AND state = 0 AND not_before_ms <= "
          "$3 AND " LH_JOB_IS_ALONE,
          {std::string(id), std::string(owner), now_ms}));
  if (changed == 0) {
    return std::nullopt;
  }
  Claimed claimed;
  LH_ASSIGN_OR_RETURN(Started job, already(transaction, std::string(id)));
  claimed.job = std::move(job.job);
  LH_ASSIGN_OR_RETURN(claimed.checkpoint, find_text(transaction, id, "checkpoint"));
  LH_ASSIGN_OR_RETURN(const auto rows, transaction.query("SELECT failures FROM jobs WHERE id = $1",
                                                         {std::string(id)}));
  claimed.failures = integer(rows.front()[0]);
  return claimed;
}

Result<bool> keep(Transaction& transaction, const Lease& lease, const Job& job) {
  LH_ASSIGN_OR_RETURN(
      const std::int64_t changed,
      transaction.execute("UPDATE jobs SET beat = beat + 1, done = $4, total = $5, message = $6, "
                          "rate_milli = $7, revision = $8 WHERE " LH_JOB_LEASE,
                          {lease.id, lease.owner, lease.attempt, job.done, job.total, job.message,
                           milli(job.rate), job.revision}));
  return changed != 0;
}

Result<bool> keep_checkpoint(Transaction& transaction, const Lease& lease, const Job& job,
                             const std::string& checkpoint) {
  LH_ASSIGN_OR_RETURN(const bool is_ours, keep(transaction, lease, job));
  if (is_ours) {
    LH_RETURN_IF_ERROR(
        transaction.execute("UPDATE jobs SET failures = 0 WHERE id = $1", {lease.id}));
    LH_RETURN_IF_ERROR(put_text(transaction, lease.id, "checkpoint", checkpoint));
  }
  return is_ours;
}

Result<bool> end_attempt(Transaction& transaction, const Lease& lease, const Job& job,
                         const std::string& result, bool failures_less) {
  LH_ASSIGN_OR_RETURN(const bool is_ours, keep(transaction, lease, job));
  if (!is_ours) {
    return false;
  }
  if (failures_less) {
    LH_RETURN_IF_ERROR(transaction.execute(
        "UPDATE jobs SET failures = failures - 1 WHERE id = $1 AND failures > 0", {lease.id}));
  }
  LH_RETURN_IF_ERROR(
      transaction.execute("UPDATE jobs SET state = $2, owner = '', error = $3, not_before_ms = $4, "
                          "ended_at_ms = $5 WHERE id = $1",
                          {lease.id, static_cast<std::int64_t>(job.state), error_text(job.error),
                           job.not_before_ms, job.ended_at_ms}));
  if (job.state == JobState::Done) {
    LH_RETURN_IF_ERROR(put_text(transaction, lease.id, "result", result));
  }
  if (is_over(job.state)) {
    LH_RETURN_IF_ERROR(transaction.execute(
        "DELETE FROM job_texts WHERE job_id = $1 AND name = 'checkpoint'", {lease.id}));
  }
  return true;
}

Result<std::optional<Job>> cancel(Transaction& transaction, std::string_view id,
                                  std::int64_t now_ms) {
  const std::string name(id);
  LH_RETURN_IF_ERROR(
      transaction.execute("UPDATE jobs SET state = 4, cancel_requested = 1, ended_at_ms = $2, "
                          "not_before_ms = 0, revision = revision + 1 WHERE id = $1 AND state = 0",
                          {name, now_ms}));
  LH_RETURN_IF_ERROR(
      transaction.execute("UPDATE jobs SET cancel_requested = 1, revision = revision + 1 WHERE id "
                          "= $1 AND state = 1 AND cancel_requested = 0",
                          {name}));
  return find(transaction, id);
}

Result<std::vector<Running>> running(Transaction& transaction) {
  LH_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query(
          "SELECT id, owner, beat, attempts, cancel_requested FROM jobs WHERE state = 1"));
  std::vector<Running> all;
  for (const Row& row : rows) {
    all.push_back({.id = text(row[0]),
                   .owner = text(row[1]),
                   .beat = integer(row[2]),
                   .attempt = integer(row[3]),
                   .cancel_requested = integer(row[4]) != 0});
  }
  return all;
}

Result<bool> take_back(Transaction& transaction, const Running& seen, std::int64_t now_ms) {
  LH_ASSIGN_OR_RETURN(
      const std::int64_t changed,
      transaction.execute("UPDATE jobs SET state = CASE cancel_requested WHEN 0 THEN 0 ELSE 4 END, "
                          "ended_at_ms = CASE cancel_requested WHEN 0 THEN 0 ELSE $5 END, owner = "
                          "'', rate_milli = 0, revision = revision + 1 WHERE " LH_JOB_LEASE
                          " AND beat = $4",
                          {seen.id, seen.owner, seen.attempt, seen.beat, now_ms}));
  return changed != 0;
}

Result<std::int64_t> prune(Transaction& transaction, std::int64_t ended_before_ms,
                           std::int64_t over_max) {
  LH_ASSIGN_OR_RETURN(
      std::int64_t removed,
      transaction.execute("DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE state >= 2 AND "
                          "ended_at_ms < $1 ORDER BY ended_at_ms LIMIT $2)",
                          {ended_before_ms, kPrunedAtOnce}));
  LH_ASSIGN_OR_RETURN(const auto rows,
                      transaction.query("SELECT COUNT(*) FROM jobs WHERE state >= 2"));
  const std::int64_t beyond = std::min(integer(rows.front()[0]) - over_max, kPrunedAtOnce);
  if (beyond > 0) {
    LH_ASSIGN_OR_RETURN(
        const std::int64_t more,
        transaction.execute("DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE state >= 2 "
                            "ORDER BY ended_at_ms, id LIMIT $1)",
                            {beyond}));
    removed += more;
  }
  return removed;
}

}  // namespace lakehouse::jobs::detail
