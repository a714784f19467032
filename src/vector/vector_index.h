#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "vector/exact_scan.h"
#include "vector/row_set.h"

/// \file
/// The nearest vectors by a graph (HNSW: Malkov and Yashunin 2018). The graph is walked on codes of
/// 8 bits, what is found is scored again in fp32.

namespace lakehouse::vector {

/// What the graph is walked on. Answers are scored in fp32 either way.
enum class Quantization : std::uint8_t {
  Int8,  ///< A byte for each dimension: four times as fast and as small.
  None,  ///< fp32.
};
[[nodiscard]] std::string_view to_string(Quantization quantization);  ///< "int8", "none".
/// InvalidArgument if there is none of that name.
Result<Quantization> quantization_named(std::string_view name);

/// How an index is built. A value; stored in the file.
struct IndexOptions {
  static constexpr std::uint32_t kMMax = 128;
  static constexpr std::uint32_t kEfMax = 4096;

  std::uint32_t dimensions = 0;  ///< 1 to VectorTable::kDimensionsMax.
  std::uint32_t m = 16;  ///< Links of a node in the upper layers, twice that below; 2 to kMMax.
  std::uint32_t ef_construction = 200;  ///< 1 to kEfMax.
  Quantization quantization = Quantization::Int8;
  std::uint64_t seed = 1;  ///< The same rows, seed and one thread make the same index.

  /// InvalidArgument with the member's name if a number is out of its range.
  [[nodiscard]] Status check() const;
  friend bool operator==(const IndexOptions&, const IndexOptions&) = default;
};

struct SearchOptions {
  std::uint32_t k = 10;
  /// Width of the walk: higher finds more and takes longer. 0: the index's default. At least k is
  /// used.
  std::uint32_t ef = 0;
  /// Only these rows; null allows all. Rows above its size are not allowed.
  const RowSet* filter = nullptr;
  /// Recall 1 at the price of a scan.
  bool exact = false;
};

/// How an answer was found; for logs, tests and `explain`.
enum class SearchMethod : std::uint8_t {
  Graph,          ///< The graph, no filter.
  FilteredGraph,  ///< The graph, through rows that are not allowed to those that are.
  Scan,           ///< Every allowed row was scored.
};
[[nodiscard]] std::string_view to_string(
    SearchMethod method);  ///< "graph", "filtered_graph", "scan".

struct SearchAnswer {
  std::vector<Hit> hits;  ///< Best first; k of them whenever k rows are allowed.
  SearchMethod method = SearchMethod::Graph;
  std::uint64_t scored = 0;  ///< Rows that were compared with the query.
};

/// Vectors and the graph over them. Made by VectorIndexBuilder or from a file. Immutable,
/// thread-safe.
class VectorIndex {
 public:
  static constexpr std::uint32_t kEfSearch = 64;
  static constexpr std::size_t kNoteBytesMax = std::size_t{1} << 20U;

  ~VectorIndex();

  /// Maps a file that `save` wrote. Fast: reads the header and the graph's frame, and in the
  /// background of later searches what they touch. Whatever the bytes are, no search reads outside
  /// of them or runs endlessly. DataLoss if it is no such file, was cut or its header or graph fail
  /// their sums; FailedPrecondition if its version is unknown; NotFound, or Unavailable on I/O
  /// errors.
  static Result<std::unique_ptr<VectorIndex>> open(const std::string& path);
  /// Reads the whole file and compares all sums: DataLoss if a byte changed.
  [[nodiscard]] Status verify(const RequestContext& context) const;
  /// Touches all pages that searches need most (codes and graph), so that the first is as fast as
  /// the next.
  Status warm(const RequestContext& context) const;

  /// Writes the file whole and durable (a temporary beside it, fsync, rename). ResourceExhausted if
  /// the disk is full.
  Status save(const std::string& path) const;

  [[nodiscard]] const IndexOptions& options() const;
  [[nodiscard]] std::uint32_t size() const;
  /// The text that the builder was given: what the index covers, in its owner's words.
  [[nodiscard]] std::string_view note() const;
  /// Own memory, and what of the mapped file searches use constantly (codes and graph).
  [[nodiscard]] std::size_t memory_bytes() const;
  [[nodiscard]] std::size_t file_bytes() const;  ///< 0 if it came from no file.
  [[nodiscard]] const VectorTable& table() const;

  /// The best k of the allowed rows. Chooses between graph and scan by what they are expected to
  /// cost, and ends with a scan where the graph finds too little. InvalidArgument as
  /// VectorTable::search, and if ef is above IndexOptions::kEfMax.
  Result<SearchAnswer> search(const RequestContext& context, std::span<const float> query,
                              const SearchOptions& options) const;

  /// As VectorTable::search, and quicker: a glance at the graph tells where the best are, about.
  Result<std::vector<std::vector<Hit>>> scan(const RequestContext& context,
                                             std::span<const ScanQuery> queries) const;

 private:
  friend class VectorIndexBuilder;
  struct Impl;
  explicit VectorIndex(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Makes an index, or a larger one from one that there is. Not thread-safe (builds with threads of
/// its own). Memory: 1.25 times the vectors, and the links.
class VectorIndexBuilder {
 public:
  /// InvalidArgument if the options are wrong.
  static Result<std::unique_ptr<VectorIndexBuilder>> create(const IndexOptions& options);
  /// Begins with what `base` has (copied; the options are its own): rows keep their numbers, new
  /// ones follow.
  static Result<std::unique_ptr<VectorIndexBuilder>> extend(const VectorIndex& base);
  ~VectorIndexBuilder();

  /// Appends rows as VectorTable::add does. They are linked by `build`.
  Status add(std::span<const float> rows);
  [[nodiscard]] std::uint32_t size() const;

  /// Called with (rows linked, rows to link) about ten times a second, by one thread at a time.
  using Progress = std::function<void(std::uint32_t done, std::uint32_t total)>;

  /// Links all rows and hands the index over; the builder is empty then and may only be destroyed.
  /// `threads` from 1 to 64. Cancelled or DeadlineExceeded within 100 ms of the context's wish; it
  /// may be called again then and goes on where it was. InvalidArgument if the note is too long.
  Result<std::unique_ptr<VectorIndex>> build(const RequestContext& context, std::string note = {},
                                             unsigned threads = 1, const Progress& progress = {});

 private:
  struct Impl;
  explicit VectorIndexBuilder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lakehouse::vector
