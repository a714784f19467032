#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "iceberg/deletion_vector.h"
#include "iceberg/puffin.h"
#include "iceberg/tests/files_fixture.h"
#include "storage/local_object_store.h"

/// \file
/// Tables that Spark with Iceberg 1.11 has written (tests/data/iceberg/make_fixtures.py).

namespace lakehouse::iceberg {
namespace {

using ::testing::ElementsAre;
using testing::IsOk;
using ::testing::SizeIs;

/// A copy of the tables, since a store may write to its folder, seen where they were made.
class SparkFixtures : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::temp_directory_path() / ("lh-spark-" + new_token(8));
    std::filesystem::copy(LAKEHOUSE_TEST_DATA "/iceberg", root_,
                          std::filesystem::copy_options::recursive);
    auto store = storage::LocalObjectStore::open(root_.string());
    ASSERT_THAT(store, IsOk());
    std::vector<std::unique_ptr<storage::ObjectStore>> stores;
    stores.push_back(*std::move(store));
    auto buckets = storage::Buckets::over(
        {{.name = "primary", .type = "local", .location = "/tmp/lakehouse-fixtures/db"}},
        std::move(stores));
    ASSERT_THAT(buckets, IsOk());
    buckets_ = *std::move(buckets);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  TableMetadata load(const std::string& name) {
    std::ifstream in(root_ / name / "metadata" / "current.metadata.json");
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    auto metadata = table_metadata_from_text(text);
    EXPECT_THAT(metadata, IsOk());
    // What was read is written again without loss.
    auto again = table_metadata_from_text(table_metadata_to_text(*metadata));
    EXPECT_THAT(again, IsOk());
    EXPECT_TRUE(*again == *metadata);
    return *std::move(metadata);
  }

  ScanPlan plan(const TableMetadata& metadata) {
    auto out = plan_scan(context_, *buckets_, cache_, metadata, *metadata.current_snapshot_id);
    EXPECT_THAT(out, IsOk());
    return out ? *std::move(out) : ScanPlan();
  }

  std::filesystem::path root_;
  std::unique_ptr<storage::Buckets> buckets_;
  ManifestCache cache_;
  RequestContext context_;
};

TEST_F(SparkFixtures, EveryManifestIsWrittenAgainAsItWasRead) {
  for (const char* name :
       {"v1_plain", "v2_transforms", "v2_deletes", "v3_vectors", "v3_types", "upgraded"}) {
    SCOPED_TRACE(name);
    const TableMetadata metadata = load(name);
    for (const SnapshotPtr& snapshot : metadata.snapshots) {
      const auto manifests = cache_.manifests(context_, *buckets_, metadata, *snapshot);
      ASSERT_THAT(manifests, IsOk());
      const auto list = encode_manifest_list(metadata.format_version, *snapshot, **manifests);
      ASSERT_THAT(list, IsOk());
      const auto list_again = decode_manifest_list(*list, "list");
      ASSERT_THAT(list_again, IsOk());
      EXPECT_EQ(*list_again, **manifests);
      for (const ManifestFile& manifest : **manifests) {
        const auto entries = cache_.entries(context_, *buckets_, metadata, manifest);
        ASSERT_THAT(entries, IsOk());
        const auto encoded = encode_manifest(metadata, manifest.partition_spec_id, manifest.content,
                                             manifest.added_snapshot_id, **entries);
        ASSERT_THAT(encoded, IsOk());
        const auto again = decode_manifest(encoded->bytes, manifest, metadata);
        ASSERT_THAT(again, IsOk());
        ASSERT_EQ(again->size(), (*entries)->size());
        for (std::size_t i = 0; i < again->size(); ++i) {
          EXPECT_EQ(*again->at(i).file, *(*entries)->at(i).file);
          EXPECT_EQ(again->at(i).sequence_number, (*entries)->at(i).sequence_number);
        }
        // Our summary of the partitions is theirs.
        EXPECT_EQ(encoded->file.partitions, manifest.partitions);
        EXPECT_EQ(encoded->file.added_rows_count, manifest.added_rows_count);
        EXPECT_EQ(encoded->file.existing_rows_count, manifest.existing_rows_count);
      }
    }
  }
}

TEST_F(SparkFixtures, AFieldThatVersion1DroppedStaysAsVoid) {
  const TableMetadata metadata = load("v1_plain");
  EXPECT_EQ(metadata.format_version, 1);
  EXPECT_EQ(metadata.default_spec()->fields.at(0).transform.kind, Transform::Kind::Void);
  std::set<std::string> regions;
  std::int64_t rows = 0;
  for (const ScanTask& task : plan(metadata).tasks) {
    rows += task.file->record_count;
    regions.insert(task.file->partition.at(0) ? literal_to_text(*task.file->partition[0]) : "-");
    EXPECT_EQ(task.sequence_number, 0);
  }
  EXPECT_EQ(rows, 4);
  EXPECT_THAT(regions, ElementsAre("-", "north", "south"));
}

TEST_F(SparkFixtures, TransformsGiveWhatSparkWrote) {
  const TableMetadata metadata = load("v2_transforms");
  const ScanPlan all = plan(metadata);
  ASSERT_THAT(all.tasks, SizeIs(3));
  const PartitionSpec& spec = *metadata.default_spec();
  ASSERT_EQ(spec.fields.size(), 9U);
  for (const ScanTask& task : all.tasks) {
    // Files of one row: its bounds are its values.
    ASSERT_EQ(task.file->record_count, 1);
    for (std::size_t i = 0; i < spec.fields.size(); ++i) {
      const PartitionField& field = spec.fields[i];
      SCOPED_TRACE(field.name);
      const NestedField* source = metadata.current_schema()->find_by_id(field.source_id);
      const std::string* bound = task.file->lower_bounds.find(field.source_id);
      if (bound == nullptr) {
        EXPECT_FALSE(task.file->partition[i]);
        continue;
      }
      const auto value = literal_from_bytes(*source->type, *bound);
      ASSERT_THAT(value, IsOk());
      const auto transformed = apply_transform(field.transform, *value);
      ASSERT_THAT(transformed, IsOk());
      EXPECT_EQ(*transformed, task.file->partition[i]);
    }
  }
}

TEST_F(SparkFixtures, PositionDeletesNameTheirDataFile) {
  const ScanPlan all = plan(load("v2_deletes"));
  std::int64_t deleted = 0;
  for (const ScanTask& task : all.tasks) {
    for (const AttachedDelete& each : task.deletes) {
      EXPECT_EQ(each.file->content, FileContent::PositionDeletes);
      EXPECT_EQ(each.file->file_format, FileFormat::Parquet);
      deleted += each.file->record_count;
    }
  }
  EXPECT_EQ(all.record_count - deleted, 90);
}

TEST_F(SparkFixtures, DeletionVectorsAreRead) {
  const TableMetadata metadata = load("v3_vectors");
  std::int64_t live = 0;
  for (const ScanTask& task : plan(metadata).tasks) {
    live += task.file->record_count;
    for (const AttachedDelete& each : task.deletes) {
      ASSERT_TRUE(each.file->is_deletion_vector());
      const auto bitmap = read_deletion_vector(context_, *buckets_, metadata, *each.file);
      ASSERT_THAT(bitmap, IsOk());
      const auto rows = RoaringSet::parse(*bitmap);
      ASSERT_THAT(rows, IsOk());
      live -= static_cast<std::int64_t>(rows->cardinality());
      if (task.file->record_count > 1000) {
        // Row numbers are ids in this file.
        for (const std::uint64_t gone : {0U, 5U, 65'537U, 131'071U, 140'000U, 160'000U, 199'999U}) {
          EXPECT_TRUE(rows->contains(gone)) << gone;
        }
        for (const std::uint64_t there : {1U, 65'536U, 131'070U, 139'999U, 160'001U}) {
          EXPECT_FALSE(rows->contains(there)) << there;
        }
        EXPECT_EQ(rows->cardinality(), 3U + 32'768 + 20'001);
        // Spark and we choose the same containers.
        EXPECT_EQ(rows->serialize(), *bitmap);
      }
      const auto file = buckets_->read(context_, each.file->file_path);
      ASSERT_THAT(file, IsOk());
      const auto footer = read_puffin_footer(*file);
      ASSERT_THAT(footer, IsOk());
      ASSERT_FALSE(footer->blobs.empty());
      EXPECT_EQ(footer->blobs[0].type, kDeletionVectorBlob);
      EXPECT_THAT(footer->blobs[0].fields, ElementsAre(kRowPositionId));
    }
  }
  EXPECT_EQ(live, 147'237);
}

TEST_F(SparkFixtures, RowIdsAreSparks) {
  // By expected.json: row 2 of the file of version 1 has row id 22, and so on.
  const TableMetadata metadata = load("upgraded");
  EXPECT_EQ(metadata.format_version, 3);
  std::set<std::pair<std::int64_t, std::int64_t>> first_row_ids;
  for (const ScanTask& task : plan(metadata).tasks) {
    first_row_ids.emplace(task.sequence_number, task.file->first_row_id.value_or(-1));
  }
  EXPECT_THAT(first_row_ids, ElementsAre(std::pair(0, 20), std::pair(1, 10), std::pair(2, 0)));
  EXPECT_EQ(metadata.next_row_id, 30);
}

TEST_F(SparkFixtures, WeGoOnWhereSparkEnded) {
  for (const char* name : {"v1_plain", "v2_deletes", "v3_vectors", "upgraded"}) {
    SCOPED_TRACE(name);
    const TableMetadata metadata = load(name);
    const ScanPlan before = plan(metadata);
    DataFile file;
    file.file_path = metadata.location + "/data/ours.parquet";
    file.record_count = 7;
    file.file_size_in_bytes = 100;
    file.spec_id = metadata.default_spec_id;
    file.partition.resize(metadata.default_spec()->fields.size());
    SnapshotChange change = SnapshotProducer::overwrite({file}, {before.tasks[0].file->file_path});
    SnapshotProducer producer(*buckets_, cache_, std::move(change));
    const auto produced = producer.produce(context_, metadata, metadata.last_updated_ms + 1);
    ASSERT_THAT(produced, IsOk());
    const auto after = apply_updates(metadata, produced->updates, metadata.last_updated_ms + 1);
    ASSERT_THAT(after, IsOk());
    std::set<std::string> paths;
    for (const ScanTask& task : plan(*after).tasks) {
      paths.insert(task.file->file_path);
      for (const ScanTask& old : before.tasks) {
        if (old.file->file_path == task.file->file_path) {
          EXPECT_EQ(old.file->first_row_id, task.file->first_row_id);
          EXPECT_EQ(old.sequence_number, task.sequence_number);
          EXPECT_EQ(old.deletes.size(), task.deletes.size());
        }
      }
      if (metadata.format_version == 3 && task.file->file_path == file.file_path) {
        EXPECT_EQ(task.file->first_row_id, metadata.next_row_id);
        EXPECT_EQ(after->next_row_id, metadata.next_row_id + 7);
      }
    }
    EXPECT_EQ(paths.size(), before.tasks.size());
  }
}

}  // namespace
}  // namespace lakehouse::iceberg
