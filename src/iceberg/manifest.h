#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "iceberg/literal.h"
#include "iceberg/partition_spec.h"
#include "iceberg/snapshot.h"
#include "iceberg/table_metadata.h"
#include "storage/buckets.h"

/// \file
/// Data files, manifests and manifest lists: the files of a snapshot. Source: the Iceberg table
/// spec, "Manifests", "Manifest Lists" and appendix A (Avro).

namespace lakehouse::iceberg {

enum class FileContent : std::uint8_t { Data = 0, PositionDeletes = 1, EqualityDeletes = 2 };
enum class FileFormat : std::uint8_t { Avro, Orc, Parquet, Puffin };
enum class EntryStatus : std::uint8_t { Existing = 0, Added = 1, Deleted = 2 };
enum class ManifestContent : std::uint8_t { Data = 0, Deletes = 1 };

/// "PARQUET": as the reference implementation writes it. Reading ignores case.
std::string_view to_string(FileFormat format);

/// Values by field id, in ascending order: smaller and quicker than a map for what manifests hold.
template <class V>
class ById {
 public:
  using value_type = std::pair<std::int32_t, V>;

  ById() = default;
  ById(std::initializer_list<value_type> values) {
    for (const value_type& value : values) {
      set(value.first, value.second);
    }
  }

  /// From pairs in any order, one for each id.
  static ById of(std::vector<value_type> values) {
    const auto by_id = [](const value_type& a, const value_type& b) { return a.first < b.first; };
    const auto same_id = [](const value_type& a, const value_type& b) {
      return a.first == b.first;
    };
    if (!std::is_sorted(values.begin(), values.end(), by_id)) {
      std::sort(values.begin(), values.end(), by_id);
    }
    values.erase(std::unique(values.begin(), values.end(), same_id), values.end());
    ById out;
    out.values_ = std::move(values);
    return out;
  }

  /// The value of a field, or null.
  [[nodiscard]] const V* find(std::int32_t id) const {
    const auto at = lower_bound(values_, id);
    return at != values_.end() && at->first == id ? &at->second : nullptr;
  }
  void set(std::int32_t id, V value) {
    const auto at = lower_bound(values_, id);
    if (at != values_.end() && at->first == id) {
      at->second = std::move(value);
    } else {
      values_.emplace(at, id, std::move(value));
    }
  }
  [[nodiscard]] bool empty() const { return values_.empty(); }
  [[nodiscard]] std::size_t size() const { return values_.size(); }
  [[nodiscard]] auto begin() const { return values_.begin(); }
  [[nodiscard]] auto end() const { return values_.end(); }
  void reserve(std::size_t count) { values_.reserve(count); }

  friend bool operator==(const ById&, const ById&) = default;

 private:
  template <class Values>
  static auto lower_bound(Values& values, std::int32_t id) {
    // Files come with ascending ids: the end is the usual place.
    if (values.empty() || values.back().first < id) {
      return values.end();
    }
    return std::lower_bound(values.begin(), values.end(), id,
                            [](const value_type& a, std::int32_t b) { return a.first < b; });
  }

  std::vector<value_type> values_;
};

/// The partition of a file: one value for each field of its spec, in the spec's order; nothing
/// where it is null. Empty for an unpartitioned spec.
using PartitionValues = std::vector<std::optional<Literal>>;

/// A data or delete file as a manifest describes it.
struct DataFile {
  FileContent content = FileContent::Data;
  std::string file_path;  ///< A full location: "file:///...".
  FileFormat file_format = FileFormat::Parquet;
  std::int32_t spec_id = 0;   ///< Not in the file's own record: the manifest's.
  PartitionValues partition;  ///< As `spec_id` types it.
  std::int64_t record_count = 0;
  std::int64_t file_size_in_bytes = 0;
  ById<std::int64_t> column_sizes;
  ById<std::int64_t> value_counts;
  ById<std::int64_t> null_value_counts;
  ById<std::int64_t> nan_value_counts;
  ById<std::string> lower_bounds;  ///< Single-value binary form (appendix D); may be truncated.
  ById<std::string> upper_bounds;
  std::optional<std::string> key_metadata;
  std::vector<std::int64_t> split_offsets;
  std::vector<std::int32_t> equality_ids;  ///< Equality deletes only.
  std::optional<std::int32_t> sort_order_id;
  std::optional<std::int64_t> first_row_id;         ///< v3, data files; nothing until committed.
  std::optional<std::string> referenced_data_file;  ///< Position deletes of one data file.
  std::optional<std::int64_t> content_offset;       ///< v3: a deletion vector in a Puffin file.
  std::optional<std::int64_t> content_size_in_bytes;

  /// v3: a bitmap of one data file's deleted rows, in a Puffin file.
  [[nodiscard]] bool is_deletion_vector() const {
    return content == FileContent::PositionDeletes && file_format == FileFormat::Puffin;
  }
  friend bool operator==(const DataFile&, const DataFile&) = default;
};

/// A file, shared by those who plan with it, and when it came to the table.
struct ManifestEntry {
  EntryStatus status = EntryStatus::Added;
  std::optional<std::int64_t> snapshot_id;
  std::optional<std::int64_t> sequence_number;  ///< Of its data: what deletes compare with.
  std::optional<std::int64_t> file_sequence_number;
  std::shared_ptr<const DataFile> file;

  [[nodiscard]] bool is_live() const { return status != EntryStatus::Deleted; }
};

/// What the partitions of a manifest's files have in one field of the spec.
struct FieldSummary {
  bool contains_null = false;
  std::optional<bool> contains_nan;
  std::optional<std::string> lower_bound;  ///< Single-value binary form.
  std::optional<std::string> upper_bound;
  friend bool operator==(const FieldSummary&, const FieldSummary&) = default;
};

/// A manifest as the manifest list describes it.
struct ManifestFile {
  std::string manifest_path;
  std::int64_t manifest_length = 0;
  std::int32_t partition_spec_id = 0;
  ManifestContent content = ManifestContent::Data;
  std::int64_t sequence_number = 0;
  std::int64_t min_sequence_number = 0;
  std::int64_t added_snapshot_id = 0;
  std::optional<std::int32_t> added_files_count;  ///< Nothing: unknown, to be taken as some.
  std::optional<std::int32_t> existing_files_count;
  std::optional<std::int32_t> deleted_files_count;
  std::optional<std::int64_t> added_rows_count;
  std::optional<std::int64_t> existing_rows_count;
  std::optional<std::int64_t> deleted_rows_count;
  std::vector<FieldSummary> partitions;
  std::optional<std::string> key_metadata;
  std::optional<std::int64_t> first_row_id;  ///< v3, data manifests.

  friend bool operator==(const ManifestFile&, const ManifestFile&) = default;
};

/// The entries of a manifest, inherited values filled in; shared and never changed.
using ManifestEntries = std::shared_ptr<const std::vector<ManifestEntry>>;

/// The types of a spec's partition values, in its order: the transforms' results. A source column
/// is looked for in every schema of the table, since it may have been dropped. DataLoss if unknown.
Result<std::vector<TypePtr>> partition_types(const TableMetadata& metadata,
                                             const PartitionSpec& spec);

/// True if both are null or equal; NaN equals NaN, -0.0 is not 0.0 (the spec's partition equality).
[[nodiscard]] bool same_partition(const PartitionValues& a, const PartitionValues& b);

/// Text that is the same for the same spec and partition only: a key for maps.
std::string partition_key(std::int32_t spec_id, const PartitionValues& partition);

/// A manifest that was written but not yet stored: its bytes, and what the list says of it. The
/// list's writer sets path, sequence number and first row id.
struct EncodedManifest {
  std::vector<std::byte> bytes;
  ManifestFile file;
};

/// Stands in a new manifest's description for the sequence number that its snapshot will have.
inline constexpr std::int64_t kUnassignedSequenceNumber = -1;

/// Encodes a manifest in the table's format version. All entries must be of `spec_id` and of the
/// content's kind, InvalidArgument if not. An entry without a snapshot id or sequence number is
/// written without, and inherits the manifest's; only added ones may.
Result<EncodedManifest> encode_manifest(const TableMetadata& metadata, std::int32_t spec_id,
                                        ManifestContent content, std::int64_t snapshot_id,
                                        std::span<const ManifestEntry> entries);

/// The entries of a manifest, deleted ones included. DataLoss, naming the manifest, if it is not a
/// manifest or not of this table.
Result<std::vector<ManifestEntry>> decode_manifest(std::span<const std::byte> bytes,
                                                   const ManifestFile& file,
                                                   const TableMetadata& metadata);

/// The locations of the live files of a manifest, and nothing else that it says: also for a table
/// whose schemas and specs are not known yet. DataLoss, naming the manifest, if it is none.
Result<std::vector<std::string>> live_file_paths(std::span<const std::byte> bytes,
                                                 std::string_view location);

/// Encodes the manifest list of `snapshot` (its id, parent, sequence number, first row id). What is
/// unassigned in `manifests` must be assigned before.
Result<std::vector<std::byte>> encode_manifest_list(int format_version, const Snapshot& snapshot,
                                                    std::span<const ManifestFile> manifests);

Result<std::vector<ManifestFile>> decode_manifest_list(std::span<const std::byte> bytes,
                                                       std::string_view location);

/// Manifests and manifest lists that were read, by location; the least recently used go first.
/// Metadata files are immutable, so what is kept never grows stale.
///
/// Thread-safe. Two threads that miss the same file may both read it.
class ManifestCache {
 public:
  explicit ManifestCache(std::size_t bytes_max = std::size_t{256} << 20U);
  ~ManifestCache();
  ManifestCache(const ManifestCache&) = delete;
  ManifestCache& operator=(const ManifestCache&) = delete;

  /// The manifests of a snapshot: of its list, or of a v1 snapshot's own array. Locations outside
  /// the table's are FailedPrecondition.
  Result<std::shared_ptr<const std::vector<ManifestFile>>> manifests(
      const RequestContext& context, const storage::Buckets& buckets, const TableMetadata& metadata,
      const Snapshot& snapshot);

  /// The entries of a manifest.
  Result<ManifestEntries> entries(const RequestContext& context, const storage::Buckets& buckets,
                                  const TableMetadata& metadata, const ManifestFile& manifest);

  /// What is kept, by estimate.
  [[nodiscard]] std::size_t size_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// FailedPrecondition if `location` does not lie in the table's folder (`metadata.location`), or
/// has ".." in it. `what` names it in the message: "data file".
Status check_inside_table(const TableMetadata& metadata, std::string_view location,
                          std::string_view what);

}  // namespace lakehouse::iceberg
