#include "storage/local/files.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace lakehouse::storage::local {
namespace {

ErrorCode code_of(int error_number) {
  switch (error_number) {
    case ENOENT: return ErrorCode::NotFound;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:  // A symbolic link in the way.
    case EXDEV: return ErrorCode::PermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM: return ErrorCode::ResourceExhausted;
    case ENAMETOOLONG:
    case EILSEQ: return ErrorCode::InvalidArgument;
    case ENOTDIR:
    case EISDIR:
    case ENOTEMPTY: return ErrorCode::FailedPrecondition;
    default: return ErrorCode::Unavailable;
  }
}

// For kernels before 5.6, and sandboxes that hide openat2: one segment at a time.
UniqueFd open_by_walking(int root, const std::string& path, int flags) {
  UniqueFd folder(::openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  std::size_t begin = 0;
  while (folder) {
    const std::size_t end = path.find('/', begin);
    const bool is_last = end == std::string::npos;
    const std::string segment = path.substr(begin, is_last ? end : end - begin);
    if (segment.empty() || segment == "." || segment == "..") {
      errno = EXDEV;
      return {};
    }
    const int how = is_last ? flags : O_PATH | O_DIRECTORY;
    UniqueFd next(::openat(folder.get(), segment.c_str(), how | O_NOFOLLOW | O_CLOEXEC));
    if (is_last || !next) {
      return next;
    }
    folder = std::move(next);
    begin = end + 1;
  }
  return folder;
}

}  // namespace

std::unexpected<Error> system_error(int error_number, std::string_view doing, std::string_view on) {
  return fail(code_of(error_number),
              fmt::format("{} '{}': {}", doing, on, std::generic_category().message(error_number)));
}

UniqueFd open_beneath(int root, const std::string& path, int flags) {
  if (path.empty()) {
    return UniqueFd(::openat(root, ".", flags | O_CLOEXEC));
  }
  open_how how{};
  how.flags = static_cast<std::uint64_t>(static_cast<unsigned>(flags | O_CLOEXEC));
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  // EAGAIN: something was renamed while the kernel walked, so it cannot tell that it stayed below.
  for (int attempt = 0; attempt < 64; ++attempt) {
    const long fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    if (fd >= 0) {
      return UniqueFd(static_cast<int>(fd));
    }
    if (errno == ENOSYS || errno == EPERM) {
      return open_by_walking(root, path, flags);
    }
    if (errno != EAGAIN && errno != EINTR) {
      return {};
    }
  }
  return {};
}

Status write_all(int fd, std::span<const std::byte> bytes, std::string_view on) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      return system_error(errno, "write", on);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<std::size_t> read_at(int fd, std::span<std::byte> buffer, std::uint64_t offset_bytes,
                            std::string_view on) {
  while (true) {
    const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(offset_bytes));
    if (got >= 0) {
      return static_cast<std::size_t>(got);
    }
    if (errno != EINTR) {
      return system_error(errno, "read", on);
    }
  }
}

Status sync(int fd, std::string_view on) {
  // Not retried after EIO: the kernel may have dropped the dirty pages, and a second fsync would
  // then lie.
  if (::fsync(fd) != 0) {
    return system_error(errno, "make durable", on);
  }
  return {};
}

KeyParts split_key(std::string_view key) {
  const std::size_t slash = key.rfind('/');
  if (slash == std::string_view::npos) {
    return {.folder = {}, .leaf = std::string(key)};
  }
  return {.folder = std::string(key.substr(0, slash)), .leaf = std::string(key.substr(slash + 1))};
}

ETag etag_of(const struct stat& status) {
  return ETag{fmt::format("{:x}{:08x}-{:x}-{:x}", status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
                          status.st_size, status.st_ino)};
}

ObjectInfo info_of(std::string_view key, const struct stat& status) {
  const auto modified = std::chrono::seconds(status.st_mtim.tv_sec) +
                        std::chrono::nanoseconds(status.st_mtim.tv_nsec);
  return {.key = std::string(key),
          .size_bytes = static_cast<std::uint64_t>(status.st_size),
          .etag = etag_of(status),
          .modified_at = std::chrono::system_clock::time_point(
              std::chrono::duration_cast<std::chrono::system_clock::duration>(modified))};
}

}  // namespace lakehouse::storage::local
