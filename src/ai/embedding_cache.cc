#include "ai/embedding_cache.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"

namespace lakehouse::ai {
namespace {

constexpr std::size_t kKeyBytes = 16;
// A list's and a map's node, and what the allocator adds.
constexpr std::uint64_t kEntryBytes = 200;

class CachedEmbedder final : public Embedder {
 public:
  CachedEmbedder(EmbeddingCache& cache, std::shared_ptr<Embedder> behind)
      : cache_(cache), behind_(std::move(behind)) {}
  [[nodiscard]] const ModelInfo& info() const override { return behind_->info(); }

 private:
  Result<Embeddings> do_embed(const RequestContext& context,
                              std::span<const std::string_view> texts,
                              EmbedPriority priority) override {
    LH_RETURN_IF_ERROR(context.check());
    Embeddings rows{.dimensions = info().dimensions, .values = {}};
    if (texts.size() > kTextsMax) {
      return behind_->embed(context, texts, priority);  // It says what is wrong.
    }
    rows.values.resize(texts.size() * rows.dimensions);
    const auto row_of = [&](std::size_t i) {
      return std::span(rows.values).subspan(i * rows.dimensions, rows.dimensions);
    };
    std::vector<EmbeddingCache::Key> keys;
    std::vector<std::size_t> missing;
    std::vector<std::string_view> asked;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      keys.push_back(EmbeddingCache::key_of(info().version, texts[i]));
      if (!cache_.find(keys.back(), row_of(i))) {
        missing.push_back(i);
        asked.push_back(texts[i]);
      }
    }
    if (missing.empty()) {
      return rows;
    }
    LH_ASSIGN_OR_RETURN(const Embeddings fresh, behind_->embed(context, asked, priority));
    for (std::size_t k = 0; k < missing.size(); ++k) {
      std::ranges::copy(fresh.row(k), row_of(missing[k]).begin());
      if (priority == EmbedPriority::Interactive) {
        cache_.put(keys[missing[k]], fresh.row(k));
      }
    }
    return rows;
  }

  EmbeddingCache& cache_;
  std::shared_ptr<Embedder> behind_;
};

}  // namespace

EmbeddingCache::Key EmbeddingCache::key_of(std::string_view version, std::string_view text) {
  Sha256 hash;
  const char end = '\0';
  hash.update(std::as_bytes(std::span(version)));
  hash.update(std::as_bytes(std::span(&end, 1)));
  hash.update(std::as_bytes(std::span(text)));
  const Sha256::Digest digest = hash.finish();
  return {reinterpret_cast<const char*>(digest.data()), kKeyBytes};
}

std::uint64_t EmbeddingCache::bytes_of(const Entry& entry) {
  return kEntryBytes + entry.row.size() * sizeof(float);
}

std::shared_ptr<Embedder> EmbeddingCache::in_front_of(std::shared_ptr<Embedder> embedder) {
  if (bytes_max_ == 0) {
    return embedder;
  }
  return std::make_shared<CachedEmbedder>(*this, std::move(embedder));
}

bool EmbeddingCache::find(const Key& key, std::span<float> row) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end() || found->second->row.size() != row.size()) {
    ++metrics_.misses;
    return false;
  }
  ++metrics_.hits;
  entries_.splice(entries_.begin(), entries_, found->second);
  std::ranges::copy(found->second->row, row.begin());
  return true;
}

void EmbeddingCache::put(const Key& key, std::span<const float> row) {
  const std::lock_guard lock(mutex_);
  if (by_key_.contains(key)) {
    return;
  }
  entries_.push_front({.key = key, .row = {row.begin(), row.end()}});
  by_key_.emplace(entries_.front().key, entries_.begin());
  metrics_.bytes += bytes_of(entries_.front());
  while (metrics_.bytes > bytes_max_ && !entries_.empty()) {
    metrics_.bytes -= bytes_of(entries_.back());
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
  metrics_.entries = entries_.size();
}

EmbeddingCache::Metrics EmbeddingCache::metrics() const {
  const std::lock_guard lock(mutex_);
  return metrics_;
}

}  // namespace lakehouse::ai
