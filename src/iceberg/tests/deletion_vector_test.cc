#include "iceberg/deletion_vector.h"

#include <cstring>

#include <rapidcheck.h>

#include "iceberg/puffin.h"
#include "iceberg/tests/files_fixture.h"

namespace lakehouse::iceberg {
namespace {

using ::testing::ElementsAre;
using testing::FailsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::IsOkAnd;

std::vector<std::byte> to_bytes(std::string_view text) {
  std::vector<std::byte> out(text.size());
  std::memcpy(out.data(), text.data(), text.size());
  return out;
}

RoaringSet rows_of(std::initializer_list<std::uint64_t> rows) {
  RoaringSet out;
  for (const std::uint64_t row : rows) {
    out.add(row);
  }
  return out;
}

TEST(Puffin, BlobsAreReadAsTheyWereWritten) {
  PuffinWriter writer(Properties{{"created-by", "a test"}});
  PuffinBlob plain;
  plain.type = kThetaSketchBlob;
  plain.fields = {1, 2};
  plain.snapshot_id = 7;
  plain.sequence_number = 3;
  plain.properties = {{"ndv", "12"}};
  plain.unknown = {{"later", true}};
  PuffinBlob packed = plain;
  packed.compression_codec = "zstd";
  const std::string content = std::string(1000, 'x') + "y";
  const auto first = writer.add(plain, content);
  const auto second = writer.add(packed, content);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  PuffinBlob odd = plain;
  odd.compression_codec = "lz4";
  EXPECT_THAT(writer.add(odd, content), FailsWith(ErrorCode::Unimplemented));
  const std::vector<std::byte> file = writer.finish();

  const auto footer = read_puffin_footer(file);
  ASSERT_THAT(footer, IsOk());
  EXPECT_THAT(footer->blobs, ElementsAre(*first, *second));
  EXPECT_EQ(footer->properties.at("created-by"), "a test");
  EXPECT_EQ(first->length, 1001);
  EXPECT_LT(second->length, 100);
  EXPECT_THAT(read_puffin_blob(file, *first), IsOkAnd(content));
  EXPECT_THAT(read_puffin_blob(file, *second), IsOkAnd(content));
  EXPECT_THAT(read_puffin_blob(file, *first, 1000), FailsWith(ErrorCode::ResourceExhausted));
  PuffinBlob beyond = *first;
  beyond.length = 100'000;
  EXPECT_THAT(read_puffin_blob(file, beyond), FailsWith(ErrorCode::DataLoss));
  beyond.offset = -1;
  EXPECT_THAT(read_puffin_blob(file, beyond), FailsWith(ErrorCode::DataLoss));
}

TEST(Puffin, BrokenFilesAreRefused) {
  using namespace std::string_literals;
  PuffinWriter writer;
  PuffinBlob blob;
  blob.type = kDeletionVectorBlob;
  ASSERT_THAT(writer.add(blob, "content"), IsOk());
  const std::vector<std::byte> good = writer.finish();
  ASSERT_THAT(read_puffin_footer(good), IsOk());
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_THAT(read_puffin_footer(std::span(good).first(size)), FailsWith(ErrorCode::DataLoss));
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::vector<std::byte> bad = good;
    bad[at] ^= std::byte{0xFF};
    static_cast<void>(read_puffin_footer(bad));
  }
  EXPECT_THAT(read_puffin_footer(to_bytes("PFA1PFA1{}\2\0\0\0\0\0\0\0PFA1"s)),
              FailsWith(ErrorCode::DataLoss));
  EXPECT_THAT(read_puffin_footer(to_bytes("PFA1PFA1{}\2\0\0\0\1\0\0\0PFA1"s)),
              FailsWith(ErrorCode::Unimplemented));
  EXPECT_THAT(read_puffin_footer(to_bytes("PFA1PFA1{}\xFF\xFF\xFF\xFF\0\0\0\0PFA1"s)),
              FailsWith(ErrorCode::DataLoss));
}

TEST(DeletionVector, SurvivesAndKnowsWhenItIsBroken) {
  EXPECT_TRUE(rc::check("rows round-trip", [] {
    RoaringSet rows;
    for (const std::uint32_t row : *rc::gen::arbitrary<std::vector<std::uint32_t>>()) {
      rows.add(row);
    }
    const std::string blob = encode_deletion_vector(rows);
    const auto bitmap = bitmap_of_deletion_vector(blob);
    RC_ASSERT(bitmap.has_value());
    RC_ASSERT(*RoaringSet::parse(*bitmap) == rows);
    std::string bad = blob;
    const auto at = *rc::gen::inRange<std::size_t>(0, bad.size());
    bad[at] = static_cast<char>(bad[at] ^ *rc::gen::inRange(1, 256));
    RC_ASSERT(bitmap_of_deletion_vector(bad).error().code == ErrorCode::DataLoss);
    RC_ASSERT(!bitmap_of_deletion_vector(std::string_view(blob).substr(0, at)).has_value());
  }));
}

class DeletionVectorTest : public FilesTest {
 protected:
  void SetUp() override {
    FilesTest::SetUp();
    metadata_ = make_table(3);
  }

  ScanTask task(const std::string& name) {
    for (const ScanTask& each : plan().tasks) {
      if (each.file->file_path == location(name)) {
        return each;
      }
    }
    return {};
  }

  std::vector<std::uint64_t> deleted(const std::string& name) {
    for (const AttachedDelete& each : task(name).deletes) {
      const auto bitmap = read_deletion_vector(context_, *buckets_, metadata_, *each.file);
      EXPECT_THAT(bitmap, IsOk());
      return bitmap ? RoaringSet::parse(*bitmap)->numbers() : std::vector<std::uint64_t>();
    }
    return {};
  }

  Result<SnapshotChange> write(std::vector<DeletedRows> rows) {
    return write_deletion_vectors(context_, *buckets_, metadata_, rows);
  }
};

TEST_F(DeletionVectorTest, LaterVectorsHoldWhatEarlierOnesDeleted) {
  commit(SnapshotProducer::append({data_file("a"), data_file("b"), partitioned("p", "x", 3)}));
  auto change = write({{task("a"), rows_of({1, 9})}, {task("p"), rows_of({0})}});
  ASSERT_THAT(change, IsOk());
  commit(*std::move(change));
  EXPECT_THAT(deleted("a"), ElementsAre(1, 9));
  EXPECT_THAT(deleted("b"), IsEmpty());
  EXPECT_THAT(deleted("p"), ElementsAre(0));
  EXPECT_EQ(metadata_.current_snapshot()->operation(), "delete");

  // One of the two that share a file is replaced; the other stays.
  change = write({{task("a"), rows_of({4, 9})}, {task("b"), rows_of({2})}});
  ASSERT_THAT(change, IsOk());
  commit(*std::move(change));
  EXPECT_THAT(deleted("a"), ElementsAre(1, 4, 9));
  EXPECT_THAT(deleted("b"), ElementsAre(2));
  EXPECT_THAT(deleted("p"), ElementsAre(0));
  EXPECT_EQ(metadata_.current_snapshot()->summary.at("total-position-deletes"), "5");

  // The Puffin file tells the same as the manifests.
  const DataFile& vector = *task("a").deletes.at(0).file;
  const auto bytes = buckets_->read(context_, vector.file_path);
  ASSERT_THAT(bytes, IsOk());
  const auto footer = read_puffin_footer(*bytes);
  ASSERT_THAT(footer, IsOk());
  ASSERT_EQ(footer->blobs.size(), 2U);
  EXPECT_EQ(footer->blobs[0].type, "deletion-vector-v1");
  EXPECT_EQ(footer->blobs[0].offset, vector.content_offset);
  EXPECT_EQ(footer->blobs[0].length, vector.content_size_in_bytes);
  EXPECT_EQ(footer->blobs[0].properties.at("referenced-data-file"), location("a"));
  EXPECT_EQ(footer->blobs[0].properties.at("cardinality"), "3");
}

TEST_F(DeletionVectorTest, TwoWritersOfOneFileDoNotLoseEachOthersRows) {
  commit(SnapshotProducer::append({data_file("a")}));
  const auto mine = write({{task("a"), rows_of({1})}});
  const auto other = write({{task("a"), rows_of({2})}});
  ASSERT_THAT(mine, IsOk());
  ASSERT_THAT(other, IsOk());
  commit(*other);
  SnapshotProducer late(*buckets_, cache_, *mine);
  EXPECT_THAT(late.produce(context_, metadata_, 1), FailsWith(ErrorCode::Aborted));
}

TEST_F(DeletionVectorTest, WhatDoesNotFitIsRefused) {
  commit(SnapshotProducer::append({data_file("a")}));
  EXPECT_THAT(write({{task("a"), rows_of({10})}}), FailsWith(ErrorCode::InvalidArgument));
  const auto none = write({{task("a"), rows_of({})}});
  ASSERT_THAT(none, IsOk());
  EXPECT_THAT(none->added_delete_files, IsEmpty());

  ScanTask with_positions = task("a");
  with_positions.deletes.push_back(
      {.file = std::make_shared<const DataFile>(position_deletes("x")), .sequence_number = 1});
  EXPECT_THAT(write({{with_positions, rows_of({1})}}), FailsWith(ErrorCode::InvalidArgument));
  metadata_.format_version = 2;
  EXPECT_THAT(write({{task("a"), rows_of({1})}}), FailsWith(ErrorCode::FailedPrecondition));
}

TEST_F(DeletionVectorTest, WhatAManifestSaysIsChecked) {
  commit(SnapshotProducer::append({data_file("a")}));
  auto change = write({{task("a"), rows_of({1, 2})}});
  ASSERT_THAT(change, IsOk());
  const DataFile good = change->added_delete_files.at(0);
  const auto read = [&](const DataFile& file) {
    return read_deletion_vector(context_, *buckets_, metadata_, file);
  };
  ASSERT_THAT(read(good), IsOk());
  DataFile bad = good;
  bad.record_count = 3;
  EXPECT_THAT(read(bad), FailsWith(ErrorCode::DataLoss));
  bad = good;
  ++*bad.content_offset;
  EXPECT_THAT(read(bad), FailsWith(ErrorCode::DataLoss));
  bad = good;
  bad.content_offset = 1'000'000;
  EXPECT_THAT(read(bad), FailsWith(ErrorCode::DataLoss));
  bad = good;
  bad.content_size_in_bytes = std::int64_t{1} << 40;
  EXPECT_THAT(read(bad), FailsWith(ErrorCode::ResourceExhausted));
  bad = good;
  bad.content_offset.reset();
  EXPECT_THAT(read(bad), FailsWith(ErrorCode::DataLoss));
  bad = good;
  bad.file_path = location("missing");
  const auto missing = read(bad);
  ASSERT_THAT(missing, FailsWith(ErrorCode::DataLoss));
  EXPECT_THAT(missing.error().message, HasSubstr("missing"));
  bad.file_path = "file:///etc/passwd";
  EXPECT_THAT(read(bad), FailsWith(ErrorCode::FailedPrecondition));
}

}  // namespace
}  // namespace lakehouse::iceberg
