#include "storage/local_object_store.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <functional>
#include <thread>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/id.h"
#include "storage/local/files.h"
#include "storage/local/listing.h"

namespace lakehouse::storage {
namespace {

using local::etag_of;
using local::info_of;
using local::open_beneath;
using local::split_key;
using local::system_error;

constexpr std::size_t kDurableFoldersMax = 10'000;
constexpr int kLockFiles = 64;
constexpr std::size_t kCopyBytes = std::size_t{1} << 20U;

Status check_local_key(std::string_view key) {
  LH_RETURN_IF_ERROR(check_key(key));
  if (key == local::kHiddenFolder || key.starts_with(fmt::format("{}/", local::kHiddenFolder))) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("keys below '{}' are the store's own", local::kHiddenFolder));
  }
  return {};
}

std::unexpected<Error> no_such_object(std::string_view key) {
  return fail(ErrorCode::NotFound, fmt::format("no object '{}'", key));
}

std::unexpected<Error> has_changed(std::string_view key) {
  return fail(ErrorCode::Aborted, fmt::format("object '{}' has changed", key));
}

// A kernel answers ENOTDIR where a segment of the key is an object, EISDIR where the key is a
// folder.
std::unexpected<Error> write_failed(int error_number, std::string_view key) {
  if (error_number == ENOTDIR || error_number == EISDIR) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("'{}' cannot be an object: in a local bucket no key can be a folder of "
                            "another",
                            key));
  }
  return system_error(error_number, "write object", key);
}

// Removes a folder of unfinished writes that nobody holds; its files have no folders of their own.
void remove_scratch(int parent, const char* name, int folder) {
  UniqueFd to_read(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(to_read.get()), &::closedir);
  if (stream != nullptr) {
    to_read.release();
    while (const dirent* entry = ::readdir(stream.get())) {  // NOLINT(concurrency-mt-unsafe)
      ::unlinkat(folder, &entry->d_name[0], 0);              // Fails for "." and "..".
    }
  }
  ::unlinkat(parent, name, AT_REMOVEDIR);
}

}  // namespace

// ---- reading

class LocalObjectStore::Reader final : public ObjectReader {
 public:
  Reader(UniqueFd fd, ObjectInfo info, std::uint64_t begin_bytes, std::uint64_t end_bytes)
      : fd_(std::move(fd)), info_(std::move(info)), at_bytes_(begin_bytes), end_bytes_(end_bytes) {}

  [[nodiscard]] const ObjectInfo& info() const override { return info_; }

  Result<std::size_t> read(std::span<std::byte> buffer) override {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end_bytes_ - at_bytes_));
    if (wanted == 0) {
      return std::size_t{0};
    }
    LH_ASSIGN_OR_RETURN(const std::size_t got,
                        local::read_at(fd_.get(), buffer.first(wanted), at_bytes_, info_.key));
    if (got == 0) {  // Nobody here shortens a file: whoever did left half an object.
      return fail(ErrorCode::DataLoss,
                  fmt::format("object '{}' was cut short while it was read", info_.key));
    }
    at_bytes_ += got;
    return got;
  }

 private:
  UniqueFd fd_;
  ObjectInfo info_;
  std::uint64_t at_bytes_;
  std::uint64_t end_bytes_;
};

Result<UniqueFd> LocalObjectStore::open_to_read(std::string_view key) const {
  // O_NONBLOCK: opening a FIFO that somebody left there must not hang.
  UniqueFd fd = open_beneath(root_.get(), std::string(key), O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENXIO) {
      return no_such_object(key);
    }
    return system_error(errno, "read object", key);
  }
  return fd;
}

Result<std::unique_ptr<ObjectReader>> LocalObjectStore::open_object(
    const RequestContext& context, std::string_view key, std::optional<ByteRange> range) {
  LH_RETURN_IF_ERROR(context.check());
  LH_RETURN_IF_ERROR(check_local_key(key));
  LH_ASSIGN_OR_RETURN(UniqueFd fd, open_to_read(key));
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) {
    return system_error(errno, "read object", key);
  }
  if (!S_ISREG(status.st_mode)) {
    return no_such_object(key);
  }
  ObjectInfo info = info_of(key, status);
  std::uint64_t begin = 0;
  std::uint64_t end = info.size_bytes;
  if (range) {
    if (range->offset_bytes > end) {
      return fail(ErrorCode::OutOfRange, fmt::format("object '{}' has {} bytes: none at {}", key,
                                                     end, range->offset_bytes));
    }
    begin = range->offset_bytes;
    end = begin + std::min(range->length_bytes, end - begin);
  }
  return std::make_unique<Reader>(std::move(fd), std::move(info), begin, end);
}

Result<Bytes> LocalObjectStore::get_object(const RequestContext& context, std::string_view key,
                                           std::optional<ByteRange> range) {
  LH_ASSIGN_OR_RETURN(const auto reader, open_object(context, key, range));
  const std::uint64_t size = reader->info().size_bytes;
  const std::uint64_t wanted =
      range ? std::min(range->length_bytes, size - range->offset_bytes) : size;
  Bytes bytes(static_cast<std::size_t>(wanted));
  for (std::size_t filled = 0; filled < bytes.size();) {
    LH_RETURN_IF_ERROR(context.check());
    LH_ASSIGN_OR_RETURN(const std::size_t got, reader->read(std::span(bytes).subspan(filled)));
    filled += got;
  }
  return bytes;
}

Result<ObjectInfo> LocalObjectStore::head_object(const RequestContext& context,
                                                 std::string_view key) {
  LH_ASSIGN_OR_RETURN(const auto reader, open_object(context, key, {}));
  return reader->info();
}

Result<ObjectList> LocalObjectStore::list_objects(const RequestContext& context,
                                                  std::string_view prefix,
                                                  std::string_view delimiter,
                                                  std::string_view start_after, std::size_t limit) {
  LH_RETURN_IF_ERROR(context.check());
  return local::list_files(context, root_.get(), prefix, delimiter, start_after, limit);
}

std::optional<std::string> LocalObjectStore::local_path(std::string_view key) const {
  if (!check_local_key(key)) {
    return std::nullopt;
  }
  return fmt::format("{}/{}", root_path_, key);
}

// ---- writing

class LocalObjectStore::Writer final : public ObjectWriter {
 public:
  Writer(LocalObjectStore& store, std::string key, std::string scratch_name, UniqueFd fd)
      : store_(store),
        key_(std::move(key)),
        scratch_name_(std::move(scratch_name)),
        fd_(std::move(fd)) {}
  ~Writer() override {
    if (!committed_) {
      ::unlinkat(store_.scratch_.get(), scratch_name_.c_str(), 0);
    }
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Status write(std::span<const std::byte> bytes) override {
    return local::write_all(fd_.get(), bytes, key_);
  }

  Result<ETag> commit(const RequestContext& context, const PutCondition& condition) override {
    LH_RETURN_IF_ERROR(context.check());
    if (committed_) {
      return fail(ErrorCode::Internal, fmt::format("object '{}' was committed twice", key_));
    }
    LH_RETURN_IF_ERROR(store_.set_version_time(fd_.get()));
    LH_RETURN_IF_ERROR(local::sync(fd_.get(), key_));
    struct stat status{};
    if (::fstat(fd_.get(), &status) != 0) {
      return system_error(errno, "write object", key_);
    }
    LH_RETURN_IF_ERROR(store_.place(context, scratch_name_, key_, condition));
    committed_ = true;
    return etag_of(status);
  }

 private:
  LocalObjectStore& store_;
  std::string key_;
  std::string scratch_name_;
  UniqueFd fd_;
  bool committed_ = false;
};

Result<std::unique_ptr<ObjectWriter>> LocalObjectStore::create_object(const RequestContext& context,
                                                                      std::string_view key) {
  LH_RETURN_IF_ERROR(context.check());
  LH_RETURN_IF_ERROR(check_local_key(key));
  std::string name = new_uuid();
  UniqueFd fd(
      ::openat(scratch_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!fd) {
    return system_error(errno, "begin object", key);
  }
  return std::make_unique<Writer>(*this, std::string(key), std::move(name), std::move(fd));
}

Result<ETag> LocalObjectStore::put_object(const RequestContext& context, std::string_view key,
                                          std::span<const std::byte> bytes,
                                          const PutCondition& condition) {
  LH_ASSIGN_OR_RETURN(const auto writer, create_object(context, key));
  LH_RETURN_IF_ERROR(writer->write(bytes));
  return writer->commit(context, condition);
}

// The clock that the kernel stamps files with ticks every few milliseconds, and it reuses inodes:
// two versions could look alike. So each version gets a time of its own.
Status LocalObjectStore::set_version_time(int fd) {
  const std::int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                               std::chrono::system_clock::now().time_since_epoch())
                               .count();
  std::int64_t last = last_version_ns_.load();
  std::int64_t mine = 0;
  do {
    mine = std::max(now, last + 1);
  } while (!last_version_ns_.compare_exchange_weak(last, mine));
  constexpr std::int64_t second_ns = 1'000'000'000;
  const timespec time{.tv_sec = mine / second_ns, .tv_nsec = mine % second_ns};
  const std::array<timespec, 2> times{time, time};
  if (::futimens(fd, times.data()) != 0) {
    return system_error(errno, "date object", "new version");
  }
  return {};
}

Result<UniqueFd> LocalObjectStore::lock_key(const RequestContext& context, std::string_view key,
                                            bool exclusive) const {
  const std::string name =
      fmt::format("{}", std::hash<std::string_view>{}(key) % std::size_t{kLockFiles});
  // A description of its own each time, so that flock excludes this process's threads, too.
  UniqueFd fd(::openat(locks_.get(), name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!fd) {
    return system_error(errno, "lock object", key);
  }
  while (::flock(fd.get(), (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return system_error(errno, "lock object", key);
    }
    LH_RETURN_IF_ERROR(context.check());
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return fd;
}

Status LocalObjectStore::place(const RequestContext& context, const std::string& scratch_name,
                               std::string_view key, const PutCondition& condition) {
  const auto [folder, leaf] = split_key(key);
  LH_ASSIGN_OR_RETURN(const UniqueFd parent, durable_folder(folder));
  const bool if_match = condition.kind == PutCondition::Kind::IfMatch;
  LH_ASSIGN_OR_RETURN(const UniqueFd lock, lock_key(context, key, if_match));
  LH_RETURN_IF_ERROR(context.check());
  if (if_match) {
    struct stat status{};
    if (::fstatat(parent.get(), leaf.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(status.st_mode) || etag_of(status) != condition.etag) {
      return has_changed(key);
    }
  }
  const bool if_absent = condition.kind == PutCondition::Kind::IfAbsent;
  int failed = ::renameat2(scratch_.get(), scratch_name.c_str(), parent.get(), leaf.c_str(),
                           if_absent ? RENAME_NOREPLACE : 0);
  if (failed != 0 && if_absent && (errno == EINVAL || errno == ENOSYS)) {
    // A file system without RENAME_NOREPLACE: a second name, which also fails if it is taken.
    failed = ::linkat(scratch_.get(), scratch_name.c_str(), parent.get(), leaf.c_str(), 0);
    if (failed == 0) {
      ::unlinkat(scratch_.get(), scratch_name.c_str(), 0);
    }
  }
  if (failed != 0) {
    if (errno == EEXIST && if_absent) {
      return fail(ErrorCode::AlreadyExists, fmt::format("object '{}' exists", key));
    }
    return write_failed(errno, key);
  }
  return local::sync(parent.get(), key);
}

Result<UniqueFd> LocalObjectStore::durable_folder(std::string_view path) {
  const std::string folder(path);
  {
    const std::scoped_lock lock(folders_mutex_);
    if (durable_folders_.contains(folder)) {
      if (UniqueFd known = open_beneath(root_.get(), folder, O_RDONLY | O_DIRECTORY)) {
        return known;
      }
      durable_folders_.erase(folder);
    }
  }
  // A folder that is there may be new, and not yet durable: whoever makes one is seen by others
  // before its fsync. So each process syncs the way to a folder once before it relies on it.
  UniqueFd at = open_beneath(root_.get(), "", O_RDONLY | O_DIRECTORY);
  for (std::size_t begin = 0; at && begin < folder.size();) {
    const std::size_t end = std::min(folder.find('/', begin), folder.size());
    const std::string segment = folder.substr(begin, end - begin);
    if (::mkdirat(at.get(), segment.c_str(), 0777) != 0 && errno != EEXIST) {
      return write_failed(errno, folder);
    }
    UniqueFd next(
        ::openat(at.get(), segment.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next) {
      return write_failed(errno, folder);
    }
    LH_RETURN_IF_ERROR(local::sync(at.get(), folder));
    at = std::move(next);
    begin = end + 1;
  }
  if (!at) {
    return system_error(errno, "open folder", folder);
  }
  const std::scoped_lock lock(folders_mutex_);
  if (durable_folders_.size() >= kDurableFoldersMax) {
    durable_folders_.clear();
  }
  durable_folders_.insert(folder);
  return at;
}

Status LocalObjectStore::delete_object(const RequestContext& context, std::string_view key) {
  LH_RETURN_IF_ERROR(context.check());
  LH_RETURN_IF_ERROR(check_local_key(key));
  const auto [folder, leaf] = split_key(key);
  const UniqueFd parent = open_beneath(root_.get(), folder, O_RDONLY | O_DIRECTORY);
  if (!parent) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) {
      return {};
    }
    return system_error(errno, "delete object", key);
  }
  LH_ASSIGN_OR_RETURN(const UniqueFd lock, lock_key(context, key, false));
  struct stat status{};
  if (::fstatat(parent.get(), leaf.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
      !S_ISREG(status.st_mode)) {
    return {};  // Nothing, or a folder: no object of this name.
  }
  if (::unlinkat(parent.get(), leaf.c_str(), 0) != 0 && errno != ENOENT) {
    return system_error(errno, "delete object", key);
  }
  return local::sync(parent.get(), key);
}

Status LocalObjectStore::adopt_file(const RequestContext& context, const std::string& path,
                                    std::string_view key) {
  LH_RETURN_IF_ERROR(context.check());
  LH_RETURN_IF_ERROR(check_local_key(key));
  const UniqueFd source(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status{};
  if (!source || ::fstat(source.get(), &status) != 0) {
    return system_error(errno, "adopt file", path);
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(ErrorCode::InvalidArgument, fmt::format("'{}' is no file", path));
  }
  LH_RETURN_IF_ERROR(set_version_time(source.get()));
  LH_RETURN_IF_ERROR(local::sync(source.get(), path));
  const auto [folder, leaf] = split_key(key);
  int failed = 0;
  {
    LH_ASSIGN_OR_RETURN(const UniqueFd parent, durable_folder(folder));
    LH_ASSIGN_OR_RETURN(const UniqueFd lock, lock_key(context, key, false));
    if (::renameat(AT_FDCWD, path.c_str(), parent.get(), leaf.c_str()) == 0) {
      return local::sync(parent.get(), key);
    }
    failed = errno;
  }
  if (failed != EXDEV) {
    return write_failed(failed, key);
  }
  // Another file system: copied, in pieces.
  LH_ASSIGN_OR_RETURN(const auto writer, create_object(context, key));
  Bytes buffer(kCopyBytes);
  for (std::uint64_t offset = 0;;) {
    LH_RETURN_IF_ERROR(context.check());
    LH_ASSIGN_OR_RETURN(const std::size_t got, local::read_at(source.get(), buffer, offset, path));
    if (got == 0) {
      break;
    }
    LH_RETURN_IF_ERROR(writer->write(std::span(buffer).first(got)));
    offset += got;
  }
  LH_RETURN_IF_ERROR(writer->commit(context, {}));
  ::unlink(path.c_str());  // If it stays, it is the caller's scratch, and swept as such.
  return {};
}

// ---- folders

Status LocalObjectStore::make_folder(const RequestContext& context, std::string_view prefix) {
  LH_RETURN_IF_ERROR(context.check());
  LH_RETURN_IF_ERROR(check_local_key(prefix));
  LH_ASSIGN_OR_RETURN(const UniqueFd made, durable_folder(prefix));
  const std::string parent = split_key(prefix).folder;
  const UniqueFd above = open_beneath(root_.get(), parent, O_RDONLY | O_DIRECTORY);
  return above ? local::sync(above.get(), prefix) : system_error(errno, "make folder", prefix);
}

Status LocalObjectStore::remove_empty_folders(const RequestContext& context,
                                              std::string_view prefix) {
  LH_RETURN_IF_ERROR(context.check());
  LH_RETURN_IF_ERROR(check_local_key(prefix));
  const UniqueFd folder = open_beneath(root_.get(), std::string(prefix), O_RDONLY | O_DIRECTORY);
  if (!folder) {
    return {};
  }
  std::vector<std::string> below;
  {
    UniqueFd to_read(::openat(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(to_read.get()), &::closedir);
    if (stream == nullptr) {
      return system_error(errno, "read folder", prefix);
    }
    to_read.release();
    while (const dirent* entry = ::readdir(stream.get())) {  // NOLINT(concurrency-mt-unsafe)
      const std::string_view name(&entry->d_name[0]);
      if (name != "." && name != ".." && entry->d_type != DT_REG) {
        below.emplace_back(fmt::format("{}/{}", prefix, name));
      }
    }
  }
  for (const std::string& child : below) {
    LH_RETURN_IF_ERROR(remove_empty_folders(context, child));
  }
  const auto [parent_path, leaf] = split_key(prefix);
  const UniqueFd parent = open_beneath(root_.get(), parent_path, O_RDONLY | O_DIRECTORY);
  if (parent) {
    ::unlinkat(parent.get(), leaf.c_str(), AT_REMOVEDIR);  // Fails if anything is left in it.
  }
  return {};
}

// ---- opening

LocalObjectStore::~LocalObjectStore() {
  if (scratch_) {
    const UniqueFd parent =
        open_beneath(root_.get(), fmt::format("{}/scratch", local::kHiddenFolder), O_PATH);
    remove_scratch(parent.get(), scratch_name_.c_str(), scratch_.get());
  }
}

Result<std::unique_ptr<LocalObjectStore>> LocalObjectStore::open(const std::string& root) {
  std::error_code error;
  std::filesystem::create_directories(root, error);
  if (error) {
    return system_error(error.value(), "make the bucket's folder", root);
  }
  std::unique_ptr<LocalObjectStore> store(new LocalObjectStore(root));
  store->root_.reset(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!store->root_) {
    return system_error(errno, "open the bucket's folder", root);
  }
  LH_ASSIGN_OR_RETURN(store->locks_,
                      store->durable_folder(fmt::format("{}/locks", local::kHiddenFolder)));
  LH_RETURN_IF_ERROR(store->make_scratch());
  store->sweep_scratch();
  return store;
}

Status LocalObjectStore::make_scratch() {
  LH_ASSIGN_OR_RETURN(const UniqueFd parent,
                      durable_folder(fmt::format("{}/scratch", local::kHiddenFolder)));
  // Another process that sweeps may take the folder between its making and its locking.
  for (int attempt = 0; attempt < 100; ++attempt) {
    scratch_name_ = new_uuid();
    if (::mkdirat(parent.get(), scratch_name_.c_str(), 0777) != 0) {
      return system_error(errno, "make the folder for unfinished writes in", root_path_);
    }
    UniqueFd mine(
        ::openat(parent.get(), scratch_name_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat status{};
    if (mine && ::flock(mine.get(), LOCK_EX | LOCK_NB) == 0 && ::fstat(mine.get(), &status) == 0 &&
        status.st_nlink > 0) {
      scratch_ = std::move(mine);
      return {};
    }
  }
  return fail(ErrorCode::Unavailable,
              fmt::format("cannot hold a folder for unfinished writes in '{}'", root_path_));
}

void LocalObjectStore::sweep_scratch() {
  const UniqueFd parent = open_beneath(root_.get(), fmt::format("{}/scratch", local::kHiddenFolder),
                                       O_RDONLY | O_DIRECTORY);
  UniqueFd to_read(::openat(parent.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(to_read.get()), &::closedir);
  if (stream == nullptr) {
    return;
  }
  to_read.release();
  while (const dirent* entry = ::readdir(stream.get())) {  // NOLINT(concurrency-mt-unsafe)
    const std::string name(&entry->d_name[0]);
    if (name == "." || name == ".." || name == scratch_name_) {
      continue;
    }
    const UniqueFd left(
        ::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (left && ::flock(left.get(), LOCK_EX | LOCK_NB) == 0) {
      remove_scratch(parent.get(), name.c_str(), left.get());
    }
  }
}

}  // namespace lakehouse::storage
