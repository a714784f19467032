#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "iceberg/manifest.h"
#include "iceberg/snapshot.h"
#include "iceberg/table_metadata.h"
#include "iceberg/table_requirement.h"
#include "iceberg/table_update.h"
#include "storage/buckets.h"

namespace lakehouse::iceberg {

/// What a new snapshot changes. Files are full locations inside the table.
struct SnapshotChange {
  std::vector<DataFile> added_data_files;
  std::vector<DataFile> added_delete_files;     ///< Position or equality deletes, deletion vectors.
  std::vector<std::string> removed_data_files;  ///< Locations of live data files.
  std::vector<std::string> removed_delete_files;  ///< Locations of live delete files.
  bool remove_all = false;  ///< Every live data and delete file goes, whatever there is by then.
  /// Data files that must still be live when this is committed: what position deletes refer to.
  std::vector<std::string> required_data_files;
  /// Of the snapshot that the change was planned on. A commit since then that deletes rows of a
  /// removed data file by position has changed what the added files should hold: Aborted. The data
  /// files of a "replace" get this number for their data, so that equality deletes since then apply
  /// to them as well.
  std::optional<std::int64_t> planned_sequence_number;
  /// "append", "overwrite", "delete", "replace". Empty: follows from what is added and removed.
  std::string operation;
  std::map<std::string, std::string> summary;  ///< Put into the snapshot's summary as well.
};

/// A snapshot that is written but not committed.
struct ProducedSnapshot {
  Snapshot snapshot;
  std::vector<TableUpdate> updates;            ///< add-snapshot, set-snapshot-ref.
  std::vector<TableRequirement> requirements;  ///< assert-table-uuid, assert-ref-snapshot-id.
  /// The metadata files that were written for it: new manifests, and the manifest list last.
  std::vector<std::string> files;
};

/// Writes the manifests and the manifest list of one change to a table, again on each new base
/// when a commit loses its race; the manifest of added files is written once and reused.
///
/// Not thread-safe. One object is one change, committed at most once.
class SnapshotProducer {
 public:
  SnapshotProducer(const storage::Buckets& buckets, ManifestCache& cache, SnapshotChange change,
                   std::string branch = "main");

  static SnapshotChange append(std::vector<DataFile> data_files);
  /// Removes files, adds others.
  static SnapshotChange overwrite(std::vector<DataFile> added, std::vector<std::string> removed);
  /// Replaces the table's whole content.
  static SnapshotChange replace_all(std::vector<DataFile> added);
  static SnapshotChange row_delta(std::vector<DataFile> added, std::vector<DataFile> deletes,
                                  std::vector<std::string> required_data_files);
  /// Compaction: the same rows in other files. `planned_on` is the snapshot whose rows they are.
  static SnapshotChange replace(std::vector<DataFile> added, std::vector<std::string> removed,
                                const Snapshot& planned_on);

  /// Writes the snapshot on top of `base`. Aborted if a file that is to be removed, or must be
  /// there, is not live in it. InvalidArgument if an added file does not fit the table.
  Result<ProducedSnapshot> produce(const RequestContext& context, const TableMetadata& base,
                                   std::int64_t now_ms);

  /// The metadata files that were written so far, by all attempts.
  [[nodiscard]] const std::vector<std::string>& written() const { return written_; }

  /// After a commit that took effect: removes what earlier attempts wrote and the snapshot does not
  /// use. Best effort.
  void clean_up_after_commit(const RequestContext& context, const ProducedSnapshot& committed);

  /// After a commit that certainly did not take effect: removes all that was written. Best effort.
  /// Never after CommitStateUnknown.
  void clean_up_after_failure(const RequestContext& context);

 private:
  /// A manifest of added files: it does not depend on the base, so it is written once.
  struct AddedManifest {
    int format_version = 0;
    std::string table_location;
    ManifestFile file;
  };
  struct Attempt;

  Status write_added(Attempt& attempt);
  Status write_added_files(Attempt& attempt, ManifestContent content,
                           const std::vector<DataFile>& files);
  Status filter_manifests(Attempt& attempt, ManifestContent content);
  Result<ManifestFile> filter_manifest(Attempt& attempt, const ManifestFile& manifest);
  Status check_conflict(const Attempt& attempt, const ManifestEntry& entry, bool removed) const;
  Status merge_manifests(Attempt& attempt);
  Result<ManifestFile> merge_bin(Attempt& attempt, std::span<const ManifestFile> bin);
  Result<ManifestFile> write_manifest(Attempt& attempt, std::int32_t spec_id,
                                      ManifestContent content,
                                      std::span<const ManifestEntry> entries);
  Status check_change(const TableMetadata& base) const;
  /// Version 1 lists need not say how many files and rows a manifest has; later ones must.
  Status complete_counts(const Attempt& attempt, ManifestFile& manifest);
  Status write_list(Attempt& attempt);

  const storage::Buckets& buckets_;
  ManifestCache& cache_;
  SnapshotChange change_;
  std::string branch_;
  std::string commit_uuid_;
  std::int64_t snapshot_id_ = 0;
  int attempt_count_ = 0;
  std::size_t manifest_count_ = 0;
  std::vector<AddedManifest> added_manifests_;
  bool added_complete_ = false;
  std::vector<std::string> written_;
};

}  // namespace lakehouse::iceberg
