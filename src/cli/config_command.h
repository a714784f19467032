#pragma once

#include "base/config.h"
#include "cli/options.h"

namespace lakehouse::cli {

/// What `lakehouse config` does. Returns an exit code.
int run_config(const ConfigOptions& options);

/// Where the configuration comes from: the file, the environment and the command line of `serve`.
[[nodiscard]] ConfigSources config_sources(const ServeOptions& options);

}  // namespace lakehouse::cli
