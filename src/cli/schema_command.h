#pragma once

#include "cli/http_client.h"
#include "cli/options.h"

/// \file
/// `lakehouse datasets diff` and `migrate`. Each returns an exit code.

namespace lakehouse::cli {

int diff_schema(HttpClient& client, const DatasetsOptions& options);
int migrate_schema(HttpClient& client, const DatasetsOptions& options);

}  // namespace lakehouse::cli
