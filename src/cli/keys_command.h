#pragma once

#include "cli/options.h"

namespace lakehouse::cli {

/// `lakehouse keys new NAME`: makes a key and says where its hash goes. Asks no server.
int run_keys(const KeysOptions& options);

}  // namespace lakehouse::cli
