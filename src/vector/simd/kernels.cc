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
          std::size_t count, const std::int8_t* query, std::int32_t* out, std::size_t /*next*/) {
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

void sieve(const std::uint8_t* packed, std::size_t length, const std::int8_t* queries,
           const std::int32_t* least, std::uint32_t* masks, std::size_t step) {
  for (std::size_t q = 0; q < kTileQueries; ++q) {
    masks[q * step] = 0;
    for (std::size_t row = 0; row < kTileRows; ++row) {
      const std::uint8_t* code = packed + row / 16 * 16 * length + row % 16 * 4;
      std::int32_t sum = 0;
      for (std::size_t i = 0; i < length; i += 4) {
        sum += dot_bytes(code + i * 16, queries + i * kTileQueries + q * 4, 4);
      }
      masks[q * step] |= sum >= least[q] ? 1U << row : 0U;
    }
  }
}

void sieve_one(const std::uint8_t* packed, std::size_t length, std::size_t tiles,
               const std::int8_t* query, std::int32_t least, std::uint32_t* masks) {
  for (std::size_t tile = 0; tile < tiles; ++tile) {
    masks[tile] = 0;
    for (std::size_t row = 0; row < kTileRows; ++row) {
      const std::uint8_t* code =
          packed + (tile * kTileRows + row / 16 * 16) * length + row % 16 * 4;
      std::int32_t sum = 0;
      for (std::size_t i = 0; i < length; i += 4) {
        sum += dot_bytes(code + i * 16, query + i, 4);
      }
      masks[tile] |= sum >= least ? 1U << row : 0U;
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

void project(const float* vectors, std::size_t count, std::size_t number, const float* a,
             float* out) {
  for (std::size_t i = 0; i < number; ++i) {
    out[i] = dot(vectors + i * count, a, count);
  }
}

void hadamard(float* values, std::size_t count) {
  hadamard_from(values, count, 1);
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
                         .pack = pack_rows,
                         .sieve = sieve,
                         .sieve_one = sieve_one,
                         .rows_of = rows_of,
                         .keep = keep,
                         .at_least = at_least,
                         .batch_from = 14,
                         .dot = dot,
                         .project = project,
                         .hadamard = hadamard};

const Kernels& kernels() {
  return *available().list[available().count - 1];
}

std::span<const Kernels* const> all_kernels() {
  return {available().list.data(), available().count};
}

void hadamard_from(float* values, std::size_t count, std::size_t half) {
  for (; half < count; half *= 2) {
    for (std::size_t block = 0; block < count; block += 2 * half) {
      for (std::size_t i = block; i < block + half; ++i) {
        const float a = values[i];
        const float b = values[i + half];
        values[i] = a + b;
        values[i + half] = a - b;
      }
    }
  }
}

std::size_t rows_of(const std::uint32_t* masks, std::size_t tiles, std::uint32_t first,
                    std::uint32_t* rows) {
  std::size_t found = 0;
  for (std::size_t tile = 0; tile < tiles; ++tile, first += kTileRows) {
    for (std::uint32_t mask = masks[tile]; mask != 0; mask &= mask - 1) {
      rows[found++] = first + static_cast<std::uint32_t>(__builtin_ctz(mask));
    }
  }
  return found;
}

std::size_t keep(const std::uint32_t* rows, const std::int32_t* values, std::size_t count,
                 std::int32_t least, std::uint32_t* kept_rows, std::int32_t* kept_values) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t value = values[i];
    kept_rows[kept] = rows[i];
    kept_values[kept] = value;
    kept += value >= least ? 1U : 0U;
  }
  return kept;
}

void pack_rows(const std::uint8_t* codes, std::size_t length, std::uint8_t* packed) {
  for (std::size_t first = 0; first < kTileRows; first += 16) {
    for (std::size_t i = 0; i < length; i += 4) {
      for (std::size_t row = first; row < first + 16; ++row) {
        std::memcpy(packed, codes + row * length + i, 4);
        packed += 4;
      }
    }
  }
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
