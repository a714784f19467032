#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/json.h"
#include "iceberg/table_metadata.h"
#include "iceberg/table_update.h"

namespace lakehouse::iceberg::testing {

inline NestedField column(std::int32_t id, std::string name, TypeKind kind, bool required = false) {
  NestedField made;
  made.id = id;
  made.name = std::move(name);
  made.type = primitive(kind);
  made.required = required;
  return made;
}

/// id long (required), at timestamp, name string; partitioned by day(at); sorted by id.
inline NewTable sample_table(int format_version = 2) {
  NewTable table;
  table.schema.fields = {column(11, "id", TypeKind::Long, true),
                         column(12, "at", TypeKind::Timestamp),
                         column(13, "name", TypeKind::String)};
  table.schema.identifier_field_ids = {11};
  PartitionField day;
  day.source_id = 12;
  day.name = "at_day";
  day.transform = Transform::day();
  table.spec.fields = {day};
  SortField by_id;
  by_id.source_id = 11;
  table.order.order_id = 1;
  table.order.fields = {by_id};
  table.location = "file:///tmp/lake/sample/";
  table.properties = {{"owner", "anna"}};
  table.format_version = format_version;
  table.uuid = "9faafb13-1ce7-4603-93f8-197afc7394a9";
  table.now_ms = 1'000'000;
  return table;
}

inline Snapshot sample_snapshot(std::int64_t id, std::int64_t sequence_number,
                                std::optional<std::int64_t> parent = std::nullopt) {
  Snapshot snapshot;
  snapshot.snapshot_id = id;
  snapshot.parent_snapshot_id = parent;
  snapshot.sequence_number = sequence_number;
  snapshot.timestamp_ms = 1'000'000 + sequence_number * 1000;
  snapshot.manifest_list = "file:///tmp/lake/sample/metadata/snap-" + std::to_string(id) + ".avro";
  snapshot.summary = {{"operation", "append"}};
  snapshot.schema_id = 0;
  return snapshot;
}

inline SetSnapshotRef set_branch(std::string name, std::int64_t snapshot_id) {
  SetSnapshotRef update;
  update.name = std::move(name);
  update.ref.snapshot_id = snapshot_id;
  return update;
}

}  // namespace lakehouse::iceberg::testing
