#include "ingest/ingest_service.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "iceberg/type_mapping.h"
#include "ingest/column_match.h"

namespace lakehouse::ingest {

namespace {

namespace json = boost::json;
using catalog::LoadedTable;
using catalog::TableIdentifier;

/// Each try changes how the file is read; there are not so many ways.
constexpr int kTriesMax = 12;

std::unexpected<Error> too_many_bad_rows(const BadRows& bad, std::int64_t rows,
                                         const BadRowLimit& limit) {
  json::array first;
  for (const BadRow& row : bad.first) {
    json::object item;
    item["line"] = row.line;
    item["reason"] = row.reason;
    item["text"] = row.text;
    first.push_back(std::move(item));
  }
  json::object details;
  details["bad_rows"] = bad.count;
  details["rows"] = rows;
  details["first_bad_rows"] = std::move(first);
  std::string message = fmt::format("{} of {} rows cannot be read, and at most {} may be so",
                                    bad.count, rows + bad.count, to_string(limit));
  if (!bad.first.empty()) {
    message += ": " + to_string(bad.first.front());
  }
  Error error{
      .code = ErrorCode::InvalidArgument,
      .message = std::move(message),
      .hint = "Mend the file, or allow more with max_bad_rows; bad rows are then kept aside.",
      .position_bytes = std::nullopt,
      .details_json = json::serialize(details)};
  return std::unexpected(std::move(error));
}

/// Whether the table's column may become what the file's is.
bool widens_to(const iceberg::TableMetadata& metadata, const std::string& column,
               const std::string& type) {
  const iceberg::NestedField* field = metadata.current_schema()->find(column);
  std::int32_t unused_id = 1;
  const auto wanted = iceberg::type_from_duckdb(type, unused_id, metadata.format_version);
  return field != nullptr && wanted && can_promote(*field->type, **wanted, metadata.format_version);
}

/// Rows that come without a file are a program's.
catalog::LineageRun lineage_of(const Upload& upload, const IngestOptions& options) {
  const bool is_file = !options.file_name.empty();
  const std::string source =
      !options.source.empty() ? options.source : (is_file ? "upload" : "api");
  json::object detail{{"sha256", upload.sha256()}};
  if (is_file) {
    detail["file"] = as_utf8(options.file_name);
  }
  catalog::LineageRun run;
  run.job = "ingest";
  run.inputs = {{.kind = catalog::LineageNodeKind::Source, .id = source, .name = source}};
  run.detail_json = json::serialize(detail);
  return run;
}

}  // namespace

Result<IngestMode> ingest_mode_from(std::string_view name) {
  if (name == "append") {
    return IngestMode::Append;
  }
  if (name == "replace") {
    return IngestMode::Replace;
  }
  if (name == "create") {
    return IngestMode::Create;
  }
  return fail(ErrorCode::InvalidArgument, fmt::format("mode is '{}'", name.substr(0, 40)),
              "Give append, replace or create.");
}

/// One file on its way.
struct IngestService::Job {
  const Upload& upload;
  const IngestOptions& options;
  TableIdentifier table;
  std::optional<LoadedTable> existing;
  /// Where the file's own engine may write; in the bucket that the rows go to.
  std::optional<query::StagingFolder> staging;
  std::string staging_bucket;
  std::unique_ptr<engine::Engine> engine;  ///< The file's own.
  std::unique_ptr<FileReader> reader;
  std::vector<FileColumn> columns;
  ColumnMatch match;
  std::vector<std::string> table_misfits;  ///< Columns of the table, to be widened.

  // What the last reading came to.
  BadRows bad;
  std::vector<std::size_t> misfits;
  bool read_again = false;      ///< The write was given up in order to read in another way.
  bool accept_misfits = false;  ///< There is no other way.
  std::vector<std::string> warnings;
  std::string bad_rows_object;
  bool twin_won = false;

  bool looked_for_people = false;
  std::int64_t sampled_rows = 0;
  std::vector<catalog::PiiFinding> findings;
};

Result<std::unique_ptr<Upload>> IngestService::stage(const std::string& bucket,
                                                     Upload::Limits limits) {
  LH_ASSIGN_OR_RETURN(
      query::StagingFolder folder,
      query::StagingFolder::make(buckets_, bucket.empty() ? buckets_.primary() : bucket));
  return Upload::open(std::move(folder), limits);
}

Result<IngestResult> IngestService::ingest(const RequestContext& context, const Upload& upload,
                                           const IngestOptions& options) {
  Job job{.upload = upload,
          .options = options,
          .table = {},
          .existing = std::nullopt,
          .staging = std::nullopt,
          .staging_bucket = {},
          .engine = nullptr,
          .reader = nullptr,
          .columns = {},
          .match = {},
          .table_misfits = {},
          .bad = {},
          .misfits = {},
          .read_again = false,
          .accept_misfits = false,
          .warnings = {},
          .bad_rows_object = {},
          .twin_won = false,
          .looked_for_people = false,
          .sampled_rows = 0,
          .findings = {}};
  for (int tries = 1;; ++tries) {
    LH_RETURN_IF_ERROR(context.check());
    LH_RETURN_IF_ERROR(find_target(context, &job));
    LH_ASSIGN_OR_RETURN(std::optional<IngestResult> duplicate, find_duplicate(context, job));
    if (duplicate) {
      return *std::move(duplicate);
    }
    LH_RETURN_IF_ERROR(prepare_engine(context, &job));
    job.read_again = false;
    Result<IngestResult> done = run(context, &job);
    if (done || tries >= kTriesMax) {
      return done;
    }
    LH_ASSIGN_OR_RETURN(const bool again, adapt(context, done.error(), &job));
    if (!again) {
      // Bad rows that were kept aside stay: an earlier ingest of the file may be what keeps them.
      return std::unexpected(plain_error(std::move(done).error(), upload.path()));
    }
  }
}

Result<std::unique_ptr<engine::Engine>> IngestService::engine_for(const RequestContext& context,
                                                                  const Upload& upload) {
  if (files_ == nullptr) {
    return nullptr;
  }
  engine::EngineGrant grant;
  grant.writable = {upload.folder()};
  return files_->file_engine(context, std::move(grant));
}

/// The file is read by a child that sees nothing but the file and where its rows go.
Status IngestService::prepare_engine(const RequestContext& context, Job* job) {
  // A program's rows are no file, and would wait longer for an engine than it takes to read them.
  const bool is_file = !job->options.file_name.empty() || job->options.deduplicate;
  if (files_ == nullptr || !is_file) {
    if (job->reader == nullptr) {
      job->reader = FileReader::of(job->upload, engine_, job->options.reader);
    }
    return {};
  }
  std::string bucket = job->options.bucket.empty() ? buckets_.primary() : job->options.bucket;
  if (job->existing) {
    LH_ASSIGN_OR_RETURN(const storage::ResolvedLocation place,
                        buckets_.resolve(job->existing->metadata->location));
    bucket = place.bucket;
  }
  if (job->engine != nullptr && job->staging_bucket == bucket) {
    return {};
  }
  job->reader.reset();
  job->engine.reset();
  LH_ASSIGN_OR_RETURN(job->staging, query::StagingFolder::make(buckets_, bucket));
  job->staging_bucket = bucket;
  engine::EngineGrant grant;
  // Beside the file it keeps bad rows.
  grant.writable = {job->upload.folder(), job->staging->path()};
  LH_ASSIGN_OR_RETURN(job->engine, files_->file_engine(context, std::move(grant)));
  job->reader = FileReader::of(job->upload, *job->engine, job->options.reader);
  return {};
}

Status IngestService::find_target(const RequestContext& context, Job* job) {
  job->existing.reset();
  Result<TableIdentifier> found = catalog_.resolve_dataset(context, job->options.dataset);
  if (found) {
    job->table = *std::move(found);
    if (job->options.mode == IngestMode::Create) {
      return fail(ErrorCode::AlreadyExists, fmt::format("dataset {} exists", to_string(job->table)),
                  "Use mode=append or mode=replace, or another name.");
    }
    LH_ASSIGN_OR_RETURN(job->existing, catalog_.load_table(context, job->table));
    return guard_ != nullptr && job->options.mode == IngestMode::Replace
               ? guard_->check_may_replace(context, job->table)
               : Status();
  }
  if (found.error().code != ErrorCode::NotFound || !job->options.may_create) {
    return std::unexpected(std::move(found).error());
  }
  LH_ASSIGN_OR_RETURN(job->table, catalog::Catalog::parse_dataset(job->options.dataset));
  return {};
}

Result<std::optional<IngestResult>> IngestService::find_duplicate(const RequestContext& context,
                                                                  const Job& job) {
  if (!job.existing || job.options.mode != IngestMode::Append || !job.options.deduplicate) {
    return std::nullopt;
  }
  LH_ASSIGN_OR_RETURN(const std::optional<catalog::IngestedFile> file,
                      catalog_.find_ingested_file(context, job.existing->metadata->table_uuid,
                                                  job.upload.sha256()));
  if (!file) {
    return std::nullopt;
  }
  IngestResult result = result_of(job, *job.existing);
  result.snapshot_id = file->snapshot_id;
  result.rows = file->rows;
  result.bad_rows = file->bad_rows;
  result.bad_rows_object.clear();
  result.duplicate = true;
  result.warnings = {fmt::format("the same file{} is there already: nothing was added",
                                 file->file_name.empty() ? "" : " (" + file->file_name + ")")};
  return result;
}

Result<IngestResult> IngestService::run(const RequestContext& context, Job* job) {
  LH_ASSIGN_OR_RETURN(job->columns, job->reader->detect(context));
  LH_ASSIGN_OR_RETURN(query::AppendRequest append, request(context, job));
  LH_ASSIGN_OR_RETURN(const query::Appended appended, writer_.append(context, std::move(append)));
  IngestResult result = result_of(*job, appended.table);
  result.snapshot_id = appended.snapshot_id;
  result.rows = appended.rows;
  if (!job->findings.empty()) {
    // The rows are there; if this fails, the next ingest or scan makes up for it.
    static_cast<void>(pii_->propose(context, appended.table));
  }
  return result;
}

Result<query::AppendRequest> IngestService::request(const RequestContext& context, Job* job) {
  query::AppendRequest append;
  append.table = job->table;
  LH_RETURN_IF_ERROR(plan_columns(context, job, &append));
  if (!job->existing) {
    // A dataset's namespace is made with it.
    const Result<catalog::NamespaceInfo> made =
        catalog_.create_namespace(context, job->table.name_space, {});
    if (!made && made.error().code != ErrorCode::AlreadyExists) {
      return std::unexpected(made.error());
    }
  }
  FileRows rows = job->reader->rows(job->match.wanted);
  if (job->existing) {
    append.columns = shape_rows(job->match, &rows);
  }
  append.source = std::move(rows.statement);
  append.source.scan_bytes = job->upload.staged_bytes();
  if (job->engine != nullptr) {
    append.engine = job->engine.get();
    append.staging_parent = job->staging->path();
  }
  append.source_columns = std::move(rows.columns);
  append.source_bytes = job->upload.staged_bytes();
  append.summary = {{"lakehouse.ingest.sha256", job->upload.sha256()}};
  if (!job->options.file_name.empty()) {
    append.summary.emplace_back("lakehouse.ingest.file", job->options.file_name);
  }
  append.lineage = lineage_of(job->upload, job->options);
  append.before_commit = [this, context, job](std::int64_t row_count) {
    return check_outcome(context, row_count, job);
  };
  append.inspect = [this, context, job](const query::Written& written) -> Status {
    if (guard_ != nullptr && job->existing) {
      LH_RETURN_IF_ERROR(guard_->check_files(context, job->table, written.schema, written.paths));
    }
    if (pii_ != nullptr) {
      look_for_people(context, written, job);
    }
    return {};
  };
  append.also = [this, job](metastore::Transaction& transaction,
                            const std::vector<LoadedTable>& after) {
    return committed(transaction, after.front(), job);
  };
  return append;
}

Status IngestService::plan_columns(const RequestContext& context, Job* job,
                                   query::AppendRequest* request) {
  if (!job->existing) {
    request->mode = query::WriteMode::Create;
    request->definition.columns = definitions_of(job->columns);
    request->definition.bucket = job->options.bucket;
    job->match = {};
    job->match.wanted.resize(job->columns.size());
    return {};
  }
  request->mode = job->options.mode == IngestMode::Replace ? query::WriteMode::Replace
                                                           : query::WriteMode::Append;
  MatchOptions options;
  options.format_version = job->existing->metadata->format_version;
  options.inferred = job->reader->infers_types();
  options.may_add = job->options.may_add_columns;
  options.misfits = job->table_misfits;
  if (rules_ != nullptr) {
    const std::string source =
        job->options.source.empty() ? source_of_file(job->options.file_name) : job->options.source;
    LH_ASSIGN_OR_RETURN(options.rules,
                        rules_->rules_for(context, job->existing->metadata->table_uuid, source));
  }
  LH_ASSIGN_OR_RETURN(
      job->match, match_columns(*job->existing->metadata->current_schema(), job->columns, options));
  request->evolve = job->match.evolve;
  return {};
}

/// Runs after the rows were written to staging and before anything is committed.
Status IngestService::check_outcome(const RequestContext& context, std::int64_t rows, Job* job) {
  LH_ASSIGN_OR_RETURN(FileReader::Outcome outcome, job->reader->outcome());
  job->bad = std::move(outcome.bad);
  job->misfits = std::move(outcome.misfits);
  if ((!job->misfits.empty() && !job->accept_misfits) || job->reader->reconsider(job->bad)) {
    job->read_again = true;
    return fail(ErrorCode::Aborted, "the file is to be read in another way");
  }
  if (!job->options.bad_rows_max.allows(job->bad.count, rows + job->bad.count)) {
    return too_many_bad_rows(job->bad, rows, job->options.bad_rows_max);
  }
  return job->bad.count == 0 ? Status() : keep_bad_rows(context, job);
}

/// Decides how to go on after a failed try: true for another one.
Result<bool> IngestService::adapt(const RequestContext& context, const Error& error, Job* job) {
  if (job->twin_won) {
    return true;  // The next try finds the twin's file.
  }
  if (!job->read_again) {
    if (error.code == ErrorCode::AlreadyExists && !job->existing &&
        job->options.mode != IngestMode::Create) {
      return true;  // Somebody has made the dataset meanwhile.
    }
    return job->reader->recover(context, error);
  }
  if (job->misfits.empty()) {
    return true;  // The reader has reconsidered.
  }
  // Columns of the table keep their type, if Iceberg knows no wider one that fits: then their
  // values are bad rows, or the difference is refused.
  std::vector<std::size_t> free_columns;
  bool table_widens = false;
  for (const std::size_t i : job->misfits) {
    const bool known = job->existing && job->match.wanted[i].table_type.has_value();
    if (!known) {
      free_columns.push_back(i);
      continue;
    }
    const std::string& name = job->match.table_columns[i];
    if (std::ranges::find(job->table_misfits, name) == job->table_misfits.end()) {
      job->table_misfits.push_back(name);
      table_widens = true;
      if (!widens_to(*job->existing->metadata, name, job->columns[i].type)) {
        free_columns.push_back(i);
      }
    }
  }
  bool widened = false;
  if (!free_columns.empty()) {
    LH_ASSIGN_OR_RETURN(widened, job->reader->widen(context, free_columns));
  }
  if (!widened && !table_widens) {
    job->accept_misfits = true;
  }
  return true;
}

Status IngestService::keep_bad_rows(const RequestContext& context, Job* job) {
  const std::string bucket = job->options.bucket.empty() ? buckets_.primary() : job->options.bucket;
  LH_ASSIGN_OR_RETURN(storage::ObjectStore * store, buckets_.find(bucket));
  const std::string key = fmt::format(
      "_rejects/{}/{}.ndjson", encode_path_segment(to_string(job->table)), job->upload.sha256());
  // Adopting moves the file, and the write may be tried again.
  const std::string copy = job->bad.path + ".keep";
  std::error_code problem;
  std::filesystem::copy_file(job->bad.path, copy, std::filesystem::copy_options::overwrite_existing,
                             problem);
  if (problem) {
    return fail(ErrorCode::Unavailable, "cannot keep bad rows aside: " + problem.message());
  }
  LH_RETURN_IF_ERROR(store->adopt_file(context, copy, key));
  LH_ASSIGN_OR_RETURN(job->bad_rows_object, buckets_.location(bucket, key));
  return {};
}

void IngestService::look_for_people(const RequestContext& context, const query::Written& written,
                                    Job* job) {
  job->looked_for_people = false;
  job->findings.clear();
  if (job->existing && !job->options.deduplicate && job->match.evolve.empty()) {
    // A few rows of the shape that is known: now and then is enough.
    const Result<bool> due = pii_->is_due(context, *job->existing);
    if (due && !*due) {
      return;
    }
  }
  auto found = pii_->look(context, to_string(job->table), written, &job->sampled_rows);
  if (!found) {
    job->warnings.push_back("nobody looked for personal data: " + found.error().message);
    return;
  }
  job->looked_for_people = true;
  job->findings = *std::move(found);
}

Status IngestService::committed(metastore::Transaction& transaction, const LoadedTable& after,
                                Job* job) {
  const iceberg::TableMetadata& metadata = *after.metadata;
  IngestResult result = result_of(*job, after);
  const iceberg::Snapshot* snapshot = metadata.current_snapshot();
  if (snapshot != nullptr && snapshot->sequence_number == metadata.last_sequence_number) {
    result.snapshot_id = snapshot->snapshot_id;
    const auto added = snapshot->summary.find("added-records");
    result.rows = added == snapshot->summary.end() ? 0 : std::stoll(added->second);
    if (job->options.deduplicate) {
      Status recorded =
          catalog::Catalog::record_ingested_file(transaction, {.table_uuid = metadata.table_uuid,
                                                               .sha256 = job->upload.sha256(),
                                                               .snapshot_id = snapshot->snapshot_id,
                                                               .rows = result.rows,
                                                               .bad_rows = job->bad.count,
                                                               .file_name = job->options.file_name,
                                                               .at_ms = catalog_.now_ms()});
      if (!recorded) {
        job->twin_won = recorded.error().code == ErrorCode::AlreadyExists;
        return recorded;
      }
    }
    if (job->looked_for_people) {
      const catalog::PiiScan scan{.snapshot_id = snapshot->snapshot_id,
                                  .at_ms = catalog_.now_ms(),
                                  .sampled_rows = job->sampled_rows,
                                  .table_rows = query::live_rows(metadata),
                                  .on_demand = false};
      LH_RETURN_IF_ERROR(catalog::PiiFindings::record(transaction, metadata.table_uuid, scan,
                                                      job->findings,
                                                      job->options.mode == IngestMode::Replace));
    }
  }
  return job->options.also ? job->options.also(transaction, result) : Status();
}

IngestResult IngestService::result_of(const Job& job, const LoadedTable& after) const {
  IngestResult result;
  result.dataset = to_string(after.identifier.name.empty() ? job.table : after.identifier);
  result.bad_rows = job.bad.count;
  result.bad_rows_object = job.bad_rows_object;
  result.created = !job.existing.has_value();
  result.sequence_number = after.metadata->last_sequence_number;
  for (const iceberg::NestedField& field : after.metadata->current_schema()->fields) {
    IngestColumn column{
        .name = field.name, .type = iceberg::to_string(*field.type), .original = {}};
    const auto same = std::ranges::find_if(job.columns, [&](const FileColumn& of_file) {
      return field.doc && of_file.name == *field.doc;
    });
    if (same != job.columns.end()) {
      column.original = same->name;
    }
    result.columns.push_back(std::move(column));
  }
  result.schema_fingerprint = catalog::schema_fingerprint(*after.metadata->current_schema());
  if (!job.columns.empty()) {
    result.file_fingerprint = file_fingerprint(job.columns, after.metadata->format_version);
  }
  result.pii = job.findings;
  result.warnings = job.warnings;
  if (job.existing) {
    std::ranges::move(rename_hints(*job.existing->metadata->current_schema(), job.match),
                      std::back_inserter(result.warnings));
  }
  if (job.upload.encoding() != TextEncoding::Utf8) {
    result.warnings.push_back(
        fmt::format("the text is {}, and was turned into UTF-8", to_string(job.upload.encoding())));
  }
  for (const BadRow& row : job.bad.first) {
    result.warnings.push_back(to_string(row));
  }
  if (job.bad.count > static_cast<std::int64_t>(job.bad.first.size())) {
    result.warnings.push_back(
        fmt::format("... and {} more bad rows",
                    job.bad.count - static_cast<std::int64_t>(job.bad.first.size())));
  }
  return result;
}

}  // namespace lakehouse::ingest
