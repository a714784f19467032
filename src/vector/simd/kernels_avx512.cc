#include "vector/simd/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define LH_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni,popcnt")))

namespace lakehouse::vector::simd {

namespace {

/// The sums of four registers' lanes, in one.
LH_AVX512 __m128i sums_of(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  const __m512i abcd =
      _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half =
      _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti64x4_epi64(abcd, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

LH_AVX512 void prefetch(const std::uint8_t* row, std::size_t length) {
  for (std::size_t at = 0; at < length; at += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(row + at), _MM_HINT_T0);
  }
}

LH_AVX512 __m128i dot4(const std::uint8_t* const* rows, std::size_t length,
                       const std::int8_t* query) {
  __m512i a = _mm512_setzero_si512();
  __m512i b = _mm512_setzero_si512();
  __m512i c = _mm512_setzero_si512();
  __m512i d = _mm512_setzero_si512();
  for (std::size_t i = 0; i < length; i += 64) {
    const __m512i q = _mm512_loadu_si512(query + i);
    a = _mm512_dpbusd_epi32(a, _mm512_loadu_si512(rows[0] + i), q);
    b = _mm512_dpbusd_epi32(b, _mm512_loadu_si512(rows[1] + i), q);
    c = _mm512_dpbusd_epi32(c, _mm512_loadu_si512(rows[2] + i), q);
    d = _mm512_dpbusd_epi32(d, _mm512_loadu_si512(rows[3] + i), q);
  }
  return sums_of(a, b, c, d);
}

LH_AVX512 std::int32_t dot1(const std::uint8_t* row, std::size_t length, const std::int8_t* query) {
  __m512i sum = _mm512_setzero_si512();
  for (std::size_t i = 0; i < length; i += 64) {
    sum = _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(row + i), _mm512_loadu_si512(query + i));
  }
  return _mm512_reduce_add_epi32(sum);
}

LH_AVX512 void dots(const std::uint8_t* codes, std::size_t length, const std::uint32_t* rows,
                    std::size_t count, const std::int8_t* query, std::int32_t* out,
                    std::size_t next) {
  // As many bytes as the processor can wait for at once.
  const std::size_t ahead = length <= 128 ? 24 : 8;
  for (std::size_t i = 0; i < count + next && i < ahead; ++i) {
    prefetch(codes + rows[i] * length, length);
  }
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    for (std::size_t k = i + ahead; k < count + next && k < i + ahead + 4; ++k) {
      prefetch(codes + rows[k] * length, length);
    }
    const std::uint8_t* four[4] = {codes + rows[i] * length, codes + rows[i + 1] * length,
                                   codes + rows[i + 2] * length, codes + rows[i + 3] * length};
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), dot4(four, length, query));
  }
  for (; i < count; ++i) {
    out[i] = dot1(codes + rows[i] * length, length, query);
  }
}

LH_AVX512 void dots_in_order(const std::uint8_t* codes, std::size_t length, std::size_t count,
                             const std::int8_t* query, std::int32_t* out) {
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const std::uint8_t* row = codes + i * length;
    const std::uint8_t* four[4] = {row, row + length, row + 2 * length, row + 3 * length};
    // Beyond the page the processor's own prefetcher stops.
    prefetch(row + 16 * length, 4 * length);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), dot4(four, length, query));
  }
  for (; i < count; ++i) {
    out[i] = dot1(codes + i * length, length, query);
  }
}

/// Transposes 16 rows of 16 dwords: out[k] holds the rows' k-th.
LH_AVX512 void transpose(const std::uint8_t* rows, std::size_t length, std::uint8_t* out) {
  __m512i r[16];
  __m512i t[16];
  for (std::size_t i = 0; i < 16; ++i) {
    r[i] = _mm512_loadu_si512(rows + i * length);
  }
  for (std::size_t i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (std::size_t i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xDD);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xDD);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    _mm512_storeu_si512(out + i * 64, _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88));
    _mm512_storeu_si512(out + (i + 8) * 64, _mm512_shuffle_i32x4(t[i], t[i + 8], 0xDD));
    _mm512_storeu_si512(out + (i + 4) * 64, _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88));
    _mm512_storeu_si512(out + (i + 12) * 64, _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xDD));
  }
}

LH_AVX512 void pack(const std::uint8_t* codes, std::size_t length, std::uint8_t* packed) {
  for (std::size_t half = 0; half < 2; ++half) {
    for (std::size_t i = 0; i < length; i += 64) {
      transpose(codes + half * 16 * length + i, length, packed + half * 16 * length + i * 16);
    }
  }
}

// 26 sums stay in registers: 16 rows each, two groups of rows by 13 queries.
LH_AVX512 void sieve(const std::uint8_t* packed, std::size_t length, const std::int8_t* queries,
                     const std::int32_t* least, std::uint32_t* masks, std::size_t step) {
  const auto* words = reinterpret_cast<const std::int32_t*>(queries);
  __m512i low[kTileQueries];
  __m512i high[kTileQueries];
#pragma GCC unroll 13
  for (std::size_t q = 0; q < kTileQueries; ++q) {
    low[q] = _mm512_setzero_si512();
    high[q] = _mm512_setzero_si512();
  }
  const std::uint8_t* second = packed + 16 * length;
  for (std::size_t i = 0; i < length / 4; ++i) {
    const __m512i a = _mm512_loadu_si512(packed + i * 64);
    const __m512i b = _mm512_loadu_si512(second + i * 64);
#pragma GCC unroll 13
    for (std::size_t q = 0; q < kTileQueries; ++q) {
      const __m512i query = _mm512_set1_epi32(words[i * kTileQueries + q]);
      low[q] = _mm512_dpbusd_epi32(low[q], a, query);
      high[q] = _mm512_dpbusd_epi32(high[q], b, query);
    }
  }
#pragma GCC unroll 13
  for (std::size_t q = 0; q < kTileQueries; ++q) {
    const __m512i bound = _mm512_set1_epi32(least[q]);
    masks[q * step] = std::uint32_t{_mm512_cmpge_epi32_mask(low[q], bound)} |
                      std::uint32_t{_mm512_cmpge_epi32_mask(high[q], bound)} << 16U;
  }
}

// Eight sums: each of a tile's halves by itself, and of every second four bytes.
LH_AVX512 void sieve_one(const std::uint8_t* packed, std::size_t length, std::size_t tiles,
                         const std::int8_t* query, std::int32_t least, std::uint32_t* masks) {
  const __m512i bound = _mm512_set1_epi32(least);
  const auto* words = reinterpret_cast<const std::int32_t*>(query);
  for (std::size_t tile = 0; tile < tiles; ++tile, packed += kTileRows * length) {
    __m512i low[4] = {};
    __m512i high[4] = {};
    const std::uint8_t* second = packed + 16 * length;
    for (std::size_t i = 0; i < length / 4; i += 4) {
#pragma GCC unroll 4
      for (std::size_t k = 0; k < 4; ++k) {
        const __m512i four = _mm512_set1_epi32(words[i + k]);
        low[k] = _mm512_dpbusd_epi32(low[k], _mm512_loadu_si512(packed + (i + k) * 64), four);
        high[k] = _mm512_dpbusd_epi32(high[k], _mm512_loadu_si512(second + (i + k) * 64), four);
      }
    }
    const __m512i a =
        _mm512_add_epi32(_mm512_add_epi32(low[0], low[1]), _mm512_add_epi32(low[2], low[3]));
    const __m512i b =
        _mm512_add_epi32(_mm512_add_epi32(high[0], high[1]), _mm512_add_epi32(high[2], high[3]));
    masks[tile] = std::uint32_t{_mm512_cmpge_epi32_mask(a, bound)} |
                  std::uint32_t{_mm512_cmpge_epi32_mask(b, bound)} << 16U;
  }
}

LH_AVX512 std::size_t at_least(const std::int32_t* values, std::size_t count, std::int32_t least,
                               std::uint32_t* places) {
  std::size_t found = 0;
  const __m512i bound = _mm512_set1_epi32(least);
  for (std::size_t i = 0; i < count; i += 16) {
    unsigned mask = _mm512_cmpge_epi32_mask(_mm512_loadu_si512(values + i), bound);
    for (; mask != 0; mask &= mask - 1) {
      places[found++] =
          static_cast<std::uint32_t>(i) + static_cast<std::uint32_t>(__builtin_ctz(mask));
    }
  }
  return found;
}

// Most masks are empty, and which ones no processor guesses: nothing here branches on one of them.
LH_AVX512 std::size_t rows_of(const std::uint32_t* masks, std::size_t tiles, std::uint32_t first,
                              std::uint32_t* rows) {
  constexpr std::size_t kTilesMax = 128;
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  std::uint32_t some[kTilesMax + 16];
  std::size_t found = 0;
  for (; tiles > 0; masks += kTilesMax, first += kTilesMax * kTileRows) {
    const std::size_t here = tiles < kTilesMax ? tiles : kTilesMax;
    tiles -= here;
    std::size_t count = 0;
    for (std::size_t tile = 0; tile < here; tile += 16) {
      const auto there =
          static_cast<__mmask16>(here - tile >= 16 ? 0xFFFFU : (1U << (here - tile)) - 1);
      const __m512i words = _mm512_maskz_loadu_epi32(there, masks + tile);
      const __mmask16 set = _mm512_test_epi32_mask(words, words);
      const __m512i places = _mm512_add_epi32(lanes, _mm512_set1_epi32(static_cast<int>(tile)));
      _mm512_storeu_si512(some + count, _mm512_maskz_compress_epi32(set, places));
      count += static_cast<std::size_t>(__builtin_popcount(set));
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t mask = masks[some[i]];
      const auto row = static_cast<int>(first + some[i] * kTileRows);
      const __m512i low = _mm512_add_epi32(lanes, _mm512_set1_epi32(row));
      const __m512i high = _mm512_add_epi32(lanes, _mm512_set1_epi32(row + 16));
      _mm512_storeu_si512(rows + found,
                          _mm512_maskz_compress_epi32(static_cast<__mmask16>(mask), low));
      found += static_cast<std::size_t>(__builtin_popcount(mask & 0xFFFFU));
      _mm512_storeu_si512(rows + found,
                          _mm512_maskz_compress_epi32(static_cast<__mmask16>(mask >> 16U), high));
      found += static_cast<std::size_t>(__builtin_popcount(mask >> 16U));
    }
  }
  return found;
}

LH_AVX512 std::size_t keep(const std::uint32_t* rows, const std::int32_t* values, std::size_t count,
                           std::int32_t least, std::uint32_t* kept_rows,
                           std::int32_t* kept_values) {
  const __m512i bound = _mm512_set1_epi32(least);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; i += 16) {
    const auto there = static_cast<__mmask16>(count - i >= 16 ? 0xFFFFU : (1U << (count - i)) - 1);
    const __m512i value = _mm512_maskz_loadu_epi32(there, values + i);
    const __m512i row = _mm512_maskz_loadu_epi32(there, rows + i);
    const __mmask16 mask = _mm512_mask_cmpge_epi32_mask(there, value, bound);
    const auto count_here = static_cast<unsigned>(__builtin_popcount(mask));
    // Nothing behind them is written: it may be what is still to be read.
    const auto written = static_cast<__mmask16>((1U << count_here) - 1);
    _mm512_mask_storeu_epi32(kept_values + kept, written, _mm512_maskz_compress_epi32(mask, value));
    _mm512_mask_storeu_epi32(kept_rows + kept, written, _mm512_maskz_compress_epi32(mask, row));
    kept += count_here;
  }
  return kept;
}

LH_AVX512 float dot(const float* a, const float* b, std::size_t count) {
  __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                    _mm512_setzero_ps()};
  std::size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    for (std::size_t k = 0; k < 4; ++k) {
      sums[k] = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16 * k), _mm512_loadu_ps(b + i + 16 * k),
                                sums[k]);
    }
  }
  for (; i < count; i += 16) {
    const auto mask = static_cast<__mmask16>(count - i >= 16 ? 0xFFFFU : (1U << (count - i)) - 1);
    sums[0] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, a + i),
                              _mm512_maskz_loadu_ps(mask, b + i), sums[0]);
  }
  return _mm512_reduce_add_ps(
      _mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
}

// Four at a time: the vectors come from memory, `a` is loaded once for them.
LH_AVX512 void project(const float* vectors, std::size_t count, std::size_t number, const float* a,
                       float* out) {
  std::size_t n = 0;
  for (; n + 4 <= number && count % 16 == 0; n += 4, vectors += 4 * count) {
    __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                      _mm512_setzero_ps()};
    for (std::size_t i = 0; i < count; i += 16) {
      const __m512 at = _mm512_loadu_ps(a + i);
      for (std::size_t k = 0; k < 4; ++k) {
        sums[k] = _mm512_fmadd_ps(_mm512_loadu_ps(vectors + k * count + i), at, sums[k]);
      }
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out[n + k] = _mm512_reduce_add_ps(sums[k]);
    }
  }
  for (; n < number; ++n, vectors += count) {
    out[n] = dot(vectors, a, count);
  }
}

LH_AVX512 __m512 add_or_subtract(__mmask16 subtracted, __m512 swapped, __m512 value) {
  return _mm512_mask_sub_ps(_mm512_add_ps(swapped, value), subtracted, swapped, value);
}

// Steps within a register are its parts swapped, plus or minus itself.
LH_AVX512 __m512 hadamard16(__m512 x) {
  x = add_or_subtract(0xAAAA, _mm512_permute_ps(x, 0xB1), x);
  x = add_or_subtract(0xCCCC, _mm512_permute_ps(x, 0x4E), x);
  x = add_or_subtract(0xF0F0, _mm512_shuffle_f32x4(x, x, 0xB1), x);
  return add_or_subtract(0xFF00, _mm512_shuffle_f32x4(x, x, 0x4E), x);
}

LH_AVX512 void hadamard(float* values, std::size_t count) {
  for (std::size_t i = 0; i < count; i += 16) {
    _mm512_storeu_ps(values + i, hadamard16(_mm512_loadu_ps(values + i)));
  }
  for (std::size_t half = 16; half < count; half *= 2) {
    for (std::size_t block = 0; block < count; block += 2 * half) {
      for (std::size_t i = block; i < block + half; i += 16) {
        const __m512 a = _mm512_loadu_ps(values + i);
        const __m512 b = _mm512_loadu_ps(values + i + half);
        _mm512_storeu_ps(values + i, _mm512_add_ps(a, b));
        _mm512_storeu_ps(values + i + half, _mm512_sub_ps(a, b));
      }
    }
  }
}

const Kernels kTable = {.name = "avx512_vnni",
                        .dots = dots,
                        .dots_in_order = dots_in_order,
                        .pack = pack,
                        .sieve = sieve,
                        .sieve_one = sieve_one,
                        .rows_of = rows_of,
                        .keep = keep,
                        .at_least = at_least,
                        .batch_from = 2,
                        .dot = dot,
                        .project = project,
                        .hadamard = hadamard};

}  // namespace

const Kernels* const kAvx512 = &kTable;

}  // namespace lakehouse::vector::simd

#else

namespace lakehouse::vector::simd {
const Kernels* const kAvx512 = nullptr;
}

#endif
