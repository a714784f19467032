#pragma once

#include "base/error.h"

namespace lakehouse::engine {

/// What not every process may.
struct MoreCalls {
  bool tcp = false;      ///< Sockets for it.
  bool runtime = false;  ///< As EngineGrant::runtime_calls.
};

/// Confines this thread, and those that it starts, to the system calls that a database needs to
/// read and write files and to talk over connections it was given. Among those refused: exec,
/// fork, ptrace, mounts, namespaces, links, permissions of files, signals to others, sockets of any
/// kind: but what `more` says. What is refused fails; nothing is killed. Needs no_new_privs.
/// FailedPrecondition if this kernel has no seccomp.
Status restrict_system_calls(MoreCalls more);

/// In all threads at once: no memory becomes executable, and no more filters are added.
Status refuse_new_code();

}  // namespace lakehouse::engine
