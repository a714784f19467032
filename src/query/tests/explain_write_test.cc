#include <string>

#include <gmock/gmock.h>

#include "base/testing/matchers.h"
#include "query/testing/fixed_policies.h"
#include "query/testing/lake_fixture.h"

namespace lakehouse::query {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using testing::TestLake;

/// A hundred rows in two files.
void make_table(TestLake& lake, const std::string& with = "") {
  ASSERT_EQ(lake.text("CREATE TABLE t (id BIGINT, name VARCHAR)" + with), "[[true]]");
  for (const char* range : {"range(60)", "range(60, 100)"}) {
    ASSERT_THAT(lake.rows("INSERT INTO t SELECT range, 'n' || range FROM " + std::string(range)),
                IsOk());
  }
}

/// What EXPLAIN says of the write, or the error.
std::string effect(TestLake& lake, const std::string& sql) {
  const auto rows = lake.rows("EXPLAIN " + sql);
  if (!rows) {
    return std::string(to_string(rows.error().code)) + ": " + rows.error().message;
  }
  EXPECT_EQ(rows->size(), 2U) << sql;
  EXPECT_EQ(rows->at(0).at(0), "physical_plan");
  EXPECT_EQ(rows->at(1).at(0), "write");
  return std::string(rows->at(1).at(1).as_string());
}

TEST(ExplainWrite, SaysWhatWouldBeReadAndWrittenAndWritesNothing) {
  TestLake lake;
  make_table(lake);
  const auto before =
      lake.catalog().load_table(engine::testing::patient_context(), {{"main"}, "t"});
  EXPECT_EQ(effect(lake, "INSERT INTO t SELECT range, 'x' FROM range(7)"),
            "would add about 7 rows of main.t\nnothing is written by EXPLAIN");
  EXPECT_THAT(effect(lake, "DELETE FROM t WHERE id = 3"),
              AllOf(StartsWith("would delete about "), HasSubstr("reads 60 rows in 1 of its 2 "),
                    HasSubstr("merge-on-read, as estimated: each row that goes is in a position")));
  EXPECT_THAT(effect(lake, "TRUNCATE t"),
              AllOf(StartsWith("would delete about 100 rows of main.t\n"),
                    HasSubstr("copy-on-write, as estimated")));
  EXPECT_THAT(effect(lake, "WITH u AS (SELECT 1 AS i) UPDATE t SET name = 'x' FROM u WHERE id = i"),
              StartsWith("would change about "));
  EXPECT_THAT(effect(lake,
                     "MERGE INTO t USING (SELECT 1 AS id) s USING (id) WHEN MATCHED THEN DELETE "
                     "WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)"),
              StartsWith("would change, add or delete about "));
  EXPECT_THAT(effect(lake, "INSERT INTO t VALUES (1, 'x') ON CONFLICT (id) DO NOTHING"),
              AllOf(StartsWith("would add about "), Not(HasSubstr("merge-on-read"))));
  EXPECT_THAT(effect(lake,
                     "INSERT INTO t VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'y' "
                     "RETURNING *"),
              AllOf(StartsWith("would add or change about "), HasSubstr("-on-")));
  SqlRequest request;
  request.sql = "DELETE FROM t WHERE id = $1";
  request.params = boost::json::array{3};
  const auto plan = lake.service().explain(engine::testing::patient_context(), request);
  ASSERT_THAT(plan, IsOk());
  EXPECT_THAT(*plan, AllOf(HasSubstr("READ_PARQUET"), HasSubstr("would delete about ")));
  EXPECT_EQ(lake.text("SELECT count(*), max(name) FROM t"), R"([[100,"n99"]])");
  const auto after = lake.catalog().load_table(engine::testing::patient_context(), {{"main"}, "t"});
  EXPECT_EQ(before->metadata_location, after->metadata_location);
}

TEST(ExplainWrite, TheTableSaysHowDeletesAreStored) {
  TestLake lake;
  make_table(lake, " WITH ('format-version' = '3', 'write.update.mode' = 'copy-on-write')");
  EXPECT_THAT(effect(lake, "DELETE FROM t WHERE id = 3"), HasSubstr("a deletion vector"));
  EXPECT_THAT(effect(lake, "UPDATE t SET id = 0 WHERE id = 3"),
              HasSubstr("copy-on-write, since write.update.mode says so"));
}

TEST(ExplainWrite, RefusesWhatTheStatementItselfWouldBeRefused) {
  TestLake lake;
  make_table(lake);
  EXPECT_THAT(effect(lake, "DELETE FROM nowhere"), StartsWith("NOT_FOUND"));
  EXPECT_THAT(effect(lake, "UPDATE t SET nme = 1"), HasSubstr("no column 'nme'"));
  EXPECT_THAT(effect(lake, "INSERT INTO t VALUES (1, 'x', 3)"), HasSubstr("the rows have 3"));
  EXPECT_THAT(effect(lake, "DELETE FROM t WHERE nme = 1"), HasSubstr("nme"));
  EXPECT_THAT(effect(lake, "DELETE FROM read_csv('/etc/passwd')"), StartsWith("INVALID"));
  EXPECT_THAT(lake.text("EXPLAIN ANALYZE DELETE FROM t"),
              HasSubstr("EXPLAIN ANALYZE would run a statement that writes"));
  SqlRequest request;
  request.sql = "EXPLAIN UPDATE t SET id = nme";
  const auto rows = lake.rows(request);
  ASSERT_THAT(rows, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_EQ(rows.error().position_bytes, request.sql.find("nme"));
}

TEST(ExplainWrite, TellsNothingOfWhatAPolicyHides) {
  testing::FixedPolicies policies;
  QueryService::Options options;
  options.planner.policies = &policies;
  TestLake lake(options);
  make_table(lake);
  governance::TablePolicy policy;
  policy.row_filter = "id < 77777";
  policy.hidden_columns = {"name"};
  policies.set("*", "main.t", policy);
  const auto plan = lake.rows("EXPLAIN DELETE FROM t WHERE id = 3");
  ASSERT_THAT(plan, IsOk());
  const std::string text = to_json(*plan);
  EXPECT_THAT(text, AllOf(HasSubstr("would delete rows of main.t"), HasSubstr("that you may see"),
                          Not(HasSubstr("77777")), Not(HasSubstr("PARQUET"))));
  EXPECT_THAT(effect(lake, "UPDATE t SET name = 'x'"), HasSubstr("no column 'name'"));
  EXPECT_THAT(effect(lake, "DELETE FROM t WHERE name = 'n3'"), StartsWith("INVALID"));
  policies.deny("main.t");
  for (const char* sql :
       {"DELETE FROM t", "INSERT INTO t VALUES (1, 'x')", "INSERT INTO t SELECT id, name FROM t"}) {
    EXPECT_THAT(effect(lake, sql), StartsWith("PERMISSION_DENIED")) << sql;
  }
}

}  // namespace
}  // namespace lakehouse::query
