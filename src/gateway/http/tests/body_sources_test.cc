#include "gateway/http/body_sources.h"

#include <chrono>
#include <deque>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/testing/matchers.h"
#include "base/unique_fd.h"

namespace lakehouse::gateway::http {
namespace {

using namespace std::chrono_literals;
using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;

/// Gives what the test puts in; readable while there is something.
class FakeStream final : public engine::ResultStream {
 public:
  explicit FakeStream(bool* destroyed = nullptr) : destroyed_(destroyed) {}
  ~FakeStream() override {
    if (destroyed_ != nullptr) {
      *destroyed_ = true;
    }
  }
  [[nodiscard]] const std::vector<engine::Column>& columns() const override { return columns_; }
  Result<std::optional<std::string>> next(const RequestContext&) override { return std::nullopt; }
  [[nodiscard]] int fd() const override { return event_.get(); }
  Result<Poll> try_next() override {
    if (pieces_.empty()) {
      return Poll{};
    }
    Result<Poll> piece = std::move(pieces_.front());
    pieces_.pop_front();
    return piece;
  }
  [[nodiscard]] const engine::ResultEnd& end() const override { return end_; }

  void put(Result<Poll> piece) {
    pieces_.push_back(std::move(piece));
    ::eventfd_write(event_.get(), 1);
  }
  void put(std::string bytes) { put(Poll{.ready = true, .bytes = std::move(bytes)}); }
  void put_end(std::uint64_t rows) {
    end_.row_count = rows;
    put(Poll{.ready = true, .bytes = std::nullopt});
  }

 private:
  bool* destroyed_;
  std::vector<engine::Column> columns_;
  std::deque<Result<Poll>> pieces_;
  UniqueFd event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  engine::ResultEnd end_;
};

net::awaitable<Result<std::string>> read_all(BodySource* source) {
  std::string all;
  while (true) {
    auto piece = co_await source->next();
    if (!piece) {
      co_return std::unexpected(piece.error());
    }
    if (!*piece) {
      co_return all;
    }
    all += **piece;
  }
}

class EngineBodyTest : public ::testing::Test {
 protected:
  void make(Envelope envelope, RequestContext context = {}) {
    auto stream = std::make_unique<FakeStream>(&destroyed_);
    stream_ = stream.get();
    envelope.finished = [this](const Status& status) { finished_ = status; };
    body_ = engine_body(std::move(stream), std::move(envelope), std::move(context));
  }

  Result<std::string> run() {
    auto answer = net::co_spawn(loop_, read_all(body_.get()), net::use_future);
    loop_.restart();
    loop_.run();
    return answer.get();
  }

  net::io_context loop_;
  bool destroyed_ = false;
  FakeStream* stream_ = nullptr;
  std::optional<Status> finished_;
  std::unique_ptr<BodySource> body_;
};

TEST_F(EngineBodyTest, PutsTheEnvelopeAround) {
  make({.prefix = "[",
        .suffix = [](const engine::ResultEnd& end) { return "]" + std::to_string(end.row_count); },
        .finished = {},
        .map_error = {}});
  stream_->put("a");
  stream_->put("b");
  stream_->put_end(2);
  EXPECT_EQ(run().value(), "[ab]2");
  ASSERT_TRUE(finished_.has_value());
  EXPECT_THAT(*finished_, IsOk());
}

TEST_F(EngineBodyTest, AnEmptyResultIsTheEnvelopeAlone) {
  make({.prefix = "[",
        .suffix = [](const engine::ResultEnd&) { return "]"; },
        .finished = {},
        .map_error = {}});
  stream_->put_end(0);
  EXPECT_EQ(run().value(), "[]");
}

TEST_F(EngineBodyTest, WaitsForTheDescriptor) {
  make({});
  std::thread later([this] {
    std::this_thread::sleep_for(20ms);
    net::post(loop_, [this] {
      stream_->put("late");
      stream_->put_end(1);
    });
  });
  EXPECT_EQ(run().value(), "late");
  later.join();
}

TEST_F(EngineBodyTest, TheStopTokenEndsTheWait) {
  std::stop_source stop;
  RequestContext context;
  context.stop = stop.get_token();
  make({}, context);
  std::thread later([&] {
    std::this_thread::sleep_for(20ms);
    stop.request_stop();
  });
  EXPECT_THAT(run(), FailsWith(ErrorCode::Cancelled));
  later.join();
  EXPECT_THAT(*finished_, FailsWith(ErrorCode::Cancelled));
}

TEST_F(EngineBodyTest, TheDeadlineEndsTheWaitAndTheErrorIsMapped) {
  RequestContext context;
  context.deadline = std::chrono::steady_clock::now() + 20ms;
  make({.prefix = {},
        .suffix = {},
        .finished = {},
        .map_error = [](Error error) { return with_http_status(std::move(error), 408); }},
       context);
  const auto answer = run();
  ASSERT_THAT(answer, FailsWith(ErrorCode::DeadlineExceeded));
  EXPECT_EQ(http_status_of(answer.error()), 408);
}

TEST_F(EngineBodyTest, AFailureIsPassedOn) {
  make({.prefix = "[", .suffix = {}, .finished = {}, .map_error = {}});
  stream_->put(fail(ErrorCode::Unavailable, "the engine died"));
  EXPECT_THAT(run(), FailsWith(ErrorCode::Unavailable));
}

TEST_F(EngineBodyTest, ABodyThatIsDroppedDropsItsStream) {
  make({});
  body_.reset();
  EXPECT_TRUE(destroyed_);
  EXPECT_THAT(*finished_, FailsWith(ErrorCode::Cancelled));
}

}  // namespace
}  // namespace lakehouse::gateway::http
