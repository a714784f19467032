#include "query/cluster.h"

#include <chrono>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "engine/testing/engine_fixture.h"

namespace lakehouse::query {
namespace {

/// A coordinator that says what it is told: one answer after the other, the last one again and
/// again. Real ones are asked in tests/interop.
class FakeCoordinator {
 public:
  struct Answer {
    int status = 200;
    std::string body;
    bool hangs = false;  ///< Answers when the caller has hung up.
  };

  explicit FakeCoordinator(std::vector<Answer> answers)
      : answers_(answers.begin(), answers.end()), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_.get(), generic, size) != 0 || ::listen(listener_.get(), 16) != 0 ||
        ::getsockname(listener_.get(), generic, &size) != 0) {
      throw std::runtime_error("no port");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this] { serve(); });
  }
  ~FakeCoordinator() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  FakeCoordinator(const FakeCoordinator&) = delete;
  FakeCoordinator& operator=(const FakeCoordinator&) = delete;

  [[nodiscard]] std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }
  /// The requests so far: "GET /v1/...", and of the first one all lines.
  std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  std::string first() {
    const std::lock_guard lock(mutex_);
    return first_;
  }

 private:
  void serve() {
    while (true) {
      const UniqueFd connection(::accept(listener_.get(), nullptr, nullptr));
      if (!connection) {
        return;
      }
      std::string text;
      std::array<char, 4096> buffer{};
      std::size_t end = std::string::npos;
      while ((end = text.find("\r\n\r\n")) == std::string::npos) {
        const ssize_t got = ::recv(connection.get(), buffer.data(), buffer.size(), 0);
        if (got <= 0) {
          break;
        }
        text.append(buffer.data(), static_cast<std::size_t>(got));
      }
      const Answer answer = take(text);
      if (answer.hangs) {
        while (::recv(connection.get(), buffer.data(), buffer.size(), 0) > 0) {
        }
        continue;
      }
      const std::string reply =
          fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
                      answer.status, answer.body.size(), answer.body);
      ::send(connection.get(), reply.data(), reply.size(), MSG_NOSIGNAL);
      ::shutdown(connection.get(), SHUT_WR);
      while (::recv(connection.get(), buffer.data(), buffer.size(), 0) > 0) {
      }
    }
  }
  Answer take(const std::string& text) {
    const std::lock_guard lock(mutex_);
    const std::string line = text.substr(0, text.find(" HTTP"));
    requests_.push_back(line);
    first_ = first_.empty() ? text : first_;
    if (line.starts_with("DELETE")) {
      return {204, "", false};
    }
    Answer answer = answers_.front();
    if (answers_.size() > 1) {
      answers_.pop_front();
    }
    return answer;
  }

  std::deque<Answer> answers_;
  UniqueFd listener_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::vector<std::string> requests_;
  std::string first_;
  std::jthread thread_;
};

// Another host's name in the addresses: it is not believed.
constexpr const char* kStarted =
    R"({"id":"q","nextUri":"http://elsewhere.example:1/v1/statement/queued/q/1","stats":{}})";
constexpr const char* kColumns = R"("columns":[{"name":"c0","type":"bigint"}])";

std::string page(const std::string& rows, int next) {
  const std::string address =
      next == 0 ? ""
                : fmt::format(R"("nextUri":"http://elsewhere.example:1/v1/statement/x/{}",)", next);
  return fmt::format(R"({{"id":"q",{}{},"data":{},"stats":{{"progressPercentage":50}}}})", address,
                     kColumns, rows);
}

class ClusterTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { engine_ = new engine::testing::TestEngine(); }
  static void TearDownTestSuite() { delete engine_; }

  static std::unique_ptr<Cluster> cluster(const FakeCoordinator& coordinator,
                                          std::size_t statements_max = 4) {
    Cluster::Options options;
    options.access = {coordinator.url(), "tester", ""};
    options.statements_max = statements_max;
    return *Cluster::open(engine_->pool(), std::move(options));
  }
  static ClusterStatement statement(engine::Encoding encoding = engine::Encoding::Json) {
    ClusterStatement out;
    out.sql = "SELECT 1";
    out.columns = {{"n", "BIGINT"}};
    out.encoding = encoding;
    return out;
  }
  static std::string all(engine::ResultStream& stream, const RequestContext& context) {
    std::string out;
    while (true) {
      const auto bytes = stream.next(context);
      if (!bytes) {
        return out + std::string(to_string(bytes.error().code)) + ": " + bytes.error().message;
      }
      if (!*bytes) {
        return out;
      }
      out += **bytes;
    }
  }
  static Result<std::unique_ptr<engine::ResultStream>> run(
      const std::vector<FakeCoordinator::Answer>& answers) {
    const FakeCoordinator coordinator(answers);
    const auto made = cluster(coordinator);
    return made->run(engine::testing::patient_context(), statement());
  }

  static inline engine::testing::TestEngine* engine_ = nullptr;
};

TEST_F(ClusterTest, PagesBecomeOneAnswerInEveryEncoding) {
  const std::vector<std::pair<engine::Encoding, std::string>> cases = {
      {engine::Encoding::Json, "[1],\n[null],\n[3]"},
      {engine::Encoding::Ndjson, "{\"n\":1}\n{\"n\":null}\n{\"n\":3}\n"},
      {engine::Encoding::Csv, "n\r\n1\r\n\"\"\r\n3\r\n"},
  };
  for (const auto& [encoding, expected] : cases) {
    FakeCoordinator coordinator({{200, kStarted, false},
                                 {503, "", false},
                                 {200, page("[[1],[null]]", 2), false},
                                 {200, page("[]", 3), false},
                                 {200, page("[[3]]", 0), false}});
    const auto made = cluster(coordinator);
    const RequestContext context = engine::testing::patient_context();
    const auto stream = made->run(context, statement(encoding));
    ASSERT_TRUE(stream) << stream.error().message;
    EXPECT_EQ(all(**stream, context), expected);
    EXPECT_EQ((*stream)->end().row_count, 3U);
    EXPECT_TRUE(coordinator.first().contains("X-Trino-User: tester"));
    EXPECT_EQ(coordinator.requests().back(), "GET /v1/statement/x/3?targetResultSize=1MB");
  }
}

TEST_F(ClusterTest, AnAnswerWithoutRowsHasItsHeader) {
  const FakeCoordinator coordinator({{200, kStarted, false}, {200, page("[]", 0), false}});
  const auto made = cluster(coordinator);
  const RequestContext context = engine::testing::patient_context();
  const auto stream = made->run(context, statement(engine::Encoding::Csv));
  ASSERT_TRUE(stream) << stream.error().message;
  EXPECT_EQ(all(**stream, context), "n\r\n");
}

TEST_F(ClusterTest, RowsPastTheLimitAreCut) {
  FakeCoordinator coordinator({{200, kStarted, false}, {200, page("[[1],[2],[3]]", 2), false}});
  const auto made = cluster(coordinator);
  ClusterStatement two = statement();
  two.rows_max = 2;
  const RequestContext context = engine::testing::patient_context();
  const auto stream = made->run(context, two);
  ASSERT_TRUE(stream) << stream.error().message;
  EXPECT_EQ(all(**stream, context), "[1],\n[2]");
  EXPECT_TRUE((*stream)->end().truncated);
  EXPECT_EQ(coordinator.requests().back(), "DELETE /v1/statement/x/2");
}

TEST_F(ClusterTest, FailuresHaveTheirCodes) {
  const auto trino = [](const std::string& name, const std::string& type) {
    return fmt::format(R"({{"error":{{"message":"m","errorName":"{}","errorType":"{}"}}}})", name,
                       type);
  };
  const std::vector<std::pair<FakeCoordinator::Answer, std::pair<ErrorCode, std::string>>> cases = {
      {{200, trino("DIVISION_BY_ZERO", "USER_ERROR"), false},
       {ErrorCode::InvalidArgument, "the cluster: m (DIVISION_BY_ZERO)"}},
      {{200, trino("NOT_SUPPORTED", "USER_ERROR"), false},
       {ErrorCode::Unimplemented, "the cluster: m"}},
      {{200, trino("EXCEEDED_TIME_LIMIT", "INSUFFICIENT_RESOURCES"), false},
       {ErrorCode::DeadlineExceeded, "the cluster: m"}},
      {{200, trino("EXCEEDED_GLOBAL_MEMORY_LIMIT", "INSUFFICIENT_RESOURCES"), false},
       {ErrorCode::ResourceExhausted, "the cluster: m"}},
      {{200, trino("GENERIC_INTERNAL_ERROR", "INTERNAL_ERROR"), false},
       {ErrorCode::Unavailable, "the cluster: m (GENERIC_INTERNAL_ERROR)"}},
      {{401, "", false},
       {ErrorCode::FailedPrecondition,
        "the cluster: Trino does not let this server in: status 401"}},
      {{404, "", false},
       {ErrorCode::Unavailable, "the cluster: Trino does not know the statement any more"}},
      {{200, R"({"id":"q","nextUri":"http://x/elsewhere"})", false},
       {ErrorCode::Unavailable, "the cluster: the address of the next page is none of Trino's"}},
      {{200, R"([1])", false},
       {ErrorCode::Unavailable, "the cluster: what answers there is no Trino"}},
      {{200, R"({"id":"q","columns":[{"name":"c0","type":"varchar"}],"data":[]})", false},
       {ErrorCode::Unimplemented,
        "the cluster gives the column 'n' as varchar, which is no BIGINT"}},
      {{200, R"({"id":"q","columns":[{"name":"c0","type":"bigint"}],"data":[[1,2]]})", false},
       {ErrorCode::Unavailable, "the cluster: a row with another number of columns"}},
      {{200, R"({"id":"q"})", false},
       {ErrorCode::Unavailable, "the cluster: an answer without columns"}},
  };
  for (const auto& [answer, expected] : cases) {
    const auto stream = run({{200, kStarted, false}, answer});
    ASSERT_FALSE(stream) << answer.body;
    EXPECT_EQ(stream.error().message, expected.second);
    EXPECT_EQ(stream.error().code, expected.first) << expected.second;
  }
  const auto no_json = run({{200, kStarted, false}, {200, "<html>", false}});
  ASSERT_FALSE(no_json);
  EXPECT_EQ(no_json.error().code, ErrorCode::Unavailable);
}

TEST_F(ClusterTest, AFailureAfterTheFirstRowsEndsTheStreamWithIt) {
  const FakeCoordinator coordinator(
      {{200, kStarted, false},
       {200, page("[[1]]", 2), false},
       {200, R"({"error":{"message":"m","errorName":"N","errorType":"EXTERNAL"}})", false}});
  const auto made = cluster(coordinator);
  const RequestContext context = engine::testing::patient_context();
  const auto stream = made->run(context, statement());
  ASSERT_TRUE(stream);
  EXPECT_EQ(all(**stream, context), "[1]UNAVAILABLE: the cluster: m (N)");
}

TEST_F(ClusterTest, StoppingEndsAWaitAndCancelsThere) {
  FakeCoordinator coordinator({{200, kStarted, false}, {200, "", true}});
  const auto made = cluster(coordinator);
  RequestContext context = engine::testing::patient_context();
  std::stop_source stop;
  context.stop = stop.get_token();
  auto waiting = std::async(std::launch::async, [&] { return made->run(context, statement()); });
  while (coordinator.requests().size() < 2) {
    std::this_thread::yield();
  }
  stop.request_stop();
  const auto stream = waiting.get();
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().code, ErrorCode::Cancelled);
  while (!coordinator.requests().back().starts_with("DELETE")) {
    std::this_thread::yield();
  }
  EXPECT_EQ(coordinator.requests().back(), "DELETE /v1/statement/queued/q/1");
}

TEST_F(ClusterTest, ADeadlineEndsAWait) {
  const FakeCoordinator coordinator({{200, kStarted, false}, {200, "", true}});
  const auto made = cluster(coordinator);
  RequestContext context = engine::testing::patient_context();
  context.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
  const auto stream = made->run(context, statement());
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().code, ErrorCode::DeadlineExceeded);
}

TEST_F(ClusterTest, MoreStatementsThanAllowedAreRefused) {
  FakeCoordinator coordinator({{200, kStarted, false}, {200, "", true}});
  const auto made = cluster(coordinator, 1);
  RequestContext context = engine::testing::patient_context();
  std::stop_source stop;
  context.stop = stop.get_token();
  auto waiting = std::async(std::launch::async, [&] { return made->run(context, statement()); });
  while (coordinator.requests().empty()) {
    std::this_thread::yield();
  }
  const auto second = made->run(engine::testing::patient_context(), statement());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::ResourceExhausted);
  stop.request_stop();
  EXPECT_FALSE(waiting.get());
}

TEST_F(ClusterTest, NobodyThereIsUnavailable) {
  std::string url;
  {
    const FakeCoordinator gone({{200, "", false}});
    url = gone.url();
  }
  Cluster::Options options;
  options.access = {url, "tester", ""};
  const auto made = *Cluster::open(engine_->pool(), std::move(options));
  const auto stream = made->run(engine::testing::patient_context(), statement());
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().code, ErrorCode::Unavailable);
}

TEST(ClusterAccess, WhatCannotBeACoordinatorIsRefused) {
  EXPECT_TRUE(check_access({"http://127.0.0.1:8080", "u", ""}));
  EXPECT_TRUE(check_access({"https://trino.example", "u", "p"}));
  EXPECT_FALSE(check_access({"trino.example:8080", "u", ""}));
  EXPECT_FALSE(check_access({"http://", "u", ""}));
  EXPECT_FALSE(check_access({"http://a:b@host", "u", ""}));
  EXPECT_FALSE(check_access({"http://host/path", "u", ""}));
  EXPECT_FALSE(check_access({"http://host", "", ""}));
  EXPECT_FALSE(check_access({"http://host", "u", "in the clear"}));
}

}  // namespace
}  // namespace lakehouse::query
