#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "iceberg/scan.h"
#include "query/table_source.h"
#include "query/table_writer.h"
#include "storage/buckets.h"

namespace lakehouse::query {

struct CompactRequest {
  catalog::TableIdentifier table;
  /// Files smaller than three quarters of it are put together; 0: the writer's own.
  std::uint64_t file_size_bytes_target = 0;
};

/// What became of the files of a table.
struct Compacted {
  std::optional<std::int64_t> snapshot_id;  ///< The last one made; nothing if all was well already.
  std::int64_t commits = 0;
  std::int64_t files_removed = 0;
  std::int64_t files_added = 0;
  std::int64_t delete_files_removed = 0;
  std::int64_t rows = 0;
  std::uint64_t bytes_removed = 0;
  std::uint64_t bytes_added = 0;
  std::int64_t files_total = 0;  ///< The table's, before.
};

/// What a compaction would write anew.
struct CompactWork {
  std::int64_t files = 0;
  std::uint64_t bytes = 0;
};

/// Puts small files together, and writes files that have deletes without the rows that are gone, as
/// "replace" snapshots: the same rows, and older snapshots stay readable. A few gigabytes are one
/// commit. Writers need not wait: what they append stays, and a commit that deletes rows of the
/// files in work makes the batch begin anew. Thread-safe; calls block.
class Compactor {
 public:
  Compactor(catalog::Catalog& catalog, engine::Engine& engine, TableSource& source,
            TableWriter& writer, const storage::Buckets& buckets)
      : catalog_(catalog), engine_(engine), source_(source), writer_(writer), buckets_(buckets) {}

  /// Called after each commit with what is done so far. An error ends the compaction there.
  using Progress = std::function<Status(const Compacted&)>;

  Result<CompactWork> work(const RequestContext& context, const CompactRequest& request);

  /// Aborted if other clients delete from the same files again and again. What was committed before
  /// an error stays: it is the same table.
  Result<Compacted> compact(const RequestContext& context, const CompactRequest& request,
                            const Progress& progress = {});

 private:
  class Batch;
  [[nodiscard]] std::uint64_t target_of(const CompactRequest& request) const;

  catalog::Catalog& catalog_;
  engine::Engine& engine_;
  TableSource& source_;
  TableWriter& writer_;
  const storage::Buckets& buckets_;
};

}  // namespace lakehouse::query
