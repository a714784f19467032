#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include <boost/json/object.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "catalog/pii_findings.h"
#include "query/pii_scanner.h"
#include "query/query_service.h"

namespace lakehouse::query {

/// What the columns of a dataset hold, in numbers: rows, NULLs, distinct values (by
/// HyperLogLog where they are many), smallest and largest, quantiles, the most frequent values, a
/// histogram. Computed from all rows of a snapshot, once, and kept; under a policy from those rows
/// and cells that the caller sees, and kept for who sees the same.
///
/// Of columns with personal data single values are neither shown nor kept: of salaries and dates of
/// birth there are quantiles, of others only counts.
///
/// Thread-safe; calls block. What it refers to outlives it.
class DatasetProfiler {
 public:
  DatasetProfiler(catalog::Catalog& catalog, metastore::Metastore& metastore, PiiScanner& pii,
                  QueryService& queries)
      : catalog_(catalog), kept_(metastore), pii_(pii), queries_(queries) {}

  /// {dataset, snapshot_id, computed_at_ms, rows, columns: [...]}, of the current snapshot or
  /// another; columns by their names of today. NotFound with the nearest names, or for an unknown
  /// snapshot.
  Result<boost::json::object> profile(const RequestContext& context, const std::string& dataset,
                                      std::optional<std::int64_t> snapshot_id);

 private:
  struct Task;
  Result<Task> task_of(const RequestContext& context, DatasetPii pii,
                       const iceberg::Snapshot* snapshot);
  Status note_personal(const RequestContext& context, DatasetPii pii, Task& task);
  Result<boost::json::object> find_or_compute(const RequestContext& context,
                                              const std::string& table_uuid,
                                              const iceberg::Snapshot* snapshot, Task task);
  Result<boost::json::object> compute(const RequestContext& context, Task task);

  catalog::Catalog& catalog_;
  catalog::Profiles kept_;
  PiiScanner& pii_;
  QueryService& queries_;
  /// Who asks for a dataset's profile while it is computed waits for it (by the UUID's hash).
  std::array<std::timed_mutex, 16> computing_;
};

}  // namespace lakehouse::query
