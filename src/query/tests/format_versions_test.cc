#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gmock/gmock.h>

#include "base/id.h"
#include "base/json.h"
#include "base/testing/matchers.h"
#include "query/table_source.h"
#include "query/testing/lake_fixture.h"
#include "query/tree.h"
#include "storage/local_object_store.h"

/// \file
/// Format versions 1 to 3 by SQL: what Spark wrote (tests/data/iceberg), and our own.

namespace lakehouse::query {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::HasSubstr;

/// Spark's tables, seen where they were made.
class SparkTables : public ::testing::Test {
 protected:
  SparkTables() : folder_(engine_.folder() / "spark") {
    std::filesystem::copy(LAKEHOUSE_TEST_DATA "/iceberg", folder_,
                          std::filesystem::copy_options::recursive);
    std::vector<std::unique_ptr<storage::ObjectStore>> stores;
    stores.push_back(testing::value_or_throw(storage::LocalObjectStore::open(folder_.string())));
    buckets_ = testing::value_or_throw(storage::Buckets::over(
        {{.name = "primary", .type = "local", .location = "/tmp/lakehouse-fixtures/db"}},
        std::move(stores)));
    source_.emplace(engine_.pool(), *buckets_, manifests_);
  }

  /// "SELECT ... FROM ({})" of a table's current snapshot, as JSON.
  std::string ask(const std::string& table, const std::string& question) {
    std::ifstream in(folder_ / table / "metadata" / "current.metadata.json");
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const auto metadata = testing::value_or_throw(iceberg::table_metadata_from_text(text));
    const RequestContext context = engine::testing::patient_context();
    auto scan = source_->scan(context, metadata,
                              {metadata.current_snapshot(), metadata.current_schema()}, {}, "lh_0");
    if (!scan) {
      return scan.error().message;
    }
    engine::Statement statement;
    statement.text = to_json(tree::statement(std::move(scan->node)));
    statement.is_tree = true;
    statement.around_tree = question;
    statement.variables = std::move(scan->variables);
    const auto rows = engine_.pool().query_rows(context, std::move(statement));
    if (!rows) {
      return rows.error().message;
    }
    boost::json::array out;
    for (const boost::json::array& row : rows->rows) {
      out.emplace_back(row);
    }
    return to_json(out);
  }

  engine::testing::TestEngine engine_;
  std::filesystem::path folder_;
  std::unique_ptr<storage::Buckets> buckets_;
  iceberg::ManifestCache manifests_;
  std::optional<TableSource> source_;
};

// The answers are those in expected.json, which Spark gave.
TEST_F(SparkTables, AreReadAsSparkReadsThem) {
  EXPECT_EQ(ask("v1_plain", "SELECT id, region, amount::VARCHAR FROM ({}) ORDER BY id"),
            R"([[2,"south","-2.25"],[3,null,null],[4,"north","4.00"],[5,"west","5.00"]])");
  EXPECT_EQ(ask("v2_transforms",
                "SELECT id, big, name, price::VARCHAR, hex(raw), day::VARCHAR, epoch_us(\"at\"), "
                "local::VARCHAR, epoch_us(at2) FROM ({}) ORDER BY big NULLS LAST"),
            R"([[-2,-15,"ünïcode","-0.01","","1969-12-31",-3599999999,)"
            R"("1969-12-31 23:59:59.999999",-3601000000],)"
            R"([1,101,"alpha","12.34","0102","2020-02-29",1583020799000000,)"
            R"("2020-02-29 12:00:00",1582939800000000],)"
            R"([null,null,null,null,null,null,null,null,null]])");
  EXPECT_EQ(ask("v3_vectors",
                "SELECT count(*), sum(id)::BIGINT, count(*) FILTER (name = 'changed'), "
                "count(*) FILTER (id BETWEEN 65536 AND 131071) FROM ({})"),
            "[[147237,13787324566,1,32768]]");
  EXPECT_EQ(ask("upgraded", "SELECT count(*), sum(id)::BIGINT, count(DISTINCT name) FROM ({})"),
            "[[27,402,3]]");
}

TEST_F(SparkTables, VariantsAndDefaultsAreRead) {
  EXPECT_EQ(ask("v3_types",
                "SELECT id, CASE WHEN v IS NOT NULL THEN v::JSON::VARCHAR END, grade, "
                "amount::VARCHAR FROM ({}) ORDER BY id"),
            R"x([[1,"{\"a\":[1,\"x\",null],\"b\":{\"c\":1.5}}","new","1.25"],)x"
            R"x([2,"\"text\"","new","1.25"],[3,null,"new","1.25"],[4,"[true]","own","9.75"]])x");
}

class FormatVersions : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { lake_ = new testing::TestLake(); }
  static void TearDownTestSuite() {
    delete lake_;
    lake_ = nullptr;
  }
  static std::string text(const std::string& sql) { return lake_->text(sql); }
  static void run(const std::string& sql) { ASSERT_THAT(lake_->rows(sql), IsOk()) << sql; }
  static int version_of(const std::string& table) {
    return testing::value_or_throw(
               lake_->catalog().load_table(engine::testing::patient_context(), {{"main"}, table}))
        .metadata->format_version;
  }

 private:
  static testing::TestLake* lake_;
};
testing::TestLake* FormatVersions::lake_ = nullptr;

TEST_F(FormatVersions, EachIsWrittenAndReadAgain) {
  for (const char version : {'1', '2', '3'}) {
    SCOPED_TRACE(version);
    const std::string table = std::string("of_version_") + version;
    run("CREATE TABLE " + table +
        " (id INTEGER, ts TIMESTAMP, name VARCHAR) PARTITIONED BY (bucket(4, id), month(ts)) "
        "WITH ('format-version' = '" +
        version + "')");
    EXPECT_EQ(version_of(table), version - '0');
    run("INSERT INTO " + table +
        " SELECT i, TIMESTAMP '2024-01-31' + INTERVAL (i) DAY, 'n' || i FROM range(40) t(i)");
    run("INSERT INTO " + table + " VALUES (NULL, NULL, NULL)");
    run("ALTER TABLE " + table + " SET PARTITIONED BY (truncate(2, name))");
    run("INSERT INTO " + table + " VALUES (100, TIMESTAMP '2024-01-31', 'later')");
    EXPECT_EQ(text("SELECT count(*), count(id), sum(id), max(name) FROM " + table),
              "[[42,41,880,\"n9\"]]");
    EXPECT_EQ(text("SELECT id FROM " + table + " WHERE name = 'later'"), "[[100]]");
    run("CREATE OR REPLACE TABLE " + table + " AS SELECT 1 AS one");
    EXPECT_EQ(version_of(table), version - '0') << "a replaced table keeps its version";
  }
  EXPECT_THAT(text("CREATE TABLE no_version (id INTEGER) WITH ('format-version' = '4')"),
              HasSubstr("'4' is no format version"));
}

TEST_F(FormatVersions, ATableIsUpgradedButNotBack) {
  run("CREATE TABLE upgraded (id INTEGER) WITH ('format-version' = '1', 'k' = 'v')");
  run("INSERT INTO upgraded VALUES (1)");
  run("ALTER TABLE upgraded SET ('format-version' = '2')");
  run("INSERT INTO upgraded VALUES (2)");
  run("ALTER TABLE upgraded SET ('format-version' = '3')");
  run("INSERT INTO upgraded VALUES (3)");
  EXPECT_EQ(version_of("upgraded"), 3);
  EXPECT_EQ(text("SELECT list(id ORDER BY id) FROM upgraded"), "[[[1,2,3]]]");
  EXPECT_THAT(text("ALTER TABLE upgraded SET ('format-version' = '2')"), HasSubstr("downgrade"));
  run("CREATE OR REPLACE TABLE from_two AS SELECT 1 AS a");
  run("CREATE OR REPLACE TABLE from_two WITH ('format-version' = '3') AS SELECT 2 AS a");
  EXPECT_EQ(version_of("from_two"), 3);
}

TEST_F(FormatVersions, DefaultsNeedVersion3) {
  EXPECT_THAT(text("CREATE TABLE defaults (id INTEGER DEFAULT 1)"), HasSubstr("format version 2"));
  run("CREATE TABLE defaults (id INTEGER, grade VARCHAR DEFAULT 'it''s new') "
      "WITH ('format-version' = '3')");
  run("INSERT INTO defaults (id) VALUES (1)");
  run("ALTER TABLE defaults ADD COLUMN day DATE NOT NULL DEFAULT DATE '2024-01-31'");
  run("INSERT INTO defaults (id, grade) VALUES (2, NULL)");
  EXPECT_EQ(text("FROM defaults ORDER BY id"),
            R"([[1,"it's new","2024-01-31"],[2,null,"2024-01-31"]])");
  EXPECT_EQ(text("SELECT id FROM defaults WHERE day = DATE '2024-01-31' ORDER BY id"), "[[1],[2]]");
  run("ALTER TABLE defaults ALTER grade DROP DEFAULT");
  run("ALTER TABLE defaults ALTER day SET DEFAULT '2025-01-01'");
  run("INSERT INTO defaults (id) VALUES (3)");
  EXPECT_EQ(text("FROM defaults WHERE id = 3"), R"([[3,null,"2025-01-01"]])");
  EXPECT_THAT(text("ALTER TABLE defaults ALTER id SET DEFAULT 'x'"), HasSubstr("id"));
}

TEST_F(FormatVersions, TypesOfVersion3AreWrittenAndRead) {
  run("CREATE TABLE types3 (id INTEGER, moment TIMESTAMP_NS, v VARIANT) WITH ('format-version' = "
      "'3')");
  run("INSERT INTO types3 VALUES (1, '2024-01-31 12:00:00.123456789', {'a': [1, 2]}::VARIANT), "
      "(2, NULL, NULL)");
  EXPECT_EQ(text("SELECT id, moment::VARCHAR, CASE WHEN v IS NOT NULL THEN v::JSON::VARCHAR END, "
                 "typeof(moment), typeof(v) FROM types3 "
                 "ORDER BY id"),
            R"x([[1,"2024-01-31 12:00:00.123456789","{\"a\":[1,2]}","TIMESTAMP_NS","VARIANT"],)x"
            R"x([2,null,null,"TIMESTAMP_NS","VARIANT"]])x");
  EXPECT_EQ(
      text("SELECT id FROM types3 WHERE moment > '2024-01-31 12:00:00.123456788'::TIMESTAMP_NS"),
      "[[1]]");
}

}  // namespace
}  // namespace lakehouse::query
