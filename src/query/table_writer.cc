#include "query/table_writer.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <span>
#include <thread>

#include <fmt/format.h>

#include "base/id.h"
#include "base/text.h"
#include "iceberg/scan.h"
#include "iceberg/snapshot_producer.h"
#include "iceberg/table_requirement.h"
#include "iceberg/table_update.h"
#include "query/copy_statement.h"
#include "query/ddl.h"
#include "query/parquet_stats.h"
#include "query/staging.h"

namespace lakehouse::query {

namespace {

using catalog::LoadedTable;
using catalog::TableIdentifier;
using iceberg::TableMetadata;
using iceberg::TableRequirement;
using iceberg::TableUpdate;

/// Below this size of its source a write is one file in the source's order.
constexpr std::uint64_t kOneFileSourceBytesMax = 1ULL << 30U;
constexpr int kStartsMax = 4;
constexpr int kAlterTriesMax = 20;

bool replaces_rows(WriteMode mode) {
  return mode == WriteMode::Replace || mode == WriteMode::CreateOrReplace;
}

void back_off(int tries) {
  thread_local std::minstd_rand random(std::random_device{}());
  std::uniform_int_distribution<int> pause_ms(1, 5 * std::min(tries, 20));
  std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms(random)));
}

std::unexpected<Error> exists_already(const TableIdentifier& table) {
  return fail(ErrorCode::AlreadyExists, fmt::format("table {} exists", to_string(table)));
}

/// What keeps a commit from landing on a table of another shape than it was made for.
std::vector<TableRequirement> shape_requirements(const TableMetadata& base) {
  return {iceberg::AssertTableUuid{base.table_uuid},
          iceberg::AssertCurrentSchemaId{base.current_schema_id},
          iceberg::AssertDefaultSpecId{base.default_spec_id},
          iceberg::AssertLastAssignedFieldId{base.last_column_id}};
}

/// Rows that are replaced are no longer those of the files that were ingested: the same file may
/// come again.
CommitHook forgetting_files(const CommitHook& also) {
  return
      [also](metastore::Transaction& transaction, const std::vector<LoadedTable>& after) -> Status {
        LH_RETURN_IF_ERROR(catalog::Catalog::forget_ingested_files(
            transaction, after.front().metadata->table_uuid));
        return also ? also(transaction, after) : Status();
      };
}

CommitHook recording(catalog::LineageRun run, CommitHook also) {
  return [run = std::move(run), also = std::move(also)](
             metastore::Transaction& transaction, const std::vector<LoadedTable>& after) -> Status {
    LH_RETURN_IF_ERROR(catalog::record_lineage(transaction, run));
    return also ? also(transaction, after) : Status();
  };
}

catalog::CreateTable creation(const TableIdentifier& table, iceberg::Schema schema,
                              iceberg::PartitionSpec spec, const TableDefinition& definition) {
  catalog::CreateTable create;
  create.identifier = table;
  create.schema = std::move(schema);
  create.spec = std::move(spec);
  create.properties.insert(definition.properties.begin(), definition.properties.end());
  create.bucket = definition.bucket;
  return create;
}

}  // namespace

bool certainly_not_committed(ErrorCode code) {
  switch (code) {
    case ErrorCode::CommitStateUnknown:
    case ErrorCode::Internal:
    case ErrorCode::DataLoss: return false;
    case ErrorCode::InvalidArgument:
    case ErrorCode::OutOfRange:
    case ErrorCode::NotFound:
    case ErrorCode::AlreadyExists:
    case ErrorCode::FailedPrecondition:
    case ErrorCode::Aborted:
    case ErrorCode::Unauthenticated:
    case ErrorCode::PermissionDenied:
    case ErrorCode::ResourceExhausted:
    case ErrorCode::Unavailable:
    case ErrorCode::DeadlineExceeded:
    case ErrorCode::Cancelled:
    case ErrorCode::Unimplemented: return true;
  }
  return false;
}

struct TableWriter::Job {
  LoadedTable base;  ///< Staged, if the table is to be made.
  bool creates = false;
  std::vector<engine::Column> source_columns;
  std::vector<TableUpdate> shape_updates;      ///< From `base` to `shape`, or all that makes it.
  std::shared_ptr<const TableMetadata> shape;  ///< What the rows are written for.
  std::optional<StagingFolder> staging;
  std::vector<StagedFile> staged;
  std::vector<std::string> adopted;  ///< Locations.
  std::optional<iceberg::SnapshotProducer> producer;
  std::optional<iceberg::ProducedSnapshot> produced;
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  bool start_over = false;  ///< The table's shape changed meanwhile.
};

Result<Appended> TableWriter::append(const RequestContext& context, AppendRequest request) {
  for (int starts = 1;; ++starts) {
    bool start_over = false;
    Result<Appended> appended = append_once(context, request, &start_over);
    if (appended || !start_over || starts == kStartsMax) {
      return appended;
    }
    LH_RETURN_IF_ERROR(context.check());
  }
}

namespace {

Written what_was_written(const std::vector<StagedFile>& staged, const TableMetadata& shape,
                         std::int64_t rows) {
  Written written{.schema = *shape.current_schema(), .paths = {}, .rows = rows};
  for (const StagedFile& file : staged) {
    written.paths.push_back(file.path);
  }
  return written;
}

}  // namespace

Result<Appended> TableWriter::append_once(const RequestContext& context,
                                          const AppendRequest& request, bool* start_over) {
  Job job;
  LH_RETURN_IF_ERROR(plan(context, request, &job));
  Status written = write_files(context, request, &job);
  if (written && request.before_commit) {
    written = request.before_commit(job.rows);
  }
  if (written && request.inspect && job.rows > 0) {
    written = request.inspect(what_was_written(job.staged, *job.shape, job.rows));
  }
  if (!written) {
    undo(context, &job);
    return std::unexpected(std::move(written).error());
  }
  if (job.rows == 0 && request.mode == WriteMode::Append && job.shape_updates.empty()) {
    return Appended{.snapshot_id = std::nullopt,
                    .rows = 0,
                    .files = 0,
                    .bytes = 0,
                    .table = std::move(job.base)};
  }
  if (Status adopted = adopt_files(context, &job); !adopted) {
    undo(context, &job);
    return std::unexpected(std::move(adopted).error());
  }
  Result<Appended> committed = commit(context, request, &job);
  *start_over = job.start_over;
  return committed;
}

Status TableWriter::plan(const RequestContext& context, const AppendRequest& request, Job* job) {
  job->source_columns = request.source_columns;
  if (job->source_columns.empty()) {
    engine::Engine& engine = request.engine == nullptr ? engine_ : *request.engine;
    LH_ASSIGN_OR_RETURN(job->source_columns, engine.describe(context, request.source));
  }
  if (request.mode == WriteMode::Create) {
    return plan_create(context, request, job);
  }
  Result<LoadedTable> loaded = catalog_.load_table(context, request.table);
  if (!loaded) {
    if (request.mode == WriteMode::CreateOrReplace && loaded.error().code == ErrorCode::NotFound) {
      return plan_create(context, request, job);
    }
    return std::unexpected(std::move(loaded).error());
  }
  job->base = *std::move(loaded);
  return plan_change(request, job);
}

namespace {

/// The columns of CREATE TABLE AS: as defined, else those of the source.
TableDefinition full_definition(const AppendRequest& request,
                                const std::vector<engine::Column>& source_columns) {
  TableDefinition definition = request.definition;
  if (definition.columns.empty()) {
    for (const engine::Column& column : source_columns) {
      definition.columns.push_back(
          {.name = column.name, .type = column.type, .required = false, .doc = std::nullopt});
    }
  }
  return definition;
}

}  // namespace

Status TableWriter::plan_create(const RequestContext& context, const AppendRequest& request,
                                Job* job) {
  const TableDefinition definition = full_definition(request, job->source_columns);
  LH_ASSIGN_OR_RETURN(const int format_version, format_version_of(definition.properties));
  LH_ASSIGN_OR_RETURN(iceberg::Schema schema,
                      schema_from_columns(definition.columns, format_version));
  LH_ASSIGN_OR_RETURN(iceberg::PartitionSpec spec,
                      spec_from_definitions(definition.partition_by, schema));
  catalog::CreateTable create =
      creation(request.table, std::move(schema), std::move(spec), definition);
  create.stage = true;
  LH_ASSIGN_OR_RETURN(job->base, catalog_.create_table(context, std::move(create)));
  job->creates = true;
  job->shape = job->base.metadata;
  job->shape_updates = updates_of_staged(*job->base.metadata);
  return {};
}

Status TableWriter::plan_change(const AppendRequest& request, Job* job) {
  const TableMetadata& base = *job->base.metadata;
  if (request.mode == WriteMode::CreateOrReplace) {
    LH_ASSIGN_OR_RETURN(job->shape_updates,
                        plan_replace(base, full_definition(request, job->source_columns)));
  } else if (!request.evolve.empty()) {
    LH_ASSIGN_OR_RETURN(job->shape_updates, plan_alter(base, request.evolve));
  }
  if (job->shape_updates.empty()) {
    job->shape = job->base.metadata;
    return {};
  }
  LH_ASSIGN_OR_RETURN(TableMetadata shape,
                      iceberg::apply_updates(base, job->shape_updates, catalog_.now_ms()));
  job->shape = std::make_shared<const TableMetadata>(std::move(shape));
  return {};
}

namespace {

/// The COPY calls the source's columns c0, c1...: its errors are about the table's.
Error naming_columns(Error error, const AppendRequest& request, const iceberg::Schema& schema) {
  constexpr std::string_view mark = "source column c";
  const std::size_t at = error.message.find(mark);
  std::size_t end = at == std::string::npos ? at : at + mark.size();
  std::size_t number = 0;
  for (; end < error.message.size() && error.message[end] >= '0' && error.message[end] <= '9';
       ++end) {
    number = number * 10 + static_cast<std::size_t>(error.message[end] - '0');
  }
  const std::size_t count = request.columns.empty() ? schema.fields.size() : request.columns.size();
  if (at == std::string::npos || number >= count) {
    return error;
  }
  const std::string& name =
      request.columns.empty() ? schema.fields[number].name : request.columns[number];
  error.message.replace(at, end - at, "column " + name);
  return error;
}

}  // namespace

Status TableWriter::write_files(const RequestContext& context, const AppendRequest& request,
                                Job* job) {
  LH_ASSIGN_OR_RETURN(const storage::ResolvedLocation place,
                      buckets_.resolve(job->shape->location));
  LH_ASSIGN_OR_RETURN(job->staging, request.staging_parent.empty()
                                        ? StagingFolder::make(buckets_, place.bucket)
                                        : StagingFolder::make_below(request.staging_parent));
  const bool one_file = request.source_bytes && *request.source_bytes <= kOneFileSourceBytesMax;
  const CopyOptions options{.folder = job->staging->path(),
                            .file_size_bytes = one_file ? 0 : options_.file_size_bytes_target,
                            .row_group_rows = options_.row_group_rows};
  LH_ASSIGN_OR_RETURN(CopyPlan copy, plan_copy(*job->shape, request.source, job->source_columns,
                                               request.columns, options));
  engine::Engine& engine = request.engine == nullptr ? engine_ : *request.engine;
  const Result<engine::Rows> stats = engine.query_rows(context, std::move(copy.statement));
  if (!stats) {
    return std::unexpected(naming_columns(stats.error(), request, *job->shape->current_schema()));
  }
  LH_ASSIGN_OR_RETURN(job->staged, files_from_stats(*job->shape, *stats, copy.partition_fields));
  for (const StagedFile& file : job->staged) {
    job->rows += file.entry.record_count;
    job->bytes += file.entry.file_size_in_bytes;
  }
  return {};
}

Status TableWriter::adopt_files(const RequestContext& context, Job* job) {
  const std::string write_id = new_uuid();
  const iceberg::PartitionSpec& spec = *job->shape->default_spec();
  std::size_t number = 0;
  for (StagedFile& file : job->staged) {
    LH_RETURN_IF_ERROR(context.check());
    const std::string partition = partition_path(spec, file.entry.partition);
    const std::string location =
        fmt::format("{}/data/{}{}{}-{:05}.parquet", job->shape->location, partition,
                    partition.empty() ? "" : "/", write_id, number++);
    LH_ASSIGN_OR_RETURN(const storage::ResolvedLocation place, buckets_.resolve(location));
    LH_RETURN_IF_ERROR(place.store->adopt_file(context, file.path, place.key));
    job->adopted.push_back(location);
    file.entry.file_path = location;
  }
  return {};
}

Result<std::unique_lock<std::timed_mutex>> TableWriter::hold_commits(
    const RequestContext& context, const std::string& table_uuid) {
  std::unique_lock<std::timed_mutex> lock(commit_locks_[commit_lock_of(table_uuid)],
                                          std::defer_lock);
  while (!lock.try_lock_for(std::chrono::milliseconds(50))) {
    LH_RETURN_IF_ERROR(context.check());
  }
  return lock;
}

Result<Appended> TableWriter::commit(const RequestContext& context, const AppendRequest& request,
                                     Job* job) {
  Result<std::unique_lock<std::timed_mutex>> lock = hold_commits(context, job->shape->table_uuid);
  if (!lock) {
    undo(context, job);
    return std::unexpected(std::move(lock).error());
  }
  // Whoever had the lock before has moved the table: do not lose a race that is over already.
  Status ready;
  if (!job->creates) {
    ready = rebase(context, request, job);
  }
  for (int tries = 1; ready; ++tries) {
    Result<LoadedTable> after = commit_once(context, request, job);
    if (after) {
      if (job->produced) {
        job->producer->clean_up_after_commit(context, *job->produced);
      }
      Appended appended;
      if (job->produced) {
        appended.snapshot_id = job->produced->snapshot.snapshot_id;
      }
      appended.rows = job->rows;
      appended.files = static_cast<std::int64_t>(job->staged.size());
      appended.bytes = job->bytes;
      appended.table = *std::move(after);
      return appended;
    }
    if (!certainly_not_committed(after.error().code)) {
      return std::unexpected(std::move(after).error());
    }
    const bool lost_race = after.error().code == ErrorCode::Aborted;
    if (lost_race && job->creates) {
      undo(context, job);
      job->start_over = request.mode == WriteMode::CreateOrReplace;
      return exists_already(request.table);
    }
    if (!lost_race || tries >= options_.commit_tries_max) {
      undo(context, job);
      return std::unexpected(std::move(after).error());
    }
    back_off(tries);
    ready = rebase(context, request, job);
  }
  undo(context, job);
  return std::unexpected(std::move(ready).error());
}

catalog::LineageRun TableWriter::lineage_of(const RequestContext& context,
                                            const AppendRequest& request, const Job& job,
                                            std::int64_t now_ms) {
  catalog::LineageRun run = *request.lineage;
  run.output_id = job.shape->table_uuid;
  run.output_name = to_string(request.table);
  run.at_ms = now_ms;
  run.principal = context.principal;
  if (job.produced) {
    run.snapshot_id = job.produced->snapshot.snapshot_id;
  }
  run.rows = job.rows;
  run.replaces = replaces_rows(request.mode);
  return run;
}

Result<LoadedTable> TableWriter::commit_once(const RequestContext& context,
                                             const AppendRequest& request, Job* job) {
  LH_RETURN_IF_ERROR(context.check());
  std::vector<TableRequirement> requirements;
  if (job->creates) {
    requirements.emplace_back(iceberg::AssertCreate{});
  } else {
    requirements = shape_requirements(*job->base.metadata);
  }
  std::vector<TableUpdate> updates = job->shape_updates;
  const bool replaces = replaces_rows(request.mode) && !job->creates;
  if (replaces || !job->staged.empty()) {
    if (!job->producer) {
      std::vector<iceberg::DataFile> files;
      for (const StagedFile& file : job->staged) {
        files.push_back(file.entry);
      }
      iceberg::SnapshotChange change =
          replaces ? iceberg::SnapshotProducer::replace_all(std::move(files))
                   : iceberg::SnapshotProducer::append(std::move(files));
      change.summary.insert(request.summary.begin(), request.summary.end());
      job->producer.emplace(buckets_, manifests_, std::move(change));
    }
    LH_ASSIGN_OR_RETURN(job->produced,
                        job->producer->produce(context, *job->shape, catalog_.now_ms()));
    if (!job->creates) {
      std::ranges::copy(job->produced->requirements, std::back_inserter(requirements));
    }
    std::ranges::copy(job->produced->updates, std::back_inserter(updates));
  }
  CommitHook also = request.also;
  if (request.lineage && (job->produced || job->creates)) {
    const catalog::LineageRun run = lineage_of(context, request, *job, catalog_.now_ms());
    std::ranges::move(
        catalog::lineage_updates(job->creates ? nullptr : job->base.metadata.get(), run),
        std::back_inserter(updates));
    also = recording(run, also);
  }
  return catalog_.commit_table(context, request.table, std::move(requirements), std::move(updates),
                               {.also = replaces ? forgetting_files(also) : also});
}

Status TableWriter::rebase(const RequestContext& context, const AppendRequest& request, Job* job) {
  LH_ASSIGN_OR_RETURN(LoadedTable now, catalog_.load_table(context, request.table));
  const std::shared_ptr<const TableMetadata> written_for = job->shape;
  job->base = std::move(now);
  job->shape_updates.clear();
  Status planned = plan_change(request, job);
  if (!planned) {
    return planned;
  }
  const bool same_table = job->shape->table_uuid == written_for->table_uuid &&
                          job->shape->location == written_for->location;
  const bool same_shape =
      same_fields(*job->shape->current_schema(), *written_for->current_schema()) &&
      job->shape->default_spec_id == written_for->default_spec_id;
  if (same_table && same_shape) {
    return {};
  }
  job->start_over = true;
  return fail(ErrorCode::Aborted,
              fmt::format("table {} was changed meanwhile", to_string(request.table)),
              "Try again.");
}

void TableWriter::undo(const RequestContext& context, Job* job) {
  // Cleaning up must work for a caller who has gone, too.
  RequestContext patient = context;
  patient.stop = {};
  patient.deadline = std::chrono::steady_clock::time_point::max();
  if (job->producer) {
    job->producer->clean_up_after_failure(patient);
  }
  for (const std::string& location : job->adopted) {
    static_cast<void>(buckets_.remove(patient, location));
  }
  if (job->creates) {
    if (const auto place = buckets_.resolve(job->shape->location)) {
      static_cast<void>(place->store->remove_empty_folders(patient, place->key));
    }
  }
}

Result<LoadedTable> TableWriter::create_table(const RequestContext& context,
                                              const TableIdentifier& table,
                                              const TableDefinition& definition, IfExists if_exists,
                                              const CommitHook& also) {
  LH_ASSIGN_OR_RETURN(const int format_version, format_version_of(definition.properties));
  LH_ASSIGN_OR_RETURN(iceberg::Schema schema,
                      schema_from_columns(definition.columns, format_version));
  LH_ASSIGN_OR_RETURN(iceberg::PartitionSpec spec,
                      spec_from_definitions(definition.partition_by, schema));
  Result<LoadedTable> created = catalog_.create_table(
      context, creation(table, std::move(schema), std::move(spec), definition), {.also = also});
  if (created || created.error().code != ErrorCode::AlreadyExists || if_exists == IfExists::Fail) {
    return created;
  }
  return if_exists == IfExists::Keep ? catalog_.load_table(context, table)
                                     : replace_by_empty(context, table, definition, also);
}

Result<LoadedTable> TableWriter::replace_by_empty(const RequestContext& context,
                                                  const TableIdentifier& table,
                                                  const TableDefinition& definition,
                                                  const CommitHook& also) {
  for (int tries = 1;; ++tries) {
    LH_ASSIGN_OR_RETURN(const LoadedTable base, catalog_.load_table(context, table));
    LH_ASSIGN_OR_RETURN(std::vector<TableUpdate> updates, plan_replace(*base.metadata, definition));
    LH_ASSIGN_OR_RETURN(const TableMetadata shape,
                        iceberg::apply_updates(*base.metadata, updates, catalog_.now_ms()));
    iceberg::SnapshotProducer producer(buckets_, manifests_,
                                       iceberg::SnapshotProducer::replace_all({}));
    catalog::LineageRun emptied;
    emptied.output_id = base.metadata->table_uuid;
    emptied.output_name = to_string(table);
    emptied.job = "create_table";
    emptied.at_ms = catalog_.now_ms();
    emptied.principal = context.principal;
    emptied.replaces = true;
    std::ranges::move(catalog::lineage_updates(base.metadata.get(), emptied),
                      std::back_inserter(updates));
    std::vector<TableRequirement> requirements = shape_requirements(*base.metadata);
    std::optional<iceberg::ProducedSnapshot> produced;
    if (base.metadata->current_snapshot() != nullptr) {
      LH_ASSIGN_OR_RETURN(produced, producer.produce(context, shape, catalog_.now_ms()));
      std::ranges::copy(produced->requirements, std::back_inserter(requirements));
      std::ranges::copy(produced->updates, std::back_inserter(updates));
    }
    Result<LoadedTable> after =
        catalog_.commit_table(context, table, std::move(requirements), std::move(updates),
                              {.also = forgetting_files(recording(std::move(emptied), also))});
    if (after) {
      return after;
    }
    if (certainly_not_committed(after.error().code)) {
      producer.clean_up_after_failure(context);
    }
    if (after.error().code != ErrorCode::Aborted || tries >= kAlterTriesMax) {
      return after;
    }
    back_off(tries);
  }
}

namespace {

std::optional<TableIdentifier> renamed(const TableIdentifier& table,
                                       const std::vector<AlterAction>& actions) {
  if (actions.size() == 1) {
    if (const auto* rename = std::get_if<RenameTable>(&actions.front())) {
      return TableIdentifier{.name_space = table.name_space, .name = rename->new_name};
    }
  }
  return std::nullopt;
}

}  // namespace

Result<LoadedTable> TableWriter::alter_table(const RequestContext& context,
                                             const TableIdentifier& table,
                                             const std::vector<AlterAction>& actions,
                                             const CommitHook& also) {
  if (const std::optional<TableIdentifier> to = renamed(table, actions)) {
    LH_RETURN_IF_ERROR(catalog_.rename_table(context, table, *to, {.also = also}));
    return catalog_.load_table(context, *to);
  }
  for (int tries = 1;; ++tries) {
    LH_ASSIGN_OR_RETURN(LoadedTable base, catalog_.load_table(context, table));
    LH_RETURN_IF_ERROR(check_no_nulls(context, *base.metadata, actions));
    LH_ASSIGN_OR_RETURN(std::vector<TableUpdate> updates, plan_alter(*base.metadata, actions));
    if (updates.empty()) {
      return base;
    }
    std::vector<TableRequirement> requirements = shape_requirements(*base.metadata);
    if (std::ranges::any_of(actions, [](const AlterAction& action) {
          return std::holds_alternative<SetNotNull>(action);
        })) {
      // No row that was not looked at may come in between.
      requirements.emplace_back(iceberg::AssertRefSnapshotId{std::string(iceberg::kMainBranch),
                                                             base.metadata->current_snapshot_id});
    }
    Result<LoadedTable> after = catalog_.commit_table(context, table, std::move(requirements),
                                                      std::move(updates), {.also = also});
    if (after || after.error().code != ErrorCode::Aborted || tries >= kAlterTriesMax) {
      return after;
    }
    back_off(tries);
  }
}

Status TableWriter::check_no_nulls(const RequestContext& context, const TableMetadata& metadata,
                                   const std::vector<AlterAction>& actions) {
  for (const AlterAction& action : actions) {
    const auto* set = std::get_if<SetNotNull>(&action);
    if (set == nullptr || metadata.current_snapshot() == nullptr) {
      continue;
    }
    const iceberg::NestedField* column =
        set->path.size() == 1 ? find_column(metadata.current_schema()->fields, set->path.front())
                              : nullptr;
    if (set->path.size() > 1) {
      return fail(ErrorCode::Unimplemented,
                  "SET NOT NULL works for columns, not for fields in one");
    }
    if (column == nullptr) {
      continue;  // plan_alter says so, with the nearest names.
    }
    LH_ASSIGN_OR_RETURN(const iceberg::ScanPlan scan,
                        plan_scan(context, buckets_, manifests_, metadata,
                                  metadata.current_snapshot()->snapshot_id));
    for (const iceberg::ScanTask& task : scan.tasks) {
      const std::int64_t* nulls = task.file->null_value_counts.find(column->id);
      if (nulls == nullptr || *nulls > 0) {
        return fail(ErrorCode::FailedPrecondition,
                    fmt::format("column {} {} NULL in some rows", column->name,
                                nulls == nullptr ? "may be" : "is"),
                    "Write these rows again with values first.");
      }
    }
  }
  return {};
}

Result<bool> TableWriter::drop_table(const RequestContext& context, const TableIdentifier& table,
                                     bool if_exists, bool purge) {
  Status dropped = catalog_.drop_table(context, table, purge);
  if (!dropped) {
    if (if_exists && dropped.error().code == ErrorCode::NotFound) {
      return false;
    }
    return std::unexpected(std::move(dropped).error());
  }
  return true;
}

Result<bool> TableWriter::create_schema(const RequestContext& context,
                                        const std::vector<std::string>& name_space,
                                        bool if_not_exists) {
  Result<catalog::NamespaceInfo> created = catalog_.create_namespace(context, name_space, {});
  if (!created) {
    if (if_not_exists && created.error().code == ErrorCode::AlreadyExists) {
      return false;
    }
    return std::unexpected(std::move(created).error());
  }
  return true;
}

Result<bool> TableWriter::drop_schema(const RequestContext& context,
                                      const std::vector<std::string>& name_space, bool if_exists,
                                      bool cascade) {
  if (cascade) {
    Result<catalog::Page<TableIdentifier>> tables = catalog_.list_tables(context, name_space, {});
    if (!tables && tables.error().code != ErrorCode::NotFound) {
      return std::unexpected(std::move(tables).error());
    }
    if (tables) {
      for (const TableIdentifier& table : tables->items) {
        LH_RETURN_IF_ERROR(drop_table(context, table, true, false));
      }
    }
  }
  Status dropped = catalog_.drop_namespace(context, name_space);
  if (!dropped) {
    if (if_exists && dropped.error().code == ErrorCode::NotFound) {
      return false;
    }
    return std::unexpected(std::move(dropped).error());
  }
  return true;
}

}  // namespace lakehouse::query
