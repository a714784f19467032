#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "catalog/lineage.h"
#include "iceberg/manifest.h"
#include "iceberg/snapshot_producer.h"
#include "iceberg/table_requirement.h"
#include "iceberg/table_update.h"
#include "query/planner.h"
#include "query/table_writer.h"
#include "storage/buckets.h"

namespace lakehouse::query {

/// Tables as a few statements leave them, until all of it becomes one commit. What was read must be
/// the same still when that happens, so the outcome is that of running at one moment.
///
/// Not thread-safe. If it goes without a commit, so do the files that it was told of.
class WriteTransaction {
 public:
  WriteTransaction(catalog::Catalog& catalog, const storage::Buckets& buckets,
                   iceberg::ManifestCache& manifests)
      : catalog_(catalog), buckets_(buckets), manifests_(manifests) {}
  ~WriteTransaction();
  WriteTransaction(const WriteTransaction&) = delete;
  WriteTransaction& operator=(const WriteTransaction&) = delete;

  /// The tables that were read or changed, as they are now in here.
  [[nodiscard]] const TableStates& states() const { return states_; }
  /// One of them, or what the catalog has, which is noted as read.
  Result<catalog::LoadedTable> load(const RequestContext& context,
                                    const catalog::TableIdentifier& table);
  /// Tables as a statement has read them.
  void note_read(const TableStates& tables);

  /// A file in a table's folder, by its location, that is of no use unless this commits.
  void own(std::string location) { owned_.push_back(std::move(location)); }

  /// Puts a snapshot on top of a table's state. `run` is completed by what is known here.
  Result<std::int64_t> change(const RequestContext& context, const catalog::TableIdentifier& table,
                              iceberg::SnapshotChange change,
                              std::optional<catalog::LineageRun> run);
  [[nodiscard]] bool has_changes() const { return !changes_.empty(); }

  /// Aborted if a table has changed since it was read: run it all again. With any other error but
  /// CommitStateUnknown nothing has happened. `also` as CommitHook: called if there are changes.
  Status commit(const RequestContext& context, const CommitHook& also);

 private:
  /// What becomes of one table.
  struct Change {
    std::vector<iceberg::TableRequirement> requirements;
    std::vector<iceberg::TableUpdate> updates;
  };
  struct Produced {
    iceberg::SnapshotProducer producer;
    iceberg::ProducedSnapshot snapshot;
  };

  void undo();

  catalog::Catalog& catalog_;
  const storage::Buckets& buckets_;
  iceberg::ManifestCache& manifests_;
  TableStates states_;
  std::map<catalog::TableIdentifier, Change> changes_;
  std::list<Produced> produced_;
  std::vector<catalog::LineageRun> runs_;
  std::vector<std::string> owned_;
};

}  // namespace lakehouse::query
