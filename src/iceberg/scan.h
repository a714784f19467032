#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "iceberg/literal.h"
#include "iceberg/manifest.h"
#include "iceberg/table_metadata.h"
#include "storage/buckets.h"

/// \file
/// Which files a scan of one snapshot must read. Source: the Iceberg table spec, "Scan Planning".

namespace lakehouse::iceberg {

enum class CompareOp : std::uint8_t { Eq, Lt, LtEq, Gt, GtEq, In, IsNull, NotNull };

/// What every wanted row has in one column. A comparison is never true of null; NaN sorts above
/// every other number, as in DuckDB.
struct Predicate {
  std::int32_t field_id = 0;
  CompareOp op = CompareOp::Eq;
  std::vector<Literal> values;  ///< Of the column's type; one, several for In, none for the nulls.
};

/// All of them hold. Only prunes: rows that do not match may be left, matching ones never go. A
/// predicate on a column of another type than its values prunes nothing.
using Filter = std::vector<Predicate>;

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
};

struct ScanPlan {
  std::vector<ScanTask> tasks;
  std::int64_t record_count = 0;  ///< Of the tasks' files, before deletes.
  std::int64_t size_bytes = 0;
  std::size_t delete_file_count = 0;  ///< Different delete files that are attached to some task.
  std::size_t files_skipped = 0;      ///< Live data files that the filter ruled out.

  [[nodiscard]] bool has_deletes() const { return delete_file_count > 0; }
};

/// The live data files of a snapshot with their delete files. NotFound if the table has no such
/// snapshot. FailedPrecondition if a data or delete file lies outside the table's location.
Result<ScanPlan> plan_scan(const RequestContext& context, const storage::Buckets& buckets,
                           ManifestCache& cache, const TableMetadata& metadata,
                           std::int64_t snapshot_id, const Filter& filter = {});

/// False if no row of the file can match.
[[nodiscard]] bool may_match(const Schema& schema, const DataFile& file, const Filter& filter);

}  // namespace lakehouse::iceberg
