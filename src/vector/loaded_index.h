#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "iceberg/table_metadata.h"
#include "query/query_service.h"
#include "vector/chunk_rows.h"
#include "vector/exact_scan.h"
#include "vector/index_spec.h"
#include "vector/index_vectors.h"
#include "vector/row_set.h"
#include "vector/text_index.h"

namespace lakehouse::vector {

class LanceEngine;

/// Where an index's files are, on this machine. Empty paths: there are none.
struct IndexPaths {
  std::string vectors;  ///< Of Lance a folder.
  std::string chunks;
  std::string words;
};

/// What of an index never changes.
struct IndexShape {
  std::string embeddings;  ///< The dataset of its chunks.
  std::string principal;   ///< In whose name it is read.
  std::uint32_t dimensions = 0;
  bool has_text_keys = false;
  Backend backend = Backend::Hnsw;
};

/// True if every snapshot after `from` up to the current one only rewrote the same rows, and `from`
/// is among its parents.
[[nodiscard]] bool only_rewritten_since(const iceberg::TableMetadata& metadata, std::int64_t from);

/// A generation of an index in memory: the base, which its files hold, and the tail, which is in
/// no file yet and is scanned exactly. Rows of the tail follow those of the base. Which rows there
/// are, its embeddings say: `sync` follows them.
///
/// Thread-safe: readers hold `lock_shared` while they use rows, `sync` changes them meanwhile for
/// nobody. Row sets of one `epoch` fit each other.
class LoadedIndex {
 public:
  explicit LoadedIndex(IndexShape shape);
  /// With a base that covers the embeddings' snapshot. DataLoss if the files do not fit each other.
  /// `lance` is for indexes that it keeps.
  static Result<std::unique_ptr<LoadedIndex>> open(const RequestContext& context, IndexShape shape,
                                                   const IndexPaths& paths, std::string file,
                                                   std::int64_t snapshot_id, LanceEngine* lance);
  ~LoadedIndex();

  /// Makes the rows those of the table's current snapshot. Quick if they are already; else reads
  /// which chunks there are, and the vectors of those that are new.
  Status sync(const RequestContext& context, query::QueryService& queries,
              const iceberg::TableMetadata& embeddings);

  [[nodiscard]] std::shared_lock<std::shared_mutex> lock_shared() const {
    return std::shared_lock(mutex_);
  }

  // With the lock held.

  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  [[nodiscard]] std::int64_t snapshot_id() const { return snapshot_id_.value_or(0); }
  [[nodiscard]] std::uint32_t size() const { return base_size_ + tail_rows_.size(); }
  [[nodiscard]] std::uint32_t tail_size() const { return tail_rows_.size(); }
  [[nodiscard]] const RowSet& alive() const { return alive_; }
  [[nodiscard]] ChunkView at(Row row) const {
    return row < base_size_ ? base_rows_->at(row) : tail_rows_.at(row - base_size_);
  }
  template <class Visit>
  void each_of(const KeyView& key, Visit&& visit) const {
    if (base_rows_ != nullptr) {
      base_rows_->each_of(key, visit);
    }
    tail_rows_.each_of(key, [&](Row row) { visit(row + base_size_); });
  }
  /// The rows' vectors to `out`, one after the other.
  Status read_vectors(const RequestContext& context, std::span<const Row> rows,
                      std::span<float> out) const;
  /// All vectors, if there is no tail and they lie in memory; else empty.
  [[nodiscard]] std::span<const float> mapped_vectors() const;

  using Nearest = IndexVectors::Nearest;
  /// The nearest of the allowed rows; null: of all that are alive.
  Result<Nearest> nearest(const RequestContext& context, std::span<const float> query,
                          std::uint32_t k, const RowSet* allowed, bool exact,
                          std::uint32_t ef) const;
  Result<std::vector<Hit>> by_words(const RequestContext& context, const TextQuery& query) const;

  // At any time.

  [[nodiscard]] const IndexShape& shape() const { return shape_; }
  /// The location of the files that the base is from; empty if there are none.
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] std::uint64_t memory_bytes() const { return memory_bytes_; }

 private:
  struct Missing;
  Result<Missing> compare(const RequestContext& context, query::QueryService& queries,
                          std::int64_t snapshot_id) const;
  Status fetch(const RequestContext& context, query::QueryService& queries,
               std::int64_t snapshot_id, Missing& missing) const;
  Status apply(Missing& missing, std::int64_t snapshot_id);
  void note_memory();

  IndexShape shape_;
  std::string file_;
  std::unique_ptr<IndexVectors> base_;
  std::unique_ptr<ChunkFile> base_rows_;
  std::uint32_t base_size_ = 0;
  VectorTable tail_;
  ChunkRows tail_rows_;
  std::unique_ptr<TextIndex> words_;
  RowSet alive_;
  std::uint64_t epoch_ = 0;
  std::optional<std::int64_t> snapshot_id_;
  std::atomic<std::uint64_t> memory_bytes_ = 0;
  mutable std::shared_mutex mutex_;
  std::timed_mutex sync_mutex_;
};

}  // namespace lakehouse::vector
