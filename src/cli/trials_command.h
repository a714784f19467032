#pragma once

#include "cli/options.h"

namespace lakehouse::cli {

/// What `lakehouse trials` does. Returns an exit code.
int run_trials(const TrialsOptions& options);

}  // namespace lakehouse::cli
