#include "gateway/http/session.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <exception>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/ssl.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <poll.h>

#include "base/id.h"
#include "base/text.h"

namespace lakehouse::gateway::http {
namespace {

namespace beast = boost::beast;
using tcp = net::ip::tcp;
using Clock = std::chrono::steady_clock;
using boost::system::error_code;
using std::chrono::milliseconds;

constexpr auto kToken = net::as_tuple(net::use_awaitable);
constexpr milliseconds kWatchInterval{100};
constexpr milliseconds kLingerTime{1000};
// What is left of a body that nobody read, and is still cheaper to read than a new connection.
constexpr std::uint64_t kDrainBytesMax = std::uint64_t{256} << 10U;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kLastChunk = "0\r\n\r\n";
constexpr std::size_t kReadBytes = std::size_t{64} << 10U;

std::string http_date() {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(std::chrono::system_clock::now()));
}

// A line end in a value would forge headers.
std::string header_value(std::string_view value) {
  std::string safe(value);
  std::ranges::replace_if(
      safe, [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F; },
      ' ');
  return safe;
}

Error make_error(ErrorCode code, std::string message, int status) {
  return with_http_status(Error{.code = code,
                                .message = std::move(message),
                                .hint = {},
                                .position_bytes = std::nullopt,
                                .details_json = {}},
                          status);
}

/// One request and its answer, as the session sees it.
struct Exchange {
  Method method = Method::Other;
  std::string target;
  std::string path;
  std::string host;
  std::string request_id;
  std::string principal = "anonymous";
  std::string traceparent;
  std::string route = "none";  ///< The template, for metrics: a closed set.
  std::string allow;
  bool head = false;
  bool http11 = true;
  bool keep_alive = false;
  bool expects_continue = false;
  int status = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  Clock::time_point started = Clock::now();
  std::stop_source stop;
};

// How a request that could not even be parsed is answered; nothing if the client just went.
std::optional<Error> error_of_parse(const error_code& ec, bool timed_out) {
  namespace http = beast::http;
  if (timed_out) {
    return make_error(ErrorCode::DeadlineExceeded, "the request's header did not come in time",
                      408);
  }
  if (ec == http::error::header_limit || ec == http::error::buffer_overflow) {
    return make_error(ErrorCode::InvalidArgument, "the request's header is too long", 431);
  }
  if (ec == http::error::body_limit) {
    return make_error(ErrorCode::ResourceExhausted, "the request's body is too long", 413);
  }
  if (ec == http::error::bad_version) {
    return make_error(ErrorCode::Unimplemented, "only HTTP/1.0 and HTTP/1.1 are spoken here", 400);
  }
  if (ec == http::error::end_of_stream || ec == http::error::partial_message ||
      ec.category() != http::make_error_code(http::error::bad_method).category()) {
    return std::nullopt;
  }
  return make_error(ErrorCode::InvalidArgument,
                    fmt::format("this is no HTTP request: {}", ec.message()), 400);
}

/// "http://a.b/c" and "/c" as {"a.b", "/c"} and {"", "/c"}. Nothing for other forms.
std::optional<std::pair<std::string, std::string>> split_target(std::string_view target) {
  if (target.starts_with('/')) {
    return std::pair(std::string(), std::string(target));
  }
  const std::size_t scheme = target.find("://");
  if (scheme == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string name = to_lower(target.substr(0, scheme));
  if (name != "http" && name != "https") {
    return std::nullopt;
  }
  const std::string_view rest = target.substr(scheme + 3);
  const std::size_t slash = std::min(rest.find_first_of("/?"), rest.size());
  std::string path(rest.substr(slash));
  if (!path.starts_with('/')) {
    path.insert(0, "/");
  }
  return std::pair(std::string(rest.substr(0, slash)), std::move(path));
}

template <class Stream>
class Session final : public SessionHandle,
                      public RequestBody,
                      public std::enable_shared_from_this<Session<Stream>> {
  static constexpr bool kIsTls = !std::is_same_v<Stream, beast::tcp_stream>;

 public:
  Session(Stream stream, SessionShared shared)
      : stream_(std::move(stream)),
        shared_(shared),
        buffer_(std::max(shared.options.header_bytes_max, kReadBytes) * 2),
        timer_(stream_.get_executor()) {
    error_code ignored;
    const auto peer = lowest().socket().remote_endpoint(ignored);
    peer_ = ignored ? std::string("unknown") : peer.address().to_string();
  }
  ~Session() override { shared_.sessions.remove(this); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  net::awaitable<void> run() {
    if constexpr (kIsTls) {
      expire_after(shared_.options.header_timeout);
      const auto [failed] = co_await stream_.async_handshake(net::ssl::stream_base::server, kToken);
      if (failed) {
        co_return;
      }
    }
    bool goes_on = true;
    while (goes_on) {
      goes_on = co_await serve_one();
      first_ = false;
    }
    co_await close();
  }

  void drain() override {
    if (auto self = this->weak_from_this().lock()) {
      net::post(stream_.get_executor(), [self] {
        if (self->idle_) {
          self->cut_ = true;  // Nothing is owed to the client.
          self->lowest().close();
        }
      });
    }
  }

  void abort() override {
    if (auto self = this->weak_from_this().lock()) {
      net::post(stream_.get_executor(), [self] {
        self->cut_ = true;
        self->cancel_request();
        self->lowest().close();
      });
    }
  }

  net::awaitable<Result<std::size_t>> read_some(std::span<std::byte> buffer) override {
    if (parser_->is_done() || buffer.empty()) {
      co_return std::size_t{0};
    }
    if (exchange_->expects_continue) {
      exchange_->expects_continue = false;
      Buffers line = {net::buffer(kContinue)};
      const bool written = co_await write_all(std::move(line));
      if (!written) {
        co_return fail(ErrorCode::Cancelled, "the client went away");
      }
    }
    if (buffer_.capacity() < kReadBytes) {
      buffer_.reserve(kReadBytes);  // Beast reads no more at once than there is room for.
    }
    auto& body = parser_->get().body();
    body.data = buffer.data();
    body.size = buffer.size();
    while (body.size == buffer.size() && !parser_->is_done()) {
      expire_after(shared_.options.body_timeout);
      auto [ec, ignored] =
          co_await beast::http::async_read_some(stream_, buffer_, *parser_, kToken);
      if (ec && ec != beast::http::error::need_buffer) {
        co_return std::unexpected(body_error(ec));
      }
    }
    const std::size_t count = buffer.size() - body.size;
    exchange_->bytes_in += count;
    co_return count;
  }

  [[nodiscard]] std::optional<std::uint64_t> size_bytes() const override {
    const auto length = parser_->content_length();
    return length ? std::optional<std::uint64_t>(*length) : std::nullopt;
  }

 private:
  using Buffers = std::vector<net::const_buffer>;

  beast::tcp_stream& lowest() { return beast::get_lowest_layer(stream_); }

  /// What is read or written next is given up after `time`. Beast's own timeouts would close the
  /// socket, and with it the way to say so.
  void expire_after(milliseconds time) {
    deadline_ = Clock::now() + time;
    timed_out_ = false;
    schedule_tick();
  }

  void expire_never() { deadline_ = Clock::time_point::max(); }

  /// One timer serves the deadline and, while a request is handled, the look at the client.
  void schedule_tick() {
    Clock::time_point due = deadline_;
    if (watching_) {
      due = std::min(due, Clock::now() + kWatchInterval);
    }
    if (due >= tick_at_) {
      return;  // An earlier tick comes anyway.
    }
    tick_at_ = due;
    timer_.expires_at(due);
    timer_.async_wait([weak = this->weak_from_this()](const error_code& ec) {
      const auto self = weak.lock();
      if (self != nullptr && !ec) {
        self->tick();
      }
    });
  }

  void tick() {
    tick_at_ = Clock::time_point::max();
    if (Clock::now() >= deadline_) {
      expire_never();
      timed_out_ = true;
      lowest().cancel();
    }
    if (watching_ && client_is_gone()) {
      watching_ = false;
      cancel_request();
    }
    schedule_tick();
  }

  void cancel_request() {
    if (exchange_ != nullptr) {
      exchange_->stop.request_stop();
    }
  }

  Error body_error(const error_code& ec) {
    body_broken_ = true;
    if (timed_out_) {
      return make_error(ErrorCode::DeadlineExceeded, "the request's body did not come in time",
                        408);
    }
    if (ec == beast::http::error::body_limit) {
      return make_error(
          ErrorCode::ResourceExhausted,
          fmt::format("the request's body is longer than {} bytes", shared_.options.body_bytes_max),
          413);
    }
    const bool is_gone = ec == beast::http::error::end_of_stream ||
                         ec == beast::http::error::partial_message || !error_of_parse(ec, false);
    if (is_gone) {
      cancel_request();
      return Error{.code = ErrorCode::Cancelled,
                   .message = "the client went away before its body ended",
                   .hint = {},
                   .position_bytes = std::nullopt,
                   .details_json = {}};
    }
    return make_error(ErrorCode::InvalidArgument,
                      fmt::format("the request's body is malformed: {}", ec.message()), 400);
  }

  /// Reads, answers and logs one request. False when the connection is to be closed.
  net::awaitable<bool> serve_one() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(shared_.options.header_bytes_max));
    parser_->body_limit(shared_.options.body_bytes_max);
    body_broken_ = false;
    const bool begun = co_await wait_for_request();
    if (!begun) {
      co_return false;
    }
    exchange_ = std::make_unique<Exchange>();
    expire_after(shared_.options.header_timeout);
    const auto [ec, ignored] =
        co_await beast::http::async_read_header(stream_, buffer_, *parser_, kToken);
    if (ec) {
      const auto error = error_of_parse(ec, timed_out_);
      if (!error) {
        cut_ = true;
        co_return false;
      }
      body_broken_ = true;
      exchange_->request_id = new_token(8);
      Response response = problem_response(*error);
      co_await send(std::move(response));
      finish_exchange();
      co_return false;
    }
    co_return co_await answer();
  }

  /// Waits for a request's first bytes.
  net::awaitable<bool> wait_for_request() {
    if (buffer_.size() > 0) {
      co_return true;
    }
    if (shared_.draining) {
      co_return false;
    }
    expire_after(first_ ? shared_.options.header_timeout : shared_.options.idle_timeout);
    idle_ = true;
    const auto room = buffer_.prepare(4096);
    const auto [ec, count] = co_await stream_.async_read_some(room, kToken);
    idle_ = false;
    if (ec) {
      cut_ = cut_ || (ec != net::error::eof && !timed_out_);
      co_return false;
    }
    buffer_.commit(count);
    co_return true;
  }

  net::awaitable<bool> answer() {
    Gauge& running = shared_.metrics.gauge("lakehouse_http_requests_running",
                                           "Requests that are being handled.");
    running.add(1);
    expire_never();
    watching_ = true;
    schedule_tick();
    Response response = co_await respond();
    co_await pull_first(&response);
    const bool body_fits = parser_->is_done() || (!body_broken_ && !exchange_->expects_continue &&
                                                  rest_of_body() <= kDrainBytesMax);
    exchange_->keep_alive = exchange_->keep_alive && body_fits && !shared_.draining;
    const bool sent = co_await send(std::move(response));
    watching_ = false;
    running.add(-1);
    finish_exchange();
    if (!sent || !exchange_->keep_alive) {
      co_return false;
    }
    co_return co_await drain_body();
  }

  [[nodiscard]] std::uint64_t rest_of_body() const {
    const auto rest = parser_->content_length_remaining();
    return rest ? *rest : UINT64_MAX;
  }

  net::awaitable<bool> drain_body() {
    std::array<std::byte, 8192> buffer{};
    while (!parser_->is_done()) {
      const auto count = co_await read_some(std::span(buffer));
      if (!count) {
        co_return false;
      }
    }
    co_return true;
  }

  /// The response, rendered if it is an error. Throws nothing.
  net::awaitable<Response> respond() {
    Request request;
    Status read = read_request(&request);
    if (!read) {
      co_return render(read.error());
    }
    auto match = shared_.router.match(exchange_->method, exchange_->path, &exchange_->allow);
    const bool is_open = match && match->route->open;
    if (shared_.options.authenticate && !is_open) {
      const Status known = co_await authenticate(&request);
      if (!known) {
        co_return render(known.error());
      }
    }
    if (!exchange_->allow.empty() && exchange_->method == Method::Options &&
        (!match || match->route->method != Method::Options)) {
      Response options = empty_response(204);
      options.headers.add("Allow", exchange_->allow);
      co_return options;
    }
    if (!match) {
      co_return render(match.error());
    }
    exchange_->route = match->route->path;
    request.path_params = std::move(match->path_params);
    if (match->head_of_get) {
      request.method = Method::Get;
    }
    std::string bug;
    Result<Response> result = fail(ErrorCode::Internal, "the request could not be answered");
    try {
      net::awaitable<Result<Response>> running = match->route->handler(std::move(request));
      result = co_await std::move(running);
    } catch (const std::exception& thrown) {
      bug = thrown.what();
    }
    if (!bug.empty()) {
      shared_.log.write(
          LogLevel::Error, "gateway", context(), "a bug: a handler threw",
          {{.name = "route", .value = exchange_->route}, {.name = "what", .value = bug}});
    }
    if (!result) {
      note_error(result.error());
      co_return render(result.error());
    }
    co_return *std::move(result);
  }

  /// Says who calls, also to the request. Before anything of it is done, and also for paths that
  /// lead nowhere: a stranger learns nothing.
  net::awaitable<Status> authenticate(Request* request) {
    std::string authorization(request->headers.get("Authorization"));
    net::awaitable<Result<std::string>> asking =
        shared_.options.authenticate(std::move(authorization), request->context);
    Result<std::string> principal = co_await std::move(asking);
    if (!principal) {
      note_error(principal.error());
      co_return std::unexpected(std::move(principal).error());
    }
    exchange_->principal = *principal;
    request->context.principal = *std::move(principal);
    co_return Status();
  }

  /// Fills what the header says. Fails if the request must not reach a handler.
  Status read_request(Request* request) {
    const auto& head = parser_->get();
    Exchange& exchange = *exchange_;
    for (const auto& field : head) {
      request->headers.add(std::string(field.name_string()), std::string(field.value()));
    }
    const Headers& headers = request->headers;
    exchange.http11 = head.version() == 11;
    exchange.keep_alive = head.keep_alive();
    exchange.method = method_from(head.method_string());
    exchange.head = exchange.method == Method::Head;
    exchange.target = head.target();
    exchange.expects_continue =
        exchange.http11 && to_lower(headers.get("Expect")) == "100-continue" && !parser_->is_done();
    const std::string_view given = headers.get("X-Request-Id");
    exchange.request_id = is_valid_request_id(given) ? std::string(given) : new_token(12);
    if (const auto trace = headers.get("traceparent"); is_valid_traceparent(trace)) {
      exchange.traceparent = traceparent_of_child(trace);
    }
    LH_RETURN_IF_ERROR(check_header(headers));
    const std::size_t query = std::min(exchange.target.find('?'), exchange.target.size());
    exchange.path = exchange.target.substr(0, query);
    std::string_view query_text =
        std::string_view(exchange.target).substr(std::min(query + 1, exchange.target.size()));
    query_text = query_text.substr(0, query_text.find('#'));
    LH_ASSIGN_OR_RETURN(request->query, parse_query(query_text));
    request->method = exchange.method;
    request->target = exchange.target;
    request->body = this;
    request->context = context();
    return {};
  }

  Status check_header(const Headers& headers) {
    const auto& head = parser_->get();
    const auto hosts = head.count(beast::http::field::host);
    exchange_->host = headers.get("Host");
    if (hosts > 1 || (hosts == 0 && exchange_->http11)) {
      return fail(ErrorCode::InvalidArgument, "a request needs one Host header");
    }
    if (head.count(beast::http::field::transfer_encoding) > 0 &&
        to_lower(headers.get("Transfer-Encoding")) != "chunked") {
      body_broken_ = true;
      return std::unexpected(make_error(ErrorCode::Unimplemented,
                                        "the only Transfer-Encoding taken here is chunked", 501));
    }
    if (const auto expect = headers.get("Expect");
        !expect.empty() && to_lower(expect) != "100-continue") {
      return std::unexpected(make_error(ErrorCode::InvalidArgument,
                                        fmt::format("'Expect: {}' cannot be met", expect), 417));
    }
    if (exchange_->target == "*" && exchange_->method == Method::Options) {
      exchange_->target = "/";
    }
    auto target = split_target(exchange_->target);
    if (!target) {
      return fail(ErrorCode::InvalidArgument, "the request's target is no path");
    }
    if (!target->first.empty()) {
      exchange_->host = target->first;  // RFC 9112, 3.2.2: it wins over the Host header.
    }
    exchange_->target = std::move(target->second);
    const GuardedHeaders guarded{.host = exchange_->host,
                                 .origin = headers.get("Origin"),
                                 .sec_fetch_site = headers.get("Sec-Fetch-Site")};
    return check_host_and_origin(shared_.options.guard, guarded);
  }

  [[nodiscard]] RequestContext context() const {
    RequestContext context;
    context.principal = exchange_->principal;
    context.request_id = exchange_->request_id;
    context.traceparent = exchange_->traceparent;
    context.deadline = exchange_->started + shared_.options.request_timeout;
    context.stop = exchange_->stop.get_token();
    return context;
  }

  Response render(const Error& error) {
    Response response = shared_.router.render_error(exchange_->path, error);
    if (response.status == 405 && !exchange_->allow.empty()) {
      response.headers.set("Allow", exchange_->allow);
    }
    if (response.status == 401 && !response.headers.has("WWW-Authenticate")) {
      response.headers.add("WWW-Authenticate", "Bearer realm=\"lakehouse\"");
    }
    if ((response.status == 429 || response.status == 503) &&
        !response.headers.has("Retry-After")) {
      response.headers.add("Retry-After", "1");
    }
    return response;
  }

  [[nodiscard]] std::string_view loggable(const Error& error) const {
    return shared_.options.logs_messages ? std::string_view(error.message) : "a request failed";
  }
  void note_error(const Error& error) {
    const LogLevel level = error.code == ErrorCode::Internal || error.code == ErrorCode::DataLoss
                               ? LogLevel::Error
                               : LogLevel::Debug;
    shared_.log.write(level, "gateway", context(), loggable(error),
                      {{.name = "code", .value = to_string(error.code)},
                       {.name = "route", .value = exchange_->route}});
  }

  /// Gets a stream's first piece before the status goes out, so that an early failure can still be
  /// an error response.
  net::awaitable<void> pull_first(Response* response) {
    first_piece_.reset();
    auto* source = std::get_if<std::unique_ptr<BodySource>>(&response->body);
    if (source == nullptr || exchange_->head) {
      co_return;
    }
    Result<std::optional<std::string>> piece = co_await pull(source->get());
    if (!piece) {
      note_error(piece.error());
      *response = render(piece.error());
      co_return;
    }
    first_piece_ = *std::move(piece);
  }

  net::awaitable<Result<std::optional<std::string>>> pull(BodySource* source) {
    std::string bug;
    try {
      Result<std::optional<std::string>> piece = co_await source->next();
      co_return piece;
    } catch (const std::exception& thrown) {
      bug = thrown.what();
    }
    co_return fail(ErrorCode::Internal, "a bug: a body's source threw: " + bug);
  }

  /// The status line and the headers.
  std::string head_of(const Response& response, std::optional<std::uint64_t> length, bool chunked) {
    std::string head =
        fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
    for (const auto& [name, value] : response.headers.all()) {
      head += fmt::format("{}: {}\r\n", name, header_value(value));
    }
    if (length) {
      head += fmt::format("Content-Length: {}\r\n", *length);
    }
    if (chunked) {
      head += "Transfer-Encoding: chunked\r\n";
    }
    if (!exchange_->keep_alive) {
      head += "Connection: close\r\n";
    } else if (!exchange_->http11) {
      head += "Connection: keep-alive\r\n";
    }
    if (!exchange_->traceparent.empty()) {
      head += fmt::format("traceparent: {}\r\n", exchange_->traceparent);
    }
    return head +
           fmt::format("Date: {}\r\nX-Request-Id: {}\r\nX-Content-Type-Options: nosniff\r\n\r\n",
                       http_date(), exchange_->request_id);
  }

  /// True if the whole response went out.
  net::awaitable<bool> send(Response response) {
    exchange_->status = response.status;
    const bool bodiless = response.status == 204 || response.status == 304;
    if (const auto* text = std::get_if<std::string>(&response.body)) {
      std::optional<std::uint64_t> length = text->size();
      if (response.status == 204 || (bodiless && text->empty())) {
        length.reset();
      }
      const std::string head = head_of(response, length, false);
      Buffers buffers = {net::buffer(head)};
      if (!exchange_->head && !bodiless) {
        buffers.emplace_back(net::buffer(*text));
        exchange_->bytes_out += text->size();
      }
      co_return co_await write_all(std::move(buffers));
    }
    auto& source = std::get<std::unique_ptr<BodySource>>(response.body);
    const auto length = source->size_bytes();
    const bool chunked = !length && exchange_->http11;
    if (!length && !exchange_->http11) {
      exchange_->keep_alive = false;  // The end of the connection is the end of the body.
    }
    const std::string head = head_of(response, length, chunked);
    Buffers head_buffers = {net::buffer(head)};
    const bool head_sent = co_await write_all(std::move(head_buffers));
    if (!head_sent || exchange_->head) {
      co_return head_sent;
    }
    co_return co_await send_stream(source.get(), length, chunked);
  }

  net::awaitable<bool> send_stream(BodySource* source, std::optional<std::uint64_t> length,
                                   bool chunked) {
    std::optional<std::string> piece = std::move(first_piece_);
    std::uint64_t sent_bytes = 0;
    while (piece) {
      const std::string chunk_head = fmt::format("{:x}\r\n", piece->size());
      Buffers buffers;
      if (chunked) {
        buffers.emplace_back(net::buffer(chunk_head));
      }
      buffers.emplace_back(net::buffer(*piece));
      if (chunked) {
        buffers.emplace_back("\r\n", 2);
      }
      sent_bytes += piece->size();
      exchange_->bytes_out += piece->size();
      if (!piece->empty()) {  // An empty chunk would end the body.
        const bool written = co_await write_all(std::move(buffers));
        if (!written) {
          co_return false;
        }
      }
      Result<std::optional<std::string>> next = co_await pull(source);
      if (!next) {
        shared_.log.write(LogLevel::Warn, "gateway", context(),
                          fmt::format("a response was cut: {}", loggable(next.error())),
                          {{.name = "code", .value = to_string(next.error().code)}});
        cut_ = true;
        co_return false;
      }
      piece = *std::move(next);
    }
    if (length && sent_bytes != *length) {
      cut_ = true;
      co_return false;
    }
    if (chunked) {
      Buffers last = {net::buffer(kLastChunk)};
      co_return co_await write_all(std::move(last));
    }
    co_return true;
  }

  /// Writes all; the timeout is for each step of progress. False if the client is gone.
  net::awaitable<bool> write_all(Buffers buffers) {
    std::size_t at = 0;
    while (at < buffers.size()) {
      if (buffers[at].size() == 0) {
        ++at;
        continue;
      }
      expire_after(shared_.options.body_timeout);
      const Buffers rest(buffers.begin() + static_cast<std::ptrdiff_t>(at), buffers.end());
      auto [ec, count] = co_await stream_.async_write_some(rest, kToken);
      if (ec) {
        cut_ = true;
        cancel_request();
        co_return false;
      }
      while (count > 0) {
        const std::size_t step = std::min(count, buffers[at].size());
        buffers[at] += step;
        count -= step;
        at += buffers[at].size() == 0 ? 1U : 0U;
      }
    }
    expire_never();
    co_return true;
  }

  void finish_exchange() {
    const Exchange& exchange = *exchange_;
    const double elapsed_s = std::chrono::duration<double>(Clock::now() - exchange.started).count();
    const Labels labels = {{"method", std::string(to_string(exchange.method))},
                           {"route", exchange.route},
                           {"status", std::to_string(exchange.status)}};
    shared_.metrics.counter("lakehouse_http_requests_total", "Requests answered.", labels).add();
    shared_.metrics
        .histogram("lakehouse_http_request_seconds", "From a request's header to its answer's end.",
                   {{"route", exchange.route}})
        .observe(elapsed_s);
    shared_.metrics.counter("lakehouse_http_request_bytes_total", "Bytes of request bodies.")
        .add(exchange.bytes_in);
    shared_.metrics.counter("lakehouse_http_response_bytes_total", "Bytes of response bodies.")
        .add(exchange.bytes_out);
    shared_.log.write(
        LogLevel::Info, "http", context(), "request",
        {{.name = "method", .value = std::string_view(to_string(exchange.method))},
         {.name = "path", .value = exchange.path},
         {.name = "status", .value = std::int64_t{exchange.status}},
         {.name = "elapsed_ms", .value = std::round(elapsed_s * 1e6) / 1e3},
         {.name = "bytes_in", .value = static_cast<std::int64_t>(exchange.bytes_in)},
         {.name = "bytes_out", .value = static_cast<std::int64_t>(exchange.bytes_out)},
         {.name = "peer", .value = peer_},
         {.name = "principal", .value = std::string_view(exchange.principal)}});
  }

  /// By polling, because bytes of a pipelined request would hide the end of the stream from a
  /// read, and TLS has its own reader.
  bool client_is_gone() {
    pollfd poll_fd{.fd = lowest().socket().native_handle(), .events = POLLRDHUP, .revents = 0};
    if (::poll(&poll_fd, 1, 0) < 0) {
      return false;
    }
    const auto events = static_cast<unsigned>(poll_fd.revents);
    const bool closed = (events & static_cast<unsigned>(POLLERR | POLLHUP | POLLNVAL)) != 0;
    const bool half_closed = (events & static_cast<unsigned>(POLLRDHUP)) != 0;
    return closed || (half_closed && parser_->is_done());
  }

  net::awaitable<void> close() {
    error_code ignored;
    tcp::socket& socket = lowest().socket();
    if (cut_) {
      // A reset, not an end: also an HTTP/1.0 client must see that the body is not whole.
      socket.set_option(net::socket_base::linger(true, 0), ignored);
      socket.close(ignored);
      co_return;
    }
    expire_after(kLingerTime);
    if constexpr (kIsTls) {
      const auto [shut] = co_await stream_.async_shutdown(kToken);
      static_cast<void>(shut);
    } else {
      socket.shutdown(tcp::socket::shutdown_send, ignored);
      // Closing with unread bytes resets the connection, and the answer may be lost with it.
      if (parser_->is_done() && socket.available(ignored) == 0) {
        co_return;
      }
      std::array<char, 16384> buffer{};
      for (bool open = true; open;) {
        const auto [ec, count] = co_await stream_.async_read_some(net::buffer(buffer), kToken);
        open = !ec && count > 0;
      }
    }
    socket.close(ignored);
  }

  Stream stream_;
  SessionShared shared_;
  beast::flat_buffer buffer_;
  net::steady_timer timer_;
  std::string peer_;
  std::optional<beast::http::request_parser<beast::http::buffer_body>> parser_;
  std::unique_ptr<Exchange> exchange_;
  std::optional<std::string> first_piece_;
  Clock::time_point deadline_ = Clock::time_point::max();
  Clock::time_point tick_at_ = Clock::time_point::max();
  bool timed_out_ = false;
  bool watching_ = false;
  bool first_ = true;
  bool idle_ = false;
  bool cut_ = false;
  bool body_broken_ = false;
};

template <class Stream>
void spawn(Stream stream, const SessionShared& shared) {
  const auto executor = stream.get_executor();
  auto session = std::make_shared<Session<Stream>>(std::move(stream), shared);
  shared.sessions.add(session);
  net::co_spawn(executor, session->run(), [session, &log = shared.log](std::exception_ptr thrown) {
    try {
      if (thrown) {
        std::rethrow_exception(thrown);
      }
    } catch (const std::exception& bug) {
      log.write(LogLevel::Error, "gateway", "a bug: a session threw",
                {{.name = "what", .value = std::string_view(bug.what())}});
    }
  });
}

net::awaitable<void> refuse(tcp::socket socket, milliseconds timeout) {
  beast::tcp_stream stream(std::move(socket));
  stream.expires_after(timeout);
  const Response response = problem_response(
      Error{.code = ErrorCode::Unavailable,
            .message = "there are too many connections to this server",
            .hint = "Retry in a moment, and keep connections open between requests.",
            .position_bytes = std::nullopt,
            .details_json = {}});
  const auto& body = std::get<std::string>(response.body);
  const std::string text = fmt::format(
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
      "Content-Length: {}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n{}",
      body.size(), body);
  co_await net::async_write(stream, net::buffer(text), kToken);
  error_code ignored;
  stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  std::array<char, 4096> buffer{};
  for (bool open = true; open;) {
    const auto [ec, count] = co_await stream.async_read_some(net::buffer(buffer), kToken);
    open = !ec && count > 0;
  }
}

}  // namespace

void SessionList::add(const std::shared_ptr<SessionHandle>& session) {
  const std::lock_guard lock(mutex_);
  sessions_.emplace(session.get(), session);
  open_.set(static_cast<std::int64_t>(sessions_.size()));
}

void SessionList::remove(SessionHandle* session) {
  const std::lock_guard lock(mutex_);
  sessions_.erase(session);
  open_.set(static_cast<std::int64_t>(sessions_.size()));
  changed_.notify_all();
}

std::size_t SessionList::size() const {
  const std::lock_guard lock(mutex_);
  return sessions_.size();
}

void SessionList::for_each(const std::function<void(SessionHandle&)>& action) {
  std::vector<std::shared_ptr<SessionHandle>> sessions;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, session] : sessions_) {
      if (auto alive = session.lock()) {
        sessions.push_back(std::move(alive));
      }
    }
  }
  for (const auto& session : sessions) {
    action(*session);
  }
}

bool SessionList::wait_empty(milliseconds time) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time, [this] { return sessions_.empty(); });
}

void start_session(tcp::socket socket, net::ssl::context* tls, SessionShared shared) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  beast::tcp_stream stream(std::move(socket));
  if (tls == nullptr) {
    spawn(std::move(stream), shared);
  } else {
    spawn(beast::ssl_stream<beast::tcp_stream>(std::move(stream), *tls), shared);
  }
}

void refuse_session(tcp::socket socket, milliseconds timeout) {
  const auto executor = socket.get_executor();
  net::co_spawn(executor, refuse(std::move(socket), timeout), net::detached);
}

}  // namespace lakehouse::gateway::http
