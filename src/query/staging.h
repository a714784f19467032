#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/request_context.h"
#include "storage/buckets.h"

namespace lakehouse::query {

/// A folder of its own below `_staging/` of a bucket, as a path of this machine: what engines write
/// to before it becomes a table's. Removed with all that is still in it when this goes. Moves.
class StagingFolder {
 public:
  /// Unimplemented if the bucket is no folder of this machine.
  static Result<StagingFolder> make(const storage::Buckets& buckets, const std::string& bucket);
  /// Below another one, which it must not outlive.
  static Result<StagingFolder> make_below(const std::string& parent);
  ~StagingFolder() { remove(); }
  StagingFolder(const StagingFolder&) = delete;
  StagingFolder& operator=(const StagingFolder&) = delete;
  StagingFolder(StagingFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  StagingFolder& operator=(StagingFolder&& other) noexcept {
    if (this != &other) {
      remove();
      path_ = std::exchange(other.path_, {});
    }
    return *this;
  }

  /// Absolute, without a slash at its end.
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  explicit StagingFolder(std::string path) : path_(std::move(path)) {}
  static Result<StagingFolder> make_at(const std::string& path);
  void remove() noexcept;

  std::string path_;
};

/// The folder that holds all staging folders of a bucket, made if missing: what engines may write
/// to. Nothing if the bucket is no folder of this machine.
Result<std::optional<std::string>> staging_root(const storage::Buckets& buckets,
                                                const std::string& bucket);

/// Removes what writers of earlier runs left in staging, and nothing that changed in the last
/// `unless_younger_than`: other servers may write there. Best effort.
void remove_stale_staging(const storage::Buckets& buckets,
                          std::chrono::hours unless_younger_than = std::chrono::hours(0));

}  // namespace lakehouse::query
