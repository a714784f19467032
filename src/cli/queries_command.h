#pragma once

#include "cli/options.h"

namespace lakehouse::cli {

/// What `lakehouse queries` does. Returns an exit code.
int run_queries(const QueriesOptions& options);

}  // namespace lakehouse::cli
