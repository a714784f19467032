#include "query/query_log.h"

#include <filesystem>

#include <boost/json/array.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "base/testing/matchers.h"
#include "engine/testing/engine_fixture.h"

namespace lakehouse::query {
namespace {

using engine::testing::patient_context;
using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;

LoggedQuery entry(std::string principal, std::string code = "OK") {
  LoggedQuery query;
  query.id = new_uuid();
  query.principal = std::move(principal);
  query.sql = "SELECT $1 -- \u00e4";
  query.params = boost::json::array{1};
  query.started_at_ms = 1'700'000'000'000;
  query.elapsed_us = 1'234;
  query.code = std::move(code);
  query.lane = engine::Lane::Heavy;
  query.attempts = 2;
  query.rows = 3;
  query.bytes = 4;
  query.scan_bytes = std::int64_t{5} << 40U;
  query.snapshot_ids = {{"main.t", 7'777'777'777'777'777'777}};
  return query;
}

class QueryLogTest : public ::testing::Test {
 protected:
  QueryLogTest() : metastore_(*metastore::open_sqlite((folder_ / "metastore.db").string())) {}
  ~QueryLogTest() override {
    metastore_.reset();
    std::filesystem::remove_all(folder_);
  }

  static std::filesystem::path make_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "lh-log-XXXXXX").string();
    return ::mkdtemp(name.data());
  }
  std::vector<std::string> ids(QueryLog& log, const QueryLog::Filter& filter = {}) {
    const auto page = log.list(patient_context(), filter, {.page_token = {}, .limit = 100});
    EXPECT_THAT(page, IsOk());
    std::vector<std::string> out;
    for (const LoggedQuery& query : page->items) {
      out.push_back(query.id);
    }
    return out;
  }

  std::filesystem::path folder_ = make_folder();
  std::unique_ptr<metastore::Metastore> metastore_;
};

TEST_F(QueryLogTest, KeepsWhatWasAddedAlsoForTheNextServer) {
  const LoggedQuery query = entry("alice");
  {
    QueryLog log(*metastore_, {});
    log.add(query);
    const auto found = log.find(patient_context(), query.id);
    ASSERT_THAT(found, IsOk());
    EXPECT_EQ(*found, query);
    EXPECT_THAT(log.find(patient_context(), "x"), FailsWith(ErrorCode::NotFound));
    log.add(entry("bob"));
  }
  QueryLog log(*metastore_, {});
  EXPECT_EQ(ids(log).size(), 2U);
}

TEST_F(QueryLogTest, ListsTheLatestFirstByPagesAndByFilter) {
  QueryLog log(*metastore_, {});
  std::vector<LoggedQuery> all;
  for (int i = 0; i < 10; ++i) {
    all.push_back(entry(i % 2 == 0 ? "alice" : "bob", i % 5 == 0 ? "NOT_FOUND" : "OK"));
    log.add(all.back());
  }
  catalog::PageRequest page{.page_token = {}, .limit = 4};
  std::vector<std::string> seen;
  do {
    const auto got = log.list(patient_context(), {}, page);
    ASSERT_THAT(got, IsOk());
    for (const LoggedQuery& query : got->items) {
      seen.push_back(query.id);
    }
    page.page_token = got->next_page_token;
  } while (!page.page_token.empty());
  ASSERT_EQ(seen.size(), 10U);
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(seen[i], all[9 - i].id);
  }
  EXPECT_EQ(ids(log, {.principal = "bob"}).size(), 5U);
  EXPECT_THAT(ids(log, {.principal = "bob", .failed_only = true}),
              ::testing::ElementsAre(all[5].id));
  EXPECT_EQ(ids(log, {.failed_only = true}).size(), 2U);
}

TEST_F(QueryLogTest, KeepsNoMoreThanItsLimit) {
  QueryLog log(*metastore_, {.rows_max = 5});
  std::string last;
  for (int i = 0; i < 23; ++i) {
    const LoggedQuery query = entry("alice");
    last = query.id;
    log.add(query);
    EXPECT_LE(ids(log).size(), 5U);
  }
  EXPECT_EQ(ids(log).front(), last);
  QueryLog none(*metastore_, {.rows_max = 0});
  none.add(entry("alice"));
  EXPECT_EQ(ids(log).front(), last);
}

}  // namespace
}  // namespace lakehouse::query
