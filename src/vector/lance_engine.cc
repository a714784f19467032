#include "vector/lance_engine.h"

#include <cstdlib>
#include <utility>

#include "engine/engine_main.h"

namespace lakehouse::vector {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFile = "lance.duckdb_extension";

}  // namespace

LanceEngine::LanceEngine(engine::EngineOptions options, fs::path extension)
    : options_(std::move(options)), extension_(std::move(extension)) {
  options_.grant.extensions = {extension_};
  options_.grant.runtime_calls = true;
}

Status LanceEngine::check() const {
  if (!extension_.empty()) {
    return {};
  }
  return fail(ErrorCode::FailedPrecondition, "DuckDB's Lance extension is not installed here",
              "Put lance.duckdb_extension (version 1.5.5, of the package duckdb-extension-lance) "
              "into the folder 'extensions' beside the program's libraries, or leave 'backend' "
              "out.");
}

Result<engine::EnginePool*> LanceEngine::pool() {
  LH_RETURN_IF_ERROR(check());
  const std::lock_guard lock(mutex_);
  if (stopped_) {
    return fail(ErrorCode::Unavailable, "the server is stopping");
  }
  if (pool_ == nullptr) {
    LH_ASSIGN_OR_RETURN(pool_, engine::EnginePool::start(options_));
  }
  return pool_.get();
}

Status LanceEngine::read(const RequestContext& context, engine::Statement statement,
                         const std::function<Status(const engine::RawBatch&)>& take) {
  LH_ASSIGN_OR_RETURN(engine::EnginePool* const engine, pool());
  statement.encoding = engine::Encoding::Raw;
  LH_ASSIGN_OR_RETURN(const auto stream, engine->execute(context, std::move(statement)));
  LH_ASSIGN_OR_RETURN(engine::RawReader reader, engine::RawReader::over(*stream));
  while (true) {
    LH_ASSIGN_OR_RETURN(const auto batch, reader.next(context));
    if (!batch) {
      return {};
    }
    LH_RETURN_IF_ERROR(take(*batch));
  }
}

Status LanceEngine::run(const RequestContext& context, std::string sql) {
  LH_ASSIGN_OR_RETURN(engine::EnginePool* const engine, pool());
  engine::Statement statement;
  statement.text = std::move(sql);
  LH_ASSIGN_OR_RETURN(const auto stream, engine->execute(context, std::move(statement)));
  while (true) {
    LH_ASSIGN_OR_RETURN(const auto bytes, stream->next(context));
    if (!bytes) {
      return {};
    }
  }
}

void LanceEngine::stop(std::chrono::milliseconds grace) {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  if (pool_ != nullptr) {
    pool_->stop(grace);
  }
}

fs::path find_lance_extension() {
  if (const char* set = std::getenv("LAKEHOUSE_LANCE_EXTENSION"); set != nullptr && *set != '\0') {
    return set;
  }
  std::error_code ignored;
  if (const auto library = engine::find_engine_library()) {
    const fs::path folder = library->parent_path();
    for (const fs::path& place : {folder / "extensions", folder.parent_path() / "extensions"}) {
      if (fs::is_regular_file(place / kFile, ignored)) {
        return (place / kFile).lexically_normal();
      }
    }
  }
  const fs::path part = fs::path(LH_LANCE_FOLDER) / kFile;
  return fs::is_regular_file(part, ignored) ? part : fs::path();
}

Status check_lance(const LanceEngine* lance) {
  return lance != nullptr ? lance->check()
                          : fail(ErrorCode::FailedPrecondition,
                                 "this server keeps no index by Lance", "Leave 'backend' out.");
}

}  // namespace lakehouse::vector
