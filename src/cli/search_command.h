#pragma once

#include "cli/options.h"

namespace lakehouse::cli {

/// What `lakehouse search` does: finds chunks by meaning, by words or by both. Returns an exit
/// code.
int run_search(const SearchOptions& options);
/// What `lakehouse index` does: makes, lists, refreshes and drops indexes. Returns an exit code.
int run_index(const IndexOptions& options);

}  // namespace lakehouse::cli
