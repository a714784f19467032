#pragma once

#include <atomic>

namespace lakehouse::cli {

/// While it lives, Ctrl-C sets a flag instead of ending the process. One at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  [[nodiscard]] bool interrupted() const { return flag()->load(); }
  void clear() { flag()->store(false); }
  /// For who polls it: valid for the life of the process, since a signal handler can reach nothing
  /// else.
  [[nodiscard]] static std::atomic<bool>* flag();
};

}  // namespace lakehouse::cli
