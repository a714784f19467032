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
      {"FROM t WHERE id BETWEEN 100 + 5 AND 50 * 4 - 1", 1},
      {"FROM t WHERE id < 2147483647 + 1", 3},
      {"FROM t WHERE day < DATE '2024-01-01' + INTERVAL 20 DAY", 1},
      {"FROM t WHERE day < DATE '2024-01-01' + INTERVAL 1 MONTH", 2},
      {"FROM t WHERE day >= DATE '2024-03-31' - INTERVAL 1 MONTH", 1},
      {"FROM t WHERE moment >= DATE '2024-01-15' + INTERVAL '1 month 3 days'", 1},
      {"FROM t WHERE moment = DATE '2024-02-01' + 0", 1},
      {"FROM t WHERE day = make_date(2024, 2, 3)", 1},
      {"FROM t WHERE date_trunc('month', DATE '2024-02-20') = day", 1},
      {"FROM t WHERE day <> make_date(2024, 2, 3)", 3},
      {"FROM t WHERE day > current_date - 30", 0},
      {"FROM t WHERE NOT day > current_date - 30", 3},
      {"FROM t WHERE day BETWEEN today() - 1 AND today()", 0},
      {"FROM t WHERE moment > now()", 0},
      {"FROM t WHERE moment < now() - INTERVAL '7 days'", 3},
      {"FROM t JOIN u ON t.id = u.id WHERE t.day > today()", 0},
      // The clock's name may be a column's.
      {"FROM t JOIN u ON t.id = u.id WHERE t.day > current_date", 3},
      {"SELECT DATE '2024-01-01' AS current_date FROM t WHERE day > current_date", 3},
  };
  for (const auto& [sql, files] : cases) {
    EXPECT_EQ(files_read(sql), files) << sql;
  }
}

TEST_F(ConditionsTest, ExpressionsComeToWhatTheEngineSays) {
  const auto context = engine::testing::patient_context();
  for (const std::string sql :
       {"5 - 7 * 3", "2147483647 + CAST(1 AS BIGINT)", "5000000000 + 1", "'2024-01-31'::DATE + 1",
        "DATE '2024-01-31' + INTERVAL 1 MONTH", "DATE '2024-03-31' - INTERVAL '1 month 1 day'",
        "INTERVAL 2 HOUR + TIMESTAMP '1969-12-31 23:30:00.5'",
        "TIMESTAMP '2024-02-29' - to_years(1)", "(DATE '1960-02-29' + INTERVAL 90 MINUTE)::DATE",
        "date_trunc('week', DATE '2024-02-29')",
        "date_trunc('week', TIMESTAMP '1969-12-28 12:00:00')",
        "date_trunc('quarter', DATE '2024-08-09')",
        "date_trunc('hour', TIMESTAMP '1950-01-01 10:59:59')", "make_date(2000, 2, 29) - 366",
        "DATE '2024-12-31' + to_weeks(5) + INTERVAL 1 QUARTER", "3 + DATE '2024-01-01'"}) {
    auto parsed = testing::value_or_throw(lake_->engine().parse(context, "SELECT " + sql));
    const auto& node = parsed.at(0).tree.at("statements").at(0).at("node");
    const auto folded = fold_constant(node.at("select_list").at(0).as_object(), 0);
    const bool is_time = sql.find_first_of("D'") != std::string::npos || sql.contains("make_date");
    const std::string said =
        lake_->text(is_time ? "SELECT epoch_us(CAST(" + sql + " AS TIMESTAMP))" : "SELECT " + sql);
    if (!folded) {
      EXPECT_TRUE(sql.contains("CAST(1")) << sql;  // What is not plain is left alone.
    } else if (const auto* moment = std::get_if<Moment>(&*folded)) {
      EXPECT_EQ(moment->first_us, moment->last_us) << sql;
      EXPECT_EQ(said, fmt::format("[[{}]]", moment->first_us)) << sql;
    } else {
      EXPECT_EQ(said, fmt::format("[[{}]]", std::get<std::int64_t>(*folded))) << sql;
    }
  }
}

TEST_F(ConditionsTest, TheClockIsTodayOrTomorrow) {
  const auto context = engine::testing::patient_context();
  auto parsed =
      testing::value_or_throw(lake_->engine().parse(context, "SELECT now(), current_date"));
  const auto& list = parsed.at(0).tree.at("statements").at(0).at("node").at("select_list");
  constexpr std::int64_t kDay = std::int64_t{86'400'000'000};
  const auto now = fold_constant(list.at(0).as_object(), 10 * kDay + 5);
  EXPECT_EQ(now, FoldedConstant(Moment{.first_us = 10 * kDay, .last_us = 12 * kDay - 1}));
  const auto day = fold_constant(list.at(1).as_object(), 10 * kDay + 5);
  EXPECT_EQ(
      day,
      FoldedConstant(Moment{
          .first_us = 10 * kDay, .last_us = 11 * kDay, .is_day = true, .name = "current_date"}));
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
  EXPECT_EQ(lake_->text("SELECT id FROM t WHERE day = DATE '2024-01-03' + INTERVAL 1 MONTH"),
            "[[102]]");
  EXPECT_EQ(lake_->text("SELECT count(*) FROM t WHERE day < current_date AND moment < now()"),
            "[[30]]");
}

}  // namespace
}  // namespace lakehouse::query
