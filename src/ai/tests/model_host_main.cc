#include <string>
#include <vector>

#include "ai/model_child.h"

/// Nothing but `lakehouse model-process`, for the tests of modules below the command line.
int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return lakehouse::ai::run_model_child(arguments);
}
