#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "base/unique_fd.h"
#include "engine/child_options.h"
#include "engine/client/child_process.h"

namespace lakehouse::engine {

/// Keeps one child running and makes connections to it. Thread-safe.
class Supervisor {
 public:
  explicit Supervisor(ChildOptions options);
  ~Supervisor();

  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// A new connection to the child, once it is ready; `generation` tells which child it is.
  Result<UniqueFd> connect(const RequestContext& context, std::uint64_t& generation);

  /// Of the child that runs now; connections of an older one are dead.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }

  /// Told that a connection to this child was lost: waits a moment for the child's own end to be
  /// seen, so that whoever tries again at once waits for the next child.
  void await_loss(std::uint64_t generation);

  Status wait_ready(const RequestContext& context);
  [[nodiscard]] ChildState state() const;
  void stop();
  void kill();
  /// Sent to this child and each later one as the first request on its control connection.
  void give(std::string request);

 private:
  void run();
  /// From the start of a child to its end; how it ended.
  std::string run_child();
  void watch(const ChildProcess& child);
  bool take_log(int fd, std::string& partial);
  bool take_hello();
  void log(std::string_view line) const;
  void send_given() const;  // With mutex_ held.
  void clean_up() const;
  std::vector<std::string> child_arguments() const;
  [[nodiscard]] bool is_up() const;  // With mutex_ held, as wait_locked.
  Status wait_locked(std::unique_lock<std::mutex>& lock, const RequestContext& context);

  const ChildOptions options_;
  const UniqueFd wake_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  // Guarded by mutex_.
  bool stopping_ = false;
  bool ready_ = false;
  UniqueFd control_;
  pid_t pid_ = 0;
  std::string last_problem_;
  std::optional<std::string> given_;
  std::optional<Error> refused_;  ///< The child will not start, however often it is tried.
  std::vector<SandboxLayer> sandbox_;

  std::atomic<std::uint64_t> generation_ = 0;
  std::atomic<std::uint64_t> crashes_ = 0;
  std::thread thread_;
};

}  // namespace lakehouse::engine
