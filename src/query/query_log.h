#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "metastore/metastore.h"

namespace lakehouse::query {

/// One statement that is over.
struct LoggedQuery {
  std::string id;  ///< Sorts by the time of its start.
  std::string principal;
  std::string sql;            ///< Its first bytes; see sql_excerpt.h.
  bool sql_is_whole = true;   ///< Nothing of it was cut off.
  boost::json::value params;  ///< Null also where they were too long to be kept.
  bool params_are_whole = true;
  std::string as_of;  ///< Empty: the tables as they were then.
  std::int64_t started_at_ms = 0;
  std::int64_t elapsed_us = 0;             ///< To the end of its rows.
  std::string code = "OK";                 ///< Or that of its error, such as "NOT_FOUND".
  std::string message;                     ///< Of its error.
  engine::Lane lane = engine::Lane::Auto;  ///< Auto: no engine ran it.
  std::string engine = "local";            ///< Or "trino".
  bool cached = false;                     ///< The answer was there already.
  std::int64_t attempts = 0;               ///< How often it began to run.
  std::int64_t rows = 0;
  std::int64_t bytes = 0;              ///< Of the answer.
  std::int64_t scan_bytes = 0;         ///< Of data files, as estimated.
  std::int64_t memory_peak_bytes = 0;  ///< As ResultEnd's; 0 for small statements.
  std::int64_t spill_peak_bytes = 0;
  std::vector<std::pair<std::string, std::int64_t>> snapshot_ids;
  friend bool operator==(const LoggedQuery&, const LoggedQuery&) = default;
};

/// The statements that were run, the latest of them, kept in the metastore. Several servers that
/// share one write into one log.
///
/// Thread-safe. Adding never waits: what was added is written a little later, in one transaction
/// with what came about the same time. A crash costs the last seconds' entries.
class QueryLog {
 public:
  struct Options {
    std::int64_t rows_max = 10'000;  ///< Older ones go. 0: nothing is kept.
    std::size_t pending_max = 10'000;
    std::chrono::milliseconds flush_every{1'000};
  };
  QueryLog(metastore::Metastore& metastore, Options options);
  /// Writes what is pending.
  ~QueryLog();
  QueryLog(const QueryLog&) = delete;
  QueryLog& operator=(const QueryLog&) = delete;

  void add(LoggedQuery query);

  struct Filter {
    std::string principal = {};  ///< Empty: everybody's.
    bool failed_only = false;
  };
  /// The latest first.
  Result<catalog::Page<LoggedQuery>> list(const RequestContext& context, const Filter& filter,
                                          const catalog::PageRequest& page);
  /// NotFound if it is not there (any more).
  Result<LoggedQuery> find(const RequestContext& context, std::string_view id);

  /// Entries that were lost because the metastore could not take them.
  [[nodiscard]] std::uint64_t lost() const;

 private:
  void flush(const RequestContext& context);
  void run(const std::stop_token& stop);

  metastore::Metastore& metastore_;
  const Options options_;
  std::mutex flushing_;  ///< Held while what was pending is being written: readers wait for it.
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<LoggedQuery> pending_;  ///< Guarded by mutex_, as what follows.
  std::uint64_t lost_ = 0;
  std::int64_t since_pruned_ = 0;  ///< Guarded by flushing_.
  std::jthread thread_;
};

}  // namespace lakehouse::query
