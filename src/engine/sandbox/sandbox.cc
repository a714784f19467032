#include "engine/sandbox.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <string>

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if LH_SANITIZED
#include <sanitizer/common_interface_defs.h>
#endif

#include "engine/sandbox/landlock.h"
#include "engine/sandbox/namespaces.h"
#include "engine/sandbox/system_calls.h"

namespace lakehouse::engine {
namespace {

constexpr std::uint64_t kFilesMax = 65'536;
constexpr std::uint64_t kThreadStackBytes = std::uint64_t{8} << 20U;
constexpr std::uint64_t kUncountedBytes = std::uint64_t{2} << 30U;

std::string system_says() {
  return std::strerror(errno);
}

// A thread that is there already would stay outside: Landlock and seccomp bind the one that calls,
// and those that it starts.
Status check_alone() {
  std::error_code problem;
  std::filesystem::directory_iterator tasks("/proc/self/task", problem);
  const auto count = problem ? 0 : std::distance(tasks, std::filesystem::directory_iterator());
  if (count > 1 && !kSanitized) {
    return fail(ErrorCode::Internal, fmt::format("{} threads before the sandbox", count));
  }
  return {};
}

Status set_limit(__rlimit_resource resource, std::uint64_t value) {
  rlimit now{};
  if (::getrlimit(resource, &now) != 0) {
    return fail(ErrorCode::FailedPrecondition, system_says());
  }
  const rlim_t at_most = std::min<rlim_t>(value, now.rlim_max);
  const rlimit limit{.rlim_cur = at_most, .rlim_max = at_most};
  return ::setrlimit(resource, &limit) == 0 ? Status()
                                            : fail(ErrorCode::FailedPrecondition, system_says());
}

std::uint64_t data_bytes_max(const SandboxOptions& options) {
  if (options.limits.data_bytes_max != 0 || options.memory_limit_bytes == 0) {
    return options.limits.data_bytes_max;
  }
  return options.memory_limit_bytes + options.memory_limit_bytes / 2 + kUncountedBytes +
         options.threads_max * kThreadStackBytes;
}

Status limit_resources(const SandboxOptions& options, bool counts_alone) {
  LH_RETURN_IF_ERROR(set_limit(RLIMIT_CORE, 0));
  LH_RETURN_IF_ERROR(set_limit(RLIMIT_NOFILE, kFilesMax));
  LH_RETURN_IF_ERROR(set_limit(RLIMIT_MEMLOCK, 0));
  LH_RETURN_IF_ERROR(set_limit(RLIMIT_MSGQUEUE, 0));
  if (counts_alone && !kSanitized) {
    LH_RETURN_IF_ERROR(set_limit(RLIMIT_NPROC, options.threads_max));
  }
  if (const std::uint64_t data = data_bytes_max(options); data != 0 && !kSanitized) {
    LH_RETURN_IF_ERROR(set_limit(RLIMIT_DATA, data));
  }
  // Whoever was started with less priority already may not take more back.
  const int nice = ::getpriority(PRIO_PROCESS, 0);
  if (options.limits.nice > nice && ::setpriority(PRIO_PROCESS, 0, options.limits.nice) != 0) {
    return fail(ErrorCode::FailedPrecondition, system_says());
  }
  return {};
}

Status drop_privileges() {
  for (unsigned long capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);  // Newer ones than this kernel's are no matter.
  }
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  const __user_cap_data_struct none[2] = {};
  if (::syscall(SYS_capset, &header, &none[0]) != 0) {
    return fail(ErrorCode::FailedPrecondition, "capabilities: " + system_says());
  }
  // Neither core dumps nor debuggers of the same user.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return fail(ErrorCode::FailedPrecondition, system_says());
  }
  return {};
}

SandboxLayer layer(std::string name, const Status& status, std::string detail) {
  return {.name = std::move(name),
          .in_force = status.has_value(),
          .detail = status ? std::move(detail) : status.error().message};
}

// A layer that strict mode asks for.
Status check(const SandboxLayer& made, SandboxMode mode) {
  if (made.in_force || mode != SandboxMode::Strict) {
    return {};
  }
  return fail(ErrorCode::FailedPrecondition,
              fmt::format("the sandbox has no layer '{}' here: {}", made.name, made.detail),
              "Give the server a kernel that has it, or set engine.sandbox = \"best-effort\".");
}

}  // namespace

Result<std::vector<SandboxLayer>> enter_sandbox(const SandboxOptions& options) {
  std::vector<SandboxLayer> layers;
  if (options.mode == SandboxMode::Off) {
    return layers;
  }
  LH_RETURN_IF_ERROR(check_alone());
  const EngineGrant& grant = options.grant;
  const bool has_port = grant.loopback_port.has_value();
#if LH_SANITIZED
  // What it says of an error needs files that are out of reach soon.
  __sanitizer_sandbox_arguments arguments{};
  __sanitizer_sandbox_on_notify(&arguments);
#endif
  const Status alone =
      kSanitized ? Status(fail(ErrorCode::FailedPrecondition, "not beside a sanitizer's thread"))
                 : enter_namespaces(grant);
  if (!alone && alone.error().code != ErrorCode::FailedPrecondition) {
    return std::unexpected(alone.error());
  }
  // Before all filters: they may only be set by who cannot gain from them.
  const Status unprivileged = ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                                  ? Status()
                                  : fail(ErrorCode::FailedPrecondition, system_says());
  LH_ASSIGN_OR_RETURN(const LandlockResult landlock, restrict_by_landlock(grant));
  // Threads are counted by namespace since Linux 5.14; before, all of the user's were.
  const Status limited = limit_resources(options, alone && landlock.abi >= 2);
  const Status dropped = drop_privileges();
  const Status called = restrict_system_calls({.tcp = has_port, .runtime = grant.runtime_calls});

  const std::string version = fmt::format("Landlock, version {}", landlock.abi);
  const bool no_network = !has_port && (called || alone);
  layers.push_back({"files", landlock.files, landlock.files ? version : landlock.problem});
  layers.push_back({"network", landlock.network || no_network,
                    landlock.network ? version
                    : no_network     ? std::string("no sockets at all")
                                     : landlock.problem});
  layers.push_back(layer("system_calls", called, "seccomp, a list of those allowed"));
  layers.push_back(layer("privileges", unprivileged ? dropped : unprivileged,
                         "no capabilities, no new privileges"));
  layers.push_back(layer("limits", limited, "core dumps, files, memory"));
  for (const SandboxLayer& made : layers) {
    LH_RETURN_IF_ERROR(check(made, options.mode));
  }
  layers.push_back(layer("namespaces", alone,
                         has_port ? "own user, root folder" : "own user, root folder, network"));
  return layers;
}

Status seal_code(const std::vector<SandboxLayer>& layers) {
  const bool has_filter = std::ranges::any_of(layers, [](const SandboxLayer& made) {
    return made.name == "system_calls" && made.in_force;
  });
  // It would have to hold for a sanitizer's own thread, which is outside.
  return has_filter && !kSanitized ? refuse_new_code() : Status();
}

}  // namespace lakehouse::engine
