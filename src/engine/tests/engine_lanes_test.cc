#include "engine/engine_lanes.h"

#include <csignal>
#include <future>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/matchers.h"
#include "engine/sandbox.h"
#include "engine/statement_monitor.h"
#include "engine/testing/engine_fixture.h"

namespace lakehouse::engine {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using testing::patient_context;

/// Runs for seconds on any machine, and needs no memory.
constexpr std::string_view kSlow =
    "SELECT count(*) FROM range(100000) a, range(100000) b WHERE a.range + b.range = 7";
/// A sort that holds some 250 MB, and cannot spill all of it.
constexpr std::string_view kBig =
    "SELECT len(list(s)) FROM (SELECT repeat('x', 1000) || range AS s FROM range(250000))";

class EngineLanesTest : public ::testing::Test {
 protected:
  EngineLanesTest() {
    std::string name = (std::filesystem::temp_directory_path() / "lh-lanes-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    options_.engine.executable = LH_ENGINE_HOST;
    options_.engine.arguments = {};
    options_.engine.spill_directory = folder_;
    options_.engine.grant.writable.push_back(folder_);
    options_.engine.threads = 2;
    options_.engine.ready_wait_max = std::chrono::seconds(60);
    options_.engine.memory_limit_bytes = std::uint64_t{1} << 30U;
    options_.engine.on_log = [](std::string_view) {};
  }
  ~EngineLanesTest() override {
    lanes_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  EngineLanes& lanes() {
    if (lanes_ == nullptr) {
      auto started = EngineLanes::start(options_);
      EXPECT_THAT(started, IsOk());
      lanes_ = *std::move(started);
      EXPECT_THAT(lanes_->wait_ready(patient_context()), IsOk());
    }
    return *lanes_;
  }

  Statement sql(std::string_view text) {
    Statement statement;
    statement.text = text;
    statement.monitor = monitor_;
    return statement;
  }
  Result<Rows> rows(Statement statement) {
    return lanes().query_rows(patient_context(), std::move(statement));
  }
  Result<Rows> rows(std::string_view text) { return rows(sql(text)); }
  std::future<Result<Rows>> rows_later(Statement statement) {
    lanes();  // Not started by two threads.
    return std::async(std::launch::async, [this, statement] { return rows(statement); });
  }
  std::future<Result<Rows>> rows_later(std::string_view text) { return rows_later(sql(text)); }
  /// Until the statement that is watched runs in the lane, for at least the n-th time.
  void await_running(Lane lane, unsigned attempt = 1) {
    const auto runs = [&] {
      const StatementMonitor::View view = monitor_->view();
      const EngineMetrics engine = lanes().pool(lane).metrics();
      return view.lane == lane && view.attempts >= attempt && engine.ready && engine.running > 0;
    };
    while (!runs()) {
      std::this_thread::yield();
    }
  }
  /// Ends the lane's child whenever the statement may have come there.
  void kill_until(std::future<Result<Rows>>& running, Lane lane) {
    while (running.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
      const EngineMetrics engine = lanes().pool(lane).metrics();
      if (engine.ready && engine.running > 0) {
        lanes().pool(lane).kill();
      }
    }
  }
  LaneMetrics metrics(Lane lane) { return lanes().metrics()[lane == Lane::Light ? 0 : 1]; }

  std::filesystem::path folder_;
  EngineLanesOptions options_;
  std::shared_ptr<StatementMonitor> monitor_ = std::make_shared<StatementMonitor>();
  std::unique_ptr<EngineLanes> lanes_;
};

TEST_F(EngineLanesTest, ChoosesTheLaneByWhatAStatementReads) {
  ASSERT_THAT(rows("SELECT 1"), IsOk());
  EXPECT_EQ(monitor_->view().lane, Lane::Light);
  Statement big = sql("SELECT 1");
  big.scan_bytes = options_.light_scan_bytes_max + 1;
  ASSERT_THAT(rows(big), IsOk());
  EXPECT_EQ(monitor_->view().lane, Lane::Heavy);
  big.lane = Lane::Light;
  ASSERT_THAT(rows(big), IsOk());
  EXPECT_EQ(monitor_->view().lane, Lane::Light);
  // What writes cannot be begun twice, so it is heavy unless known to be small.
  const std::string file = (folder_ / "out.csv").string();
  Statement copy = sql(fmt::format("COPY (SELECT 1) TO '{}'", file));
  ASSERT_THAT(rows(copy), IsOk());
  EXPECT_EQ(monitor_->view().lane, Lane::Heavy);
  copy.scan_bytes = 0;
  ASSERT_THAT(rows(copy), IsOk());
  EXPECT_EQ(monitor_->view().lane, Lane::Light);
}

TEST_F(EngineLanesTest, WhatOutgrowsItsTimeBeginsAgainInTheHeavyLane) {
  options_.light_time = std::chrono::milliseconds(100);
  RequestContext context = patient_context();
  std::stop_source stop;
  context.stop = stop.get_token();
  lanes();
  auto running =
      std::async(std::launch::async, [&] { return lanes().query_rows(context, sql(kSlow)); });
  await_running(Lane::Heavy);
  EXPECT_EQ(monitor_->view().attempts, 2U);
  EXPECT_EQ(metrics(Lane::Light).outgrown, 1U);
  stop.request_stop();
  EXPECT_THAT(running.get(), FailsWith(ErrorCode::Cancelled));
}

TEST_F(EngineLanesTest, WhatOutgrowsItsMemoryBeginsAgainInTheHeavyLane) {
  options_.engine.memory_limit_bytes = std::uint64_t{1600} << 20U;
  options_.light_time = std::chrono::seconds(60);
  const auto answer = rows(kBig);
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->rows[0][0], 250'000);
  EXPECT_EQ(monitor_->view().lane, Lane::Heavy);
}

TEST_F(EngineLanesTest, AReadWhoseChildHasGoneRunsInTheNext) {
  options_.light_time = std::chrono::seconds(60);
  // Long enough to be there still when the other one has been answered.
  auto running =
      rows_later("SELECT count(*) FROM range(30000) a, range(12000) b WHERE a.range + b.range = 7");
  await_running(Lane::Light);
  Statement other;
  other.text = "SELECT 1";
  ASSERT_THAT(rows(other), IsOk());  // By then the first one has been sent, too.
  ::kill(lanes().pool(Lane::Light).metrics().pid, SIGKILL);
  const auto answer = running.get();
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->rows[0][0], 8);
  EXPECT_EQ(metrics(Lane::Light).retried, 1U);
}

TEST_F(EngineLanesTest, AWriteWhoseChildHasGoneFails) {
  auto running =
      rows_later(fmt::format("COPY ({}) TO '{}'", kSlow, (folder_ / "out.csv").string()));
  kill_until(running, Lane::Heavy);
  EXPECT_THAT(running.get(), FailsWith(ErrorCode::Unavailable));
}

TEST_F(EngineLanesTest, AWriteThatNamesItsFilesBeginsAgain) {
  options_.light_time = std::chrono::milliseconds(100);
  Statement copy = sql(fmt::format(
      "COPY (SELECT count(*) AS n FROM range(30000) a, range(3000) b WHERE a.range + b.range = 7) "
      "TO '{}' (FORMAT parquet, FILENAME_PATTERN 'part_{{uuid}}', OVERWRITE_OR_IGNORE, "
      "FILE_SIZE_BYTES 1000000, RETURN_STATS)",
      (folder_ / "rows").string()));
  copy.scan_bytes = 0;
  const auto files = rows(copy);
  ASSERT_THAT(files, IsOk());
  EXPECT_EQ(monitor_->view().lane, Lane::Heavy);
  EXPECT_EQ(monitor_->view().attempts, 2U);
  ASSERT_EQ(files->rows.size(), 1U);
  EXPECT_TRUE(std::filesystem::exists(std::string(files->rows[0][0].as_string())));
  // The options' text in quotes is somebody's name, and no option.
  Statement one =
      sql(fmt::format("COPY ({}) TO '{}, FILENAME_PATTERN ''part_{{uuid}}'', OVERWRITE_OR_IGNORE'",
                      kSlow, (folder_ / "x").string()));
  auto running = rows_later(one);
  kill_until(running, Lane::Heavy);
  EXPECT_THAT(running.get(), FailsWith(ErrorCode::Unavailable));
}

TEST_F(EngineLanesTest, AStatementThatKeepsKillingItsChildFails) {
  options_.light_time = std::chrono::seconds(60);
  auto running = rows_later(kSlow);
  kill_until(running, Lane::Light);
  EXPECT_THAT(running.get(), FailsWith(ErrorCode::Unavailable));
  EXPECT_EQ(monitor_->view().attempts, 3U);
}

TEST_F(EngineLanesTest, StatementsOverHeldTablesNeverRunElsewhere) {
  options_.light_time = std::chrono::milliseconds(100);
  Statement statement = sql(kSlow);
  statement.held_generation = lanes().generation();
  const auto answer = rows(statement);
  ASSERT_FALSE(answer.has_value());
  EXPECT_TRUE(is_held_gone(answer.error()));
}

TEST_F(EngineLanesTest, AReaderThatDoesNotReadKeepsNoPlace) {
  options_.light_places = 1;
  const RequestContext context = patient_context();
  const auto stream = lanes().execute(context, sql("SELECT * FROM range(100000000)"));
  ASSERT_THAT(stream, IsOk());
  ASSERT_THAT((*stream)->next(context), IsOk());
  EXPECT_THAT(rows("SELECT 1"), IsOk());
  ASSERT_THAT((*stream)->next(context), IsOk());
}

TEST_F(EngineLanesTest, AChildThatIsTooBigLosesItsBiggestStatement) {
  if (kSanitized) {
    GTEST_SKIP() << "with a sanitizer's memory it is too big before it is asked anything";
  }
  options_.light_time = std::chrono::seconds(60);
  options_.engine.memory_limit_bytes = std::uint64_t{1} << 20U;
  options_.excess_bytes_max = 0;  // Everybody is.
  const auto answer = rows(kSlow);
  EXPECT_THAT(answer, FailsWith(ErrorCode::ResourceExhausted));
  EXPECT_GE(metrics(Lane::Heavy).memory_kills, 1U);
}

TEST_F(EngineLanesTest, TellsHowFarAStatementIsAndWhatItTook) {
  const std::string file = (folder_ / "rows.parquet").string();
  ASSERT_THAT(rows(fmt::format("COPY (SELECT hash(range)::VARCHAR AS s FROM range(1000000)) TO "
                               "'{}' (FORMAT parquet, ROW_GROUP_SIZE 10000)",
                               file)),
              IsOk());
  monitor_ = std::make_shared<StatementMonitor>();
  // Long enough for several of the watch's looks, on any machine.
  std::string digest = "s";
  for (int i = 0; i < 20; ++i) {
    digest = fmt::format("md5({})", digest);
  }
  Statement statement = sql(fmt::format("SELECT max({}) FROM '{}'", digest, file));
  statement.lane = Lane::Heavy;
  auto running = rows_later(statement);
  await_running(Lane::Heavy);
  double most = -1;
  while (running.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready) {
    most = std::max(most, monitor_->view().progress);
  }
  ASSERT_THAT(running.get(), IsOk());
  EXPECT_GT(most, 0);
  EXPECT_LE(most, 1);
  EXPECT_EQ(monitor_->view().progress, 1);
  EXPECT_GT(monitor_->view().memory_peak_bytes, 0U);
}

TEST_F(EngineLanesTest, StoppingEndsWhatRunsAndWhatWaits) {
  options_.light_places = 1;
  options_.light_time = std::chrono::seconds(60);
  auto running = rows_later(kSlow);
  await_running(Lane::Light);
  Statement other;
  other.text = "SELECT 1";
  auto waiting = rows_later(other);
  while (metrics(Lane::Light).waiting == 0) {
    std::this_thread::yield();
  }
  lanes().stop();
  EXPECT_THAT(running.get(), FailsWith(ErrorCode::Unavailable));
  EXPECT_THAT(waiting.get(), FailsWith(ErrorCode::Unavailable));
}

}  // namespace
}  // namespace lakehouse::engine
