#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "iceberg/manifest.h"
#include "iceberg/table_metadata.h"

namespace lakehouse::query {

/// A file that an engine has written to staging.
struct StagedFile {
  std::string path;         ///< Of this machine.
  iceberg::DataFile entry;  ///< All but `file_path`.
};

/// What COPY ... RETURN_STATS said of the files it wrote, as Iceberg's metrics: sizes, counts and
/// bounds (cut to 16 characters) of every leaf outside lists and maps. Files without rows are left
/// out. `partition_fields` are those of the CopyPlan.
///
/// InvalidArgument, naming it, if a required column holds a NULL. A bound that cannot be read is
/// left out, which only makes scans read more.
Result<std::vector<StagedFile>> files_from_stats(const iceberg::TableMetadata& table,
                                                 const engine::Rows& stats,
                                                 const std::vector<std::size_t>& partition_fields);

}  // namespace lakehouse::query
