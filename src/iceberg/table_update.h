#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "iceberg/table_metadata.h"

/// \file
/// The changes that a commit makes to a table's metadata, as the Iceberg REST protocol names them.
/// Where an update names a schema, spec or order by id, -1 is the one that the same commit added
/// last.

namespace lakehouse::iceberg {

struct AssignUuid {
  std::string uuid;
};
struct UpgradeFormatVersion {
  int format_version = 0;
};
struct AddSchema {
  Schema schema;
  std::optional<std::int32_t> last_column_id;  ///< Deprecated by the protocol, and not used.
};
struct SetCurrentSchema {
  std::int32_t schema_id = -1;
};
struct AddPartitionSpec {
  PartitionSpec spec;
};
struct SetDefaultSpec {
  std::int32_t spec_id = -1;
};
struct AddSortOrder {
  SortOrder order;
};
struct SetDefaultSortOrder {
  std::int32_t sort_order_id = -1;
};
struct AddSnapshot {
  Snapshot snapshot;
};
struct SetSnapshotRef {
  std::string name;
  SnapshotRef ref;
};
struct RemoveSnapshots {
  std::vector<std::int64_t> snapshot_ids;
};
struct RemoveSnapshotRef {
  std::string name;
};
struct SetLocation {
  std::string location;
};
struct SetProperties {
  Properties updates;
};
struct RemoveProperties {
  std::vector<std::string> removals;
};
struct SetStatistics {
  StatisticsFile statistics;
};
struct RemoveStatistics {
  std::int64_t snapshot_id = 0;
};
struct SetPartitionStatistics {
  PartitionStatisticsFile partition_statistics;
};
struct RemovePartitionStatistics {
  std::int64_t snapshot_id = 0;
};
struct RemovePartitionSpecs {
  std::vector<std::int32_t> spec_ids;
};
struct RemoveSchemas {
  std::vector<std::int32_t> schema_ids;
};
struct AddEncryptionKey {
  EncryptedKey encryption_key;
};
struct RemoveEncryptionKey {
  std::string key_id;
};
/// Of drafts of v3; does nothing, since lineage is part of v3 and refused before.
struct EnableRowLineage {};

using TableUpdate =
    std::variant<AssignUuid, UpgradeFormatVersion, AddSchema, SetCurrentSchema, AddPartitionSpec,
                 SetDefaultSpec, AddSortOrder, SetDefaultSortOrder, AddSnapshot, SetSnapshotRef,
                 RemoveSnapshots, RemoveSnapshotRef, SetLocation, SetProperties, RemoveProperties,
                 SetStatistics, RemoveStatistics, SetPartitionStatistics, RemovePartitionStatistics,
                 RemovePartitionSpecs, RemoveSchemas, AddEncryptionKey, RemoveEncryptionKey,
                 EnableRowLineage>;

/// The protocol's name of an update: "add-snapshot".
std::string_view action_of(const TableUpdate& update);

/// InvalidArgument names the action that is not known, or the member that is wrong.
Result<TableUpdate> update_from_json(const boost::json::value& json);
boost::json::object update_to_json(const TableUpdate& update);

/// The metadata after the updates, by the rules of the reference implementation: equal schemas,
/// specs and orders are used again, logs and sequence numbers are kept, and what refers to removed
/// snapshots goes with them. The base itself if nothing changes. InvalidArgument if an update does
/// not fit the table; Aborted if a snapshot's sequence number or first row id shows that it lost a
/// race. The metadata log is the committer's (append_metadata_log). Linear in the table and the
/// updates.
Result<TableMetadata> apply_updates(TableMetadata base, std::span<const TableUpdate> updates,
                                    std::int64_t now_ms);

/// The same for a table that does not exist yet: the commit of a staged create. The updates must
/// give a schema and a location; the format version is that of an upgrade-format-version among
/// them. A missing UUID, spec or order gets `uuid`, unpartitioned and unsorted.
Result<TableMetadata> metadata_from_updates(std::span<const TableUpdate> updates,
                                            std::string_view uuid, std::int64_t now_ms);

}  // namespace lakehouse::iceberg
