#include "engine/sandbox/landlock.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace lakehouse::engine {
namespace {

// The kernel's numbers, from include/uapi/linux/landlock.h: Debian 12's headers end at the third
// version, and the kernel that this runs on may be older or newer than they are.
constexpr std::uint64_t kReadFile = 1U << 2U;
constexpr std::uint64_t kReadDir = 1U << 3U;
constexpr std::uint64_t kTruncate = 1U << 14U;
constexpr std::uint64_t kWrite = 1U << 1U    // WRITE_FILE
                                 | 1U << 4U  // REMOVE_DIR
                                 | 1U << 5U  // REMOVE_FILE
                                 | 1U << 7U  // MAKE_DIR
                                 | 1U << 8U  // MAKE_REG
                                 | kTruncate;
constexpr std::uint64_t kOnFiles = kReadFile | 1U << 1U | kTruncate;
constexpr std::uint64_t kConnectTcp = 1U << 1U;
constexpr std::uint32_t kVersionFlag = 1;
constexpr int kRulePathBeneath = 1;
constexpr int kRuleNetPort = 2;

struct Ruleset {
  std::uint64_t handled_access_fs = 0;
  std::uint64_t handled_access_net = 0;
  std::uint64_t scoped = 0;
};
struct __attribute__((packed)) PathBeneath {
  std::uint64_t allowed_access = 0;
  std::int32_t parent_fd = -1;
};
struct NetPort {
  std::uint64_t allowed_access = 0;
  std::uint64_t port = 0;
};

// All that this version knows of is denied unless a rule allows it.
Ruleset everything(int abi) {
  const unsigned file_rights = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;
  return {.handled_access_fs = (std::uint64_t{1} << file_rights) - 1,
          .handled_access_net = abi >= 4 ? 3U : 0U,  // BIND_TCP, CONNECT_TCP
          .scoped = abi >= 6 ? 3U : 0U};             // abstract Unix sockets, signals
}

std::size_t size_of_ruleset(int abi) {
  return abi >= 6 ? sizeof(Ruleset) : abi >= 4 ? 2 * sizeof(std::uint64_t) : sizeof(std::uint64_t);
}

Status allow_path(int ruleset, const std::filesystem::path& path, std::uint64_t rights) {
  const UniqueFd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status{};
  if (!fd || ::fstat(fd.get(), &status) != 0) {
    return fail(ErrorCode::NotFound, fmt::format("'{}', which the engine may use, is missing: {}",
                                                 path.string(), std::strerror(errno)));
  }
  const PathBeneath rule{.allowed_access = S_ISDIR(status.st_mode) ? rights : rights & kOnFiles,
                         .parent_fd = fd.get()};
  if (::syscall(SYS_landlock_add_rule, ruleset, kRulePathBeneath, &rule, 0) != 0) {
    return fail(ErrorCode::Internal,
                fmt::format("Landlock refuses '{}': {}", path.string(), std::strerror(errno)));
  }
  return {};
}

Status allow_grant(int ruleset, const EngineGrant& grant, const Ruleset& handled) {
  const std::uint64_t read = kReadFile | kReadDir;
  for (const auto& path : grant.readable) {
    LH_RETURN_IF_ERROR(allow_path(ruleset, path, read));
  }
  for (const auto& path : grant.writable) {
    LH_RETURN_IF_ERROR(allow_path(ruleset, path, (read | kWrite) & handled.handled_access_fs));
  }
  for (const auto& path : grant.extensions) {
    LH_RETURN_IF_ERROR(allow_path(ruleset, path, kReadFile));
  }
  // Where DuckDB looks for the memory of its container when it opens: it cannot bear that these are
  // there and closed. Namespaces of the child's own hide them.
  for (const std::string_view path : {"/proc/self/cgroup", "/sys/fs/cgroup"}) {
    if (::access(path.data(), F_OK) == 0) {
      LH_RETURN_IF_ERROR(allow_path(ruleset, path, read));
    }
  }
  if (grant.loopback_port && handled.handled_access_net != 0) {
    const NetPort rule{.allowed_access = kConnectTcp, .port = *grant.loopback_port};
    if (::syscall(SYS_landlock_add_rule, ruleset, kRuleNetPort, &rule, 0) != 0) {
      return fail(ErrorCode::Internal, fmt::format("Landlock refuses port {}: {}",
                                                   *grant.loopback_port, std::strerror(errno)));
    }
  }
  return {};
}

}  // namespace

Result<LandlockResult> restrict_by_landlock(const EngineGrant& grant) {
  LandlockResult result;
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersionFlag);
  if (abi < 1) {
    result.problem = errno == EOPNOTSUPP ? "this kernel has Landlock switched off"
                                         : "this kernel has no Landlock (Linux 5.13 or later has)";
    return result;
  }
  result.abi = static_cast<int>(abi);
  const Ruleset handled = everything(result.abi);
  const UniqueFd ruleset(static_cast<int>(
      ::syscall(SYS_landlock_create_ruleset, &handled, size_of_ruleset(result.abi), 0)));
  if (!ruleset) {
    result.problem = fmt::format("Landlock gives no rules: {}", std::strerror(errno));
    return result;
  }
  LH_RETURN_IF_ERROR(allow_grant(ruleset.get(), grant, handled));
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) {
    result.problem = fmt::format("Landlock does not restrict: {}", std::strerror(errno));
    return result;
  }
  result.files = true;
  result.network = handled.handled_access_net != 0;
  if (!result.network) {
    result.problem = "this kernel's Landlock has no rules for TCP (Linux 6.7 or later has)";
  }
  return result;
}

}  // namespace lakehouse::engine
