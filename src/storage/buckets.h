#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "storage/object_store.h"

namespace lakehouse::storage {

/// A bucket as the configuration names it.
struct BucketConfig {
  std::string name;
  std::string type = "local";  ///< Only "local" so far.
  std::string location;        ///< For local: the folder, absolute.
};

/// Where a location such as "file:///data/buckets/primary/main/t/data/x.parquet" lies.
struct ResolvedLocation {
  std::string bucket;
  std::string key;
  ObjectStore* store = nullptr;
};

/// The buckets of this lakehouse by name, and the locations (URIs) that Iceberg metadata holds.
///
/// Thread-safe: immutable after `open`. The first bucket is the primary one.
class Buckets {
 public:
  /// InvalidArgument if there is none, if two have one name, or if one lies within another.
  static Result<std::unique_ptr<Buckets>> open(const std::vector<BucketConfig>& configs);
  /// The same over stores that were made elsewhere, one for each configuration: for tests.
  static Result<std::unique_ptr<Buckets>> over(const std::vector<BucketConfig>& configs,
                                               std::vector<std::unique_ptr<ObjectStore>> stores);

  /// NotFound, with the names there are.
  [[nodiscard]] Result<ObjectStore*> find(std::string_view bucket) const;
  [[nodiscard]] const std::string& primary() const;
  [[nodiscard]] std::vector<BucketConfig> list() const;

  /// The location of `key` in `bucket` as a URI: "file:///..." for a local one. No trailing slash.
  [[nodiscard]] Result<std::string> location(std::string_view bucket, std::string_view key) const;

  /// The reverse. InvalidArgument if the location lies in no bucket of ours, or has ".." in it.
  /// Understands file:/x, file:///x and plain absolute paths.
  [[nodiscard]] Result<ResolvedLocation> resolve(std::string_view location) const;

  /// Whole small objects by location: what metadata and manifests are read and written with.
  Result<Bytes> read(const RequestContext& context, std::string_view location) const;
  Status write_new(const RequestContext& context, std::string_view location,
                   std::span<const std::byte> bytes) const;  ///< AlreadyExists if it is there.
  Status remove(const RequestContext& context, std::string_view location) const;

 private:
  Buckets() = default;

  struct Bucket {
    BucketConfig config;
    std::unique_ptr<ObjectStore> store;
  };
  std::vector<Bucket> buckets_;
};

}  // namespace lakehouse::storage
