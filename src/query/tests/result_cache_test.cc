#include "query/result_cache.h"

#include <optional>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/testing/matchers.h"
#include "query/testing/lake_fixture.h"

namespace lakehouse::query {
namespace {

using lakehouse::testing::IsOk;

class ResultCacheTest : public ::testing::Test {
 protected:
  struct Told {
    std::string rows;
    bool is_cached = false;
    std::string tag;
  };

  static SqlRequest request_of(const std::string& sql) {
    SqlRequest request;
    request.sql = sql;
    return request;
  }
  Told ask(const SqlRequest& request) {
    auto answer = lake_.service().run(engine::testing::patient_context(), request);
    if (!answer) {
      return {answer.error().message, false, ""};
    }
    Told told{"", answer->is_cached, answer->tag};
    while (true) {
      const auto bytes = answer->stream->next(answer->context);
      if (!bytes || !*bytes) {
        return told;
      }
      told.rows += **bytes;
    }
  }
  Told ask(const std::string& sql) { return ask(request_of(sql)); }
  void run(const std::string& sql) { ASSERT_THAT(lake_.rows(sql), IsOk()) << sql; }

  testing::TestLake lake_;
};

TEST_F(ResultCacheTest, TheSameStatementIsAnsweredFromMemoryUntilItsTablesChange) {
  run("CREATE TABLE t AS SELECT range AS id FROM range(10)");
  const Told first = ask("SELECT sum(id) FROM t");
  EXPECT_FALSE(first.is_cached);
  const Told second = ask("SELECT sum(id) FROM t");
  EXPECT_TRUE(second.is_cached);
  EXPECT_EQ(second.rows, first.rows);
  EXPECT_EQ(second.tag, first.tag);
  EXPECT_FALSE(first.tag.empty());
  run("INSERT INTO t VALUES (100)");
  const Told third = ask("SELECT sum(id) FROM t");
  EXPECT_FALSE(third.is_cached);
  EXPECT_EQ(third.rows, "[145]");
  EXPECT_NE(third.tag, first.tag);
}

TEST_F(ResultCacheTest, WhatElseTheAnswerDependsOnIsInTheKey) {
  run("CREATE TABLE t AS SELECT range AS id FROM range(10)");
  SqlRequest request = request_of("SELECT id FROM t WHERE id > $1 ORDER BY id");
  request.params = boost::json::array{7};
  EXPECT_EQ(ask(request).rows, "[8],\n[9]");
  EXPECT_TRUE(ask(request).is_cached);
  request.params = boost::json::array{8};
  EXPECT_EQ(ask(request).rows, "[9]");
  request.params = boost::json::array{"8"};
  EXPECT_FALSE(ask(request).is_cached);
  request.params = boost::json::array{7};
  request.limit = 1;
  EXPECT_EQ(ask(request).rows, "[8]");
  request.limit.reset();
  request.encoding = engine::Encoding::Csv;
  EXPECT_EQ(ask(request).rows, "id\r\n8\r\n9\r\n");
}

TEST_F(ResultCacheTest, WhatGivesSomethingElseEachTimeIsNotKept) {
  run("CREATE TABLE t AS SELECT range AS id FROM range(1000)");
  for (const char* sql :
       {"SELECT random()", "SELECT now()", "SELECT current_timestamp", "SELECT uuid()",
        "SELECT count(*) FROM t WHERE id < random() * 500", "FROM t USING SAMPLE 5",
        "WITH x AS (SELECT gen_random_uuid() AS u) FROM x, t LIMIT 1", "SELECT today()"}) {
    const Told first = ask(sql);
    EXPECT_TRUE(first.tag.empty()) << sql << ": " << first.rows;
    EXPECT_FALSE(ask(sql).is_cached) << sql;
  }
}

TEST_F(ResultCacheTest, NamesThatMeanSomethingElseByNowAreSeen) {
  run("CREATE TABLE Orders AS SELECT 1 AS a");
  EXPECT_EQ(ask("SELECT a FROM ORDERS").rows, "[1]");
  EXPECT_TRUE(ask("SELECT a FROM ORDERS").is_cached);
  run("CREATE TABLE ORDERS AS SELECT 2 AS a");
  EXPECT_EQ(ask("SELECT a FROM ORDERS").rows, "[2]");
  run("DROP TABLE ORDERS");
  EXPECT_EQ(ask("SELECT a FROM ORDERS").rows, "[1]");
}

TEST_F(ResultCacheTest, ViewsThatWereReplacedAreSeen) {
  run("CREATE TABLE t AS SELECT 1 AS a");
  if (!lake_.rows("CREATE VIEW v AS SELECT a FROM t")) {
    GTEST_SKIP() << "no views in SQL yet";
  }
  EXPECT_EQ(ask("FROM v").rows, "[1]");
  EXPECT_TRUE(ask("FROM v").is_cached);
  run("CREATE OR REPLACE VIEW v AS SELECT a + 1 AS a FROM t");
  EXPECT_EQ(ask("FROM v").rows, "[2]");
  run("INSERT INTO t VALUES (5)");
  EXPECT_EQ(ask("SELECT sum(a) FROM v").rows, "[8]");
}

TEST_F(ResultCacheTest, TheCatalogsOwnTablesAreNeverOld) {
  EXPECT_EQ(ask("SELECT count(*) FROM information_schema.tables").rows, "[0]");
  run("CREATE TABLE t AS SELECT 1 AS a");
  EXPECT_EQ(ask("SELECT count(*) FROM information_schema.tables").rows, "[1]");
}

TEST_F(ResultCacheTest, WhoKnowsTheTagIsToldThatNothingChanged) {
  run("CREATE TABLE t AS SELECT 1 AS a");
  SqlRequest request = request_of("FROM t ORDER BY a");
  const Told first = ask(request);
  request.knows_tag = [&](std::string_view tag) { return tag == first.tag; };
  auto answer = lake_.service().run(engine::testing::patient_context(), request);
  ASSERT_THAT(answer, IsOk());
  EXPECT_TRUE(answer->is_unchanged);
  EXPECT_EQ(answer->stream, nullptr);
  EXPECT_TRUE(lake_.service().running().empty());
  run("INSERT INTO t VALUES (2)");
  EXPECT_EQ(ask(request).rows, "[1],\n[2]");
}

TEST_F(ResultCacheTest, AStreamThatIsNotReadToItsEndIsNotKept) {
  const std::string sql = "SELECT range FROM range(200000)";
  {
    auto answer = lake_.service().run(engine::testing::patient_context(), request_of(sql));
    ASSERT_THAT(answer, IsOk());
    ASSERT_THAT(answer->stream->next(answer->context), IsOk());
  }
  EXPECT_FALSE(ask(sql).is_cached);
}

/// Rows that are there already.
class Ready final : public engine::ResultStream {
 public:
  explicit Ready(std::string bytes) : bytes_(std::move(bytes)) {}
  [[nodiscard]] const std::vector<engine::Column>& columns() const override { return columns_; }
  Result<std::optional<std::string>> next(const RequestContext& /*context*/) override {
    return std::exchange(bytes_, std::nullopt);
  }
  [[nodiscard]] int fd() const override { return -1; }
  Result<Poll> try_next() override {
    return Poll{.ready = true, .bytes = std::exchange(bytes_, std::nullopt)};
  }
  [[nodiscard]] const engine::ResultEnd& end() const override { return end_; }

 private:
  std::vector<engine::Column> columns_{{"a", "BIGINT"}};
  std::optional<std::string> bytes_;
  engine::ResultEnd end_{.row_count = 1, .truncated = false};
};

TEST(ResultCacheBounds, TheLastUsedAnswersStay) {
  ResultCache cache(64 * 1024);
  const auto put = [&](const std::string& key, std::size_t size) {
    const auto stream = cache.keep(key, std::make_unique<Ready>(std::string(size, 'x')));
    while (stream->try_next()->bytes) {
    }
  };
  put("long", 5000);  // More than a sixteenth.
  EXPECT_EQ(cache.find("long"), nullptr);
  put("first", 1000);
  for (int i = 0; i < 100; ++i) {
    put(fmt::format("{}", i), 1000);
    ASSERT_NE(cache.find("first"), nullptr);
  }
  EXPECT_EQ(cache.find("0"), nullptr);
  EXPECT_NE(cache.find("99"), nullptr);
  EXPECT_LE(cache.stats().bytes, cache.stats().bytes_max);
  EXPECT_GT(cache.stats().entries, 20U);
  cache.clear();
  EXPECT_EQ(cache.stats().bytes, 0U);
  EXPECT_EQ(cache.find("first"), nullptr);
}

}  // namespace
}  // namespace lakehouse::query
