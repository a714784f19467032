#include "query/hot_tables.h"

#include <csignal>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/testing/matchers.h"
#include "query/testing/lake_fixture.h"

namespace lakehouse::query {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::HasSubstr;

/// A lake whose tables can be kept in memory, and a service that reads them there.
class HotTablesTest : public ::testing::Test {
 protected:
  HotTablesTest() { open({.bytes_max = std::uint64_t{256} << 20U}); }

  /// As a server's start does. Commits are seen when a test says so.
  void open(HotTables::Options options) {
    service_.reset();
    hot_.reset();
    options.check_interval = std::chrono::hours(1);
    hot_.emplace(lake_.catalog(), lake_.engine(), lake_.source(), manifests_, lake_.metastore(),
                 options);
    QueryService::Options service;
    service.planner.hot = &*hot_;
    service_.emplace(lake_.catalog(), lake_.engine(), lake_.source(), lake_.writer(), service);
  }

  static RequestContext context() { return engine::testing::patient_context(); }

  std::string hot(const std::string& sql, const std::string& as_of = "") {
    SqlRequest request;
    request.sql = sql;
    if (!as_of.empty()) {
      request.as_of = as_of;
    }
    auto answer = service_->run(context(), request);
    if (!answer) {
      return std::string(to_string(answer.error().code)) + ": " + answer.error().message;
    }
    std::string text = "[";
    while (true) {
      const auto bytes = answer->stream->next(answer->context);
      if (!bytes) {
        return bytes.error().message;
      }
      if (!*bytes) {
        break;
      }
      text += **bytes;
    }
    const auto all = parse_json(text + "]", "rows");
    return all ? to_json(*all) : text;
  }
  void run(const std::string& sql) { ASSERT_THAT(lake_.rows(sql), IsOk()) << sql; }
  void pin(const std::string& table, const std::vector<std::string>& key = {}) {
    const auto done = hot_->pin(context(), table, key, true);
    ASSERT_THAT(done, IsOk());
    EXPECT_EQ(to_string(done->state), "hot") << done->problem;
  }
  HotTable state_of(const std::string& table) {
    for (HotTable& one : hot_->stats().tables) {
      if (one.dataset == "main." + table || one.dataset == table) {
        return std::move(one);
      }
    }
    return {};
  }
  /// Removes the table's data files: what is still answered is in memory.
  void remove_files(const std::string& table) {
    const auto loaded = lake_.catalog().load_table(context(), {{"main"}, table});
    ASSERT_THAT(loaded, IsOk());
    const auto place = lake_.buckets().resolve(loaded->metadata->location + "/data/x");
    ASSERT_THAT(place, IsOk());
    std::filesystem::remove_all(
        std::filesystem::path(*place->store->local_path(place->key)).parent_path());
  }

  testing::TestLake lake_;
  iceberg::ManifestCache manifests_;
  std::optional<HotTables> hot_;
  std::optional<QueryService> service_;
};

TEST_F(HotTablesTest, APinnedTableIsReadFromMemory) {
  run("CREATE TABLE t AS SELECT range AS id, 'name ' || range AS name FROM range(1000)");
  pin("t", {"id"});
  remove_files("t");
  EXPECT_EQ(hot("SELECT count(*), sum(id), max(name) FROM t"), R"([[1000,499500,"name 999"]])");
  EXPECT_EQ(hot("SELECT name FROM t WHERE id = 77"), R"([["name 77"]])");
  EXPECT_EQ(hot_->stats().hits, 2U);
  EXPECT_EQ(state_of("t").rows, 1000);
  EXPECT_GT(state_of("t").bytes, 0U);
  EXPECT_EQ(state_of("t").key, std::vector<std::string>{"id"});
}

TEST_F(HotTablesTest, RowsAreFoundByTheKeysIndexAfterEveryChange) {
  run("CREATE TABLE t AS SELECT range AS id, 'name ' || range AS name FROM range(5000)");
  pin("t", {"id"});
  const std::uint64_t indexed = state_of("t").bytes;
  const auto check = [&](const std::string& when) {
    for (const char* sql :
         {"SELECT name FROM t WHERE id = 77 ORDER BY name",
          "SELECT count(*) FROM t WHERE id IN (1, 2, 4999, -1)",
          "SELECT name FROM t WHERE id = 1000000",
          "SELECT id FROM t WHERE id BETWEEN 10 AND 13 ORDER BY id",
          "SELECT id FROM t WHERE name = 'name 9'", "SELECT count(*) FROM t WHERE id IS NULL"}) {
      EXPECT_EQ(hot(sql), lake_.text(sql)) << when << ": " << sql;
    }
  };
  check("loaded");
  run("UPDATE t SET name = 'changed' WHERE id = 77");
  run("INSERT INTO t VALUES (1000000, 'new'), (NULL, 'null'), (77, 'twice')");
  check("changed");
  hot_->check_now();
  check("loaded again");
  run("DELETE FROM t WHERE id < 11");
  for (int i = 0; i < 7; ++i) {
    run(fmt::format("INSERT INTO t VALUES ({}, 'part')", i));
    hot_->check_now();
  }
  check("merged");
  pin("t", {"id", "name"});  // A key of two columns has none.
  EXPECT_LT(state_of("t").bytes, indexed);
  check("without an index");
}

TEST_F(HotTablesTest, CommitsAreRightAtOnceAndLoadedByTheirFilesAlone) {
  run("CREATE TABLE t AS SELECT range AS id FROM range(10)");
  pin("t");
  const std::string first = std::to_string(*state_of("t").snapshot_id);
  run("INSERT INTO t VALUES (100)");
  EXPECT_EQ(hot("SELECT count(*), max(id) FROM t"), "[[11,100]]");
  EXPECT_EQ(hot_->stats().partial_hits, 1U);
  hot_->check_now();
  EXPECT_EQ(hot("SELECT count(*), max(id) FROM t WHERE id >= 0"), "[[11,100]]");
  const HotStats stats = hot_->stats();
  EXPECT_EQ(stats.hits, 1U);
  EXPECT_EQ(stats.files_loaded, 2U);
  EXPECT_EQ(state_of("t").parts, 2U);
  // The earlier snapshot is a part of what is there.
  remove_files("t");
  EXPECT_EQ(hot("SELECT count(*), max(id) FROM t AT (VERSION => " + first + ")"), "[[10,9]]");
}

TEST_F(HotTablesTest, ManyCommitsAreMerged) {
  run("CREATE TABLE t AS SELECT range AS id FROM range(10)");
  pin("t", {"id"});
  for (int i = 0; i < 12; ++i) {
    run(fmt::format("INSERT INTO t VALUES ({})", 10 + i));
    hot_->check_now();
  }
  EXPECT_LE(state_of("t").parts, 6U);
  EXPECT_EQ(state_of("t").rows, 22);
  remove_files("t");
  EXPECT_EQ(hot("SELECT count(*), count(DISTINCT id), max(id) FROM t"), "[[22,22,21]]");
}

TEST_F(HotTablesTest, WhateverHappensToTheTableTheAnswersAreThoseOfItsFiles) {
  run("CREATE TABLE t (id INTEGER, name VARCHAR, tags STRUCT(a INTEGER, b VARCHAR))");
  run("INSERT INTO t SELECT range, 'n' || range, {'a': range, 'b': 'x'} FROM range(50)");
  pin("t");
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  const std::vector<std::string> steps = {
      "INSERT INTO t BY NAME SELECT 100 + range AS id, 'new' AS name FROM range(20)",
      "DELETE FROM t WHERE id % 7 = 3",
      "UPDATE t SET id = id + 1 WHERE id % 5 = 0",
      "DELETE FROM t WHERE id > 110",
      "INSERT INTO t BY NAME SELECT range AS id FROM range(5)",
  };
  const std::vector<std::string> changes = {
      "ALTER TABLE t ADD COLUMN extra DOUBLE",     "ALTER TABLE t RENAME COLUMN name TO label",
      "ALTER TABLE t ALTER COLUMN id TYPE BIGINT", "ALTER TABLE t RENAME COLUMN label TO name",
      "ALTER TABLE t DROP COLUMN extra",
  };
  std::size_t changed = 0;
  for (int i = 0; i < 20; ++i) {
    if (i % 4 == 3 && changed < changes.size()) {
      run(changes[changed++]);
    } else {
      const std::string& sql = steps[random() % steps.size()];
      if (!sql.contains("name") || changed < 2 || changed > 3) {
        run(sql);
      }
    }
    if (random() % 2 == 0) {
      hot_->check_now();
    }
    const std::string sql = "SELECT * FROM t ORDER BY ALL";
    EXPECT_EQ(hot(sql), lake_.text(sql)) << "step " << i;
  }
  EXPECT_GT(hot_->stats().hits + hot_->stats().partial_hits, 5U);
}

TEST_F(HotTablesTest, AnEngineThatWasStartedAgainReadsFilesUntilItHasLoadedThem) {
  run("CREATE TABLE t AS SELECT range AS id FROM range(10)");
  pin("t");
  EXPECT_EQ(hot("SELECT sum(id) FROM t"), "[[45]]");
  ::kill(lake_.engine().metrics().pid, SIGKILL);
  while (lake_.engine().metrics().starts < 2 || !lake_.engine().metrics().ready) {
    ASSERT_THAT(lake_.engine().wait_ready(context()), IsOk());
  }
  EXPECT_EQ(hot("SELECT sum(id), 1 FROM t"), "[[45,1]]");
  hot_->check_now();
  remove_files("t");
  EXPECT_EQ(hot("SELECT sum(id), 2 FROM t"), "[[45,2]]");
}

TEST_F(HotTablesTest, PinsSurviveTheServer) {
  run("CREATE TABLE t AS SELECT range AS id FROM range(10)");
  pin("t", {"id"});
  run("ALTER TABLE t RENAME TO renamed");
  open({.bytes_max = std::uint64_t{256} << 20U});
  hot_->check_now();
  EXPECT_EQ(to_string(state_of("renamed").state), "hot");
  EXPECT_THAT(hot_->evict(context(), "renamed"), IsOk());
  EXPECT_THAT(hot_->evict(context(), "renamed"), FailsWith(ErrorCode::NotFound));
  open({.bytes_max = std::uint64_t{256} << 20U});
  hot_->check_now();
  EXPECT_TRUE(hot_->stats().tables.empty());
}

TEST_F(HotTablesTest, ADroppedTableIsForgotten) {
  run("CREATE TABLE t AS SELECT range AS id FROM range(10)");
  pin("t");
  run("DROP TABLE t");
  run("CREATE TABLE t AS SELECT 'other' AS id");
  EXPECT_EQ(hot("FROM t"), R"([["other"]])");
  hot_->check_now();
  EXPECT_TRUE(hot_->stats().tables.empty());
}

TEST_F(HotTablesTest, WhatWasUsedLongestAgoMakesRoom) {
  // Random texts: they take in memory what they take on disk.
  for (const char* table : {"a", "b", "c"}) {
    run(
        fmt::format("CREATE TABLE {} AS SELECT hash(range) AS h, md5('{}' || range) AS m "
                    "FROM range(200000)",
                    table, table));
  }
  pin("a");
  // Room for two of them, whatever is expected of the third.
  open({.bytes_max = 3 * state_of("a").bytes - 1});
  hot_->check_now();
  pin("b");
  EXPECT_EQ(hot("SELECT count(*) FROM a"), "[[200000]]");
  EXPECT_EQ(hot("SELECT count(*) FROM b"), "[[200000]]");
  EXPECT_EQ(hot("SELECT count(*) FROM a"), "[[200000]]");  // By a plan that was kept.
  pin("c");
  EXPECT_EQ(to_string(state_of("b").state), "evicted");
  EXPECT_EQ(to_string(state_of("a").state), "hot");
  EXPECT_EQ(hot("SELECT count(*) FROM b"), "[[200000]]");
  hot_->check_now();  // Nothing that was used just now is taken out for it.
  EXPECT_EQ(to_string(state_of("b").state), "evicted");
  EXPECT_THAT(hot_->evict(context(), "a"), IsOk());
  EXPECT_EQ(hot("SELECT count(*), 1 FROM b"), "[[200000,1]]");
  hot_->check_now();
  EXPECT_EQ(to_string(state_of("b").state), "hot");
  EXPECT_LE(hot_->stats().bytes, hot_->stats().bytes_max);
}

TEST_F(HotTablesTest, ATableThatIsTooBigIsNotPinned) {
  run("CREATE TABLE t AS SELECT md5('' || range) AS m FROM range(100000)");
  open({.bytes_max = 100'000});
  EXPECT_THAT(hot_->pin(context(), "t", {}, true), FailsWith(ErrorCode::ResourceExhausted));
  EXPECT_TRUE(hot_->stats().tables.empty());
  EXPECT_EQ(hot("SELECT count(*) FROM t"), "[[100000]]");
}

TEST_F(HotTablesTest, RequestsCannotNameWhatTheEngineHolds) {
  run("CREATE TABLE t AS SELECT 1 AS id");
  pin("t");
  for (const char* sql :
       {"FROM lh_hot.main.p1", "FROM lh_hot.p1", "FROM p1", "WITH p1 AS (FROM p1) FROM p1",
        "WITH x AS (SELECT 2 AS id) FROM lh_hot.main.p1"}) {
    EXPECT_THAT(hot(sql), HasSubstr("NOT_FOUND")) << sql;
  }
  // Neither do their names hide it.
  EXPECT_EQ(hot("WITH p1 AS (SELECT 2 AS c1, 3 AS lh_file) SELECT id FROM t"), "[[1]]");
}

TEST_F(HotTablesTest, AKeyNamesColumns) {
  run("CREATE TABLE t AS SELECT 1 AS id, [1, 2] AS list");
  EXPECT_THAT(hot_->pin(context(), "t", {"none"}, true), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(hot_->pin(context(), "t", {"list"}, true), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(hot_->pin(context(), "none", {}, true), FailsWith(ErrorCode::NotFound));
}

}  // namespace
}  // namespace lakehouse::query
