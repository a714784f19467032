#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/json/object.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "iceberg/manifest.h"
#include "iceberg/scan.h"
#include "metastore/metastore.h"
#include "query/hot_loader.h"
#include "query/hot_parts.h"
#include "query/table_source.h"

namespace lakehouse::query {

/// A scan of a snapshot of which at least a part is in the engine's memory.
struct HotScan {
  boost::json::object node;
  std::vector<engine::Variable> variables;  ///< For what is not in memory.
  std::uint64_t size_bytes = 0;             ///< Of those files.
  std::uint64_t generation = 0;             ///< Statement::held_generation.
  /// What the scan reads stays in memory as long as these live; once the statement has begun it
  /// needs them no more.
  std::vector<std::shared_ptr<const void>> held;
};

enum class HotState : std::uint8_t {
  Loading,  ///< Wanted, and not in memory yet: after the pin, the server's or the engine's start.
  Hot,
  Evicted,  ///< Others needed the room. It comes back when it is used and there is room.
  Failed,   ///< See `problem`; tried again with the table's next commit.
};
std::string_view to_string(HotState state);

struct HotTable {
  std::string dataset;
  std::string table_uuid;
  HotState state = HotState::Loading;
  std::string problem;
  std::vector<std::string> key;  ///< Columns that its rows are sorted by.
  std::optional<std::int64_t> snapshot_id;
  std::int64_t rows = 0;
  std::uint64_t bytes = 0;
  std::size_t parts = 0;
  std::uint64_t hits = 0;
  std::string principal;  ///< Who pinned it.
  std::int64_t pinned_at_ms = 0;
};

struct HotStats {
  std::vector<HotTable> tables;
  std::uint64_t bytes = 0;
  std::uint64_t bytes_max = 0;
  std::uint64_t hits = 0;          ///< Scans from memory alone.
  std::uint64_t partial_hits = 0;  ///< From memory and, for what is new, from files.
  std::uint64_t misses = 0;        ///< Of pinned tables.
  std::uint64_t loads = 0;
  std::uint64_t files_loaded = 0;
  std::uint64_t evictions = 0;
};

/// Tables kept in the memory of the engine (of the light lane), compressed and in parts that never
/// change: a commit adds a part with the files that are new, and what it took away is masked. A
/// scan of any snapshot takes from memory the files that are there and the rest from Parquet, so it
/// is right whatever was loaded when.
///
/// Pins are in the metastore: after a start of the server or of the engine their tables are loaded
/// again in the background. Loading is the work of one thread. Thread-safe.
class HotTables {
 public:
  struct Options {
    std::uint64_t bytes_max = 0;                    ///< 0: nothing can be pinned.
    std::chrono::milliseconds check_interval{500};  ///< How soon commits are seen unasked.
    /// Files that are loaded at once take at most this much on disk, or are a single one.
    std::uint64_t load_bytes_max = std::uint64_t{128} << 20U;
    std::size_t parts_max = 6;  ///< Of a table; then some are merged.
  };

  HotTables(catalog::Catalog& catalog, engine::Engine& engine, TableSource& source,
            iceberg::ManifestCache& manifests, metastore::Metastore& metastore, Options options);
  ~HotTables();
  HotTables(const HotTables&) = delete;
  HotTables& operator=(const HotTables&) = delete;

  /// Keeps the table in memory from now on, its rows sorted by `key`: columns, or none for the
  /// table's identifier fields. With `wait` it returns when that is done or has failed, or the
  /// context ends. ResourceExhausted if the table is too big for the limit, which then is not
  /// pinned.
  Result<HotTable> pin(const RequestContext& context, std::string_view dataset,
                       const std::vector<std::string>& key, bool wait);
  /// Takes it out of memory and forgets the pin. NotFound if there is none.
  Status evict(const RequestContext& context, std::string_view dataset);
  [[nodiscard]] HotStats stats() const;

  /// Nothing if nothing of the snapshot is in memory, or it does not fit the schema. `prefix`
  /// begins the variables' names.
  Result<std::optional<HotScan>> scan(const RequestContext& context,
                                      const iceberg::TableMetadata& table,
                                      const SnapshotChoice& choice, const iceberg::Filter& filter,
                                      std::string_view prefix);

  /// A scan of the table that was kept from an earlier time is used again.
  void note_use(const std::string& table_uuid);

  /// Changes whenever the same scan may be another.
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }

  /// One round of what the thread does, for tests: pins, commits, restarts.
  void check_now();

 private:
  struct Entry;
  struct Making;

  void run(const std::stop_token& stop);
  void round(const RequestContext& context);
  Status read_pins(const RequestContext& context);
  void check(const RequestContext& context, const std::shared_ptr<Entry>& entry);
  Status refresh(const RequestContext& context, const std::shared_ptr<Entry>& entry,
                 const catalog::LoadedTable& table);
  Result<std::shared_ptr<const HotVersion>> make_version(const RequestContext& context,
                                                         const Making& making);
  Result<std::vector<HeldPart>> merged(const RequestContext& context, std::uint64_t generation,
                                       const iceberg::Schema& schema, std::vector<HeldPart> parts,
                                       const std::vector<std::int32_t>& key);
  /// Makes room beside what the entry has by taking out others: first those that were used longest
  /// ago, and none that was used after `not_after`. False if that is not enough.
  bool make_room(std::uint64_t bytes, const Entry& entry,
                 std::chrono::steady_clock::time_point not_after);
  [[nodiscard]] std::uint64_t bytes_free() const;
  void publish(const std::shared_ptr<Entry>& entry, HotState state, std::string problem,
               std::shared_ptr<const HotVersion> version);
  Status forget(const RequestContext& context, const std::string& uuid);
  /// `told` becomes what the pin has come to: loading, unless it waits.
  Status wait_for_pin(const RequestContext& context, bool wait, HotTable& told);
  [[nodiscard]] HotTable describe(const Entry& entry) const;  // With mutex_ held, as what follows.
  [[nodiscard]] std::uint64_t bytes_held() const;

  catalog::Catalog& catalog_;
  engine::Engine& engine_;
  TableSource& source_;
  iceberg::ManifestCache& manifests_;
  metastore::Metastore& metastore_;
  const Options options_;
  HotLoader loader_;        // Guarded by round_mutex_.
  std::mutex round_mutex_;  ///< One round at a time.
  std::atomic<std::uint64_t> epoch_ = 1;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  // Guarded by mutex_.
  std::map<std::string, std::shared_ptr<Entry>, std::less<>> entries_;  ///< By the table's UUID.
  HotStats counters_;
  bool kicked_ = true;
  std::uint64_t rounds_ = 0;  ///< In which the pins were read.
  std::jthread thread_;
};

}  // namespace lakehouse::query
