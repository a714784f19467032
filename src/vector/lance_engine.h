#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/error.h"
#include "base/request_context.h"
#include "engine/engine.h"
#include "engine/engine_pool.h"
#include "engine/raw_rows.h"

namespace lakehouse::vector {

/// The child in which DuckDB's Lance extension runs: one of its own, which starts when an index
/// first needs it. Nobody's SQL gets there, and no other child has the extension.
/// Thread-safe.
class LanceEngine {
 public:
  /// `options` without the extension; its grant must let read where indexes are, and write where
  /// they are made. An empty `extension`: it is not installed.
  LanceEngine(engine::EngineOptions options, std::filesystem::path extension);

  /// FailedPrecondition, with how to get it, if the extension is not installed.
  [[nodiscard]] Status check() const;

  /// Runs a statement of our own and gives its rows to `take`. As Engine::execute.
  Status read(const RequestContext& context, engine::Statement statement,
              const std::function<Status(const engine::RawBatch&)>& take);
  /// Runs one without rows.
  Status run(const RequestContext& context, std::string sql);

  /// Ends the child; calls are Unavailable from now on.
  void stop(std::chrono::milliseconds grace = std::chrono::milliseconds(0));

 private:
  Result<engine::EnginePool*> pool();

  engine::EngineOptions options_;
  std::filesystem::path extension_;
  std::mutex mutex_;
  bool stopped_ = false;
  std::unique_ptr<engine::EnginePool> pool_;  ///< Null until somebody needs it.
};

/// The extension's file: LAKEHOUSE_LANCE_EXTENSION if that is set, else lance.duckdb_extension in
/// `extensions` beside the engine's library or its folder, or among the parts that this program was
/// built with. Empty if none is there.
std::filesystem::path find_lance_extension();

/// As LanceEngine::check; FailedPrecondition for null.
Status check_lance(const LanceEngine* lance);

}  // namespace lakehouse::vector
