#include "gateway/http/server.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <functional>
#include <mutex>
#include <thread>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/testing/matchers.h"
#include "gateway/http/run_on.h"
#include "gateway/testing/http_client.h"

namespace lakehouse::gateway::http {
namespace {

using namespace std::chrono_literals;
using lakehouse::testing::IsOk;
using testing::ask;
using testing::get;
using ::testing::HasSubstr;
using testing::RawClient;
using testing::RawResponse;

/// Sends `pieces` pieces of `piece`, then ends, or fails.
class RepeatSource final : public BodySource {
 public:
  RepeatSource(std::string piece, std::size_t pieces, bool fails,
               std::optional<std::uint64_t> size = std::nullopt)
      : piece_(std::move(piece)), left_(pieces), fails_(fails), size_(size) {}
  net::awaitable<Result<std::optional<std::string>>> next() override {
    if (left_ == 0 && fails_) {
      co_return fail(ErrorCode::Unavailable, "the source broke");
    }
    if (left_ == 0) {
      co_return std::nullopt;
    }
    --left_;
    co_return piece_;
  }
  [[nodiscard]] std::optional<std::uint64_t> size_bytes() const override { return size_; }

 private:
  std::string piece_;
  std::size_t left_;
  bool fails_;
  std::optional<std::uint64_t> size_;
};

// The sanitizers keep freed memory back.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kCountsMemory = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kCountsMemory = false;
#else
constexpr bool kCountsMemory = true;
#endif
#else
constexpr bool kCountsMemory = true;
#endif

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// A latch that waits at most a minute.
class Flag {
 public:
  void raise() {
    const std::lock_guard lock(mutex_);
    raised_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 60s, [this] { return raised_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool raised_ = false;
};

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() : log_({.level = LogLevel::Debug, .format = LogFormat::Json, .file = "/dev/null"}) {
    add_plain_routes();
    add_stream_routes();
    add_slow_routes();
  }

  ~ServerTest() override {
    release_.raise();
    if (server_) {
      server_->stop(0ms);
    }
    pool_.reset();
    server_.reset();
  }

  void start(const std::function<void(ServerOptions&)>& change = {}) {
    ServerOptions options;
    options.header_timeout = 10s;
    if (change) {
      change(options);
    }
    auto server = HttpServer::start(std::move(options), router_, log_, metrics_);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    port_ = server_->port();
  }

  void add(Method method, std::string path, Handler handler) {
    Route route;
    route.method = method;
    route.operation_id = path + std::string(to_string(method));
    route.path = std::move(path);
    route.handler = std::move(handler);
    router_.add(std::move(route));
  }

  void add_plain_routes() {
    add(Method::Get, "/hello", [](Request) -> net::awaitable<Result<Response>> {
      co_return text_response(200, "text/plain", "hello");
    });
    add(Method::Get, "/throws", [](Request) -> net::awaitable<Result<Response>> {
      throw std::runtime_error("secret detail");
      co_return empty_response();
    });
    add(Method::Get, "/busy", [](Request) -> net::awaitable<Result<Response>> {
      co_return fail(ErrorCode::ResourceExhausted, "too much");
    });
    add(Method::Get, "/trace", [](Request request) -> net::awaitable<Result<Response>> {
      co_return text_response(200, "text/plain", request.context.traceparent);
    });
    add(Method::Get, "/forge", [](Request request) -> net::awaitable<Result<Response>> {
      Response response = empty_response(200);
      response.headers.add("X-Name", request.query_param("name").value_or(""));
      co_return response;
    });
    add(Method::Post, "/echo", [](Request request) -> net::awaitable<Result<Response>> {
      LH_ASSIGN_OR_CO_RETURN(std::string body, co_await request.read_body(1000));
      co_return text_response(200, "text/plain", std::move(body));
    });
    add(Method::Post, "/json", [](Request request) -> net::awaitable<Result<Response>> {
      LH_ASSIGN_OR_CO_RETURN(const boost::json::value body, co_await request.read_json());
      co_return json_response(200, body);
    });
    add(Method::Post, "/ignore", [](Request) -> net::awaitable<Result<Response>> {
      co_return text_response(200, "text/plain", "not read");
    });
  }

  void add_stream_routes() {
    add(Method::Post, "/count", [](Request request) -> net::awaitable<Result<Response>> {
      std::vector<std::byte> buffer(65536);
      std::uint64_t total = 0;
      while (true) {
        LH_ASSIGN_OR_CO_RETURN(const std::size_t count,
                               co_await request.body->read_some(std::span(buffer)));
        if (count == 0) {
          co_return text_response(200, "text/plain", std::to_string(total));
        }
        total += count;
      }
    });
    add(Method::Get, "/stream/{pieces}", [](Request request) -> net::awaitable<Result<Response>> {
      Response response;
      const std::size_t pieces = std::stoul(request.path_param("pieces"));
      const bool fails = request.query_param("fails").has_value();
      std::optional<std::uint64_t> size;
      if (request.query_param("sized")) {
        size = pieces * 65536;
      }
      response.body = std::make_unique<RepeatSource>(std::string(65536, 'x'), pieces, fails, size);
      co_return response;
    });
  }

  void add_slow_routes() {
    // Waits on a pool thread until the client goes away.
    add(Method::Get, "/wait", [this](Request request) -> net::awaitable<Result<Response>> {
      auto wait = [this, context = request.context]() -> Result<int> {
        entered_.raise();
        while (context.check()) {
          std::this_thread::sleep_for(5ms);
        }
        cancelled_.raise();
        return fail(ErrorCode::Cancelled, "gone");
      };
      LH_ASSIGN_OR_CO_RETURN(const int ignored, co_await run_on(*pool_, std::move(wait)));
      static_cast<void>(ignored);
      co_return empty_response();
    });
    // Waits until the test lets go.
    add(Method::Get, "/held", [this](Request) -> net::awaitable<Result<Response>> {
      auto wait = [this]() -> Result<int> {
        entered_.raise();
        release_.wait();
        return 1;
      };
      LH_ASSIGN_OR_CO_RETURN(const int ignored, co_await run_on(*pool_, std::move(wait)));
      static_cast<void>(ignored);
      co_return text_response(200, "text/plain", "released");
    });
  }

  Log log_;
  Metrics metrics_;
  Router router_;
  Flag entered_;
  Flag cancelled_;
  Flag release_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<WorkerPool> pool_ = std::make_unique<WorkerPool>("test", 4, 2);
  std::uint16_t port_ = 0;
};

TEST_F(ServerTest, AnswersOnAKeptConnection) {
  start();
  RawClient client(port_);
  for (int i = 0; i < 3; ++i) {
    client.send(get("/hello"));
    const RawResponse response = client.receive();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "hello");
    EXPECT_FALSE(response.headers.contains("connection"));
    EXPECT_FALSE(response.headers.at("x-request-id").empty());
  }
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  RawClient client(port_);
  client.send(get("/hello") +
              "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc" +
              "POST /ignore HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc" +
              get("/hello", "Connection: close\r\n"));
  EXPECT_EQ(client.receive().body, "hello");
  EXPECT_EQ(client.receive().body, "abc");
  EXPECT_EQ(client.receive().body, "not read");
  EXPECT_EQ(client.receive().body, "hello");
  EXPECT_EQ(client.receive_some(), "");
}

TEST_F(ServerTest, RefusesWhatIsNoProperRequest) {
  start([](ServerOptions& options) { options.header_bytes_max = 2000; });
  const std::string long_header = "X: " + std::string(3000, 'x') + "\r\n";
  const std::vector<std::pair<std::string, int>> cases = {
      {"garbage\r\n\r\n", 400},
      {"GET\r\n\r\n", 400},
      {"GET /hello HTTP/1.1\r\n\r\n", 400},
      {"GET /hello HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400},
      {"GET /hello HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n", 400},
      {"GET /hello HTTP/1.1\r\nHost: localhost\r\nA b: c\r\n\r\n", 400},
      {"GET /hello HTTP/2.0\r\nHost: localhost\r\n\r\n", 400},
      {"GET hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
      {"GET /hello%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 404},
      {"GET /stream/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
      {get("/hello", long_header), 431},
      {get("/" + std::string(3000, 'a')), 431},
      {"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
       400},
      {"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
       "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       400},
      {"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
       "0\r\n\r\n",
       501},
      {"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
       400},
      {"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000\r\n\r\n", 413},
      {"POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: magic\r\nContent-Length: 1\r\n\r\na",
       417},
      {"POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n{", 400},
      {"POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
       "Content-Length: 1\r\n\r\n1",
       415},
      {"TRACE /hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 405},
      {"DELETE /hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 405},
      {get("/absent"), 404},
      {get("/hello?a=%zz"), 400},
      {get("/hello", "Origin: https://evil.example\r\n"), 403},
      {get("/hello", "Sec-Fetch-Site: cross-site\r\n"), 403},
      {"GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421},
      {"GET http://evil.example/hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 421},
      {"GET http://localhost/hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 200},
      {"GET /hello HTTP/1.0\r\nHost: localhost\r\n\r\n", 200},
      {get("/throws"), 500},
  };
  for (const auto& [request, status] : cases) {
    SCOPED_TRACE(request.substr(0, 120));
    const RawResponse response = ask(port_, request);
    EXPECT_EQ(response.status, status);
    EXPECT_TRUE(response.complete);
    if (status >= 400) {
      EXPECT_EQ(response.headers.at("content-type"), "application/problem+json");
      const auto problem = boost::json::parse(response.body).as_object();
      EXPECT_EQ(problem.at("status").as_int64(), status);
      EXPECT_FALSE(problem.at("detail").as_string().empty());
      EXPECT_FALSE(response.body.find("secret") != std::string::npos);
    }
  }
}

TEST_F(ServerTest, SaysWhatAPathTakes) {
  start();
  EXPECT_EQ(ask(port_, "PUT /hello HTTP/1.1\r\nHost: localhost\r\n\r\n").headers.at("allow"),
            "GET, HEAD, OPTIONS");
  const auto options = ask(port_, "OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.headers.at("allow"), "POST, OPTIONS");
}

TEST_F(ServerTest, HeadIsGetWithoutTheBody) {
  start();
  RawClient client(port_);
  client.send("HEAD /hello HTTP/1.1\r\nHost: localhost\r\n\r\n" +
              std::string("HEAD /stream/3?sized=1 HTTP/1.1\r\nHost: localhost\r\n\r\n") +
              get("/hello"));
  const auto head = client.receive(true);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.at("content-length"), "5");
  EXPECT_EQ(client.receive(true).headers.at("content-length"), std::to_string(3 * 65536));
  EXPECT_EQ(client.receive().body, "hello");
}

TEST_F(ServerTest, ARetryHintComesWithBusyAnswers) {
  start();
  const auto response = ask(port_, get("/busy"));
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.headers.at("retry-after"), "1");
}

TEST_F(ServerTest, ContinuesAfterExpectOnlyWhenTheBodyIsWanted) {
  start();
  const std::string head =
      "POST {} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
  RawClient client(port_);
  client.send(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
      "Content-Length: 3\r\n\r\n");
  EXPECT_EQ(client.receive().status, 100);
  client.send("abc");
  EXPECT_EQ(client.receive().body, "abc");

  const auto refused = ask(port_,
                           "POST /echo HTTP/1.1\r\nHost: localhost\r\n"
                           "Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n");
  EXPECT_EQ(refused.status, 413);
  EXPECT_EQ(refused.headers.at("connection"), "close");
}

TEST_F(ServerTest, RequestIdAndTraceArePassedOn) {
  start();
  EXPECT_EQ(ask(port_, get("/hello", "X-Request-Id: mine-1\r\n")).headers.at("x-request-id"),
            "mine-1");
  EXPECT_NE(ask(port_, get("/hello", "X-Request-Id: a b\r\n")).headers.at("x-request-id"), "a b");
  const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const auto traced = ask(port_, get("/trace", "traceparent: " + trace + "\r\n"));
  EXPECT_EQ(traced.body.substr(0, 36), trace.substr(0, 36));
  EXPECT_EQ(traced.headers.at("traceparent"), traced.body);
  EXPECT_EQ(ask(port_, get("/trace", "traceparent: rubbish\r\n")).body, "");
}

TEST_F(ServerTest, AHeaderValueCannotForgeHeaders) {
  start();
  const auto response = ask(port_, get("/forge?name=a%0d%0aX-Evil:%201"));
  EXPECT_EQ(response.status, 200);
  EXPECT_FALSE(response.headers.contains("x-evil"));
}

TEST_F(ServerTest, ASlowHeaderIsGivenUp) {
  start([](ServerOptions& options) { options.header_timeout = 100ms; });
  RawClient client(port_);
  client.send("GET /hello HTTP/1.1\r\n");
  const auto response = client.receive();
  EXPECT_EQ(response.status, 408);
  EXPECT_EQ(client.receive_some(), "");
  RawClient silent(port_);
  EXPECT_EQ(silent.receive_some(), "") << "closed without a word";
}

TEST_F(ServerTest, ASlowBodyIsGivenUp) {
  start([](ServerOptions& options) { options.body_timeout = 100ms; });
  const auto response =
      ask(port_, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(response.status, 408);
}

TEST_F(ServerTest, AnIdleConnectionIsClosed) {
  start([](ServerOptions& options) { options.idle_timeout = 100ms; });
  RawClient client(port_);
  client.send(get("/hello"));
  EXPECT_EQ(client.receive().status, 200);
  EXPECT_EQ(client.receive_some(), "");
}

TEST_F(ServerTest, TooManyConnectionsAreToldSo) {
  start([](ServerOptions& options) { options.connections_max = 1; });
  RawClient first(port_);
  first.send(get("/hello"));
  EXPECT_EQ(first.receive().status, 200);
  RawClient second(port_);
  const auto refused = second.receive();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  first.close();
  int status = 503;
  for (int i = 0; i < 100 && status != 200; ++i) {
    RawClient next(port_);
    status = next.try_send(get("/hello")) ? next.receive().status : 503;
  }
  EXPECT_EQ(status, 200);
}

TEST_F(ServerTest, BigBodiesStreamInBothDirectionsInConstantMemory) {
  start();
  constexpr std::size_t kPieces = 4096;  // 256 MiB
  const std::string piece(65536, 'u');
  const std::size_t before = resident_bytes();
  {
    RawClient client(port_);
    client.send(fmt::format("POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
                            kPieces * piece.size()));
    for (std::size_t i = 0; i < kPieces; ++i) {
      client.send(piece);
    }
    EXPECT_EQ(client.receive().body, std::to_string(kPieces * piece.size()));
  }
  {
    RawClient client(port_);
    client.send(get(fmt::format("/stream/{}", kPieces), "Connection: close\r\n"));
    std::size_t received = 0;
    for (std::string bytes = client.receive_some(); !bytes.empty(); bytes = client.receive_some()) {
      received += bytes.size();
    }
    EXPECT_GT(received, kPieces * piece.size());
  }
  if (kCountsMemory) {
    EXPECT_LT(resident_bytes(), before + (std::size_t{64} << 20U));
  }
}

TEST_F(ServerTest, AChunkedUploadIsRead) {
  start();
  const auto response =
      ask(port_,
          "POST /count HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
          "5\r\nabcde\r\n3;ext=1\r\nfgh\r\n0\r\n\r\n");
  EXPECT_EQ(response.body, "8");
}

TEST_F(ServerTest, AStreamThatFailsNeverEndsCleanly) {
  start();
  const auto chunked = ask(port_, get("/stream/3?fails=1"));
  EXPECT_EQ(chunked.status, 200);
  EXPECT_FALSE(chunked.complete);
  const auto sized = ask(port_, get("/stream/3?fails=1&sized=1"));
  EXPECT_FALSE(sized.complete && sized.body.size() == std::size_t{3} * 65536 &&
               sized.headers.contains("connection"));
  RawClient old(port_);
  old.send("GET /stream/3?fails=1 HTTP/1.0\r\nHost: localhost\r\n\r\n");
  EXPECT_FALSE(old.receive().complete) << "reset, not ended";
  const auto at_once = ask(port_, get("/stream/0?fails=1"));
  EXPECT_EQ(at_once.status, 503) << "nothing was sent yet, so it is an answer";
}

TEST_F(ServerTest, ASizedStreamThatIsTooShortIsCut) {
  start();
  const auto whole = ask(port_, get("/stream/2?sized=1"));
  EXPECT_TRUE(whole.complete);
  EXPECT_EQ(whole.body.size(), std::size_t{2} * 65536);
}

TEST_F(ServerTest, AClientThatGoesAwayCancelsItsRequest) {
  start();
  RawClient client(port_);
  client.send(get("/wait"));
  ASSERT_TRUE(entered_.wait());
  client.close();
  EXPECT_TRUE(cancelled_.wait());
}

TEST_F(ServerTest, AFullPoolIsAnAnswer) {
  start();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(std::make_unique<RawClient>(port_));
    clients.back()->send(get("/held"));
  }
  // Four run and two wait; each of the others says so while these are held.
  std::atomic<int> refused = 0;
  std::atomic<int> well = 0;
  Flag all_refused;
  std::vector<std::jthread> readers;
  readers.reserve(clients.size());
  for (const auto& client : clients) {
    readers.emplace_back([&, reading = client.get()] {
      const int status = reading->receive().status;
      well += status == 200 ? 1 : 0;
      if (status == 429 && ++refused == 6) {
        all_refused.raise();
      }
    });
  }
  EXPECT_TRUE(all_refused.wait());
  release_.raise();
  readers.clear();
  EXPECT_EQ(well, 6);
  EXPECT_EQ(refused, 6);
}

TEST_F(ServerTest, StoppingLetsRunningRequestsEnd) {
  start();
  RawClient idle(port_);
  idle.send(get("/hello"));
  EXPECT_EQ(idle.receive().status, 200);
  RawClient client(port_);
  client.send(get("/held"));
  ASSERT_TRUE(entered_.wait());
  std::thread stopping([this] { server_->stop(10s); });
  EXPECT_EQ(idle.receive_some(), "") << "idle connections are closed at once";
  release_.raise();
  const auto response = client.receive();
  EXPECT_EQ(response.body, "released");
  EXPECT_EQ(response.headers.at("connection"), "close");
  stopping.join();
}

TEST_F(ServerTest, StoppingCancelsWhatOutlastsTheGrace) {
  start();
  RawClient client(port_);
  client.send(get("/wait"));
  ASSERT_TRUE(entered_.wait());
  server_->stop(50ms);
  EXPECT_TRUE(cancelled_.wait());
  EXPECT_EQ(client.receive_some(), "");
}

TEST_F(ServerTest, WhatIgnoresItsCancellationIsLeftBehind) {
  start([](ServerOptions& options) { options.cancel_time = 20ms; });
  RawClient client(port_);
  client.send(get("/held"));
  ASSERT_TRUE(entered_.wait());
  server_->stop(0ms);
  EXPECT_EQ(client.receive_some(), "");
  release_.raise();  // Its thread still answers to the coroutine that waits in the stopped loop.
}

TEST_F(ServerTest, CountsRequestsByRoute) {
  start();
  ask(port_, get("/hello"));
  ask(port_, get("/absent/1"));
  server_->stop(1s);
  const std::string text = metrics_.text();
  EXPECT_THAT(text, HasSubstr("lakehouse_http_requests_total{method=\"GET\",route=\"/hello\","
                              "status=\"200\"} 1"));
  EXPECT_THAT(text, HasSubstr("route=\"none\",status=\"404\"} 1"));
}

}  // namespace
}  // namespace lakehouse::gateway::http
