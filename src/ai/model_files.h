#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "ai/model_service.h"
#include "base/error.h"
#include "base/request_context.h"

/// \file
/// Between what knows which models there are (model_registry.h) and what runs those that lie on
/// this machine.

namespace lakehouse::ai {

/// A model on this machine's disk.
struct ModelFiles {
  std::string name;
  ModelKind kind = ModelKind::Embedding;
  /// A folder with `model.onnx` and `tokenizer.json`, or a GGUF file. Absolute.
  std::filesystem::path path;
  std::string version;               ///< The SHA-256 of its bytes if it is known; else empty.
  std::string pooling = "mean";      ///< Of an embedding: "mean" or "cls".
  std::uint32_t max_tokens = 0;      ///< 0: what the model says.
  std::uint32_t context_tokens = 0;  ///< Of a generation: at most so many. 0: what the model says.

  friend bool operator==(const ModelFiles&, const ModelFiles&) = default;
};

/// Runs models that lie on this machine. Thread-safe.
///
/// What it gives is cheap to ask for, and works for as long as the runner lives; a model is loaded
/// when it is first used. Errors as ModelService's.
class ModelRunner {
 public:
  virtual ~ModelRunner() = default;
  virtual Result<std::shared_ptr<Embedder>> embedder(const RequestContext& context,
                                                     const ModelFiles& model) = 0;
  virtual Result<std::shared_ptr<Generator>> generator(const RequestContext& context,
                                                       const ModelFiles& model) = 0;
  virtual Result<std::shared_ptr<Reranker>> reranker(const RequestContext& context,
                                                     const ModelFiles& model) = 0;
};

}  // namespace lakehouse::ai
