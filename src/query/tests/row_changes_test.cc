#include <random>
#include <string>
#include <thread>
#include <vector>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/testing/matchers.h"
#include "iceberg/scan.h"
#include "query/testing/fixed_policies.h"
#include "query/testing/lake_fixture.h"

namespace lakehouse::query {
namespace {

using lakehouse::testing::IsOk;
using testing::TestLake;

constexpr std::string_view kAll = "FROM t ORDER BY ALL";

/// The files of main.t: data files, delete files that apply.
std::pair<std::size_t, std::size_t> files_of(TestLake& lake) {
  const RequestContext context = engine::testing::patient_context();
  const auto table = testing::value_or_throw(lake.catalog().load_table(context, {{"main"}, "t"}));
  iceberg::ManifestCache manifests;
  const auto plan = testing::value_or_throw(
      iceberg::plan_scan(context, lake.buckets(), manifests, *table.metadata,
                         table.metadata->current_snapshot()->snapshot_id));
  return {plan.tasks.size(), plan.delete_file_count};
}

void make_table(TestLake& lake, int format_version, const std::string& rest = "") {
  ASSERT_EQ(lake.text(fmt::format("CREATE TABLE t (id BIGINT, name VARCHAR, n INTEGER) {} WITH "
                                  "('format-version' = '{}')",
                                  rest, format_version)),
            "[[true]]");
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(
        lake.text(fmt::format("INSERT INTO t SELECT i, 'n' || i, i % 7 FROM range({}, {}) r(i)",
                              10 * i, 10 * i + 10)),
        "[[10]]");
  }
}

class RowChangesOf : public ::testing::TestWithParam<int> {
 protected:
  TestLake lake_;
};

INSTANTIATE_TEST_SUITE_P(FormatVersions, RowChangesOf, ::testing::Values(1, 2, 3));

TEST_P(RowChangesOf, DeleteTakesTheRowsThatMatch) {
  make_table(lake_, GetParam());
  EXPECT_EQ(lake_.text("DELETE FROM t WHERE id IN (3, 13, 99)"), "[[2]]");
  EXPECT_EQ(lake_.text("SELECT count(*), sum(id) FROM t"), "[[28,419]]");
  const auto [data, deletes] = files_of(lake_);
  EXPECT_EQ(data, GetParam() > 1 ? 3U : 2U) << "what is rewritten comes into one file";
  EXPECT_EQ(deletes > 0, GetParam() > 1) << "format version 1 has no row deletes";
  EXPECT_EQ(lake_.text("DELETE FROM t WHERE id IN (4, 3)"), "[[1]]");
  EXPECT_EQ(lake_.text("SELECT count(*), sum(id) FROM t"), "[[27,415]]");
  EXPECT_EQ(lake_.text("DELETE FROM t"), "[[27]]");
  EXPECT_EQ(lake_.text("SELECT count(*) FROM t"), "[[0]]");
  EXPECT_EQ(files_of(lake_).first, 0U);
}

TEST_P(RowChangesOf, UpdateGivesNewValuesAndKeepsTheOthers) {
  make_table(lake_, GetParam());
  EXPECT_EQ(lake_.text("UPDATE t SET n = n + 100, name = upper(name) WHERE id = 12"), "[[1]]");
  EXPECT_EQ(lake_.text("SELECT * FROM t WHERE id BETWEEN 11 AND 13 ORDER BY id"),
            R"([[11,"n11",4],[12,"N12",105],[13,"n13",6]])");
  EXPECT_EQ(lake_.text("UPDATE t AS x SET name = NULL WHERE x.id < 25"), "[[25]]");
  EXPECT_EQ(lake_.text("SELECT count(*), count(name), sum(id) FROM t"), "[[30,5,435]]");
}

TEST_P(RowChangesOf, WhatGoesMostlyIsWrittenAnew) {
  make_table(lake_, GetParam());
  EXPECT_EQ(lake_.text("DELETE FROM t WHERE id < 9 OR id = 15"), "[[10]]");
  EXPECT_EQ(lake_.text("SELECT id FROM t WHERE id < 12 ORDER BY id"), "[[9],[10],[11]]");
  EXPECT_EQ(files_of(lake_).second, GetParam() > 1 ? 1U : 0U);
}

TEST_P(RowChangesOf, MergeDoesEachThingInOneCommit) {
  make_table(lake_, GetParam(), "PARTITIONED BY (n)");
  EXPECT_EQ(
      lake_.text("MERGE INTO t USING (VALUES (1, 'one'), (2, 'two'), (50, 'new'), (51, 'no')) "
                 "AS s(id, name) ON t.id = s.id "
                 "WHEN MATCHED AND s.id = 2 THEN DELETE "
                 "WHEN MATCHED THEN UPDATE SET name = s.name, n = 6 "
                 "WHEN NOT MATCHED AND s.name = 'no' THEN DO NOTHING "
                 "WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name) "
                 "WHEN NOT MATCHED BY SOURCE AND t.id = 29 THEN DELETE "
                 "WHEN NOT MATCHED BY SOURCE AND t.id = 28 THEN UPDATE SET n = DEFAULT"),
      "[[5]]");
  EXPECT_EQ(lake_.text("SELECT * FROM t WHERE id < 3 OR id > 26 ORDER BY id"),
            R"([[0,"n0",0],[1,"one",6],[27,"n27",6],[28,"n28",null],[50,"new",null]])");
  const auto table = testing::value_or_throw(
      lake_.catalog().load_table(engine::testing::patient_context(), {{"main"}, "t"}));
  EXPECT_EQ(table.metadata->snapshots.size(), 4U);
}

TEST_P(RowChangesOf, RandomStatementsGiveWhatDuckDbGives) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::minstd_rand random(seed);
  const auto pick = [&random](int bound) {
    return static_cast<int>(random() % static_cast<unsigned>(bound));
  };
  const std::string columns =
      "(id BIGINT, name VARCHAR, n INTEGER, d DOUBLE, l INTEGER[], "
      "s STRUCT(a INTEGER, b VARCHAR), ts TIMESTAMP)";
  ASSERT_EQ(
      lake_.text(fmt::format("CREATE TABLE t {} {} WITH ('format-version' = '{}')", columns,
                             pick(2) == 0 ? "" : "PARTITIONED BY (bucket(3, id))", GetParam())),
      "[[true]]");
  std::vector<std::string> before{fmt::format("CREATE TEMP TABLE t {}", columns)};
  const auto rows = [&](int count) {
    return fmt::format(
        "SELECT {0} + i AS id, 'n' || (i * {1} % 97) AS name, i % 11 AS n, i / 4.0 AS d, [i, NULL] "
        "AS l, {{'a': i, 'b': 'x' || i}} AS s, TIMESTAMP '2024-01-01' + INTERVAL (i) HOUR AS ts "
        "FROM range({2}) r(i)",
        pick(200), 1 + pick(20), count);
  };
  const auto source = [&] {  // One row for each id.
    return fmt::format("(SELECT DISTINCT ON (id) id, name, n, d, l, s, ts FROM ({}) ORDER BY id)",
                       rows(1 + pick(40)));
  };
  for (int step = 0; step < 14; ++step) {
    std::string sql;
    switch (pick(7)) {
      case 0:
        sql = fmt::format("DELETE FROM t WHERE n = {} AND id % 3 = {}", pick(11), pick(3));
        break;
      case 1:
        sql = fmt::format("UPDATE t SET d = d * 2, n = n + 1 WHERE id % {} = 0", 2 + pick(9));
        break;
      case 2:
        sql = fmt::format(
            "UPDATE t SET s = {{'a': id::INTEGER, 'b': NULL}}, l = list_append(l, n), "
            "ts = NULL WHERE id BETWEEN {0} AND {0} + {1}",
            pick(200), pick(60));
        break;
      case 3:
        sql = fmt::format(
            "MERGE INTO t USING {} AS s ON t.id = s.id WHEN MATCHED AND s.n < 4 THEN "
            "DELETE WHEN MATCHED THEN UPDATE SET n = s.n, name = s.name || t.name "
            "WHEN NOT MATCHED THEN INSERT BY NAME",
            source());
        break;
      case 4:
        sql = fmt::format("DELETE FROM t USING {} AS s WHERE t.id = s.id AND s.n > 6", source());
        break;
      case 5:
        sql = fmt::format("UPDATE t SET d = s.d FROM {} AS s WHERE t.id = s.id", source());
        break;
      default: sql = "INSERT INTO t " + rows(1 + pick(150)); break;
    }
    SCOPED_TRACE(sql);
    const auto done = lake_.rows(sql);
    ASSERT_THAT(done, IsOk()) << sql;
    before.push_back(sql);
    engine::Statement expected;
    expected.text = kAll;
    expected.before = before;
    const auto want =
        lake_.engine().query_rows(engine::testing::patient_context(), std::move(expected));
    ASSERT_THAT(want, IsOk());
    boost::json::array all;
    for (const boost::json::array& row : want->rows) {
      all.push_back(row);
    }
    ASSERT_EQ(lake_.text(std::string(kAll)), to_json(boost::json::value(all)));
  }
}

TEST(RowChanges, ReturningGivesTheRowsAsTheyWereChanged) {
  TestLake lake;
  make_table(lake, 2);
  EXPECT_EQ(lake.text("DELETE FROM t WHERE id = 5 RETURNING *, id * 2 AS twice"),
            R"([[5,"n5",5,10]])");
  EXPECT_EQ(lake.text("UPDATE t AS x SET n = 0 WHERE id = 6 RETURNING x.id, n"), "[[6,0]]");
  EXPECT_EQ(lake.text("INSERT INTO t (id) VALUES (77) RETURNING id, name"), "[[77,null]]");
  EXPECT_EQ(lake.text("MERGE INTO t USING (SELECT 77 AS id) s ON t.id = s.id WHEN MATCHED THEN "
                      "UPDATE SET name = 'm' RETURNING merge_action, *"),
            R"([["UPDATE",77,"m",null]])");
  EXPECT_EQ(lake.text("DELETE FROM t WHERE false RETURNING id"), "[]");
  // What cannot be answered does not happen.
  EXPECT_TRUE(lake.text("DELETE FROM t WHERE id = 7 RETURNING name::INTEGER")
                  .starts_with("INVALID_ARGUMENT"));
  EXPECT_EQ(lake.text("SELECT id FROM t WHERE id = 7"), "[[7]]");
}

TEST(RowChanges, UpsertGoesByTheKey) {
  TestLake lake;
  make_table(lake, 2);
  EXPECT_EQ(lake.text("INSERT INTO t VALUES (1, 'a', 1), (100, 'b', 2) ON CONFLICT (id) DO UPDATE "
                      "SET name = excluded.name, n = t.n + 10"),
            "[[2]]");
  EXPECT_EQ(lake.text("FROM t WHERE id IN (1, 100) ORDER BY id"), R"([[1,"a",11],[100,"b",2]])");
  EXPECT_EQ(
      lake.text("INSERT INTO t VALUES (1, 'x', 0), (101, 'y', 0), (101, 'y', 0), (NULL, 'k', 0), "
                "(NULL, 'k', 0) ON CONFLICT (id) DO NOTHING"),
      "[[3]]");
  EXPECT_EQ(lake.text("FROM t WHERE id = 101"), R"([[101,"y",0]])");
  EXPECT_EQ(lake.text("INSERT INTO t AS o VALUES (1, 'z', 5) ON CONFLICT (id) DO UPDATE SET n = "
                      "excluded.n WHERE o.n > 1000"),
            "[[0]]");
  EXPECT_TRUE(lake.text("INSERT INTO t VALUES (1, 'p', 0), (1, 'q', 0) ON CONFLICT (id) DO UPDATE "
                        "SET name = excluded.name")
                  .starts_with("INVALID_ARGUMENT"));
  EXPECT_TRUE(lake.text("INSERT INTO t VALUES (200, 'p', 0), (200, 'q', 0) ON CONFLICT (id) DO "
                        "UPDATE SET name = excluded.name")
                  .contains("same key"));
  EXPECT_TRUE(lake.text("INSERT OR REPLACE INTO t VALUES (1, 'p', 0)").contains("key"));
}

TEST(RowChanges, ParametersKeepTheirNumbers) {
  TestLake lake;
  make_table(lake, 2);
  SqlRequest request;
  request.sql =
      "UPDATE t SET name = ?, n = s.x FROM (SELECT ?::INTEGER AS x) AS s WHERE id = ? "
      "RETURNING id, name, n, ? AS w";
  request.params = boost::json::array{"p", 42, 8, "w"};
  const auto rows = lake.rows(request);
  ASSERT_THAT(rows, IsOk());
  EXPECT_EQ(to_json(boost::json::value(*rows)), R"([[8,"p",42,"w"]])");
}

TEST(RowChanges, WhatCannotBeIsRefusedAtItsPlace) {
  TestLake lake;
  make_table(lake, 2);
  const auto refused = [&lake](const std::string& sql, std::string_view word, std::string_view at) {
    SCOPED_TRACE(sql);
    const auto rows = lake.rows(sql);
    ASSERT_FALSE(rows);
    EXPECT_EQ(rows.error().code, ErrorCode::InvalidArgument) << rows.error().message;
    EXPECT_TRUE(rows.error().message.contains(word)) << rows.error().message;
    if (!at.empty()) {
      EXPECT_EQ(rows.error().position_bytes, sql.find(at)) << rows.error().message;
    }
  };
  refused("UPDATE t SET nam = 1", "nam", "nam");
  refused("UPDATE t SET n = 1, N = 2", "twice", "N =");
  refused("UPDATE t SET n = unknown_column", "unknown_column", "unknown_column");
  refused("UPDATE t SET n = row_number() OVER ()", "window", "row_number");
  refused("UPDATE t SET n = unnest([1, 2])", "unnest", "unnest");
  refused("UPDATE t SET n = 'x'", "x", "");
  refused("UPDATE t SET n = read_text('/etc/passwd')", "read_text", "read_text");
  refused("DELETE FROM t WHERE id = (SELECT max(id) FROM read_csv('/etc/passwd'))", "read_csv", "");
  refused("DELETE FROM t WHERE id = 1) OR (true", "", "");
  refused("DELETE FROM t USING u LIMIT 3 WHERE true", "", "");
  refused("WITH t AS (SELECT 1 AS id) DELETE FROM t", "common table expression", "");
  refused("UPDATE t SET name = s.v FROM (VALUES (1, 'a'), (1, 'b')) s(id, v) WHERE t.id = s.id",
          "several", "");
  refused("MERGE INTO t USING (VALUES (1), (1)) s(id) ON t.id = s.id WHEN MATCHED THEN DELETE",
          "several", "");
  refused("MERGE INTO t USING (SELECT 1 AS id) s ON t.id = s.id WHEN MATCHED THEN ERROR 'no'", "no",
          "");
  EXPECT_EQ(lake.text("SELECT count(*), sum(id), sum(n) FROM t"), "[[30,435,85]]");
}

TEST(RowChanges, RequiredColumnsStayFilled) {
  TestLake lake;
  ASSERT_EQ(lake.text("CREATE TABLE t (id BIGINT NOT NULL, name VARCHAR)"), "[[true]]");
  ASSERT_EQ(lake.text("INSERT INTO t VALUES (1, 'a'), (2, 'b')"), "[[2]]");
  EXPECT_TRUE(lake.text("UPDATE t SET id = NULL WHERE id = 2").contains("id"));
  EXPECT_EQ(lake.text("FROM t ORDER BY id"), R"([[1,"a"],[2,"b"]])");
}

TEST(RowChanges, ATransactionIsOneCommitOfSeveralTables) {
  TestLake lake;
  make_table(lake, 2);
  ASSERT_EQ(lake.text("CREATE TABLE u (id BIGINT, what VARCHAR)"), "[[true]]");
  EXPECT_EQ(lake.text("BEGIN; INSERT INTO u SELECT id, 'moved' FROM t WHERE id < 3; DELETE FROM t "
                      "WHERE id IN (SELECT id FROM u); UPDATE u SET what = 'gone' WHERE id = 1; "
                      "SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM u); COMMIT;"),
            "[[27,3]]");
  EXPECT_EQ(lake.text("FROM u ORDER BY id"), R"([[0,"moved"],[1,"gone"],[2,"moved"]])");
  EXPECT_EQ(lake.text("SELECT count(*) FROM t"), "[[27]]");
  EXPECT_EQ(lake.text("BEGIN; DELETE FROM t; SELECT count(*) FROM t; ROLLBACK"), "[[0]]");
  EXPECT_EQ(lake.text("SELECT count(*) FROM t"), "[[27]]");
  EXPECT_TRUE(lake.text("BEGIN; DELETE FROM t; UPDATE u SET id = 'x'; COMMIT")
                  .starts_with("INVALID_ARGUMENT"));
  EXPECT_EQ(lake.text("SELECT count(*) FROM t"), "[[27]]");
  EXPECT_TRUE(lake.text("BEGIN; CREATE TABLE v (a INTEGER); COMMIT").contains("transaction"));
  EXPECT_TRUE(lake.text("DELETE FROM t; DELETE FROM u").contains("one statement"));
}

TEST(RowChanges, ARepetitionIsAnsweredByItsReceipt) {
  TestLake lake;
  make_table(lake, 2);
  SqlRequest request;
  request.sql = "UPDATE t SET n = n + 1 WHERE id < 2 RETURNING id, n";
  request.idempotency_key = "k1";
  request.fingerprint = "f";
  for (int i = 0; i < 2; ++i) {
    const auto rows = lake.rows(request);
    ASSERT_THAT(rows, IsOk());
    EXPECT_EQ(to_json(boost::json::value(*rows)), "[[0,1],[1,2]]");
  }
  request.sql = "DELETE FROM t WHERE id = 12345";
  request.idempotency_key = "k2";
  EXPECT_THAT(lake.rows(request), IsOk());
  EXPECT_THAT(lake.rows(request), IsOk());
  EXPECT_EQ(lake.text("SELECT sum(n) FROM t"), "[[87]]");
}

TEST(RowChanges, WritersOfOneTableDoNotLoseUpdates) {
  TestLake lake;
  ASSERT_EQ(lake.text("CREATE TABLE t (id BIGINT, n BIGINT)"), "[[true]]");
  ASSERT_EQ(lake.text("INSERT INTO t VALUES (1, 0)"), "[[1]]");
  std::vector<std::thread> threads;
  for (int who = 0; who < 4; ++who) {
    threads.emplace_back([&lake, who] {
      for (int i = 0; i < 4; ++i) {
        const std::string sql =
            who == 3 ? "INSERT INTO t VALUES (2, 0)" : "UPDATE t SET n = n + 1 WHERE id = 1";
        EXPECT_EQ(lake.text(sql), "[[1]]");
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(lake.text("SELECT n FROM t WHERE id = 1"), "[[12]]");
  EXPECT_EQ(lake.text("SELECT count(*) FROM t"), "[[5]]");
}

TEST(RowChanges, PoliciesHoldForWhatIsChanged) {
  testing::FixedPolicies policies;
  QueryService::Options options;
  options.planner.policies = &policies;
  TestLake lake(options);
  make_table(lake, 2);
  governance::TablePolicy policy;
  policy.row_filter = "id < 20";
  policy.masks.push_back({.column = "name", .kind = governance::ColumnMask::Kind::Null});
  policy.hidden_columns = {"n"};
  policies.set("*", "main.t", policy);
  // Rows that are not seen are not touched, and what is not seen cannot be asked.
  EXPECT_EQ(lake.text("DELETE FROM t WHERE id IN (19, 20)"), "[[1]]");
  EXPECT_EQ(lake.text("DELETE FROM t WHERE name = 'n3'"), "[[0]]");
  EXPECT_TRUE(lake.text("UPDATE t SET id = 0 WHERE n = 1").starts_with("INVALID_ARGUMENT"));
  EXPECT_TRUE(lake.text("UPDATE t SET n = 1").starts_with("INVALID_ARGUMENT"));
  EXPECT_TRUE(lake.text("UPDATE t SET id = id + 1000 WHERE id = 4").starts_with("PERMISSION"));
  // What is not seen stays as it is.
  EXPECT_EQ(lake.text("UPDATE t SET id = id - 1000 WHERE id = 4 RETURNING *"), "[[-996,null]]");
  EXPECT_EQ(lake.text("UPDATE t SET name = coalesce(name, 'new') WHERE id = 5 RETURNING name"),
            R"([["new"]])");
  policies.clear();
  EXPECT_EQ(lake.text("FROM t WHERE id IN (-996, 4, 5, 20) ORDER BY id"),
            R"([[-996,"n4",4],[5,"new",5],[20,"n20",6]])");
}

TEST(RowChanges, DeletesOfAnOlderFormatGoIntoVectors) {
  TestLake lake;
  make_table(lake, 2);
  ASSERT_EQ(lake.text("DELETE FROM t WHERE id = 3"), "[[1]]");
  ASSERT_EQ(lake.text("ALTER TABLE t SET ('format-version' = '3')"), "[[true]]");
  EXPECT_EQ(lake.text("DELETE FROM t WHERE id = 5"), "[[1]]");
  EXPECT_EQ(lake.text("SELECT id FROM t WHERE id < 7 ORDER BY id"), "[[0],[1],[2],[4],[6]]");
}

}  // namespace
}  // namespace lakehouse::query
