#include "catalog/detail/added_files.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "iceberg/manifest.h"

namespace lakehouse::catalog::detail {
namespace {

using iceberg::ManifestFile;
using iceberg::Snapshot;

// A path without a scheme that lies in no folder of this machine, or in none at all. Iceberg's own
// tests commit such files, and naming one gives nobody anything to read.
bool names_nothing(const std::string& path) {
  if (path.find_first_of("/\\:") == std::string::npos) {
    return path != ".." && path != ".";
  }
  if (!path.starts_with('/') || path.contains("/../")) {
    return false;
  }
  const std::size_t end = path.find('/', 1);
  std::error_code error;
  return end != std::string::npos && end > 1 &&
         !std::filesystem::exists(path.substr(0, end), error) && !error;
}

class Check {
 public:
  Check(const RequestContext& context, const storage::Buckets& buckets, std::string unread)
      : context_(context), buckets_(buckets), unread_(std::move(unread)) {}

  Status add_folder(const std::string& folder) {
    LH_ASSIGN_OR_RETURN(auto at, buckets_.resolve(folder));
    folders_.push_back(std::move(at));
    names_.push_back(folder);
    return {};
  }

  Status named_file(const std::string& file) const {
    return is_inside(file) || is_unread(file) || names_nothing(file) ? Status() : outside(file);
  }

  Status snapshot(const Snapshot& snapshot, const iceberg::TableMetadata* base) {
    if (!snapshot.manifest_list.empty() && !is_inside(snapshot.manifest_list)) {
      return is_unread(snapshot.manifest_list) ? Status() : outside(snapshot.manifest_list);
    }
    if (snapshot.key_id) {
      return {};
    }
    LH_ASSIGN_OR_RETURN(const auto manifests, manifests_of(snapshot));
    std::set<std::string> known;
    const Snapshot* parent = base != nullptr && snapshot.parent_snapshot_id
                                 ? base->snapshot_by_id(*snapshot.parent_snapshot_id)
                                 : nullptr;
    if (parent != nullptr && !parent->key_id) {
      // A parent that cannot be read makes all manifests new ones.
      if (auto earlier = manifests_of(*parent)) {
        for (ManifestFile& manifest : *earlier) {
          known.insert(std::move(manifest.manifest_path));
        }
      }
    }
    for (const ManifestFile& manifest : manifests) {
      if (known.insert(manifest.manifest_path).second) {
        LH_RETURN_IF_ERROR(new_manifest(manifest));
      }
    }
    return {};
  }

 private:
  [[nodiscard]] bool is_inside(const std::string& file) const {
    const auto at = buckets_.resolve(file);
    return at && std::ranges::any_of(folders_, [&](const storage::ResolvedLocation& folder) {
             return at->bucket == folder.bucket && at->key.starts_with(folder.key + "/");
           });
  }

  [[nodiscard]] bool is_unread(const std::string& file) const {
    return !unread_.empty() && file.starts_with(unread_ + "/") && !buckets_.resolve(file);
  }

  [[nodiscard]] std::unexpected<Error> outside(const std::string& file) const {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("file '{}' lies outside the table's location '{}'", file,
                            fmt::join(names_, "' and '")),
                "Files of a table must lie in its own folder; copy them into it.");
  }

  // Nothing if there is no such file.
  Result<std::optional<storage::Bytes>> read(const std::string& file) const {
    LH_RETURN_IF_ERROR(context_.check());
    auto bytes = buckets_.read(context_, file);
    if (!bytes && bytes.error().code == ErrorCode::NotFound) {
      return std::nullopt;
    }
    LH_RETURN_IF_ERROR(bytes);
    return *std::move(bytes);
  }

  Result<std::vector<ManifestFile>> manifests_of(const Snapshot& snapshot) const {
    std::vector<ManifestFile> manifests;
    if (snapshot.manifest_list.empty()) {
      for (const std::string& path : snapshot.manifests) {
        manifests.emplace_back().manifest_path = path;
      }
      return manifests;
    }
    LH_ASSIGN_OR_RETURN(const auto bytes, read(snapshot.manifest_list));
    if (bytes) {
      auto listed = iceberg::decode_manifest_list(*bytes, snapshot.manifest_list);
      if (!listed) {
        return std::unexpected(as_request_error(std::move(listed).error()));
      }
      manifests = *std::move(listed);
    }
    return manifests;
  }

  Status new_manifest(const ManifestFile& manifest) const {
    if (!is_inside(manifest.manifest_path)) {
      return outside(manifest.manifest_path);
    }
    if (manifest.key_metadata) {
      return {};
    }
    LH_ASSIGN_OR_RETURN(const auto bytes, read(manifest.manifest_path));
    if (!bytes) {
      return {};
    }
    auto paths = iceberg::live_file_paths(*bytes, manifest.manifest_path);
    if (!paths) {
      return std::unexpected(as_request_error(std::move(paths).error()));
    }
    for (const std::string& path : *paths) {
      LH_RETURN_IF_ERROR(named_file(path));
    }
    return {};
  }

  // The client wrote the file: that it is damaged is its error, not a loss of ours.
  static Error as_request_error(Error error) {
    if (error.code == ErrorCode::DataLoss) {
      error.code = ErrorCode::InvalidArgument;
    }
    return error;
  }

  const RequestContext& context_;
  const storage::Buckets& buckets_;
  std::string unread_;
  std::vector<storage::ResolvedLocation> folders_;
  std::vector<std::string> names_;
};

}  // namespace

Status check_added_files(const RequestContext& context, const storage::Buckets& buckets,
                         const std::vector<std::string>& folders, const std::string& unread,
                         const iceberg::TableMetadata* base,
                         const std::vector<iceberg::TableUpdate>& updates) {
  Check check(context, buckets, unread);
  for (const std::string& folder : folders) {
    LH_RETURN_IF_ERROR(check.add_folder(folder));
  }
  for (const iceberg::TableUpdate& update : updates) {
    if (const auto* added = std::get_if<iceberg::AddSnapshot>(&update)) {
      LH_RETURN_IF_ERROR(check.snapshot(added->snapshot, base));
    } else if (const auto* set = std::get_if<iceberg::SetStatistics>(&update)) {
      LH_RETURN_IF_ERROR(check.named_file(set->statistics.statistics_path));
    } else if (const auto* partitions = std::get_if<iceberg::SetPartitionStatistics>(&update)) {
      LH_RETURN_IF_ERROR(check.named_file(partitions->partition_statistics.statistics_path));
    }
  }
  return {};
}

}  // namespace lakehouse::catalog::detail
