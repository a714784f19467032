#include "jobs/job_service.h"

namespace lakehouse::jobs {

Result<Job> JobService::wait_over(const RequestContext& context, std::string_view id) {
  std::int64_t revision = 0;
  for (;;) {
    LH_ASSIGN_OR_RETURN(Job job, wait(context, id, revision));
    if (is_over(job.state)) {
      return job;
    }
    revision = job.revision;
  }
}

}  // namespace lakehouse::jobs
