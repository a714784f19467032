#include "iceberg/manifest.h"

#include <cmath>
#include <limits>

#include <rapidcheck.h>

#include "iceberg/avro.h"
#include "iceberg/tests/files_fixture.h"

namespace lakehouse::iceberg {
namespace {

using ::testing::ElementsAre;
using testing::FailsWith;
using ::testing::HasSubstr;
using testing::IsOk;

class ManifestTest : public FilesTest {};

ManifestEntry entry_of(DataFile file, EntryStatus status = EntryStatus::Added) {
  ManifestEntry out;
  out.status = status;
  out.snapshot_id = 7;
  if (status != EntryStatus::Added) {
    out.sequence_number = 3;
    out.file_sequence_number = 4;
  }
  out.file = std::make_shared<const DataFile>(std::move(file));
  return out;
}

ManifestFile listed(const EncodedManifest& encoded, std::int64_t sequence_number) {
  ManifestFile out = encoded.file;
  out.manifest_path = "file:///m.avro";
  out.sequence_number = sequence_number;
  return out;
}

DataFile full_file(const std::string& path) {
  DataFile file;
  file.file_path = path;
  file.record_count = 5;
  file.file_size_in_bytes = 1234;
  file.column_sizes = {{1, 11}, {2, 22}};
  file.value_counts = {{1, 5}, {2, 5}};
  file.null_value_counts = {{1, 0}, {2, 1}};
  file.nan_value_counts = {{4, 0}};
  file.lower_bounds = {{1, std::string("\1\0\0\0\0\0\0\0", 8)}, {2, "a"}};
  file.upper_bounds = {{1, std::string("\x7F\0\0\0\0\0\0\0", 8)}, {2, "zz"}};
  file.key_metadata = "key";
  file.split_offsets = {4, 1000};
  file.sort_order_id = 0;
  return file;
}

TEST_F(ManifestTest, EveryFieldSurvivesInEveryVersion) {
  for (const int version : {1, 2, 3}) {
    SCOPED_TRACE(version);
    const TableMetadata table = make_table(version);
    DataFile file = full_file(table.location + "/data/a");
    if (version == 3) {
      file.first_row_id = 100;
    }
    const std::vector<ManifestEntry> entries = {entry_of(file)};
    const auto encoded = encode_manifest(table, 0, ManifestContent::Data, 7, entries);
    ASSERT_THAT(encoded, IsOk());
    const auto back =
        decode_manifest(encoded->bytes, listed(*encoded, version == 1 ? 0 : 9), table);
    ASSERT_THAT(back, IsOk());
    ASSERT_EQ(back->size(), 1U);
    EXPECT_EQ(*back->front().file, file);
    EXPECT_EQ(back->front().sequence_number, version == 1 ? 0 : 9);
    EXPECT_EQ(back->front().snapshot_id, 7);
  }
}

TEST_F(ManifestTest, ThePathsOfLiveFilesAreReadWithoutTheTable) {
  for (const int version : {1, 2, 3}) {
    SCOPED_TRACE(version);
    const TableMetadata table = make_table(version);
    ManifestEntry gone = entry_of(full_file("file:///gone"));
    gone.status = EntryStatus::Deleted;
    gone.snapshot_id = 7;
    gone.sequence_number = gone.file_sequence_number = 1;
    const std::vector<ManifestEntry> entries = {entry_of(full_file("file:///a")), gone,
                                                entry_of(full_file("s3://b/c"))};
    const auto encoded = encode_manifest(table, 0, ManifestContent::Data, 7, entries);
    ASSERT_THAT(encoded, IsOk());
    const auto paths = live_file_paths(encoded->bytes, "m");
    ASSERT_THAT(paths, IsOk());
    EXPECT_THAT(*paths, ::testing::ElementsAre("file:///a", "s3://b/c"));
    // Cut anywhere it is an error or has fewer files, and never a crash.
    for (std::size_t size = 0; size < encoded->bytes.size(); size += 7) {
      const auto cut = live_file_paths(std::span(encoded->bytes).first(size), "m");
      EXPECT_TRUE(cut ? cut->size() < 2 : cut.error().code == ErrorCode::DataLoss) << size;
    }
  }
}

TEST_F(ManifestTest, DeleteFilesKeepTheirFields) {
  const TableMetadata table = make_table(3);
  DataFile vector = full_file(table.location + "/data/dv.puffin");
  vector.content = FileContent::PositionDeletes;
  vector.file_format = FileFormat::Puffin;
  vector.referenced_data_file = table.location + "/data/a";
  vector.content_offset = 4;
  vector.content_size_in_bytes = 40;
  DataFile equality = full_file(table.location + "/data/eq");
  equality.content = FileContent::EqualityDeletes;
  equality.equality_ids = {1, 2};
  const std::vector<ManifestEntry> entries = {entry_of(vector), entry_of(equality)};
  const auto encoded = encode_manifest(table, 0, ManifestContent::Deletes, 7, entries);
  ASSERT_THAT(encoded, IsOk());
  const auto back = decode_manifest(encoded->bytes, listed(*encoded, 2), table);
  ASSERT_THAT(back, IsOk());
  ASSERT_EQ(back->size(), 2U);
  EXPECT_EQ(*(*back)[0].file, vector);
  EXPECT_TRUE((*back)[0].file->is_deletion_vector());
  EXPECT_EQ(*(*back)[1].file, equality);
}

TEST_F(ManifestTest, SequenceNumbersAreInheritedByAddedFilesOnly) {
  const std::vector<ManifestEntry> entries = {
      entry_of(full_file("file:///new")), entry_of(full_file("file:///old"), EntryStatus::Existing),
      entry_of(full_file("file:///gone"), EntryStatus::Deleted)};
  const auto encoded = encode_manifest(metadata_, 0, ManifestContent::Data, 7, entries);
  ASSERT_THAT(encoded, IsOk());
  EXPECT_EQ(encoded->file.min_sequence_number, 3);
  EXPECT_EQ(encoded->file.added_files_count, 1);
  EXPECT_EQ(encoded->file.existing_files_count, 1);
  EXPECT_EQ(encoded->file.deleted_files_count, 1);
  EXPECT_EQ(encoded->file.added_rows_count, 5);
  const auto back = decode_manifest(encoded->bytes, listed(*encoded, 9), metadata_);
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ((*back)[0].sequence_number, 9);
  EXPECT_EQ((*back)[0].file_sequence_number, 9);
  EXPECT_EQ((*back)[1].sequence_number, 3);
  EXPECT_EQ((*back)[1].file_sequence_number, 4);
  EXPECT_EQ((*back)[2].sequence_number, 3);
  EXPECT_FALSE((*back)[2].is_live());
}

TEST_F(ManifestTest, AnExistingFileWithoutASequenceNumberIsRefused) {
  ManifestEntry entry = entry_of(full_file("file:///old"), EntryStatus::Existing);
  entry.sequence_number.reset();
  EXPECT_THAT(encode_manifest(metadata_, 0, ManifestContent::Data, 7, {{entry}}),
              FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(ManifestTest, RowIdsAreInheritedInOrder) {
  const TableMetadata table = make_table(3);
  DataFile second = full_file("file:///b");
  second.first_row_id = 77;
  const std::vector<ManifestEntry> entries = {
      entry_of(full_file("file:///a")), entry_of(second),
      entry_of(full_file("file:///gone"), EntryStatus::Deleted), entry_of(full_file("file:///c"))};
  const auto encoded = encode_manifest(table, 0, ManifestContent::Data, 7, entries);
  ASSERT_THAT(encoded, IsOk());
  ManifestFile file = listed(*encoded, 1);
  file.first_row_id = 1000;
  const auto back = decode_manifest(encoded->bytes, file, table);
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ((*back)[0].file->first_row_id, 1000);
  EXPECT_EQ((*back)[1].file->first_row_id, 77);
  EXPECT_EQ((*back)[2].file->first_row_id, std::nullopt);
  EXPECT_EQ((*back)[3].file->first_row_id, 1005);
}

TEST_F(ManifestTest, PartitionsAreTypedAndSummed) {
  DataFile null_region = partitioned("c", "x", 3);
  null_region.partition[0].reset();
  const std::vector<ManifestEntry> entries = {entry_of(partitioned("a", "north", 19'000)),
                                              entry_of(partitioned("b", "east", -5)),
                                              entry_of(null_region)};
  const auto encoded = encode_manifest(metadata_, 1, ManifestContent::Data, 7, entries);
  ASSERT_THAT(encoded, IsOk());
  ASSERT_EQ(encoded->file.partitions.size(), 2U);
  const FieldSummary& region = encoded->file.partitions[0];
  EXPECT_TRUE(region.contains_null);
  EXPECT_EQ(region.contains_nan, false);
  EXPECT_EQ(region.lower_bound, "east");
  EXPECT_EQ(region.upper_bound, "north");
  EXPECT_EQ(encoded->file.partitions[1].lower_bound, literal_to_bytes(Literal::of_date(-5)));
  const auto back = decode_manifest(encoded->bytes, listed(*encoded, 1), metadata_);
  ASSERT_THAT(back, IsOk());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ((*back)[i].file->partition, entries[i].file->partition);
  }
  EXPECT_EQ((*back)[0].file->partition[1]->kind, TypeKind::Date);
}

TEST_F(ManifestTest, PartitionValuesOfEveryTypeRoundTrip) {
  const std::vector<std::pair<TypePtr, Literal>> cases = {
      {primitive(TypeKind::Boolean), Literal::of_bool(true)},
      {primitive(TypeKind::Int), Literal::of_int(-7)},
      {primitive(TypeKind::Long), Literal::of_long(std::int64_t{1} << 60)},
      {primitive(TypeKind::Float), Literal::of_float(-0.0F)},
      {primitive(TypeKind::Double), Literal::of_double(std::nan(""))},
      {primitive(TypeKind::Date), Literal::of_date(20'000)},
      {primitive(TypeKind::Timestamp), Literal::of_timestamp(-1)},
      {primitive(TypeKind::String), Literal::of_string("a/b=c|d")},
      {primitive(TypeKind::Binary), Literal::of_binary(std::string("\0\xFF", 2))},
      {decimal(9, 2), Literal::of_decimal(-12'345, 9, 2)},
      {decimal(38, 0), Literal::of_decimal(static_cast<Int128>(-1) << 100, 38, 0)},
      {fixed(3), {TypeKind::Fixed, 0, 0, std::string("abc")}},
      {primitive(TypeKind::Uuid), {TypeKind::Uuid, 0, 0, std::string("0123456789abcdef")}},
  };
  for (const auto& [type, value] : cases) {
    SCOPED_TRACE(to_string(*type));
    TableMetadata table = metadata_;
    table.schemas[0].fields[0].type = type;
    PartitionSpec spec;
    spec.spec_id = 2;
    spec.fields.resize(1);
    spec.fields[0].source_id = 1;
    spec.fields[0].field_id = 1002;
    spec.fields[0].name = "p";
    table.partition_specs.push_back(spec);
    DataFile file = full_file("file:///a");
    file.spec_id = 2;
    file.partition = {value};
    const auto encoded = encode_manifest(table, 2, ManifestContent::Data, 7, {{entry_of(file)}});
    ASSERT_THAT(encoded, IsOk());
    const auto back = decode_manifest(encoded->bytes, listed(*encoded, 1), table);
    ASSERT_THAT(back, IsOk());
    EXPECT_EQ(back->front().file->partition, file.partition);

    // The column may go from every schema; the manifest still knows.
    TableMetadata without = table;
    without.schemas[0].fields.erase(without.schemas[0].fields.begin());
    const auto again = decode_manifest(encoded->bytes, listed(*encoded, 1), without);
    ASSERT_THAT(again, IsOk());
    EXPECT_TRUE(again->front().file->partition[0].has_value());
    EXPECT_THAT(encode_manifest(without, 2, ManifestContent::Data, 7, {{again->front()}}), IsOk());
  }
}

TEST_F(ManifestTest, APromotedPartitionColumnIsReadInItsNewType) {
  TableMetadata table = metadata_;
  table.schemas[0].fields[0].type = primitive(TypeKind::Int);
  PartitionSpec spec;
  spec.spec_id = 2;
  spec.fields.resize(1);
  spec.fields[0].source_id = 1;
  spec.fields[0].field_id = 1002;
  spec.fields[0].name = "p";
  table.partition_specs.push_back(spec);
  DataFile file = full_file("file:///a");
  file.spec_id = 2;
  file.partition = {Literal::of_int(5)};
  const auto encoded = encode_manifest(table, 2, ManifestContent::Data, 7, {{entry_of(file)}});
  ASSERT_THAT(encoded, IsOk());
  table.schemas[0].fields[0].type = primitive(TypeKind::Long);
  const auto back = decode_manifest(encoded->bytes, listed(*encoded, 1), table);
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(back->front().file->partition[0], Literal::of_long(5));
}

TEST_F(ManifestTest, WhatDoesNotFitItsManifestIsRefused) {
  DataFile other_spec = full_file("file:///a");
  other_spec.spec_id = 1;
  DataFile wrong_kind = partitioned("a", "x", 1);
  wrong_kind.partition[1] = Literal::of_long(1);
  DataFile deletes = full_file("file:///a");
  deletes.content = FileContent::PositionDeletes;
  EXPECT_THAT(encode_manifest(metadata_, 0, ManifestContent::Data, 7, {{entry_of(other_spec)}}),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(encode_manifest(metadata_, 1, ManifestContent::Data, 7, {{entry_of(wrong_kind)}}),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(encode_manifest(metadata_, 0, ManifestContent::Data, 7, {{entry_of(deletes)}}),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(encode_manifest(metadata_, 9, ManifestContent::Data, 7, {}),
              FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(ManifestTest, DamagedManifestsAreDataLossAndNamed) {
  const auto encoded = encode_manifest(metadata_, 1, ManifestContent::Data, 7,
                                       {{entry_of(partitioned("a", "x", 1))}});
  ASSERT_THAT(encoded, IsOk());
  for (std::size_t at = 0; at < encoded->bytes.size(); ++at) {
    std::vector<std::byte> bytes = encoded->bytes;
    bytes[at] ^= std::byte{0x15};
    static_cast<void>(decode_manifest(bytes, listed(*encoded, 1), metadata_));
    bytes.resize(at);
    const auto cut = decode_manifest(bytes, listed(*encoded, 1), metadata_);
    if (!cut) {
      EXPECT_EQ(cut.error().code, ErrorCode::DataLoss);
      EXPECT_THAT(cut.error().message, HasSubstr("file:///m.avro"));
    }
  }
  ManifestFile as_deletes = listed(*encoded, 1);
  as_deletes.content = ManifestContent::Deletes;
  EXPECT_THAT(decode_manifest(encoded->bytes, as_deletes, metadata_),
              FailsWith(ErrorCode::DataLoss));
  ManifestFile no_spec = listed(*encoded, 1);
  no_spec.partition_spec_id = 99;
  EXPECT_THAT(decode_manifest(encoded->bytes, no_spec, metadata_), FailsWith(ErrorCode::DataLoss));
}

TEST_F(ManifestTest, ListsRoundTripInEveryVersion) {
  for (const int version : {1, 2, 3}) {
    SCOPED_TRACE(version);
    ManifestFile file;
    file.manifest_path = "file:///m0.avro";
    file.manifest_length = 5000;
    file.partition_spec_id = 1;
    file.added_snapshot_id = 42;
    file.added_files_count = 1;
    file.existing_files_count = 2;
    file.deleted_files_count = 3;
    file.added_rows_count = 10;
    file.existing_rows_count = 20;
    file.deleted_rows_count = 30;
    file.partitions = {
        FieldSummary{
            .contains_null = true, .contains_nan = false, .lower_bound = "a", .upper_bound = "b"},
        FieldSummary{}};
    if (version >= 2) {
      file.sequence_number = 5;
      file.min_sequence_number = 2;
    }
    if (version >= 3) {
      file.first_row_id = 1000;
    }
    std::vector<ManifestFile> files = {file, file};
    files[1].manifest_path = "file:///m1.avro";
    if (version >= 2) {
      files[1].content = ManifestContent::Deletes;
      files[1].first_row_id.reset();
    }
    Snapshot snapshot;
    snapshot.snapshot_id = 42;
    snapshot.sequence_number = 5;
    const auto bytes = encode_manifest_list(version, snapshot, files);
    ASSERT_THAT(bytes, IsOk());
    const auto back = decode_manifest_list(*bytes, "file:///list");
    ASSERT_THAT(back, IsOk());
    EXPECT_EQ(*back, files);
  }
}

TEST_F(ManifestTest, FilesRoundTripWhateverTheyHold) {
  EXPECT_TRUE(rc::check("data files round-trip", [&] {
    DataFile file;
    file.file_path = *rc::gen::nonEmpty(rc::gen::arbitrary<std::string>());
    file.record_count = *rc::gen::inRange<std::int64_t>(0, INT64_MAX);
    file.file_size_in_bytes = *rc::gen::inRange<std::int64_t>(0, INT64_MAX);
    for (const auto& [id, count] : *rc::gen::arbitrary<std::map<std::int32_t, std::int64_t>>()) {
      file.value_counts.set(id, count);
    }
    for (const auto& [id, bytes] : *rc::gen::arbitrary<std::map<std::int32_t, std::string>>()) {
      file.lower_bounds.set(id, bytes);
    }
    file.split_offsets = *rc::gen::arbitrary<std::vector<std::int64_t>>();
    const auto encoded =
        encode_manifest(metadata_, 0, ManifestContent::Data, 7, {{entry_of(file)}});
    RC_ASSERT(encoded.has_value());
    const auto back = decode_manifest(encoded->bytes, listed(*encoded, 1), metadata_);
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back->front().file == file);
  }));
}

TEST_F(ManifestTest, LocationsOutsideTheTableAreRefused) {
  TableMetadata table;
  table.location = "file:///data/t";
  for (const char* inside :
       {"file:///data/t/data/a.parquet", "file:/data/t/x", "/data/t/x", "file:///data/t/..a/b",
        "file://localhost/data/t/x", "file:///data/t/region=a%2Fb/x"}) {
    EXPECT_THAT(check_inside_table(table, inside, "data file"), IsOk()) << inside;
  }
  for (const char* outside :
       {"file:///data/t2/a", "file:///data/t", "file:///data/t/", "file:///data/t/../u/a",
        "/etc/passwd", "s3://data/t/a", "", "file:///data/t/%2e%2E/u", "file:///data/t/..%2fu",
        "file:///data/t/a/.."}) {
    const Status status = check_inside_table(table, outside, "data file");
    EXPECT_THAT(status, FailsWith(ErrorCode::FailedPrecondition)) << outside;
  }
}

TEST(ById, KeepsOneValuePerIdInOrder) {
  ById<std::int64_t> values = {{5, 50}, {1, 10}, {3, 30}, {5, 55}};
  EXPECT_THAT(values, ElementsAre(std::pair(1, 10), std::pair(3, 30), std::pair(5, 55)));
  ASSERT_NE(values.find(3), nullptr);
  EXPECT_EQ(*values.find(3), 30);
  EXPECT_EQ(values.find(4), nullptr);
  EXPECT_EQ(values.find(9), nullptr);
}

TEST_F(ManifestTest, TheCacheForgetsTheLeastRecentlyUsed) {
  commit(SnapshotProducer::append({data_file("a")}));
  commit(SnapshotProducer::append({data_file("b")}));
  const auto files = manifests();
  ASSERT_EQ(files.size(), 2U);
  ManifestCache small(2000);
  for (int i = 0; i < 3; ++i) {
    for (const ManifestFile& file : files) {
      ASSERT_THAT(small.entries(context_, *buckets_, metadata_, file), IsOk());
      EXPECT_LE(small.size_bytes(), 2000U);
    }
  }
  ManifestCache large;
  const auto first = large.entries(context_, *buckets_, metadata_, files[0]);
  const auto second = large.entries(context_, *buckets_, metadata_, files[0]);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(*first, *second);
}

TEST_F(ManifestTest, AMissingManifestIsDataLoss) {
  commit(SnapshotProducer::append({data_file("a")}));
  std::filesystem::remove_all(root_ / "main");
  ManifestCache cold;
  EXPECT_THAT(plan_scan(context_, *buckets_, cold, metadata_, *metadata_.current_snapshot_id),
              FailsWith(ErrorCode::DataLoss));
}

}  // namespace
}  // namespace lakehouse::iceberg
