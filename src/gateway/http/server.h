#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "base/metrics.h"
#include "gateway/http/guard.h"
#include "gateway/http/router.h"

namespace lakehouse::gateway::http {

/// Who calls, by the request's Authorization header, which may be empty. Unauthenticated.
using Authenticate =
    std::function<net::awaitable<Result<std::string>>(std::string authorization, RequestContext)>;

struct ServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: a free one.
  std::string tls_cert;    ///< PEM files; both or none.
  std::string tls_key;
  GuardOptions guard;
  Authenticate authenticate;  ///< Empty: nobody is asked, and everybody is "anonymous".
  std::size_t threads = 2;
  std::size_t connections_max = 1000;
  std::size_t header_bytes_max = std::size_t{64} << 10U;
  std::uint64_t body_bytes_max = std::uint64_t{64} << 30U;
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds body_timeout{30'000};
  std::chrono::milliseconds idle_timeout{75'000};
  std::chrono::milliseconds request_timeout{3'600'000};
  /// How long requests may take to notice that they were cancelled when the server stops.
  std::chrono::milliseconds cancel_time{3000};
  /// False: the log has errors by their codes only; what they say may quote a request.
  bool logs_messages = true;
};

/// HTTP/1.1 over TCP or TLS: accepts, reads requests within limits, has them handled by the
/// router's routes and writes the answers.
///
/// Thread-safe. `router`, `log` and `metrics` outlive it. It outlives every WorkerPool that its
/// handlers use: their threads still wake its event loop.
class HttpServer {
 public:
  /// Unavailable if the address cannot be listened on, InvalidArgument for bad TLS files.
  static Result<std::unique_ptr<HttpServer>> start(ServerOptions options, const Router& router,
                                                   Log& log, Metrics& metrics);
  /// As `stop` without grace.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const;

  /// Accepts no more, lets running requests end for at most `grace`, then cancels them. When it
  /// returns no handler runs any more on the event loop. Can be called twice.
  void stop(std::chrono::milliseconds grace);

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lakehouse::gateway::http
