#pragma once

#include "ai/child/operations.h"

namespace lakehouse::ai {

/// What encoders do. All name a model by {"path": folder, "pooling": "mean"|"cls", "max_tokens":
/// n}, which is loaded at the first request that does.
///
///   "describe_encoder"          -> {dimensions, max_tokens, version}
///   "embed"   texts, priority   -> a float32 row a text, normalised; {tokens, truncated}
///   "score"   query, texts      -> a float32 a text; {tokens, truncated}
///
/// `onnx` is what prepare_onnx() came to: each operation fails with it.
void add_encoding_operations(Operations& operations, const ChildResources& resources, Status onnx);

}  // namespace lakehouse::ai
