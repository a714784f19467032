#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "vector/index_spec.h"

namespace lakehouse::vector {

/// Bytes [start, end) of a text.
struct ChunkSpan {
  std::size_t start = 0;
  std::size_t end = 0;
  friend bool operator==(const ChunkSpan&, const ChunkSpan&) = default;
};

/// Cuts a text: each chunk holds at most `size` characters, begins where the one before it ends or
/// up to `overlap` characters earlier, and no character is split. With `sentences`, a chunk ends
/// behind a paragraph, a sentence, a line or a word, whichever comes first in this order within the
/// last half of what it may hold; else where it is full. White space around chunks is left out;
/// all else is in one of them. A text without anything else has no chunk. Pure; linear.
///
/// Bytes that are no UTF-8 count as a character each.
std::vector<ChunkSpan> chunk_text(std::string_view text, const ChunkOptions& options);

}  // namespace lakehouse::vector
