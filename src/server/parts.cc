#include "server/parts.h"

#include <string>
#include <string_view>
#include <vector>

#include "base/secrets.h"
#include "query/staging.h"

namespace lakehouse::server {

Result<DataFolder> open_data_folder(const Config& config) {
  return DataFolder::open(config.server.data, metastore::is_shared(config.metastore.url)
                                                  ? DataFolder::Use::Shared
                                                  : DataFolder::Use::Alone);
}

Result<std::unique_ptr<storage::Buckets>> open_buckets(const Config& config,
                                                       const DataFolder& data) {
  std::vector<storage::BucketConfig> buckets;
  for (const BucketSettings& bucket : config.storage.buckets) {
    buckets.push_back(
        {.name = bucket.name, .type = bucket.type, .location = data.resolve(bucket.location)});
  }
  return storage::Buckets::open(buckets);
}

Result<engine::EngineGrant> engine_grant(const storage::Buckets& buckets) {
  engine::EngineGrant grant;
  for (const storage::BucketConfig& bucket : buckets.list()) {
    LH_ASSIGN_OR_RETURN(const auto staging, query::staging_root(buckets, bucket.name));
    if (staging) {
      grant.readable.emplace_back(bucket.location);
      grant.writable.emplace_back(*staging);
    }
  }
  return grant;
}

Result<std::unique_ptr<metastore::Metastore>> open_metastore(const Config& config,
                                                             const DataFolder& data) {
  constexpr std::string_view kScheme = "sqlite:";
  const std::string& url = config.metastore.url;
  if (metastore::is_shared(url)) {
    return metastore::open(url);
  }
  return metastore::open(
      data.resolve(url.starts_with(kScheme) ? url.substr(kScheme.size()) : "metastore.db"));
}

Result<std::unique_ptr<query::Cluster>> open_cluster(const Config& config, engine::Engine& engine) {
  if (config.cluster.trino_url.empty()) {
    return nullptr;
  }
  query::Cluster::Options options;
  options.access = {config.cluster.trino_url, config.cluster.user, ""};
  options.catalog = config.cluster.catalog;
  options.above_bytes = config.cluster.above_bytes.bytes;
  options.statements_max = static_cast<std::size_t>(config.cluster.statements_max);
  if (!config.cluster.password.empty()) {
    LH_ASSIGN_OR_RETURN(const Secrets secrets, Secrets::load(config.secrets.file));
    LH_ASSIGN_OR_RETURN(options.access.password, secrets.text(config.cluster.password));
  }
  return query::Cluster::open(engine, std::move(options));
}

catalog::Catalog::Options catalog_options(const Config& config) {
  catalog::Catalog::Options options;
  options.view_metadata_folders = config.storage.view_metadata_folders;
  return options;
}

}  // namespace lakehouse::server
