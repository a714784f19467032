#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "base/error.h"

namespace lakehouse::engine {

/// The engine library's file: LAKEHOUSE_ENGINE_LIBRARY if that is set, else lakehouse_engine.so
/// beside this program, in ../lib or in ../lib/lakehouse. NotFound, naming the places, if none is.
Result<std::filesystem::path> find_engine_library();

/// What `lakehouse engine` does: loads the engine library (the one place where DuckDB is linked)
/// and serves on a socket until its input ends or SIGTERM. Returns the process's exit code.
/// `arguments` are those after "engine"; EnginePool writes them, they are nobody else's interface.
int run_engine_child(std::span<const std::string> arguments);

}  // namespace lakehouse::engine
