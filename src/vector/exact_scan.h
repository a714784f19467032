#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "vector/row_set.h"

namespace lakehouse::vector {

/// A row that was found. The score is the cosine of the angle to the query, computed in fp32 from
/// the stored vector (whatever the way there was): 1 is the same direction.
struct Hit {
  Row row = 0;
  float score = 0;
  friend bool operator==(const Hit&, const Hit&) = default;
};

/// The order of every answer: higher scores first, among equals the lower row.
[[nodiscard]] inline bool better(const Hit& a, const Hit& b) {
  return a.score > b.score || (a.score == b.score && a.row < b.row);
}

/// One question of a batch. What it points to must outlive the call.
struct ScanQuery {
  std::span<const float> vector;
  std::uint32_t k = 10;
  const RowSet* filter = nullptr;  ///< Only these rows; null allows all.
  /// Rows that are good, for what is known: with k of them that are allowed the scan has less to
  /// do. Whatever they are, the answer is the same.
  std::span<const Row> start = {};
};

struct TableData;

/// Vectors in the order that they came, each normalised to length 1, with 8-bit codes beside them.
/// Searched exactly: a pass over the codes with a bound on their error, then fp32 for what the
/// bound leaves open. So the answer is that of an fp32 scan, always.
///
/// Searching is thread-safe; adding is not, and not beside searches.
class VectorTable {
 public:
  static constexpr std::uint32_t kDimensionsMax = 4096;
  static constexpr std::uint32_t kResultsMax = 10'000;

  /// `dimensions` from 1 to kDimensionsMax.
  explicit VectorTable(std::uint32_t dimensions);
  ~VectorTable();
  VectorTable(VectorTable&&) noexcept;
  VectorTable& operator=(VectorTable&&) noexcept;

  [[nodiscard]] std::uint32_t dimensions() const;
  [[nodiscard]] std::uint32_t size() const;
  /// Of its own memory; what lies in a mapped file does not count.
  [[nodiscard]] std::size_t memory_bytes() const;

  /// Appends whole rows, row-major; they need not be normalised. InvalidArgument, and nothing is
  /// added, if the length is no multiple of the dimensions or a row has no direction (zero, NaN,
  /// infinite): the message names its place in `rows`. ResourceExhausted beyond RowSet::kRowsMax.
  Status add(std::span<const float> rows);

  /// The stored vector, of length 1. `row` below size.
  [[nodiscard]] std::span<const float> vector(Row row) const;

  /// The best k of the allowed rows, or as many as there are. InvalidArgument if the query has
  /// other dimensions or no direction, or k is 0 or above kResultsMax. Stops within 100 ms of being
  /// cancelled.
  Result<std::vector<Hit>> search(const RequestContext& context, const ScanQuery& query) const;

  /// The same answers for many queries, up to 256 at once, scored together in one pass. Fails as a
  /// whole if one of them is wrong.
  Result<std::vector<std::vector<Hit>>> search(const RequestContext& context,
                                               std::span<const ScanQuery> queries) const;

  // For this module alone, which knows what that is.
  explicit VectorTable(std::unique_ptr<TableData> data);
  [[nodiscard]] const TableData& data() const { return *data_; }
  [[nodiscard]] TableData& data() { return *data_; }

 private:
  std::unique_ptr<TableData> data_;
};

}  // namespace lakehouse::vector
