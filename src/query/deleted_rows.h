#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "base/roaring.h"
#include "engine/engine.h"
#include "iceberg/manifest.h"
#include "iceberg/table_metadata.h"
#include "storage/buckets.h"

namespace lakehouse::query {

/// A path as DuckDB gives it back, from the forms in which writers name local files: "/a" of
/// "file:///a" and "file:/a".
std::string plain_path(std::string_view location);

/// What delete files say, by the data files that they name. Delete files never change, so what was
/// read once is kept; the least recently used goes first. Thread-safe.
class DeletedRows {
 public:
  /// Positions by the data file's plain path.
  using ByPath = std::map<std::string, RoaringSet, std::less<>>;

  DeletedRows(engine::Engine& engine, const storage::Buckets& buckets,
              std::size_t bytes_max = std::size_t{128} << 20U)
      : engine_(engine), buckets_(buckets), bytes_max_(bytes_max) {}

  /// Of position delete files in Parquet, by their local paths; those not known yet are read in one
  /// question. DataLoss for a position that is none.
  Result<std::unordered_map<std::string, std::shared_ptr<const ByPath>>> positions(
      const RequestContext& context, const std::vector<std::string>& paths);

  /// Of a deletion vector: the bitmap. Errors as iceberg::read_deletion_vector.
  Result<std::shared_ptr<const std::string>> vector(const RequestContext& context,
                                                    const iceberg::TableMetadata& table,
                                                    const iceberg::DataFile& file);

 private:
  using Value = std::variant<std::shared_ptr<const ByPath>, std::shared_ptr<const std::string>>;
  struct Item {
    std::string key;
    Value value;
    std::size_t size_bytes = 0;
  };

  template <class T>
  std::shared_ptr<const T> known(const std::string& key);
  void keep(std::string key, Value value, std::size_t size_bytes);
  Status ask_engine(const RequestContext& context, const std::vector<std::string>& paths,
                    std::unordered_map<std::string, ByPath>& out);

  engine::Engine& engine_;
  const storage::Buckets& buckets_;
  const std::size_t bytes_max_;

  std::mutex mutex_;
  std::list<Item> recent_;  ///< The last used first.
  std::unordered_map<std::string, std::list<Item>::iterator> known_;
  std::size_t size_bytes_ = 0;
};

}  // namespace lakehouse::query
