#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include "base/log.h"
#include "base/metrics.h"
#include "gateway/http/router.h"
#include "gateway/http/server.h"

namespace lakehouse::gateway::http {

/// One connection, for those who keep count of them.
class SessionHandle {
 public:
  virtual ~SessionHandle() = default;
  /// Ends an idle connection now, a busy one after its response. Any thread.
  virtual void drain() = 0;
  /// Cancels the running request and closes the connection. Any thread.
  virtual void abort() = 0;
};

/// The open connections. Thread-safe.
class SessionList {
 public:
  /// Keeps `open` at their number.
  explicit SessionList(Gauge& open) : open_(open) {}

  void add(const std::shared_ptr<SessionHandle>& session);
  void remove(SessionHandle* session);
  [[nodiscard]] std::size_t size() const;
  /// Calls `action` for each, without the lock: the last owner's end takes it again.
  void for_each(const std::function<void(SessionHandle&)>& action);
  /// True if all have gone within `time`.
  bool wait_empty(std::chrono::milliseconds time);

 private:
  Gauge& open_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<SessionHandle*, std::weak_ptr<SessionHandle>> sessions_;
};

/// What all sessions of a server share. Outlives them.
struct SessionShared {
  const ServerOptions& options;
  const Router& router;
  Log& log;
  Metrics& metrics;
  SessionList& sessions;
  std::atomic<bool>& draining;
};

/// Serves a connection until it closes; its coroutine owns it. `tls` is null for plain HTTP.
void start_session(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls,
                   SessionShared shared);

/// Answers 503 and closes: there are too many connections.
void refuse_session(boost::asio::ip::tcp::socket socket, std::chrono::milliseconds timeout);

}  // namespace lakehouse::gateway::http
