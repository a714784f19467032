#pragma once

#include <cstdint>
#include <mutex>

#include "engine/engine.h"

namespace lakehouse::engine {

/// How one statement fares, from whoever runs it to whoever asks. Thread-safe.
class StatementMonitor {
 public:
  struct View {
    Lane lane = Lane::Auto;               ///< Where it runs or waits; Auto before that.
    bool waiting = false;                 ///< For a place in its lane.
    unsigned attempts = 0;                ///< How often it has begun to run.
    double progress = -1;                 ///< From 0 to 1 as the engine guesses; -1 if it cannot.
    std::uint64_t scan_bytes = 0;         ///< As the statement said.
    std::uint64_t memory_peak_bytes = 0;  ///< As ResultEnd's; while it runs, what was seen of it.
    std::uint64_t spill_peak_bytes = 0;
    friend bool operator==(const View&, const View&) = default;
  };

  [[nodiscard]] View view() const {
    const std::lock_guard lock(mutex_);
    return view_;
  }
  /// `change` is given the view to change; it must be quick.
  template <class Change>
  void update(Change change) {
    const std::lock_guard lock(mutex_);
    change(view_);
  }

 private:
  mutable std::mutex mutex_;
  View view_;
};

}  // namespace lakehouse::engine
