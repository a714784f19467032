#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace lakehouse::vector {

/// The place of a row in one index: 0 to size - 1. Means nothing in another index.
using Row = std::uint32_t;

/// A set of rows of one index: what a filter allows, what is gone. Dense bits: one bit for each row
/// there is. A value. Safe to read from many threads.
class RowSet {
 public:
  /// Rows that an index may have at most.
  static constexpr std::uint32_t kRowsMax = std::uint32_t{1} << 30U;

  RowSet() = default;
  /// Nothing out of `size` rows.
  explicit RowSet(std::uint32_t size);
  static RowSet all(std::uint32_t size);
  /// Rows at or above `size` are left out; order and repetition do not matter.
  static RowSet of(std::uint32_t size, std::span<const Row> rows);

  /// How many rows the index has, not how many are in the set.
  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] std::uint32_t count() const { return count_; }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  /// False beyond the size.
  [[nodiscard]] bool contains(Row row) const {
    return row < size_ && (words_[row / 64] >> (row % 64) & 1U) != 0;
  }

  /// `row` below size.
  void add(Row row);
  void remove(Row row);
  /// Makes place for an index that has grown: the new rows are not in the set. Never shrinks.
  void grow(std::uint32_t size);

  // With a set of another size: rows that one of the two does not have are in neither's result,
  // except for unite, which takes the larger size.
  void intersect(const RowSet& other);
  void unite(const RowSet& other);
  void subtract(const RowSet& other);
  /// All rows of the index that are not in the set.
  void invert();

  /// Calls `visit(row)` in ascending order.
  template <class Visit>
  void each(Visit&& visit) const {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      for (std::uint64_t word = words_[i]; word != 0; word &= word - 1) {
        visit(static_cast<Row>(i * 64 + static_cast<std::size_t>(std::countr_zero(word))));
      }
    }
  }
  [[nodiscard]] std::vector<Row> rows() const;  ///< Ascending.
  /// 64 rows each, the lowest bit first; bits beyond the size are zero.
  [[nodiscard]] std::span<const std::uint64_t> words() const { return words_; }
  [[nodiscard]] std::size_t memory_bytes() const { return words_.size() * 8; }

  /// As a 64-bit Roaring bitmap in the portable form (base/roaring.h).
  [[nodiscard]] std::string serialize() const;
  /// DataLoss if `bytes` are no bitmap, or hold a row at or above `size`.
  static Result<RowSet> parse(std::string_view bytes, std::uint32_t size);

  friend bool operator==(const RowSet&, const RowSet&) = default;

 private:
  void recount();

  std::vector<std::uint64_t> words_;
  std::uint32_t size_ = 0;
  std::uint32_t count_ = 0;
};

}  // namespace lakehouse::vector
