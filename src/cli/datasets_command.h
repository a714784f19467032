#pragma once

#include "cli/options.h"

namespace lakehouse::cli {

/// What `lakehouse datasets` does. Returns an exit code.
int run_datasets(const DatasetsOptions& options);

}  // namespace lakehouse::cli
