#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"
#include "engine/child/duck.h"
#include "engine/frame.h"
#include "engine/wire/messages.h"

namespace lakehouse::engine {

/// Interrupts statements whose caller closed the connection, or whose deadline has passed.
/// Thread-safe. One thread for all of them.
class Watcher {
 public:
  static Result<std::unique_ptr<Watcher>> start();
  ~Watcher();

  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  /// Watches from its making to its end. The connection outlives it.
  class Guard {
   public:
    Guard(Watcher& watcher, std::uint64_t id) : watcher_(watcher), id_(id) {}
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

    /// Why the statement was interrupted: Cancelled or DeadlineExceeded; nothing if it was not.
    [[nodiscard]] std::optional<ErrorCode> reason() const;

   private:
    Watcher& watcher_;
    std::uint64_t id_;
  };
  /// `id` is what `progress` calls it; 0: it does not.
  [[nodiscard]] Guard watch(int fd, duckdb_connection connection, Deadline deadline,
                            std::uint64_t id);

  [[nodiscard]] std::vector<StatementProgress> progress();

 private:
  struct Entry {
    int fd = -1;
    duckdb_connection connection = nullptr;
    Deadline deadline;
    std::uint64_t id = 0;
    std::optional<ErrorCode> reason;
  };

  Watcher(UniqueFd epoll, UniqueFd wake);
  void run();
  void wake() const;
  int wait_ms();
  void interrupt_due();

  UniqueFd epoll_;
  UniqueFd wake_;
  std::mutex mutex_;
  std::map<std::uint64_t, Entry> entries_;  // Guarded by mutex_, as what follows.
  std::uint64_t next_id_ = 1;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lakehouse::engine
