#pragma once

#include <string>

namespace lakehouse::cli {

/// Where the server is, and what proves to it who calls.
struct ServerAddress {
  std::string url;
  std::string token;  ///< A key or a token; empty: none.
  friend bool operator==(const ServerAddress&, const ServerAddress&) = default;
};

}  // namespace lakehouse::cli
