#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

/// \file
/// Sets of 64-bit numbers as Roaring bitmaps. Source: the Roaring format specification, "Extension
/// for 64-bit implementations" (the portable format that Iceberg's deletion vectors hold). Numbers
/// of 2^63 and more are refused, as deletion vectors refuse them.

namespace lakehouse {

/// A serialized bitmap, asked without being unpacked. A view: the bytes must outlive it.
/// Immutable.
class RoaringView {
 public:
  RoaringView() = default;

  /// Reads the headers only: then no question reads outside of `bytes`, whatever they hold.
  /// DataLoss if they are no bitmap. Linear in the containers (65,536 numbers each).
  static Result<RoaringView> open(std::string_view bytes);

  /// DataLoss if a container is not as its header says: numbers out of order, another cardinality.
  /// Linear in the bytes.
  [[nodiscard]] Status check() const;

  [[nodiscard]] bool contains(std::uint64_t number) const;
  /// By the headers.
  [[nodiscard]] std::uint64_t cardinality() const { return cardinality_; }
  /// The highest number there is, by its container; nothing in an empty set. Needs `check`.
  [[nodiscard]] std::optional<std::uint64_t> highest() const;

 private:
  friend class RoaringSet;
  enum class Form : std::uint8_t { Array, Bitset, Runs };
  struct Container {
    std::uint64_t high = 0;         ///< The number without its lowest 16 bits.
    std::uint32_t cardinality = 0;  ///< 1 to 65,536.
    Form form = Form::Array;
    std::string_view bytes;  ///< Without the count of runs.
  };
  static Status check_container(const Container& container);

  std::vector<Container> containers_;  ///< Ascending.
  std::uint64_t cardinality_ = 0;
};

/// A set that grows, and its serialized form. A value. Not thread-safe.
class RoaringSet {
 public:
  /// What a bitmap that is read may take unpacked: small ones can hold long runs.
  static constexpr std::size_t kUnpackedBytesMax = std::size_t{256} << 20U;

  /// DataLoss if `bytes` are no bitmap; ResourceExhausted if it is too large unpacked.
  static Result<RoaringSet> parse(std::string_view bytes);
  /// In the smallest form of each container; the same for the same set.
  [[nodiscard]] std::string serialize() const;

  /// `number` below 2^63.
  void add(std::uint64_t number);
  void merge(const RoaringSet& other);
  [[nodiscard]] bool contains(std::uint64_t number) const;
  [[nodiscard]] bool empty() const { return chunks_.empty(); }
  [[nodiscard]] std::uint64_t cardinality() const;
  [[nodiscard]] std::vector<std::uint64_t> numbers() const;  ///< Ascending.

  friend bool operator==(const RoaringSet&, const RoaringSet&) = default;

 private:
  /// The numbers with one `high`: a sorted list of the low halves while they are few, else a bit
  /// for each of 65,536.
  struct Chunk {
    std::vector<std::uint16_t> list;
    std::vector<std::uint64_t> bits;
    std::uint32_t count = 0;

    void add(std::uint16_t low);
    [[nodiscard]] bool contains(std::uint16_t low) const;
    void to_bits();
    template <class Each>
    void each(Each&& visit) const;
    friend bool operator==(const Chunk&, const Chunk&) = default;
  };
  static void append_bitmap(std::string& out,
                            const std::vector<std::pair<std::uint16_t, const Chunk*>>& chunks);

  std::map<std::uint64_t, Chunk> chunks_;
};

}  // namespace lakehouse
