#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "engine/engine.h"

namespace lakehouse::query {

/// Counters since the start, and what is held now.
struct ResultCacheStats {
  std::size_t bytes = 0;
  std::size_t bytes_max = 0;
  std::size_t entries = 0;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
};

/// Answers as they went to their callers, the last used ones. A key names all that an answer
/// depends on (the planned statement with its snapshots and policies, parameters, encoding, limit),
/// so what is found is never stale; `key_of` makes it.
///
/// Thread-safe.
class ResultCache {
 public:
  /// An answer takes at most a sixteenth of `bytes_max`; 0 keeps none.
  explicit ResultCache(std::size_t bytes_max);
  ~ResultCache();
  ResultCache(const ResultCache&) = delete;
  ResultCache& operator=(const ResultCache&) = delete;

  /// `plan_digest` stands for the statement's text and variables. Hexadecimal: an entity tag, too.
  static std::string key_of(std::string_view plan_digest, const engine::Statement& statement);

  /// The answer, from its begin; null if it is not there.
  std::unique_ptr<engine::ResultStream> find(const std::string& key);

  /// The same stream, which is kept under the key once it has ended well. May outlive the cache.
  std::unique_ptr<engine::ResultStream> keep(std::string key,
                                             std::unique_ptr<engine::ResultStream> stream);

  void clear();
  [[nodiscard]] ResultCacheStats stats() const;

 private:
  struct State;
  class Recording;
  class Replay;
  /// Shared with the streams that are out.
  std::shared_ptr<State> state_;
};

}  // namespace lakehouse::query
