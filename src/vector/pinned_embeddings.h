#pragma once

#include <memory>

#include "vector/loaded_index.h"
#include "vector/vector_service.h"

namespace lakehouse::vector {

/// What `loaded` has now. Of an index whose files hold all of it, the vectors stay where they are.
Result<std::shared_ptr<const PinnedEmbeddings>> pin(const RequestContext& context,
                                                    const IndexInfo& info,
                                                    std::shared_ptr<LoadedIndex> loaded);

}  // namespace lakehouse::vector
