#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "base/testing/matchers.h"
#include "iceberg/manifest.h"
#include "iceberg/scan.h"
#include "iceberg/snapshot_producer.h"
#include "iceberg/table_update.h"
#include "storage/buckets.h"

namespace lakehouse::iceberg {

inline NestedField make_field(std::int32_t id, std::string name, TypePtr type) {
  NestedField out;
  out.id = id;
  out.name = std::move(name);
  out.type = std::move(type);
  return out;
}

/// A bucket in a folder that goes with the test, and an empty table in it: columns id (long, 1),
/// region (string, 2), at (timestamp, 3), price (double, 4). Spec 0 is unpartitioned, spec 1 is by
/// region and day(at).
class FilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::temp_directory_path() / ("lh-iceberg-" + new_token(8));
    std::filesystem::create_directories(root_);
    auto opened =
        storage::Buckets::open({{.name = "primary", .type = "local", .location = root_.string()}});
    ASSERT_THAT(opened, testing::IsOk());
    buckets_ = *std::move(opened);
    metadata_ = make_table(2);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  [[nodiscard]] TableMetadata make_table(int format_version) const {
    TableMetadata out;
    out.format_version = format_version;
    out.table_uuid = "9c12d441-03fe-4693-9a96-a0705ddf69c1";
    out.location = "file://" + root_.string() + "/main/t";
    out.last_updated_ms = 1000;
    out.last_column_id = 4;
    Schema schema;
    schema.fields = {make_field(1, "id", primitive(TypeKind::Long)),
                     make_field(2, "region", primitive(TypeKind::String)),
                     make_field(3, "at", primitive(TypeKind::Timestamp)),
                     make_field(4, "price", primitive(TypeKind::Double))};
    out.schemas = {schema};
    out.current_schema_id = 0;
    PartitionSpec none;
    PartitionSpec by_day;
    by_day.spec_id = 1;
    by_day.fields.resize(2);
    by_day.fields[0].source_id = 2;
    by_day.fields[0].field_id = 1000;
    by_day.fields[0].name = "region";
    by_day.fields[1].source_id = 3;
    by_day.fields[1].field_id = 1001;
    by_day.fields[1].name = "at day";
    by_day.fields[1].transform = Transform::day();
    out.partition_specs = {none, by_day};
    out.default_spec_id = 0;
    out.last_partition_id = 1001;
    out.sort_orders = {SortOrder{}};
    out.default_sort_order_id = 0;
    return out;
  }

  [[nodiscard]] std::string location(const std::string& name) const {
    return metadata_.location + "/data/" + name;
  }

  [[nodiscard]] DataFile data_file(const std::string& name, std::int64_t rows = 10) const {
    DataFile file;
    file.file_path = location(name);
    file.record_count = rows;
    file.file_size_in_bytes = rows * 100;
    file.value_counts = {{1, rows}};
    file.null_value_counts = {{1, 0}};
    return file;
  }

  [[nodiscard]] DataFile partitioned(const std::string& name, const std::string& region,
                                     std::int32_t day) const {
    DataFile file = data_file(name);
    file.spec_id = 1;
    file.partition = {Literal::of_string(region), Literal::of_date(day)};
    return file;
  }

  [[nodiscard]] DataFile position_deletes(const std::string& name, std::int64_t rows = 2) const {
    DataFile file = data_file(name, rows);
    file.content = FileContent::PositionDeletes;
    return file;
  }

  [[nodiscard]] DataFile equality_deletes(const std::string& name) const {
    DataFile file = data_file(name, 1);
    file.content = FileContent::EqualityDeletes;
    file.equality_ids = {1};
    return file;
  }

  /// Produces and commits; the table moves on.
  ProducedSnapshot commit(SnapshotChange change) {
    SnapshotProducer producer(*buckets_, cache_, std::move(change));
    auto produced = producer.produce(context_, metadata_, ++now_ms_);
    EXPECT_THAT(produced, testing::IsOk());
    if (!produced) {
      return {};
    }
    accept(*produced);
    return *std::move(produced);
  }

  void accept(const ProducedSnapshot& produced) {
    EXPECT_THAT(check_requirements(produced.requirements, &metadata_), testing::IsOk());
    auto next = apply_updates(metadata_, produced.updates, now_ms_);
    ASSERT_THAT(next, testing::IsOk());
    metadata_ = *std::move(next);
  }

  std::vector<ManifestFile> manifests() {
    const auto out =
        cache_.manifests(context_, *buckets_, metadata_, *metadata_.current_snapshot());
    EXPECT_THAT(out, testing::IsOk());
    return out ? **out : std::vector<ManifestFile>();
  }

  std::vector<ManifestEntry> entries(const ManifestFile& manifest) {
    const auto out = cache_.entries(context_, *buckets_, metadata_, manifest);
    EXPECT_THAT(out, testing::IsOk());
    return out ? **out : std::vector<ManifestEntry>();
  }

  ScanPlan plan(const Filter& filter = {}) {
    auto out =
        plan_scan(context_, *buckets_, cache_, metadata_, *metadata_.current_snapshot_id, filter);
    EXPECT_THAT(out, testing::IsOk());
    return out ? *std::move(out) : ScanPlan();
  }

  /// "a.parquet: x.parquet y.parquet", one for each task, sorted.
  std::vector<std::string> plan_text(const Filter& filter = {}) {
    std::vector<std::string> out;
    const auto name_of = [](const DataFile& file) {
      return file.file_path.substr(file.file_path.rfind('/') + 1);
    };
    for (const ScanTask& task : plan(filter).tasks) {
      std::vector<std::string> names;
      for (const AttachedDelete& each : task.deletes) {
        names.push_back(name_of(*each.file));
      }
      std::sort(names.begin(), names.end());
      std::string text = name_of(*task.file);
      for (const std::string& name : names) {
        text += (name == names.front() ? ": " : " ") + name;
      }
      out.push_back(std::move(text));
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  std::filesystem::path root_;
  std::unique_ptr<storage::Buckets> buckets_;
  ManifestCache cache_;
  RequestContext context_;
  TableMetadata metadata_;
  std::int64_t now_ms_ = 2000;
};

}  // namespace lakehouse::iceberg
