#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "catalog/schema_rules.h"
#include "engine/engine.h"
#include "engine/file_engines.h"
#include "ingest/bad_rows.h"
#include "ingest/file_reader.h"
#include "ingest/upload.h"
#include "query/pii_scanner.h"
#include "query/row_check.h"
#include "query/table_writer.h"
#include "storage/buckets.h"

namespace lakehouse::ingest {

enum class IngestMode : std::uint8_t {
  Append,   ///< Makes the dataset if it is not there.
  Replace,  ///< All its rows become these, in one commit. Makes the dataset if it is not there.
  Create,   ///< AlreadyExists if the dataset is there.
};
/// InvalidArgument, with the names there are.
Result<IngestMode> ingest_mode_from(std::string_view name);

struct IngestColumn {
  std::string name;
  std::string type;      ///< Iceberg's name of it.
  std::string original;  ///< The file's name, where it differs.
  friend bool operator==(const IngestColumn&, const IngestColumn&) = default;
};

struct IngestResult {
  std::string dataset;
  std::optional<std::int64_t> snapshot_id;  ///< Nothing if there was no row.
  std::int64_t rows = 0;
  std::int64_t bad_rows = 0;
  std::string bad_rows_object;  ///< Where they are kept, as a location; empty if there are none.
  std::vector<IngestColumn> columns;  ///< The dataset's.
  bool duplicate = false;             ///< The same file is there already: nothing was done.
  bool created = false;
  std::int64_t sequence_number = 0;  ///< Of the dataset, after it.
  std::string schema_fingerprint;    ///< Of the dataset, after it.
  std::string file_fingerprint;      ///< Of the file; empty if it was not looked into.
  /// Personal data in the rows that came, as far as a sample of them tells.
  std::vector<catalog::PiiFinding> pii;
  std::vector<std::string> warnings;
};

struct IngestOptions {
  std::string dataset;
  IngestMode mode = IngestMode::Append;
  BadRowLimit bad_rows_max;
  FileReader::Options reader;
  std::string file_name;
  std::string source;       ///< The system that the file is from, such as "crm"; may be empty.
  std::string bucket;       ///< For a dataset that is made; empty: the primary one.
  bool deduplicate = true;  ///< Append: answer a file that is there already.
  bool may_create = true;
  bool may_add_columns = true;
  /// Runs in the transaction that makes the rows visible; not called if nothing is committed.
  std::function<Status(metastore::Transaction&, const IngestResult&)> also;
};

/// Files into datasets. Thread-safe; calls block. What it refers to outlives it.
class IngestService {
 public:
  IngestService(catalog::Catalog& catalog, engine::Engine& engine, const storage::Buckets& buckets,
                query::TableWriter& writer, catalog::SchemaRules* rules = nullptr,
                query::PiiScanner* pii = nullptr, engine::FileEngines* files = nullptr,
                query::RowGuard* guard = nullptr)
      : catalog_(catalog),
        engine_(engine),
        buckets_(buckets),
        writer_(writer),
        rules_(rules),
        pii_(pii),
        files_(files),
        guard_(guard) {}

  /// Begins an upload, staged in `bucket` (empty: the primary one).
  Result<std::unique_ptr<Upload>> stage(const std::string& bucket, Upload::Limits limits = {});

  /// An engine that sees nothing but the upload, and must not outlive it; null if there are none.
  Result<std::unique_ptr<engine::Engine>> engine_for(const RequestContext& context,
                                                     const Upload& upload);

  /// Reads a finished upload into a dataset: all of its rows but the bad ones, in one commit.
  ///
  /// InvalidArgument for a file that cannot be read, or with too many bad rows (the first ones are
  /// in the error's details); FailedPrecondition, with the differences in the details, if its
  /// columns do not fit the dataset's; AlreadyExists as `mode` says; PermissionDenied for rows that
  /// the principal could not read afterwards, and for Replace where there are some already.
  Result<IngestResult> ingest(const RequestContext& context, const Upload& upload,
                              const IngestOptions& options);

 private:
  struct Job;

  Status find_target(const RequestContext& context, Job* job);
  Status prepare_engine(const RequestContext& context, Job* job);
  Result<std::optional<IngestResult>> find_duplicate(const RequestContext& context, const Job& job);
  Result<IngestResult> run(const RequestContext& context, Job* job);
  Result<query::AppendRequest> request(const RequestContext& context, Job* job);
  Status plan_columns(const RequestContext& context, Job* job, query::AppendRequest* request);
  Status check_outcome(const RequestContext& context, std::int64_t rows, Job* job);
  Status keep_bad_rows(const RequestContext& context, Job* job);
  void look_for_people(const RequestContext& context, const query::Written& written, Job* job);
  Status committed(metastore::Transaction& transaction, const catalog::LoadedTable& after,
                   Job* job);
  IngestResult result_of(const Job& job, const catalog::LoadedTable& after) const;
  Result<bool> adapt(const RequestContext& context, const Error& error, Job* job);

  catalog::Catalog& catalog_;
  engine::Engine& engine_;
  const storage::Buckets& buckets_;
  query::TableWriter& writer_;
  catalog::SchemaRules* rules_;  ///< Null: none are kept.
  query::PiiScanner* pii_;       ///< Null: nobody looks for personal data.
  engine::FileEngines* files_;   ///< Null: files are read by `engine_`.
  query::RowGuard* guard_;       ///< Null: everybody may write every row.
};

}  // namespace lakehouse::ingest
