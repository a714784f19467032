#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "vector/detail/encoder.h"
#include "vector/detail/pages.h"

namespace lakehouse::vector {

struct TableData;

/// Shorter codes of a table's rows. The vectors of one model lie for the most part in few
/// directions: a sketch is a row's code along these, and how long what it leaves is. Its product
/// with a query's is a bound: what the rest can add (Cauchy-Schwarz) is in it. Moved, not copied;
/// immutable once made.
class Sketch {
 public:
  /// Of a code's bytes, the last ones: lengths instead of coordinates.
  static constexpr std::size_t kLengths = 4;

  struct Parts {
    std::uint32_t length = 0;  ///< Bytes of a code.
    std::uint32_t size = 0;    ///< Rows.
    bool packed = false;       ///< In whole tiles, as sieves read them; else row after row.
    float rest_step = 0;       ///< What one unit is of the length outside of the directions,
    float error_step = 0;      ///< and of what the coordinates' codes leave.
    std::span<const float> directions;  ///< length - kLengths of them, each as long as a row.
    std::span<const std::uint8_t> codes;

    [[nodiscard]] std::size_t codes_bytes() const;
  };

  Sketch() = default;
  /// `directions`: orthonormal, at least `length - kLengths` of them; the first are used.
  static Result<Sketch> make(const RequestContext& context, const TableData& table,
                             std::span<const float> directions, std::uint32_t length, bool packed);
  /// Of a file: the codes stay where they are, the rest is copied.
  static Sketch open(const Parts& parts);

  [[nodiscard]] const Parts& parts() const { return parts_; }
  [[nodiscard]] std::size_t length() const { return parts_.length; }
  [[nodiscard]] const std::uint8_t* codes() const { return parts_.codes.data(); }
  [[nodiscard]] std::size_t memory_bytes() const;

  /// (product - bias) * scale + error is at least the cosine.
  [[nodiscard]] QueryCode encode(std::span<const float> unit) const;

 private:
  Status encode_rows(const RequestContext& context, const TableData& table);

  Parts parts_;
  std::vector<float> directions_;
  Pages own_;
};

/// What a scan looks at before it reads a code: a sketch of 64 bytes of every row, and of those
/// that can still be among the best then one of 128. So it reads a fifth of the bytes.
struct Sketches {
  static constexpr std::uint32_t kCoarseBytes = 64;
  static constexpr std::uint32_t kFineBytes = 128;
  /// What it costs to score a row by its fine sketch, and by its code, in 64 bytes of sieving
  /// (bench/vector).
  static constexpr std::uint32_t kFineCost = 15;
  static constexpr std::uint32_t kCodeCost = 50;

  Sketch coarse;  ///< Packed.
  Sketch fine;

  /// None if the rows are too few, or spread so evenly that it would not pay.
  static Result<Sketches> make(const RequestContext& context, const TableData& table);

  [[nodiscard]] bool empty() const { return coarse.length() == 0; }
  [[nodiscard]] std::size_t memory_bytes() const {
    return coarse.memory_bytes() + fine.memory_bytes();
  }
};

}  // namespace lakehouse::vector
