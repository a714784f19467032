#include "query/conditions.h"

#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/testing/matchers.h"
#include "query/planner.h"
#include "query/testing/lake_fixture.h"

namespace lakehouse::query {
namespace {

using iceberg::CompareOp;
using ::testing::HasSubstr;

/// A table of three files: ids 0..9, 100..109, 200..209, days in January, February and March.
class ConditionsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    lake_ = new testing::TestLake();
    run("CREATE TABLE t (id INTEGER, day DATE, moment TIMESTAMP, name VARCHAR, pay DECIMAL(9,2))");
    for (int month = 1; month <= 3; ++month) {
      run(
          fmt::format("INSERT INTO t SELECT {0} + i, DATE '2024-0{1}-01' + i::INT, "
                      "TIMESTAMP '2024-0{1}-01' + INTERVAL (i) HOUR, 'n{1}' || i, i * {1} "
                      "FROM range(10) r(i)",
                      (month - 1) * 100, month));
    }
    run("CREATE TABLE u AS SELECT i AS id FROM range(300) r(i)");
  }
  static void TearDownTestSuite() {
    delete lake_;
    lake_ = nullptr;
  }
  static void run(const std::string& sql) {
    const auto done = lake_->rows(sql);
    ASSERT_THAT(done, lakehouse::testing::IsOk()) << sql;
  }
  /// How many of t's files the statement reads.
  static std::size_t files_read(const std::string& sql) {
    const auto context = engine::testing::patient_context();
    auto parsed = testing::value_or_throw(lake_->engine().parse(context, sql));
    Planner planner(lake_->catalog(), lake_->engine(), lake_->source(), {});
    const auto planned =
        testing::value_or_throw(planner.plan(context, parsed.at(0).tree.as_object(), {}));
    std::size_t files = 0;
    for (const engine::Variable& variable : planned.variables) {
      const std::string text = to_json(variable.value);
      for (std::size_t at = text.find("/t-"); at != std::string::npos;
           at = text.find("/t-", at + 1)) {
        ++files;
      }
    }
    return files;
  }
  static testing::TestLake* lake_;
};
testing::TestLake* ConditionsTest::lake_ = nullptr;

TEST_F(ConditionsTest, FilesThatCannotMatchAreNotRead) {
  const std::vector<std::pair<std::string, std::size_t>> cases = {
      {"FROM t", 3},
      {"FROM t WHERE id = 105", 1},
      {"FROM t WHERE 105 = id", 1},
      {"FROM t WHERE id > 105", 2},
      {"FROM t WHERE 105 > id", 2},
      {"FROM t WHERE t.id >= 200 AND name = 'n31'", 1},
      {"FROM t WHERE id BETWEEN 50 AND 150", 1},
      {"FROM t WHERE id IN (1, 201)", 2},
      {"FROM t WHERE id = 5 OR id = 105", 2},
      {"FROM t WHERE id = 5 OR name = 'n31'", 2},
      {"FROM t WHERE id = 5 OR random() < 2", 3},
      {"FROM t WHERE id = 5 OR (id > 100 AND day < DATE '2024-02-28' AND random() < 2)", 2},
      {"FROM t WHERE NOT id = 5", 3},
      {"FROM t WHERE NOT id < 100", 2},
      {"FROM t WHERE NOT (id < 100 OR id > 150)", 1},
      {"FROM t WHERE NOT (id < 100 AND random() < 2)", 3},
      {"FROM t WHERE id NOT BETWEEN 5 AND 250", 1},
      {"FROM t WHERE id <> 5 AND id NOT IN (100, 101)", 3},
      {"FROM t WHERE id IS NULL", 0},
      {"FROM t WHERE id IS NOT NULL", 3},
      {"FROM t WHERE name LIKE 'n2%'", 1},
      {"FROM t WHERE name LIKE 'n2_'", 1},
      {"FROM t WHERE name LIKE '%2'", 3},
      {"FROM t WHERE name NOT LIKE 'n2%'", 2},
      {"FROM t WHERE name NOT LIKE 'n2_'", 3},
      {"FROM t WHERE starts_with(name, 'n3')", 1},
      {"FROM u LEFT JOIN t ON t.id = u.id WHERE t.id IS NULL", 3},
      {"FROM u LEFT JOIN t ON t.id = u.id WHERE t.id IS NOT NULL AND t.id < 50", 1},
      {"FROM t, u WHERE t.id = 5 OR u.id = 105", 3},
      {"FROM t, u WHERE (t.id = 5 AND u.id = 1) OR t.id = 205", 2},
      {"FROM t WHERE id + 1 = 5", 3},
      {"FROM t WHERE day = DATE '2024-02-03'", 1},
      {"FROM t WHERE day = '2024-02-03'", 1},
      {"FROM t WHERE moment < TIMESTAMP '2024-01-20 00:00:00'", 1},
      {"FROM t WHERE moment < '2024-01-20'", 1},
      {"FROM t WHERE moment < DATE '2024-01-20'", 1},
      {"FROM t WHERE day < DATE '2024-01-20 12:00:00'", 3},
      {"FROM t WHERE name >= 'n3'", 1},
      {"FROM t WHERE pay > 20", 1},
      {"FROM t WHERE id = 5000000000", 3},
      {"FROM t a WHERE a.id = 5", 1},
      {"FROM t a(x) WHERE x = 5", 3},
      {"FROM t JOIN u ON t.id = u.id WHERE t.id = 5", 1},
      {"FROM u LEFT JOIN t ON t.id = u.id WHERE t.id = 5", 1},
      {"FROM t, u WHERE t.id = 5 AND u.id = 105", 1},
      {"FROM t JOIN u USING (id) WHERE id = 5", 3},
      {"FROM u ANTI JOIN t USING (id) WHERE id = 5", 3},
      {"FROM t ASOF JOIN u ON t.id >= u.id WHERE t.id = 5", 3},
      {"FROM t POSITIONAL JOIN u WHERE t.id = 5", 3},
      {"FROM t TABLESAMPLE 100% WHERE id = 5", 3},
      {"SELECT * FROM t WHERE id = 5 USING SAMPLE 100%", 3},
      {"SELECT (SELECT count(*) FROM t WHERE id = 5) FROM u", 1},
      {"SELECT a.id FROM t a, t b WHERE a.id = 5 AND b.id = 105", 2},
      {"WITH t AS (SELECT 1 AS id) FROM t WHERE id = 1", 0},
      {"SELECT id AS day, id FROM t WHERE id < 0", 0},
  };
  for (const auto& [sql, files] : cases) {
    EXPECT_EQ(files_read(sql), files) << sql;
  }
}

TEST_F(ConditionsTest, PruningChangesNoAnswer) {
  EXPECT_EQ(lake_->text("SELECT count(*) FROM t WHERE id BETWEEN 5 AND 104"), "[[10]]");
  EXPECT_EQ(lake_->text("SELECT count(*), count(t.id) FROM u LEFT JOIN t ON t.id = u.id"),
            "[[300,30]]");
  EXPECT_EQ(lake_->text("SELECT count(*) FROM t WHERE id = 5000"), "[[0]]");
  EXPECT_EQ(lake_->text("SELECT count(*) FROM t WHERE NOT (id < 100 OR id > 104) OR id IS NULL"),
            "[[5]]");
  EXPECT_EQ(lake_->text("SELECT count(*) FROM u LEFT JOIN t ON t.id = u.id WHERE t.id IS NULL"),
            "[[270]]");
  EXPECT_EQ(lake_->text("SELECT id FROM t WHERE day = '2024-02-03'"), "[[102]]");
}

}  // namespace
}  // namespace lakehouse::query
