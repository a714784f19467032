#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "catalog/lineage.h"
#include "engine/engine.h"
#include "iceberg/manifest.h"
#include "iceberg/schema.h"
#include "storage/buckets.h"

/// \file
/// The one way rows and schema changes get into a table: INSERT, CREATE TABLE AS, ALTER and file
/// ingest all end here. Each operation is one catalog commit.

namespace lakehouse::query {

/// A column as SQL or a request defines it.
struct ColumnDefinition {
  std::string name = {};
  std::string type = {};  ///< DuckDB's name of it: "INTEGER", "STRUCT(a INTEGER)[]".
  bool required = false;
  std::optional<std::string> doc = {};
  /// What the column has in rows that do not name it (format version 3): the value as DuckDB
  /// prints it. For an added column it is also that of the rows there are.
  std::optional<std::string> default_value = {};
  friend bool operator==(const ColumnDefinition&, const ColumnDefinition&) = default;
};

/// One field of a partition spec: PARTITIONED BY (day(at), bucket(16, id), region).
struct PartitionDefinition {
  std::string column = {};  ///< The source column; dotted for a struct's field.
  /// As Iceberg spells it: "identity", "day", "bucket[16]", "truncate[4]".
  std::string transform = {};
  std::string name = {};  ///< Empty: the customary one, such as "at_day".
  friend bool operator==(const PartitionDefinition&, const PartitionDefinition&) = default;
};

/// What a new table is to be. Without columns, a CREATE TABLE AS takes those of its source. The
/// property "format-version" chooses the format version (2).
struct TableDefinition {
  std::vector<ColumnDefinition> columns = {};
  std::vector<PartitionDefinition> partition_by = {};
  std::vector<std::pair<std::string, std::string>> properties = {};
  std::string bucket = {};  ///< Empty: the primary one.
};

enum class WriteMode : std::uint8_t {
  Append,   ///< The table exists; rows are added.
  Replace,  ///< The table exists; its rows become these, in one commit.
  Create,   ///< The table is made with these rows, in one commit. AlreadyExists if it is there.
  /// CREATE OR REPLACE TABLE AS: made, or else its schema, partitioning and rows replaced in one
  /// commit; older snapshots stay readable.
  CreateOrReplace,
};

/// Runs in the transaction that swaps the table's pointer, so what it writes (a receipt, the
/// fingerprint of an ingested file) is there exactly if the commit is. Not called when nothing is
/// committed: a source without rows in mode Append.
using CommitHook =
    std::function<Status(metastore::Transaction&, const std::vector<catalog::LoadedTable>& after)>;

// ALTER TABLE, one variant each. A path names a column, or a field in it: {"address", "street"}.

struct AddColumn {
  std::vector<std::string> parent = {};  ///< Empty for a top-level column; else the struct's path.
  ColumnDefinition column = {};
  bool if_not_exists = false;
};
struct DropColumn {
  std::vector<std::string> path = {};
  bool if_exists = false;
};
struct RenameColumn {
  std::vector<std::string> path = {};
  std::string new_name = {};
};
/// Only the promotions that Iceberg allows; else InvalidArgument that lists them.
struct ChangeColumnType {
  std::vector<std::string> path = {};
  std::string type = {};  ///< DuckDB's name of it.
};
/// Refused if a row of the current snapshot may hold NULL there.
struct SetNotNull {
  std::vector<std::string> path = {};
};
struct DropNotNull {
  std::vector<std::string> path = {};
};
struct SetColumnDoc {
  std::vector<std::string> path = {};
  std::optional<std::string> doc = {};
};
/// For rows written from now on; nothing removes it.
struct SetColumnDefault {
  std::vector<std::string> path = {};
  std::optional<std::string> value = {};  ///< As DuckDB prints it.
};
struct RenameTable {
  std::string new_name = {};  ///< In the same namespace.
};
/// "format-version" is no property, but upgrades the table.
struct SetProperties {
  std::vector<std::pair<std::string, std::string>> set = {};
  std::vector<std::string> remove = {};
};
/// For rows written from now on.
struct SetPartitioning {
  std::vector<PartitionDefinition> partition_by = {};
};
using AlterAction =
    std::variant<AddColumn, DropColumn, RenameColumn, ChangeColumnType, SetNotNull, DropNotNull,
                 SetColumnDoc, SetColumnDefault, RenameTable, SetProperties, SetPartitioning>;

/// What a write has put into staging.
struct Written {
  const iceberg::Schema& schema;   ///< The table's, as it will be.
  std::vector<std::string> paths;  ///< Parquet files of this machine.
  std::int64_t rows = 0;
};

/// Rows for a table.
struct AppendRequest {
  catalog::TableIdentifier table;
  /// A SELECT whose rows are to be written: SQL text, or a tree (`is_tree`, perhaps with
  /// `around_tree`). Variables, parameters and `before` are passed through; `encoding` and
  /// `rows_max` are ignored. Text must come from our own code, never from a request.
  engine::Statement source;
  /// Runs the source in the place of the writer's own engine, and may write below `staging_parent`
  /// alone: a folder in the staging of the table's bucket. Null and empty: neither.
  engine::Engine* engine = nullptr;
  std::string staging_parent;
  /// The source's columns if they are known: saves asking the engine.
  std::vector<engine::Column> source_columns;
  /// What the source reads, if known: below a few times the file size, all rows go into one file
  /// in the source's order.
  std::optional<std::uint64_t> source_bytes;
  /// The table's columns that the source's columns go to, in the source's order: exact names.
  /// Empty: all of them in the schema's order. Columns not named become NULL.
  std::vector<std::string> columns;
  WriteMode mode = WriteMode::Append;
  TableDefinition definition;  ///< For Create and CreateOrReplace.
  /// Schema changes that the rows need, made in the same commit (Append and Replace): `columns`
  /// and the casts see the table as it is afterwards.
  std::vector<AlterAction> evolve;
  std::vector<std::pair<std::string, std::string>> summary;  ///< Extra snapshot summary entries.
  /// Where the rows are from: job, inputs, detail. The writer fills in the rest and records it in
  /// the commit, if that makes a snapshot or the table.
  std::optional<catalog::LineageRun> lineage;
  /// Called with the rows written before anything is committed; an error abandons the write.
  std::function<Status(std::int64_t rows)> before_commit;
  /// Called after that, if there are rows: to look at them while they are in staging.
  std::function<Status(const Written&)> inspect;
  CommitHook also;
};

struct Appended {
  std::optional<std::int64_t> snapshot_id;  ///< Nothing if there was no row to append.
  std::int64_t rows = 0;
  std::int64_t files = 0;
  std::int64_t bytes = 0;
  catalog::LoadedTable table;  ///< As it is after the commit.
};

enum class IfExists : std::uint8_t {
  Fail,     ///< CREATE TABLE
  Keep,     ///< CREATE TABLE IF NOT EXISTS
  Replace,  ///< CREATE OR REPLACE TABLE
};

/// Whether a commit that failed so certainly did not happen, so that its files may go.
[[nodiscard]] bool certainly_not_committed(ErrorCode code);

/// Writes tables. Engines write to staging only; what they wrote becomes the table's by a rename,
/// made durable first, and visible by the commit.
///
/// A commit that loses a race is rebased on the winner and tried again a bounded number of times.
/// An operation that fails leaves nothing behind, except where it fails with CommitStateUnknown:
/// then the files stay. Thread-safe.
class TableWriter {
 public:
  struct Options {
    std::uint64_t file_size_bytes_target = 384ULL << 20U;
    std::int64_t row_group_rows = 122'880;
    int commit_tries_max = 20;  ///< Of one write whose commits lose their races.
  };

  TableWriter(catalog::Catalog& catalog, engine::Engine& engine, const storage::Buckets& buckets,
              iceberg::ManifestCache& manifests)
      : TableWriter(catalog, engine, buckets, manifests, Options()) {}
  TableWriter(catalog::Catalog& catalog, engine::Engine& engine, const storage::Buckets& buckets,
              iceberg::ManifestCache& manifests, Options options)
      : catalog_(catalog),
        engine_(engine),
        buckets_(buckets),
        manifests_(manifests),
        options_(options) {}

  /// Writes the source's rows. InvalidArgument, naming the column, if the columns do not fit, a
  /// cell cannot be cast, or a required column would hold NULL; nothing is committed then.
  Result<Appended> append(const RequestContext& context, AppendRequest request);

  /// Makes an empty table. AlreadyExists, FailedPrecondition or NotFound as the catalog says.
  Result<catalog::LoadedTable> create_table(const RequestContext& context,
                                            const catalog::TableIdentifier& table,
                                            const TableDefinition& definition, IfExists if_exists,
                                            const CommitHook& also = {});

  /// All actions in one commit; RenameTable must stand alone.
  Result<catalog::LoadedTable> alter_table(const RequestContext& context,
                                           const catalog::TableIdentifier& table,
                                           const std::vector<AlterAction>& actions,
                                           const CommitHook& also = {});

  /// False if there was none and `if_exists` allows that. The files stay unless `purge`.
  Result<bool> drop_table(const RequestContext& context, const catalog::TableIdentifier& table,
                          bool if_exists, bool purge);

  /// False if it was there and `if_not_exists` allows that. Parents must exist.
  Result<bool> create_schema(const RequestContext& context,
                             const std::vector<std::string>& name_space, bool if_not_exists);
  /// With `cascade`, its tables go first.
  Result<bool> drop_schema(const RequestContext& context,
                           const std::vector<std::string>& name_space, bool if_exists,
                           bool cascade);

  /// Keeps our own writers from committing to the table until the lock goes. They take turns at a
  /// table's commit (by its UUID's hash), so that only other clients' commits are ever lost to.
  /// Whoever holds one must not append.
  Result<std::unique_lock<std::timed_mutex>> hold_commits(const RequestContext& context,
                                                          const std::string& table_uuid);
  [[nodiscard]] iceberg::ManifestCache& manifests() const { return manifests_; }
  [[nodiscard]] const Options& options() const { return options_; }
  /// The same number: the same lock.
  [[nodiscard]] std::size_t commit_lock_of(const std::string& table_uuid) const {
    return std::hash<std::string>{}(table_uuid) % commit_locks_.size();
  }

 private:
  /// One write on its way from rows to a commit.
  struct Job;

  Result<Appended> append_once(const RequestContext& context, const AppendRequest& request,
                               bool* start_over);
  Status plan(const RequestContext& context, const AppendRequest& request, Job* job);
  Status plan_create(const RequestContext& context, const AppendRequest& request, Job* job);
  Status plan_change(const AppendRequest& request, Job* job);
  Status write_files(const RequestContext& context, const AppendRequest& request, Job* job);
  Status adopt_files(const RequestContext& context, Job* job);
  Result<Appended> commit(const RequestContext& context, const AppendRequest& request, Job* job);
  Result<catalog::LoadedTable> commit_once(const RequestContext& context,
                                           const AppendRequest& request, Job* job);
  static catalog::LineageRun lineage_of(const RequestContext& context, const AppendRequest& request,
                                        const Job& job, std::int64_t now_ms);
  Status rebase(const RequestContext& context, const AppendRequest& request, Job* job);
  void undo(const RequestContext& context, Job* job);
  Result<catalog::LoadedTable> replace_by_empty(const RequestContext& context,
                                                const catalog::TableIdentifier& table,
                                                const TableDefinition& definition,
                                                const CommitHook& also);
  Status check_no_nulls(const RequestContext& context, const iceberg::TableMetadata& metadata,
                        const std::vector<AlterAction>& actions);

  catalog::Catalog& catalog_;
  engine::Engine& engine_;
  const storage::Buckets& buckets_;
  iceberg::ManifestCache& manifests_;
  Options options_;
  std::array<std::timed_mutex, 64> commit_locks_;
};

}  // namespace lakehouse::query
