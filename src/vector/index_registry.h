#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "metastore/metastore.h"
#include "vector/index_spec.h"

namespace lakehouse::vector {

/// What indexes there are, in the metastore. Looked up for every search: kept in memory while the
/// metastore says that nothing was written. Thread-safe; calls block.
class IndexRegistry {
 public:
  explicit IndexRegistry(metastore::Metastore& metastore) : metastore_(metastore) {}

  /// In order of names.
  Result<std::vector<IndexInfo>> list(const RequestContext& context);
  /// NotFound, with the nearest names.
  Result<IndexInfo> find(const RequestContext& context, std::string_view name);
  /// NotFound if it was dropped.
  Result<IndexInfo> find_by_id(const RequestContext& context, std::string_view id);

  /// In a transaction of the caller's. AlreadyExists if there is one of the name.
  static Status insert(metastore::Transaction& transaction, const IndexInfo& info);

  using Change = std::function<Status(IndexInfo&)>;
  /// Reads it, lets `change` change it and writes it, in one transaction, with the next version;
  /// `also` does more in it. Both may run more than once. NotFound if it was dropped.
  Result<IndexInfo> update(
      const RequestContext& context, std::string_view id, const Change& change,
      const std::function<Status(metastore::Transaction&, const IndexInfo&)>& also = {});
  /// The same as a part of a transaction of the caller's.
  static Result<IndexInfo> update_in(metastore::Transaction& transaction, std::string_view id,
                                     const Change& change);
  /// False if there is none.
  Result<bool> remove(const RequestContext& context, std::string_view id);

 private:
  Result<std::shared_ptr<const std::vector<IndexInfo>>> all(const RequestContext& context);

  metastore::Metastore& metastore_;
  std::mutex mutex_;
  std::optional<std::int64_t> read_at_;  ///< The metastore's version that `kept_` was read after.
  std::shared_ptr<const std::vector<IndexInfo>> kept_;
};

}  // namespace lakehouse::vector
