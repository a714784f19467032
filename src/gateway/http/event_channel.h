#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/error.h"
#include "gateway/http/message.h"

namespace lakehouse::gateway::http {

/// Server-sent events from a thread that works to the session that sends them. The working side
/// calls `send` and, once, `finish`; the other side waits and takes. Thread-safe between the two;
/// held by both.
class EventChannel {
 public:
  explicit EventChannel(const net::any_io_executor& executor);

  /// Cancelled once nobody listens any more, or if they do not keep up with 8 MiB.
  Status send(std::string_view event, const boost::json::value& data);
  /// No more comes: the stream ends well, or with the error.
  void finish(Status outcome);

  /// Until there is something to take, or for `kSilenceMax`. On the session's executor.
  net::awaitable<void> wait();
  /// The outcome, if nothing was sent before it: an answer can still be anything.
  [[nodiscard]] std::optional<Status> failed_at_once();
  /// All that was sent; nothing at the end. A failure in the middle is an event `error` first.
  Result<std::optional<std::string>> take();
  void close();  ///< Nobody listens any more.

 private:
  static constexpr std::chrono::seconds kSilenceMax{15};
  static constexpr std::size_t kBytesMax = std::size_t{8} << 20U;
  void wake();

  std::mutex mutex_;
  std::string waiting_;
  bool has_sent_ = false;
  bool is_closed_ = false;
  bool told_error_ = false;
  std::optional<Status> outcome_;
  net::any_io_executor executor_;
  std::shared_ptr<net::steady_timer> timer_;  ///< Shared with what wakes it.
};

/// The stream of what comes through a channel; closes it when it goes.
std::unique_ptr<BodySource> event_body(std::shared_ptr<EventChannel> channel);

}  // namespace lakehouse::gateway::http
