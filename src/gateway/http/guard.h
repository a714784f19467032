#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace lakehouse::gateway::http {

/// What keeps other web pages from reaching this server through a browser on the same machine: by
/// a name of theirs that resolves to loopback (DNS rebinding), or by a cross-site request.
struct GuardOptions {
  /// Only loopback names are served; unset when the server listens on other addresses.
  bool loopback_only = true;
  std::vector<std::string> host_names;  ///< Served as well, without a port.
};

struct GuardedHeaders {
  std::string_view host;
  std::string_view origin;
  std::string_view sec_fetch_site;
};

/// PermissionDenied, or marked 421 for a Host that is not ours.
Status check_host_and_origin(const GuardOptions& options, const GuardedHeaders& headers);

/// "[::1]:3100" -> "[::1]", "a.b:80" -> "a.b". Empty if it is malformed.
std::string_view host_without_port(std::string_view host);

/// A usable request id of the client's: 1 to 128 letters, digits and "-_.:/+=@".
bool is_valid_request_id(std::string_view id);

/// W3C trace context: version-traceid-parentid-flags, and neither id all zeros.
bool is_valid_traceparent(std::string_view header);

/// The same trace with a new span of ours as the parent: what is passed on and given back.
std::string traceparent_of_child(std::string_view header);

}  // namespace lakehouse::gateway::http
