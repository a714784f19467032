#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "vector/detail/encoder.h"
#include "vector/detail/pages.h"
#include "vector/detail/sketch.h"
#include "vector/exact_scan.h"

namespace lakehouse::vector {

/// What a table holds. The pointers lead into its own pages, or into a file's.
struct TableData {
  /// Rows that share one bound on the error of their codes.
  static constexpr std::uint32_t kBlockRows = 4096;

  explicit TableData(std::uint32_t dimensions_given)
      : dimensions(dimensions_given),
        stride((std::size_t{dimensions_given} + 15) / 16 * 16),
        encoder(dimensions_given) {}

  std::uint32_t dimensions;
  std::size_t stride;  ///< From vector to vector, in floats.
  Encoder encoder;
  std::uint32_t size = 0;
  const float* vectors = nullptr;
  const std::uint8_t* codes = nullptr;
  const float* residuals = nullptr;      ///< What each row's code leaves of it.
  std::vector<float> residuals_highest;  ///< Of each block.

  Sketches sketches;  ///< Of all rows, or none.

  Pages own_vectors;
  Pages own_codes;
  Pages own_residuals;

  /// The cosine of a unit query; -2 where stored bytes are no numbers.
  [[nodiscard]] float score(const float* unit, Row row) const;
  /// Begins to fetch what `score` reads.
  void prefetch(Row row) const {
    const float* vector = vectors + row * stride;
    for (std::size_t i = 0; i < stride; i += 16) {
      __builtin_prefetch(vector + i, 0, 2);
    }
  }
  /// How far the estimate from codes may be from `score`. `error`: the query's.
  [[nodiscard]] double bound(double error, double residual) const {
    // Products of lengths (Cauchy-Schwarz), and what fp32 rounds off.
    return residual + error * (1 + residual) + rounding();
  }
  [[nodiscard]] double rounding() const {
    return 1e-5 + 1.2e-7 * static_cast<double>(encoder.code_bytes());
  }
  /// Makes place for so many rows in its own pages.
  Status reserve(std::size_t rows);
  /// Takes over all rows of another of the same dimensions. It has none of its own.
  Status copy(const TableData& from);
  /// Takes the rows from `first` on into the blocks' bounds.
  void note_residuals(std::uint32_t first);
};

/// The query with length 1, padded like a row. InvalidArgument as VectorTable::search says.
Result<std::vector<float>> unit_query(std::span<const float> query, std::uint32_t dimensions,
                                      std::size_t stride);

/// InvalidArgument if k is none that a search takes.
Status check_k(std::uint32_t k);

/// A question as scans take it: made once, by the thread that asks.
struct PreparedQuery {
  std::vector<float> unit;  ///< Padded like a row.
  QueryCode code;
  QueryCode coarse;  ///< As `fine`: only where the table has sketches.
  QueryCode fine;
  std::uint32_t k = 0;
  const RowSet* filter = nullptr;  ///< As ScanQuery's.
  std::vector<Row> start;
};
/// InvalidArgument as VectorTable::search says.
Result<PreparedQuery> prepare_query(const TableData& table, const ScanQuery& query);

/// As VectorTable::search.
Result<std::vector<Hit>> scan_table(const RequestContext& context, const TableData& table,
                                    const PreparedQuery& query);
Result<std::vector<std::vector<Hit>>> scan_table(const RequestContext& context,
                                                 const TableData& table,
                                                 std::span<const PreparedQuery* const> queries);

}  // namespace lakehouse::vector
