#pragma once

#include <chrono>
#include <memory>

#include "ai/model_child.h"
#include "ai/model_files.h"

namespace lakehouse::ai {

/// Runs models in the child. `child` outlives it and what it gives; a model that writes leaves the
/// memory once it was idle for `idle`.
std::unique_ptr<ModelRunner> make_child_runner(ModelChild& child, std::chrono::milliseconds idle);

}  // namespace lakehouse::ai
