#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine_grant.h"

namespace lakehouse::engine {

/// How a child process of this server is started and watched, whatever runs in it.
struct ChildOptions {
  std::string name = "query engine";  ///< As messages call it.
  /// Started as `<executable> <arguments>... --parent <pid>`; by default this program's own file.
  std::filesystem::path executable = "/proc/self/exe";
  std::vector<std::string> arguments = {};
  unsigned requests_max = 128;  ///< Running at once; more are ResourceExhausted.
  /// How long a call waits for the child to come up when its own deadline is later.
  std::chrono::milliseconds ready_wait_max{10'000};
  /// Told each line that the child writes to its standard error, and each start and end of it.
  /// Called from the supervisor's thread. Empty: lines go to this process's standard error.
  std::function<void(std::string_view line)> on_log = {};
  /// Called before each start and after each end, from the supervisor's thread; may be empty.
  std::function<void()> clean_up = {};
};

/// What there is to say of a child.
struct ChildState {
  bool ready = false;
  std::uint64_t starts = 0;   ///< The first is one.
  std::uint64_t crashes = 0;  ///< Ends that nobody asked for.
  int pid = 0;                ///< 0 while none runs.
  /// As the last child that came up told it; empty before.
  std::vector<SandboxLayer> sandbox = {};
};

}  // namespace lakehouse::engine
