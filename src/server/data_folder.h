#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/unique_fd.h"

namespace lakehouse::server {

/// The folder that `server.data` names, made if missing and locked for this process. The lock ends
/// with the process, however it ends.
class DataFolder {
 public:
  enum class Use : std::uint8_t {
    Alone,   ///< SQLite is in it: one server at a time.
    Shared,  ///< Beside others that share it, too: what belongs together is held by PostgreSQL.
  };

  /// FailedPrecondition, with the other process's id where it is known, if it is locked.
  static Result<DataFolder> open(const std::string& path, Use use = Use::Alone);
  ~DataFolder();
  DataFolder(const DataFolder&) = delete;
  DataFolder& operator=(const DataFolder&) = delete;
  DataFolder(DataFolder&&) = default;
  DataFolder& operator=(DataFolder&&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// `name` below the folder, or itself if it is absolute.
  [[nodiscard]] std::string resolve(const std::string& name) const { return path_ / name; }
  /// A folder of this process's own for what it needs while it runs.
  [[nodiscard]] const std::filesystem::path& run() const { return run_; }

 private:
  DataFolder(std::filesystem::path path, UniqueFd lock)
      : path_(std::move(path)), run_(path_ / "run"), lock_(std::move(lock)) {}
  Status make_own_run();

  std::filesystem::path path_;
  std::filesystem::path run_;
  UniqueFd lock_;
  UniqueFd run_lock_;  ///< While it is held, other servers leave `run` alone.
};

}  // namespace lakehouse::server
