#pragma once

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include "engine/engine_pool.h"

/// \file
/// A real engine child for tests. A test executable that includes this calls
/// lakehouse_test_with_engine(<target>) in its CMakeLists.txt.

namespace lakehouse::engine::testing {

/// A context whose deadline is a test's patience.
inline RequestContext patient_context() {
  RequestContext context;
  context.principal = "test";
  context.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  return context;
}

/// A temporary folder and an engine that spills into it; both go with it. Starting a child takes
/// some 100 ms: share one engine between the cases of a suite where they do not disturb each other.
class TestEngine {
 public:
  explicit TestEngine(EngineOptions options = {}) : folder_(make_folder()) {
    options.executable = LH_ENGINE_HOST;
    options.arguments = {};
    options.spill_directory = folder_;
    options.grant.writable.push_back(folder_);
    options.ready_wait_max = std::chrono::seconds(60);  // On a busy machine, too.
    options.threads = options.threads == 0 ? 2 : options.threads;
    options.memory_limit_bytes =
        options.memory_limit_bytes == 0 ? std::uint64_t{1} << 30U : options.memory_limit_bytes;
    auto started = EnginePool::start(std::move(options));
    if (!started) {
      throw std::runtime_error(started.error().message);
    }
    pool_ = *std::move(started);
  }
  ~TestEngine() {
    pool_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  TestEngine(const TestEngine&) = delete;
  TestEngine& operator=(const TestEngine&) = delete;

  EnginePool& pool() { return *pool_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  static std::filesystem::path make_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "lh-engine-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("no temporary folder");
    }
    return name;
  }

  std::filesystem::path folder_;
  std::unique_ptr<EnginePool> pool_;
};

}  // namespace lakehouse::engine::testing
