#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "vector/detail/pages.h"
#include "vector/detail/table_data.h"
#include "vector/vector_index.h"

namespace lakehouse::vector {

/// A row and how near it is to what is searched: higher is nearer. Comparable for one target only.
struct Neighbour {
  std::int32_t nearness = 0;
  Row row = 0;
};

/// What rows are compared with: a query, or another row.
struct Target {
  QueryCode code;
  std::vector<float> unit;  ///< Padded like a row.

  [[nodiscard]] std::span<const float> unit_of(std::uint32_t dimensions) const {
    return std::span(unit).first(dimensions);
  }
};

/// How near rows are, by their codes or in fp32.
class Space {
 public:
  Space(const TableData& table, Quantization quantization)
      : table_(table), codes_(quantization == Quantization::Int8) {}
  /// About how near, by their fine sketches: they are read in a third of the time. For targets that
  /// are queries.
  explicit Space(const TableData& sketched)
      : table_(sketched), codes_(true), sketch_(&sketched.sketches.fine) {}

  [[nodiscard]] Target target(std::vector<float> unit) const;
  void row_as_target(Row row, Target& out) const;
  void nearness(const Target& target, std::span<const Row> rows, std::int32_t* out) const;
  /// How much nearness can be wrong by: five standard deviations of a difference of two.
  [[nodiscard]] std::int32_t doubt(const Target& target) const;

 private:
  const TableData& table_;
  bool codes_;
  const Sketch* sketch_ = nullptr;
};

/// The links. Level 0 has all rows with up to 2m links each, a level above it those rows whose
/// level is as high, with up to m. A list is its length, then that many rows.
struct Graph {
  static constexpr std::uint32_t kLevelMax = 15;

  std::uint32_t m = 0;
  std::uint32_t size = 0;
  Row entry = 0;
  std::uint32_t top = 0;  ///< The entry's level.
  std::vector<std::uint8_t> levels;
  std::vector<std::uint32_t> upper_at;  ///< Which list of `upper` is a row's on level 1.
  Pages ground;
  Pages upper;

  [[nodiscard]] std::uint32_t links_max(std::uint32_t level) const {
    return level == 0 ? 2 * m : m;
  }
  [[nodiscard]] std::size_t ground_bytes() const { return std::size_t{size} * (2 * m + 1) * 4; }
  [[nodiscard]] std::size_t upper_bytes() const;
  [[nodiscard]] std::size_t list_at(Row row, std::uint32_t level) const {
    return level == 0 ? std::size_t{row} * (2 * m + 1)
                      : (std::size_t{upper_at[row]} + level - 1) * (m + 1);
  }
  [[nodiscard]] std::uint32_t* list(Row row, std::uint32_t level) const {
    return (level == 0 ? ground : upper).as<std::uint32_t>() + list_at(row, level);
  }
  /// Gives rows from the present size on their levels and empty lists.
  Status grow(std::uint32_t rows, std::uint64_t seed);
  /// DataLoss if a search could leave the graph: lists too long, links to rows that are not there.
  [[nodiscard]] Status check() const;
};

/// What one walk needs; kept from walk to walk. Not thread-safe.
class Walker {
 public:
  /// Where a walk begins.
  struct Entry {
    Row row = 0;
    std::uint32_t level = 0;
  };

  /// Nearest first. Valid until the next walk.
  [[nodiscard]] std::span<const Neighbour> found() const { return found_; }
  [[nodiscard]] std::uint64_t scored() const { return scored_; }

  // `locks`: those of a builder that has other threads link rows meanwhile.

  /// Steps to ever nearer rows on the levels from the entry's down to above `level`.
  Neighbour descend(const Graph& graph, const Space& space, const Target& target, Entry entry,
                    std::uint32_t level, std::mutex* locks);
  /// The `ef` nearest that a walk from `entries` finds on a level.
  void walk(const Graph& graph, const Space& space, const Target& target,
            std::span<const Neighbour> entries, std::uint32_t ef, std::uint32_t level,
            std::mutex* locks);
  /// The `ef` nearest rows of the filter, on level 0, through rows that are not in it. False if
  /// more than `scored_max` were scored: what was found is then not to be relied on.
  bool walk_filtered(const Graph& graph, const Space& space, const Target& target, Neighbour entry,
                     std::uint32_t ef, const RowSet& filter, std::uint64_t scored_max);

 private:
  void begin(std::uint32_t rows);
  void end();
  bool visit(Row row);
  void open(const Graph& graph, const Space& space, const Target& target, Row row,
            std::uint32_t level, std::mutex* locks);
  std::size_t insert(Neighbour neighbour, std::uint32_t ef);

  std::vector<Neighbour> found_;
  std::vector<Neighbour> frontier_;
  std::vector<Row> fresh_;  ///< Linked rows that were not visited before.
  std::vector<std::int32_t> nearness_;
  std::vector<std::uint64_t> visited_;
  std::vector<Row> touched_;
  std::uint64_t scored_ = 0;
};

/// Links rows into a graph. Its own memory is given back with it.
class GraphBuilder {
 public:
  static constexpr std::size_t kLocks = 4096;

  /// The graph has its full size.
  GraphBuilder(Graph& graph, const Space& space, std::uint32_t ef_construction);

  /// Computes what it needs of rows that were linked by another builder.
  Status recall(std::uint32_t linked);
  /// Links rows from `linked` on; on return `linked` says how many are. One call at a time.
  Status link(const RequestContext& context, std::uint32_t& linked, unsigned threads,
              const VectorIndexBuilder::Progress& progress);
  /// Makes every row reachable from the entry.
  Status connect_strays(const RequestContext& context);

 private:
  /// What a thread needs.
  struct Worker {
    Walker walker;
    Target target;
    Target other;
    std::vector<Neighbour> entries;
    std::vector<Neighbour> links;
    std::vector<Neighbour> candidates;  ///< What `select` chooses from, and what it chose.
    std::vector<Neighbour> kept;
    std::vector<Row> kept_rows;
    std::vector<std::int32_t> nearness;
  };

  void insert(Row row, Worker& worker, std::mutex* locks);
  void link_level(Row row, std::uint32_t level, Worker& worker, std::mutex* locks);
  void link_back(Row from, Neighbour to, std::uint32_t level, Worker& worker, std::mutex* locks);
  void select(Worker& worker, std::size_t wanted) const;
  void write(Row row, std::uint32_t level, std::span<const Neighbour> links);
  void adopt(Row row, std::span<const Neighbour> found);
  [[nodiscard]] std::int32_t* nearness_of(Row row, std::uint32_t level);

  Graph& graph_;
  const Space& space_;
  std::uint32_t ef_;
  Pages ground_nearness_;  ///< Of each link to its row, in the order of the lists.
  Pages upper_nearness_;
  Status memory_;
  std::vector<std::mutex> locks_;  ///< Each for every 4096th row.
  std::mutex entry_mutex_;
};

}  // namespace lakehouse::vector
