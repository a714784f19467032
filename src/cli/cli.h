#pragma once

#include <string>
#include <vector>

namespace lakehouse::cli {

/// The program: does what `arguments` (those after its name) ask for and returns its exit code.
int run(std::vector<std::string> arguments);

}  // namespace lakehouse::cli
