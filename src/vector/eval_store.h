#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "storage/buckets.h"
#include "vector/eval_set.h"

namespace lakehouse::vector {

/// Eval sets as objects: `_hnsw_trials/evals/<name>.json` in the bucket of the index that they are
/// about. A name is one set, whatever the bucket.
///
/// Thread-safe. `buckets` outlives it.
class EvalStore {
 public:
  explicit EvalStore(const storage::Buckets& buckets) : buckets_(buckets) {}

  /// Replaces the set of that name. In `bucket`, or where it is already.
  Status put(const RequestContext& context, const std::string& bucket, const EvalSet& set);
  /// NotFound, with the nearest names.
  Result<EvalSet> get(const RequestContext& context, std::string_view name);
  /// True if there was one.
  Result<bool> remove(const RequestContext& context, std::string_view name);
  /// In order of their names.
  Result<std::vector<std::string>> names(const RequestContext& context);

 private:
  /// The bucket that has it; empty if none has.
  Result<std::string> find(const RequestContext& context, std::string_view name);

  const storage::Buckets& buckets_;
};

}  // namespace lakehouse::vector
