#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "answer/rag_service.h"
#include "metastore/metastore.h"

namespace lakehouse::answer {

/// Receipts in the metastore, for ninety days. Thread-safe. `metastore` outlives it.
class ReceiptStore {
 public:
  explicit ReceiptStore(metastore::Metastore& metastore) : metastore_(metastore) {}

  Status put(const RequestContext& context, const Receipt& receipt);
  /// NotFound also for another principal's.
  Result<Receipt> get(const RequestContext& context, std::string_view id);
  /// Of the caller, the latest first.
  Result<std::vector<Receipt>> list(const RequestContext& context, std::size_t limit,
                                    std::string_view after);

 private:
  metastore::Metastore& metastore_;
};

boost::json::object to_json(const Receipt& receipt);
Result<Receipt> receipt_from_json(const boost::json::object& json);

}  // namespace lakehouse::answer
