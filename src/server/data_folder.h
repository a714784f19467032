#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/unique_fd.h"

namespace lakehouse::server {

/// The folder that `server.data` names, made if missing and locked for this process: SQLite and the
/// buckets in it have one server at a time. The lock ends with the process, however it ends.
class DataFolder {
 public:
  /// FailedPrecondition, with the other process's id, if it is locked.
  static Result<DataFolder> open(const std::string& path);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// `name` below the folder, or itself if it is absolute.
  [[nodiscard]] std::string resolve(const std::string& name) const { return path_ / name; }

 private:
  DataFolder(std::filesystem::path path, UniqueFd lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  std::filesystem::path path_;
  UniqueFd lock_;
};

}  // namespace lakehouse::server
