#include "iceberg/table_update.h"

#include <map>
#include <set>

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/testing/matchers.h"
#include "iceberg/table_requirement.h"
#include "iceberg/tests/metadata_fixture.h"

namespace lakehouse::iceberg {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using testing::column;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::sample_snapshot;
using testing::sample_table;
using testing::set_branch;

constexpr std::int64_t kNow = 1'020'000;

TableMetadata base_table(int format_version = 2) {
  return new_table_metadata(sample_table(format_version)).value();
}

Result<TableMetadata> apply(const TableMetadata& base, const std::vector<TableUpdate>& updates) {
  auto next = apply_updates(base, updates, kNow);
  if (next) {
    // Whatever is built can be read again and means the same.
    const auto again = table_metadata_from_text(table_metadata_to_text(*next));
    EXPECT_THAT(again, IsOk());
    EXPECT_TRUE(again && *again == *next);
  }
  return next;
}

void expect_refused(const Result<TableMetadata>& result, const char* message) {
  SCOPED_TRACE(message);
  ASSERT_THAT(result, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(result.error().message, HasSubstr(message));
}

TEST(TableUpdate, EveryUpdateOfTheProtocolSurvivesJson) {
  for (
      const std::string_view text : {
          R"({"action": "assign-uuid", "uuid": "u"})",
          R"({"action": "upgrade-format-version", "format-version": 3})",
          R"({"action": "add-schema", "schema": {"type": "struct", "schema-id": 0, "fields": []}, "last-column-id": 3})",
          R"({"action": "set-current-schema", "schema-id": -1})",
          R"({"action": "add-spec", "spec": {"spec-id": 0, "fields": [{"source-id": 1, "name": "a", "transform": "day"}]}})",
          R"({"action": "set-default-spec", "spec-id": -1})",
          R"({"action": "add-sort-order", "sort-order": {"order-id": 0, "fields": []}})",
          R"({"action": "set-default-sort-order", "sort-order-id": -1})",
          R"({"action": "add-snapshot", "snapshot": {"sequence-number": 1, "snapshot-id": 5, "timestamp-ms": 1, "summary": {"operation": "append"}, "manifest-list": "m"}})",
          R"({"action": "set-snapshot-ref", "ref-name": "main", "snapshot-id": 5, "type": "branch", "max-ref-age-ms": 3})",
          R"({"action": "remove-snapshots", "snapshot-ids": [1, 2]})",
          R"({"action": "remove-snapshot-ref", "ref-name": "old"})",
          R"({"action": "set-location", "location": "s3://b"})",
          R"({"action": "set-properties", "updates": {"a": "b"}})",
          R"({"action": "remove-properties", "removals": ["a"]})",
          R"({"action": "set-statistics", "snapshot-id": 1, "statistics": {"snapshot-id": 1, "statistics-path": "p", "file-size-in-bytes": 1, "file-footer-size-in-bytes": 1, "blob-metadata": []}})",
          R"({"action": "remove-statistics", "snapshot-id": 1})",
          R"({"action": "set-partition-statistics", "partition-statistics": {"snapshot-id": 1, "statistics-path": "p", "file-size-in-bytes": 1}})",
          R"({"action": "remove-partition-statistics", "snapshot-id": 1})",
          R"({"action": "remove-partition-specs", "spec-ids": [1]})",
          R"({"action": "remove-schemas", "schema-ids": [1]})",
          R"({"action": "add-encryption-key", "encryption-key": {"key-id": "k", "encrypted-key-metadata": "YQ=="}})",
          R"({"action": "remove-encryption-key", "key-id": "k"})",
          R"({"action": "enable-row-lineage"})",
      }) {
    SCOPED_TRACE(text);
    const auto json = boost::json::parse(text);
    const auto update = update_from_json(json);
    ASSERT_THAT(update, IsOk());
    EXPECT_EQ(boost::json::value(update_to_json(*update)), json);
  }
}

TEST(TableUpdate, UnknownAndBrokenUpdatesAreRefusedByName) {
  const auto slip = update_from_json(boost::json::parse(R"({"action": "add-snapsot"})"));
  ASSERT_THAT(slip, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(slip.error().hint, HasSubstr("add-snapshot"));
  const auto bare = update_from_json(boost::json::parse(R"({"action": "add-schema"})"));
  ASSERT_THAT(bare, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(bare.error().message, HasSubstr("add-schema"));
  EXPECT_THAT(update_from_json(boost::json::parse("[]")), FailsWith(ErrorCode::InvalidArgument));
  const auto old = update_from_json(
      boost::json::parse(R"({"action": "set-properties", "updated": {"a": "b"}})"));
  ASSERT_THAT(old, IsOk());
  EXPECT_EQ(std::get<SetProperties>(*old).updates.at("a"), "b");
}

TEST(ApplyUpdates, NothingChangedGivesTheBase) {
  const TableMetadata base = base_table();
  const auto same =
      apply(base, {SetLocation{"file:///tmp/lake/sample/"}, RemoveProperties{{"none"}},
                   UpgradeFormatVersion{2}, AssignUuid{base.table_uuid}, RemoveSnapshots{{5}}});
  ASSERT_THAT(same, IsOk());
  EXPECT_TRUE(*same == base);
}

TEST(ApplyUpdates, SchemasAreAddedReusedAndSet) {
  const TableMetadata base = base_table();
  AddSchema wider{*base.current_schema(), {}};
  wider.schema.fields.push_back(column(4, "extra", TypeKind::Int));
  const auto next = apply(base, {wider, SetCurrentSchema{-1}});
  ASSERT_THAT(next, IsOk());
  EXPECT_EQ(next->current_schema_id, 1);
  EXPECT_EQ(next->last_column_id, 4);
  EXPECT_EQ(next->last_updated_ms, kNow);
  const auto back = apply(*next, {AddSchema{*base.current_schema(), {}}, SetCurrentSchema{-1}});
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(back->current_schema_id, 0);
  EXPECT_EQ(back->schemas.size(), 2U);
  EXPECT_EQ(back->last_column_id, 4);
  expect_refused(apply(base, {SetCurrentSchema{-1}}), "no schema has been added");
  expect_refused(apply(base, {SetCurrentSchema{7}}), "not known");
  expect_refused(apply(*next, {RemoveSchemas{{1}}}), "current one");
  const auto removed = apply(*next, {RemoveSchemas{{0}}});
  ASSERT_THAT(removed, IsOk());
  EXPECT_EQ(removed->schemas.size(), 1U);
}

TEST(ApplyUpdates, ASchemaWithoutAPartitionSourceIsRefused) {
  const TableMetadata base = base_table();
  AddSchema narrower{*base.current_schema(), {}};
  narrower.schema.fields.erase(narrower.schema.fields.begin() + 1);  // at
  expect_refused(apply(base, {narrower, SetCurrentSchema{-1}}), "at_day");
  const auto with_spec =
      apply(base, {AddPartitionSpec{}, SetDefaultSpec{-1}, narrower, SetCurrentSchema{-1}});
  ASSERT_THAT(with_spec, IsOk());
  EXPECT_TRUE(with_spec->default_spec()->is_unpartitioned());
  AddSchema bad{*base.current_schema(), {}};
  bad.schema.identifier_field_ids = {3};
  expect_refused(apply(base, {bad}), "identifier");
}

TEST(ApplyUpdates, PartitionFieldsKeepTheirIdsOverSpecs) {
  const TableMetadata base = base_table();
  PartitionField bucket;
  bucket.source_id = 1;
  bucket.name = "id_bucket";
  bucket.transform = Transform::bucket(8);
  AddPartitionSpec update;
  update.spec.fields = {bucket, base.default_spec()->fields[0]};
  update.spec.fields[1].field_id = 0;  // As clients send it: the table knows the id.
  const auto next = apply(base, {update, SetDefaultSpec{-1}});
  ASSERT_THAT(next, IsOk());
  EXPECT_EQ(next->default_spec_id, 1);
  EXPECT_EQ(next->default_spec()->fields[0].field_id, 1001);
  EXPECT_EQ(next->default_spec()->fields[1].field_id, 1000);
  EXPECT_EQ(next->last_partition_id, 1001);
  const auto back = apply(*next, {AddPartitionSpec{*base.default_spec()}, SetDefaultSpec{-1}});
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(back->default_spec_id, 0);
  expect_refused(apply(base, {SetDefaultSpec{3}}), "not known");
  expect_refused(apply(base, {RemovePartitionSpecs{{0}}}), "default one");
  const auto removed = apply(*next, {RemovePartitionSpecs{{0}}});
  ASSERT_THAT(removed, IsOk());
  EXPECT_EQ(removed->partition_specs.size(), 1U);
  update.spec.fields[0].source_id = 99;
  expect_refused(apply(base, {update}), "not in the schema");
  update.spec.fields[0].source_id = 1;
  update.spec.fields[0].transform = {Transform::Kind::Unknown, 0, "zorder"};
  expect_refused(apply(base, {update}), "zorder");
}

TEST(ApplyUpdates, Version1NeedsPartitionIdsInSequence) {
  const TableMetadata base = base_table(1);
  AddPartitionSpec update{*base.default_spec()};
  PartitionField bucket;
  bucket.source_id = 1;
  bucket.name = "b";
  bucket.transform = Transform::bucket(2);
  update.spec.fields.push_back(bucket);
  const auto next = apply(base, {update, SetDefaultSpec{-1}});
  ASSERT_THAT(next, IsOk());
  EXPECT_EQ(next->default_spec()->fields[1].field_id, 1001);
  update.spec.fields[1].field_id = 1005;
  update.spec.fields[1].name = "c";
  expect_refused(apply(base, {update}), "count from 1000");
}

TEST(ApplyUpdates, SortOrdersAreAddedReusedAndSet) {
  const TableMetadata base = base_table();
  const auto unsorted = apply(base, {AddSortOrder{}, SetDefaultSortOrder{-1}});
  ASSERT_THAT(unsorted, IsOk());
  EXPECT_EQ(unsorted->default_sort_order_id, 0);
  AddSortOrder by_name;
  by_name.order.order_id = 1;
  by_name.order.fields = {SortField{}};
  by_name.order.fields[0].source_id = 3;
  const auto next = apply(*unsorted, {by_name, SetDefaultSortOrder{-1}});
  ASSERT_THAT(next, IsOk());
  EXPECT_EQ(next->default_sort_order_id, 2);
  const auto again = apply(*next, {AddSortOrder{base.sort_orders[0]}, SetDefaultSortOrder{-1}});
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->default_sort_order_id, 1);
  EXPECT_EQ(again->sort_orders.size(), 3U);
  by_name.order.fields[0].source_id = 30;
  expect_refused(apply(base, {by_name}), "not in the schema");
  expect_refused(apply(base, {SetDefaultSortOrder{-1}}), "none has been added");
}

TEST(ApplyUpdates, SnapshotsMoveMainAndTheLogsFollow) {
  const TableMetadata base = base_table();
  const auto one = apply(base, {AddSnapshot{sample_snapshot(10, 1)}, set_branch("main", 10)});
  ASSERT_THAT(one, IsOk());
  EXPECT_EQ(one->current_snapshot_id, 10);
  EXPECT_EQ(one->last_sequence_number, 1);
  EXPECT_EQ(one->last_updated_ms, 1'001'000);
  EXPECT_THAT(one->snapshot_log, ElementsAre(SnapshotLogEntry{1'001'000, 10}));
  // Two in one commit: the first was never current.
  const auto three = apply(*one, {AddSnapshot{sample_snapshot(20, 2, 10)}, set_branch("main", 20),
                                  AddSnapshot{sample_snapshot(30, 3, 20)}, set_branch("main", 30)});
  ASSERT_THAT(three, IsOk());
  EXPECT_EQ(three->snapshots.size(), 3U);
  EXPECT_THAT(three->snapshot_log,
              ElementsAre(SnapshotLogEntry{1'001'000, 10}, SnapshotLogEntry{1'003'000, 30}));
  const auto rolled_back = apply(*three, {set_branch("main", 10)});
  ASSERT_THAT(rolled_back, IsOk());
  EXPECT_EQ(rolled_back->current_snapshot_id, 10);
  EXPECT_EQ(rolled_back->snapshot_log.back(), (SnapshotLogEntry{kNow, 10}));
  const auto emptied = apply(*three, {RemoveSnapshotRef{"main"}});
  ASSERT_THAT(emptied, IsOk());
  EXPECT_EQ(emptied->current_snapshot(), nullptr);
}

TEST(ApplyUpdates, SnapshotsThatDoNotFitAreRefused) {
  const auto base =
      apply(base_table(), {AddSnapshot{sample_snapshot(10, 5)}, set_branch("main", 10)});
  ASSERT_THAT(base, IsOk());
  expect_refused(apply(*base, {AddSnapshot{sample_snapshot(10, 6, 10)}}), "already exists");
  EXPECT_THAT(apply(*base, {AddSnapshot{sample_snapshot(11, 5, 10)}}),
              FailsWith(ErrorCode::Aborted));
  // A replaced table's first snapshot has no parent and need not know the last number.
  EXPECT_THAT(apply(*base, {AddSnapshot{sample_snapshot(11, 5)}}), IsOk());
  expect_refused(apply(*base, {set_branch("main", 99)}), "not known");
  SetSnapshotRef tag = set_branch("v1", 10);
  tag.ref.kind = SnapshotRef::Kind::Tag;
  tag.ref.min_snapshots_to_keep = 3;
  expect_refused(apply(*base, {tag}), "tags do not support");
  tag.ref.min_snapshots_to_keep.reset();
  tag.ref.max_ref_age_ms = -4;
  expect_refused(apply(*base, {tag}), "at least 1");
  tag.ref.max_ref_age_ms = 4;
  EXPECT_THAT(apply(*base, {tag}), IsOk());
  tag.name = "main";
  expect_refused(apply(*base, {tag}), "cannot be a tag");
}

TEST(ApplyUpdates, RemovedSnapshotsTakeTheirRefsStatisticsAndHistoryAlong) {
  StatisticsFile statistics;
  statistics.snapshot_id = 20;
  PartitionStatisticsFile partitions;
  partitions.snapshot_id = 20;
  auto base = apply(base_table(), {AddSnapshot{sample_snapshot(10, 1)}, set_branch("main", 10)});
  base = apply(*base, {AddSnapshot{sample_snapshot(20, 2, 10)}, set_branch("main", 20),
                       SetStatistics{statistics}, SetPartitionStatistics{partitions}});
  base = apply(*base, {AddSnapshot{sample_snapshot(30, 3, 20)}, set_branch("main", 30),
                       set_branch("old", 20)});
  ASSERT_THAT(base, IsOk());
  ASSERT_EQ(base->statistics.size(), 1U);
  const auto next = apply(*base, {RemoveSnapshots{{20}}, RemoveSnapshots{{77}}});
  ASSERT_THAT(next, IsOk());
  EXPECT_EQ(next->snapshots.size(), 2U);
  EXPECT_FALSE(next->refs.contains("old"));
  EXPECT_THAT(next->statistics, IsEmpty());
  EXPECT_THAT(next->partition_statistics, IsEmpty());
  EXPECT_THAT(next->snapshot_log, ElementsAre(SnapshotLogEntry{1'003'000, 30}));
  const auto nothing_left = apply(*base, {RemoveSnapshots{{10, 20, 30}}});
  ASSERT_THAT(nothing_left, IsOk());
  EXPECT_EQ(nothing_left->current_snapshot_id, std::nullopt);
  EXPECT_THAT(nothing_left->refs, IsEmpty());
  EXPECT_EQ(nothing_left->last_sequence_number, 3);
}

TEST(ApplyUpdates, Version3CountsRowIds) {
  const TableMetadata base = base_table(3);
  Snapshot snapshot = sample_snapshot(10, 1);
  expect_refused(apply(base, {AddSnapshot{snapshot}}), "first-row-id");
  snapshot.first_row_id = 0;
  snapshot.added_rows = 100;
  const auto one = apply(base, {AddSnapshot{snapshot}, set_branch("main", 10)});
  ASSERT_THAT(one, IsOk());
  EXPECT_EQ(one->next_row_id, 100);
  snapshot.snapshot_id = 11;
  snapshot.sequence_number = 2;
  snapshot.parent_snapshot_id = 10;
  snapshot.first_row_id = 99;
  EXPECT_THAT(apply(*one, {AddSnapshot{snapshot}}), FailsWith(ErrorCode::Aborted));
  EncryptedKey key;
  key.key_id = "k";
  const auto with_key = apply(*one, {AddEncryptionKey{key}, AddEncryptionKey{key}});
  ASSERT_THAT(with_key, IsOk());
  EXPECT_EQ(with_key->encryption_keys.size(), 1U);
  EXPECT_THAT(apply(*with_key, {RemoveEncryptionKey{"k"}})->encryption_keys, IsEmpty());
  expect_refused(apply(base_table(2), {AddEncryptionKey{key}}), "format version 3");
}

TEST(ApplyUpdates, VersionsAreOnlyUpgraded) {
  const auto next = apply(base_table(1), {UpgradeFormatVersion{2}});
  ASSERT_THAT(next, IsOk());
  EXPECT_EQ(next->format_version, 2);
  EXPECT_EQ(apply(*next, {UpgradeFormatVersion{3}})->next_row_id, 0);
  expect_refused(apply(*next, {UpgradeFormatVersion{1}}), "downgrade");
  expect_refused(apply(*next, {UpgradeFormatVersion{4}}), "version 4");
  expect_refused(apply(*next, {AssignUuid{"other"}}), "cannot be given another");
}

TEST(ApplyUpdates, ClocksThatAreBehindMakeNoUnreadableMetadata) {
  auto base = apply_updates(base_table(), std::vector<TableUpdate>{SetProperties{{{"a", "b"}}}},
                            9'000'000'000);
  ASSERT_THAT(base, IsOk());
  append_metadata_log(*base, "v1", base->last_updated_ms);
  const auto next = apply(*base, {AddSnapshot{sample_snapshot(10, 1)}, set_branch("main", 10)});
  ASSERT_THAT(next, IsOk());
  EXPECT_EQ(next->last_updated_ms, 9'000'000'000);
}

TEST(ApplyUpdates, AStagedCreateStartsFromNothing) {
  const TableMetadata staged = base_table(3);
  const std::vector<TableUpdate> updates = {AssignUuid{staged.table_uuid},
                                            UpgradeFormatVersion{3},
                                            AddSchema{*staged.current_schema(), {}},
                                            SetCurrentSchema{-1},
                                            AddPartitionSpec{*staged.default_spec()},
                                            SetDefaultSpec{-1},
                                            AddSortOrder{*staged.default_sort_order()},
                                            SetDefaultSortOrder{-1},
                                            SetLocation{staged.location},
                                            SetProperties{staged.properties}};
  const auto created = metadata_from_updates(updates, "unused", staged.last_updated_ms);
  ASSERT_THAT(created, IsOk());
  EXPECT_TRUE(*created == staged) << table_metadata_to_text(*created);
  const std::vector<TableUpdate> bare = {AddSchema{*staged.current_schema(), {}},
                                         SetCurrentSchema{-1}, SetLocation{"file:///x"}};
  const auto defaulted = metadata_from_updates(bare, "given", 5);
  ASSERT_THAT(defaulted, IsOk());
  EXPECT_EQ(defaulted->table_uuid, "given");
  EXPECT_TRUE(defaulted->default_spec()->is_unpartitioned());
  EXPECT_TRUE(defaulted->default_sort_order()->is_unsorted());
  EXPECT_THAT(metadata_from_updates({}, "u", 5), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(metadata_from_updates(std::vector<TableUpdate>{SetLocation{"file:///x"}}, "u", 5),
              FailsWith(ErrorCode::InvalidArgument));
}

// Anything quadratic in it would run into the test's time-out.
TEST(ApplyUpdates, TenThousandSnapshotsGoOneByOne) {
  constexpr std::int64_t kCount = 10'000;
  std::vector<TableUpdate> adds;
  std::vector<TableUpdate> removes;
  for (std::int64_t i = 1; i <= kCount; ++i) {
    adds.emplace_back(
        AddSnapshot{sample_snapshot(i, i, i > 1 ? std::optional(i - 1) : std::nullopt)});
    adds.emplace_back(set_branch("main", i));
    StatisticsFile statistics;
    statistics.snapshot_id = i;
    adds.emplace_back(SetStatistics{statistics});
    if (i < kCount) {
      removes.emplace_back(RemoveSnapshots{{i}});
    }
  }
  const auto full = apply_updates(base_table(), adds, kNow);
  ASSERT_THAT(full, IsOk());
  const auto again = table_metadata_from_text(table_metadata_to_text(*full));
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(*again == *full);
  const auto one = apply_updates(*full, removes, kNow);
  ASSERT_THAT(one, IsOk());
  EXPECT_EQ(one->snapshots.size(), 1U);
  EXPECT_EQ(one->statistics.size(), 1U);
}

/// Random commits on a table keep what readers rely on, whatever is accepted.
TEST(ApplyUpdates, LawAcceptedCommitsKeepTheTableWhole) {
  EXPECT_TRUE(rc::check([] {
    TableMetadata table = base_table(*rc::gen::inRange(1, 4));
    std::int64_t highest_row_id = 0;
    const int commits = *rc::gen::inRange(1, 12);
    for (int i = 0; i < commits; ++i) {
      std::vector<TableUpdate> updates;
      const int count = *rc::gen::inRange(1, 4);
      for (int j = 0; j < count; ++j) {
        const std::int64_t id = *rc::gen::inRange<std::int64_t>(1, 12);
        const std::string ref = *rc::gen::element<std::string>("main", "dev", "v1");
        Snapshot snapshot = sample_snapshot(id, table.next_sequence_number() + j);
        snapshot.first_row_id = table.next_row_id + j * 10;
        snapshot.added_rows = 10;
        AddSchema schema{*table.current_schema(), {}};
        schema.schema.fields.push_back(
            column(table.last_column_id + 1, "c" + std::to_string(id), TypeKind::Int));
        updates.push_back(*rc::gen::element<TableUpdate>(
            AddSnapshot{snapshot}, set_branch(ref, id), RemoveSnapshots{{id, id + 1}},
            RemoveSnapshotRef{ref}, schema, SetCurrentSchema{-1}, AddPartitionSpec{},
            SetDefaultSpec{-1}, SetProperties{{{ref, ref}}}));
      }
      const auto next = apply_updates(table, updates, kNow + i);
      if (!next) {
        continue;
      }
      RC_ASSERT(next->last_sequence_number >= table.last_sequence_number);
      RC_ASSERT(next->last_column_id >= table.last_column_id);
      RC_ASSERT(next->next_row_id >= highest_row_id);
      RC_ASSERT(next->current_schema() != nullptr);
      highest_row_id = next->next_row_id;
      const auto again = table_metadata_from_text(table_metadata_to_text(*next));
      RC_ASSERT(again.has_value());
      RC_ASSERT(*again == *next);
      table = *next;
    }
  }));
}

TEST(TableRequirement, EveryRequirementOfTheProtocolSurvivesJson) {
  for (const std::string_view text : {
           R"({"type": "assert-create"})",
           R"({"type": "assert-table-uuid", "uuid": "u"})",
           R"({"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": null})",
           R"({"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": 5})",
           R"({"type": "assert-last-assigned-field-id", "last-assigned-field-id": 3})",
           R"({"type": "assert-current-schema-id", "current-schema-id": 0})",
           R"({"type": "assert-last-assigned-partition-id", "last-assigned-partition-id": 1000})",
           R"({"type": "assert-default-spec-id", "default-spec-id": 0})",
           R"({"type": "assert-default-sort-order-id", "default-sort-order-id": 1})",
       }) {
    SCOPED_TRACE(text);
    const auto json = boost::json::parse(text);
    const auto requirement = requirement_from_json(json);
    ASSERT_THAT(requirement, IsOk());
    EXPECT_EQ(boost::json::value(requirement_to_json(*requirement)), json);
  }
  EXPECT_THAT(requirement_from_json(boost::json::parse(R"({"type": "assert-view-uuid"})")),
              FailsWith(ErrorCode::InvalidArgument));
}

TEST(TableRequirement, HoldsOrLosesTheRace) {
  const auto base =
      apply(base_table(), {AddSnapshot{sample_snapshot(10, 1)}, set_branch("main", 10)});
  ASSERT_THAT(base, IsOk());
  const std::vector<TableRequirement> hold = {
      AssertTableUuid{"9FAAFB13-1CE7-4603-93F8-197AFC7394A9"},
      AssertRefSnapshotId{"main", 10},
      AssertRefSnapshotId{"dev", {}},
      AssertLastAssignedFieldId{3},
      AssertCurrentSchemaId{0},
      AssertLastAssignedPartitionId{1000},
      AssertDefaultSpecId{0},
      AssertDefaultSortOrderId{1}};
  EXPECT_THAT(check_requirements(hold, &*base), IsOk());
  const std::vector<TableRequirement> lost = {AssertCreate{},
                                              AssertTableUuid{"x"},
                                              AssertRefSnapshotId{"main", 11},
                                              AssertRefSnapshotId{"main", {}},
                                              AssertRefSnapshotId{"dev", 10},
                                              AssertLastAssignedFieldId{2},
                                              AssertCurrentSchemaId{1},
                                              AssertLastAssignedPartitionId{999},
                                              AssertDefaultSpecId{1},
                                              AssertDefaultSortOrderId{0}};
  for (const TableRequirement& requirement : lost) {
    SCOPED_TRACE(type_of(requirement));
    EXPECT_THAT(check_requirement(requirement, &*base), FailsWith(ErrorCode::Aborted));
  }
  EXPECT_THAT(check_requirement(AssertCreate{}, nullptr), IsOk());
  EXPECT_THAT(check_requirement(AssertRefSnapshotId{"main", {}}, nullptr), IsOk());
  EXPECT_THAT(check_requirement(AssertTableUuid{"x"}, nullptr), FailsWith(ErrorCode::Aborted));
}

}  // namespace
}  // namespace lakehouse::iceberg
