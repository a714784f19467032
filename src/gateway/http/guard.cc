#include "gateway/http/guard.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/id.h"
#include "base/text.h"
#include "gateway/http/message.h"

namespace lakehouse::gateway::http {
namespace {

constexpr std::array<std::string_view, 3> kLoopbackNames = {"localhost", "127.0.0.1", "[::1]"};

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_zero(std::string_view text) {
  return text.find_first_not_of('0') == std::string_view::npos;
}

bool is_served(const GuardOptions& options, const std::string& name) {
  const bool configured = std::ranges::any_of(
      options.host_names, [&](const std::string& known) { return to_lower(known) == name; });
  return configured || std::ranges::find(kLoopbackNames, name) != kLoopbackNames.end();
}

std::unexpected<Error> misdirected(std::string_view host) {
  Error error{.code = ErrorCode::PermissionDenied,
              .message = fmt::format("this server does not answer to the name '{}'", host),
              .hint = "Use localhost or 127.0.0.1, or add the name to server.host_names.",
              .position_bytes = std::nullopt,
              .details_json = {}};
  return std::unexpected(with_http_status(std::move(error), 421));
}

}  // namespace

std::string_view host_without_port(std::string_view host) {
  const bool is_v6 = host.starts_with('[');
  std::size_t end = std::min(host.find(is_v6 ? ']' : ':'), host.size());
  if (is_v6) {
    if (end == host.size()) {
      return {};
    }
    ++end;
  }
  const std::string_view port = host.substr(end);
  if (!port.empty() && (port.front() != ':' ||
                        port.substr(1).find_first_not_of("0123456789") != std::string_view::npos)) {
    return {};
  }
  return host.substr(0, end);
}

Status check_host_and_origin(const GuardOptions& options, const GuardedHeaders& headers) {
  if (options.loopback_only || !options.host_names.empty()) {
    const std::string name = to_lower(host_without_port(headers.host));
    if (!is_served(options, name)) {
      return misdirected(headers.host);
    }
  }
  const bool other_site =
      headers.sec_fetch_site == "cross-site" || headers.sec_fetch_site == "same-site";
  bool other_origin = false;
  if (!headers.origin.empty()) {
    const std::size_t scheme_end = headers.origin.find("://");
    other_origin = scheme_end == std::string_view::npos ||
                   to_lower(headers.origin.substr(scheme_end + 3)) != to_lower(headers.host);
  }
  if (other_site || other_origin) {
    return fail(ErrorCode::PermissionDenied, "a web page of another site may not use this server",
                "Call it from a program, or from a page that it serves itself.");
  }
  return {};
}

bool is_valid_request_id(std::string_view id) {
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/+=@";
  return !id.empty() && id.size() <= 128 &&
         id.find_first_not_of(kAllowed) == std::string_view::npos;
}

bool is_valid_traceparent(std::string_view header) {
  // A version later than 00 may append fields after the flags.
  if (header.size() < 55 || header[2] != '-' || header[35] != '-' || header[52] != '-') {
    return false;
  }
  const std::string_view version = header.substr(0, 2);
  if (version == "ff" || (version == "00" && header.size() != 55) ||
      (header.size() > 55 && header[55] != '-')) {
    return false;
  }
  const std::string_view trace = header.substr(3, 32);
  const std::string_view parent = header.substr(36, 16);
  return is_hex(version) && is_hex(trace) && is_hex(parent) && is_hex(header.substr(53, 2)) &&
         !is_zero(trace) && !is_zero(parent);
}

std::string traceparent_of_child(std::string_view header) {
  return fmt::format("00-{}-{}-{}", header.substr(3, 32), new_token(8), header.substr(53, 2));
}

}  // namespace lakehouse::gateway::http
