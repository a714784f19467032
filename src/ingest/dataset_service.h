#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "catalog/registry.h"
#include "query/table_writer.h"
#include "storage/buckets.h"

namespace lakehouse::ingest {

/// A dataset in a list.
struct DatasetSummary {
  std::string name;
  std::string bucket;
  std::int64_t rows = 0;  ///< Deleted ones left out, as far as the snapshot tells.
  std::int64_t files = 0;
  std::int64_t size_bytes = 0;
  std::int64_t column_count = 0;
  std::optional<std::int64_t> snapshot_id;  ///< Nothing: it has never had a row.
  std::int64_t updated_at_ms = 0;
  std::string schema_fingerprint;  ///< Equal for equal shapes.
  catalog::RegistryEntry entry;    ///< What is known about it.
  catalog::Freshness freshness;
};

/// Which datasets are wanted: all that is given must hold.
struct DatasetFilter {
  std::string owner;
  std::string tag;
  std::optional<catalog::Sensitivity> sensitivity;
  std::optional<bool> is_stale;
};

/// One dataset: its table, and what the list says of it.
struct Dataset {
  DatasetSummary summary;
  catalog::LoadedTable table;
};

/// A dataset whose metadata cannot be read at the moment: its bucket is not configured, or a file
/// is gone.
struct UnreadableDataset {
  std::string name;
  std::string problem;
};

struct DatasetPage {
  std::vector<DatasetSummary> datasets;       ///< By name, in byte order.
  std::vector<UnreadableDataset> unreadable;  ///< The rest; no filter applies to them.
  std::string next_page_token;
};

struct NewDataset {
  std::string name;
  query::TableDefinition definition;
};

/// Datasets by name: what the doors list, show, make and drop. Thread-safe; calls block.
class DatasetService {
 public:
  DatasetService(catalog::Catalog& catalog, query::TableWriter& writer,
                 const storage::Buckets& buckets)
      : catalog_(catalog), writer_(writer), buckets_(buckets) {}

  /// InvalidArgument for a token that no page gave.
  Result<DatasetPage> list(const RequestContext& context, const std::string& page_token,
                           std::size_t limit, const DatasetFilter& filter = {});
  /// NotFound with the nearest names.
  Result<Dataset> load(const RequestContext& context, const std::string& name);
  /// An empty one; its namespace is made too. AlreadyExists if it is there.
  Result<Dataset> create(const RequestContext& context, const NewDataset& dataset,
                         const query::CommitHook& also);
  /// Success, too, if there is none. With `purge` its files go.
  Status drop(const RequestContext& context, const std::string& name, bool purge);

  [[nodiscard]] Dataset describe(catalog::LoadedTable table) const;

 private:
  catalog::Catalog& catalog_;
  query::TableWriter& writer_;
  const storage::Buckets& buckets_;
};

}  // namespace lakehouse::ingest
