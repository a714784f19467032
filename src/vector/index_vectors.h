#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "vector/index_spec.h"
#include "vector/row_set.h"
#include "vector/vector_index.h"

/// \file
/// The vectors of an index's files, whatever keeps them.

namespace lakehouse::vector {

/// Rows and what finds the nearest of them. Immutable, thread-safe.
class IndexVectors {
 public:
  struct Nearest {
    std::vector<Hit> hits;  ///< Best first; k of them whenever k rows are allowed.
    std::string method;     ///< "graph", "scan", "lance"...
  };

  virtual ~IndexVectors() = default;
  [[nodiscard]] virtual std::uint32_t size() const = 0;
  [[nodiscard]] virtual std::size_t memory_bytes() const = 0;
  /// The best k of the allowed rows (null: of all). `exact` scores every one of them; `ef` says how
  /// thorough it is otherwise.
  virtual Result<Nearest> nearest(const RequestContext& context, std::span<const float> query,
                                  std::uint32_t k, const RowSet* allowed, bool exact,
                                  std::uint32_t ef) const = 0;
  /// The vectors of those rows to `out`, one after the other. Rows are below size().
  virtual Status read(const RequestContext& context, std::span<const Row> rows,
                      std::span<float> out) const = 0;
  /// All vectors, row after row, if they lie in memory; else empty.
  [[nodiscard]] virtual std::span<const float> mapped() const { return {}; }
};

using FileProgress =
    std::function<void(std::uint64_t done, std::uint64_t total, std::string_view what)>;

/// Takes vectors and writes their files. Not thread-safe.
class IndexVectorsWriter {
 public:
  virtual ~IndexVectorsWriter() = default;
  /// The next row. InvalidArgument, and nothing is added, for one without a direction.
  virtual Status add(const RequestContext& context, std::span<const float> vector) = 0;
  /// The names of the files, which are in the folder that the writer was made with, complete.
  virtual Result<std::vector<std::string>> finish(const RequestContext& context,
                                                  const std::string& note,
                                                  const FileProgress& progress) = 0;
};

/// By our own graph, in the file `path`. DataLoss if that is not of `dimensions` or has another
/// note.
Result<std::unique_ptr<IndexVectors>> open_graph_vectors(const std::string& path,
                                                         std::uint32_t dimensions,
                                                         std::string_view note);
/// Writes the file `name` in `folder`.
Result<std::unique_ptr<IndexVectorsWriter>> make_graph_writer(const GraphSettings& graph,
                                                              std::uint32_t dimensions,
                                                              const std::string& folder,
                                                              const std::string& name);

}  // namespace lakehouse::vector
