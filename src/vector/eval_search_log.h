#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "metastore/metastore.h"

namespace lakehouse::vector {

/// What indexes were searched for, by whom and how often: what eval sets are made of. Kept in the
/// metastore, the latest of them for each index.
///
/// Thread-safe. Adding never waits: a crash costs the last seconds' searches. `metastore` outlives
/// it.
class SearchLog {
 public:
  static constexpr std::int64_t kKept = 10'000;  ///< Of one index.

  explicit SearchLog(metastore::Metastore& metastore);
  /// Writes what is pending.
  ~SearchLog();
  SearchLog(const SearchLog&) = delete;
  SearchLog& operator=(const SearchLog&) = delete;

  void add(std::string_view index, std::string_view text, std::string_view principal);

  struct Search {
    std::string text;
    std::int64_t times = 0;
  };
  /// Those of one caller's (or everybody's, for ""), what was searched for most often first.
  Result<std::vector<Search>> find(const RequestContext& context, std::string_view index,
                                   std::string_view principal, std::int64_t limit);

 private:
  using Key = std::tuple<std::string, std::string, std::string>;  ///< Index, principal, text.

  void flush(const RequestContext& context);
  void run(const std::stop_token& stop);

  metastore::Metastore& metastore_;
  std::mutex flushing_;  ///< Held while what was pending is being written: readers wait for it.
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::map<Key, std::int64_t> pending_;  ///< How often. Guarded by mutex_.
  std::jthread thread_;
};

}  // namespace lakehouse::vector
