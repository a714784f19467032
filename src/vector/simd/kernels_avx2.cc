#include <cstring>

#include "vector/simd/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define LH_AVX2 __attribute__((target("avx2,fma")))

namespace lakehouse::vector::simd {

namespace {

LH_AVX2 __m256i load16(const std::uint8_t* bytes) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
}

LH_AVX2 __m256i load16(const std::int8_t* bytes) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
}

LH_AVX2 std::int32_t sum_of(__m256i a) {
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4E));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xB1));
  return _mm_cvtsi128_si32(sum);
}

// Widened to 16 bits: the instruction that multiplies bytes would overflow its sums of two.
LH_AVX2 std::int32_t dot_bytes(const std::uint8_t* row, const std::int8_t* query,
                               std::size_t length) {
  __m256i even = _mm256_setzero_si256();
  __m256i odd = _mm256_setzero_si256();
  for (std::size_t i = 0; i < length; i += 32) {
    even = _mm256_add_epi32(even, _mm256_madd_epi16(load16(row + i), load16(query + i)));
    odd = _mm256_add_epi32(odd, _mm256_madd_epi16(load16(row + i + 16), load16(query + i + 16)));
  }
  return sum_of(_mm256_add_epi32(even, odd));
}

LH_AVX2 void dots(const std::uint8_t* codes, std::size_t length, const std::uint32_t* rows,
                  std::size_t count, const std::int8_t* query, std::int32_t* out) {
  constexpr std::size_t kAhead = 4;
  for (std::size_t i = 0; i < count; ++i) {
    if (i + kAhead < count) {
      const std::uint8_t* next = codes + rows[i + kAhead] * length;
      for (std::size_t at = 0; at < length; at += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(next + at), _MM_HINT_T0);
      }
    }
    out[i] = dot_bytes(codes + rows[i] * length, query, length);
  }
}

LH_AVX2 void dots_in_order(const std::uint8_t* codes, std::size_t length, std::size_t count,
                           const std::int8_t* query, std::int32_t* out) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = dot_bytes(codes + i * length, query, length);
  }
}

void pack(const std::uint8_t* codes, std::size_t length, std::uint8_t* packed) {
  std::memcpy(packed, codes, kTileRows * length);
}

// Eight queries' dwords against one row's: 16-bit products of 2 queries in one register.
LH_AVX2 void tile(const std::uint8_t* packed, std::size_t length, const std::int8_t* queries,
                  std::int32_t* out) {
  for (std::size_t row = 0; row < kTileRows; ++row) {
    __m256i sums[4] = {};  // Two partial sums of each of 4 queries.
    const std::uint8_t* code = packed + row * length;
    for (std::size_t first = 0; first < kTileQueries; first += 4) {
      const std::size_t here = kTileQueries - first < 4 ? kTileQueries - first : 4;
      __m256i sum = _mm256_setzero_si256();
      for (std::size_t i = 0; i < length; i += 4) {
        std::int32_t dword = 0;
        std::memcpy(&dword, code + i, 4);
        alignas(16) std::int8_t four[16] = {};
        std::memcpy(four, queries + (i / 4 * kTileQueries + first) * 4, here * 4);
        sum = _mm256_add_epi32(
            sum, _mm256_madd_epi16(_mm256_cvtepu8_epi16(_mm_set1_epi32(dword)), load16(four)));
      }
      sums[first / 4] = sum;
    }
    for (std::size_t q = 0; q < kTileQueries; ++q) {
      alignas(32) std::int32_t parts[8];
      _mm256_store_si256(reinterpret_cast<__m256i*>(parts), sums[q / 4]);
      out[q * kTileRows + row] = parts[q % 4 * 2] + parts[q % 4 * 2 + 1];
    }
  }
}

LH_AVX2 std::size_t at_least(const std::int32_t* values, std::size_t count, std::int32_t least,
                             std::uint32_t* places) {
  std::size_t found = 0;
  const __m256i bound = _mm256_set1_epi32(least);
  for (std::size_t i = 0; i < count; i += 8) {
    const __m256i eight = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values + i));
    const __m256i below = _mm256_cmpgt_epi32(bound, eight);
    auto mask = ~static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(below))) & 0xFFU;
    for (; mask != 0; mask &= mask - 1) {
      places[found++] =
          static_cast<std::uint32_t>(i) + static_cast<std::uint32_t>(__builtin_ctz(mask));
    }
  }
  return found;
}

LH_AVX2 float dot(const float* a, const float* b, std::size_t count) {
  __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                    _mm256_setzero_ps()};
  std::size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    for (std::size_t k = 0; k < 4; ++k) {
      sums[k] =
          _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8 * k), _mm256_loadu_ps(b + i + 8 * k), sums[k]);
    }
  }
  const __m256 sum =
      _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  four = _mm_add_ss(four, _mm_shuffle_ps(four, four, 1));
  float rest = _mm_cvtss_f32(four);
  for (; i < count; ++i) {
    rest += a[i] * b[i];
  }
  return rest;
}

const Kernels kTable = {.name = "avx2",
                        .dots = dots,
                        .dots_in_order = dots_in_order,
                        .pack = pack,
                        .tile = tile,
                        .at_least = at_least,
                        .batch_from = 6,
                        .dot = dot};

}  // namespace

const Kernels* const kAvx2 = &kTable;

}  // namespace lakehouse::vector::simd

#else

namespace lakehouse::vector::simd {
const Kernels* const kAvx2 = nullptr;
}

#endif
