#include "engine/sandbox/namespaces.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace lakehouse::engine {
namespace {

// Where the new root is put together: a folder that every system has and no grant is below.
constexpr std::string_view kNewRoot = "/proc";

std::unexpected<Error> failed(std::string_view what) {
  return fail(ErrorCode::FailedPrecondition, fmt::format("{}: {}", what, std::strerror(errno)));
}

Status write_file(const char* path, const std::string& text) {
  const UniqueFd fd(::open(path, O_WRONLY | O_CLOEXEC));
  if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return failed(path);
  }
  return {};
}

Status make_user_namespace(bool with_network) {
  const uid_t user = ::geteuid();
  const gid_t group = ::getegid();
  const int network = with_network ? 0 : CLONE_NEWNET;
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | network) != 0) {
    return failed("no user namespace");
  }
  // Files keep their owner: this user is itself in there, and nobody else exists.
  LH_RETURN_IF_ERROR(write_file("/proc/self/setgroups", "deny"));
  LH_RETURN_IF_ERROR(write_file("/proc/self/uid_map", fmt::format("{0} {0} 1", user)));
  return write_file("/proc/self/gid_map", fmt::format("{0} {0} 1", group));
}

Status make_place(const std::string& target, bool is_folder) {
  for (std::size_t slash = target.find('/', kNewRoot.size() + 1); slash != std::string::npos;
       slash = target.find('/', slash + 1)) {
    ::mkdir(target.substr(0, slash).c_str(), 0755);
  }
  if (is_folder) {
    ::mkdir(target.c_str(), 0755);
  } else {
    const UniqueFd made(::open(target.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  }
  struct stat status{};
  return ::stat(target.c_str(), &status) == 0 ? Status() : failed(target);
}

enum class Use : std::uint8_t { Read, Load, Write };

Status bind(const std::filesystem::path& source, Use use) {
  struct stat status{};
  if (::stat(source.c_str(), &status) != 0) {
    return failed(source.string());
  }
  const std::string target = std::string(kNewRoot) + source.string();
  LH_RETURN_IF_ERROR(make_place(target, S_ISDIR(status.st_mode)));
  if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
    return failed(fmt::format("bind '{}'", source.string()));
  }
  // Set, and nothing cleared: flags of the outer mount cannot be cleared in here.
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  attributes.attr_set |= use == Use::Write ? 0U : static_cast<unsigned>(MOUNT_ATTR_RDONLY);
  attributes.attr_set |= use == Use::Load ? 0U : static_cast<unsigned>(MOUNT_ATTR_NOEXEC);
  if (::syscall(SYS_mount_setattr, -1, target.c_str(), AT_RECURSIVE, &attributes,
                sizeof attributes) != 0) {
    return failed(fmt::format("protect '{}'", source.string()));
  }
  return {};
}

// A folder before what is in it: a later mount covers an earlier one.
std::vector<std::pair<std::filesystem::path, Use>> places_of(const EngineGrant& grant) {
  std::vector<std::pair<std::filesystem::path, Use>> places;
  const auto add = [&](const std::vector<std::filesystem::path>& paths, Use use) {
    for (const auto& path : paths) {
      const auto normal = path.lexically_normal();
      places.emplace_back(normal.has_filename() ? normal : normal.parent_path(), use);
    }
  };
  add(grant.readable, Use::Read);
  add(grant.extensions, Use::Load);
  add(grant.writable, Use::Write);
  std::ranges::sort(places, {}, [](const auto& place) {
    return std::pair(place.first.native().size(), place.second);
  });
  return places;
}

Status make_root(const EngineGrant& grant) {
  // What is mounted outside later is seen in here, what is mounted here not there.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) {
    return failed("no mounts of our own");
  }
  const std::string root(kNewRoot);
  constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  if (::mount("tmpfs", root.c_str(), "tmpfs", kFlags, "size=64k,nr_inodes=4k,mode=0755") != 0) {
    return failed("no root folder of our own");
  }
  for (const auto& [path, use] : places_of(grant)) {
    LH_RETURN_IF_ERROR(bind(path, use));
  }
  if (::mount(nullptr, root.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | kFlags, nullptr) !=
      0) {
    return failed("protect the root folder");
  }
  // The old root comes to lie over the new one, and is then taken off.
  if (::chdir(root.c_str()) != 0) {
    return failed("enter the root folder");
  }
  // An initial RAM disk cannot be left so; without privileges and chroot() there is no way back.
  const bool left = ::syscall(SYS_pivot_root, ".", ".") == 0 ? ::umount2(".", MNT_DETACH) == 0
                                                             : ::chroot(".") == 0;
  return left && ::chdir("/") == 0 ? Status() : failed("leave the old root folder");
}

Status enter(const EngineGrant& grant) {
  LH_RETURN_IF_ERROR(make_user_namespace(grant.loopback_port.has_value()));
  return make_root(grant);
}

// Half way in is worse than outside, so a child goes first and says how far it came.
Status rehearse(const EngineGrant& grant) {
  std::array<int, 2> pipe{-1, -1};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    return failed("no pipe");
  }
  const UniqueFd reading(pipe[0]);
  UniqueFd writing(pipe[1]);
  const pid_t child = ::fork();
  if (child < 0) {
    return failed("no child to try it");
  }
  if (child == 0) {
    const Status done = enter(grant);
    const std::string said = done ? "ok" : done.error().message;
    ::_exit(::write(writing.get(), said.data(), said.size()) < 0 ? 1 : 0);
  }
  writing.reset();
  std::array<char, 1'024> said{};
  const ssize_t got = ::read(reading.get(), said.data(), said.size());
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  const std::string_view text(said.data(), got < 0 ? 0 : static_cast<std::size_t>(got));
  if (text != "ok") {
    return fail(ErrorCode::FailedPrecondition,
                text.empty() ? std::string("trying it ended early") : std::string(text));
  }
  return {};
}

}  // namespace

Status enter_namespaces(const EngineGrant& grant) {
  LH_RETURN_IF_ERROR(rehearse(grant));
  if (Status done = enter(grant); !done) {
    done.error().code = ErrorCode::Internal;
    return done;
  }
  return {};
}

}  // namespace lakehouse::engine
