#include "base/machine.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

namespace lakehouse {
namespace {

std::uint64_t machine_memory_bytes() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

// The folders of this process's control group and of those around it, the innermost first; none
// where version 2 is not mounted.
std::vector<std::filesystem::path> control_groups() {
  const std::filesystem::path root = "/sys/fs/cgroup";
  std::ifstream file("/proc/self/cgroup");
  std::vector<std::filesystem::path> folders;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("0::/")) {
      continue;
    }
    std::filesystem::path path = std::filesystem::path(line.substr(4));
    for (; !path.empty(); path = path.parent_path()) {
      folders.push_back(root / path);
    }
    folders.push_back(root);
  }
  return folders;
}

}  // namespace

std::uint64_t memory_bytes_allowed() {
  std::uint64_t least = machine_memory_bytes();
  for (const auto& folder : control_groups()) {
    std::ifstream file(folder / "memory.max");
    if (std::uint64_t bytes = 0; file >> bytes && bytes > 0) {
      least = std::min(least, bytes);
    }
  }
  return least;
}

unsigned processors_allowed() {
  unsigned least = std::max(1U, std::thread::hardware_concurrency());
  for (const auto& folder : control_groups()) {
    std::ifstream file(folder / "cpu.max");
    std::uint64_t quota = 0;
    std::uint64_t period = 0;
    if (file >> quota >> period && period > 0) {
      const std::uint64_t whole = (quota + period - 1) / period;
      least = std::min(least, static_cast<unsigned>(std::max<std::uint64_t>(1, whole)));
    }
  }
  return least;
}

}  // namespace lakehouse
