#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "engine/engine.h"
#include "iceberg/manifest.h"
#include "iceberg/scan.h"
#include "iceberg/table_metadata.h"
#include "query/deleted_rows.h"
#include "query/kept_scans.h"
#include "query/physical_schema.h"
#include "storage/buckets.h"

namespace lakehouse::query {

/// A SELECT that reads one snapshot of a table, and the variables with its files.
struct TableScan {
  boost::json::object node;
  std::vector<engine::Variable> variables;
  std::int64_t row_count = 0;  ///< Of the files, before deletes.
  std::uint64_t file_count = 0;
  std::uint64_t size_bytes = 0;
  /// If asked for: the data files by the number that `kFileNumber` has in their rows.
  std::vector<std::string> files;
};

/// The columns that follow the table's own when files and rows are numbered.
inline constexpr std::string_view kFileNumber = "lh_file_number";
inline constexpr std::string_view kRowNumber = "lh_row_number";

/// What the rows of a scan say of where they are from.
enum class RowNumbers : std::uint8_t {
  None,
  File,        ///< The file, by its place in TableScan::files.
  FileAndRow,  ///< And the row's position in it.
};

/// Which state of a table to read.
struct SnapshotChoice {
  const iceberg::Snapshot* snapshot = nullptr;  ///< Null: the table has none, and no rows.
  const iceberg::Schema* schema = nullptr;
};

/// Turns a snapshot into a SELECT over its Parquet files. Its columns have the schema's names,
/// order and types, whatever schema each file was written with: files are grouped by what they
/// physically hold, and what differs is renamed, cast, rebuilt or filled by field id, at any depth.
/// Rows that position deletes, deletion vectors and equality deletes took are left out. DuckDB is
/// told how many rows there are, as the manifests say it.
///
/// Thread-safe. Knows the physical schema of the files it has seen, the latest of them.
class TableSource {
 public:
  struct Options {
    std::size_t files_known_max = 200'000;
    std::size_t scan_bytes_max = std::size_t{64} << 20U;  ///< Of planned scans that are kept.
  };

  TableSource(engine::Engine& engine, const storage::Buckets& buckets,
              iceberg::ManifestCache& manifests)
      : TableSource(engine, buckets, manifests, Options()) {}
  TableSource(engine::Engine& engine, const storage::Buckets& buckets,
              iceberg::ManifestCache& manifests, Options options)
      : engine_(engine), buckets_(buckets), manifests_(manifests), options_(options) {}

  /// `prefix` begins the variables' names and is different for each table of a statement.
  /// Unimplemented, by name, for files that are not Parquet; ResourceExhausted for more than 64 MiB
  /// of deleted rows, as bitmaps; FailedPrecondition or DataLoss if the table's files are not as
  /// they must be.
  Result<TableScan> scan(const RequestContext& context, const iceberg::TableMetadata& table,
                         const SnapshotChoice& choice, const iceberg::Filter& filter,
                         std::string_view prefix, RowNumbers numbers = RowNumbers::None);

  /// The same over the files of `plan` alone. Numbers are Unimplemented if a file has a column of
  /// the name that DuckDB counts in.
  Result<TableScan> scan_files(const RequestContext& context, const iceberg::TableMetadata& table,
                               const iceberg::Schema& schema, const iceberg::ScanPlan& plan,
                               std::string_view prefix, RowNumbers numbers = RowNumbers::None);

 private:
  struct Group;
  class Builder;

  /// The physical schemas of files of this machine, in the order of their paths.
  Result<std::vector<PhysicalSchemaPtr>> schemas_of(const RequestContext& context,
                                                    const std::vector<std::string>& paths);
  Status ask_engine(const RequestContext& context, const std::vector<std::string>& paths,
                    std::unordered_map<std::string, PhysicalSchemaPtr>& out);
  std::vector<PhysicalSchemaPtr> known(const std::vector<std::string>& paths);
  void remember(const std::string& path, const PhysicalSchemaPtr& schema);
  Result<std::string> local_path(std::string_view location) const;

  engine::Engine& engine_;
  const storage::Buckets& buckets_;
  iceberg::ManifestCache& manifests_;
  Options options_;
  DeletedRows deleted_{engine_, buckets_};
  KeptScans kept_{options_.scan_bytes_max};

  using Entry = std::pair<std::string, PhysicalSchemaPtr>;
  std::mutex mutex_;
  std::list<Entry> recent_;  ///< The last used first.
  std::unordered_map<std::string, std::list<Entry>::iterator> known_;
};

}  // namespace lakehouse::query
