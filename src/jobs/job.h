#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "base/error.h"

namespace lakehouse::jobs {

enum class JobState : std::uint8_t {
  Queued,   ///< Waits for a worker; also after a stop of its server, and between two attempts.
  Running,  ///< A server works at it, or did so until a moment ago.
  Done,
  Failed,
  Cancelled,
};

/// As HTTP spells it: "queued".
[[nodiscard]] std::string_view to_string(JobState state);
[[nodiscard]] std::optional<JobState> job_state_from(std::string_view name);
/// Done, failed or cancelled: it changes no more.
[[nodiscard]] bool is_over(JobState state);

/// What is known about one piece of long work. A value.
struct Job {
  std::string id;         ///< Sorts by the time of its start.
  std::string kind;       ///< "vector.index".
  std::string principal;  ///< For whom it runs, with their rights.
  std::string subject;    ///< What it is about: an index's name. May be empty.
  boost::json::value spec;
  JobState state = JobState::Queued;

  std::int64_t done = 0;
  std::int64_t total = 0;  ///< 0: not known (yet).
  std::string message;     ///< What it does now: "embedding".
  double rate = 0;         ///< Of `done`, a second, lately; over all of it once it is over.
  std::optional<double> eta_s;

  std::int64_t created_at_ms = 0;
  std::int64_t started_at_ms = 0;  ///< Its first attempt; 0 before.
  std::int64_t ended_at_ms = 0;
  std::int64_t not_before_ms = 0;  ///< While it waits for another attempt; else 0.
  std::int64_t attempts = 0;       ///< How often a server took it up.
  bool cancel_requested = false;
  std::optional<Error> error;  ///< Why it failed; while it is queued, why its last attempt did.
  boost::json::value result;   ///< Of a job that is done; null before.

  /// Grows with every change of what is above that can be seen; 1 or more.
  std::int64_t revision = 0;
};

struct JobPage {
  std::vector<Job> items;
  std::optional<std::string> next_page_token;
};

}  // namespace lakehouse::jobs
