#pragma once

#include <memory>

#include "base/config.h"
#include "base/error.h"
#include "catalog/catalog.h"
#include "engine/engine_grant.h"
#include "metastore/metastore.h"
#include "query/cluster.h"
#include "server/data_folder.h"
#include "storage/buckets.h"

/// \file
/// What a configuration asks for, opened: by the server and by what works without one.

namespace lakehouse::server {

/// Shared with other servers if the metastore is. Fails as DataFolder::open does.
Result<DataFolder> open_data_folder(const Config& config);
Result<std::unique_ptr<storage::Buckets>> open_buckets(const Config& config,
                                                       const DataFolder& data);
Result<std::unique_ptr<metastore::Metastore>> open_metastore(const Config& config,
                                                             const DataFolder& data);

/// What engines that run anybody's SQL may touch: the buckets' files to read, staging to write.
/// Makes the staging folders that are missing.
Result<engine::EngineGrant> engine_grant(const storage::Buckets& buckets);

/// Null if the configuration names none. InvalidArgument, naming the setting, for one that cannot
/// be reached as it is written.
Result<std::unique_ptr<query::Cluster>> open_cluster(const Config& config, engine::Engine& engine);

catalog::Catalog::Options catalog_options(const Config& config);

}  // namespace lakehouse::server
