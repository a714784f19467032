#pragma once

#include "cli/http_client.h"
#include "cli/options.h"

/// \file
/// The subcommands of `lakehouse datasets` about what is known of one. Each returns an exit code.

namespace lakehouse::cli {

int describe_dataset(HttpClient& client, const DatasetsOptions& options);
int show_lineage(HttpClient& client, const DatasetsOptions& options);
int list_history(HttpClient& client, const DatasetsOptions& options);
int list_snapshots(HttpClient& client, const DatasetsOptions& options);
int roll_back(HttpClient& client, const DatasetsOptions& options);

}  // namespace lakehouse::cli
