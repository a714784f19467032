#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/matchers.h"
#include "metastore/metastore.h"
#include "metastore/testing/cutting_proxy.h"
#include "metastore/testing/postgres_server.h"

// What only a store on the other end of a connection does: it goes away.

namespace lakehouse::metastore {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using testing::CuttingProxy;

class PostgresTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testing::PostgresServer::is_installed()) {
      GTEST_SKIP() << "PostgreSQL is not installed";
    }
    schema_.emplace();
    proxy_.emplace();
    auto opened = open(proxy_->through(schema_->url()) + "&application_name=" + name_);
    ASSERT_THAT(opened, IsOk());
    store_ = *std::move(opened);
    ASSERT_THAT(write("INSERT INTO settings (name, value) VALUES ('counter', '0')"), IsOk());
  }
  void TearDown() override {
    store_.reset();
    proxy_.reset();
  }

  Status write(std::string_view sql) {
    return store_->write({}, [&](Transaction& transaction) -> Status {
      LH_RETURN_IF_ERROR(transaction.execute(sql));
      return {};
    });
  }
  Status add_one() {
    return write(
        "UPDATE settings SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE name = "
        "'counter'");
  }
  Result<std::string> counter() {
    std::string value;
    LH_RETURN_IF_ERROR(store_->read({}, [&](Transaction& transaction) -> Status {
      LH_ASSIGN_OR_RETURN(const auto rows,
                          transaction.query("SELECT value FROM settings WHERE name = 'counter'"));
      value = text(rows.at(0)[0]);
      return {};
    }));
    return value;
  }
  void end_all_sessions() const {
    testing::PostgresServer::instance().run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = '" +
        name_ + "'");
  }

  const std::string name_ = "test-" + new_token(8);  // Other tests' sessions are not ours to end.
  std::optional<testing::PostgresSchema> schema_;
  std::optional<CuttingProxy> proxy_;
  std::unique_ptr<Metastore> store_;
};

TEST_F(PostgresTest, SessionsThatTheServerHasEndedAreReplaced) {
  EXPECT_EQ(counter().value(), "0");
  end_all_sessions();
  EXPECT_THAT(add_one(), IsOk());
  EXPECT_EQ(counter().value(), "1");
}

TEST_F(PostgresTest, ASessionThatEndsWithinATransactionBeginsItAgain) {
  int runs = 0;
  EXPECT_THAT(store_->write({},
                            [&](Transaction& transaction) -> Status {
                              if (++runs == 1) {
                                end_all_sessions();
                              }
                              LH_RETURN_IF_ERROR(transaction.execute(
                                  "UPDATE settings SET value = '7' WHERE name = 'counter'"));
                              return {};
                            }),
              IsOk());
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(counter().value(), "7");
}

TEST_F(PostgresTest, ACommitThatDoesNotArriveIsDoneAgain) {
  proxy_->cut(CuttingProxy::Cut::BeforeCommit);
  EXPECT_THAT(add_one(), IsOk());
  EXPECT_EQ(counter().value(), "1");
}

TEST_F(PostgresTest, ACommitWhoseAnswerIsLostIsNotDoneTwice) {
  proxy_->cut(CuttingProxy::Cut::AfterCommit);
  EXPECT_THAT(add_one(), IsOk());
  EXPECT_EQ(counter().value(), "1");
}

TEST_F(PostgresTest, ACommitOfWhichNobodyCanTellIsUnknown) {
  proxy_->cut(CuttingProxy::Cut::AfterCommit, /*for_good=*/true);
  EXPECT_THAT(add_one(), FailsWith(ErrorCode::CommitStateUnknown));
  EXPECT_THAT(counter(), FailsWith(ErrorCode::Unavailable));
  proxy_->restore();
  EXPECT_EQ(counter().value(), "1");
}

TEST_F(PostgresTest, WhatIsAcknowledgedIsThereWhenSessionsEndAllTheTime) {
  constexpr int writer_count = 6;
  constexpr int additions = 30;
  std::atomic<int> acknowledged = 0;
  {
    const std::jthread breaker([&] {
      for (int seen = 0; seen < writer_count * additions; seen = acknowledged) {
        proxy_->cut(seen % 2 == 0 ? CuttingProxy::Cut::AfterCommit
                                  : CuttingProxy::Cut::BeforeCommit);
        if (seen % 5 == 0) {
          end_all_sessions();
        }
        acknowledged.wait(seen);
      }
    });
    std::vector<std::jthread> writers;
    for (int i = 0; i < writer_count; ++i) {
      writers.emplace_back([&] {
        for (int n = 0; n < additions; ++n) {
          EXPECT_THAT(add_one(), IsOk());
          ++acknowledged;
          acknowledged.notify_all();
        }
      });
    }
  }
  EXPECT_EQ(counter().value(), std::to_string(writer_count * additions));
}

TEST_F(PostgresTest, AConflictWithAnotherProgramIsTriedAgain) {
  int runs = 0;
  EXPECT_THAT(
      store_->write({},
                    [&](Transaction& transaction) -> Status {
                      LH_ASSIGN_OR_RETURN(
                          const auto rows,
                          transaction.query("SELECT value FROM settings WHERE name = 'counter'"));
                      if (++runs == 1) {  // Not by our rules: it has not waited for its turn.
                        schema_->run("UPDATE settings SET value = '40' WHERE name = 'counter'");
                      }
                      LH_RETURN_IF_ERROR(transaction.execute(
                          "UPDATE settings SET value = $1 WHERE name = 'counter'",
                          {std::to_string(std::stoi(text(rows.at(0)[0])) + 2)}));
                      return {};
                    }),
      IsOk());
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(counter().value(), "42");
}

TEST_F(PostgresTest, TextsSortByTheirBytesInADatabaseOfAnotherCollation) {
  const std::string name = "d_" + new_token(8);
  const auto& server = testing::PostgresServer::instance();
  server.run("CREATE DATABASE " + name +
             " TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' ENCODING 'UTF8'");
  std::string url = server.url();
  url.replace(url.find("/postgres?"), 10, "/" + name + "?");
  auto store = open(url);
  ASSERT_THAT(store, IsOk());
  EXPECT_THAT((*store)->write({},
                              [](Transaction& transaction) -> Status {
                                LH_RETURN_IF_ERROR(transaction.execute(
                                    "INSERT INTO settings (name, value) VALUES ('B', ''), "
                                    "('a', '')"));
                                LH_ASSIGN_OR_RETURN(
                                    const auto rows,
                                    transaction.query("SELECT name FROM settings WHERE name < "
                                                      "'b' ORDER BY name"));
                                EXPECT_EQ(text(rows.at(0)[0]), "B");
                                EXPECT_EQ(text(rows.at(1)[0]), "a");
                                return {};
                              }),
              IsOk());
  store->reset();
  server.run("DROP DATABASE " + name + " WITH (FORCE)");
}

TEST(PostgresOpenTest, WhatIsNotThereIsUnavailable) {
  EXPECT_THAT(open("postgresql:///x?host=/tmp/no-such-folder"), FailsWith(ErrorCode::Unavailable));
  EXPECT_THAT(open("postgresql://127.0.0.1:1/x?connect_timeout=2"),
              FailsWith(ErrorCode::Unavailable));
  EXPECT_THAT(open("postgresql://[nonsense"), FailsWith(ErrorCode::Unavailable));
}

}  // namespace
}  // namespace lakehouse::metastore
