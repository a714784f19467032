#include "vector/simd/kernels.h"

#include <array>
#include <cstring>

namespace lakehouse::vector::simd {

namespace {

std::int32_t dot_bytes(const std::uint8_t* row, const std::int8_t* query, std::size_t length) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < length; ++i) {
    sum += std::int32_t{row[i]} * std::int32_t{query[i]};
  }
  return sum;
}

void dots(const std::uint8_t* codes, std::size_t length, const std::uint32_t* rows,
          std::size_t count, const std::int8_t* query, std::int32_t* out) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = dot_bytes(codes + rows[i] * length, query, length);
  }
}

void dots_in_order(const std::uint8_t* codes, std::size_t length, std::size_t count,
                   const std::int8_t* query, std::int32_t* out) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = dot_bytes(codes + i * length, query, length);
  }
}

void pack(const std::uint8_t* codes, std::size_t length, std::uint8_t* packed) {
  std::memcpy(packed, codes, kTileRows * length);
}

void tile(const std::uint8_t* packed, std::size_t length, const std::int8_t* queries,
          std::int32_t* out) {
  std::memset(out, 0, kTileRows * kTileQueries * sizeof(std::int32_t));
  for (std::size_t row = 0; row < kTileRows; ++row) {
    const std::uint8_t* code = packed + row * length;
    for (std::size_t i = 0; i < length; ++i) {
      const std::int8_t* group = queries + i / 4 * kTileQueries * 4 + i % 4;
      for (std::size_t q = 0; q < kTileQueries; ++q) {
        out[q * kTileRows + row] += std::int32_t{code[i]} * std::int32_t{group[q * 4]};
      }
    }
  }
}

std::size_t at_least(const std::int32_t* values, std::size_t count, std::int32_t least,
                     std::uint32_t* places) {
  std::size_t found = 0;
  for (std::size_t i = 0; i < count; ++i) {
    places[found] = static_cast<std::uint32_t>(i);
    found += values[i] >= least ? 1U : 0U;
  }
  return found;
}

float dot(const float* a, const float* b, std::size_t count) {
  std::array<float, 8> sums{};
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (std::size_t k = 0; k < 8; ++k) {
      sums[k] += a[i + k] * b[i + k];
    }
  }
  for (; i < count; ++i) {
    sums[i % 8] += a[i] * b[i];
  }
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

struct Available {
  std::array<const Kernels*, 3> list{};
  std::size_t count = 0;
};

Available find_available() {
  Available found;
  found.list[found.count++] = &kScalar;
  if (kAvx2 != nullptr && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    found.list[found.count++] = kAvx2;
  }
  if (kAvx512 != nullptr && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni")) {
    found.list[found.count++] = kAvx512;
  }
  return found;
}

const Available& available() {
  static const Available found = find_available();
  return found;
}

}  // namespace

const Kernels kScalar = {.name = "scalar",
                         .dots = dots,
                         .dots_in_order = dots_in_order,
                         .pack = pack,
                         .tile = tile,
                         .at_least = at_least,
                         .batch_from = 14,
                         .dot = dot};

const Kernels& kernels() {
  return *available().list[available().count - 1];
}

std::span<const Kernels* const> all_kernels() {
  return {available().list.data(), available().count};
}

void pack_queries(const std::int8_t* const* queries, std::size_t length, std::int8_t* packed) {
  for (std::size_t i = 0; i < length; i += 4) {
    for (std::size_t q = 0; q < kTileQueries; ++q) {
      std::memcpy(packed, queries[q] + i, 4);
      packed += 4;
    }
  }
}

}  // namespace lakehouse::vector::simd
