#pragma once

#include "cli/options.h"

namespace lakehouse::cli {

/// What `lakehouse jobs` does. Returns an exit code.
int run_jobs(const JobsOptions& options);

}  // namespace lakehouse::cli
