#include "metastore/metastore.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <latch>
#include <optional>
#include <random>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "base/id.h"
#include "base/testing/matchers.h"
#include "metastore/migrations.h"
#include "metastore/testing/postgres_server.h"

namespace lakehouse::metastore {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;

/// A store in a file or in a schema of its own, opened as often as a test likes.
class MetastoreTest : public ::testing::TestWithParam<std::string_view> {
 protected:
  MetastoreTest() {
    if (GetParam() == "postgres") {
      schema_.emplace();
    } else {
      std::filesystem::create_directories(folder_);
    }
    reopen();
  }
  ~MetastoreTest() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  [[nodiscard]] Result<std::unique_ptr<Metastore>> open_another() const {
    return open(schema_ ? schema_->url() : path_);
  }

  void reopen() {
    store_.reset();
    auto opened = open_another();
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

  static Status add_one(Transaction& transaction) {
    LH_ASSIGN_OR_RETURN(
        const auto rows,
        transaction.query("SELECT value FROM settings WHERE name = $1", {std::string("counter")}));
    const int value = std::stoi(text(rows[0][0]));
    LH_RETURN_IF_ERROR(transaction.execute("UPDATE settings SET value = $1 WHERE name = 'counter'",
                                           {std::to_string(value + 1)}));
    return {};
  }

  // Runs SQL beside the store, as another program would.
  void run_raw(const std::string& sql) const {
    if (schema_) {
      schema_->run(sql);
      return;
    }
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(db);
  }

  const std::string folder_ =
      (std::filesystem::temp_directory_path() / ("metastore-" + new_token(8))).string();
  const std::string path_ = folder_ + "/metastore.db";
  std::optional<testing::PostgresSchema> schema_;
  std::unique_ptr<Metastore> store_;
  RequestContext context_;
};

INSTANTIATE_TEST_SUITE_P(Stores, MetastoreTest,
                         ::testing::ValuesIn(testing::PostgresServer::is_installed()
                                                 ? std::vector<std::string_view>{"sqlite",
                                                                                 "postgres"}
                                                 : std::vector<std::string_view>{"sqlite"}),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(MetastoreTest, WhatWasWrittenIsThereAfterAReopen) {
  ASSERT_THAT(put("a", "it's \"1\""), IsOk());
  reopen();
  EXPECT_EQ(get("a"), "it's \"1\"");
}

TEST_P(MetastoreTest, TheVersionChangesWithEveryCommitAndStandsBetweenThem) {
  if (GetParam() == "postgres") {
    EXPECT_FALSE(store_->version());
    return;
  }
  ASSERT_THAT(put("a", "1"), IsOk());
  const auto before = store_->version();
  ASSERT_TRUE(before);
  get("a");
  EXPECT_EQ(store_->version(), before);
  ASSERT_THAT(put("b", "2"), IsOk());
  const auto after = store_->version();
  EXPECT_NE(after, before);
  run_raw("UPDATE settings SET value = '3'");
  EXPECT_NE(store_->version(), after);
}

TEST_P(MetastoreTest, EveryKindOfValueComesBackAsItWas) {
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

TEST_P(MetastoreTest, FailedWorkLeavesNothing) {
  const Status written = store_->write(context_, [&](Transaction& transaction) -> Status {
    LH_RETURN_IF_ERROR(transaction.execute("INSERT INTO settings (name, value) VALUES ('a', '1')"));
    return fail(ErrorCode::NotFound, "changed my mind");
  });
  EXPECT_THAT(written, FailsWith(ErrorCode::NotFound));
  EXPECT_EQ(get("a"), "(none)");
  EXPECT_THAT(put("a", "2"), IsOk());
}

TEST_P(MetastoreTest, WorkThatThrowsLeavesNothing) {
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

TEST_P(MetastoreTest, ATakenKeyIsAlreadyExists) {
  ASSERT_THAT(put("a", "1"), IsOk());
  EXPECT_THAT(put("a", "2"), FailsWith(ErrorCode::AlreadyExists));
  EXPECT_EQ(get("a"), "1");
}

TEST_P(MetastoreTest, ForeignKeysHold) {
  EXPECT_THAT(store_->write(context_,
                            [](Transaction& transaction) -> Status {
                              LH_RETURN_IF_ERROR(transaction.execute(
                                  "INSERT INTO namespace_properties VALUES ('absent', 'a', 'b')"));
                              return {};
                            }),
              FailsWith(ErrorCode::FailedPrecondition));
}

TEST_P(MetastoreTest, ReadersCannotWrite) {
  EXPECT_FALSE(store_
                   ->read(context_,
                          [](Transaction& transaction) -> Status {
                            LH_RETURN_IF_ERROR(transaction.execute("DELETE FROM settings"));
                            return {};
                          })
                   .has_value());
}

TEST_P(MetastoreTest, AReaderSeesOneStateBesideAWriter) {
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

TEST_P(MetastoreTest, ConcurrentWritersLoseNoUpdate) {
  ASSERT_THAT(put("counter", "0"), IsOk());
  constexpr int writer_count = 8;
  constexpr int additions = 20;
  {
    std::vector<std::jthread> writers;
    for (int i = 0; i < writer_count; ++i) {
      writers.emplace_back([&] {
        for (int done = 0; done < additions; ++done) {
          EXPECT_THAT(store_->write(context_, add_one), IsOk());
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

TEST_P(MetastoreTest, SeveralStoresOverOneLoseNoUpdate) {
  ASSERT_THAT(put("counter", "0"), IsOk());
  constexpr int additions = 25;
  {
    std::vector<std::jthread> servers;
    for (int server = 0; server < 3; ++server) {
      servers.emplace_back([&] {
        const auto own = open_another();
        ASSERT_THAT(own, IsOk());
        const auto add = [&] {
          for (int done = 0; done < additions; ++done) {
            EXPECT_THAT((*own)->write(context_, add_one), IsOk());
          }
        };
        const std::jthread twin(add);
        add();
      });
    }
  }
  EXPECT_EQ(get("counter"), std::to_string(3 * 2 * additions));
}

// What the writers of a group do to each other: nothing, whatever becomes of one of them.
TEST_P(MetastoreTest, EachAcknowledgedWriteIsThereOnceAndNoOther) {
  ASSERT_THAT(put("counter", "0"), IsOk());
  constexpr unsigned writer_count = 12;
  constexpr int writes = 40;
  std::atomic<int> acknowledged = 0;
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  {
    std::vector<std::jthread> writers;
    for (unsigned i = 0; i < writer_count; ++i) {
      writers.emplace_back([&, i] {
        std::minstd_rand random(seed + i);
        for (int n = 0; n < writes; ++n) {
          const auto kind = random() % 6;
          std::stop_source stop;
          RequestContext context;
          context.stop = stop.get_token();
          const auto work = [&](Transaction& transaction) -> Status {
            LH_RETURN_IF_ERROR(add_one(transaction));
            switch (kind) {
              case 0: return fail(ErrorCode::NotFound, "changed my mind");
              case 1: throw std::runtime_error("bug");
              case 2: stop.request_stop(); return {};
              case 3: {  // A statement that fails, and is not taken for a failure.
                [[maybe_unused]] const auto taken = transaction.execute(
                    "INSERT INTO settings (name, value) VALUES ('counter', '0')");
                return {};
              }
              default: return {};
            }
          };
          try {
            const Status done = store_->write(context, work);
            acknowledged += done ? 1 : 0;
            EXPECT_EQ(done.has_value(), kind > 3) << kind;
          } catch (const std::runtime_error&) {
            EXPECT_EQ(kind, 1U);
          }
        }
      });
    }
  }
  EXPECT_EQ(get("counter"), std::to_string(acknowledged.load()));
}

TEST_P(MetastoreTest, AWriterSeesWhatTheOnesBeforeItInItsGroupHaveDone) {
  // One leads and holds the others back, so that these make one group.
  std::latch leading(1);
  std::latch gathered(1);
  std::atomic<int> made = 0;
  std::atomic<int> refused = 0;
  {
    const std::jthread leader([&] {
      EXPECT_THAT(store_->write(context_,
                                [&](Transaction&) -> Status {
                                  leading.count_down();
                                  gathered.wait();
                                  return {};
                                }),
                  IsOk());
    });
    leading.wait();
    std::vector<std::jthread> twins;
    for (int i = 0; i < 6; ++i) {
      twins.emplace_back([&] {
        const Status done = put("the same", "1");
        ++(done ? made : refused);
        if (!done) {
          EXPECT_EQ(done.error().code, ErrorCode::AlreadyExists);
        }
      });
    }
    gathered.count_down();
  }
  EXPECT_EQ(made, 1);
  EXPECT_EQ(refused, 5);
}

TEST_P(MetastoreTest, AfterAFailedStatementATransactionCanOnlyFail) {
  ASSERT_THAT(put("a", "1"), IsOk());
  Result<std::vector<Row>> after = std::vector<Row>();
  EXPECT_THAT(store_->write(context_,
                            [&](Transaction& transaction) -> Status {
                              [[maybe_unused]] const auto taken = transaction.execute(
                                  "INSERT INTO settings (name, value) VALUES ('a', '2')");
                              after = transaction.query("SELECT 1");
                              return {};
                            }),
              FailsWith(ErrorCode::Internal));
  EXPECT_THAT(after, FailsWith(ErrorCode::Internal));
  EXPECT_THAT(put("b", "1"), IsOk());
}

TEST_P(MetastoreTest, TextsAreAnyBytesAndSortByThem) {
  const std::vector<std::string> names = {std::string("\0a", 2),
                                          "\x01",
                                          "\x01"
                                          "0",
                                          "A",
                                          "B",
                                          "a",
                                          "\xC3\xA9",
                                          "\xFF\xFE"};
  for (const std::string& name : names) {
    ASSERT_THAT(put(name, name + name), IsOk());
    EXPECT_EQ(get(name), name + name);
  }
  EXPECT_THAT(
      store_->read(context_,
                   [&](Transaction& transaction) -> Status {
                     LH_ASSIGN_OR_RETURN(
                         const auto rows,
                         transaction.query("SELECT name FROM settings WHERE name >= 'A' AND name "
                                           "< 'b' AND name <> 'schema_version' ORDER BY name"));
                     EXPECT_EQ(rows.size(), 3U);
                     EXPECT_EQ(text(rows.at(0)[0]) + text(rows.at(1)[0]) + text(rows.at(2)[0]),
                               "ABa");
                     return {};
                   }),
      IsOk());
}

TEST_P(MetastoreTest, ALongStatementEndsWithItsDeadline) {
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

TEST_P(MetastoreTest, ACancelledRequestDoesNotWaitForTheWriter) {
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

TEST_P(MetastoreTest, WaitsForAnotherProcessThatWrites) {
  if (schema_) {
    GTEST_SKIP() << "only SQLite's writers wait for each other's end";
  }
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

TEST_P(MetastoreTest, TheSchemaHasTheNewestVersion) {
  EXPECT_EQ(get("schema_version"), std::to_string(migrations().back().version));
}

TEST_P(MetastoreTest, ANewerVersionIsRefused) {
  store_.reset();
  run_raw("UPDATE settings SET value = '999' WHERE name = 'schema_version'");
  const auto opened = open_another();
  ASSERT_THAT(opened, FailsWith(ErrorCode::FailedPrecondition));
  EXPECT_THAT(opened.error().message, ::testing::HasSubstr("999"));
}

TEST_P(MetastoreTest, TablesOfOthersAreRefused) {
  store_.reset();
  for (const auto name : {"settings", "other"}) {
    run_raw(std::string(name) == "other" ? "CREATE TABLE other (a INT)"
                                         : "DELETE FROM settings WHERE name = 'schema_version'");
    EXPECT_THAT(open_another(), FailsWith(ErrorCode::FailedPrecondition));
  }
}

TEST(SqliteMetastoreTest, WhatIsNoSuchFileIsRefused) {
  const auto folder = std::filesystem::temp_directory_path() / ("metastore-" + new_token(8));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "text.db") << std::string(5000, 'x');
  EXPECT_THAT(open_sqlite(folder / "text.db"), FailsWith(ErrorCode::DataLoss));
  EXPECT_THAT(open_sqlite(folder / "no/such/folder.db"), FailsWith(ErrorCode::Unavailable));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace lakehouse::metastore
