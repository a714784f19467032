#include "engine/client/child_process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/frame.h"

namespace lakehouse::engine {
namespace {

class SpawnFiles {
 public:
  SpawnFiles() { posix_spawn_file_actions_init(&actions_); }
  ~SpawnFiles() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnFiles(const SpawnFiles&) = delete;
  SpawnFiles& operator=(const SpawnFiles&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

class SpawnAttributes {
 public:
  SpawnAttributes() {
    posix_spawnattr_init(&attributes_);
    // Ctrl-C at the terminal is for the server, which then stops its children in order.
    posix_spawnattr_setpgroup(&attributes_, 0);
    sigset_t none{};
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes_, &none);
    sigset_t defaults{};
    sigemptyset(&defaults);
    for (const int signal : {SIGPIPE, SIGTERM, SIGINT, SIGHUP, SIGCHLD}) {
      sigaddset(&defaults, signal);
    }
    posix_spawnattr_setsigdefault(&attributes_, &defaults);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnAttributes() { posix_spawnattr_destroy(&attributes_); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  posix_spawnattr_t* get() { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

// The server's environment may hold secrets; these hold none.
std::vector<std::string> environment() {
  std::vector<std::string> kept{"LANG=C.UTF-8", "TZ=UTC"};
  for (const char* name :
       {"PATH", "LD_LIBRARY_PATH", "LAKEHOUSE_ENGINE_LIBRARY", "LAKEHOUSE_MODEL_LIBRARY",
        "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name)) {
      kept.push_back(fmt::format("{}={}", name, value));
    }
  }
  return kept;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) {
    list.push_back(text.data());
  }
  list.push_back(nullptr);
  return list;
}

}  // namespace

Result<ChildProcess> start_child(std::string_view name, const std::filesystem::path& executable,
                                 const std::vector<std::string>& arguments) {
  std::array<int, 2> control{-1, -1};
  std::array<int, 2> log{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control.data()) != 0 ||
      ::pipe2(log.data(), O_CLOEXEC) != 0) {
    return fail(ErrorCode::Unavailable,
                fmt::format("the {} cannot be started: {}", name, std::strerror(errno)));
  }
  ChildProcess child{.pid = 0, .control = UniqueFd(control[0]), .log = UniqueFd(log[0])};
  UniqueFd child_control(control[1]);
  UniqueFd child_log(log[1]);
  // dup2 to itself would keep close-on-exec, so the child's end must not have its number already.
  if (child_control.get() == kControlFd) {
    child_control.reset(::fcntl(child_control.get(), F_DUPFD_CLOEXEC, kControlFd + 1));
  }
  if (child_log.get() == kControlFd) {
    child_log.reset(::fcntl(child_log.get(), F_DUPFD_CLOEXEC, kControlFd + 1));
  }
  SpawnFiles files;
  posix_spawn_file_actions_addopen(files.get(), STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(files.get(), child_log.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(files.get(), child_log.get(), STDERR_FILENO);
  posix_spawn_file_actions_adddup2(files.get(), child_control.get(), kControlFd);
  // What others left open in this process is not the child's, either.
  posix_spawn_file_actions_addclosefrom_np(files.get(), kControlFd + 1);
  SpawnAttributes attributes;
  std::vector<std::string> argument_texts{executable.string()};
  argument_texts.insert(argument_texts.end(), arguments.begin(), arguments.end());
  std::vector<std::string> environment_texts = environment();
  const int error =
      ::posix_spawn(&child.pid, executable.c_str(), files.get(), attributes.get(),
                    pointers(argument_texts).data(), pointers(environment_texts).data());
  if (error != 0) {
    return fail(ErrorCode::Unavailable,
                fmt::format("the {} cannot be started: {}", name, std::strerror(error)));
  }
  ::fcntl(child.log.get(), F_SETFL, O_NONBLOCK);
  return child;
}

std::string reap_child(pid_t pid) {
  int status = 0;
  ::kill(pid, SIGKILL);  // If it has ended already, its status stays as it was.
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) {
    const char* name = ::sigdescr_np(WTERMSIG(status));
    return fmt::format("signal {} ({})", WTERMSIG(status), name == nullptr ? "?" : name);
  }
  return fmt::format("exit code {}", WEXITSTATUS(status));
}

}  // namespace lakehouse::engine
