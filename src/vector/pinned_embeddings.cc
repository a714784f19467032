#include "vector/pinned_embeddings.h"

#include <utility>
#include <vector>

#include "vector/source_sql.h"

namespace lakehouse::vector {
namespace {

class Pinned final : public PinnedEmbeddings {
 public:
  Pinned(const IndexInfo& info, std::shared_ptr<LoadedIndex> loaded)
      : info_(info), loaded_(std::move(loaded)) {
    const auto lock = loaded_->lock_shared();
    snapshot_id_ = loaded_->snapshot_id();
    rows_ = loaded_->alive().rows();
    const std::size_t dimensions = loaded_->shape().dimensions;
    const bool is_mapped = loaded_->tail_size() == 0 && rows_.size() == loaded_->size() &&
                           !rows_.empty() &&
                           loaded_->vector(loaded_->size() - 1).data() ==
                               loaded_->vector(0).data() + dimensions * (rows_.size() - 1);
    if (is_mapped) {
      vectors_ = {loaded_->vector(0).data(), dimensions * rows_.size()};
      return;
    }
    copied_.reserve(dimensions * rows_.size());
    copied_rows_ = ChunkRows(loaded_->shape().has_text_keys);
    for (const Row row : rows_) {
      const auto vector = loaded_->vector(row);
      copied_.insert(copied_.end(), vector.begin(), vector.end());
      copied_rows_.add(loaded_->at(row));
    }
    vectors_ = copied_;
  }

  [[nodiscard]] std::size_t size() const override { return rows_.size(); }
  [[nodiscard]] std::uint32_t dimensions() const override { return loaded_->shape().dimensions; }
  [[nodiscard]] std::span<const float> vectors() const override { return vectors_; }
  [[nodiscard]] boost::json::value key(std::size_t row) const override {
    return key_json(chunk_at(row).key, loaded_->shape().has_text_keys);
  }
  [[nodiscard]] std::uint32_t chunk(std::size_t row) const override { return chunk_at(row).chunk; }
  [[nodiscard]] std::string_view text(std::size_t row) const override { return chunk_at(row).text; }
  [[nodiscard]] std::int64_t embeddings_snapshot_id() const override { return snapshot_id_; }
  [[nodiscard]] std::int64_t source_snapshot_id() const override {
    return info_.current().source_snapshot_id.value_or(0);
  }
  [[nodiscard]] const IndexInfo& info() const override { return info_; }

 private:
  /// Of the files, which never change, or of the copy.
  [[nodiscard]] ChunkView chunk_at(std::size_t row) const {
    return copied_.empty() ? loaded_->at(static_cast<Row>(row))
                           : copied_rows_.at(static_cast<Row>(row));
  }

  IndexInfo info_;
  std::shared_ptr<LoadedIndex> loaded_;
  std::int64_t snapshot_id_ = 0;
  std::vector<Row> rows_;
  std::vector<float> copied_;
  ChunkRows copied_rows_{false};
  std::span<const float> vectors_;
};

}  // namespace

std::shared_ptr<const PinnedEmbeddings> pin(const IndexInfo& info,
                                            std::shared_ptr<LoadedIndex> loaded) {
  return std::make_shared<Pinned>(info, std::move(loaded));
}

}  // namespace lakehouse::vector
