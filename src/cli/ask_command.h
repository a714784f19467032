#pragma once

#include "cli/options.h"

namespace lakehouse::cli {

/// What `lakehouse ask` does: a question in plain language, its SQL and its rows. Returns an exit
/// code: 4 if the server abstained.
int run_ask(const AskOptions& options);

}  // namespace lakehouse::cli
