#include <string>
#include <vector>

#include "engine/engine_main.h"

/// Nothing but `lakehouse engine`, for the tests of modules below the command line.
int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return lakehouse::engine::run_engine_child(arguments);
}
