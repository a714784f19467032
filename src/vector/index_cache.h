#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/request_context.h"
#include "storage/buckets.h"
#include "vector/index_spec.h"
#include "vector/loaded_index.h"

namespace lakehouse::vector {

IndexShape shape_of(const IndexInfo& info, const Generation& generation);

/// The indexes that are in memory: the least recently searched go when there are too many bytes.
/// Who still searches one keeps it alive. Thread-safe; calls may read files.
class IndexCache {
 public:
  struct Stats {
    std::uint64_t indexes = 0;
    std::uint64_t bytes = 0;
    std::uint64_t hits = 0;
    std::uint64_t loads = 0;
    std::uint64_t evictions = 0;
  };

  /// `lance` may be null: indexes that it keeps are searched without their files then.
  IndexCache(const storage::Buckets& buckets, LanceEngine* lance, Log& log, std::uint64_t bytes_max)
      : buckets_(buckets), lance_(lance), log_(log), bytes_max_(bytes_max) {}

  /// The generation as it was loaded, perhaps from older files: `sync` it. Loads it if it is not
  /// there; files that are missing or damaged are logged and done without.
  Result<std::shared_ptr<LoadedIndex>> get(const RequestContext& context, const IndexInfo& info,
                                           const Generation& generation);
  /// Loads its files anew if what is there is from others; those who search go on meanwhile. Does
  /// nothing for one that is not in memory.
  void follow(const RequestContext& context, const IndexInfo& info, const Generation& generation);
  void forget(const std::string& index_id);
  /// Indexes grow: lets the least recently used go if there are too many bytes now.
  void trim();
  [[nodiscard]] Stats stats() const;

 private:
  struct Entry {
    std::timed_mutex loading;
    std::shared_ptr<LoadedIndex> loaded;  ///< Under the cache's mutex.
    std::uint64_t used = 0;
  };
  using Key = std::pair<std::string, std::int64_t>;
  std::shared_ptr<LoadedIndex> load(const RequestContext& context, const IndexInfo& info,
                                    const Generation& generation);

  const storage::Buckets& buckets_;
  LanceEngine* lance_;
  Log& log_;
  const std::uint64_t bytes_max_;
  mutable std::mutex mutex_;
  std::map<Key, std::shared_ptr<Entry>> entries_;
  std::uint64_t clock_ = 0;
  Stats stats_;
};

}  // namespace lakehouse::vector
