#pragma once

#include <memory>

#include <llama.h>

namespace lakehouse::ai {

struct FreeLlamaModel {
  void operator()(llama_model* model) const { llama_model_free(model); }
};
struct FreeLlamaContext {
  void operator()(llama_context* context) const { llama_free(context); }
};
struct FreeLlamaSampler {
  void operator()(llama_sampler* sampler) const { llama_sampler_free(sampler); }
};

using LlamaModelHandle = std::unique_ptr<llama_model, FreeLlamaModel>;
using LlamaContextHandle = std::unique_ptr<llama_context, FreeLlamaContext>;
using LlamaSamplerHandle = std::unique_ptr<llama_sampler, FreeLlamaSampler>;

}  // namespace lakehouse::ai
