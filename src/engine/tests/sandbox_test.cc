#include "engine/sandbox.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/testing/matchers.h"
#include "base/unique_fd.h"
#include "engine/sandbox/landlock.h"
#include "engine/sandbox/namespaces.h"
#include "engine/sandbox/system_calls.h"

namespace lakehouse::engine {
namespace {

using lakehouse::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

struct Folders {
  Folders() {
    std::string name = (fs::temp_directory_path() / "lh-sandbox-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("no temporary folder");
    }
    root = name;
    for (const char* folder : {"read", "read/staging", "write", "other"}) {
      fs::create_directory(root / folder);
    }
    for (const char* file : {"read/a", "read/staging/a", "write/a", "other/secret"}) {
      std::ofstream(root / file) << "text";
    }
    fs::create_symlink(root / "other/secret", root / "read/link");
    fs::create_directory_symlink(root / "other", root / "read/folder_link");
  }
  ~Folders() { fs::remove_all(root); }
  Folders(const Folders&) = delete;
  Folders& operator=(const Folders&) = delete;

  [[nodiscard]] EngineGrant grant() const {
    EngineGrant grant;
    grant.readable = {root / "read"};
    grant.writable = {root / "write", root / "read/staging"};
    return grant;
  }

  fs::path root;
};

/// Which walls stand around a process.
using Walls = std::function<Status(const EngineGrant&)>;

Status all_walls(const EngineGrant& grant) {
  SandboxOptions options;
  options.grant = grant;
  options.mode = SandboxMode::Strict;
  auto layers = enter_sandbox(options);
  return layers ? seal_code(*layers) : Status(std::unexpected(layers.error()));
}

/// What `probe` says in a process of its own, inside the walls.
std::string inside(const Walls& walls, const EngineGrant& grant,
                   const std::function<std::string()>& probe) {
  std::array<int, 2> pipe{-1, -1};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    return "no pipe";
  }
  const UniqueFd reading(pipe[0]);
  UniqueFd writing(pipe[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    const Status done = walls(grant);
    const std::string said = done ? probe() : "walls: " + done.error().message;
    static_cast<void>(::write(writing.get(), said.data(), said.size()));
    ::_exit(0);
  }
  writing.reset();
  std::string said;
  std::array<char, 4'096> bytes{};
  while (true) {
    const ssize_t got = ::read(reading.get(), bytes.data(), bytes.size());
    if (got <= 0) {
      break;
    }
    said.append(bytes.data(), static_cast<std::size_t>(got));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? fmt::format("{} signal {}", said, WTERMSIG(status)) : said;
}

struct Attempt {
  const char* name;
  std::function<long()> call;  ///< Below 0 if it was refused.
};

/// The names of the attempts that went well, inside the walls.
std::string what_works(const Walls& walls, const EngineGrant& grant,
                       const std::vector<Attempt>& attempts) {
  return inside(walls, grant, [&] {
    std::vector<std::string> worked;
    for (const Attempt& attempt : attempts) {
      if (attempt.call() >= 0) {
        worked.emplace_back(attempt.name);
      }
    }
    return fmt::format("{}", fmt::join(worked, " "));
  });
}

std::vector<Attempt> reads_outside(const fs::path& root) {
  const auto reads = [](fs::path path) {
    return [path] { return static_cast<long>(::open(path.c_str(), O_RDONLY | O_CLOEXEC)); };
  };
  return {
      {"a file beside", reads(root / "other/secret")},
      {"by the parent folder", reads(root / "read/../other/secret")},
      {"by a link", reads(root / "read/link")},
      {"by a linked folder", reads(root / "read/folder_link/secret")},
      {"a folder beside", reads(root / "other")},
      {"the root folder's files", reads("/etc/passwd")},
      {"its own memory", reads("/proc/self/mem")},
      {"its environment", reads("/proc/self/environ")},
      {"its parent's files", reads(fmt::format("/proc/{}/root/etc/passwd", ::getppid()))},
      {"a device", reads("/dev/kmsg")},
      {"the kernel's settings", reads("/sys/kernel/uevent_seqnum")},
  };
}

std::vector<Attempt> writes_outside(const fs::path& root) {
  const auto writes = [](fs::path path, int flags) {
    return [path, flags] {
      return static_cast<long>(::open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0600));
    };
  };
  return {
      {"a new file beside", writes(root / "other/new", O_CREAT)},
      {"a new file that may only be read there", writes(root / "read/new", O_CREAT)},
      {"a file that may only be read", writes(root / "read/a", 0)},
      {"cutting a file", [&root] { return ::truncate((root / "read/a").c_str(), 0); }},
      {"a folder", [&root] { return ::mkdir((root / "read/folder").c_str(), 0700); }},
      {"removing", [&root] { return ::unlink((root / "read/a").c_str()); }},
      {"removing beside", [&root] { return ::unlink((root / "other/secret").c_str()); }},
      {"moving in",
       [&root] { return ::rename((root / "read/a").c_str(), (root / "write/b").c_str()); }},
      {"moving out",
       [&root] { return ::rename((root / "write/a").c_str(), (root / "other/b").c_str()); }},
  };
}

class Sandbox : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string said = inside(all_walls, folders_.grant(), [] { return std::string("in"); });
    if (said != "in") {
      GTEST_SKIP() << "not on this machine: " << said;
    }
  }

  Folders folders_;
};

TEST_F(Sandbox, WhatIsGrantedWorks) {
  const fs::path& root = folders_.root;
  const std::string said = inside(all_walls, folders_.grant(), [&] {
    std::ofstream(root / "write/new") << "new";
    fs::create_directories(root / "read/staging/deep/er");
    std::ofstream(root / "read/staging/deep/er/file") << "new";
    fs::rename(root / "write/new", root / "write/renamed");
    fs::remove(root / "write/a");
    std::string text;
    std::ifstream(root / "read/a") >> text;
    std::thread([&text] { text += " thread"; }).join();
    return text;
  });
  EXPECT_EQ(said, "text thread");
  EXPECT_TRUE(fs::exists(folders_.root / "write/renamed"));
  EXPECT_FALSE(fs::exists(folders_.root / "write/a"));
  EXPECT_TRUE(fs::exists(folders_.root / "read/staging/deep/er/file"));
}

TEST_F(Sandbox, WithoutWallsTheAttemptsWork) {
  const Walls none = [](const EngineGrant&) { return Status(); };
  EXPECT_THAT(what_works(none, {}, reads_outside(folders_.root)),
              HasSubstr("a file beside by the parent folder by a link by a linked folder"));
  EXPECT_THAT(what_works(none, {}, writes_outside(folders_.root)),
              HasSubstr("cutting a file a folder removing removing beside"));
}

TEST_F(Sandbox, NoFileOutsideTheGrantIsRead) {
  const fs::path& root = folders_.root;
  EXPECT_EQ(what_works(all_walls, folders_.grant(), reads_outside(root)), "");
  EXPECT_EQ(what_works(all_walls, folders_.grant(), writes_outside(root)), "");
}

TEST_F(Sandbox, LandlockAloneHoldsFiles) {
  const Walls landlock = [](const EngineGrant& grant) -> Status {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const auto done = restrict_by_landlock(grant);
    return done ? Status() : Status(std::unexpected(done.error()));
  };
  EXPECT_EQ(what_works(landlock, folders_.grant(), reads_outside(folders_.root)), "");
  EXPECT_EQ(what_works(landlock, folders_.grant(), writes_outside(folders_.root)), "");
}

TEST_F(Sandbox, TheOwnRootFolderAloneHoldsFiles) {
  if (inside(enter_namespaces, folders_.grant(), [] { return std::string("in"); }) != "in") {
    GTEST_SKIP() << "no user namespaces here";
  }
  EXPECT_EQ(what_works(enter_namespaces, folders_.grant(), reads_outside(folders_.root)), "");
  EXPECT_EQ(what_works(enter_namespaces, folders_.grant(), writes_outside(folders_.root)), "");
  // And nothing else is even there to be seen.
  const fs::path secret = folders_.root / "other/secret";
  EXPECT_EQ(what_works(enter_namespaces, folders_.grant(),
                       {{"sees a file beside", [&] { return ::access(secret.c_str(), F_OK); }},
                        {"sees a program", [] { return ::access("/usr/bin/env", F_OK); }}}),
            "");
}

TEST_F(Sandbox, SystemCallsOfNoDatabaseAreRefused) {
  const auto raw = [](long number, long a = 0, long b = 0, long c = 0, long d = 0) {
    return [=] { return ::syscall(number, a, b, c, d); };
  };
  const auto socket_of = [](int family, int type) {
    return [=] { return static_cast<long>(::socket(family, type, 0)); };
  };
  const auto pair_of = [](int family) {
    return [=] {
      std::array<int, 2> fds{};
      return static_cast<long>(::socketpair(family, SOCK_STREAM, 0, fds.data()));
    };
  };
  const std::vector<Attempt> attempts{
      {"fork", raw(SYS_clone, SIGCHLD)},
      {"vfork", raw(SYS_vfork)},
      {"a process by clone3", raw(SYS_clone3, 0, 0)},
      {"exec",
       [] {
         char name[] = "/bin/true";
         char* const arguments[] = {name, nullptr};
         return static_cast<long>(::execv(name, arguments));
       }},
      {"TCP", socket_of(AF_INET, SOCK_STREAM)},
      {"TCP 6", socket_of(AF_INET6, SOCK_STREAM)},
      {"UDP", socket_of(AF_INET, SOCK_DGRAM)},
      {"Unix socket", socket_of(AF_UNIX, SOCK_STREAM)},
      {"a pair of sockets", pair_of(AF_UNIX)},
      {"netlink", socket_of(AF_NETLINK, SOCK_RAW)},
      {"raw socket", socket_of(AF_PACKET, SOCK_RAW)},
      {"ptrace", raw(SYS_ptrace, 16, ::getppid())},
      {"another's memory", raw(SYS_process_vm_readv, ::getppid())},
      {"kill", raw(SYS_kill, ::getppid(), 0)},
      {"kill all", raw(SYS_kill, -1, 0)},
      {"a handle of a process", raw(SYS_pidfd_open, ::getppid())},
      {"namespaces", raw(SYS_unshare, 0x10000000)},
      {"mount", [] { return ::mount("tmpfs", "/", "tmpfs", 0, nullptr); }},
      {"chroot", raw(SYS_chroot, reinterpret_cast<long>("/"))},
      {"io_uring", raw(SYS_io_uring_setup, 1)},
      {"bpf", raw(SYS_bpf)},
      {"perf", raw(SYS_perf_event_open)},
      {"page faults", raw(SYS_userfaultfd)},
      {"keys", raw(SYS_keyctl)},
      {"a file in memory", raw(SYS_memfd_create, reinterpret_cast<long>("x"))},
      {"shared memory", raw(SYS_shmget, 0, 4096, 01600)},
      {"user", raw(SYS_setuid, 0)},
      {"groups", raw(SYS_setgroups, 0, 0)},
      {"personality", raw(SYS_personality, 0x0400000)},
      {"mode", [this] { return ::chmod((folders_.root / "write/a").c_str(), 0777); }},
      {"owner", [this] { return ::chown((folders_.root / "write/a").c_str(), 1, 1); }},
      {"a link", [this] { return ::symlink("/etc/passwd", (folders_.root / "write/l").c_str()); }},
      {"a hard link",
       [this] {
         return ::link((folders_.root / "read/a").c_str(), (folders_.root / "write/l").c_str());
       }},
      {"a device", [this] { return ::mknod((folders_.root / "write/d").c_str(), S_IFCHR, 259); }},
      {"more memory",
       [] {
         const rlimit limit{.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
         return static_cast<long>(::setrlimit(RLIMIT_DATA, &limit));
       }},
      {"a core dump",
       [] {
         rlimit limit{};
         return static_cast<long>(::getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max > 0 ? 0
                                                                                              : -1);
       }},
      {"code",
       [] {
         return kSanitized || ::mmap(nullptr, 4'096, PROT_READ | PROT_EXEC,
                                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
                    ? -1L
                    : 0L;
       }},
  };
  EXPECT_EQ(what_works(all_walls, folders_.grant(), attempts), "");
}

TEST_F(Sandbox, ARuntimeOfItsOwnMayTalkToItselfAndLinkWhatItWrote) {
  const auto pair_of = [](int family) {
    return [=] {
      std::array<int, 2> fds{};
      return static_cast<long>(::socketpair(family, SOCK_STREAM, 0, fds.data()));
    };
  };
  const auto link = [this](const char* from, const char* to) {
    return [from = folders_.root / from, to = folders_.root / to] {
      return static_cast<long>(::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), 0));
    };
  };
  const std::vector<Attempt> attempts{
      {"a pair of sockets", pair_of(AF_UNIX)},
      {"a pair of others", pair_of(AF_TIPC)},
      {"a socket", [] { return static_cast<long>(::socket(AF_UNIX, SOCK_STREAM, 0)); }},
      {"a link in a folder", link("write/a", "write/b")},
      {"a link of what may be read", link("read/a", "write/c")},
      {"a link of what may not", link("other/secret", "write/d")},
      {"a link to where nothing may be written", link("write/a", "read/b")},
      {"a link out", link("write/a", "other/b")},
  };
  EXPECT_EQ(what_works(all_walls, folders_.grant(), attempts), "");
  EngineGrant grant = folders_.grant();
  grant.runtime_calls = true;
  EXPECT_EQ(what_works(all_walls, grant, attempts), "a pair of sockets a link in a folder");
}

TEST_F(Sandbox, CodeIsSealedInThreadsThatWereThere) {
  if (kSanitized) {
    GTEST_SKIP() << "a sanitizer's own thread is outside";
  }
  const Walls walls = [](const EngineGrant&) -> Status {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return restrict_system_calls({});
  };
  const std::string said = inside(walls, {}, [] {
    const auto map = [] {
      return ::mmap(nullptr, 4'096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
             MAP_FAILED;
    };
    std::atomic<bool> sealed = false;
    bool later = true;
    std::thread other([&] {
      while (!sealed) {
        std::this_thread::yield();
      }
      later = map();
    });
    const bool before = map();
    const bool done = refuse_new_code().has_value();
    sealed = true;
    other.join();
    return fmt::format("before {} sealed {} later {}", before, done, later);
  });
  EXPECT_EQ(said, "before true sealed true later false");
}

/// A socket that listens on loopback, and its port.
struct Listener {
  Listener() : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (::bind(fd.get(), any, size) == 0 && ::listen(fd.get(), 4) == 0 &&
        ::getsockname(fd.get(), any, &size) == 0) {
      port = ntohs(address.sin_port);
    }
  }
  UniqueFd fd;
  std::uint16_t port = 0;
};

long connect_to(std::uint16_t port) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
}

TEST_F(Sandbox, OnePortAndNoOther) {
  const Listener granted;
  const Listener other;
  EngineGrant grant = folders_.grant();
  grant.loopback_port = granted.port;
  EXPECT_EQ(what_works(all_walls, grant,
                       {{"granted", [&] { return connect_to(granted.port); }},
                        {"other", [&] { return connect_to(other.port); }},
                        {"UDP", [] { return ::socket(AF_INET, SOCK_DGRAM, 0); }},
                        {"listen", [] { return Listener().port == 0 ? -1L : 0L; }}}),
            "granted");
  EXPECT_EQ(what_works(all_walls, folders_.grant(),
                       {{"granted", [&] { return connect_to(granted.port); }}}),
            "");
}

TEST_F(Sandbox, MemoryBeyondTheLimitIsNotThere) {
  const Walls small = [](const EngineGrant& grant) -> Status {
    SandboxOptions options;
    options.grant = grant;
    options.limits.data_bytes_max = std::uint64_t{256} << 20U;
    auto layers = enter_sandbox(options);
    return layers ? Status() : Status(std::unexpected(layers.error()));
  };
  const auto takes = [](std::size_t size_bytes) {
    return [size_bytes] {
      return ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0) == MAP_FAILED
                 ? -1L
                 : 0L;
    };
  };
  // No limit holds for a sanitizer's own memory, so there is none then.
  const std::string worked = what_works(small, folders_.grant(),
                                        {{"little", takes(1U << 20U)}, {"much", takes(1U << 30U)}});
  EXPECT_EQ(worked, kSanitized ? "little much" : "little");
}

TEST_F(Sandbox, AMissingFolderIsNamed) {
  EngineGrant grant = folders_.grant();
  grant.readable.push_back(folders_.root / "missing");
  const std::string said = inside(all_walls, grant, [] { return std::string("in"); });
  EXPECT_THAT(said, HasSubstr("missing"));
}

TEST_F(Sandbox, EveryLayerSaysWhatItIs) {
  const std::string said =
      inside([](const EngineGrant&) { return Status(); }, {},
             [this] {
               SandboxOptions options;
               options.grant = folders_.grant();
               const auto layers = enter_sandbox(options);
               std::string names;
               for (const SandboxLayer& layer : layers.value_or(std::vector<SandboxLayer>{})) {
                 names += layer.name + (layer.in_force && !layer.detail.empty() ? " " : "? ");
               }
               return names;
             });
  EXPECT_THAT(said, HasSubstr("files network system_calls privileges limits "));
}

/// A kernel that does not know a system call, as far as this process can see.
void forget(const char* call) {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(ENOSYS), seccomp_syscall_resolve_name(call), 0,
                         nullptr);
  seccomp_load(filter);
  seccomp_release(filter);
}

std::string layers_without(const char* call, const EngineGrant& grant, SandboxMode mode) {
  return inside([](const EngineGrant&) { return Status(); }, {},
                [&] {
                  forget(call);
                  SandboxOptions options;
                  options.grant = grant;
                  options.mode = mode;
                  const auto layers = enter_sandbox(options);
                  if (!layers) {
                    return layers.error().message;
                  }
                  std::string names;
                  for (const SandboxLayer& layer : *layers) {
                    names += (layer.in_force ? "" : "no ") + layer.name + " ";
                  }
                  return names;
                });
}

TEST_F(Sandbox, StrictStartsOnlyWithEveryLayer) {
  const EngineGrant grant = folders_.grant();
  const auto best = [&](const char* call) {
    return layers_without(call, grant, SandboxMode::BestEffort);
  };
  const auto strict = [&](const char* call) {
    return layers_without(call, grant, SandboxMode::Strict);
  };
  EXPECT_THAT(best("landlock_create_ruleset"), HasSubstr("no files network system_calls"));
  EXPECT_THAT(strict("landlock_create_ruleset"), HasSubstr("no layer 'files'"));
  EXPECT_THAT(best("seccomp"), HasSubstr("files network no system_calls privileges"));
  EXPECT_THAT(strict("seccomp"), HasSubstr("no layer 'system_calls'"));
  // One more, and not asked for: many places give no user namespaces.
  EXPECT_THAT(best("unshare"), HasSubstr("files network system_calls privileges limits no names"));
  EXPECT_THAT(strict("unshare"), HasSubstr("files network system_calls privileges limits"));
}

TEST(SandboxOff, ChangesNothing) {
  SandboxOptions options;
  options.mode = SandboxMode::Off;
  const auto layers = enter_sandbox(options);
  ASSERT_THAT(layers, IsOk());
  EXPECT_THAT(*layers, IsEmpty());
  EXPECT_THAT(seal_code(*layers), IsOk());
}

}  // namespace
}  // namespace lakehouse::engine
