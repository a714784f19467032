#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lakehouse::vector {

/// A query as the kernels take it.
struct QueryCode {
  std::vector<std::int8_t> bytes;  ///< As long as a row's code.
  std::int32_t bias = 0;           ///< 128 times the sum of the bytes.
  double scale = 0;                ///< (product - bias) * scale estimates the cosine.
  double error = 0;                ///< Length of what the code leaves of the query.
  /// What the bytes leave, in 256ths of their unit: with it the estimate has 16 bits of the query,
  /// (product - bias + (product of the rest - rest_bias) / 256) * scale. Not of sketches.
  std::vector<std::int8_t> rest;
  std::int32_t rest_bias = 0;
  double rest_error = 0;  ///< As `error`, of both.
};

/// Vectors of length 1 into codes of one byte for each dimension.
///
/// They are first turned in space, by the same random rotation for every index of these dimensions:
/// then all coordinates are alike whatever the model, one step size fits all rows, and products of
/// codes can be compared as integers. Immutable.
class Encoder {
 public:
  explicit Encoder(std::uint32_t dimensions);

  /// A multiple of 64, at least the dimensions.
  [[nodiscard]] std::size_t code_bytes() const { return length_; }

  /// The length of what a row's code leaves of it, as a rule.
  [[nodiscard]] double typical_error() const;

  /// Writes code_bytes(); returns the length of what the code leaves of the vector.
  float encode_row(std::span<const float> unit, std::uint8_t* code) const;
  [[nodiscard]] QueryCode encode_query(std::span<const float> unit) const;
  /// A row's code in the place of a query, into `out`.
  void row_as_query(const std::uint8_t* code, QueryCode& out) const;

 private:
  void rotate(std::span<const float> unit, std::span<float> out) const;

  std::uint32_t dimensions_;
  std::size_t length_;
  std::size_t power_;         ///< The largest power of two that is not above the length.
  float step_;                ///< What one unit of a row's code is.
  std::vector<float> signs_;  ///< One for each round and place.
};

}  // namespace lakehouse::vector
