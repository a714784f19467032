#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "base/request_context.h"

/// \file
/// What a handler gets and gives. No Beast in here: handlers compile without it.

namespace lakehouse::gateway::http {

namespace net = boost::asio;

/// `Other` is any method that no route can have, such as TRACE.
enum class Method : std::uint8_t { Get, Head, Post, Put, Patch, Delete, Options, Other };
std::string_view to_string(Method method);  ///< "GET".
Method method_from(std::string_view name);

/// Header fields in order. Names compare without case.
class Headers {
 public:
  void add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  void set(std::string_view name, std::string value);  ///< Replaces all of that name.
  /// The first value; empty if there is none (see `has`).
  [[nodiscard]] std::string_view get(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& all() const {
    return fields_;
  }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

/// A request's body as it arrives. Used by one coroutine at a time, on the session's executor.
class RequestBody {
 public:
  virtual ~RequestBody() = default;
  /// Fills at most `buffer`; 0 at the end. Cancelled if the client goes away, DeadlineExceeded if
  /// it sends nothing for too long, InvalidArgument for broken framing.
  virtual net::awaitable<Result<std::size_t>> read_some(std::span<std::byte> buffer) = 0;
  /// The Content-Length; nothing for a chunked body.
  [[nodiscard]] virtual std::optional<std::uint64_t> size_bytes() const = 0;
};

struct PathParam {
  std::string name;
  std::string value;  ///< Percent-decoded.
  std::string raw;    ///< As it stood in the path: tells "a%2Fb" from "a/b".
};

constexpr std::size_t kBodyBytesMax = std::size_t{16} << 20U;

/// A request that the router has matched. Moves; handlers take it by value. `body` points into the
/// session, which outlives the handler.
struct Request {
  RequestContext context;  ///< Its stop token fires when the client goes away.
  Method method = Method::Get;
  std::string target;  ///< As sent: "/a%20b?c=d".
  std::vector<PathParam> path_params;
  std::vector<std::pair<std::string, std::string>> query;  ///< Decoded, in order.
  Headers headers;
  RequestBody* body = nullptr;

  /// The decoded parameter that the route's template names; asking for another one is a bug.
  [[nodiscard]] const std::string& path_param(std::string_view name) const;
  [[nodiscard]] const std::string& raw_path_param(std::string_view name) const;

  /// The first query parameter of that name.
  [[nodiscard]] std::optional<std::string> query_param(std::string_view name) const;
  /// InvalidArgument, naming the parameter, if it is no whole number in [min, max].
  [[nodiscard]] Result<std::optional<std::int64_t>> query_int(std::string_view name,
                                                              std::int64_t min,
                                                              std::int64_t max) const;
  /// "true" or "false" in any case; anything else is InvalidArgument.
  [[nodiscard]] Result<std::optional<bool>> query_bool(std::string_view name) const;

  [[nodiscard]] std::string_view header(std::string_view name) const { return headers.get(name); }
  /// The media type of the body, lower case, without parameters: "application/json".
  [[nodiscard]] std::string content_type() const;
  /// The first of `offered` (media types, best first) that the Accept header takes, by its
  /// q-values; nothing if it takes none. No Accept header takes the first.
  [[nodiscard]] std::optional<std::string> accepted(
      std::span<const std::string_view> offered) const;

  /// The whole body. ResourceExhausted (413) if it is longer than `bytes_max`.
  net::awaitable<Result<std::string>> read_body(std::size_t bytes_max = kBodyBytesMax);
  /// The whole body as JSON. InvalidArgument if it is none, or is said to be something else.
  net::awaitable<Result<boost::json::value>> read_json(std::size_t bytes_max = kBodyBytesMax);
};

/// A response's body, pulled by the session piece by piece: nothing is read ahead of the client,
/// and no pool thread is held while it takes its time. If `next` fails once bytes went out, the
/// connection is cut without the terminating chunk: a stream that fails never ends cleanly.
class BodySource {
 public:
  virtual ~BodySource() = default;
  /// The next bytes, or nothing at the end. Pieces of 64 KiB to 1 MiB are best.
  virtual net::awaitable<Result<std::optional<std::string>>> next() = 0;
  /// If known, the response has a Content-Length and is not chunked.
  [[nodiscard]] virtual std::optional<std::uint64_t> size_bytes() const { return std::nullopt; }
};

/// For streams from engines and object stores: body_sources.h.
struct Response {
  int status = 200;
  Headers headers;
  std::variant<std::string, std::unique_ptr<BodySource>> body;
};

Response json_response(int status, const boost::json::value& body);
/// For JSON that is text already.
Response json_text_response(int status, std::string json);
Response text_response(int status, std::string content_type, std::string text);
Response empty_response(int status = 204);

/// The one table from codes to HTTP statuses.
int http_status(ErrorCode code);
/// The standard reason, e.g. "Not Found".
std::string_view reason_phrase(int status);

/// application/problem+json {type, title, status, detail, code, hint?, position?} and the members
/// of `details_json`; Retry-After where a retry helps.
Response problem_response(const Error& error);
/// The same with another status than the code's own, e.g. 413, 415, 422.
Response problem_response(const Error& error, int status);

/// Marks an error so that problem_response (and any other renderer that asks http_status_of) uses
/// this status: for the few cases where HTTP is finer than our codes (406, 412, 413, 415, 422).
Error with_http_status(Error error, int status);
/// The marked status, or that of the code.
int http_status_of(const Error& error);

}  // namespace lakehouse::gateway::http
