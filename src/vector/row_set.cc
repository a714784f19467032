#include "vector/row_set.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/roaring.h"

namespace lakehouse::vector {

namespace {

constexpr std::uint64_t kAllBits = ~std::uint64_t{0};

std::size_t words_for(std::uint32_t size) {
  return (std::size_t{size} + 63) / 64;
}

/// The bits of the last word that are rows.
std::uint64_t last_mask(std::uint32_t size) {
  return size % 64 == 0 ? kAllBits : (std::uint64_t{1} << (size % 64)) - 1;
}

}  // namespace

RowSet::RowSet(std::uint32_t size) : words_(words_for(size), 0), size_(size) {}

RowSet RowSet::all(std::uint32_t size) {
  RowSet set(size);
  set.invert();
  return set;
}

RowSet RowSet::of(std::uint32_t size, std::span<const Row> rows) {
  RowSet set(size);
  for (const Row row : rows) {
    if (row < size) {
      set.words_[row / 64] |= std::uint64_t{1} << (row % 64);
    }
  }
  set.recount();
  return set;
}

void RowSet::add(Row row) {
  std::uint64_t& word = words_[row / 64];
  const std::uint64_t bit = std::uint64_t{1} << (row % 64);
  count_ += (word & bit) == 0 ? 1U : 0U;
  word |= bit;
}

void RowSet::remove(Row row) {
  std::uint64_t& word = words_[row / 64];
  const std::uint64_t bit = std::uint64_t{1} << (row % 64);
  count_ -= (word & bit) != 0 ? 1U : 0U;
  word &= ~bit;
}

void RowSet::grow(std::uint32_t size) {
  if (size > size_) {
    words_.resize(words_for(size), 0);
    size_ = size;
  }
}

void RowSet::intersect(const RowSet& other) {
  const std::size_t shared = std::min(words_.size(), other.words_.size());
  for (std::size_t i = 0; i < shared; ++i) {
    words_[i] &= other.words_[i];
  }
  std::fill(words_.begin() + static_cast<std::ptrdiff_t>(shared), words_.end(), 0);
  recount();
}

void RowSet::unite(const RowSet& other) {
  grow(other.size_);
  for (std::size_t i = 0; i < other.words_.size(); ++i) {
    words_[i] |= other.words_[i];
  }
  recount();
}

void RowSet::subtract(const RowSet& other) {
  const std::size_t shared = std::min(words_.size(), other.words_.size());
  for (std::size_t i = 0; i < shared; ++i) {
    words_[i] &= ~other.words_[i];
  }
  recount();
}

void RowSet::invert() {
  for (std::uint64_t& word : words_) {
    word = ~word;
  }
  if (!words_.empty()) {
    words_.back() &= last_mask(size_);
  }
  recount();
}

std::vector<Row> RowSet::rows() const {
  std::vector<Row> rows;
  rows.reserve(count_);
  each([&](Row row) { rows.push_back(row); });
  return rows;
}

void RowSet::recount() {
  std::size_t count = 0;
  for (const std::uint64_t word : words_) {
    count += static_cast<std::size_t>(std::popcount(word));
  }
  count_ = static_cast<std::uint32_t>(count);
}

std::string RowSet::serialize() const {
  RoaringSet roaring;
  each([&](Row row) { roaring.add(row); });
  return roaring.serialize();
}

Result<RowSet> RowSet::parse(std::string_view bytes, std::uint32_t size) {
  LH_ASSIGN_OR_RETURN(const RoaringSet roaring, RoaringSet::parse(bytes));
  RowSet set(size);
  for (const std::uint64_t row : roaring.numbers()) {
    if (row >= size) {
      return fail(ErrorCode::DataLoss,
                  fmt::format("the set holds row {} of an index of {} rows", row, size));
    }
    set.add(static_cast<Row>(row));
  }
  return set;
}

}  // namespace lakehouse::vector
