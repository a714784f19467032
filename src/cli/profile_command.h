#pragma once

#include "cli/http_client.h"
#include "cli/options.h"

/// \file
/// `lakehouse datasets profile` and `pii`. Each returns an exit code.

namespace lakehouse::cli {

int show_profile(HttpClient& client, const DatasetsOptions& options);
int show_pii(HttpClient& client, const DatasetsOptions& options);

}  // namespace lakehouse::cli
