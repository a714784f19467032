#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "iceberg/partition_spec.h"
#include "iceberg/schema.h"
#include "iceberg/snapshot.h"
#include "iceberg/sort_order.h"

/// \file
/// A table's metadata file as a value. Source: the Iceberg table spec, "Table Metadata" and
/// appendix C, for format versions 1 to 3.

namespace lakehouse::iceberg {

inline constexpr int kFormatVersionMax = 3;
inline constexpr int kFormatVersionDefault = 2;

/// A Puffin file of statistics, such as distinct counts.
struct StatisticsFile {
  std::int64_t snapshot_id = 0;
  std::string statistics_path;
  std::int64_t file_size_in_bytes = 0;
  std::int64_t file_footer_size_in_bytes = 0;
  std::optional<std::string> key_metadata;
  boost::json::array blob_metadata;
  boost::json::object unknown;

  friend bool operator==(const StatisticsFile&, const StatisticsFile&) = default;
};

struct PartitionStatisticsFile {
  std::int64_t snapshot_id = 0;
  std::string statistics_path;
  std::int64_t file_size_in_bytes = 0;
  boost::json::object unknown;

  friend bool operator==(const PartitionStatisticsFile&, const PartitionStatisticsFile&) = default;
};

/// A wrapped key of an encrypted table (v3): kept, not used.
struct EncryptedKey {
  std::string key_id;
  std::string encrypted_key_metadata;  ///< Base64.
  std::optional<std::string> encrypted_by_id;
  Properties properties;
  boost::json::object unknown;

  friend bool operator==(const EncryptedKey&, const EncryptedKey&) = default;
};

struct TableMetadata {
  int format_version = kFormatVersionDefault;
  std::string table_uuid;
  std::string location;  ///< Without a slash at its end.
  std::int64_t last_sequence_number = 0;
  std::int64_t last_updated_ms = 0;
  std::int32_t last_column_id = 0;
  std::vector<Schema> schemas;
  std::int32_t current_schema_id = -1;
  std::vector<PartitionSpec> partition_specs;
  std::int32_t default_spec_id = -1;
  std::int32_t last_partition_id = kFirstPartitionFieldId - 1;
  std::vector<SortOrder> sort_orders;
  std::int32_t default_sort_order_id = -1;
  Properties properties;
  std::optional<std::int64_t> current_snapshot_id;
  std::vector<SnapshotPtr> snapshots;
  std::map<std::string, SnapshotRef, std::less<>> refs;
  std::vector<SnapshotLogEntry> snapshot_log;
  std::vector<MetadataLogEntry> metadata_log;
  std::vector<StatisticsFile> statistics;
  std::vector<PartitionStatisticsFile> partition_statistics;
  std::vector<EncryptedKey> encryption_keys;  ///< v3.
  std::int64_t next_row_id = 0;               ///< v3.
  boost::json::object unknown;

  /// Never null in metadata that was parsed or built by this module.
  [[nodiscard]] const Schema* current_schema() const;
  [[nodiscard]] const PartitionSpec* default_spec() const;
  [[nodiscard]] const SortOrder* default_sort_order() const;
  /// Null if the table is empty.
  [[nodiscard]] const Snapshot* current_snapshot() const;
  /// Null if there is none of that id. Linear in the number of snapshots.
  [[nodiscard]] const Snapshot* snapshot_by_id(std::int64_t id) const;
  /// The snapshot that a branch or tag names, or null.
  [[nodiscard]] const Snapshot* snapshot_by_ref(std::string_view name) const;
  /// The snapshot that was current at that time by the snapshot log, or null.
  [[nodiscard]] const Snapshot* snapshot_as_of(std::int64_t timestamp_ms) const;
  [[nodiscard]] const Schema* schema_by_id(std::int32_t id) const;
  [[nodiscard]] const PartitionSpec* spec_by_id(std::int32_t id) const;
  [[nodiscard]] const SortOrder* sort_order_by_id(std::int32_t id) const;
  /// The schema that a snapshot was written with; the current one if it does not say.
  [[nodiscard]] const Schema& schema_of(const Snapshot& snapshot) const;
  /// The value of a property, or null.
  [[nodiscard]] const std::string* property(std::string_view name) const;
  [[nodiscard]] std::int64_t next_sequence_number() const {
    return format_version > 1 ? last_sequence_number + 1 : 0;
  }
};

bool operator==(const TableMetadata& a, const TableMetadata& b);

/// Reads a metadata file, checked as the reference implementation checks it (ids that must exist,
/// refs, logs in order). InvalidArgument says what is wrong. Linear in the document.
Result<TableMetadata> table_metadata_from_json(const boost::json::value& json);
/// The same from text; gzipped text (metadata.json.gz) is taken too.
Result<TableMetadata> table_metadata_from_text(std::string_view text);
/// Complete for its format version: v1 also has the single schema and spec that old readers want.
boost::json::object table_metadata_to_json(const TableMetadata& metadata);
/// The text of the file; linear, and without a second copy of the document in memory.
std::string table_metadata_to_text(const TableMetadata& metadata);

/// What a new table is made from. Field ids of `schema` are assigned anew; `spec` and `order` refer
/// to the ids that `schema` was given with.
struct NewTable {
  Schema schema;
  PartitionSpec spec;
  SortOrder order;
  std::string location;
  Properties
      properties;  ///< "format-version", if there, wins over `format_version` and is not kept.
  int format_version = kFormatVersionDefault;
  std::string uuid;
  std::int64_t now_ms = 0;
};

/// The first metadata of a table without snapshots. InvalidArgument if the parts do not fit.
Result<TableMetadata> new_table_metadata(const NewTable& table);

/// Notes, in a version about to be written, the file of the version before it. Trims the log to the
/// property write.metadata.previous-versions-max (100) and returns what fell out, oldest first.
std::vector<MetadataLogEntry> append_metadata_log(TableMetadata& next,
                                                  std::string previous_metadata_file,
                                                  std::int64_t previous_last_updated_ms);

/// InvalidArgument unless the schema may stand in a table of that format version: unique names and
/// ids, identifier fields that are required primitives of the right kinds, v3 types and defaults
/// only from v3 on.
Status validate_schema(const Schema& schema, int format_version);

}  // namespace lakehouse::iceberg
