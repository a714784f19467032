#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ai/model_service.h"
#include "ai/providers/places.h"
#include "base/metrics.h"

namespace lakehouse::ai {

/// What holds a model's calls within its limits. Shared by all that was given out of it.
struct ModelGuard {
  ModelGuard(std::string model, unsigned calls_max, unsigned waiting_max)
      : name(std::move(model)), places(calls_max, waiting_max) {}

  std::string name;
  Places places;
  std::chrono::milliseconds timeout{120'000};  ///< Of a call, waiting and fallbacks included.
  std::uint32_t max_tokens = 0;                ///< Of an answer; 0: no limit.
  Counter* calls = nullptr;                    ///< Null: nobody counts.
  Counter* failures = nullptr;
  Counter* fallbacks = nullptr;
  Histogram* seconds = nullptr;
};

/// Asks for another model to ask, when it is needed.
template <class Model>
using Fallback = std::function<Result<std::shared_ptr<Model>>(const RequestContext& context)>;

/// Whether another model may be asked instead: this one is away, busy, too slow or not let in.
bool may_fall_back(const Error& error);

/// The model within its limits. While it is Unavailable, ResourceExhausted or too slow, its
/// fallbacks are asked in turn, unless it has begun to answer. Another model's vectors mean nothing
/// beside its own: a fallback of an embedding must have as many dimensions.
std::shared_ptr<Embedder> guard(std::shared_ptr<Embedder> model, std::shared_ptr<ModelGuard> limits,
                                std::vector<Fallback<Embedder>> fallbacks);
std::shared_ptr<Generator> guard(std::shared_ptr<Generator> model,
                                 std::shared_ptr<ModelGuard> limits,
                                 std::vector<Fallback<Generator>> fallbacks);
std::shared_ptr<Reranker> guard(std::shared_ptr<Reranker> model, std::shared_ptr<ModelGuard> limits,
                                std::vector<Fallback<Reranker>> fallbacks);

/// Compares the embeddings of query and texts: what is done where no model for it is configured.
/// Its method is "embedding".
std::shared_ptr<Reranker> make_embedding_reranker(std::shared_ptr<Embedder> embedder);

}  // namespace lakehouse::ai
