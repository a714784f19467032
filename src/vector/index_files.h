#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/request_context.h"
#include "iceberg/table_metadata.h"
#include "query/query_service.h"
#include "storage/buckets.h"
#include "vector/index_spec.h"
#include "vector/loaded_index.h"

/// \file
/// An index's files: a folder of its own below `indexes/` in the folder of its embeddings.

namespace lakehouse::vector {

/// Where they are on this machine. Unimplemented for a bucket that is no folder of it.
Result<IndexPaths> index_paths(const storage::Buckets& buckets, Backend backend,
                               const std::string& file);

/// Makes the files of all chunks that the embeddings' current snapshot has: their folder's
/// location. They are complete and durable when this returns; a failure leaves none behind.
/// `lance` is for indexes that it keeps.
Result<std::string> write_index_files(const RequestContext& context,
                                      const storage::Buckets& buckets, query::QueryService& queries,
                                      const iceberg::TableMetadata& embeddings,
                                      const IndexShape& shape, const GraphSettings& graph,
                                      const std::string& note, LanceEngine* lance,
                                      const FileProgress& progress);

/// Removes all files below `indexes/` but those at the location `kept`. Best effort.
void remove_index_files(const RequestContext& context, const storage::Buckets& buckets,
                        const std::string& table_location, const std::string& kept);

}  // namespace lakehouse::vector
