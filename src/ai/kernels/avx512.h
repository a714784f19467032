#pragma once

#include <cstddef>
#include <cstdint>

/// \file
/// The arithmetic of a BERT encoder for processors with AVX-512 VNNI (Intel since 2019, AMD since
/// 2022). Compiled for them alone: call nothing here unless `has_avx512_vnni()`.

namespace lakehouse::ai {

/// Numbers that share one scale. Of the products of a row with a column, each group's is exact in
/// whole numbers, and the groups are added as floats: a scale a row would cost accuracy (a cosine
/// of 0.996 instead of 0.999 to float32), since a few dimensions are far larger than the others.
constexpr std::size_t kGroup = 64;
/// Columns of a matrix that are computed together.
constexpr std::size_t kPanel = 32;

/// A matrix of weights, `in` x `out`, in bytes. Packed in panels of kPanel columns; in a panel,
/// four rows of a column lie together.
struct PackedMatrix {
  std::size_t in = 0;   ///< A multiple of kGroup.
  std::size_t out = 0;  ///< A multiple of kPanel.
  const std::int8_t* values = nullptr;
  const float* scale = nullptr;  ///< [in / kGroup][out]
  const float* sums = nullptr;   ///< [in / kGroup][out]: of the weights that share a scale.
  const float* bias = nullptr;   ///< [out]
};

/// Rows of numbers in bytes: x = byte * step + low, for each group of a row.
struct ByteRows {
  std::uint8_t* bytes = nullptr;  ///< [rows][in]
  float* step = nullptr;          ///< [rows][in / kGroup]
  float* low = nullptr;           ///< likewise
};

bool has_avx512_vnni();

namespace avx512 {

void to_bytes(const float* x, std::size_t rows, std::size_t in, const ByteRows& out);

/// y = x W + bias, [rows][out].
void multiply(const ByteRows& x, std::size_t rows, const PackedMatrix& weights, float* y);

/// x becomes x * Phi(x), the exact GELU (by erf), to 1e-6.
void gelu(float* x, std::size_t count);

/// x becomes the layer's norm of x + added, row by row; `width` is a multiple of 16.
void add_and_normalise(float* x, const float* added, std::size_t rows, std::size_t width,
                       const float* weight, const float* bias, float epsilon);

/// Room that `attend` needs, in floats.
std::size_t attention_floats(std::size_t tokens, std::size_t head_width);

/// Attention within one text. `qkv` has rows of queries, keys and values, 3 * `width` together;
/// `out` has rows of `width`. `width / heads` is 32 or 64.
void attend(const float* qkv, std::size_t tokens, std::size_t width, std::size_t heads,
            float* scratch, float* out);

}  // namespace avx512
}  // namespace lakehouse::ai
