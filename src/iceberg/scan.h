#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "iceberg/expression.h"
#include "iceberg/manifest.h"
#include "iceberg/table_metadata.h"
#include "storage/buckets.h"

/// \file
/// Which files a scan of one snapshot must read. Source: the Iceberg table spec, "Scan Planning".

namespace lakehouse::iceberg {

/// A delete file that applies to a data file.
struct AttachedDelete {
  std::shared_ptr<const DataFile> file;
  std::int64_t sequence_number = 0;
};

/// One data file to read, and what is deleted in it.
struct ScanTask {
  std::shared_ptr<const DataFile> file;
  std::int32_t spec_id = 0;
  std::int64_t sequence_number = 0;
  std::vector<AttachedDelete> deletes;
  /// What its rows must still be asked, if that was wanted; null: the whole filter.
  std::shared_ptr<const Filter> residual;
};

/// A place among a scan's data manifests and their entries. Snapshots never change, so it stays.
struct ScanPosition {
  std::size_t manifest = 0;
  std::size_t entry = 0;

  friend auto operator<=>(const ScanPosition&, const ScanPosition&) = default;
};

/// A part of a scan: up to a place that is not in it, or to the end.
struct ScanRange {
  ScanPosition from;
  std::optional<ScanPosition> to;
};

struct ScanPlan {
  std::vector<ScanTask> tasks;
  std::int64_t record_count = 0;  ///< Of the tasks' files, before deletes.
  std::int64_t size_bytes = 0;
  std::size_t delete_file_count = 0;  ///< Different delete files that are attached to some task.
  std::size_t files_skipped = 0;      ///< Live data files that the filter ruled out.
  std::vector<ScanRange> rest;        ///< What a limit of the request kept out.

  [[nodiscard]] bool has_deletes() const { return delete_file_count > 0; }
};

/// What to plan, and how much of it at once.
struct ScanRequest {
  std::int64_t snapshot_id = 0;
  /// Only the files that appends since this one brought, an ancestor of the snapshot or it itself;
  /// without their deletes, and whatever became of them later.
  std::optional<std::int64_t> appended_after = {};
  Filter filter = {};
  bool with_residuals = false;
  ScanRange range = {};
  std::size_t tasks_max = std::numeric_limits<std::size_t>::max();
  std::size_t entries_max = std::numeric_limits<std::size_t>::max();  ///< That are looked at.
  std::size_t deletes_max = std::numeric_limits<std::size_t>::max();  ///< Attached to the tasks.
  std::size_t parts_max = 1000;                                       ///< Of the rest.
  /// Enough is found, and there is no rest, when this many rows surely match.
  std::int64_t rows_enough = std::numeric_limits<std::int64_t>::max();
};

/// The live data files of a snapshot with their delete files. NotFound if the table has no such
/// snapshot. FailedPrecondition if a data or delete file lies outside the table's location.
Result<ScanPlan> plan_scan(const RequestContext& context, const storage::Buckets& buckets,
                           ManifestCache& cache, const TableMetadata& metadata,
                           std::int64_t snapshot_id, const Filter& filter = {});

/// The same, as much of it as the request wants. InvalidArgument if `appended_after` is no
/// ancestor.
Result<ScanPlan> plan_scan(const RequestContext& context, const storage::Buckets& buckets,
                           ManifestCache& cache, const TableMetadata& metadata,
                           const ScanRequest& request);

/// False if no row of the file can match.
[[nodiscard]] bool may_match(const Schema& schema, const DataFile& file, const Filter& filter);

}  // namespace lakehouse::iceberg
