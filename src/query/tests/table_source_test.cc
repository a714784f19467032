#include "query/table_source.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/testing/matchers.h"
#include "iceberg/deletion_vector.h"
#include "iceberg/snapshot_producer.h"
#include "query/physical_schema.h"
#include "query/testing/lake_fixture.h"

namespace lakehouse::query {
namespace {

using iceberg::DataFile;
using iceberg::FileContent;
using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::HasSubstr;

/// Files that another engine might have written, committed as its snapshots would be.
class TableSourceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { lake_ = new testing::TestLake(); }
  static void TearDownTestSuite() {
    delete lake_;
    lake_ = nullptr;
  }
  static testing::TestLake& lake() { return *lake_; }
  static RequestContext context() { return engine::testing::patient_context(); }

  static void run(const std::string& sql) {
    const auto done = lake().rows(sql);
    ASSERT_THAT(done, IsOk()) << sql;
  }

  static catalog::LoadedTable load(const std::string& name) {
    return testing::value_or_throw(lake().catalog().load_table(context(), {{"main"}, name}));
  }

  /// Writes a Parquet file into the table's folder.
  static DataFile write(const std::string& table, const std::string& file, const std::string& sql,
                        const std::string& options, std::int64_t rows) {
    const std::string location = load(table).metadata->location + "/data/" + file;
    const auto resolved = testing::value_or_throw(lake().buckets().resolve(location));
    engine::Statement copy;
    copy.text = fmt::format("COPY ({}) TO '{}' (FORMAT parquet{})", sql,
                            *resolved.store->local_path(resolved.key), options);
    testing::value_or_throw(lake().engine().query_rows(context(), std::move(copy)));
    DataFile out;
    out.file_path = location;
    out.record_count = rows;
    out.file_size_in_bytes = 1000;
    return out;
  }

  static void commit(const std::string& table, iceberg::SnapshotChange change) {
    const catalog::LoadedTable loaded = load(table);
    iceberg::ManifestCache cache;
    iceberg::SnapshotProducer producer(lake().buckets(), cache, std::move(change));
    auto produced = testing::value_or_throw(
        producer.produce(context(), *loaded.metadata, lake().catalog().now_ms()));
    ASSERT_THAT(lake().catalog().commit_table(context(), loaded.identifier, produced.requirements,
                                              produced.updates),
                IsOk());
  }

  static iceberg::ScanPlan plan(const std::string& table) {
    const catalog::LoadedTable loaded = load(table);
    iceberg::ManifestCache cache;
    return testing::value_or_throw(
        iceberg::plan_scan(context(), lake().buckets(), cache, *loaded.metadata,
                           loaded.metadata->current_snapshot()->snapshot_id));
  }

  static std::vector<std::string> data_files(const std::string& table) {
    std::vector<std::string> out;
    for (const iceberg::ScanTask& task : plan(table).tasks) {
      out.push_back(task.file->file_path);
    }
    return out;
  }

 private:
  static testing::TestLake* lake_;
};
testing::TestLake* TableSourceTest::lake_ = nullptr;

TEST_F(TableSourceTest, RowsThatPositionDeletesNameAreGone) {
  run("CREATE TABLE positions AS SELECT i::INTEGER AS id, 'r' || i AS name FROM range(10) t(i)");
  const std::string file = data_files("positions").at(0);
  // Both spellings of a local path.
  for (const std::string& path : {file, file.substr(std::string("file://").size())}) {
    DataFile deletes = write(
        "positions", fmt::format("d{}.parquet", path.size()),
        fmt::format("SELECT '{}' AS file_path, {}::BIGINT AS pos", path, path == file ? 3 : 7),
        ", FIELD_IDS {file_path: 2147483546, pos: 2147483545}", 1);
    deletes.content = FileContent::PositionDeletes;
    commit("positions", iceberg::SnapshotProducer::row_delta({}, {deletes}, {}));
  }
  EXPECT_EQ(lake().text("SELECT count(*), sum(id) FROM positions"), "[[8,35]]");
  EXPECT_EQ(lake().text("SELECT name FROM positions WHERE id IN (3, 4, 7)"), R"([["r4"]])");
  // Rows that come later are not touched.
  run("INSERT INTO positions SELECT 100 + i, 'n' FROM range(10) t(i)");
  EXPECT_EQ(lake().text("SELECT count(*) FROM positions"), "[[18]]");
}

TEST_F(TableSourceTest, RowsThatDeletionVectorsMarkAreGone) {
  run("CREATE TABLE vectors (id INTEGER, name VARCHAR) WITH ('format-version' = '3')");
  run("INSERT INTO vectors SELECT i, 'a' || i FROM range(100000) t(i)");
  run("INSERT INTO vectors SELECT 200000 + i, 'b' FROM range(10) t(i)");
  run("INSERT INTO vectors SELECT 300000 + i, 'c' FROM range(10) t(i)");
  ASSERT_EQ(load("vectors").metadata->format_version, 3);
  const auto remove = [](const std::vector<std::pair<std::int64_t, std::set<int>>>& wanted) {
    const catalog::LoadedTable table = load("vectors");
    std::vector<iceberg::DeletedRows> deleted;
    for (const iceberg::ScanTask& task : plan("vectors").tasks) {
      for (const auto& [record_count, rows] : wanted) {
        if (task.file->record_count == record_count) {
          deleted.push_back({task, {}});
          std::ranges::for_each(
              rows, [&](int row) { deleted.back().rows.add(static_cast<std::uint64_t>(row)); });
        }
      }
    }
    commit("vectors", testing::value_or_throw(iceberg::write_deletion_vectors(
                          context(), lake().buckets(), *table.metadata, deleted)));
  };
  remove({{100'000, {0, 3, 2047, 2048, 65'536, 99'999}}});
  EXPECT_EQ(lake().text("SELECT count(*), count(DISTINCT id) FROM vectors"), "[[100014,100014]]");
  EXPECT_EQ(lake().text("SELECT id FROM vectors WHERE id IN (0, 1, 3, 2047, 2049, 65536, 99999)"),
            "[[1],[2049]]");
  // More of the same file, and of two that are alike; a file of one's own does not matter.
  remove({{100'000, {1}}, {10, {9}}});
  EXPECT_EQ(lake().text("SELECT count(*), min(id), max(id) FROM vectors"), "[[100011,2,300008]]");
  EXPECT_EQ(lake().text("SELECT max(id) FROM vectors WHERE name = 'b'"), "[[200008]]");
  // Joined with itself, and beside equality deletes.
  EXPECT_EQ(lake().text("SELECT count(*) FROM vectors a JOIN vectors b USING (id)"), "[[100011]]");
  DataFile equality =
      write("vectors", "e.parquet", "SELECT 'b' AS name", ", FIELD_IDS {name: 2}", 1);
  equality.content = FileContent::EqualityDeletes;
  equality.equality_ids = {2};
  commit("vectors", iceberg::SnapshotProducer::row_delta({}, {equality}, {}));
  EXPECT_EQ(lake().text("SELECT count(*) FROM vectors WHERE id >= 200000"), "[[9]]");
  // A vector that is broken is an error, and not all of its file's rows.
  const catalog::LoadedTable table = load("vectors");
  for (const iceberg::ScanTask& task : plan("vectors").tasks) {
    for (const iceberg::AttachedDelete& each : task.deletes) {
      const auto place = testing::value_or_throw(lake().buckets().resolve(each.file->file_path));
      if (each.file->is_deletion_vector()) {
        std::filesystem::resize_file(*place.store->local_path(place.key), 10);
      }
    }
  }
  iceberg::ManifestCache cache;
  TableSource fresh(lake().engine(), lake().buckets(), cache);
  EXPECT_THAT(fresh.scan(context(), *table.metadata,
                         {table.metadata->current_snapshot(), table.metadata->current_schema()}, {},
                         "lh_0"),
              FailsWith(ErrorCode::DataLoss));
}

TEST_F(TableSourceTest, EqualityDeletesTakeOlderRowsOnlyAndNullEqualsNull) {
  run("CREATE TABLE equal (id INTEGER, name VARCHAR)");
  run("INSERT INTO equal VALUES (1, 'a'), (2, 'b'), (NULL, 'n')");
  DataFile deletes = write("equal", "e1.parquet", "SELECT unnest([1, NULL])::INTEGER AS id",
                           ", FIELD_IDS {id: 1}", 2);
  deletes.content = FileContent::EqualityDeletes;
  deletes.equality_ids = {1};
  commit("equal", iceberg::SnapshotProducer::row_delta({}, {deletes}, {}));
  EXPECT_EQ(lake().text("SELECT * FROM equal"), R"([[2,"b"]])");
  run("INSERT INTO equal VALUES (1, 'again'), (3, 'c')");
  EXPECT_EQ(lake().text("SELECT * FROM equal ORDER BY id"), R"([[1,"again"],[2,"b"],[3,"c"]])");
  // The column is renamed and widened since: the delete still goes by its id.
  run("ALTER TABLE equal RENAME COLUMN id TO key");
  run("ALTER TABLE equal ALTER key TYPE BIGINT");
  EXPECT_EQ(lake().text("SELECT key FROM equal ORDER BY key"), "[[1],[2],[3]]");
}

TEST_F(TableSourceTest, FilesWithoutFieldIdsGoByNameOrByTheMapping) {
  run("CREATE TABLE plain (id INTEGER, name VARCHAR, s STRUCT(a INTEGER))");
  run("INSERT INTO plain VALUES (1, 'ours', {'a': 1})");
  commit("plain",
         iceberg::SnapshotProducer::append(
             {write("plain", "p1.parquet",
                    "SELECT 'theirs' AS name, 2::INTEGER AS id, {'a': 2::INTEGER} AS s, 5 AS other",
                    "", 1)}));
  EXPECT_EQ(lake().text("SELECT * FROM plain ORDER BY id"),
            R"([[1,"ours",{"a":1}],[2,"theirs",{"a":2}]])");
  run("ALTER TABLE plain SET ('schema.name-mapping.default' = "
      "'[{\"field-id\":1,\"names\":[\"nr\"]},{\"field-id\":2,\"names\":[\"label\",\"name\"]}]')");
  commit("plain",
         iceberg::SnapshotProducer::append(
             {write("plain", "p2.parquet", "SELECT 3::SMALLINT AS nr, 'mapped' AS label", "", 1)}));
  EXPECT_EQ(lake().text("SELECT name FROM plain WHERE id = 3"), R"([["mapped"]])");
  EXPECT_EQ(lake().text("SELECT typeof(id), count(*) FROM plain WHERE id IS NOT NULL GROUP BY 1"),
            R"([["INTEGER",2]])");
}

TEST_F(TableSourceTest, PartitionValuesFillColumnsThatFilesLack) {
  run("CREATE TABLE hive (id INTEGER, day DATE) PARTITIONED BY (day)");
  DataFile file = write("hive", "h.parquet", "SELECT 1::INTEGER AS id", ", FIELD_IDS {id: 1}", 1);
  file.spec_id = load("hive").metadata->default_spec_id;
  file.partition = {iceberg::Literal::of_date(19753)};
  commit("hive", iceberg::SnapshotProducer::append({file}));
  EXPECT_EQ(lake().text("SELECT id, day FROM hive"), R"([[1,"2024-01-31"]])");
  EXPECT_EQ(lake().text("SELECT count(*) FROM hive WHERE day = DATE '2024-02-01'"), "[[0]]");
}

TEST_F(TableSourceTest, WhatIsNotReadYetIsRefusedByName) {
  run("CREATE TABLE odd (id INTEGER)");
  DataFile file = write("odd", "o.orc", "SELECT 1::INTEGER AS id", "", 1);
  file.file_format = iceberg::FileFormat::Orc;
  commit("odd", iceberg::SnapshotProducer::append({file}));
  const auto rows = lake().rows("FROM odd");
  ASSERT_THAT(rows, FailsWith(ErrorCode::Unimplemented));
  EXPECT_THAT(rows.error().message, HasSubstr("ORC"));
}

TEST_F(TableSourceTest, AnEmptyTableHasItsColumns) {
  run("CREATE TABLE nothing_in (a DECIMAL(9,2), b STRUCT(c TIMESTAMPTZ)[], \"c d\" UUID, "
      "e MAP(VARCHAR, BLOB))");
  EXPECT_EQ(lake().text("SELECT column_name, column_type FROM (DESCRIBE nothing_in)"),
            R"x([["a","DECIMAL(9,2)"],["b","STRUCT(c TIMESTAMP WITH TIME ZONE)[]"],)x"
            R"x(["c d","UUID"],["e","MAP(VARCHAR, BLOB)"]])x");
  EXPECT_EQ(lake().text("SELECT count(*) FROM nothing_in"), "[[0]]");
}

TEST(PhysicalSchema, ReadsListsMapsAndOldForms) {
  const auto schema = physical_schema_from_json(
      R"x([{"name":"root","num_children":3},
          {"name":"l","num_children":1,"converted_type":"LIST","field_id":1},
          {"name":"list","num_children":1,"repetition_type":"REPEATED"},
          {"name":"element","duckdb_type":"INTEGER","field_id":2},
          {"name":"m","num_children":1,"logical_type":"MapType()","field_id":3},
          {"name":"key_value","num_children":2,"repetition_type":"REPEATED"},
          {"name":"key","duckdb_type":"VARCHAR","field_id":4},
          {"name":"value","duckdb_type":"DATE","field_id":5},
          {"name":"r","duckdb_type":"INTEGER","repetition_type":"REPEATED","field_id":6}])x");
  ASSERT_THAT(schema, IsOk());
  ASSERT_EQ((*schema)->columns.size(), 3U);
  const auto& columns = (*schema)->columns;
  EXPECT_EQ(columns[0].kind, PhysicalField::Kind::List);
  EXPECT_EQ(columns[0].children.at(0).id, 2);
  EXPECT_EQ(columns[1].kind, PhysicalField::Kind::Map);
  EXPECT_EQ(columns[1].children.at(1).type, "DATE");
  EXPECT_EQ(columns[2].kind, PhysicalField::Kind::List);
  EXPECT_EQ(columns[2].id, 6);
  EXPECT_TRUE((*schema)->has("M"));
  for (const char* broken : {"[]", "{}", "[1]", R"([{"name":"r","num_children":2},{"name":"a"}])",
                             R"([{"name":"r","num_children":99999999}])"}) {
    EXPECT_FALSE(physical_schema_from_json(broken).has_value()) << broken;
  }
}

}  // namespace
}  // namespace lakehouse::query
