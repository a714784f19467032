#pragma once

#include <cstddef>
#include <string_view>

namespace lakehouse::iceberg::detail {

/// How many bytes the first `count` code points of `text` take; all of it if it has no more. A byte
/// that is not UTF-8 counts as one.
inline std::size_t prefix_bytes(std::string_view text, std::size_t count) {
  std::size_t at = 0;
  while (at < text.size() && count > 0) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) {
      ++at;
    }
    --count;
  }
  return at;
}

}  // namespace lakehouse::iceberg::detail
