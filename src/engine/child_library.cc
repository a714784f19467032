#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/engine_main.h"

namespace lakehouse::engine {

Result<std::filesystem::path> find_engine_library() {
  constexpr std::string_view kName = "lakehouse_engine.so";
  if (const char* set = std::getenv("LAKEHOUSE_ENGINE_LIBRARY"); set != nullptr && *set != '\0') {
    return std::filesystem::path(set);
  }
  std::error_code error;
  const auto folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  std::vector<std::string> tried;
  for (const std::string_view place : {"", "../lib", "../lib/lakehouse"}) {
    const auto path = (folder / place / kName).lexically_normal();
    if (std::filesystem::exists(path, error)) {
      return path;
    }
    tried.push_back(path.string());
  }
  return fail(
      ErrorCode::NotFound,
      fmt::format("the query engine's library is missing; looked for {}", fmt::join(tried, ", ")));
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
  void* library = ::dlopen(path->c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    fmt::print(stderr, "engine: {}\n", ::dlerror());
    return 66;
  }
  using Main = int (*)(int, char**);
  const auto main = reinterpret_cast<Main>(::dlsym(library, "lakehouse_engine_main"));
  if (main == nullptr) {
    fmt::print(stderr, "engine: {}\n", ::dlerror());
    return 66;
  }
  std::vector<std::string> copies(arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : copies) {
    argv.push_back(argument.data());
  }
  return main(static_cast<int>(argv.size()), argv.data());
}

}  // namespace lakehouse::engine
