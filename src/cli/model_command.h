#pragma once

#include "cli/options.h"

namespace lakehouse::cli {

/// `lakehouse model`: looks into and changes the folder of models, without a server; one that runs
/// sees it at once. Returns the exit code.
int run_model(const ModelOptions& options);

}  // namespace lakehouse::cli
