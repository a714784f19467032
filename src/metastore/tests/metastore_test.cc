#include "metastore/metastore.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <latch>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "base/id.h"
#include "base/testing/matchers.h"
#include "metastore/migrations.h"

namespace lakehouse::metastore {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;

class MetastoreTest : public ::testing::Test {
 protected:
  MetastoreTest() { reopen(); }
  ~MetastoreTest() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  void reopen() {
    store_.reset();
    std::filesystem::create_directories(folder_);
    auto opened = open_sqlite(path_);
    ASSERT_THAT(opened, IsOk());
    store_ = *std::move(opened);
  }

  Status put(const std::string& name, const std::string& value) {
    return store_->write(context_, [&](Transaction& transaction) -> Status {
      LH_RETURN_IF_ERROR(
          transaction.execute("INSERT INTO settings (name, value) VALUES ($1, $2)", {name, value}));
      return {};
    });
  }

  std::string get(const std::string& name) {
    std::string value = "(none)";
    EXPECT_THAT(
        store_->read(context_,
                     [&](Transaction& transaction) -> Status {
                       LH_ASSIGN_OR_RETURN(
                           const auto rows,
                           transaction.query("SELECT value FROM settings WHERE name = $1", {name}));
                       if (!rows.empty()) {
                         value = text(rows[0][0]);
                       }
                       return {};
                     }),
        IsOk());
    return value;
  }

  // Runs SQL beside the store, as another program would.
  void run_raw(const std::string& sql) const {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(db);
  }

  const std::string folder_ =
      (std::filesystem::temp_directory_path() / ("metastore-" + new_token(8))).string();
  const std::string path_ = folder_ + "/metastore.db";
  std::unique_ptr<Metastore> store_;
  RequestContext context_;
};

TEST_F(MetastoreTest, WhatWasWrittenIsThereAfterAReopen) {
  ASSERT_THAT(put("a", "it's \"1\""), IsOk());
  reopen();
  EXPECT_EQ(get("a"), "it's \"1\"");
}

TEST_F(MetastoreTest, EveryKindOfValueComesBackAsItWas) {
  EXPECT_THAT(store_->read(context_,
                           [](Transaction& transaction) -> Status {
                             LH_ASSIGN_OR_RETURN(
                                 const auto rows,
                                 transaction.query("SELECT $1, $2, $3, $4, $1",
                                                   {std::int64_t{1} << 62, std::string("a\0b", 3),
                                                    0.5, std::monostate()}));
                             EXPECT_EQ(integer(rows[0][0]), std::int64_t{1} << 62);
                             EXPECT_EQ(text(rows[0][1]), std::string("a\0b", 3));
                             EXPECT_EQ(std::get<double>(rows[0][2]), 0.5);
                             EXPECT_TRUE(is_null(rows[0][3]));
                             EXPECT_EQ(rows[0][4], rows[0][0]);
                             return {};
                           }),
              IsOk());
}

TEST_F(MetastoreTest, FailedWorkLeavesNothing) {
  const Status written = store_->write(context_, [&](Transaction& transaction) -> Status {
    LH_RETURN_IF_ERROR(transaction.execute("INSERT INTO settings (name, value) VALUES ('a', '1')"));
    return fail(ErrorCode::NotFound, "changed my mind");
  });
  EXPECT_THAT(written, FailsWith(ErrorCode::NotFound));
  EXPECT_EQ(get("a"), "(none)");
  EXPECT_THAT(put("a", "2"), IsOk());
}

TEST_F(MetastoreTest, WorkThatThrowsLeavesNothing) {
  EXPECT_THROW(static_cast<void>(
                   store_->write(context_,
                                 [&](Transaction& transaction) -> Status {
                                   LH_RETURN_IF_ERROR(transaction.execute(
                                       "INSERT INTO settings (name, value) VALUES ('a', '1')"));
                                   throw std::runtime_error("bug");
                                 })),
               std::runtime_error);
  EXPECT_EQ(get("a"), "(none)");
  EXPECT_THAT(put("a", "2"), IsOk());
}

TEST_F(MetastoreTest, ATakenKeyIsAlreadyExists) {
  ASSERT_THAT(put("a", "1"), IsOk());
  EXPECT_THAT(put("a", "2"), FailsWith(ErrorCode::AlreadyExists));
  EXPECT_EQ(get("a"), "1");
}

TEST_F(MetastoreTest, ForeignKeysHold) {
  EXPECT_THAT(store_->write(context_,
                            [](Transaction& transaction) -> Status {
                              LH_RETURN_IF_ERROR(transaction.execute(
                                  "INSERT INTO namespace_properties VALUES ('absent', 'a', 'b')"));
                              return {};
                            }),
              FailsWith(ErrorCode::FailedPrecondition));
}

TEST_F(MetastoreTest, ReadersCannotWrite) {
  EXPECT_FALSE(store_
                   ->read(context_,
                          [](Transaction& transaction) -> Status {
                            LH_RETURN_IF_ERROR(transaction.execute("DELETE FROM settings"));
                            return {};
                          })
                   .has_value());
}

TEST_F(MetastoreTest, AReaderSeesOneStateBesideAWriter) {
  ASSERT_THAT(put("a", "1"), IsOk());
  EXPECT_THAT(
      store_->read(context_,
                   [&](Transaction& transaction) -> Status {
                     LH_ASSIGN_OR_RETURN(const auto before,
                                         transaction.query("SELECT count(*) FROM settings"));
                     LH_RETURN_IF_ERROR(put("b", "2"));  // Does not wait for the reader.
                     LH_ASSIGN_OR_RETURN(const auto after,
                                         transaction.query("SELECT count(*) FROM settings"));
                     EXPECT_EQ(before, after);
                     return {};
                   }),
      IsOk());
  EXPECT_EQ(get("b"), "2");
}

TEST_F(MetastoreTest, ConcurrentWritersLoseNoUpdate) {
  ASSERT_THAT(put("counter", "0"), IsOk());
  constexpr int writer_count = 8;
  constexpr int additions = 20;
  {
    std::vector<std::jthread> writers;
    for (int i = 0; i < writer_count; ++i) {
      writers.emplace_back([&] {
        for (int done = 0; done < additions; ++done) {
          EXPECT_THAT(store_->write(context_,
                                    [](Transaction& transaction) -> Status {
                                      LH_ASSIGN_OR_RETURN(
                                          const auto rows,
                                          transaction.query(
                                              "SELECT value FROM settings WHERE name = 'counter'"));
                                      const int value = std::stoi(text(rows[0][0]));
                                      LH_RETURN_IF_ERROR(transaction.execute(
                                          "UPDATE settings SET value = $1 WHERE name = 'counter'",
                                          {std::to_string(value + 1)}));
                                      return {};
                                    }),
                      IsOk());
        }
      });
    }
    for (int i = 0; i < 12; ++i) {  // More readers than there are connections for them.
      writers.emplace_back([&] {
        for (int done = 0; done < additions; ++done) {
          EXPECT_NE(get("counter"), "(none)");
        }
      });
    }
  }
  EXPECT_EQ(get("counter"), std::to_string(writer_count * additions));
}

TEST_F(MetastoreTest, ALongStatementEndsWithItsDeadline) {
  context_.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  const auto endless = [](Transaction& transaction) -> Status {
    LH_RETURN_IF_ERROR(transaction.query(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"));
    return {};
  };
  EXPECT_THAT(store_->read(context_, endless), FailsWith(ErrorCode::DeadlineExceeded));
  context_.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  EXPECT_THAT(store_->write(context_, endless), FailsWith(ErrorCode::DeadlineExceeded));
  context_ = {};
  EXPECT_THAT(put("a", "1"), IsOk());
}

TEST_F(MetastoreTest, ACancelledRequestDoesNotWaitForTheWriter) {
  std::latch writing(1);
  std::latch release(1);
  std::jthread writer([&] {
    EXPECT_THAT(store_->write(context_,
                              [&](Transaction&) -> Status {
                                writing.count_down();
                                release.wait();
                                return {};
                              }),
                IsOk());
  });
  writing.wait();
  RequestContext late;
  late.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(30);
  EXPECT_THAT(store_->write(late, [](Transaction&) -> Status { return {}; }),
              FailsWith(ErrorCode::DeadlineExceeded));
  std::stop_source stop;
  stop.request_stop();
  RequestContext cancelled;
  cancelled.stop = stop.get_token();
  EXPECT_THAT(store_->write(cancelled, [](Transaction&) -> Status { return {}; }),
              FailsWith(ErrorCode::Cancelled));
  release.count_down();
}

TEST_F(MetastoreTest, WaitsForAnotherProcessThatWrites) {
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  context_.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(30);
  EXPECT_THAT(put("a", "1"), FailsWith(ErrorCode::DeadlineExceeded));
  ASSERT_EQ(sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(other);
  context_ = {};
  EXPECT_THAT(put("a", "1"), IsOk());
}

TEST_F(MetastoreTest, TheSchemaHasTheNewestVersion) {
  EXPECT_EQ(get("schema_version"), std::to_string(migrations().back().version));
}

TEST_F(MetastoreTest, AFileOfANewerVersionIsRefused) {
  store_.reset();
  run_raw("UPDATE settings SET value = '999' WHERE name = 'schema_version'");
  const auto opened = open_sqlite(path_);
  ASSERT_THAT(opened, FailsWith(ErrorCode::FailedPrecondition));
  EXPECT_THAT(opened.error().message, ::testing::HasSubstr("999"));
}

TEST_F(MetastoreTest, FilesOfOthersAreRefused) {
  store_.reset();
  std::filesystem::remove_all(folder_);
  std::filesystem::create_directories(folder_);
  run_raw("CREATE TABLE other (a)");
  EXPECT_THAT(open_sqlite(path_), FailsWith(ErrorCode::FailedPrecondition));

  std::ofstream(folder_ + "/text.db") << std::string(5000, 'x');
  EXPECT_THAT(open_sqlite(folder_ + "/text.db"), FailsWith(ErrorCode::DataLoss));
  EXPECT_THAT(open_sqlite(folder_ + "/no/such/folder.db"), FailsWith(ErrorCode::Unavailable));
}

}  // namespace
}  // namespace lakehouse::metastore
