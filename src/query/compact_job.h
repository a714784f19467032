#pragma once

#include <string_view>

#include <boost/json/object.hpp>

#include "jobs/job_service.h"
#include "query/compaction.h"

/// \file
/// Compaction as a job: for tables that take longer than a request should.

namespace lakehouse::query {

inline constexpr std::string_view kCompactJob = "dataset.compact";

/// As HTTP answers it, and the result of a job.
boost::json::object to_json(const catalog::TableIdentifier& table, const Compacted& done);

/// Makes `jobs` know the kind. What is committed before a stop stays; the next attempt does the
/// rest. Of one table, one runs at a time.
void register_compact_job(jobs::JobService& jobs, const Compactor& compactor);

/// Queues it, or joins the same one of the same caller that is not over. AlreadyExists if another
/// one compacts the table.
Result<jobs::Started> start_compact_job(const RequestContext& context, jobs::JobService& jobs,
                                        const CompactRequest& request);

}  // namespace lakehouse::query
