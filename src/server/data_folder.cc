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

#include "base/id.h"

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

Result<DataFolder> DataFolder::open(const std::string& path, Use use) {
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
  if (::flock(lock.get(), (use == Use::Alone ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return unusable(path, errno);
    }
    return fail(
        ErrorCode::FailedPrecondition,
        fmt::format("another server uses the data folder {}{}", path, holder_of(lock.get())),
        "Stop it, or give another folder with --data DIR.");
  }
  // One that shares it has no number there: it would not be the only one.
  const std::string own = use == Use::Alone ? fmt::format("{}\n", ::getpid()) : "";
  if (::ftruncate(lock.get(), 0) != 0 ||
      ::pwrite(lock.get(), own.data(), own.size(), 0) != static_cast<ssize_t>(own.size())) {
    return unusable(path, errno);
  }
  DataFolder folder(absolute, std::move(lock));
  if (use == Use::Shared) {
    LH_RETURN_IF_ERROR(folder.make_own_run());
  }
  return folder;
}

// A folder below "run", locked while this process lives; those of servers that are gone are
// removed.
Status DataFolder::make_own_run() {
  namespace fs = std::filesystem;
  std::error_code error;
  for (fs::directory_iterator entry(run_, error), end; !error && entry != end;
       entry.increment(error)) {
    const UniqueFd left(::open(entry->path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (left && ::flock(left.get(), LOCK_EX | LOCK_NB) == 0) {
      std::error_code ignored;
      fs::remove_all(entry->path(), ignored);
    }
  }
  // Another server that sweeps may take the folder between its making and its locking.
  for (struct stat status{}; status.st_nlink == 0;) {
    run_ = path_ / "run" / fmt::format("server-{}", new_token(4));
    fs::create_directories(run_, error);
    run_lock_ = UniqueFd(::open(run_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (error || (run_lock_ && (::flock(run_lock_.get(), LOCK_EX | LOCK_NB) != 0 ||
                                ::fstat(run_lock_.get(), &status) != 0))) {
      return unusable(run_, error ? error.value() : errno);
    }
  }
  return {};
}

DataFolder::~DataFolder() {
  if (run_lock_) {
    std::error_code ignored;
    std::filesystem::remove_all(run_, ignored);
  }
}

}  // namespace lakehouse::server
