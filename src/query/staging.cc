#include "query/staging.h"

#include <filesystem>
#include <optional>
#include <system_error>

#include "base/id.h"

namespace lakehouse::query {

Result<std::optional<std::string>> staging_root(const storage::Buckets& buckets,
                                                const std::string& bucket) {
  LH_ASSIGN_OR_RETURN(storage::ObjectStore * store, buckets.find(bucket));
  std::optional<std::string> path = store->local_path("_staging");
  std::error_code problem;
  if (path) {
    std::filesystem::create_directories(*path, problem);
  }
  if (problem) {
    return fail(ErrorCode::Unavailable,
                "cannot make the staging folder " + *path + ": " + problem.message());
  }
  return path;
}

Result<StagingFolder> StagingFolder::make(const storage::Buckets& buckets,
                                          const std::string& bucket) {
  LH_ASSIGN_OR_RETURN(storage::ObjectStore * store, buckets.find(bucket));
  const std::optional<std::string> path = store->local_path("_staging/" + new_uuid());
  if (!path) {
    return fail(ErrorCode::Unimplemented, "bucket " + bucket + " is no folder of this machine",
                "Writing to it needs a local staging folder, which this version lacks.");
  }
  return make_at(*path);
}

Result<StagingFolder> StagingFolder::make_below(const std::string& parent) {
  return make_at(parent + "/" + new_uuid());
}

Result<StagingFolder> StagingFolder::make_at(const std::string& path) {
  std::error_code problem;
  std::filesystem::create_directories(path, problem);
  if (problem) {
    return fail(ErrorCode::Unavailable,
                "cannot make the staging folder " + path + ": " + problem.message());
  }
  return StagingFolder(path);
}

void StagingFolder::remove() noexcept {
  if (!path_.empty()) {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
}

void remove_stale_staging(const storage::Buckets& buckets, std::chrono::hours unless_younger_than) {
  namespace fs = std::filesystem;
  const fs::file_time_type newest = fs::file_time_type::clock::now() - unless_younger_than;
  for (const storage::BucketConfig& bucket : buckets.list()) {
    const Result<storage::ObjectStore*> store = buckets.find(bucket.name);
    const auto path = store ? (*store)->local_path("_staging") : std::nullopt;
    std::error_code problem;
    for (fs::directory_iterator entry(path.value_or(""), problem), end; !problem && entry != end;
         entry.increment(problem)) {
      std::error_code ignored;
      if (fs::last_write_time(entry->path(), ignored) <= newest) {
        fs::remove_all(entry->path(), ignored);
      }
    }
  }
}

}  // namespace lakehouse::query
