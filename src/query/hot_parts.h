#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>

#include "iceberg/scan.h"
#include "iceberg/schema.h"
#include "iceberg/table_metadata.h"

/// \file
/// What of a table lies in the engine's memory, and how a snapshot is read from it.

namespace lakehouse::query {

/// Names of the engine's tables that nobody needs any more. Thread-safe.
class UnusedTables {
 public:
  void add(std::string table, std::uint64_t generation) {
    const std::lock_guard lock(mutex_);
    tables_.emplace_back(std::move(table), generation);
  }
  std::vector<std::pair<std::string, std::uint64_t>> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(tables_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<std::string, std::uint64_t>> tables_;
};

/// A table in the engine with the rows of some data files, those deleted left out. Its columns are
/// c<field id>, and the number of each row's file. Immutable once loaded.
struct HotPart {
  std::string name;                                       ///< Of the engine's table.
  std::uint64_t generation = 0;                           ///< Of the engine's child.
  std::map<std::int32_t, iceberg::TypePtr> columns;       ///< By field id.
  std::unordered_map<std::string, std::int64_t> numbers;  ///< Of the files, by `file_state`.
  std::int64_t files = 0;                                 ///< Numbers are below that.
  std::int64_t rows = 0;
  std::uint64_t bytes = 0;
  std::shared_ptr<UnusedTables> unused;  ///< Told when the part goes.

  HotPart() = default;
  ~HotPart();
  HotPart(const HotPart&) = delete;
  HotPart& operator=(const HotPart&) = delete;
};

/// A part as one snapshot sees it.
struct HeldPart {
  std::shared_ptr<const HotPart> part;
  std::vector<std::int64_t> dead;  ///< Numbers of the files that are not in the snapshot.
};

/// A snapshot that is in memory as a whole.
struct HotVersion {
  std::int64_t snapshot_id = -1;
  std::uint64_t generation = 0;
  std::vector<std::int32_t> key;
  std::vector<HeldPart> parts;

  [[nodiscard]] std::uint64_t bytes() const;
  [[nodiscard]] std::int64_t rows() const;  ///< About: with those of dead files.
};

/// A data file with what is deleted in it, as a text that is the same for the same rows.
std::string file_state(const iceberg::ScanTask& task);

/// A snapshot's files: those that `parts` hold, and the rest.
struct HotSplit {
  std::vector<HeldPart> held;
  iceberg::ScanPlan rest;
};
HotSplit split_files(const std::vector<HeldPart>& parts, iceberg::ScanPlan plan);

/// True if the part's columns can be read with this schema: what differs can be cast or is NULL.
bool fits(const HotPart& part, const iceberg::TableMetadata& table, const iceberg::Schema& schema);

/// A SELECT of the part's rows with the schema's names, order and types; the part must fit.
boost::json::object rows_of(const HeldPart& held, const iceberg::Schema& schema);
/// The same as they are stored in a part, with the files' numbers raised by `first_number`.
boost::json::object stored_rows_of(const HeldPart& held, const iceberg::Schema& schema,
                                   std::int64_t first_number);

/// c<field id>.
std::string stored_column(std::int32_t field_id);
inline constexpr std::string_view kStoredNumber = "lh_file";
/// Where the engine keeps such tables (engine/child/database.cc).
inline constexpr std::string_view kHotDatabase = "lh_hot";

}  // namespace lakehouse::query
