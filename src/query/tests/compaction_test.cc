#include "query/compaction.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/testing/matchers.h"
#include "iceberg/deletion_vector.h"
#include "iceberg/scan.h"
#include "iceberg/snapshot_producer.h"
#include "query/testing/lake_fixture.h"

namespace lakehouse::query {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;

class CompactionTest : public ::testing::Test {
 protected:
  static RequestContext context() { return engine::testing::patient_context(); }
  void run(const std::string& sql) { ASSERT_THAT(lake_.rows(sql), IsOk()) << sql; }
  catalog::LoadedTable load(const std::string& name) {
    return testing::value_or_throw(lake_.catalog().load_table(context(), {{"main"}, name}));
  }
  iceberg::ScanPlan plan(const std::string& name) {
    const catalog::LoadedTable table = load(name);
    iceberg::ManifestCache cache;
    return testing::value_or_throw(
        iceberg::plan_scan(context(), lake_.buckets(), cache, *table.metadata,
                           table.metadata->current_snapshot()->snapshot_id));
  }
  /// Marks the first rows of each file.
  void remove_first_rows(const std::string& name, std::uint64_t count) {
    const catalog::LoadedTable table = load(name);
    std::vector<iceberg::DeletedRows> deleted;
    for (const iceberg::ScanTask& task : plan(name).tasks) {
      deleted.push_back({task, {}});
      for (std::uint64_t row = 0; row < count; ++row) {
        deleted.back().rows.add(row);
      }
    }
    iceberg::ManifestCache cache;
    iceberg::SnapshotProducer producer(lake_.buckets(), cache,
                                       testing::value_or_throw(iceberg::write_deletion_vectors(
                                           context(), lake_.buckets(), *table.metadata, deleted)));
    auto produced = testing::value_or_throw(
        producer.produce(context(), *table.metadata, lake_.catalog().now_ms()));
    ASSERT_THAT(lake_.catalog().commit_table(context(), table.identifier, produced.requirements,
                                             produced.updates),
                IsOk());
  }
  Result<Compacted> compact(const std::string& name) {
    return Compactor(lake_.catalog(), lake_.engine(), lake_.source(), lake_.writer(),
                     lake_.buckets())
        .compact(context(), {.table = {{"main"}, name}});
  }

  testing::TestLake lake_;
};

TEST_F(CompactionTest, SmallFilesOfAPartitionBecomeOne) {
  run("CREATE TABLE small (id INTEGER, grp INTEGER) PARTITIONED BY (grp)");
  for (int i = 0; i < 4; ++i) {
    run(fmt::format("INSERT INTO small SELECT i + {}, i % 3 FROM range(30) t(i)", i * 30));
  }
  run("INSERT INTO small VALUES (1000, 9)");
  const std::string before =
      lake_.text("SELECT grp, count(*), sum(id) FROM small GROUP BY 1 ORDER BY 1");
  const std::int64_t old = load("small").metadata->current_snapshot()->snapshot_id;
  ASSERT_EQ(plan("small").tasks.size(), 13U);
  const auto done = compact("small");
  ASSERT_THAT(done, IsOk());
  EXPECT_EQ(done->files_total, 13);
  EXPECT_EQ(done->files_removed, 12) << "one file alone would only become itself";
  EXPECT_EQ(done->files_added, 3);
  EXPECT_EQ(done->rows, 120);
  EXPECT_EQ(plan("small").tasks.size(), 4U);
  EXPECT_EQ(load("small").metadata->current_snapshot()->operation(), "replace");
  EXPECT_EQ(lake_.text("SELECT grp, count(*), sum(id) FROM small GROUP BY 1 ORDER BY 1"), before);
  EXPECT_EQ(lake_.text(fmt::format("SELECT count(*) FROM small AT (VERSION => {})", old)),
            "[[121]]");
  const auto again = compact("small");
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->commits, 0);
  EXPECT_FALSE(again->snapshot_id);
}

TEST_F(CompactionTest, DeletedRowsAndTheirDeletesAreGone) {
  run("CREATE TABLE deletes (id INTEGER) WITH ('format-version' = '3')");
  run("INSERT INTO deletes SELECT i FROM range(1000) t(i)");
  run("INSERT INTO deletes SELECT 5000 + i FROM range(1000) t(i)");
  remove_first_rows("deletes", 10);
  const std::string before = lake_.text("SELECT count(*), sum(id), min(id) FROM deletes");
  EXPECT_EQ(before, "[[1980,5948910,10]]");
  ASSERT_TRUE(plan("deletes").has_deletes());
  const auto done = compact("deletes");
  ASSERT_THAT(done, IsOk());
  EXPECT_EQ(done->files_added, 1);
  EXPECT_EQ(done->rows, 1980);
  EXPECT_GT(done->delete_files_removed, 0);
  EXPECT_FALSE(plan("deletes").has_deletes());
  EXPECT_EQ(lake_.text("SELECT count(*), sum(id), min(id) FROM deletes"), before);
  // A table whose rows are all deleted has no files after it.
  remove_first_rows("deletes", 1980);
  ASSERT_THAT(compact("deletes"), IsOk());
  EXPECT_TRUE(plan("deletes").tasks.empty());
  EXPECT_EQ(lake_.text("SELECT count(*) FROM deletes"), "[[0]]");
}

TEST_F(CompactionTest, EvolvedFilesComeToTheSchemaAndSpecOfToday) {
  run("CREATE TABLE evolved (id INTEGER, name VARCHAR)");
  run("INSERT INTO evolved VALUES (1, 'a'), (2, 'b')");
  run("ALTER TABLE evolved RENAME COLUMN name TO called");
  run("ALTER TABLE evolved ADD COLUMN extra INTEGER");
  run("ALTER TABLE evolved SET PARTITIONED BY (id)");
  run("INSERT INTO evolved VALUES (2, 'c', 7)");
  run("INSERT INTO evolved VALUES (2, 'd', 8)");
  const std::string before = lake_.text("FROM evolved ORDER BY ALL");
  ASSERT_THAT(compact("evolved"), IsOk());
  EXPECT_EQ(lake_.text("FROM evolved ORDER BY ALL"), before);
  EXPECT_EQ(before, R"([[1,"a",null],[2,"b",null],[2,"c",7],[2,"d",8]])");
}

TEST_F(CompactionTest, NothingIsDoneToWhatIsNotThereOrEmpty) {
  run("CREATE TABLE empty (id INTEGER)");
  const auto done = compact("empty");
  ASSERT_THAT(done, IsOk());
  EXPECT_EQ(done->commits, 0);
  EXPECT_THAT(compact("none"), FailsWith(ErrorCode::NotFound));
}

}  // namespace
}  // namespace lakehouse::query
