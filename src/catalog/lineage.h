#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "iceberg/table_metadata.h"
#include "iceberg/table_update.h"
#include "metastore/metastore.h"

/// \file
/// Where datasets come from and what is made of them: who writes records a run, in the transaction
/// that makes its rows visible. Runs of one kind from the same inputs are one job, run many times;
/// the graph has a node for each source system, job and dataset.

namespace lakehouse::catalog {

enum class LineageNodeKind : std::uint8_t { Source, Dataset, View, Index, Job };
std::string_view to_string(LineageNodeKind kind);  ///< "source".

/// What a job reads.
struct LineageInput {
  LineageNodeKind kind = LineageNodeKind::Source;
  std::string id;  ///< The table's (view's) UUID; the name of a source system or an index.
  std::string name;
  friend auto operator<=>(const LineageInput&, const LineageInput&) = default;
};

/// One run of a job: what it read and what it wrote.
struct LineageRun {
  LineageNodeKind output_kind = LineageNodeKind::Dataset;
  std::string output_id;  ///< As LineageInput::id.
  std::string output_name;
  std::string job;  ///< "ingest", "insert", "create_table_as", "view"...
  std::vector<LineageInput> inputs;
  std::int64_t at_ms = 0;
  std::string principal;
  std::optional<std::int64_t> snapshot_id;
  std::optional<std::int64_t> rows;
  /// The output holds these rows only: older jobs are no longer where it comes from.
  bool replaces = false;
  /// What else is known of the run, as a JSON object: {"file": ..., "sha256": ...}.
  std::string detail_json = "{}";
};

/// For CommitOptions::also. An output keeps its last 1000 runs; its jobs are kept all.
Status record_lineage(metastore::Transaction& transaction, const LineageRun& run);

/// What the run's own commit adds to its updates, so that the job is known from the table's
/// properties, too, and survives the metastore. Empty if they say so already. `base` is the table
/// before the run; null if the run makes it. A table names at most 100 jobs.
std::vector<iceberg::TableUpdate> lineage_updates(const iceberg::TableMetadata* base,
                                                  const LineageRun& run);

/// Puts the jobs that a table's properties name into the metastore, where they are missing: for
/// a table that was registered, or found in a bucket.
Status restore_lineage(metastore::Transaction& transaction, const TableIdentifier& table,
                       const std::string& uuid, const Properties& properties);

/// Forgets a table's runs and the history of its entry: it was purged. Its jobs stay, since what
/// was made of it still comes from there.
Status forget_runs(metastore::Transaction& transaction, std::string_view table_uuid);

struct LineageNode {
  std::string id;  ///< "dataset:<uuid>", "source:<name>", "job:<key>": unique in a graph.
  LineageNodeKind kind = LineageNodeKind::Dataset;
  std::string name;      ///< The present one; of what is gone the last one known.
  bool is_gone = false;  ///< A dataset that was dropped.
  // Of jobs.
  std::int64_t runs = 0;
  std::int64_t first_at_ms = 0;
  std::int64_t last_at_ms = 0;
  std::string last_detail_json;
};

struct LineageEdge {
  std::string from;
  std::string to;
  friend auto operator<=>(const LineageEdge&, const LineageEdge&) = default;
};

struct LineageGraph {
  std::string root;  ///< The node that was asked for.
  std::vector<LineageNode> nodes;
  std::vector<LineageEdge> edges;
  bool truncated = false;  ///< There is more than `depth` or `nodes_max` let through.
};

struct LineageOptions {
  bool upstream = true;
  bool downstream = true;
  int depth = 10;  ///< Jobs between the root and a node.
  std::size_t nodes_max = 1000;
};

}  // namespace lakehouse::catalog
