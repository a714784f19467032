#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace lakehouse {

/// MurmurHash3, x86, 32 bits, seed 0: the hash of Iceberg's bucket transform (appendix B).
constexpr std::uint32_t murmur3_x86_32(std::span<const std::byte> bytes) {
  constexpr std::uint32_t kFirst = 0xCC9E2D51U;
  constexpr std::uint32_t kSecond = 0x1B873593U;
  std::uint32_t hash = 0;
  const auto byte = [&](std::size_t at) { return std::to_integer<std::uint32_t>(bytes[at]); };
  std::size_t i = 0;
  for (; i + 4 <= bytes.size(); i += 4) {
    std::uint32_t block = byte(i) | byte(i + 1) << 8U | byte(i + 2) << 16U | byte(i + 3) << 24U;
    block = std::rotl(block * kFirst, 15) * kSecond;
    hash = std::rotl(hash ^ block, 13) * 5 + 0xE6546B64U;
  }
  std::uint32_t tail = 0;
  for (std::size_t k = bytes.size(); k > i; --k) {
    tail = tail << 8U | byte(k - 1);
  }
  hash ^= std::rotl(tail * kFirst, 15) * kSecond;
  hash ^= static_cast<std::uint32_t>(bytes.size());
  hash = (hash ^ hash >> 16U) * 0x85EBCA6BU;
  hash = (hash ^ hash >> 13U) * 0xC2B2AE35U;
  return hash ^ hash >> 16U;
}

}  // namespace lakehouse
