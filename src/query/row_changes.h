#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "engine/engine.h"
#include "iceberg/manifest.h"
#include "query/planner.h"
#include "query/sql_request.h"
#include "query/staging.h"
#include "query/statement_plan.h"
#include "query/table_source.h"
#include "query/write_transaction.h"
#include "storage/buckets.h"

namespace lakehouse::query {

/// What RETURNING gives, in a file of staging: it is read after the commit.
struct ReturnedRows {
  StagingFolder folder;
  engine::Statement select;
};

/// What a statement has put into a transaction.
struct RowsChanged {
  catalog::TableIdentifier table;
  std::int64_t rows = 0;
  std::optional<std::int64_t> snapshot_id;  ///< Nothing if no row changed.
  std::optional<ReturnedRows> returned;
};

/// Runs DELETE, UPDATE, MERGE and INSERT with ON CONFLICT or RETURNING.
///
/// An engine first writes the change set to staging: which rows, and what becomes of them, each
/// expression evaluated once. From that come the table's new files: rows that are added, and for
/// those that go position deletes, deletion vectors (format version 3), or the file's other rows in
/// a new file where most of it goes (or always: format version 1, or
/// write.{delete,update,merge}.mode = copy-on-write). Thread-safe; calls block.
class RowChanges {
 public:
  struct Options {
    std::uint64_t file_size_bytes_target = 384ULL << 20U;
    std::int64_t row_group_rows = 122'880;
  };

  RowChanges(engine::Engine& engine, Planner& planner, TableSource& source,
             const storage::Buckets& buckets, iceberg::ManifestCache& manifests, Options options)
      : engine_(engine),
        planner_(planner),
        source_(source),
        buckets_(buckets),
        manifests_(manifests),
        options_(options) {}

  /// Puts the statement's changes into the transaction, on top of what that has read and changed
  /// already. InvalidArgument, with a position where there is one, for what cannot be; nothing is
  /// in the transaction then.
  Result<RowsChanged> run(const RequestContext& context, WriteTransaction& transaction,
                          const catalog::TableIdentifier& table, const ParsedStatement& parsed,
                          const SqlRequest& request);

  /// Why files that lose a row are always written anew, as a clause; empty if that depends on how
  /// many rows they lose.
  static std::string copies_always(const ParsedStatement& parsed,
                                   const iceberg::TableMetadata& table);
  /// Of files with `rows`, of which so many go.
  static bool copies(std::int64_t gone, std::int64_t rows) { return 2 * gone > rows; }

 private:
  class Run;

  engine::Engine& engine_;
  Planner& planner_;
  TableSource& source_;
  const storage::Buckets& buckets_;
  iceberg::ManifestCache& manifests_;
  Options options_;
};

}  // namespace lakehouse::query
