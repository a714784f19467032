#pragma once

#include <optional>
#include <string_view>

namespace lakehouse::storage::detail {

/// "file:///x", "file://localhost/x", "file:/x" and "/x" as "/x"; nothing if it is none of these.
inline std::optional<std::string_view> path_of_location(std::string_view location) {
  for (const std::string_view scheme : {"file://localhost/", "file:///", "file:/", "/"}) {
    if (location.starts_with(scheme)) {
      return location.substr(scheme.size() - 1);
    }
  }
  return std::nullopt;
}

}  // namespace lakehouse::storage::detail
