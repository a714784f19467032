#include "engine/sandbox/system_calls.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace lakehouse::engine {
namespace {

using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

// By name, so that each architecture has its own; one that this library does not know is left out.
constexpr std::array kAllowed = std::to_array<const char*>({
    // Memory
    "brk",
    "mmap",
    "munmap",
    "mremap",
    "mprotect",
    "madvise",
    "mincore",
    "membarrier",
    // Files: which ones, Landlock says
    "read",
    "readv",
    "pread64",
    "preadv",
    "preadv2",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "open",
    "openat",
    "creat",
    "close",
    "close_range",
    "lseek",
    "fsync",
    "fdatasync",
    "ftruncate",
    "truncate",
    "fallocate",
    "fadvise64",
    "readahead",
    "sync_file_range",
    "stat",
    "fstat",
    "lstat",
    "newfstatat",
    "statx",
    "statfs",
    "fstatfs",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getdents",
    "getdents64",
    "getcwd",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "rmdir",
    "mkdir",
    "mkdirat",
    "dup",
    "dup2",
    "dup3",
    "fcntl",
    "flock",
    "pipe",
    "pipe2",
    // Threads and time; clone has a rule of its own
    "futex",
    "set_robust_list",
    "get_robust_list",
    "rseq",
    "set_tid_address",
    "sched_yield",
    "sched_getaffinity",
    "sched_setaffinity",
    "getcpu",
    "gettid",
    "getpid",
    "getppid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "exit",
    "exit_group",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigaltstack",
    "restart_syscall",
    "clock_gettime",
    "clock_getres",
    "gettimeofday",
    "time",
    "nanosleep",
    "clock_nanosleep",
    "times",
    "getrusage",
    "getrandom",
    "uname",
    "sysinfo",
    "getrlimit",
    // Connections that were given; there is no call here that makes one
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd2",
    "recvmsg",
    "recvfrom",
    "sendmsg",
    "sendto",
    "shutdown",
    "getsockopt",
    "setsockopt",
    "getsockname",
    "getpeername",
    // For the second filter, which can only refuse more
    "seccomp",
});

Error broken(std::string_view what, int code) {
  return Error{.code = ErrorCode::FailedPrecondition,
               .message = fmt::format("seccomp {}: {}", what, std::strerror(-code)),
               .hint = {},
               .position_bytes = std::nullopt,
               .details_json = {}};
}

Result<Filter> make_filter(std::uint32_t otherwise) {
  Filter filter(seccomp_init(otherwise), &seccomp_release);
  if (filter == nullptr) {
    return std::unexpected(broken("gives no filter", -ENOMEM));
  }
  // A statement's time must not depend on how far down the list its calls stand; and the processor
  // is not slowed down (SSB), because what this process may not know is not in it.
  for (const auto& [attribute, value] :
       {std::pair{SCMP_FLTATR_CTL_OPTIMIZE, 2U}, std::pair{SCMP_FLTATR_CTL_SSB, 1U},
        std::pair{SCMP_FLTATR_CTL_NNP, 0U},
        std::pair{SCMP_FLTATR_ACT_BADARCH, std::uint32_t{SCMP_ACT_KILL_PROCESS}}}) {
    if (const int code = seccomp_attr_set(filter.get(), attribute, value); code != 0) {
      return std::unexpected(broken("refuses an attribute", code));
    }
  }
  return filter;
}

Status add_rule(const Filter& filter, std::uint32_t action, const char* name,
                std::initializer_list<scmp_arg_cmp> conditions = {}) {
  const int number = seccomp_syscall_resolve_name(name);
  if (number < 0) {
    return {};  // Another architecture's, or newer than the library: refused like all others.
  }
  const int code = seccomp_rule_add_array(
      filter.get(), action, number, static_cast<unsigned>(conditions.size()), conditions.begin());
  return code == 0 ? Status() : Status(std::unexpected(broken(name, code)));
}

scmp_arg_cmp equals(unsigned argument, std::uint64_t value) {
  return {.arg = argument, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}

scmp_arg_cmp masked(unsigned argument, std::uint64_t mask, std::uint64_t value) {
  return {.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

Status allow_by_arguments(const Filter& filter, MoreCalls more) {
  constexpr std::uint32_t kAllow = SCMP_ACT_ALLOW;
  // Threads, and no processes or namespaces. clone3's flags lie in memory, where a filter cannot
  // look: the C library takes clone when it hears that there is no clone3.
  constexpr std::uint64_t kNever = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                   CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_PTRACE |
                                   CLONE_VFORK;
  constexpr std::uint64_t kThread = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;
  LH_RETURN_IF_ERROR(add_rule(filter, kAllow, "clone", {masked(0, kNever | kThread, kThread)}));
  LH_RETURN_IF_ERROR(add_rule(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3"));
  // A signal for itself is how a process aborts.
  const auto self = static_cast<std::uint64_t>(::getpid());
  LH_RETURN_IF_ERROR(add_rule(filter, kAllow, "tgkill", {equals(0, self)}));
  LH_RETURN_IF_ERROR(add_rule(filter, kAllow, "kill", {equals(0, self)}));
  // Limits may be read, not changed, and its own only.
  LH_RETURN_IF_ERROR(add_rule(filter, kAllow, "prlimit64", {equals(0, 0), equals(2, 0)}));
  for (const int option : {PR_SET_NAME, PR_GET_NAME, PR_SET_VMA}) {
    LH_RETURN_IF_ERROR(
        add_rule(filter, kAllow, "prctl", {equals(0, static_cast<std::uint64_t>(option))}));
  }
  for (const int request : {TCGETS, FIONREAD, FIONBIO, FIOCLEX}) {
    LH_RETURN_IF_ERROR(
        add_rule(filter, kAllow, "ioctl", {equals(1, static_cast<std::uint64_t>(request))}));
  }
  if (more.runtime) {
    LH_RETURN_IF_ERROR(add_rule(filter, kAllow, "socketpair", {equals(0, AF_UNIX), equals(2, 0)}));
    LH_RETURN_IF_ERROR(add_rule(filter, kAllow, "linkat", {equals(4, 0)}));
  }
  if (more.tcp) {
    for (const int family : {AF_INET, AF_INET6}) {
      constexpr std::uint64_t kType = 0xFFFFFFFFU & ~std::uint64_t{SOCK_CLOEXEC | SOCK_NONBLOCK};
      LH_RETURN_IF_ERROR(
          add_rule(filter, kAllow, "socket",
                   {equals(0, static_cast<std::uint64_t>(family)), masked(1, kType, SOCK_STREAM)}));
    }
    LH_RETURN_IF_ERROR(add_rule(filter, kAllow, "connect"));
  }
  return {};
}

}  // namespace

Status restrict_system_calls(MoreCalls more) {
  LH_ASSIGN_OR_RETURN(const Filter filter, make_filter(SCMP_ACT_ERRNO(EPERM)));
  for (const char* name : kAllowed) {
    LH_RETURN_IF_ERROR(add_rule(filter, SCMP_ACT_ALLOW, name));
  }
  LH_RETURN_IF_ERROR(allow_by_arguments(filter, more));
  const int code = seccomp_load(filter.get());
  return code == 0 ? Status() : Status(std::unexpected(broken("does not load", code)));
}

Status refuse_new_code() {
  LH_ASSIGN_OR_RETURN(const Filter filter, make_filter(SCMP_ACT_ALLOW));
  if (const int code = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1); code != 0) {
    return std::unexpected(broken("refuses an attribute", code));
  }
  constexpr std::uint32_t kRefuse = SCMP_ACT_ERRNO(EPERM);
  for (const char* name : {"mmap", "mprotect"}) {
    LH_RETURN_IF_ERROR(add_rule(filter, kRefuse, name, {masked(2, PROT_EXEC, PROT_EXEC)}));
  }
  LH_RETURN_IF_ERROR(add_rule(filter, kRefuse, "seccomp"));
  const int code = seccomp_load(filter.get());
  return code == 0 ? Status() : Status(std::unexpected(broken("does not load", code)));
}

}  // namespace lakehouse::engine
