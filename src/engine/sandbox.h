#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "engine/engine_grant.h"

#if defined(__has_feature)
#define LH_HAS_FEATURE(name) __has_feature(name)
#else
#define LH_HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    LH_HAS_FEATURE(address_sanitizer) || LH_HAS_FEATURE(thread_sanitizer)
#define LH_SANITIZED 1
#else
#define LH_SANITIZED 0
#endif

namespace lakehouse::engine {

/// A sanitizer maps terabytes that it never touches and may have a thread of its own: limits of
/// memory and threads are left out then.
constexpr bool kSanitized = LH_SANITIZED != 0;

struct SandboxOptions {
  EngineGrant grant;  ///< With the spill directory among the writable folders.
  EngineLimits limits;
  SandboxMode mode = SandboxMode::BestEffort;
  std::uint64_t memory_limit_bytes =
      0;                       ///< What it may use by its own count; the kernel's is made from it.
  unsigned threads_max = 256;  ///< That the process may ever have at once.
};

/// Gives up everything that the grant does not name, for good. To be called once, while the process
/// has one thread and before DuckDB opens: what a thread started earlier may do stays as it was.
///
/// The layers, each of which holds by itself: an own root folder, network and user namespace where
/// the kernel lets us have them; Landlock for files and TCP; seccomp's list of system calls, which
/// has no exec, no fork and no sockets; no privileges and none to be had; resource limits.
///
/// What each came to. FailedPrecondition in strict mode if one that must hold does not, with its
/// name and why; the namespaces are a layer more and never asked for. NotFound if a granted path is
/// missing. In mode Off nothing happens.
Result<std::vector<SandboxLayer>> enter_sandbox(const SandboxOptions& options);

/// From now on no memory of this process becomes executable, in any thread. To be called once the
/// extensions are loaded. Without effect where the layer of system calls is not in force.
Status seal_code(const std::vector<SandboxLayer>& layers);

}  // namespace lakehouse::engine
