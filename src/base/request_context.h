#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <stop_token>
#include <string>

#include "base/error.h"

namespace lakehouse {

/// Who asks, until when, and whether they still wait. The first argument of every operation that
/// does I/O or touches governed data.
///
/// A value: copies are cheap and share the stop token. Safe to read from any thread.
struct RequestContext {
  std::string principal;    ///< Name of the authenticated caller, e.g. "alice" or "svc:ingest".
  std::string request_id;   ///< Ties log lines and journal events together.
  std::string traceparent;  ///< W3C trace context to pass on; empty if the caller sent none.
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  std::stop_token stop;

  /// Cancelled or DeadlineExceeded once the request should be given up. Long work asks often:
  /// before each I/O, and at least every 100 ms of computing.
  [[nodiscard]] Status check() const {
    if (stop.stop_requested()) {
      return fail(ErrorCode::Cancelled, "the caller gave up");
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return fail(ErrorCode::DeadlineExceeded, "the request's deadline has passed",
                  "Give the request more time (timeout_ms), or ask for less.");
    }
    return {};
  }

  /// What is left until the deadline; nothing if there is none. Never negative.
  [[nodiscard]] std::optional<std::chrono::milliseconds> time_left() const {
    if (deadline == std::chrono::steady_clock::time_point::max()) {
      return std::nullopt;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    return std::max(left, std::chrono::milliseconds(0));
  }
};

}  // namespace lakehouse
