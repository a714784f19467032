#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "engine/engine.h"

/// \file
/// Results of `Encoding::Raw`: columns of a few thousand rows at a time, as they lie in memory. For
/// the server's own reading of numbers by the million, such as vectors.
///
/// On the wire, little-endian: {u64 bytes of the rest, u32 rows}, then of each column a byte that
/// says if there are NULLs, if so a byte for each row (1: there is a value), and
///   numbers:  a value for each row
///   text:     u32 bytes for each row, then the texts
///   FLOAT[], FLOAT[n]:  u32 elements for each row, then the elements; a NULL among them is NaN.

namespace lakehouse::engine {

/// One column of a batch.
class RawColumn {
 public:
  enum class Kind : std::uint8_t { Int8, Int16, Int32, Int64, Float, Double, Text, Floats };

  /// The kind of DuckDB's type of that name; Unimplemented if it has none. Unsigned numbers and
  /// BOOLEAN are of the signed kind of their width.
  static Result<Kind> kind_of(std::string_view type);
  [[nodiscard]] static std::size_t width_of(Kind kind);  ///< Of a number, or of an element.

  [[nodiscard]] bool is_null(std::size_t row) const { return !valid_.empty() && valid_[row] == 0; }
  /// Of an integer kind; 0 for NULL, as below.
  [[nodiscard]] std::int64_t integer(std::size_t row) const;
  [[nodiscard]] double number(std::size_t row) const;  ///< Of Float and Double.
  [[nodiscard]] std::string_view text(std::size_t row) const {
    return {data_.data() + offsets_[row], offsets_[row + 1] - offsets_[row]};
  }
  [[nodiscard]] std::span<const float> floats(std::size_t row) const;

 private:
  friend class RawReader;
  Kind kind_ = Kind::Int64;
  std::vector<char> valid_;
  std::vector<char> data_;
  std::vector<std::uint64_t> offsets_;  ///< Of Text in bytes, of Floats in elements; rows + 1.
};

struct RawBatch {
  std::size_t rows = 0;
  std::vector<RawColumn> columns;
};

/// Takes a stream apart. Not thread-safe; the stream outlives it.
class RawReader {
 public:
  /// Unimplemented for columns of other types.
  static Result<RawReader> over(ResultStream& stream);

  /// The next rows, at least one; nothing at the end. DataLoss if the bytes are no such rows;
  /// ResourceExhausted for a batch of more than 1 GiB.
  Result<std::optional<RawBatch>> next(const RequestContext& context);

 private:
  RawReader(ResultStream& stream, std::vector<RawColumn::Kind> kinds)
      : stream_(&stream), kinds_(std::move(kinds)) {}
  /// False at the end of the stream.
  Result<bool> fill(const RequestContext& context, std::size_t size_bytes);

  ResultStream* stream_;
  std::vector<RawColumn::Kind> kinds_;
  std::string bytes_;
};

}  // namespace lakehouse::engine
