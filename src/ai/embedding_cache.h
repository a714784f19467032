#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ai/model_service.h"

namespace lakehouse::ai {

/// Vectors of texts that were asked for before, by the model's version and the text's hash: what
/// people search for repeats. Thread-safe. The least recently used go when it is full.
///
/// What a job embeds is looked up, but not kept: it would push everything else out, and an index
/// keeps its own.
class EmbeddingCache {
 public:
  explicit EmbeddingCache(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}
  EmbeddingCache(const EmbeddingCache&) = delete;
  EmbeddingCache& operator=(const EmbeddingCache&) = delete;

  /// `embedder`, asked only for what is not here. The cache outlives it.
  std::shared_ptr<Embedder> in_front_of(std::shared_ptr<Embedder> embedder);

  struct Metrics {
    std::uint64_t hits = 0;  ///< Texts.
    std::uint64_t misses = 0;
    std::uint64_t bytes = 0;
    std::uint64_t entries = 0;
  };
  [[nodiscard]] Metrics metrics() const;

  using Key = std::string;  ///< 16 bytes.
  static Key key_of(std::string_view version, std::string_view text);
  /// Copies the row to `row` if it is there.
  bool find(const Key& key, std::span<float> row);
  void put(const Key& key, std::span<const float> row);

 private:
  struct Entry {
    Key key;
    std::vector<float> row;
  };
  static std::uint64_t bytes_of(const Entry& entry);

  const std::uint64_t bytes_max_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // The last used first; guarded by mutex_, as what follows.
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key_;
  Metrics metrics_;
};

}  // namespace lakehouse::ai
