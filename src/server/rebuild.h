#pragma once

#include "base/config.h"

namespace lakehouse::server {

/// What `lakehouse catalog rebuild` does: remakes the catalog's pointers from what the buckets
/// hold, without a server, and prints what came of it. Returns the exit code; that of a problem is
/// `partly`.
int rebuild_catalog(const LoadedConfig& loaded, bool dry_run, int partly);

}  // namespace lakehouse::server
