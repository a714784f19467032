#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "iceberg/manifest.h"
#include "storage/buckets.h"

namespace lakehouse::query {

/// What a snapshot's files hold, as their footers and manifests say.
struct SnapshotTotals {
  std::int64_t records = 0;  ///< Of the data files, before deletes.
  std::int64_t data_files = 0;
  std::int64_t delete_files = 0;
  std::int64_t position_deletes = 0;
  std::int64_t equality_deletes = 0;
  std::int64_t bytes = 0;  ///< Of all of them.
  friend bool operator==(const SnapshotTotals&, const SnapshotTotals&) = default;
};

struct ResyncedDataset {
  catalog::TableIdentifier table;
  std::int64_t snapshot_id = 0;
  SnapshotTotals totals;
};

struct ResyncProblem {
  catalog::TableIdentifier table;
  std::string reason;
};

struct ResyncReport {
  std::int64_t checked = 0;
  std::int64_t right = 0;
  std::vector<ResyncedDataset> repaired;
  /// What cannot be repaired here: files that cannot be read, whose manifest counts other rows, or
  /// that have columns of which no schema of the table knows.
  std::vector<ResyncProblem> problems;
};

/// Repairs the counts of datasets whose current snapshot does not say them, as other programs may
/// leave it: rows from the files' footers, the rest from the manifests. They are put into the
/// summary of a new snapshot, which has the same files ("replace"), so that every engine sees them.
///
/// Thread-safe; calls block. Refers to what it is made with, which outlives it.
class SizeResync {
 public:
  SizeResync(catalog::Catalog& catalog, engine::Engine& engine, const storage::Buckets& buckets,
             iceberg::ManifestCache& manifests)
      : catalog_(catalog), engine_(engine), buckets_(buckets), manifests_(manifests) {}

  /// All datasets. Those that say their counts are looked into only if they are to be verified.
  /// One that cannot be read is a problem in the report, and the rest goes on.
  Result<ResyncReport> run(const RequestContext& context, bool verify);

 private:
  struct Files;

  Status resync(const RequestContext& context, const catalog::TableIdentifier& table, bool verify,
                ResyncReport* report);
  Result<Files> files_of(const RequestContext& context, const iceberg::TableMetadata& metadata,
                         const iceberg::Snapshot& snapshot);
  Status read_footers(const RequestContext& context, const iceberg::TableMetadata& metadata,
                      Files* files);
  Result<catalog::LoadedTable> commit(const RequestContext& context,
                                      const catalog::LoadedTable& table,
                                      const SnapshotTotals& totals);

  catalog::Catalog& catalog_;
  engine::Engine& engine_;
  const storage::Buckets& buckets_;
  iceberg::ManifestCache& manifests_;
};

}  // namespace lakehouse::query
