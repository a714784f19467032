#include <cstdlib>

#include <fmt/format.h>

#include "engine/child_link.h"
#include "engine/engine_main.h"

namespace lakehouse::engine {

Result<std::filesystem::path> find_engine_library() {
  auto path = find_child_library("lakehouse_engine.so", "LAKEHOUSE_ENGINE_LIBRARY");
  return path ? path : std::unexpected(std::move(path).error().with_context("the query engine"));
}

int run_engine_child(std::span<const std::string> arguments) {
  const auto path = find_engine_library();
  if (!path) {
    fmt::print(stderr, "engine: {}\n", path.error().message);
    return 66;
  }
  // Arrow's allocator would start a thread while it is loaded, and threads that are there before
  // the sandbox stay outside of it.
  ::setenv("JE_ARROW_MALLOC_CONF", "background_thread:false", 1);
  return run_child_library(*path, "lakehouse_engine_main", arguments);
}

}  // namespace lakehouse::engine
