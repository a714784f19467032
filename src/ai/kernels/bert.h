#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ai/kernels/avx512.h"
#include "base/error.h"

namespace lakehouse::ai {

/// A BERT encoder's numbers, as its file has them. Matrices are [in][out], row by row.
struct BertWeights {
  struct Linear {
    std::span<const float> matrix;
    std::span<const float> bias;
  };
  struct Norm {
    std::span<const float> weight;
    std::span<const float> bias;
  };
  struct Layer {
    Linear query, key, value, attention;
    Norm attention_norm;
    Linear intermediate, output;
    Norm output_norm;
  };

  std::size_t width = 0;
  std::size_t heads = 0;
  std::span<const float> words;      ///< [vocabulary][width]
  std::span<const float> positions;  ///< [tokens_max][width]
  std::span<const float> types;      ///< [types][width]
  Norm embedding_norm;
  std::vector<Layer> layers;
  float epsilon = 1e-12F;

  /// InvalidArgument, with what does not fit, unless this is an encoder that `Bert` can run.
  [[nodiscard]] Status check() const;
};

/// Runs a BERT encoder in bytes (8 bits a weight, 8 bits an activation, a scale for each 64), for
/// processors with AVX-512 VNNI. Immutable, so thread-safe.
///
/// Texts of a batch lie one after the other, so none is padded.
class Bert {
 public:
  /// `weights.check()` holds, and `has_avx512_vnni()`. Keeps no reference to `weights`.
  explicit Bert(const BertWeights& weights);

  [[nodiscard]] std::size_t width() const { return width_; }
  [[nodiscard]] std::size_t tokens_max() const { return positions_.size() / width_; }
  [[nodiscard]] std::size_t vocabulary() const { return words_.size() / width_; }

  struct Text {
    std::span<const std::int32_t> ids;
    std::span<const std::uint8_t> types;
  };
  /// One thread's room; grows to what was needed.
  struct Room {
    std::vector<float> rows, qkv, mixed, wide, scratch, step, low;
    std::vector<std::uint8_t> bytes;
  };
  /// The last layer's vectors of all tokens, text after text, in `room.rows`. InvalidArgument for a
  /// text that is empty or too long, or a token that there is not.
  Status run(std::span<const Text> texts, Room& room) const;

 private:
  /// A matrix and what it points to.
  struct Linear {
    std::vector<std::int8_t> values;
    std::vector<float> scale, sums, bias;
    PackedMatrix packed;
  };
  struct Norm {
    std::vector<float> weight, bias;
  };
  struct Layer {
    Linear qkv, attention, intermediate, output;
    Norm attention_norm, output_norm;
  };

  static Linear pack(std::span<const BertWeights::Linear* const> parts, std::size_t in);
  Status embed(std::span<const Text> texts, Room& room) const;
  void run_layer(const Layer& layer, std::span<const Text> texts, std::size_t tokens,
                 Room& room) const;
  static void multiply(const float* x, std::size_t rows, const Linear& linear, Room& room,
                       float* y);

  std::size_t width_;
  std::size_t heads_;
  float epsilon_;
  std::vector<float> words_, positions_, types_;
  Norm embedding_norm_;
  std::vector<std::unique_ptr<Layer>> layers_;
};

}  // namespace lakehouse::ai
