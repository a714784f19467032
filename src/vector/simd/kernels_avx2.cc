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
                  std::size_t count, const std::int8_t* query, std::int32_t* out,
                  std::size_t next) {
  constexpr std::size_t kAhead = 4;
  for (std::size_t i = 0; i < count; ++i) {
    if (i + kAhead < count + next) {
      const std::uint8_t* ahead = codes + rows[i + kAhead] * length;
      for (std::size_t at = 0; at < length; at += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(ahead + at), _MM_HINT_T0);
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

/// Which of eight rows' sums, of which `a` and `b` hold the halves, are at least the bound.
LH_AVX2 std::uint32_t reach(__m256i a, __m256i b, __m256i bound) {
  const __m256i sums = _mm256_permute4x64_epi64(_mm256_hadd_epi32(a, b), 0xD8);
  const __m256i below = _mm256_cmpgt_epi32(bound, sums);
  return ~static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(below))) & 0xFFU;
}

/// Of 16 packed rows; the query's next four bytes are `stride` behind these.
LH_AVX2 std::uint32_t sieve16(const std::uint8_t* packed, std::size_t length,
                              const std::int8_t* query, std::size_t stride, std::int32_t least) {
  __m256i sums[4] = {};
  for (std::size_t i = 0; i < length / 4; ++i) {
    std::int32_t dword = 0;
    std::memcpy(&dword, query + i * stride, 4);
    const __m256i four = _mm256_cvtepi8_epi16(_mm_set1_epi32(dword));
    for (std::size_t k = 0; k < 4; ++k) {
      sums[k] =
          _mm256_add_epi32(sums[k], _mm256_madd_epi16(load16(packed + i * 64 + k * 16), four));
    }
  }
  const __m256i bound = _mm256_set1_epi32(least);
  return reach(sums[0], sums[1], bound) | reach(sums[2], sums[3], bound) << 8U;
}

LH_AVX2 void sieve(const std::uint8_t* packed, std::size_t length, const std::int8_t* queries,
                   const std::int32_t* least, std::uint32_t* masks, std::size_t step) {
  constexpr std::size_t kStride = 4 * kTileQueries;
  for (std::size_t q = 0; q < kTileQueries; ++q) {
    const std::int8_t* query = queries + q * 4;
    masks[q * step] = sieve16(packed, length, query, kStride, least[q]) |
                      sieve16(packed + 16 * length, length, query, kStride, least[q]) << 16U;
  }
}

LH_AVX2 void sieve_one(const std::uint8_t* packed, std::size_t length, std::size_t tiles,
                       const std::int8_t* query, std::int32_t least, std::uint32_t* masks) {
  for (std::size_t tile = 0; tile < tiles; ++tile, packed += kTileRows * length) {
    masks[tile] = sieve16(packed, length, query, 4, least) |
                  sieve16(packed + 16 * length, length, query, 4, least) << 16U;
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

LH_AVX2 void project(const float* vectors, std::size_t count, std::size_t number, const float* a,
                     float* out) {
  for (std::size_t i = 0; i < number; ++i) {
    out[i] = dot(vectors + i * count, a, count);
  }
}

// Steps within a register are its parts swapped, plus or minus itself.
LH_AVX2 void hadamard(float* values, std::size_t count) {
  const __m256 one = _mm256_setr_ps(1, -1, 1, -1, 1, -1, 1, -1);
  const __m256 two = _mm256_setr_ps(1, 1, -1, -1, 1, 1, -1, -1);
  const __m256 four = _mm256_setr_ps(1, 1, 1, 1, -1, -1, -1, -1);
  for (std::size_t i = 0; i < count; i += 8) {
    __m256 x = _mm256_loadu_ps(values + i);
    x = _mm256_fmadd_ps(x, one, _mm256_permute_ps(x, 0xB1));
    x = _mm256_fmadd_ps(x, two, _mm256_permute_ps(x, 0x4E));
    x = _mm256_fmadd_ps(x, four, _mm256_permute2f128_ps(x, x, 0x01));
    _mm256_storeu_ps(values + i, x);
  }
  hadamard_from(values, count, 8);
}

const Kernels kTable = {.name = "avx2",
                        .dots = dots,
                        .dots_in_order = dots_in_order,
                        .pack = pack_rows,
                        .sieve = sieve,
                        .sieve_one = sieve_one,
                        .rows_of = rows_of,
                        .keep = keep,
                        .at_least = at_least,
                        .batch_from = 6,
                        .dot = dot,
                        .project = project,
                        .hadamard = hadamard};

}  // namespace

const Kernels* const kAvx2 = &kTable;

}  // namespace lakehouse::vector::simd

#else

namespace lakehouse::vector::simd {
const Kernels* const kAvx2 = nullptr;
}

#endif
