#include "iceberg/scan.h"

#include <chrono>
#include <cmath>
#include <iterator>

#include "iceberg/tests/files_fixture.h"

namespace lakehouse::iceberg {
namespace {

using ::testing::ElementsAre;
using testing::FailsWith;
using ::testing::IsEmpty;
using testing::IsOk;

constexpr std::int32_t kPathColumn = 2147483546;

class ScanTest : public FilesTest {
 protected:
  DataFile with_bounds(const std::string& name, std::int64_t from, std::int64_t to) {
    DataFile file = data_file(name);
    file.lower_bounds.set(1, literal_to_bytes(Literal::of_long(from)));
    file.upper_bounds.set(1, literal_to_bytes(Literal::of_long(to)));
    return file;
  }
};

// "Scan Planning" of the spec, row by row.
TEST_F(ScanTest, PositionDeletesApplyToTheirOwnCommitAndOlderOnes) {
  commit(SnapshotProducer::append({data_file("old")}));
  commit(SnapshotProducer::row_delta({data_file("same")}, {position_deletes("x")}, {}));
  commit(SnapshotProducer::append({data_file("young")}));
  EXPECT_THAT(plan_text(), ElementsAre("old: x", "same: x", "young"));
}

TEST_F(ScanTest, EqualityDeletesApplyToOlderCommitsOnly) {
  commit(SnapshotProducer::append({data_file("old")}));
  commit(SnapshotProducer::row_delta({data_file("same")}, {equality_deletes("e")}, {}));
  commit(SnapshotProducer::append({data_file("young")}));
  EXPECT_THAT(plan_text(), ElementsAre("old: e", "same", "young"));
}

TEST_F(ScanTest, DeletesStayInTheirPartition) {
  commit(SnapshotProducer::append(
      {partitioned("n1", "north", 1), partitioned("n2", "north", 2), data_file("none")}));
  DataFile position = partitioned("p", "north", 1);
  position.content = FileContent::PositionDeletes;
  DataFile equality = partitioned("e", "north", 2);
  equality.content = FileContent::EqualityDeletes;
  equality.equality_ids = {1};
  commit(SnapshotProducer::row_delta({}, {position, equality}, {}));
  EXPECT_THAT(plan_text(), ElementsAre("n1: p", "n2: e", "none"));
}

TEST_F(ScanTest, UnpartitionedEqualityDeletesAreGlobalPositionDeletesAreNot) {
  commit(SnapshotProducer::append({partitioned("n", "north", 1), data_file("none")}));
  commit(SnapshotProducer::row_delta({}, {equality_deletes("e"), position_deletes("p")}, {}));
  EXPECT_THAT(plan_text(), ElementsAre("n: e", "none: e p"));
}

TEST_F(ScanTest, NullPartitionsAreEqual) {
  DataFile data = partitioned("n", "x", 1);
  data.partition[0].reset();
  commit(SnapshotProducer::append({data, partitioned("other", "x", 1)}));
  DataFile position = data;
  position.content = FileContent::PositionDeletes;
  position.file_path = location("p");
  commit(SnapshotProducer::row_delta({}, {position}, {}));
  EXPECT_THAT(plan_text(), ElementsAre("n: p", "other"));
}

TEST_F(ScanTest, ADeleteFileThatNamesItsDataFileAppliesToThatOneOnly) {
  commit(SnapshotProducer::append({data_file("a"), data_file("b"), data_file("c")}));
  DataFile named = position_deletes("named");
  named.referenced_data_file = location("a");
  DataFile bounded = position_deletes("bounded");
  bounded.lower_bounds.set(kPathColumn, location("b"));
  bounded.upper_bounds.set(kPathColumn, location("b"));
  DataFile ranged = position_deletes("ranged");
  ranged.lower_bounds.set(kPathColumn, location("b"));
  ranged.upper_bounds.set(kPathColumn, location("d"));
  commit(SnapshotProducer::row_delta({}, {named, bounded, ranged}, {}));
  EXPECT_THAT(plan_text(), ElementsAre("a: named", "b: bounded ranged", "c: ranged"));
  EXPECT_EQ(plan().delete_file_count, 3U);
}

TEST_F(ScanTest, ADeletionVectorReplacesPositionDeletes) {
  commit(SnapshotProducer::append({data_file("a"), data_file("b")}));
  commit(SnapshotProducer::row_delta({}, {position_deletes("p"), equality_deletes("e")}, {}));
  metadata_.format_version = 3;
  DataFile vector = position_deletes("dv");
  vector.file_format = FileFormat::Puffin;
  vector.referenced_data_file = location("a");
  vector.content_offset = 4;
  vector.content_size_in_bytes = 40;
  commit(SnapshotProducer::row_delta({}, {vector}, {location("a")}));
  EXPECT_THAT(plan_text(), ElementsAre("a: dv e", "b: e p"));
}

TEST_F(ScanTest, OlderSnapshotsAreReadAsTheyWere) {
  const auto first = commit(SnapshotProducer::append({data_file("a")}));
  commit(SnapshotProducer::replace_all({data_file("b")}));
  const auto then = plan_scan(context_, *buckets_, cache_, metadata_, first.snapshot.snapshot_id);
  ASSERT_THAT(then, IsOk());
  ASSERT_EQ(then->tasks.size(), 1U);
  EXPECT_EQ(then->tasks[0].file->file_path, location("a"));
  EXPECT_THAT(plan_scan(context_, *buckets_, cache_, metadata_, 12345),
              FailsWith(ErrorCode::NotFound));
}

TEST_F(ScanTest, FilesOutsideTheTableAreRefused) {
  commit(SnapshotProducer::append({data_file("a")}));
  // As if another writer had committed it: the manifest names a file elsewhere.
  TableMetadata moved = metadata_;
  DataFile outside = data_file("b");
  outside.file_path = "file:///etc/passwd";
  ManifestEntry entry;
  entry.snapshot_id = 5;
  entry.file = std::make_shared<const DataFile>(outside);
  auto encoded = encode_manifest(metadata_, 0, ManifestContent::Data, 5, {{entry}});
  ASSERT_THAT(encoded, IsOk());
  encoded->file.manifest_path = metadata_.location + "/metadata/evil.avro";
  encoded->file.sequence_number = 2;
  encoded->file.min_sequence_number = 2;
  ASSERT_THAT(buckets_->write_new(context_, encoded->file.manifest_path, encoded->bytes), IsOk());
  Snapshot snapshot;
  snapshot.snapshot_id = 5;
  snapshot.sequence_number = 2;
  snapshot.manifest_list = metadata_.location + "/metadata/evil-list.avro";
  const auto list = encode_manifest_list(2, snapshot, {{encoded->file}});
  ASSERT_THAT(list, IsOk());
  ASSERT_THAT(buckets_->write_new(context_, snapshot.manifest_list, *list), IsOk());
  moved.snapshots.push_back(std::make_shared<const Snapshot>(snapshot));
  EXPECT_THAT(plan_scan(context_, *buckets_, cache_, moved, 5),
              FailsWith(ErrorCode::FailedPrecondition));
  // The lists and manifests, too, even when they are known already.
  TableMetadata elsewhere = metadata_;
  elsewhere.location += "2";
  EXPECT_THAT(plan_scan(context_, *buckets_, cache_, elsewhere, *metadata_.current_snapshot_id),
              FailsWith(ErrorCode::FailedPrecondition));
}

TEST_F(ScanTest, BoundsPrune) {
  DataFile nulls = data_file("nulls");
  nulls.null_value_counts.set(1, 10);
  commit(SnapshotProducer::append(
      {with_bounds("low", 0, 9), with_bounds("high", 10, 20), data_file("unknown"), nulls}));
  const auto names = [&](CompareOp op, std::vector<Literal> values) {
    return plan_text({{.field_id = 1, .op = op, .values = std::move(values)}});
  };
  const auto n = [](std::int64_t value) { return Literal::of_long(value); };
  EXPECT_THAT(names(CompareOp::Eq, {n(9)}), ElementsAre("low", "unknown"));
  EXPECT_THAT(names(CompareOp::Eq, {n(21)}), ElementsAre("unknown"));
  EXPECT_THAT(names(CompareOp::Lt, {n(10)}), ElementsAre("low", "unknown"));
  EXPECT_THAT(names(CompareOp::LtEq, {n(10)}), ElementsAre("high", "low", "unknown"));
  EXPECT_THAT(names(CompareOp::Gt, {n(9)}), ElementsAre("high", "unknown"));
  EXPECT_THAT(names(CompareOp::GtEq, {n(20)}), ElementsAre("high", "unknown"));
  EXPECT_THAT(names(CompareOp::In, {n(-1), n(15)}), ElementsAre("high", "unknown"));
  EXPECT_THAT(names(CompareOp::In, {}), IsEmpty());
  EXPECT_THAT(names(CompareOp::IsNull, {}), ElementsAre("nulls"));
  EXPECT_THAT(names(CompareOp::NotNull, {}), ElementsAre("high", "low", "unknown"));
  // A value of another type says nothing.
  EXPECT_THAT(names(CompareOp::Eq, {Literal::of_string("x")}),
              ElementsAre("high", "low", "nulls", "unknown"));
  EXPECT_EQ(plan({{.field_id = 1, .op = CompareOp::Eq, .values = {n(9)}}}).files_skipped, 2U);
}

TEST_F(ScanTest, TruncatedBoundsNeverLoseARow) {
  DataFile file = data_file("a");
  const Literal value = Literal::of_string("abcdefghijklmnopqrstuvwxyz");
  file.lower_bounds.set(2, literal_to_bytes(truncate_lower_bound(value)));
  file.upper_bounds.set(2, literal_to_bytes(*truncate_upper_bound(value)));
  const Schema& schema = *metadata_.current_schema();
  for (const CompareOp op : {CompareOp::Eq, CompareOp::LtEq, CompareOp::GtEq, CompareOp::In}) {
    EXPECT_TRUE(may_match(schema, file, {{.field_id = 2, .op = op, .values = {value}}}));
  }
  EXPECT_FALSE(may_match(
      schema, file,
      {{.field_id = 2, .op = CompareOp::Gt, .values = {Literal::of_string("abcdefghijklmnoz")}}}));
  EXPECT_FALSE(may_match(
      schema, file, {{.field_id = 2, .op = CompareOp::Lt, .values = {Literal::of_string("abc")}}}));
}

TEST_F(ScanTest, NanAndSignedZeroFollowSql) {
  const Schema& schema = *metadata_.current_schema();
  const auto matches = [&](const DataFile& file, CompareOp op, double value) {
    return may_match(schema, file,
                     {{.field_id = 4, .op = op, .values = {Literal::of_double(value)}}});
  };
  DataFile file = data_file("a");
  file.lower_bounds.set(4, literal_to_bytes(Literal::of_double(-1)));
  file.upper_bounds.set(4, literal_to_bytes(Literal::of_double(-0.0)));
  // NaN sorts above all, and the bounds do not tell of it; the counts do.
  EXPECT_TRUE(matches(file, CompareOp::Gt, 100));
  EXPECT_TRUE(matches(file, CompareOp::Eq, std::nan("")));
  file.nan_value_counts.set(4, 0);
  EXPECT_FALSE(matches(file, CompareOp::Gt, 100));
  EXPECT_FALSE(matches(file, CompareOp::Eq, std::nan("")));
  EXPECT_FALSE(matches(file, CompareOp::GtEq, std::nan("")));
  EXPECT_TRUE(matches(file, CompareOp::Lt, std::nan("")));
  EXPECT_TRUE(matches(file, CompareOp::Eq, 0.0)) << "-0.0 equals 0.0";
  EXPECT_TRUE(matches(file, CompareOp::GtEq, 0.0));
  EXPECT_FALSE(matches(file, CompareOp::Gt, 0.0));
  // Old writers put NaN into bounds.
  file.upper_bounds.set(4, literal_to_bytes(Literal::of_double(std::nan(""))));
  EXPECT_TRUE(matches(file, CompareOp::Gt, 100));
}

TEST_F(ScanTest, PartitionsPruneFilesAndManifests) {
  constexpr std::int64_t kDay = 86'400'000'000;
  commit(SnapshotProducer::append({partitioned("n1", "north", 1), partitioned("n2", "north", 2)}));
  commit(SnapshotProducer::append({partitioned("s2", "south", 2), partitioned("s3", "south", 3)}));
  const auto region = [](const char* name) {
    return Predicate{.field_id = 2, .op = CompareOp::Eq, .values = {Literal::of_string(name)}};
  };
  const auto at = [](CompareOp op, std::int64_t us) {
    return Predicate{.field_id = 3, .op = op, .values = {Literal::of_timestamp(us)}};
  };
  EXPECT_THAT(plan_text({region("north")}), ElementsAre("n1", "n2"));
  EXPECT_THAT(plan_text({region("west")}), IsEmpty());
  EXPECT_EQ(plan({region("west")}).files_skipped, 4U);
  EXPECT_THAT(plan_text({at(CompareOp::Gt, 2 * kDay + 5)}), ElementsAre("n2", "s2", "s3"));
  EXPECT_THAT(plan_text({at(CompareOp::Lt, 2 * kDay)}), ElementsAre("n1"));
  EXPECT_THAT(plan_text({at(CompareOp::Lt, 2 * kDay + 1)}), ElementsAre("n1", "n2", "s2"));
  EXPECT_THAT(plan_text({at(CompareOp::Eq, 3 * kDay - 1), region("south")}), ElementsAre("s2"));
  EXPECT_THAT(plan_text({{.field_id = 2, .op = CompareOp::IsNull, .values = {}}}), IsEmpty());
}

TEST_F(ScanTest, BucketsPruneEqualityOnly) {
  PartitionSpec spec;
  spec.spec_id = 2;
  spec.fields.resize(1);
  spec.fields[0].source_id = 1;
  spec.fields[0].field_id = 1002;
  spec.fields[0].name = "b";
  spec.fields[0].transform = Transform::bucket(4);
  metadata_.partition_specs.push_back(spec);
  std::vector<DataFile> files;
  for (std::int32_t i = 0; i < 4; ++i) {
    DataFile file = data_file("b" + std::to_string(i));
    file.spec_id = 2;
    file.partition = {Literal::of_int(i)};
    files.push_back(file);
  }
  commit(SnapshotProducer::append(files));
  const auto value = apply_transform(Transform::bucket(4), Literal::of_long(34));
  ASSERT_THAT(value, IsOk());
  const std::string expected = "b" + std::to_string((*value)->as_int32());
  EXPECT_THAT(plan_text({{.field_id = 1, .op = CompareOp::Eq, .values = {Literal::of_long(34)}}}),
              ElementsAre(expected));
  EXPECT_THAT(plan_text({{.field_id = 1, .op = CompareOp::Lt, .values = {Literal::of_long(34)}}}),
              ::testing::SizeIs(4));
}

TEST_F(ScanTest, PartsMakeTheWhole) {
  for (int m = 0; m < 7; ++m) {
    std::vector<DataFile> files;
    for (int i = 0; i < 1 + 4 * m; ++i) {
      files.push_back(with_bounds(std::to_string(m) + "-" + std::to_string(i), i, i + 1));
    }
    commit(SnapshotProducer::append(std::move(files)));
  }
  commit(SnapshotProducer::row_delta({}, {position_deletes("d")}, {}));
  const auto names_of = [](const ScanPlan& plan) {
    std::vector<std::string> out;
    for (const ScanTask& task : plan.tasks) {
      EXPECT_EQ(task.deletes.size(), 1U);
      out.push_back(task.file->file_path);
    }
    return out;
  };
  for (const Filter& filter :
       {Filter(), Filter{{.field_id = 1, .op = CompareOp::Gt, .values = {Literal::of_long(9)}}}}) {
    const std::vector<std::string> whole = names_of(plan(filter));
    for (const std::size_t tasks_max : {1U, 2U, 5U, 50U}) {
      ScanRequest request;
      request.snapshot_id = *metadata_.current_snapshot_id;
      request.filter = filter;
      request.tasks_max = tasks_max;
      request.parts_max = 3;
      std::vector<std::string> found;
      std::vector<ScanRange> todo = {ScanRange()};
      while (!todo.empty()) {
        request.range = todo.front();
        todo.erase(todo.begin());
        const auto part = plan_scan(context_, *buckets_, cache_, metadata_, request);
        ASSERT_THAT(part, IsOk());
        EXPECT_LE(part->tasks.size(), tasks_max);
        EXPECT_LE(part->rest.size(), 3U);
        std::ranges::copy(names_of(*part), std::back_inserter(found));
        std::ranges::copy(part->rest, std::back_inserter(todo));
      }
      EXPECT_THAT(found, ::testing::UnorderedElementsAreArray(whole));
    }
  }
}

TEST_F(ScanTest, EnoughRowsAreEnough) {
  commit(SnapshotProducer::append({data_file("a"), data_file("b"), data_file("c")}));
  ScanRequest request;
  request.snapshot_id = *metadata_.current_snapshot_id;
  request.rows_enough = 15;
  const auto found = plan_scan(context_, *buckets_, cache_, metadata_, request);
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->tasks.size(), 2U);
  EXPECT_THAT(found->rest, IsEmpty());
  // Rows that a filter may drop do not count.
  request.filter = {{.field_id = 1, .op = CompareOp::Gt, .values = {Literal::of_long(9)}}};
  EXPECT_EQ(plan_scan(context_, *buckets_, cache_, metadata_, request)->tasks.size(), 3U);
}

TEST_F(ScanTest, IncrementalScansReadWhatAppendsBrought) {
  const auto first = commit(SnapshotProducer::append({data_file("a")}));
  const auto second = commit(SnapshotProducer::append({data_file("b"), data_file("c")}));
  commit(SnapshotProducer::row_delta({data_file("updated")}, {position_deletes("d")}, {}));
  const auto last = commit(SnapshotProducer::append({data_file("e")}));
  const auto between = [&](std::int64_t start, std::int64_t end) {
    ScanRequest request;
    request.snapshot_id = end;
    request.appended_after = start;
    const auto plan = plan_scan(context_, *buckets_, cache_, metadata_, request);
    EXPECT_THAT(plan, IsOk());
    std::vector<std::string> out;
    for (const ScanTask& task : plan->tasks) {
      EXPECT_THAT(task.deletes, IsEmpty());
      out.push_back(task.file->file_path.substr(task.file->file_path.rfind('/') + 1));
    }
    return out;
  };
  const std::int64_t start = first.snapshot.snapshot_id;
  EXPECT_THAT(between(start, last.snapshot.snapshot_id), ElementsAre("b", "c", "e"));
  EXPECT_THAT(between(start, second.snapshot.snapshot_id), ElementsAre("b", "c"));
  EXPECT_THAT(between(start, start), IsEmpty());
  ScanRequest backwards;
  backwards.snapshot_id = start;
  backwards.appended_after = last.snapshot.snapshot_id;
  EXPECT_THAT(plan_scan(context_, *buckets_, cache_, metadata_, backwards),
              FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(ScanTest, TenThousandFilesPlanQuickly) {
  std::vector<DataFile> files;
  for (int i = 0; i < 10'000; ++i) {
    DataFile file = partitioned("f" + std::to_string(i), "north", i % 100);
    for (std::int32_t id = 1; id <= 20; ++id) {
      file.column_sizes.set(id, 1000);
      file.value_counts.set(id, 1000);
      file.null_value_counts.set(id, 0);
      file.lower_bounds.set(id, literal_to_bytes(Literal::of_long(i)));
      file.upper_bounds.set(id, literal_to_bytes(Literal::of_long(i + 10)));
    }
    files.push_back(std::move(file));
  }
  commit(SnapshotProducer::append(std::move(files)));
  const auto timed = [&](const char* what, const Filter& filter, std::size_t count) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(plan(filter).tasks.size(), count);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    RecordProperty(what, std::to_string(took.count()) + " ms");
    return took.count();
  };
  timed("cold", {}, 10'000);
  // Generous: the goal is 20 ms in a release build.
  EXPECT_LT(timed("warm", {}, 10'000), 500);
  EXPECT_LT(timed("filtered",
                  {{.field_id = 1, .op = CompareOp::Eq, .values = {Literal::of_long(5000)}}}, 11),
            500);
}

}  // namespace
}  // namespace lakehouse::iceberg
