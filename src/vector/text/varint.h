#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace lakehouse::vector {

/// LEB128: seven bits a byte, the lowest first.
inline void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80U));
    value >>= 7U;
  }
  out.push_back(static_cast<char>(value));
}

/// Reads one that is known to be whole and below 2^32.
inline std::uint32_t read_varint(const char*& at) {
  std::uint32_t byte = static_cast<unsigned char>(*at++);
  std::uint32_t value = byte & 0x7FU;
  for (unsigned shift = 7; byte >= 0x80; shift += 7) {
    byte = static_cast<unsigned char>(*at++);
    value |= (byte & 0x7FU) << shift;
  }
  return value;
}

/// The same where nothing is known: false if it is cut off or does not fit.
inline bool read_varint_checked(const char*& at, const char* end, std::uint32_t& value) {
  std::uint64_t all = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    if (at == end) {
      return false;
    }
    const std::uint64_t byte = static_cast<unsigned char>(*at++);
    all |= (byte & 0x7FU) << shift;
    if (byte < 0x80) {
      value = static_cast<std::uint32_t>(all);
      return all <= 0xFFFF'FFFFU;
    }
  }
  return false;
}

}  // namespace lakehouse::vector
