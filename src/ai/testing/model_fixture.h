#pragma once

#include <chrono>
#include <filesystem>

#include "ai/model_child.h"

/// \file
/// A real model process for tests. A test executable that includes this calls
/// lakehouse_test_with_models(<target>) in its CMakeLists.txt.

namespace lakehouse::ai::testing {

/// A context whose deadline is a test's patience.
inline RequestContext patient_context() {
  RequestContext context;
  context.principal = "test";
  context.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  return context;
}

/// Options for a process that may read the models that come with the program, and `folders`.
inline ModelChildOptions test_model_options(std::vector<std::filesystem::path> folders = {}) {
  ModelChildOptions options;
  options.executable = LH_MODEL_HOST;
  options.arguments = {};
  options.models = std::move(folders);
  if (auto models = find_models_folder()) {
    options.models.push_back(*std::move(models));
  }
  options.threads = 2;
  options.sandbox = engine::SandboxMode::Strict;
  return options;
}

}  // namespace lakehouse::ai::testing
