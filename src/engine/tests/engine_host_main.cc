#include <string>
#include <vector>

#include "engine/engine_main.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
// DuckDB and Lance are not instrumented: their memory changes hands by locks that ThreadSanitizer
// does not see.
extern "C" const char* __tsan_default_suppressions() {
  return "race:libduckdb.so\nrace:lance.duckdb_extension\n";
}
#endif
#endif

/// Nothing but `lakehouse engine`, for the tests of modules below the command line.
int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return lakehouse::engine::run_engine_child(arguments);
}
