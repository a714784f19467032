#pragma once

#include "cli/options.h"

namespace lakehouse::cli {

/// What `lakehouse rag` does: answers a question from an index, with the rows that say so. Returns
/// an exit code; an answer that the server declines to give is none that fails.
int run_rag(const RagOptions& options);

}  // namespace lakehouse::cli
