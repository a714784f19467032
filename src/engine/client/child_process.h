#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/error.h"
#include "base/unique_fd.h"

namespace lakehouse::engine {

/// A started child, as the supervisor holds it.
struct ChildProcess {
  pid_t pid = 0;
  UniqueFd control;  ///< Our end of its control connection.
  UniqueFd log;      ///< What it writes to its standard output and error.
};

/// Starts `executable arguments...` with the control connection as descriptor kControlFd, no input,
/// its own process group and only the few environment variables that it needs. Safe in a process
/// with threads. Unavailable, with the system's reason, if it cannot be started;
/// `name` is what the message calls it.
///
/// The child asks the kernel to end it with the thread that calls this.
Result<ChildProcess> start_child(std::string_view name, const std::filesystem::path& executable,
                                 const std::vector<std::string>& arguments);

/// Waits for the child's end, after SIGKILL if it is still there; says how it ended: "exit code 1",
/// "signal 9 (Killed)".
std::string reap_child(pid_t pid);

}  // namespace lakehouse::engine
