#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "vector/exact_scan.h"
#include "vector/text/delta.h"
#include "vector/text/image.h"

namespace lakehouse::vector {

/// BM25 with its usual constants, and the statistics that it needs.
struct Bm25 {
  static constexpr float kK1 = 1.2F;
  static constexpr float kB = 0.75F;

  float rows = 0;
  float mean_length = 1;

  [[nodiscard]] float idf(std::uint32_t rows_with) const;
  /// What a term adds, without its idf; grows with `count`, falls with `length`.
  [[nodiscard]] float part(std::uint32_t count, std::uint32_t length) const {
    const auto times = static_cast<float>(count < kCountMax ? count : kCountMax);
    const auto terms = static_cast<float>(length < kCountMax ? length : kCountMax);
    return times * (kK1 + 1) / (times + kK1 * (1 - kB + kB * terms / mean_length));
  }
};

/// What is searched: the rows of a file without those that are gone, and those in memory. Documents
/// are numbered through: rows of the file by themselves, then the slots.
struct TextRows {
  const TextImage* image = nullptr;         ///< May be null.
  const std::vector<bool>* gone = nullptr;  ///< Of the image; may be shorter than its rows.
  const TextDelta* delta = nullptr;
  const RowSet* allowed = nullptr;  ///< Null: all.
  Bm25 statistics;

  [[nodiscard]] std::uint32_t image_rows() const {
    return image == nullptr ? 0 : image->header().row_bound;
  }
  [[nodiscard]] std::size_t documents() const { return image_rows() + delta->slots().size(); }
  [[nodiscard]] Row row_of(std::uint32_t document) const {
    return document < image_rows() ? document : delta->slots()[document - image_rows()].row;
  }
};

/// A term of a query, found.
struct RankedTerm {
  std::optional<std::uint32_t> in_image;
  std::optional<std::uint32_t> in_delta;
  std::uint32_t place = 0;  ///< In the query: decides between equals.
  float weight = 0;         ///< Its idf times what the query gives it.
  float bound = 0;          ///< No document gets more by it.
};

/// A sum for each document, kept between searches: clearing what was touched is cheaper than
/// fresh pages.
struct Sums {
  std::vector<float> of;  ///< 0: not touched.
  std::vector<std::uint32_t> touched;
};

/// The best k. `terms` are put into another order.
Result<std::vector<Hit>> rank(const RequestContext& context, const TextRows& rows,
                              std::vector<RankedTerm>& terms, std::size_t k, Sums& sums);

}  // namespace lakehouse::vector
