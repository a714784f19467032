#include "vector/pinned_embeddings.h"

#include <utility>
#include <vector>

#include "vector/source_sql.h"

namespace lakehouse::vector {
namespace {

class Pinned final : public PinnedEmbeddings {
 public:
  Pinned(const IndexInfo& info, std::shared_ptr<LoadedIndex> loaded)
      : info_(info), loaded_(std::move(loaded)) {}

  Status take(const RequestContext& context) {
    const auto lock = loaded_->lock_shared();
    snapshot_id_ = loaded_->snapshot_id();
    rows_ = loaded_->alive().rows();
    if (rows_.size() == loaded_->size()) {
      vectors_ = loaded_->mapped_vectors();
    }
    if (!vectors_.empty()) {
      return {};
    }
    copied_.resize(rows_.size() * loaded_->shape().dimensions);
    LH_RETURN_IF_ERROR(loaded_->read_vectors(context, rows_, copied_));
    copied_rows_ = ChunkRows(loaded_->shape().has_text_keys);
    for (const Row row : rows_) {
      copied_rows_.add(loaded_->at(row));
    }
    vectors_ = copied_;
    return {};
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

Result<std::shared_ptr<const PinnedEmbeddings>> pin(const RequestContext& context,
                                                    const IndexInfo& info,
                                                    std::shared_ptr<LoadedIndex> loaded) {
  auto pinned = std::make_shared<Pinned>(info, std::move(loaded));
  LH_RETURN_IF_ERROR(pinned->take(context));
  return pinned;
}

}  // namespace lakehouse::vector
