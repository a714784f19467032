#pragma once

#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "catalog/catalog.h"

namespace lakehouse::catalog {

/// Reads and writes metadata files, and remembers what they said: they never change.
/// Thread-safe.
class Catalog::MetadataFiles {
 public:
  struct Content {
    std::shared_ptr<const iceberg::TableMetadata> metadata;
    std::shared_ptr<const std::string> json;
  };

  MetadataFiles(storage::Buckets& buckets, std::size_t bytes_max)
      : buckets_(buckets), bytes_max_(bytes_max) {}

  /// NotFound if there is no such file, DataLoss if it holds no table metadata.
  Result<Content> read(const RequestContext& context, const std::string& location);
  /// What is remembered of a file of this machine that is still there; waits for nothing.
  std::optional<Content> find_sound(const std::string& location);
  /// Writes a file that must not exist. The cache learns it by `remember` only, once it counts.
  Status write(const RequestContext& context, const std::string& location, const Content& content);
  void remember(const std::string& location, const Content& content);
  /// The text of Catalog::referenced_metadata_json, kept with the file.
  std::shared_ptr<const std::string> referenced_json(const std::string& location,
                                                     const iceberg::TableMetadata& metadata);
  /// Best effort: what cannot be removed is an orphan, which breaks nothing.
  void remove(const RequestContext& context, const std::string& location);

  static Content render(iceberg::TableMetadata metadata);
  /// ".../metadata/00004-<uuid>.metadata.json", one more than `previous` has; 00000 if it is empty.
  static std::string next_name(std::string_view table_location, std::string_view previous);

 private:
  struct Entry {
    std::string location;
    Content content;
    std::shared_ptr<const std::string> referenced_json;  ///< Null until somebody asked for it.
    std::size_t bytes = 0;
  };

  void shrink();  ///< With the mutex held.

  std::optional<Content> find(const std::string& location);

  storage::Buckets& buckets_;
  const std::size_t bytes_max_;

  std::mutex mutex_;          // Guards what follows.
  std::list<Entry> entries_;  // The most recently used first.
  std::unordered_map<std::string, std::list<Entry>::iterator> by_location_;
  std::size_t bytes_ = 0;
};

}  // namespace lakehouse::catalog
