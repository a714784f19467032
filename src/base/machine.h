#pragma once

#include <cstdint>

namespace lakehouse {

/// The memory that this process may have: the machine's, or what its control group (version 2)
/// allows, if that is less.
std::uint64_t memory_bytes_allowed();

/// The processors, likewise; at least 1.
unsigned processors_allowed();

}  // namespace lakehouse
