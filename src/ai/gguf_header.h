#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/error.h"

namespace lakehouse::ai {

/// What the beginning of a GGUF file says of its model.
struct GgufHeader {
  std::string architecture;          ///< "qwen2"
  std::string name;                  ///< As its makers call it; may be empty.
  std::uint32_t context_tokens = 0;  ///< 0: not said.
  std::uint64_t tensors = 0;
};

/// InvalidArgument for a file that is no GGUF of version 2 or 3; NotFound if it cannot be read.
/// Reads 16 MiB of metadata at most: a file that hides what is asked for behind more has no context
/// length here.
Result<GgufHeader> read_gguf_header(const std::filesystem::path& file);

}  // namespace lakehouse::ai
