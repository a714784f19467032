#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/pii.h"
#include "metastore/metastore.h"

namespace lakehouse::catalog {

/// When and on how much a dataset was last looked through.
struct PiiScan {
  std::optional<std::int64_t> snapshot_id;  ///< Nothing: it had none, or it was not known yet.
  std::int64_t at_ms = 0;
  std::int64_t sampled_rows = 0;
  std::int64_t table_rows = 0;  ///< In the dataset at that time.
  bool on_demand = false;       ///< Else at an ingest, on its rows alone.
  friend bool operator==(const PiiScan&, const PiiScan&) = default;
};

struct PiiReport {
  std::optional<PiiScan> scan;  ///< Nothing: never yet.
  /// By field id, the surest of a field first. `column` is empty: the schema knows its name.
  std::vector<PiiFinding> findings;
};

/// What was found in datasets, by their UUIDs. What people decided about it is in the registry.
/// Thread-safe; calls block. Refers to `metastore`, which outlives it.
class PiiFindings {
 public:
  explicit PiiFindings(metastore::Metastore& metastore) : metastore_(metastore) {}

  Result<PiiReport> load(const RequestContext& context, std::string_view table_uuid);

  /// What a scan found: in the transaction that makes its rows visible, or in one of its own. A
  /// scan of the `whole` dataset replaces what was known; one of some of its rows adds to it, and
  /// the surer of two findings stays.
  static Status record(metastore::Transaction& transaction, std::string_view table_uuid,
                       const PiiScan& scan, const std::vector<PiiFinding>& findings, bool whole);
  Status record(const RequestContext& context, std::string_view table_uuid, const PiiScan& scan,
                const std::vector<PiiFinding>& findings, bool whole);

 private:
  metastore::Metastore& metastore_;
};

/// Profiles of snapshots, as JSON text. Thread-safe; calls block.
class Profiles {
 public:
  explicit Profiles(metastore::Metastore& metastore) : metastore_(metastore) {}

  /// Nothing if there is none.
  Result<std::optional<std::string>> find(const RequestContext& context,
                                          std::string_view table_uuid, std::int64_t snapshot_id,
                                          std::string_view variant);
  /// The latest of a dataset are kept, and the older ones go.
  Status put(const RequestContext& context, std::string_view table_uuid, std::int64_t snapshot_id,
             std::string_view variant, std::int64_t now_ms, std::string_view body);

 private:
  metastore::Metastore& metastore_;
};

/// Forgets both: the dataset's rows are gone for good.
Status forget_what_was_seen(metastore::Transaction& transaction, std::string_view table_uuid);

}  // namespace lakehouse::catalog
