#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/array.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "catalog/pii_findings.h"
#include "catalog/registry.h"
#include "engine/engine.h"
#include "query/query_service.h"
#include "query/table_writer.h"

namespace lakehouse::query {

/// What is known about personal data in a dataset.
struct DatasetPii {
  catalog::LoadedTable table;
  std::optional<catalog::PiiScan> scan;
  /// Of columns that the dataset has, by their names now.
  std::vector<catalog::PiiFinding> findings;
};

/// Rows in the current snapshot, deleted ones left out as far as its summary tells.
std::int64_t live_rows(const iceberg::TableMetadata& metadata);

/// Looks for personal data in samples of rows: in those that a write is about to commit, and in
/// whole datasets when asked. What it finds is kept and proposed to the registry, which lets a
/// person's word stand. Thread-safe; calls block. What it refers to outlives it.
class PiiScanner {
 public:
  PiiScanner(catalog::Catalog& catalog, catalog::Registry& registry,
             metastore::Metastore& metastore, engine::Engine& engine, QueryService& queries)
      : catalog_(catalog),
        registry_(registry),
        findings_(metastore),
        engine_(engine),
        queries_(queries) {}

  /// What stands in files that are in staging. `sampled_rows` is how many were looked at.
  Result<std::vector<catalog::PiiFinding>> look(const RequestContext& context,
                                                const std::string& dataset, const Written& written,
                                                std::int64_t* sampled_rows);
  /// Looks at a sample of a dataset's current rows, and keeps what is found instead of what was.
  /// The registry is not told. The caller sees all of the dataset.
  Result<DatasetPii> find(const RequestContext& context, catalog::LoadedTable table,
                          std::optional<std::int64_t> sample_rows);
  /// Whether the dataset is worth a look: it never got one, or has doubled or changed its columns.
  Result<bool> is_due(const RequestContext& context, const catalog::LoadedTable& table);

  /// Tells the registry what was found in the dataset, if it does not know. What a person decided
  /// stands. The table as it is then.
  Result<catalog::LoadedTable> propose(const RequestContext& context,
                                       const catalog::LoadedTable& table);

  /// `find`, and `propose` what was found. At most `sample_rows` (100 to 100,000) are looked at,
  /// fewer of a wide table. NotFound with the nearest names; PermissionDenied for who sees a part
  /// of the dataset only.
  Result<DatasetPii> scan(const RequestContext& context, const std::string& dataset,
                          std::optional<std::int64_t> sample_rows);
  /// What was found so far.
  Result<DatasetPii> show(const RequestContext& context, const std::string& dataset);

  /// The fields whose values say something about people, and what ("" if a person did not say): by
  /// the findings, where nobody decided otherwise.
  static std::map<std::int32_t, std::string> personal_columns(const DatasetPii& pii);

 private:
  Result<DatasetPii> report_of(const RequestContext& context, catalog::LoadedTable table);

  catalog::Catalog& catalog_;
  catalog::Registry& registry_;
  catalog::PiiFindings findings_;
  engine::Engine& engine_;
  QueryService& queries_;
};

}  // namespace lakehouse::query
