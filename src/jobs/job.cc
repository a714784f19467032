#include "jobs/job.h"

#include <array>
#include <utility>

namespace lakehouse::jobs {
namespace {

constexpr std::array<std::pair<JobState, std::string_view>, 5> kNames = {{
    {JobState::Queued, "queued"},
    {JobState::Running, "running"},
    {JobState::Done, "done"},
    {JobState::Failed, "failed"},
    {JobState::Cancelled, "cancelled"},
}};

}  // namespace

std::string_view to_string(JobState state) {
  return kNames.at(static_cast<std::size_t>(state)).second;
}

std::optional<JobState> job_state_from(std::string_view name) {
  for (const auto& [state, spelled] : kNames) {
    if (spelled == name) {
      return state;
    }
  }
  return std::nullopt;
}

bool is_over(JobState state) {
  return state != JobState::Queued && state != JobState::Running;
}

}  // namespace lakehouse::jobs
