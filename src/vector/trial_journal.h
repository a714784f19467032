#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "storage/buckets.h"
#include "vector/trial.h"

namespace lakehouse::vector {

/// What all trials of an index came to, for good: lines of JSON that are only ever added, in the
/// index's bucket. Where the store is a folder, `_hnsw_trials/<index>.jsonl` grows; elsewhere each
/// addition is a segment of its own, `_hnsw_trials/<index>.00000001.jsonl` and so on.
///
/// Thread-safe, also beside other servers. `buckets` outlives it.
class TrialJournal {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{64} << 20U;

  /// `may_append`: false writes segments everywhere.
  explicit TrialJournal(const storage::Buckets& buckets, bool may_append = true)
      : buckets_(buckets), may_append_(may_append) {}

  /// Durable when it returns.
  Status append(const RequestContext& context, const std::string& bucket,
                const std::vector<Trial>& trials);
  /// In the order in which they came; one that was added twice is there once. Lines that are none
  /// (cut by a crash) are passed over. ResourceExhausted if there is more than kBytesMax of them.
  Result<std::vector<Trial>> read(const RequestContext& context, const std::string& bucket,
                                  std::string_view index);

 private:
  Status append_file(const std::string& path, std::string_view lines);
  Status append_segment(const RequestContext& context, storage::ObjectStore& store,
                        std::string_view index, std::string_view lines);

  const storage::Buckets& buckets_;
  const bool may_append_;
  std::mutex appending_;
};

}  // namespace lakehouse::vector
