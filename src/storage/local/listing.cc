#include "storage/local/listing.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "storage/local/files.h"
#include "storage/object_store.h"

namespace lakehouse::storage::local {
namespace {

// A name in a folder; a folder's ends in '/', so that sorting names sorts the keys below them.
std::vector<std::string> sorted_names(UniqueFd folder) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(folder.get()), &::closedir);
  if (stream == nullptr) {
    return names;
  }
  const int fd = folder.release();                         // The stream owns it now.
  while (const dirent* entry = ::readdir(stream.get())) {  // NOLINT(concurrency-mt-unsafe)
    const std::string_view name(&entry->d_name[0]);
    if (name == "." || name == "..") {
      continue;
    }
    unsigned char type = entry->d_type;
    if (type == DT_UNKNOWN) {
      struct stat status{};
      if (::fstatat(fd, &entry->d_name[0], &status, AT_SYMLINK_NOFOLLOW) != 0) {
        continue;
      }
      type = S_ISDIR(status.st_mode) ? DT_DIR : S_ISREG(status.st_mode) ? DT_REG : DT_LNK;
    }
    if (type == DT_DIR) {
      names.push_back(std::string(name) + '/');
    } else if (type == DT_REG) {
      names.emplace_back(name);
    }
  }
  std::ranges::sort(names);
  return names;
}

// Walks the files in the order of their keys, and rolls up what a delimiter wants rolled up.
class Lister {
 public:
  Lister(const RequestContext& context, int root, std::string_view prefix,
         std::string_view delimiter, std::string_view start_after, std::size_t limit)
      : context_(context),
        root_(root),
        prefix_(prefix),
        delimiter_(delimiter),
        start_after_(start_after),
        limit_(limit) {}

  Result<ObjectList> run() {
    // The deepest folder that the prefix names: nothing outside it can match.
    const std::string folder(prefix_.substr(0, prefix_.rfind('/') + 1));
    if (limit_ > 0) {
      LH_RETURN_IF_ERROR(walk(folder));
    }
    if (!full_) {
      list_.next_start_after.clear();
    }
    return std::move(list_);
  }

 private:
  // True if no key that starts with `start` is wanted any more.
  [[nodiscard]] bool passed(std::string_view start) const {
    if (!rolled_up_.empty() && start.starts_with(rolled_up_)) {
      return true;
    }
    return start <= start_after_ && !start_after_.starts_with(start);
  }

  // `folder` is empty or ends in '/'.
  Status walk(const std::string& folder) {  // NOLINT(misc-no-recursion): as deep as keys are long.
    LH_RETURN_IF_ERROR(context_.check());
    const std::string path = folder.empty() ? folder : folder.substr(0, folder.size() - 1);
    const UniqueFd opened = open_beneath(root_, path, O_RDONLY | O_DIRECTORY);
    if (!opened) {
      return {};  // It went meanwhile, or never was a folder: it holds no keys.
    }
    UniqueFd to_read(::openat(opened.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (const std::string& name : sorted_names(std::move(to_read))) {
      if (full_ || (!rolled_up_.empty() && folder.starts_with(rolled_up_))) {
        return {};
      }
      const std::string key = folder + name;
      const bool may_match = key.starts_with(prefix_) || prefix_.starts_with(key);
      if (!may_match || is_hidden(key)) {
        continue;
      }
      if (name.ends_with('/')) {
        if (!passed(key)) {
          LH_RETURN_IF_ERROR(walk(key));
        }
      } else if (key.starts_with(prefix_) && key > start_after_) {
        add(opened.get(), key, name);
      }
    }
    return {};
  }

  void add(int folder, const std::string& key, const std::string& name) {
    const std::size_t at =
        delimiter_.empty() ? std::string::npos : key.find(delimiter_, prefix_.size());
    std::string common = at == std::string::npos ? "" : key.substr(0, at + delimiter_.size());
    if (!common.empty() && (common <= start_after_ || common == rolled_up_)) {
      return;
    }
    struct stat status{};
    if (::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(status.st_mode)) {
      return;  // Deleted or replaced since the folder was read.
    }
    if (list_.objects.size() + list_.common_prefixes.size() == limit_) {
      full_ = true;
      return;
    }
    list_.next_start_after = common.empty() ? key : common;
    if (common.empty()) {
      list_.objects.push_back(info_of(key, status));
    } else {
      rolled_up_ = common;
      list_.common_prefixes.push_back(std::move(common));
    }
  }

  const RequestContext& context_;
  int root_;
  std::string_view prefix_;
  std::string_view delimiter_;
  std::string_view start_after_;
  std::size_t limit_;
  std::string rolled_up_;
  bool full_ = false;
  ObjectList list_;
};

}  // namespace

bool is_hidden(std::string_view key) {
  const std::string_view first = key.substr(0, key.find('/'));
  const std::string_view whole = key.ends_with('/') ? key.substr(0, key.size() - 1) : key;
  return first == kHiddenFolder || !check_key(whole);
}

Result<ObjectList> list_files(const RequestContext& context, int root, std::string_view prefix,
                              std::string_view delimiter, std::string_view start_after,
                              std::size_t limit) {
  return Lister(context, root, prefix, delimiter, start_after, limit).run();
}

}  // namespace lakehouse::storage::local
