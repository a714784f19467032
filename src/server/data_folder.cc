#include "server/data_folder.h"

#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace lakehouse::server {
namespace {

std::unexpected<Error> unusable(const std::string& path, int error) {
  return fail(ErrorCode::FailedPrecondition,
              fmt::format("the data folder {} cannot be used: {}", path,
                          std::generic_category().message(error)),
              "Give another one with --data DIR.");
}

std::string holder_of(int lock) {
  std::array<char, 32> text{};
  const ssize_t count = ::pread(lock, text.data(), text.size() - 1, 0);
  std::string_view holder(text.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  holder = holder.substr(0, holder.find('\n'));
  return holder.empty() ? std::string() : fmt::format(" (process {})", holder);
}

}  // namespace

Result<DataFolder> DataFolder::open(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error).lexically_normal();
  if (!error) {
    std::filesystem::create_directories(absolute, error);
  }
  if (error) {
    return unusable(path, error.value());
  }
  const std::string lock_path = absolute / "lakehouse.lock";
  UniqueFd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!lock) {
    return unusable(path, errno);
  }
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return unusable(path, errno);
    }
    return fail(
        ErrorCode::FailedPrecondition,
        fmt::format("another server uses the data folder {}{}", path, holder_of(lock.get())),
        "Stop it, or give another folder with --data DIR.");
  }
  const std::string own = fmt::format("{}\n", ::getpid());
  if (::ftruncate(lock.get(), 0) != 0 ||
      ::pwrite(lock.get(), own.data(), own.size(), 0) != static_cast<ssize_t>(own.size())) {
    return unusable(path, errno);
  }
  return DataFolder(absolute, std::move(lock));
}

}  // namespace lakehouse::server
