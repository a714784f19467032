#include "iceberg/table_metadata.h"

#include <chrono>

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "base/testing/matchers.h"
#include "iceberg/tests/metadata_fixture.h"

namespace lakehouse::iceberg {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Shaped like the reference implementation's own examples: other ids than its builders would
// choose, a snapshot of an unknown schema, statistics of an unknown snapshot.
constexpr std::string_view kVersion3 = R"({
  "format-version": 3, "table-uuid": "9faafb13-1ce7-4603-93f8-197afc7394a9",
  "location": "s3://bucket/test/location/", "last-sequence-number": 34,
  "last-updated-ms": 1733710954170, "last-column-id": 3, "current-schema-id": 1,
  "schemas": [
    {"type": "struct", "schema-id": 0, "fields": [
      {"id": 1, "name": "x", "required": true, "type": "long"}]},
    {"type": "struct", "schema-id": 1, "identifier-field-ids": [1, 2], "fields": [
      {"id": 1, "name": "x", "required": true, "type": "long"},
      {"id": 2, "name": "y", "required": true, "type": "long", "doc": "comment"},
      {"id": 3, "name": "z", "required": true, "type": "long"}]}],
  "default-spec-id": 5, "partition-specs": [{"spec-id": 5, "fields": []}], "last-partition-id": 999,
  "default-sort-order-id": 3, "sort-orders": [{"order-id": 3, "fields": [
      {"transform": "identity", "source-id": 2, "direction": "asc", "null-order": "nulls-first"},
      {"transform": "bucket[4]", "source-id": 3, "direction": "desc", "null-order": "nulls-last"}]}],
  "properties": {"property": "value"}, "current-snapshot-id": 1733710954168,
  "refs": {"main": {"snapshot-id": 1733710954168, "type": "branch", "later": 1},
           "previous": {"snapshot-id": 1733710953138, "type": "tag", "max-ref-age-ms": 10}},
  "snapshots": [
    {"snapshot-id": 1733710953138, "timestamp-ms": 1733710953138, "manifest-list": "/a.avro"},
    {"snapshot-id": 1733710954168, "parent-snapshot-id": 1733710953138, "sequence-number": 34,
     "timestamp-ms": 1733710954168, "manifest-list": "/b.avro", "schema-id": 7, "first-row-id": 5,
     "added-rows": 2, "key-id": "k1", "summary": {"operation": "append", "added-records": "2"},
     "later": {"a": []}}],
  "statistics": [{"snapshot-id": 11, "statistics-path": "/s.puffin", "file-size-in-bytes": 100,
     "file-footer-size-in-bytes": 42, "blob-metadata": [
       {"type": "some-stats", "snapshot-id": 11, "sequence-number": 2, "fields": [4]}]}],
  "partition-statistics": [{"snapshot-id": 11, "statistics-path": "/p.parquet",
     "file-size-in-bytes": 42}],
  "encryption-keys": [{"key-id": "k1", "encrypted-key-metadata": "aWNlYmVyZwo=",
     "encrypted-by-id": "root", "properties": {"a": "b"}}],
  "row-lineage": false, "next-row-id": 7,
  "snapshot-log": [{"timestamp-ms": 1733710953138, "snapshot-id": 1733710953138},
                   {"timestamp-ms": 1733710954168, "snapshot-id": 1733710954168}],
  "metadata-log": [{"timestamp-ms": 1733710953138, "metadata-file": "/v1.metadata.json"}]
})";

boost::json::object parsed(std::string_view text) {
  return boost::json::parse(text).as_object();
}

TEST(TableMetadata, Version3SurvivesAndSoDoesWhatIsNotKnown) {
  const auto metadata = table_metadata_from_text(kVersion3);
  ASSERT_THAT(metadata, IsOk());
  EXPECT_EQ(metadata->location, "s3://bucket/test/location");
  EXPECT_EQ(metadata->current_snapshot()->snapshot_id, 1733710954168);
  EXPECT_EQ(metadata->current_snapshot()->operation(), "append");
  EXPECT_EQ(metadata->snapshot_by_ref("previous")->snapshot_id, 1733710953138);
  EXPECT_EQ(metadata->snapshot_as_of(1733710953500)->snapshot_id, 1733710953138);
  EXPECT_EQ(metadata->snapshot_as_of(5), nullptr);
  EXPECT_EQ(metadata->schema_of(*metadata->current_snapshot()).schema_id, 1);
  EXPECT_EQ(metadata->next_sequence_number(), 35);

  boost::json::object expected = parsed(kVersion3);
  expected["location"] = "s3://bucket/test/location";
  expected["snapshots"].at(0).as_object()["sequence-number"] = 0;
  const boost::json::object written = table_metadata_to_json(*metadata);
  EXPECT_EQ(written, expected) << to_json(written);
  const auto again = table_metadata_from_text(table_metadata_to_text(*metadata));
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(*again == *metadata);
  EXPECT_EQ(table_metadata_to_json(*again), expected);
}

TEST(TableMetadata, Version1OfOldWritersIsReadAndWrittenWhole) {
  const auto metadata = table_metadata_from_text(R"({
    "format-version": 1, "location": "s3://b/t", "last-updated-ms": 1602638573874,
    "last-column-id": 3,
    "schema": {"type": "struct", "fields": [
       {"id": 1, "name": "x", "required": true, "type": "long"},
       {"id": 3, "name": "z", "required": true, "type": "long"}]},
    "partition-spec": [{"name": "x", "transform": "identity", "source-id": 1},
                       {"name": "z_bucket", "transform": "bucket[2]", "source-id": 3}],
    "properties": {}, "current-snapshot-id": -1,
    "snapshots": [{"snapshot-id": 1, "timestamp-ms": 5, "manifests": ["/m.avro"]}]})");
  ASSERT_THAT(metadata, IsOk());
  EXPECT_EQ(metadata->current_snapshot(), nullptr);
  EXPECT_EQ(metadata->default_spec()->fields[1].field_id, 1001);
  EXPECT_EQ(metadata->last_partition_id, 1001);
  EXPECT_TRUE(metadata->default_sort_order()->is_unsorted());
  EXPECT_EQ(metadata->next_sequence_number(), 0);
  const boost::json::object written = table_metadata_to_json(*metadata);
  for (const std::string_view name :
       {"schema", "schemas", "current-schema-id", "partition-spec", "partition-specs",
        "default-spec-id", "last-partition-id", "sort-orders", "default-sort-order-id"}) {
    EXPECT_TRUE(written.contains(name)) << name;
  }
  EXPECT_FALSE(written.contains("last-sequence-number"));
  EXPECT_EQ(written.at("current-snapshot-id"), -1);
  EXPECT_FALSE(written.at("snapshots").at(0).as_object().contains("sequence-number"));
  EXPECT_EQ(written.at("snapshots").at(0).at("manifests").at(0), "/m.avro");
}

TEST(TableMetadata, GzippedTextIsRead) {
  const std::string text(kVersion3);
  std::string packed(compressBound(text.size()) + 64, '\0');
  z_stream stream{};
  ASSERT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string input = text;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  ASSERT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  const auto metadata = table_metadata_from_text(packed);
  ASSERT_THAT(metadata, IsOk());
  EXPECT_TRUE(*metadata == *table_metadata_from_text(kVersion3));
  EXPECT_THAT(table_metadata_from_text(std::string_view(packed).substr(0, packed.size() / 2)),
              FailsWith(ErrorCode::InvalidArgument));
}

TEST(TableMetadata, WhatDoesNotFitIsRefusedByName) {
  const auto changed = [](const std::function<void(boost::json::object&)>& change) {
    boost::json::object document = parsed(kVersion3);
    change(document);
    return table_metadata_from_json(document);
  };
  using Object = boost::json::object;
  const std::pair<Result<TableMetadata>, const char*> cases[] = {
      {changed([](Object& it) { it["format-version"] = 4; }), "version 4"},
      {changed([](Object& it) { it.erase("table-uuid"); }), "'table-uuid'"},
      {changed([](Object& it) { it.erase("schemas"); }), "'schemas'"},
      {changed([](Object& it) { it.erase("partition-specs"); }), "'partition-specs'"},
      {changed([](Object& it) { it.erase("sort-orders"); }), "'sort-orders'"},
      {changed([](Object& it) { it.erase("last-partition-id"); }), "'last-partition-id'"},
      {changed([](Object& it) { it.erase("last-sequence-number"); }), "'last-sequence-number'"},
      {changed([](Object& it) { it.erase("next-row-id"); }), "'next-row-id'"},
      {changed([](Object& it) { it["current-schema-id"] = 9; }), "current schema id 9"},
      {changed([](Object& it) { it["default-spec-id"] = 9; }), "default id 9"},
      {changed([](Object& it) { it["current-snapshot-id"] = 9; }), "current snapshot 9"},
      {changed([](Object& it) { it["last-sequence-number"] = 3; }), "sequence number 34"},
      {changed(
           [](Object& it) { it["refs"].as_object()["previous"].as_object()["snapshot-id"] = 2; }),
       "'previous'"},
      {changed([](Object& it) {
         it["refs"].as_object()["previous"].as_object()["min-snapshots-to-keep"] = 2;
       }),
       "tags do not support"},
      {changed(
           [](Object& it) { it["refs"].as_object()["main"].as_object()["max-ref-age-ms"] = 0; }),
       "at least 1"},
      {changed([](Object& it) { it["last-updated-ms"] = 5; }), "log"},
      {changed([](Object& it) { it["snapshots"].as_array().push_back(it["snapshots"].at(0)); }),
       "two snapshots"},
      {changed([](Object& it) { it["last-column-id"] = 1LL << 40; }), "32 bits"},
      {changed([](Object& it) { it["properties"] = {{"a", 1}}; }), "'properties'"},
  };
  for (const auto& [result, message] : cases) {
    SCOPED_TRACE(message);
    ASSERT_THAT(result, FailsWith(ErrorCode::InvalidArgument));
    EXPECT_THAT(result.error().message, HasSubstr(message));
  }
}

TEST(TableMetadata, MainIsMadeWhereOldWritersHaveNoRefs) {
  boost::json::object document = parsed(kVersion3);
  document.erase("refs");
  const auto metadata = table_metadata_from_json(document);
  ASSERT_THAT(metadata, IsOk());
  EXPECT_EQ(metadata->refs.at("main").snapshot_id, 1733710954168);
}

TEST(TableMetadata, ANewTableHasFreshIds) {
  const auto metadata = new_table_metadata(testing::sample_table());
  ASSERT_THAT(metadata, IsOk());
  EXPECT_EQ(metadata->location, "file:///tmp/lake/sample");
  EXPECT_EQ(metadata->last_column_id, 3);
  EXPECT_THAT(metadata->current_schema()->identifier_field_ids, ElementsAre(1));
  EXPECT_EQ(metadata->current_schema()->find("at")->id, 2);
  EXPECT_EQ(metadata->default_spec()->fields[0].source_id, 2);
  EXPECT_EQ(metadata->default_spec()->fields[0].field_id, 1000);
  EXPECT_EQ(metadata->default_sort_order()->order_id, 1);
  EXPECT_EQ(metadata->default_sort_order()->fields[0].source_id, 1);
  EXPECT_EQ(metadata->last_partition_id, 1000);
  const auto again = table_metadata_from_json(table_metadata_to_json(*metadata));
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(*again == *metadata);
}

TEST(TableMetadata, ANewTableIsRefusedForPartsThatDoNotFit) {
  const auto changed = [](const std::function<void(NewTable&)>& change) {
    NewTable table = testing::sample_table();
    change(table);
    return new_table_metadata(table);
  };
  EXPECT_THAT(changed([](NewTable& it) { it.spec.fields[0].source_id = 77; }),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(changed([](NewTable& it) { it.spec.fields[0].transform = Transform::bucket(0); }),
              IsOk());  // Such a transform cannot be read; built by hand it is the caller's.
  EXPECT_THAT(changed([](NewTable& it) { it.order.fields[0].source_id = 77; }),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(changed([](NewTable& it) { it.properties["format-version"] = "x"; }),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(changed([](NewTable& it) { it.properties["commit.retry.num-retries"] = "-1"; }),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(
      changed([](NewTable& it) { it.properties["write.metadata.metrics.column.no"] = "full"; }),
      FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(changed([](NewTable& it) { it.location = ""; }),
              FailsWith(ErrorCode::InvalidArgument));
  const auto version_3 = changed([](NewTable& it) { it.properties["format-version"] = "3"; });
  ASSERT_THAT(version_3, IsOk());
  EXPECT_EQ(version_3->format_version, 3);
  EXPECT_EQ(version_3->property("format-version"), nullptr);
}

TEST(TableMetadata, TheMetadataLogIsTrimmed) {
  auto metadata = new_table_metadata(testing::sample_table());
  ASSERT_THAT(metadata, IsOk());
  metadata->properties["write.metadata.previous-versions-max"] = "2";
  EXPECT_TRUE(append_metadata_log(*metadata, "v0", 1).empty());
  EXPECT_TRUE(append_metadata_log(*metadata, "v1", 2).empty());
  EXPECT_THAT(append_metadata_log(*metadata, "v2", 3), ElementsAre(MetadataLogEntry{1, "v0"}));
  EXPECT_THAT(metadata->metadata_log,
              ElementsAre(MetadataLogEntry{2, "v1"}, MetadataLogEntry{3, "v2"}));
}

}  // namespace
}  // namespace lakehouse::iceberg
