#include "storage/buckets.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "storage/detail/file_location.h"
#include "storage/local_object_store.h"

namespace lakehouse::storage {
namespace {

Status check_configs(const std::vector<BucketConfig>& configs) {
  if (configs.empty()) {
    return fail(ErrorCode::InvalidArgument, "there must be at least one bucket");
  }
  for (std::size_t i = 0; i < configs.size(); ++i) {
    const BucketConfig& config = configs[i];
    if (config.name.empty()) {
      return fail(ErrorCode::InvalidArgument, "a bucket has no name");
    }
    if (config.type != "local") {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("bucket '{}': type '{}' is not known", config.name, config.type),
                  "Use type = \"local\".");
    }
    if (!config.location.starts_with('/')) {
      return fail(ErrorCode::InvalidArgument, fmt::format("bucket '{}': '{}' is no absolute path",
                                                          config.name, config.location));
    }
    for (std::size_t other = 0; other < configs.size(); ++other) {
      if (other == i) {
        continue;
      }
      if (configs[other].name == config.name) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("two buckets are named '{}'", config.name));
      }
      if ((configs[other].location + "/").starts_with(config.location + "/")) {
        return fail(ErrorCode::InvalidArgument, fmt::format("bucket '{}' lies within bucket '{}'",
                                                            configs[other].name, config.name));
      }
    }
  }
  return {};
}

std::vector<BucketConfig> normalized(std::vector<BucketConfig> configs) {
  for (BucketConfig& config : configs) {
    config.location = std::filesystem::path(config.location).lexically_normal().string();
    while (config.location.size() > 1 && config.location.ends_with('/')) {
      config.location.pop_back();
    }
  }
  return configs;
}

}  // namespace

Result<std::unique_ptr<Buckets>> Buckets::open(const std::vector<BucketConfig>& configs) {
  LH_RETURN_IF_ERROR(check_configs(normalized(configs)));
  std::vector<std::unique_ptr<ObjectStore>> stores;
  for (const BucketConfig& config : normalized(configs)) {
    auto store = LocalObjectStore::open(config.location);
    if (!store) {
      return std::unexpected(
          std::move(store).error().with_context(fmt::format("bucket '{}'", config.name)));
    }
    stores.push_back(*std::move(store));
  }
  return over(configs, std::move(stores));
}

Result<std::unique_ptr<Buckets>> Buckets::over(const std::vector<BucketConfig>& configs,
                                               std::vector<std::unique_ptr<ObjectStore>> stores) {
  std::vector<BucketConfig> normal = normalized(configs);
  LH_RETURN_IF_ERROR(check_configs(normal));
  std::unique_ptr<Buckets> buckets(new Buckets);
  for (std::size_t i = 0; i < normal.size(); ++i) {
    buckets->buckets_.push_back({.config = std::move(normal[i]), .store = std::move(stores.at(i))});
  }
  return buckets;
}

Result<ObjectStore*> Buckets::find(std::string_view bucket) const {
  std::vector<std::string> names;
  for (const Bucket& each : buckets_) {
    if (each.config.name == bucket) {
      return each.store.get();
    }
    names.push_back(each.config.name);
  }
  return fail(ErrorCode::NotFound,
              fmt::format("no bucket '{}'; there is: {}", bucket, fmt::join(names, ", ")),
              did_you_mean(bucket, names));
}

const std::string& Buckets::primary() const {
  return buckets_.front().config.name;
}

std::vector<BucketConfig> Buckets::list() const {
  std::vector<BucketConfig> configs;
  configs.reserve(buckets_.size());
  for (const Bucket& bucket : buckets_) {
    configs.push_back(bucket.config);
  }
  return configs;
}

Result<std::string> Buckets::location(std::string_view bucket, std::string_view key) const {
  LH_RETURN_IF_ERROR(find(bucket));
  LH_RETURN_IF_ERROR(check_key(key));
  const auto found = std::ranges::find(
      buckets_, bucket, [](const Bucket& each) { return std::string_view(each.config.name); });
  return fmt::format("file://{}/{}", found->config.location, key);
}

Result<ResolvedLocation> Buckets::resolve(std::string_view location) const {
  const auto path = detail::path_of_location(location);
  if (!path) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("location '{}' is in no bucket of this lakehouse", location),
                "Locations start with 'file:///'.");
  }
  for (const Bucket& bucket : buckets_) {
    const std::string root = bucket.config.location + "/";
    if (!path->starts_with(root)) {
      continue;
    }
    std::string_view key = path->substr(root.size());
    if (key.ends_with('/')) {
      key.remove_suffix(1);
    }
    if (const Status checked = check_key(key); !checked) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("location '{}': {}", location, checked.error().message));
    }
    return ResolvedLocation{
        .bucket = bucket.config.name, .key = std::string(key), .store = bucket.store.get()};
  }
  return fail(ErrorCode::InvalidArgument,
              fmt::format("location '{}' is in no bucket of this lakehouse", location));
}

Result<Bytes> Buckets::read(const RequestContext& context, std::string_view location) const {
  LH_ASSIGN_OR_RETURN(const ResolvedLocation at, resolve(location));
  return at.store->get_object(context, at.key, std::nullopt);
}

Status Buckets::write_new(const RequestContext& context, std::string_view location,
                          std::span<const std::byte> bytes) const {
  LH_ASSIGN_OR_RETURN(const ResolvedLocation at, resolve(location));
  const PutCondition if_absent{.kind = PutCondition::Kind::IfAbsent, .etag = {}};
  LH_RETURN_IF_ERROR(at.store->put_object(context, at.key, bytes, if_absent));
  return {};
}

Status Buckets::remove(const RequestContext& context, std::string_view location) const {
  LH_ASSIGN_OR_RETURN(const ResolvedLocation at, resolve(location));
  return at.store->delete_object(context, at.key);
}

}  // namespace lakehouse::storage
