#include "jobs/job_service.h"

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <thread>

#include <boost/json/object.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "base/json.h"
#include "base/testing/matchers.h"
#include "jobs/detail/rate_meter.h"
#include "metastore/testing/faulty_metastore.h"
#include "metastore/testing/postgres_server.h"

namespace lakehouse::jobs {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using metastore::testing::FaultyMetastore;
using metastore::testing::WriteFault;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace json = boost::json;

/// Opens once, for all who wait.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }
  /// False if the context ends before.
  bool pass(const RequestContext& context) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, context.stop, [&] { return is_open_; });
    return is_open_;
  }
  void pass() { pass(RequestContext{}); }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool is_open_ = false;
};

json::value runner_gives_up(JobContext& job) {
  static_cast<void>(job);
  return nullptr;
}

class JobServiceTest : public ::testing::Test {
 protected:
  JobServiceTest() {
    std::filesystem::create_directories(folder_);
    place_.emplace((folder_ / "metastore.db").string());
    auto opened = place_->open();
    EXPECT_THAT(opened, IsOk());
    store_ = *std::move(opened);
    context_.principal = "alice";
    context_.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  }
  ~JobServiceTest() override {
    store_.reset();
    place_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::unique_ptr<JobService> service(JobService::Options options = {}) {
    options.beat = std::chrono::milliseconds(20);
    return make_job_service(*store_, log_, metrics_, std::move(options));
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("jobs-" + new_token(8));
  std::optional<metastore::testing::TestMetastore> place_;
  std::unique_ptr<metastore::Metastore> store_;
  Log log_{{.level = LogLevel::Error, .format = LogFormat::Text, .file = {}}};
  Metrics metrics_;
  RequestContext context_;
};

TEST_F(JobServiceTest, RunsAJobAsItsCallerAndKeepsItsResult) {
  const auto jobs = service();
  jobs->register_kind("count", {}, [](JobContext& job) -> Result<json::value> {
    job.progress(3, 3, "counting");
    return json::value(json::object{
        {"who", job.request().principal}, {"to", job.spec().at("to")}, {"subject", job.subject()}});
  });
  jobs->run();
  const auto started = jobs->start(context_, "count", json::object{{"to", 3}}, {.subject = "all"});
  ASSERT_THAT(started, IsOk());
  EXPECT_TRUE(started->is_new);
  EXPECT_EQ(started->job.state, JobState::Queued);
  const auto over = jobs->wait_over(context_, started->job.id);
  ASSERT_THAT(over, IsOk());
  EXPECT_EQ(over->state, JobState::Done);
  EXPECT_EQ(to_json(over->result), R"({"who":"alice","to":3,"subject":"all"})");
  EXPECT_EQ(over->done, 3);
  EXPECT_EQ(over->total, 3);
  EXPECT_EQ(over->message, "counting");
  EXPECT_EQ(over->attempts, 1);
  EXPECT_GT(over->rate, 0);
  EXPECT_THAT(metrics_.text(),
              HasSubstr(R"(lakehouse_jobs_over_total{kind="count",state="done"} 1)"));
}

TEST_F(JobServiceTest, AKindThatNobodyKnowsIsRefused) {
  const auto jobs = service();
  jobs->run();
  EXPECT_THAT(jobs->start(context_, "nonsense", nullptr), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(jobs->get(context_, "nonsense"), FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(jobs->cancel(context_, "nonsense"), FailsWith(ErrorCode::NotFound));
}

TEST_F(JobServiceTest, AnErrorFailsTheJobAndIsKept) {
  const auto jobs = service();
  jobs->register_kind("fails", {}, [](JobContext&) -> Result<json::value> {
    return fail(ErrorCode::FailedPrecondition, "the table is gone", "Make it.");
  });
  jobs->register_kind("throws", {},
                      [](JobContext&) -> Result<json::value> { throw std::runtime_error("oh"); });
  jobs->run();
  const auto over = jobs->wait_over(context_, jobs->start(context_, "fails", nullptr)->job.id);
  ASSERT_THAT(over, IsOk());
  EXPECT_EQ(over->state, JobState::Failed);
  ASSERT_TRUE(over->error);
  EXPECT_EQ(over->error->code, ErrorCode::FailedPrecondition);
  EXPECT_EQ(over->error->message, "the table is gone");
  EXPECT_EQ(over->error->hint, "Make it.");
  const auto thrown = jobs->wait_over(context_, jobs->start(context_, "throws", nullptr)->job.id);
  ASSERT_THAT(thrown, IsOk());
  ASSERT_TRUE(thrown->error);
  EXPECT_EQ(thrown->error->code, ErrorCode::Internal);
}

TEST_F(JobServiceTest, WhatCanBeRetriedGoesOnFromItsCheckpointUntilItMakesNone) {
  const auto jobs = service();
  std::vector<std::int64_t> began_at;
  jobs->register_kind("flaky", {.attempts_max = 3, .retry_after = std::chrono::milliseconds(1)},
                      [&](JobContext& job) -> Result<json::value> {
                        const json::value& last = job.last_checkpoint();
                        const std::int64_t at = last.is_null() ? 0 : last.at("at").as_int64();
                        began_at.push_back(at);
                        if (at < 5) {
                          EXPECT_THAT(job.checkpoint(json::object{{"at", at + 1}}), IsOk());
                        }
                        return fail(ErrorCode::Unavailable, "the model is away");
                      });
  jobs->run();
  const auto over = jobs->wait_over(context_, jobs->start(context_, "flaky", nullptr)->job.id);
  ASSERT_THAT(over, IsOk());
  EXPECT_EQ(over->state, JobState::Failed);
  EXPECT_EQ(over->error->code, ErrorCode::Unavailable);
  EXPECT_THAT(began_at, ElementsAre(0, 1, 2, 3, 4, 5, 5, 5));
  EXPECT_EQ(over->attempts, 8);
}

TEST_F(JobServiceTest, AQueuedJobIsCancelledAtOnceAndARunningOneWhenItsRunnerReturns) {
  const auto jobs = service({.workers = 1});
  Gate began;
  std::vector<std::string> over_ones;
  jobs->register_kind("waits", {.on_over = [&](const Job& job) { over_ones.push_back(job.id); }},
                      [&](JobContext& job) -> Result<json::value> {
                        began.open();
                        Gate never;
                        never.pass(job.request());
                        LH_RETURN_IF_ERROR(job.request().check());
                        return runner_gives_up(job);
                      });
  jobs->run();
  const auto first = jobs->start(context_, "waits", nullptr);
  const auto second = jobs->start(context_, "waits", nullptr);
  ASSERT_THAT(second, IsOk());
  began.pass();
  const auto cancelled = jobs->cancel(context_, second->job.id);
  ASSERT_THAT(cancelled, IsOk());
  EXPECT_EQ(cancelled->state, JobState::Cancelled);
  EXPECT_THAT(jobs->cancel(context_, first->job.id), IsOk());
  const auto over = jobs->wait_over(context_, first->job.id);
  ASSERT_THAT(over, IsOk());
  EXPECT_EQ(over->state, JobState::Cancelled);
  EXPECT_TRUE(over->cancel_requested);
  EXPECT_FALSE(over->error);
  const auto again = jobs->cancel(context_, first->job.id);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->state, JobState::Cancelled);
  jobs->stop();
  EXPECT_THAT(over_ones, ElementsAre(second->job.id, first->job.id));
}

TEST_F(JobServiceTest, AStopQueuesWhatRunsAndTheNextServerGoesOnFromTheCheckpoint) {
  Gate checkpointed;
  auto first = service();
  first->register_kind("long", {.attempts_max = 1}, [&](JobContext& job) -> Result<json::value> {
    job.progress(7, 10);
    LH_RETURN_IF_ERROR(job.checkpoint(json::object{{"at", 7}}));
    checkpointed.open();
    Gate never;
    never.pass(job.request());
    return std::unexpected(job.request().check().error());
  });
  first->run();
  const auto started = first->start(context_, "long", nullptr);
  ASSERT_THAT(started, IsOk());
  checkpointed.pass();
  first->stop();
  const auto stopped = first->get(context_, started->job.id);
  ASSERT_THAT(stopped, IsOk());
  EXPECT_EQ(stopped->state, JobState::Queued);
  EXPECT_EQ(stopped->done, 7);
  first.reset();

  const auto second = service();
  second->register_kind("long", {.attempts_max = 1}, [&](JobContext& job) -> Result<json::value> {
    return job.last_checkpoint();
  });
  second->run();
  const auto over = second->wait_over(context_, started->job.id);
  ASSERT_THAT(over, IsOk());
  EXPECT_EQ(over->state, JobState::Done);
  EXPECT_EQ(to_json(over->result), R"({"at":7})");
  EXPECT_EQ(over->attempts, 2);
}

TEST_F(JobServiceTest, AJobThatEndsItsServerAgainAndAgainFails) {
  std::string id;
  {
    const auto jobs = service();
    jobs->register_kind("deadly", {}, runner_gives_up);
    id = jobs->start(context_, "deadly", nullptr)->job.id;
  }
  // What a killed server leaves behind.
  ASSERT_THAT(store_->write(context_,
                            [&](metastore::Transaction& transaction) -> Status {
                              LH_RETURN_IF_ERROR(transaction.execute(
                                  "UPDATE jobs SET state = 1, owner = 'gone', attempts = 2, "
                                  "failures = 2 WHERE id = $1",
                                  {id}));
                              return {};
                            }),
              IsOk());
  const auto jobs = service();
  bool ran = false;
  jobs->register_kind("deadly", {.attempts_max = 2}, [&](JobContext&) -> Result<json::value> {
    ran = true;
    return nullptr;
  });
  jobs->run();
  const auto over = jobs->wait_over(context_, id);
  ASSERT_THAT(over, IsOk());
  EXPECT_EQ(over->state, JobState::Failed);
  EXPECT_THAT(over->error->message, HasSubstr("its server ended"));
  EXPECT_FALSE(ran);
}

TEST_F(JobServiceTest, TwoServersShareTheJobsAndNeverRunOneTwice) {
  constexpr int kJobs = 40;
  std::atomic<int> runs = 0;
  std::atomic<int> at_once = 0;
  const auto make = [&] {
    auto jobs = service({.workers = 3, .is_shared = true});
    jobs->register_kind("one", {.running_max = 3}, [&](JobContext& job) -> Result<json::value> {
      ++runs;
      EXPECT_EQ(++at_once, 1) << "jobs of one subject run side by side";
      job.progress(1, 1);
      std::this_thread::yield();
      --at_once;
      return nullptr;
    });
    jobs->run();
    return jobs;
  };
  const auto first = make();
  const auto second = make();
  std::vector<std::string> ids;
  for (int i = 0; i < kJobs; ++i) {
    // As refreshes that come one after the other, by several callers.
    RequestContext caller = context_;
    caller.principal = "caller" + std::to_string(i);
    const auto started = (i % 2 == 0 ? first : second)
                             ->start(caller, "one", i, {.subject = "x", .if_live = IfLive::Follow});
    ASSERT_THAT(started, IsOk());
    ids.push_back(started->job.id);
  }
  for (const std::string& id : ids) {
    const auto over = first->wait_over(context_, id);
    ASSERT_THAT(over, IsOk());
    EXPECT_EQ(over->state, JobState::Done);
    EXPECT_EQ(over->attempts, 1);
  }
  EXPECT_EQ(runs, kJobs);
}

TEST_F(JobServiceTest, TheJobsOfAServerThatShowsNoLifeAreTakenOver) {
  std::string id;
  {
    const auto jobs = service();
    jobs->register_kind("left", {}, runner_gives_up);
    id = jobs->start(context_, "left", nullptr)->job.id;
  }
  const auto set_beat = [&](std::int64_t beat) {
    EXPECT_THAT(store_->write(context_,
                              [&](metastore::Transaction& transaction) -> Status {
                                LH_RETURN_IF_ERROR(transaction.execute(
                                    "UPDATE jobs SET state = 1, owner = 'other', attempts = 1, "
                                    "failures = 1, beat = $2 WHERE id = $1",
                                    {id, beat}));
                                return {};
                              }),
                IsOk());
  };
  set_beat(1);
  const auto jobs = service({.is_shared = true, .lease = std::chrono::seconds(2)});
  jobs->register_kind("left", {}, [](JobContext&) -> Result<json::value> { return "mine"; });
  jobs->run();
  // As long as its beat moves it is another's.
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(2'500);
  for (std::int64_t beat = 2; std::chrono::steady_clock::now() < until; ++beat) {
    ASSERT_EQ(jobs->get(context_, id)->state, JobState::Running);
    set_beat(beat);
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
  }
  const auto over = jobs->wait_over(context_, id);
  ASSERT_THAT(over, IsOk());
  EXPECT_EQ(over->state, JobState::Done);
  EXPECT_EQ(over->attempts, 2);
}

TEST_F(JobServiceTest, WhoHasLostAJobIsStoppedAndLeavesNoTrace) {
  const auto jobs = service({.is_shared = true});
  Gate began;
  Gate returned;
  Status last;
  jobs->register_kind("stolen", {}, [&](JobContext& job) -> Result<json::value> {
    began.open();
    Gate never;
    never.pass(job.request());
    last = job.checkpoint(json::object{{"late", true}});
    returned.open();
    return "late";
  });
  jobs->run();
  const std::string id = jobs->start(context_, "stolen", nullptr)->job.id;
  began.pass();
  ASSERT_THAT(store_->write(context_,
                            [&](metastore::Transaction& transaction) -> Status {
                              LH_RETURN_IF_ERROR(transaction.execute(
                                  "UPDATE jobs SET owner = 'other', attempts = attempts + 1 WHERE "
                                  "id = $1",
                                  {id}));
                              return {};
                            }),
              IsOk());
  returned.pass();
  jobs->stop();
  EXPECT_THAT(last, FailsWith(ErrorCode::Aborted));
  const auto job = jobs->get(context_, id);
  ASSERT_THAT(job, IsOk());
  EXPECT_EQ(job->state, JobState::Running);
  EXPECT_TRUE(job->result.is_null());
}

TEST_F(JobServiceTest, ACancelByAnotherServerIsHeard) {
  const auto runs = service({.is_shared = true});
  const auto asks = service({.is_shared = true});
  Gate began;
  const auto runner = [&](JobContext& job) -> Result<json::value> {
    began.open();
    Gate never;
    never.pass(job.request());
    return std::unexpected(job.request().check().error());
  };
  runs->register_kind("waits", {}, runner);
  asks->register_kind("waits", {}, runner);
  runs->run();
  const std::string id = asks->start(context_, "waits", nullptr)->job.id;
  runs->wake();
  began.pass();
  EXPECT_THAT(asks->cancel(context_, id), IsOk());
  const auto over = asks->wait_over(context_, id);
  ASSERT_THAT(over, IsOk());
  EXPECT_EQ(over->state, JobState::Cancelled);
}

TEST_F(JobServiceTest, OneSubjectHasOneJobOrOneMoreBehindIt) {
  const auto jobs = service();
  Gate began;
  Gate go;
  std::vector<std::int64_t> ran;
  jobs->register_kind("refresh", {.running_max = 4}, [&](JobContext& job) -> Result<json::value> {
    ran.push_back(job.spec().as_int64());
    began.open();
    go.pass(job.request());
    return nullptr;
  });
  jobs->run();
  const StartOptions join{.subject = "d"};
  const StartOptions refuse{.subject = "d", .if_live = IfLive::Refuse};
  const StartOptions follow{.subject = "d", .if_live = IfLive::Follow};
  const auto first = jobs->start(context_, "refresh", 1, join);
  ASSERT_THAT(first, IsOk());
  began.pass();
  const auto same = jobs->start(context_, "refresh", 1, join);
  ASSERT_THAT(same, IsOk());
  EXPECT_FALSE(same->is_new);
  EXPECT_EQ(same->job.id, first->job.id);
  EXPECT_THAT(jobs->start(context_, "refresh", 2, join), FailsWith(ErrorCode::AlreadyExists));
  EXPECT_THAT(jobs->start(context_, "refresh", 1, refuse), FailsWith(ErrorCode::AlreadyExists));
  RequestContext bob = context_;
  bob.principal = "bob";
  EXPECT_THAT(jobs->start(bob, "refresh", 1, join), FailsWith(ErrorCode::AlreadyExists));
  const auto behind = jobs->start(context_, "refresh", 3, follow);
  ASSERT_THAT(behind, IsOk());
  EXPECT_TRUE(behind->is_new);
  const auto replaced = jobs->start(context_, "refresh", 4, follow);
  ASSERT_THAT(replaced, IsOk());
  EXPECT_FALSE(replaced->is_new);
  EXPECT_EQ(replaced->job.id, behind->job.id);
  EXPECT_EQ(jobs->get(context_, behind->job.id)->state, JobState::Queued);
  go.open();
  EXPECT_THAT(jobs->wait_over(context_, behind->job.id), IsOk());
  EXPECT_THAT(ran, ElementsAre(1, 4));
  EXPECT_TRUE(jobs->start(context_, "refresh", 5, refuse)->is_new);
}

TEST_F(JobServiceTest, OneKindTakesNoMoreWorkersThanItMay) {
  const auto jobs = service({.workers = 3});
  Gate go;
  std::atomic<int> slow_ones = 0;
  jobs->register_kind("slow", {.running_max = 1}, [&](JobContext& job) -> Result<json::value> {
    EXPECT_EQ(++slow_ones, 1);
    go.pass(job.request());
    --slow_ones;
    return nullptr;
  });
  jobs->register_kind("quick", {}, [&](JobContext&) -> Result<json::value> { return nullptr; });
  jobs->run();
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(jobs->start(context_, "slow", i)->job.id);
  }
  EXPECT_THAT(jobs->wait_over(context_, jobs->start(context_, "quick", nullptr)->job.id), IsOk());
  go.open();
  for (const std::string& id : ids) {
    EXPECT_THAT(jobs->wait_over(context_, id), IsOk());
  }
}

TEST_F(JobServiceTest, SubscribersSeeProgressAndTheEnd) {
  const auto jobs = service();
  Gate go;
  jobs->register_kind("steps", {}, [&](JobContext& job) -> Result<json::value> {
    go.pass(job.request());
    job.progress(50, 100, "half");
    LH_RETURN_IF_ERROR(job.checkpoint(nullptr));
    for (int i = 51; i <= 100; ++i) {
      job.progress(i, 100, "rest");
    }
    return "end";
  });
  jobs->run();
  const std::string id = jobs->start(context_, "steps", nullptr)->job.id;
  std::mutex mutex;
  std::vector<Job> seen;
  Gate ended;
  const auto subscription = jobs->subscribe(context_, id, [&](const Job& job) {
    const std::lock_guard lock(mutex);
    seen.push_back(job);
    if (is_over(job.state)) {
      ended.open();
    }
  });
  ASSERT_THAT(subscription, IsOk());
  go.open();
  ended.pass();
  const std::lock_guard lock(mutex);
  EXPECT_EQ(seen.back().state, JobState::Done);
  EXPECT_EQ(seen.back().done, 100);
  EXPECT_LT(seen.size(), 20U);  // What comes together is told together.
  EXPECT_THAT(jobs->subscribe(context_, "none", [](const Job&) {}), FailsWith(ErrorCode::NotFound));
}

TEST_F(JobServiceTest, ListsPageTheLatestFirst) {
  const auto jobs = service();
  jobs->register_kind("a", {}, runner_gives_up);
  jobs->register_kind("b", {}, runner_gives_up);
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    RequestContext caller = context_;
    caller.principal = i % 2 == 0 ? "alice" : "bob";
    ids.push_back(jobs->start(caller, i == 4 ? "b" : "a", i)->job.id);
  }
  const auto page = jobs->list(context_, {}, 2, "");
  ASSERT_THAT(page, IsOk());
  ASSERT_EQ(page->items.size(), 2U);
  EXPECT_EQ(page->items[0].id, ids[4]);
  ASSERT_TRUE(page->next_page_token);
  const auto rest = jobs->list(context_, {}, 10, *page->next_page_token);
  ASSERT_THAT(rest, IsOk());
  EXPECT_EQ(rest->items.size(), 3U);
  EXPECT_FALSE(rest->next_page_token);
  EXPECT_EQ(jobs->list(context_, {.principal = "bob"}, 10, "")->items.size(), 2U);
  EXPECT_EQ(jobs->list(context_, {.kind = "b"}, 10, "")->items.size(), 1U);
  EXPECT_EQ(jobs->list(context_, {.states = {JobState::Running}}, 10, "")->items.size(), 0U);
  EXPECT_THAT(jobs->list(context_, {}, 10, "' OR 1"), FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(JobServiceTest, OldJobsGo) {
  const auto count = [&](JobService& jobs) {
    return jobs.list(context_, {}, 100, "")->items.size();
  };
  {
    const auto jobs = service();
    jobs->register_kind("x", {.running_max = 4}, runner_gives_up);
    jobs->run();
    for (int i = 0; i < 10; ++i) {
      ASSERT_THAT(jobs->wait_over(context_, jobs->start(context_, "x", i)->job.id), IsOk());
    }
    EXPECT_EQ(count(*jobs), 10U);
  }
  const auto jobs = service({.over_max = 4});
  jobs->register_kind("x", {}, runner_gives_up);
  jobs->run();
  ASSERT_THAT(jobs->wait_over(context_, jobs->start(context_, "x", 11)->job.id), IsOk());
  EXPECT_LE(count(*jobs), 5U);
}

TEST_F(JobServiceTest, TooManyAreRefused) {
  const auto jobs = service({.live_max = 2});
  jobs->register_kind("x", {}, runner_gives_up);
  EXPECT_THAT(jobs->start(context_, "x", 1), IsOk());
  EXPECT_THAT(jobs->start(context_, "x", 2), IsOk());
  EXPECT_THAT(jobs->start(context_, "x", 3), FailsWith(ErrorCode::ResourceExhausted));
  EXPECT_THAT(jobs->start(context_, "x", json::value(std::string(2U << 20U, 'x'))),
              FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(JobServiceTest, ADelayedJobWaits) {
  const auto jobs = service();
  jobs->register_kind("x", {.running_max = 2}, runner_gives_up);
  jobs->run();
  const auto begun = std::chrono::steady_clock::now();
  const auto late = jobs->start(context_, "x", 1, {.delay = std::chrono::milliseconds(150)});
  ASSERT_THAT(late, IsOk());
  ASSERT_THAT(jobs->wait_over(context_, jobs->start(context_, "x", 2)->job.id), IsOk());
  ASSERT_THAT(jobs->wait_over(context_, late->job.id), IsOk());
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(140));
}

// Whatever fails, and whether it was written or not: the job ends, and its work is done at least
// once.
TEST_F(JobServiceTest, NoFailureOfTheMetastoreLosesAJob) {
  for (const WriteFault fault : {WriteFault::NotBegun, WriteFault::RolledBack,
                                 WriteFault::UnknownOld, WriteFault::UnknownNew}) {
    for (int nth = 1; nth <= 5; ++nth) {
      SCOPED_TRACE(std::to_string(static_cast<int>(fault)) + "/" + std::to_string(nth));
      FaultyMetastore faulty(*store_);
      const auto jobs =
          make_job_service(faulty, log_, metrics_, {.beat = std::chrono::milliseconds(20)});
      std::atomic<int> checkpoints = 0;
      jobs->register_kind("x", {.retry_after = std::chrono::milliseconds(1)},
                          [&](JobContext& job) -> Result<json::value> {
                            LH_RETURN_IF_ERROR(job.checkpoint(json::object{{"a", 1}}));
                            ++checkpoints;
                            job.progress(1, 1);
                            return "done";
                          });
      const auto started = jobs->start(context_, "x", nth);
      ASSERT_THAT(started, IsOk());
      faulty.arm(fault, nth);
      jobs->run();
      const auto over = jobs->wait_over(context_, started->job.id);
      ASSERT_THAT(over, IsOk());
      EXPECT_EQ(over->state, JobState::Done);
      EXPECT_GE(checkpoints, 1);
    }
  }
}

TEST(RateMeterTest, TellsTheRateOfTheLastHalfMinute) {
  detail::RateMeter meter;
  const detail::RateMeter::Time start{};
  EXPECT_EQ(meter.rate(start), 0);
  for (int s = 0; s <= 100; ++s) {
    meter.add(start + std::chrono::seconds(s), s <= 50 ? s * 10 : 500 + (s - 50) * 2);
  }
  EXPECT_NEAR(meter.rate(start + std::chrono::seconds(100)), 2, 0.2);
  EXPECT_NEAR(meter.rate(start + std::chrono::seconds(130)), 1, 0.2);
  meter.add(start + std::chrono::seconds(131), 0);
  EXPECT_EQ(meter.rate(start + std::chrono::seconds(132)), 0);
}

}  // namespace
}  // namespace lakehouse::jobs
