#pragma once

#include "ai/child/operations.h"
#include "base/error.h"

namespace lakehouse::ai {

/// "generate": {model: path, context_tokens, idle_ms, messages | prompt, max_tokens, temperature,
/// top_p, seed, stop, grammar} -> the answer's text as data, then {finish_reason, prompt_tokens,
/// prompt_tokens_cached, tokens}.
/// "load_generator": {model, context_tokens, idle_ms} -> {context_tokens, description}.
///
/// A model stays in memory until it was idle for `idle_ms`, or another one needs its place.
/// `prepared` is what prepare_llama said: if it failed, so does every request.
void add_llama_operations(Operations& operations, const ChildResources& resources, Status prepared);

}  // namespace lakehouse::ai
