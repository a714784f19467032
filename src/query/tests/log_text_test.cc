#include "query/log_text.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "base/testing/matchers.h"
#include "query/query_log.h"
#include "query/testing/lake_fixture.h"

namespace lakehouse::query {
namespace {

using engine::testing::patient_context;
using lakehouse::testing::IsOk;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string bound(std::string_view sql) {
  return log_text(LogText::Masked, LogStage::Bound, sql);
}

TEST(LogText, MaskedHasNoLiteralAndNoComment) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"SELECT * FROM t WHERE name = 'O''Neil' AND pay > 1e5 -- about O'Neil",
       "SELECT * FROM t WHERE name = ? AND pay > ?"},
      {"SELECT /* secret */ a1, $tag$ secret $tag$, E'a\\'secret', x'00ff', 0xFF, .5, 1_000",
       "SELECT a1, ?, ?, ?, ?, ?, ?"},
      {"INSERT INTO t VALUES (-1, 'a'),\n  (?, $2, $name)",
       "INSERT INTO t VALUES (-?, ?), (?, $2, $name)"},
      {"UPDATE \"my table\" SET a = 'x' WHERE b IN (1,2) ",
       "UPDATE \"my table\" SET a = ? WHERE b IN (?,?)"},
      {"FROM t WHERE d > DATE '2024-01-01' LIMIT 5;", "FROM t WHERE d > DATE ? LIMIT ?;"},
      {"SELECT {'k': 1}, MAP {'k': 2}, [3], 1abc", "SELECT {?: ?}, MAP {?: ?}, [?], ?abc"},
      {"SELECT 'a'\n'b', \u00e4\u00f6 FROM t", "SELECT ? ?, \u00e4\u00f6 FROM t"},
      {"", ""},
  };
  for (const auto& [sql, text] : cases) {
    EXPECT_EQ(bound(sql), text);
  }
  EXPECT_EQ(bound("SELECT " + std::string(5000, 'a')).size(), 2000U);
}

TEST(LogText, WhatIsNotKnownToBeAStatementIsKindAndLength) {
  const auto sent = [](LogText how, std::string_view sql) {
    return log_text(how, LogStage::Sent, sql);
  };
  EXPECT_EQ(sent(LogText::Full, "hunter2"), "hunter2");
  EXPECT_EQ(sent(LogText::Masked, "hunter2"), "a statement (7 bytes)");
  EXPECT_EQ(sent(LogText::Masked, "select hunter2 hunter2 2"), "SELECT (24 bytes)");
  EXPECT_EQ(sent(LogText::Masked, "SELECT 'hunter2"), "a statement (15 bytes)");
  EXPECT_EQ(log_text(LogText::Off, LogStage::Bound, "/* hunter2 */ DELETE FROM t"),
            "DELETE (27 bytes)");
  // Who comes from elsewhere may take such quotes for those of a string.
  EXPECT_EQ(log_text(LogText::Masked, LogStage::Parsed, "FROM t WHERE a = \"hunter2\""),
            "FROM t WHERE a = ?");
  EXPECT_THAT(log_text_from("masked"), lakehouse::testing::IsOkAnd(LogText::Masked));
  EXPECT_THAT(log_text_from("mask"), lakehouse::testing::FailsWith(ErrorCode::InvalidArgument));
}

/// A lake whose statements are kept in a log.
class LoggingLake {
 public:
  explicit LoggingLake(LogText how)
      : metastore_(
            testing::value_or_throw(metastore::open_sqlite((folder_.path / "log.db").string()))),
        log_(*metastore_, {}),
        lake_(options(log_, how)) {}

  testing::TestLake& lake() { return lake_; }
  /// The last statement's entry, which is there once its rows have been read.
  LoggedQuery last() {
    const auto page = log_.list(patient_context(), {}, {.page_token = {}, .limit = 1});
    return page && !page->items.empty() ? page->items.front() : LoggedQuery();
  }

 private:
  static QueryService::Options options(QueryLog& log, LogText how) {
    QueryService::Options out;
    out.log = &log;
    out.log_text = how;
    return out;
  }
  /// The first to come and the last to go.
  struct Folder {
    std::string name = (std::filesystem::temp_directory_path() / "lh-log-XXXXXX").string();
    std::filesystem::path path = ::mkdtemp(name.data());
    Folder() = default;
    ~Folder() { std::filesystem::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
  } folder_;
  std::unique_ptr<metastore::Metastore> metastore_;
  QueryLog log_;
  testing::TestLake lake_;
};

/// What lineage keeps of statements.
std::string lineage_of(testing::TestLake& lake) {
  std::string out;
  const Status read =
      lake.metastore().read(patient_context(), [&](metastore::Transaction& transaction) -> Status {
        LH_ASSIGN_OR_RETURN(const auto rows, transaction.query("SELECT detail FROM lineage_runs"));
        for (const metastore::Row& row : rows) {
          out += metastore::text(row[0]) + "\n";
        }
        return {};
      });
  EXPECT_THAT(read, IsOk());
  return out;
}

TEST(LogText, HoldsForTheLogForWhatRunsAndForLineage) {
  LoggingLake logging(LogText::Masked);
  testing::TestLake& lake = logging.lake();
  ASSERT_EQ(lake.text("CREATE TABLE t AS SELECT 'hunter2' AS a, 1 AS \"my b\""), "[[1]]");
  EXPECT_EQ(logging.last().sql, "CREATE TABLE t AS SELECT ? AS a, ? AS \"my b\"");
  EXPECT_FALSE(logging.last().sql_is_whole);
  ASSERT_EQ(lake.text("CREATE TABLE u AS SELECT a FROM t WHERE a = 'hunter2'"), "[[1]]");
  EXPECT_THAT(lineage_of(lake), AllOf(HasSubstr("WHERE a = ?"), Not(HasSubstr("hunter2"))));
  SqlRequest request;
  request.sql = "SELECT \"my b\" FROM t WHERE a = $1";
  request.params = boost::json::array{"hunter2"};
  ASSERT_THAT(lake.rows(request), IsOk());
  EXPECT_EQ(logging.last().sql, request.sql);
  EXPECT_TRUE(logging.last().sql_is_whole);
  EXPECT_FALSE(logging.last().params_are_whole);
  EXPECT_TRUE(logging.last().params.is_null());
  // Of what fails, neither a name that may be a string nor the error's words.
  EXPECT_THAT(lake.text("SELECT * FROM t WHERE a = \"hunter2\""), HasSubstr("hunter2"));
  EXPECT_EQ(logging.last().sql, "SELECT * FROM t WHERE a = ?");
  EXPECT_EQ(logging.last().code, "INVALID_ARGUMENT");
  EXPECT_EQ(logging.last().message, "");
  EXPECT_THAT(lake.text("SELECT CAST(a AS INT) FROM t"), HasSubstr("hunter2"));
  EXPECT_EQ(logging.last().sql, "SELECT CAST(a AS INT) FROM t");
  EXPECT_EQ(logging.last().message, "");
  EXPECT_THAT(lake.text("hunter2 hunter2"), HasSubstr("hunter2"));
  EXPECT_EQ(logging.last().sql, "a statement (15 bytes)");
  EXPECT_THAT(lake.text("BEGIN; SELECT * FORM hunter2; COMMIT"), HasSubstr("INVALID"));
  EXPECT_EQ(logging.last().sql, "BEGIN (36 bytes)");
  EXPECT_EQ(lake.text("BEGIN; INSERT INTO t VALUES ('hunter2', 2); COMMIT"), "[[1]]");
  EXPECT_EQ(logging.last().sql, "BEGIN; INSERT INTO t VALUES (?, ?); COMMIT");
}

TEST(LogText, FullIsAsItWasAndOffIsNothingOfIt) {
  LoggingLake full(LogText::Full);
  EXPECT_THAT(full.lake().text("SELECT 'hunter2'::INT -- why"), HasSubstr("hunter2"));
  EXPECT_EQ(full.last().sql, "SELECT 'hunter2'::INT -- why");
  EXPECT_THAT(full.last().message, HasSubstr("hunter2"));
  LoggingLake off(LogText::Off);
  EXPECT_EQ(off.lake().text("SELECT 1"), "[[1]]");
  EXPECT_EQ(off.last().sql, "SELECT (8 bytes)");
  EXPECT_FALSE(off.last().sql_is_whole);
}

}  // namespace
}  // namespace lakehouse::query
