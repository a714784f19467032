// No templates of the standard library are used here: compiled for this processor, the linker could
// give them to the rest of the program, too.
#include "ai/kernels/avx512.h"

#include <immintrin.h>

namespace lakehouse::ai::avx512 {
namespace {

constexpr std::size_t kLanes = 16;
// Rows that are computed together: twelve sums hide the latency, and fit the registers.
constexpr std::size_t kRows = 6;

float max_of(__m512 v) {
  return _mm512_reduce_max_ps(v);
}

// e^x for x <= 0; 0 below -87.
__m512 exponential(__m512 x) {
  const __m512 bounded = _mm512_max_ps(x, _mm512_set1_ps(-87.0F));
  const __m512 power = _mm512_roundscale_ps(_mm512_mul_ps(bounded, _mm512_set1_ps(1.442695041F)),
                                            _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512 rest = _mm512_fnmadd_ps(power, _mm512_set1_ps(0.693359375F), bounded);
  rest = _mm512_fnmadd_ps(power, _mm512_set1_ps(-2.12194440e-4F), rest);
  __m512 sum = _mm512_set1_ps(1.9875691500e-4F);
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(1.3981999507e-3F));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(8.3334519073e-3F));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(4.1665795894e-2F));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(1.6666665459e-1F));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(5.0000001201e-1F));
  sum = _mm512_fmadd_ps(sum, _mm512_mul_ps(rest, rest), rest);
  return _mm512_scalef_ps(_mm512_add_ps(sum, _mm512_set1_ps(1.0F)), power);
}

__m512i four_bytes(const std::uint8_t* from) {
  int four = 0;
  __builtin_memcpy(&four, from, sizeof four);
  return _mm512_set1_epi32(four);
}

// `Rows` rows of x against one panel of weights.
template <std::size_t Rows>
void multiply_tile(const ByteRows& x, std::size_t first, const PackedMatrix& w, std::size_t column,
                   float* y) {
  const std::size_t groups = w.in / kGroup;
  const std::uint8_t* bytes = x.bytes + first * w.in;
  const std::int8_t* panel = w.values + column * w.in;
  __m512 sums[Rows][2];
  for (std::size_t r = 0; r < Rows; ++r) {
    sums[r][0] = _mm512_loadu_ps(w.bias + column);
    sums[r][1] = _mm512_loadu_ps(w.bias + column + kLanes);
  }
  for (std::size_t g = 0; g < groups; ++g) {
    __m512i products[Rows][2];
    for (std::size_t r = 0; r < Rows; ++r) {
      products[r][0] = _mm512_setzero_si512();
      products[r][1] = _mm512_setzero_si512();
    }
    for (std::size_t k = 0; k < kGroup; k += 4) {
      const __m512i left = _mm512_loadu_si512(panel);
      const __m512i right = _mm512_loadu_si512(panel + 64);
      panel += 128;
      for (std::size_t r = 0; r < Rows; ++r) {
        const __m512i four = four_bytes(bytes + r * w.in + g * kGroup + k);
        products[r][0] = _mm512_dpbusd_epi32(products[r][0], four, left);
        products[r][1] = _mm512_dpbusd_epi32(products[r][1], four, right);
      }
    }
    const std::size_t at = g * w.out + column;
    const __m512 scale[2] = {_mm512_loadu_ps(w.scale + at), _mm512_loadu_ps(w.scale + at + kLanes)};
    const __m512 low[2] = {_mm512_loadu_ps(w.sums + at), _mm512_loadu_ps(w.sums + at + kLanes)};
    for (std::size_t r = 0; r < Rows; ++r) {
      const __m512 step = _mm512_set1_ps(x.step[(first + r) * groups + g]);
      const __m512 base = _mm512_set1_ps(x.low[(first + r) * groups + g]);
      for (std::size_t c = 0; c < 2; ++c) {
        sums[r][c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(products[r][c]),
                                     _mm512_mul_ps(step, scale[c]), sums[r][c]);
        sums[r][c] = _mm512_fmadd_ps(base, low[c], sums[r][c]);
      }
    }
  }
  for (std::size_t r = 0; r < Rows; ++r) {
    _mm512_storeu_ps(y + (first + r) * w.out + column, sums[r][0]);
    _mm512_storeu_ps(y + (first + r) * w.out + column + kLanes, sums[r][1]);
  }
}

// exp(x - the largest) of a row of `count`, zeros up to `padded`; gives their sum.
float soften(float* row, std::size_t count, std::size_t padded) {
  __m512 largest = _mm512_set1_ps(-3.0e38F);
  for (std::size_t i = 0; i < count; i += kLanes) {
    const auto mask =
        static_cast<__mmask16>(count - i >= kLanes ? 0xFFFFU : (1U << (count - i)) - 1U);
    largest = _mm512_mask_max_ps(largest, mask, largest, _mm512_loadu_ps(row + i));
  }
  const __m512 top = _mm512_set1_ps(max_of(largest));
  __m512 sum = _mm512_setzero_ps();
  for (std::size_t i = 0; i < padded; i += kLanes) {
    const auto mask = static_cast<__mmask16>(i >= count            ? 0U
                                             : count - i >= kLanes ? 0xFFFFU
                                                                   : (1U << (count - i)) - 1U);
    const __m512 value =
        _mm512_maskz_mov_ps(mask, exponential(_mm512_sub_ps(_mm512_loadu_ps(row + i), top)));
    sum = _mm512_add_ps(sum, value);
    _mm512_storeu_ps(row + i, value);
  }
  return _mm512_reduce_add_ps(sum);
}

// One head's width, in registers.
template <std::size_t Vectors>
struct Head {
  static constexpr std::size_t kWidth = Vectors * kLanes;

  const float* qkv;  // At this head's first query.
  std::size_t tokens;
  std::size_t width;   // Of the whole row, without keys and values.
  std::size_t padded;  // Tokens, as the keys are padded.
  const float* keys;   // [kWidth][padded]
  float* scores;       // [kRows][padded]
  float* out;

  template <std::size_t Rows>
  void run(std::size_t first) const {
    for (std::size_t k = 0; k < padded; k += 2 * kLanes) {
      score<Rows>(first, k);
    }
    __m512 sums[Rows][Vectors];
    float whole[Rows];
    for (std::size_t r = 0; r < Rows; ++r) {
      whole[r] = soften(scores + r * padded, tokens, padded);
      for (std::size_t v = 0; v < Vectors; ++v) {
        sums[r][v] = _mm512_setzero_ps();
      }
    }
    const float* values = qkv + 2 * width;
    for (std::size_t k = 0; k < tokens; ++k, values += 3 * width) {
      for (std::size_t v = 0; v < Vectors; ++v) {
        const __m512 value = _mm512_loadu_ps(values + v * kLanes);
        for (std::size_t r = 0; r < Rows; ++r) {
          sums[r][v] = _mm512_fmadd_ps(_mm512_set1_ps(scores[r * padded + k]), value, sums[r][v]);
        }
      }
    }
    for (std::size_t r = 0; r < Rows; ++r) {
      const __m512 scale = _mm512_set1_ps(1.0F / whole[r]);
      for (std::size_t v = 0; v < Vectors; ++v) {
        _mm512_storeu_ps(out + (first + r) * width + v * kLanes, _mm512_mul_ps(sums[r][v], scale));
      }
    }
  }

  template <std::size_t Rows>
  void score(std::size_t first, std::size_t key) const {
    __m512 sums[Rows][2];
    for (std::size_t r = 0; r < Rows; ++r) {
      sums[r][0] = _mm512_setzero_ps();
      sums[r][1] = _mm512_setzero_ps();
    }
    for (std::size_t d = 0; d < kWidth; ++d) {
      const __m512 left = _mm512_loadu_ps(keys + d * padded + key);
      const __m512 right = _mm512_loadu_ps(keys + d * padded + key + kLanes);
      for (std::size_t r = 0; r < Rows; ++r) {
        const __m512 query = _mm512_set1_ps(qkv[(first + r) * 3 * width + d]);
        sums[r][0] = _mm512_fmadd_ps(query, left, sums[r][0]);
        sums[r][1] = _mm512_fmadd_ps(query, right, sums[r][1]);
      }
    }
    for (std::size_t r = 0; r < Rows; ++r) {
      _mm512_storeu_ps(scores + r * padded + key, sums[r][0]);
      _mm512_storeu_ps(scores + r * padded + key + kLanes, sums[r][1]);
    }
  }
};

std::size_t padded_tokens(std::size_t tokens) {
  return (tokens + 2 * kLanes - 1) / (2 * kLanes) * (2 * kLanes);
}

template <std::size_t Vectors>
void attend_with(const float* qkv, std::size_t tokens, std::size_t width, float* scratch,
                 float* out) {
  constexpr std::size_t kWidth = Vectors * kLanes;
  const std::size_t padded = padded_tokens(tokens);
  // Of as many rows as registers allow.
  constexpr std::size_t kBlock = Vectors == 2 ? kRows : kRows - 2;
  const float scale = Vectors == 2 ? 0.17677669529663687F : 0.125F;  // 1 / sqrt(kWidth)
  float* keys = scratch;
  for (std::size_t head = 0; head < width; head += kWidth) {
    for (std::size_t d = 0; d < kWidth; ++d) {
      const float* from = qkv + width + head + d;
      for (std::size_t t = 0; t < tokens; ++t, from += 3 * width) {
        keys[d * padded + t] = *from * scale;
      }
      for (std::size_t t = tokens; t < padded; ++t) {
        keys[d * padded + t] = 0.0F;
      }
    }
    const Head<Vectors> one{.qkv = qkv + head,
                            .tokens = tokens,
                            .width = width,
                            .padded = padded,
                            .keys = keys,
                            .scores = scratch + kWidth * padded,
                            .out = out + head};
    std::size_t row = 0;
    for (; row + kBlock <= tokens; row += kBlock) {
      one.template run<kBlock>(row);
    }
    for (; row + 2 <= tokens; row += 2) {
      one.template run<2>(row);
    }
    for (; row < tokens; ++row) {
      one.template run<1>(row);
    }
  }
}

}  // namespace

void to_bytes(const float* x, std::size_t rows, std::size_t in, const ByteRows& out) {
  const std::size_t groups = in / kGroup;
  for (std::size_t i = 0; i < rows * groups; ++i) {
    const float* from = x + i * kGroup;
    const __m512 a = _mm512_loadu_ps(from);
    const __m512 b = _mm512_loadu_ps(from + kLanes);
    const __m512 c = _mm512_loadu_ps(from + 2 * kLanes);
    const __m512 d = _mm512_loadu_ps(from + 3 * kLanes);
    const float low = _mm512_reduce_min_ps(_mm512_min_ps(_mm512_min_ps(a, b), _mm512_min_ps(c, d)));
    const float high = max_of(_mm512_max_ps(_mm512_max_ps(a, b), _mm512_max_ps(c, d)));
    const float step = (high - low) / 255.0F;
    out.step[i] = step;
    out.low[i] = low;
    const __m512 base = _mm512_set1_ps(low);
    const __m512 inverse = _mm512_set1_ps(step > 0 ? 1.0F / step : 0.0F);
    std::uint8_t* to = out.bytes + i * kGroup;
    const __m512 parts[4] = {a, b, c, d};
    for (const __m512 part : parts) {
      const __m512i whole = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_sub_ps(part, base), inverse));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtusepi32_epi8(whole));
      to += kLanes;
    }
  }
}

void multiply(const ByteRows& x, std::size_t rows, const PackedMatrix& weights, float* y) {
  // A panel stays in the nearest cache while all rows pass it.
  for (std::size_t column = 0; column < weights.out; column += kPanel) {
    std::size_t row = 0;
    for (; row + kRows <= rows; row += kRows) {
      multiply_tile<kRows>(x, row, weights, column, y);
    }
    for (; row + 3 <= rows; row += 3) {
      multiply_tile<3>(x, row, weights, column, y);
    }
    for (; row < rows; ++row) {
      multiply_tile<1>(x, row, weights, column, y);
    }
  }
}

void gelu(float* x, std::size_t count) {
  // erf by Abramowitz and Stegun 7.1.26, off by 1.5e-7 at most.
  for (std::size_t i = 0; i < count; i += kLanes) {
    const __m512 value = _mm512_loadu_ps(x + i);
    const __m512 z = _mm512_mul_ps(_mm512_abs_ps(value), _mm512_set1_ps(0.70710678F));
    const __m512 t = _mm512_div_ps(
        _mm512_set1_ps(1.0F), _mm512_fmadd_ps(z, _mm512_set1_ps(0.3275911F), _mm512_set1_ps(1.0F)));
    __m512 sum = _mm512_set1_ps(1.061405429F);
    sum = _mm512_fmadd_ps(sum, t, _mm512_set1_ps(-1.453152027F));
    sum = _mm512_fmadd_ps(sum, t, _mm512_set1_ps(1.421413741F));
    sum = _mm512_fmadd_ps(sum, t, _mm512_set1_ps(-0.284496736F));
    sum = _mm512_fmadd_ps(sum, t, _mm512_set1_ps(0.254829592F));
    const __m512 tail =
        _mm512_mul_ps(_mm512_mul_ps(sum, t),
                      exponential(_mm512_sub_ps(_mm512_setzero_ps(), _mm512_mul_ps(z, z))));
    // Phi is 1 - tail / 2 to the right of 0, and tail / 2 to the left.
    const __m512 half = _mm512_mul_ps(tail, _mm512_set1_ps(0.5F));
    const __mmask16 right = _mm512_cmp_ps_mask(value, _mm512_setzero_ps(), _CMP_GE_OQ);
    const __m512 phi = _mm512_mask_sub_ps(half, right, _mm512_set1_ps(1.0F), half);
    _mm512_storeu_ps(x + i, _mm512_mul_ps(value, phi));
  }
}

void add_and_normalise(float* x, const float* added, std::size_t rows, std::size_t width,
                       const float* weight, const float* bias, float epsilon) {
  const float share = 1.0F / static_cast<float>(width);
  for (std::size_t r = 0; r < rows; ++r, x += width, added += width) {
    __m512 sum = _mm512_setzero_ps();
    for (std::size_t i = 0; i < width; i += kLanes) {
      const __m512 value = _mm512_add_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(added + i));
      _mm512_storeu_ps(x + i, value);
      sum = _mm512_add_ps(sum, value);
    }
    const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) * share);
    __m512 square = _mm512_setzero_ps();
    for (std::size_t i = 0; i < width; i += kLanes) {
      const __m512 off = _mm512_sub_ps(_mm512_loadu_ps(x + i), mean);
      square = _mm512_fmadd_ps(off, off, square);
    }
    const float variance = _mm512_reduce_add_ps(square) * share;
    const __m512 scale =
        _mm512_div_ps(_mm512_set1_ps(1.0F), _mm512_sqrt_ps(_mm512_set1_ps(variance + epsilon)));
    for (std::size_t i = 0; i < width; i += kLanes) {
      const __m512 off = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x + i), mean), scale);
      _mm512_storeu_ps(
          x + i, _mm512_fmadd_ps(off, _mm512_loadu_ps(weight + i), _mm512_loadu_ps(bias + i)));
    }
  }
}

std::size_t attention_floats(std::size_t tokens, std::size_t head_width) {
  return (head_width + kRows) * padded_tokens(tokens);
}

void attend(const float* qkv, std::size_t tokens, std::size_t width, std::size_t heads,
            float* scratch, float* out) {
  if (width / heads == 2 * kLanes) {
    attend_with<2>(qkv, tokens, width, scratch, out);
  } else {
    attend_with<4>(qkv, tokens, width, scratch, out);
  }
}

}  // namespace lakehouse::ai::avx512
