#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/identifier.h"
#include "metastore/metastore.h"
#include "storage/buckets.h"

namespace lakehouse::catalog {

struct RebuildOptions {
  bool dry_run = false;  ///< Only says what it would do.
  /// What was written to in this time is left alone: its pointer may be about to come. 0 where
  /// nobody else writes.
  std::chrono::seconds settled{60};
  std::int64_t now_ms = 0;
};

/// A pointer that was made or mended.
struct RebuiltDataset {
  bool is_view = false;
  TableIdentifier identifier;
  std::string metadata_location;
  bool was_broken = false;  ///< It had a pointer, to a file that is not there.
};

/// What looks like a dataset and got no pointer.
struct RebuildProblem {
  std::string location;
  std::string reason;
};

struct RebuildReport {
  std::vector<RebuiltDataset> rebuilt;
  std::vector<RebuildProblem> problems;
  std::int64_t kept = 0;     ///< Pointers that were right.
  std::int64_t dropped = 0;  ///< Folders of datasets that were dropped without their files.
};

/// Remakes the pointers of tables and views from what the buckets hold: for each dataset the
/// highest version of its metadata that can be read, by the name that its folder says (see
/// detail/folder_notes.h). Namespaces are made as they are needed. A pointer whose file is there is
/// the truth and stays; none is removed. Not remade, since no bucket holds them: properties of
/// namespaces, receipts, lists of ingested files. May run beside servers.
Result<RebuildReport> rebuild(const RequestContext& context, const storage::Buckets& buckets,
                              metastore::Metastore& metastore, const RebuildOptions& options);

}  // namespace lakehouse::catalog
