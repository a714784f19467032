#pragma once

#include <chrono>
#include <memory>

#include "ai/model_child.h"
#include "ai/model_files.h"
#include "ai/model_service.h"

namespace lakehouse::ai {

/// A GGUF model that the child runs; see Generator. `files.context_tokens` bounds prompt and answer
/// together, and the model is out of memory once it was idle for `idle`. A JSON schema is made into
/// a grammar here: Unimplemented for one that uses more than json_schema_grammar.h knows.
///
/// `child` outlives it.
std::shared_ptr<Generator> make_embedded_generator(ModelChild& child, ModelFiles files,
                                                   std::chrono::milliseconds idle);

}  // namespace lakehouse::ai
