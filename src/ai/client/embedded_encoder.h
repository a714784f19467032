#pragma once

#include <memory>

#include "ai/model_child.h"
#include "ai/model_files.h"
#include "ai/model_service.h"

namespace lakehouse::ai {

/// An ONNX model that the child runs; see Embedder. It is loaded here, to learn its dimensions and
/// its version (a hash of its files and of how they are used), which takes a second.
/// InvalidArgument, NotFound or Unimplemented if its files are not what they should be.
///
/// `child` outlives it.
Result<std::shared_ptr<Embedder>> make_embedded_embedder(const RequestContext& context,
                                                         ModelChild& child, ModelFiles files);

/// The same for a cross-encoder: a model that takes two texts and gives one number.
Result<std::shared_ptr<Reranker>> make_embedded_reranker(const RequestContext& context,
                                                         ModelChild& child, ModelFiles files);

}  // namespace lakehouse::ai
