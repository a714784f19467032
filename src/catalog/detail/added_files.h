#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "iceberg/table_metadata.h"
#include "iceberg/table_update.h"
#include "storage/buckets.h"

namespace lakehouse::catalog::detail {

/// InvalidArgument if the snapshots or statistics that the updates add name a file that lies in
/// none of `folders`: in the manifest list, in the manifests that it has more than the snapshot's
/// parent in `base` (which may be null), or by themselves. Reads those files and no others. What
/// cannot be read because it is not there, is encrypted, or lies below `unread` (if not empty) is
/// not looked into: nothing of ours ever reads it.
Status check_added_files(const RequestContext& context, const storage::Buckets& buckets,
                         const std::vector<std::string>& folders, const std::string& unread,
                         const iceberg::TableMetadata* base,
                         const std::vector<iceberg::TableUpdate>& updates);

}  // namespace lakehouse::catalog::detail
