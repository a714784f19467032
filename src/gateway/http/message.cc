#include "gateway/http/message.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <stdexcept>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace lakehouse::gateway::http {
namespace {

namespace json = boost::json;

constexpr std::array<std::pair<Method, std::string_view>, 8> kMethods = {
    {{Method::Get, "GET"},
     {Method::Head, "HEAD"},
     {Method::Post, "POST"},
     {Method::Put, "PUT"},
     {Method::Patch, "PATCH"},
     {Method::Delete, "DELETE"},
     {Method::Options, "OPTIONS"},
     {Method::Other, "that method"}}};

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// Cuts the next element off a list, at `separator`.
std::string_view next_element(std::string_view* rest, char separator) {
  const std::size_t end = std::min(rest->find(separator), rest->size());
  const std::string_view element = trimmed(rest->substr(0, end));
  rest->remove_prefix(std::min(end + 1, rest->size()));
  return element;
}

struct MediaRange {
  std::string type;
  double q = 1;
};

MediaRange media_range_from(std::string_view text) {
  MediaRange range;
  range.type = to_lower(next_element(&text, ';'));
  while (!text.empty()) {
    const std::string_view parameter = next_element(&text, ';');
    if (parameter.starts_with("q=") || parameter.starts_with("Q=")) {
      const std::string_view number = parameter.substr(2);
      double q = 0;
      std::from_chars(number.data(), number.data() + number.size(), q);
      range.q = std::isfinite(q) ? std::clamp(q, 0.0, 1.0) : 0;
    }
  }
  return range;
}

// How exactly a range names a type: 3 exactly, 2 by "text/*", 1 by "*/*", 0 not at all.
int precision(const MediaRange& range, std::string_view type) {
  if (range.type == type) {
    return 3;
  }
  if (range.type == "*/*" || range.type == "*") {
    return 1;
  }
  return range.type.ends_with("/*") &&
                 type.starts_with(std::string_view(range.type).substr(0, range.type.size() - 1))
             ? 2
             : 0;
}

}  // namespace

std::string_view to_string(Method method) {
  return std::ranges::find(kMethods, method, &std::pair<Method, std::string_view>::first)->second;
}

Method method_from(std::string_view name) {
  const auto* const found =
      std::ranges::find(kMethods, name, &std::pair<Method, std::string_view>::second);
  return found == kMethods.end() ? Method::Other : found->first;
}

void Headers::set(std::string_view name, std::string value) {
  const std::string lowered = to_lower(name);
  std::erase_if(fields_, [&](const auto& field) { return to_lower(field.first) == lowered; });
  fields_.emplace_back(std::string(name), std::move(value));
}

std::string_view Headers::get(std::string_view name) const {
  const std::string lowered = to_lower(name);
  for (const auto& [field, value] : fields_) {
    if (field.size() == name.size() && to_lower(field) == lowered) {
      return value;
    }
  }
  return {};
}

bool Headers::has(std::string_view name) const {
  const std::string lowered = to_lower(name);
  return std::ranges::any_of(fields_,
                             [&](const auto& field) { return to_lower(field.first) == lowered; });
}

const std::string& Request::path_param(std::string_view name) const {
  const auto found = std::ranges::find(path_params, name, &PathParam::name);
  if (found == path_params.end()) {
    throw std::logic_error(fmt::format("the route has no path parameter '{}'", name));
  }
  return found->value;
}

const std::string& Request::raw_path_param(std::string_view name) const {
  const auto found = std::ranges::find(path_params, name, &PathParam::name);
  if (found == path_params.end()) {
    throw std::logic_error(fmt::format("the route has no path parameter '{}'", name));
  }
  return found->raw;
}

std::optional<std::string> Request::query_param(std::string_view name) const {
  const auto found = std::ranges::find(query, name, &std::pair<std::string, std::string>::first);
  return found == query.end() ? std::nullopt : std::optional(found->second);
}

Result<std::optional<std::int64_t>> Request::query_int(std::string_view name, std::int64_t min,
                                                       std::int64_t max) const {
  const auto text = query_param(name);
  if (!text) {
    return std::nullopt;
  }
  std::int64_t number = 0;
  const char* const end = text->data() + text->size();
  const auto [rest, error] = std::from_chars(text->data(), end, number);
  if (error != std::errc() || rest != end || number < min || number > max) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the query parameter '{}' must be a whole number from {} to {}", name,
                            min, max));
  }
  return number;
}

Result<std::optional<bool>> Request::query_bool(std::string_view name) const {
  const auto text = query_param(name);
  if (!text) {
    return std::nullopt;
  }
  const std::string lowered = to_lower(*text);  // PyIceberg sends Python's True and False.
  if (lowered != "true" && lowered != "false") {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the query parameter '{}' must be true or false", name));
  }
  return lowered == "true";
}

std::string Request::content_type() const {
  std::string_view value = header("Content-Type");
  return to_lower(next_element(&value, ';'));
}

std::optional<std::string> Request::accepted(std::span<const std::string_view> offered) const {
  std::vector<MediaRange> ranges;
  for (const auto& [name, value] : headers.all()) {
    if (to_lower(name) == "accept") {
      for (std::string_view rest = value; !rest.empty();) {
        ranges.push_back(media_range_from(next_element(&rest, ',')));
      }
    }
  }
  std::erase_if(ranges, [](const MediaRange& range) { return range.type.empty(); });
  if (ranges.empty()) {
    return std::string(offered.front());
  }
  double best_q = 0;
  std::optional<std::string> best;
  for (const std::string_view type : offered) {
    int best_precision = 0;
    double q = 0;
    for (const MediaRange& range : ranges) {
      const int own = precision(range, type);
      if (own > best_precision) {
        best_precision = own;
        q = range.q;
      }
    }
    if (q > best_q) {
      best_q = q;
      best = std::string(type);
    }
  }
  return best;
}

net::awaitable<Result<std::string>> Request::read_body(std::size_t bytes_max) {
  const auto too_long = [bytes_max] {
    Error error{.code = ErrorCode::ResourceExhausted,
                .message = fmt::format("the request body is longer than {} bytes", bytes_max),
                .hint = {},
                .position_bytes = std::nullopt,
                .details_json = {}};
    return std::unexpected(with_http_status(std::move(error), 413));
  };
  std::string text;
  if (body == nullptr) {
    co_return text;
  }
  if (body->size_bytes().value_or(0) > bytes_max) {
    co_return too_long();
  }
  std::array<std::byte, 16384> buffer{};
  while (true) {
    LH_ASSIGN_OR_CO_RETURN(const std::size_t count, co_await body->read_some(std::span(buffer)));
    if (count == 0) {
      co_return text;
    }
    if (text.size() + count > bytes_max) {
      co_return too_long();
    }
    text.append(reinterpret_cast<const char*>(buffer.data()), count);
  }
}

net::awaitable<Result<json::value>> Request::read_json(std::size_t bytes_max) {
  const std::string type = content_type();
  if (!type.empty() && type != "application/json" && !type.ends_with("+json")) {
    Error error{.code = ErrorCode::InvalidArgument,
                .message = fmt::format("the request body must be JSON, not {}", type),
                .hint = "Send it with Content-Type: application/json.",
                .position_bytes = std::nullopt,
                .details_json = {}};
    co_return std::unexpected(with_http_status(std::move(error), 415));
  }
  LH_ASSIGN_OR_CO_RETURN(const std::string text, co_await read_body(bytes_max));
  co_return parse_json(text, "the request body");
}

Response json_response(int status, const json::value& body) {
  return json_text_response(status, json::serialize(body));
}

Response json_text_response(int status, std::string text) {
  return text_response(status, "application/json", std::move(text));
}

Response text_response(int status, std::string content_type, std::string text) {
  Response response;
  response.status = status;
  response.headers.add("Content-Type", std::move(content_type));
  response.body = std::move(text);
  return response;
}

Response empty_response(int status) {
  Response response;
  response.status = status;
  response.body = std::string();
  return response;
}

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::InvalidArgument: return 400;
    case ErrorCode::OutOfRange: return 416;
    case ErrorCode::NotFound: return 404;
    case ErrorCode::AlreadyExists: return 409;
    case ErrorCode::FailedPrecondition: return 409;
    case ErrorCode::Aborted: return 409;
    case ErrorCode::Unauthenticated: return 401;
    case ErrorCode::PermissionDenied: return 403;
    case ErrorCode::ResourceExhausted: return 429;
    case ErrorCode::Unavailable: return 503;
    case ErrorCode::DeadlineExceeded: return 504;
    case ErrorCode::Cancelled: return 499;
    case ErrorCode::CommitStateUnknown: return 504;
    case ErrorCode::DataLoss: return 500;
    case ErrorCode::Unimplemented: return 501;
    case ErrorCode::Internal: return 500;
  }
  std::unreachable();
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

Response problem_response(const Error& error) {
  return problem_response(error, http_status_of(error));
}

Response problem_response(const Error& error, int status) {
  json::object problem;
  problem["type"] = "about:blank";
  problem["title"] = reason_phrase(status);
  problem["status"] = status;
  problem["detail"] = as_utf8(error.message);
  problem["code"] = to_string(error.code);
  problem["hint"] = as_utf8(error.hint);
  if (error.position_bytes) {
    problem["position"] = *error.position_bytes;
  }
  if (!error.details_json.empty()) {
    boost::system::error_code parse_error;
    const json::value details = json::parse(error.details_json, parse_error);
    if (!parse_error && details.is_object()) {
      for (const auto& member : details.get_object()) {
        if (!problem.contains(member.key())) {
          problem[member.key()] = member.value();
        }
      }
    }
  }
  Response response = text_response(status, "application/problem+json", json::serialize(problem));
  if (status == 429 || status == 503) {
    response.headers.add("Retry-After", "1");
  }
  return response;
}

Error with_http_status(Error error, int status) {
  boost::system::error_code parse_error;
  json::value details = error.details_json.empty() ? json::value(json::object())
                                                   : json::parse(error.details_json, parse_error);
  if (parse_error || !details.is_object()) {
    details = json::object();
  }
  details.get_object()["status"] = status;
  error.details_json = json::serialize(details);
  return error;
}

int http_status_of(const Error& error) {
  if (!error.details_json.empty()) {
    boost::system::error_code parse_error;
    const json::value details = json::parse(error.details_json, parse_error);
    if (!parse_error && details.is_object()) {
      const json::value* status = details.get_object().if_contains("status");
      if (status != nullptr && status->is_int64() && status->get_int64() >= 400 &&
          status->get_int64() <= 599) {
        return static_cast<int>(status->get_int64());
      }
    }
  }
  return http_status(error.code);
}

}  // namespace lakehouse::gateway::http
