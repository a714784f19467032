#pragma once

#include <string_view>

#include "base/error.h"
#include "base/request_context.h"
#include "storage/object.h"

namespace lakehouse::storage::local {

/// The first segment of every path that is the store's own, and no object.
inline constexpr std::string_view kHiddenFolder = ".lakehouse";

/// `ObjectStore::list_objects` over the files below the folder `root`.
Result<ObjectList> list_files(const RequestContext& context, int root, std::string_view prefix,
                              std::string_view delimiter, std::string_view start_after,
                              std::size_t limit);

/// True if nothing above the folder's files can be listed: `key` is ours, or cannot be a key.
[[nodiscard]] bool is_hidden(std::string_view key);

}  // namespace lakehouse::storage::local
