#include "gateway/http/server.h"

#include <atomic>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <openssl/ssl.h>

#include "gateway/http/session.h"

namespace lakehouse::gateway::http {

using tcp = net::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;

namespace {

constexpr auto kToken = net::as_tuple(net::use_awaitable);
constexpr milliseconds kRefuseTime{1000};
// Connections past the limit that are told so; more are just closed.
constexpr std::size_t kRefusalsMax = 64;

Result<std::unique_ptr<net::ssl::context>> make_tls(const ServerOptions& options) {
  if (options.tls_cert.empty()) {
    return nullptr;
  }
  auto context = std::make_unique<net::ssl::context>(net::ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_RENEGOTIATION);
  error_code error;
  std::ignore = context->use_certificate_chain_file(options.tls_cert, error);
  if (error) {
    return fail(ErrorCode::InvalidArgument, fmt::format("the certificate {} cannot be used: {}",
                                                        options.tls_cert, error.message()));
  }
  std::ignore = context->use_private_key_file(options.tls_key, net::ssl::context::pem, error);
  if (error) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the key {} cannot be used: {}", options.tls_key, error.message()));
  }
  return context;
}

Result<tcp::endpoint> resolve(net::io_context& loop, const std::string& host, std::uint16_t port) {
  error_code error;
  const auto address = net::ip::make_address(host, error);
  if (!error) {
    return tcp::endpoint(address, port);
  }
  tcp::resolver resolver(loop);
  const auto found = resolver.resolve(tcp::v4(), host, std::to_string(port), error);
  if (error || found.empty()) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the address {} is not known: {}", host, error.message()));
  }
  return found.begin()->endpoint();
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(ServerOptions options, const Router& router, Log& log, Metrics& metrics)
      : options_(std::move(options)),
        router_(router),
        log_(log),
        metrics_(metrics),
        sessions_(metrics.gauge("lakehouse_http_connections", "Open connections.")),
        refused_(metrics.counter("lakehouse_http_connections_refused_total",
                                 "Connections past the limit.")) {}

  Status listen() {
    LH_ASSIGN_OR_RETURN(tls_, make_tls(options_));
    LH_ASSIGN_OR_RETURN(const tcp::endpoint endpoint, resolve(loop_, options_.host, options_.port));
    error_code error;
    std::ignore = acceptor_.open(endpoint.protocol(), error);
    if (!error) {
      std::ignore = acceptor_.set_option(net::socket_base::reuse_address(true), error);
    }
    if (!error) {
      std::ignore = acceptor_.bind(endpoint, error);
    }
    if (!error) {
      std::ignore = acceptor_.listen(1024, error);
    }
    if (error) {
      return fail(
          ErrorCode::Unavailable,
          fmt::format("cannot listen on {}:{}: {}", options_.host, options_.port, error.message()),
          "Another server may use the port: give another with --listen HOST:PORT.");
    }
    port_ = acceptor_.local_endpoint().port();
    return {};
  }

  void run() {
    net::co_spawn(strand_, accept_all(), net::detached);
    for (std::size_t i = 0; i < std::max<std::size_t>(options_.threads, 1); ++i) {
      threads_.emplace_back([this] { loop_.run(); });
    }
  }

  void stop(milliseconds grace) {
    if (threads_.empty()) {
      return;
    }
    draining_ = true;
    net::post(strand_, [this] {
      error_code ignored;
      std::ignore = acceptor_.close(ignored);
    });
    sessions_.for_each([](SessionHandle& session) { session.drain(); });
    if (!sessions_.wait_empty(grace)) {
      sessions_.for_each([](SessionHandle& session) { session.abort(); });
      sessions_.wait_empty(options_.cancel_time);
    }
    loop_.stop();
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  net::awaitable<void> accept_all() {
    const SessionShared shared{.options = options_,
                               .router = router_,
                               .log = log_,
                               .metrics = metrics_,
                               .sessions = sessions_,
                               .draining = draining_};
    net::steady_timer pause(strand_);
    while (!draining_) {
      tcp::socket socket(net::make_strand(loop_));
      const auto [error] = co_await acceptor_.async_accept(socket, kToken);
      if (draining_) {
        co_return;
      }
      if (error) {
        // Out of descriptors, most likely: they come back when connections end.
        log_.write(LogLevel::Warn, "gateway", "a connection could not be accepted",
                   {{.name = "error", .value = std::string_view(error.message())}});
        pause.expires_after(milliseconds(100));
        co_await pause.async_wait(kToken);
        continue;
      }
      const std::size_t open = sessions_.size();
      if (open < options_.connections_max) {
        start_session(std::move(socket), tls_.get(), shared);
      } else {
        refused_.add();
        if (tls_ == nullptr && open < options_.connections_max + kRefusalsMax) {
          refuse_session(std::move(socket), kRefuseTime);
        }
      }
    }
  }

  ServerOptions options_;
  const Router& router_;
  Log& log_;
  Metrics& metrics_;
  SessionList sessions_;
  Counter& refused_;
  std::atomic<bool> draining_ = false;
  std::unique_ptr<net::ssl::context> tls_;
  // Goes before what is above: the coroutines that are left go with it, and use that.
  net::io_context loop_;
  net::strand<net::io_context::executor_type> strand_{loop_.get_executor()};
  tcp::acceptor acceptor_{strand_};
  std::uint16_t port_ = 0;
  std::vector<std::thread> threads_;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  impl_->stop(milliseconds(0));
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(ServerOptions options, const Router& router,
                                                      Log& log, Metrics& metrics) {
  auto impl = std::make_unique<Impl>(std::move(options), router, log, metrics);
  LH_RETURN_IF_ERROR(impl->listen());
  impl->run();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

std::uint16_t HttpServer::port() const {
  return impl_->port();
}

void HttpServer::stop(milliseconds grace) {
  impl_->stop(grace);
}

}  // namespace lakehouse::gateway::http
