#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

/// \file
/// A raw HTTP client for tests: sends the bytes it is told to and shows what came back.

namespace lakehouse::gateway::http::testing {

struct RawResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< Names in lower case.
  std::string body;                            ///< Without chunk framing.
  bool complete = false;                       ///< The framing says that all of it came.
};

/// One connection to 127.0.0.1. Reads give up after 20 s.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port);

  void send(std::string_view bytes);
  /// False if the peer has closed or reset the connection.
  bool try_send(std::string_view bytes);
  /// The next response. `is_head`: it has no body whatever it says.
  RawResponse receive(bool is_head = false);
  /// Some bytes, or empty at the end or on a reset.
  std::string receive_some();
  /// Everything until the peer closes.
  std::string receive_all();
  [[nodiscard]] bool was_reset() const { return reset_; }
  void close() { fd_.reset(); }
  void shut_down_sending();
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  bool fill();

  UniqueFd fd_;
  std::string held_;
  bool reset_ = false;
};

/// One request on a connection of its own.
RawResponse ask(std::uint16_t port, std::string_view request, bool is_head = false);

/// "GET /path" with a Host and the given header lines (each ending in CR LF).
std::string get(std::string_view path, std::string_view header_lines = "");

}  // namespace lakehouse::gateway::http::testing
