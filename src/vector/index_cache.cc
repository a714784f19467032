#include "vector/index_cache.h"

#include <chrono>

#include <fmt/format.h>

#include "vector/index_files.h"

namespace lakehouse::vector {

IndexShape shape_of(const IndexInfo& info, const Generation& generation) {
  return {generation.embeddings, info.principal, generation.dimensions,
          info.key_type == KeyType::String || info.key_type == KeyType::Uuid, info.backend};
}

std::shared_ptr<LoadedIndex> IndexCache::load(const RequestContext& context, const IndexInfo& info,
                                              const Generation& generation) {
  const IndexShape shape = shape_of(info, generation);
  if (!generation.file.empty() && generation.file_snapshot_id) {
    const auto paths = index_paths(buckets_, shape.backend, generation.file);
    auto loaded = paths ? LoadedIndex::open(context, shape, *paths, generation.file,
                                            *generation.file_snapshot_id, lance_)
                        : Result<std::unique_ptr<LoadedIndex>>(std::unexpected(paths.error()));
    if (loaded) {
      return *std::move(loaded);
    }
    log_.write(LogLevel::Warn, "vector",
               fmt::format("index '{}' is searched without its files until they are made anew: {}",
                           info.name, loaded.error().message));
  }
  return std::make_shared<LoadedIndex>(shape);
}

Result<std::shared_ptr<LoadedIndex>> IndexCache::get(const RequestContext& context,
                                                     const IndexInfo& info,
                                                     const Generation& generation) {
  std::shared_ptr<Entry> entry;
  {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<Entry>& at = entries_[{info.id, generation.number}];
    if (at == nullptr) {
      at = std::make_shared<Entry>();
    }
    entry = at;
    entry->used = ++clock_;
    if (entry->loaded != nullptr) {
      ++stats_.hits;
      return entry->loaded;
    }
  }
  std::unique_lock turn(entry->loading, std::defer_lock);
  while (!turn.try_lock_for(std::chrono::milliseconds(50))) {
    LH_RETURN_IF_ERROR(context.check());
  }
  {
    const std::lock_guard lock(mutex_);
    if (entry->loaded != nullptr) {
      return entry->loaded;
    }
  }
  std::shared_ptr<LoadedIndex> loaded = load(context, info, generation);
  {
    const std::lock_guard lock(mutex_);
    entry->loaded = loaded;
    ++stats_.loads;
  }
  trim();
  return loaded;
}

void IndexCache::follow(const RequestContext& context, const IndexInfo& info,
                        const Generation& generation) {
  std::shared_ptr<Entry> entry;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find({info.id, generation.number});
    if (found == entries_.end() || found->second->loaded == nullptr ||
        found->second->loaded->file() == generation.file) {
      return;
    }
    entry = found->second;
  }
  const std::lock_guard turn(entry->loading);
  std::shared_ptr<LoadedIndex> loaded = load(context, info, generation);
  if (loaded->file() != generation.file) {
    return;  // What there is, is better than nothing.
  }
  const std::lock_guard lock(mutex_);
  entry->loaded = std::move(loaded);
  ++stats_.loads;
}

void IndexCache::forget(const std::string& index_id) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const auto& entry) { return entry.first.first == index_id; });
}

void IndexCache::trim() {
  const std::lock_guard lock(mutex_);
  while (true) {
    std::uint64_t bytes = 0;
    std::size_t count = 0;
    auto oldest = entries_.end();
    for (auto at = entries_.begin(); at != entries_.end(); ++at) {
      if (at->second->loaded == nullptr) {
        continue;
      }
      ++count;
      bytes += at->second->loaded->memory_bytes();
      if (oldest == entries_.end() || at->second->used < oldest->second->used) {
        oldest = at;
      }
    }
    // The last one stays: it is what somebody searches now.
    if (bytes <= bytes_max_ || count < 2) {
      return;
    }
    entries_.erase(oldest);
    ++stats_.evictions;
  }
}

IndexCache::Stats IndexCache::stats() const {
  const std::lock_guard lock(mutex_);
  Stats out = stats_;
  for (const auto& [key, entry] : entries_) {
    if (entry->loaded != nullptr) {
      ++out.indexes;
      out.bytes += entry->loaded->memory_bytes();
    }
  }
  return out;
}

}  // namespace lakehouse::vector
