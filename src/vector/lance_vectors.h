#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/request_context.h"
#include "vector/index_vectors.h"
#include "vector/lance_engine.h"

/// \file
/// An index's vectors in a Lance dataset of two columns, `row` and `vector`, beside an index of
/// Lance's over each.

namespace lakehouse::vector {

/// The dataset in the folder `path`; its engine starts if it does not run yet. DataLoss if it is
/// not what a writer of `note` and `dimensions` made; as check_lance.
Result<std::unique_ptr<IndexVectors>> open_lance_vectors(const RequestContext& context,
                                                         LanceEngine* lance,
                                                         const std::string& path,
                                                         std::uint32_t dimensions,
                                                         std::string_view note);

/// Makes the dataset `name` in `folder`, which Lance's engine must be allowed to write.
Result<std::unique_ptr<IndexVectorsWriter>> make_lance_writer(LanceEngine* lance,
                                                              std::uint32_t dimensions,
                                                              const std::string& folder,
                                                              const std::string& name);

}  // namespace lakehouse::vector
