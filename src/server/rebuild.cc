#include "server/rebuild.h"

#include <chrono>
#include <cstdio>

#include <fmt/format.h>

#include "catalog/catalog.h"
#include "catalog/rebuild.h"
#include "server/parts.h"

namespace lakehouse::server {
namespace {

Result<catalog::RebuildReport> rebuild(const Config& config, bool dry_run) {
  LH_ASSIGN_OR_RETURN(const DataFolder data, open_data_folder(config));
  LH_ASSIGN_OR_RETURN(const auto buckets, open_buckets(config, data));
  LH_ASSIGN_OR_RETURN(const auto metastore, open_metastore(config, data));
  // Makes what is always there, and ends the deletions that were under way.
  LH_ASSIGN_OR_RETURN(const auto catalog,
                      catalog::Catalog::open(*buckets, *metastore, catalog_options(config)));
  catalog::RebuildOptions options{.dry_run = dry_run, .now_ms = catalog->now_ms()};
  if (!metastore::is_shared(config.metastore.url)) {
    options.settled = std::chrono::seconds(0);  // The folder's lock: no server runs.
  }
  return catalog::rebuild(RequestContext(), *buckets, *metastore, options);
}

}  // namespace

int rebuild_catalog(const LoadedConfig& loaded, bool dry_run, int partly) {
  const auto report = rebuild(loaded.config, dry_run);
  if (!report) {
    fmt::print(stderr, "lakehouse: {}\n", report.error().message);
    if (!report.error().hint.empty()) {
      fmt::print(stderr, "{}\n", report.error().hint);
    }
    return 1;
  }
  for (const catalog::RebuiltDataset& dataset : report->rebuilt) {
    fmt::print("{} {} {}: {}\n", dataset.was_broken ? "mended" : "added",
               dataset.is_view ? "view" : "table", to_string(dataset.identifier),
               dataset.metadata_location);
  }
  for (const catalog::RebuildProblem& problem : report->problems) {
    fmt::print(stderr, "left out {}: {}\n", problem.location, problem.reason);
  }
  fmt::print("{}{} remade, {} were right, {} left out, {} had been dropped\n",
             dry_run ? "dry run: " : "", report->rebuilt.size(), report->kept,
             report->problems.size(), report->dropped);
  return report->problems.empty() ? 0 : partly;
}

}  // namespace lakehouse::server
