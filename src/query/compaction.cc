#include "query/compaction.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/id.h"
#include "base/json.h"
#include "iceberg/snapshot_producer.h"
#include "iceberg/table_requirement.h"
#include "query/copy_statement.h"
#include "query/parquet_stats.h"
#include "query/staging.h"
#include "query/tree.h"

namespace lakehouse::query {
namespace {

using iceberg::DataFile;
using iceberg::ScanTask;

/// Of one commit's files, before.
constexpr std::uint64_t kBatchBytes = std::uint64_t{4} << 30U;
constexpr std::size_t kBatchFiles = 5000;
constexpr int kTriesMax = 5;

std::uint64_t size_of(const ScanTask& task) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(task.file->file_size_in_bytes, 0));
}

/// Locations of files that this run has written: no need to look at them again.
using FilesWritten = std::unordered_set<std::string>;

/// The files that are worth writing anew, a partition's together. Files of older specs come to the
/// current one on this occasion, but not for its sake alone.
std::vector<ScanTask> worth_it(const iceberg::ScanPlan& plan, std::uint64_t target,
                               const FilesWritten& written) {
  std::map<std::string, std::vector<const ScanTask*>> partitions;
  for (const ScanTask& task : plan.tasks) {
    if (!task.deletes.empty() ||
        (size_of(task) < target / 4 * 3 && !written.contains(task.file->file_path))) {
      partitions[iceberg::partition_key(task.spec_id, task.file->partition)].push_back(&task);
    }
  }
  std::vector<ScanTask> out;
  for (const auto& [key, tasks] : partitions) {
    const bool has_deletes =
        std::ranges::any_of(tasks, [](const ScanTask* task) { return !task->deletes.empty(); });
    // One small file alone would only become itself.
    if (tasks.size() > 1 || has_deletes) {
      for (const ScanTask* task : tasks) {
        out.push_back(*task);
      }
    }
  }
  return out;
}

/// As many as one commit takes, of whole partitions if they fit.
std::vector<ScanTask> first_batch(const std::vector<ScanTask>& tasks) {
  std::vector<ScanTask> out;
  std::uint64_t bytes = 0;
  for (const ScanTask& task : tasks) {
    if (!out.empty() && (bytes + size_of(task) > kBatchBytes || out.size() >= kBatchFiles)) {
      break;
    }
    bytes += size_of(task);
    out.push_back(task);
  }
  return out;
}

/// The delete files that apply to no other file than those that go.
std::vector<std::string> deletes_done_with(const iceberg::ScanPlan& whole,
                                           const std::vector<ScanTask>& going) {
  std::unordered_set<const DataFile*> gone;
  std::set<std::string> done;
  for (const ScanTask& task : going) {
    gone.insert(task.file.get());
    for (const iceberg::AttachedDelete& attached : task.deletes) {
      done.insert(attached.file->file_path);
    }
  }
  for (const ScanTask& task : whole.tasks) {
    if (!gone.contains(task.file.get())) {
      for (const iceberg::AttachedDelete& attached : task.deletes) {
        done.erase(attached.file->file_path);
      }
    }
  }
  return {done.begin(), done.end()};
}

}  // namespace

/// One commit's worth.
class Compactor::Batch {
 public:
  Batch(Compactor& owner, const RequestContext& context, catalog::LoadedTable table)
      : owner_(owner), context_(context), table_(std::move(table)) {}
  ~Batch() {
    if (!committed_) {
      undo();
    }
  }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  /// Writes the files' rows, and commits. True if there may be more to do.
  Result<bool> run(std::uint64_t target, FilesWritten& written, Compacted& done) {
    const iceberg::Snapshot* snapshot = metadata().current_snapshot();
    if (snapshot == nullptr) {
      return false;
    }
    LH_ASSIGN_OR_RETURN(const iceberg::ScanPlan whole,
                        iceberg::plan_scan(context_, owner_.buckets_, owner_.writer_.manifests(),
                                           metadata(), snapshot->snapshot_id));
    done.files_total = std::max(done.files_total, static_cast<std::int64_t>(whole.tasks.size()));
    std::vector<ScanTask> all = worth_it(whole, target, written);
    iceberg::ScanPlan plan;
    plan.tasks = first_batch(all);
    if (plan.tasks.empty()) {
      return false;
    }
    const bool is_all = plan.tasks.size() == all.size();
    LH_RETURN_IF_ERROR(write(plan, target));
    LH_RETURN_IF_ERROR(adopt());
    LH_RETURN_IF_ERROR(commit(whole, plan, *snapshot));
    count(plan, done);
    written.insert(adopted_.begin(), adopted_.end());
    return !is_all;
  }

 private:
  [[nodiscard]] const iceberg::TableMetadata& metadata() const { return *table_.metadata; }

  Status write(const iceberg::ScanPlan& plan, std::uint64_t target) {
    LH_ASSIGN_OR_RETURN(TableScan scan,
                        owner_.source_.scan_files(context_, metadata(),
                                                  *metadata().current_schema(), plan, "lh_c"));
    LH_ASSIGN_OR_RETURN(const storage::ResolvedLocation place,
                        owner_.buckets_.resolve(metadata().location));
    LH_ASSIGN_OR_RETURN(staging_, StagingFolder::make(owner_.buckets_, place.bucket));
    std::uint64_t bytes = 0;
    for (const ScanTask& task : plan.tasks) {
      bytes += size_of(task);
    }
    engine::Statement source;
    source.scan_bytes = bytes;
    source.text = to_json(tree::statement(std::move(scan.node)));
    source.is_tree = true;
    source.variables = std::move(scan.variables);
    source.lane = engine::Lane::Heavy;
    LH_ASSIGN_OR_RETURN(const std::vector<engine::Column> columns,
                        owner_.engine_.describe(context_, source));
    const CopyOptions options{.folder = staging_->path(),
                              .file_size_bytes = bytes <= target ? 0 : target,
                              .row_group_rows = owner_.writer_.options().row_group_rows};
    LH_ASSIGN_OR_RETURN(CopyPlan copy,
                        plan_copy(metadata(), std::move(source), columns, {}, options));
    LH_ASSIGN_OR_RETURN(const engine::Rows stats,
                        owner_.engine_.query_rows(context_, std::move(copy.statement)));
    LH_ASSIGN_OR_RETURN(staged_, files_from_stats(metadata(), stats, copy.partition_fields));
    return check_rows(plan);
  }

  /// Rows that nobody deleted must all be there, and none may come of nothing.
  Status check_rows(const iceberg::ScanPlan& plan) const {
    std::int64_t least = 0;
    std::int64_t most = 0;
    for (const ScanTask& task : plan.tasks) {
      most += task.file->record_count;
      least += task.deletes.empty() ? task.file->record_count : 0;
    }
    std::int64_t rows = 0;
    for (const StagedFile& file : staged_) {
      rows += file.entry.record_count;
    }
    if (rows < least || rows > most) {
      return fail(ErrorCode::DataLoss,
                  fmt::format("the files have {} rows where their manifests say {} to {}", rows,
                              least, most));
    }
    return {};
  }

  Status adopt() {
    const std::string write_id = new_uuid();
    std::size_t number = 0;
    for (StagedFile& file : staged_) {
      LH_RETURN_IF_ERROR(context_.check());
      const std::string partition =
          partition_path(*metadata().default_spec(), file.entry.partition);
      std::string location =
          fmt::format("{}/data/{}{}{}-{:05}.parquet", metadata().location, partition,
                      partition.empty() ? "" : "/", write_id, number++);
      LH_ASSIGN_OR_RETURN(const storage::ResolvedLocation place, owner_.buckets_.resolve(location));
      LH_RETURN_IF_ERROR(place.store->adopt_file(context_, file.path, place.key));
      adopted_.push_back(location);
      file.entry.file_path = std::move(location);
    }
    return {};
  }

  Status commit(const iceberg::ScanPlan& whole, const iceberg::ScanPlan& plan,
                const iceberg::Snapshot& snapshot) {
    std::vector<DataFile> added;
    for (const StagedFile& file : staged_) {
      added.push_back(file.entry);
    }
    std::vector<std::string> removed;
    for (const ScanTask& task : plan.tasks) {
      removed.push_back(task.file->file_path);
    }
    iceberg::SnapshotChange change =
        iceberg::SnapshotProducer::replace(std::move(added), std::move(removed), snapshot);
    change.removed_delete_files = deletes_done_with(whole, plan.tasks);
    deletes_removed_ = static_cast<std::int64_t>(change.removed_delete_files.size());
    producer_.emplace(owner_.buckets_, owner_.writer_.manifests(), std::move(change));
    LH_ASSIGN_OR_RETURN(const auto lock,
                        owner_.writer_.hold_commits(context_, metadata().table_uuid));
    for (int tries = 1;; ++tries) {
      // Whoever had the lock before has moved the table.
      LH_ASSIGN_OR_RETURN(const catalog::LoadedTable base,
                          owner_.catalog_.load_table(context_, table_.identifier));
      auto requirements = std::vector<iceberg::TableRequirement>{
          iceberg::AssertTableUuid{metadata().table_uuid},
          iceberg::AssertCurrentSchemaId{metadata().current_schema_id},
          iceberg::AssertDefaultSpecId{metadata().default_spec_id}};
      LH_ASSIGN_OR_RETURN(auto produced,
                          producer_->produce(context_, *base.metadata, owner_.catalog_.now_ms()));
      std::ranges::copy(produced.requirements, std::back_inserter(requirements));
      const auto after = owner_.catalog_.commit_table(context_, table_.identifier,
                                                      std::move(requirements), produced.updates);
      if (after) {
        committed_ = true;
        snapshot_id_ = produced.snapshot.snapshot_id;
        producer_->clean_up_after_commit(context_, produced);
        return {};
      }
      // Whether these files are the table's is not known: they stay.
      committed_ = !certainly_not_committed(after.error().code);
      if (after.error().code != ErrorCode::Aborted || tries == kTriesMax) {
        return std::unexpected(after.error());
      }
    }
  }

  void count(const iceberg::ScanPlan& plan, Compacted& done) const {
    done.snapshot_id = snapshot_id_;
    ++done.commits;
    done.files_removed += static_cast<std::int64_t>(plan.tasks.size());
    done.files_added += static_cast<std::int64_t>(staged_.size());
    done.delete_files_removed += deletes_removed_;
    for (const ScanTask& task : plan.tasks) {
      done.bytes_removed += size_of(task);
    }
    for (const StagedFile& file : staged_) {
      done.rows += file.entry.record_count;
      done.bytes_added += static_cast<std::uint64_t>(file.entry.file_size_in_bytes);
    }
  }

  void undo() {
    // For a caller who has gone, too.
    RequestContext patient = context_;
    patient.stop = {};
    patient.deadline = std::chrono::steady_clock::time_point::max();
    if (producer_) {
      producer_->clean_up_after_failure(patient);
    }
    for (const std::string& location : adopted_) {
      static_cast<void>(owner_.buckets_.remove(patient, location));
    }
  }

  Compactor& owner_;
  const RequestContext& context_;
  catalog::LoadedTable table_;
  std::optional<StagingFolder> staging_;
  std::vector<StagedFile> staged_;
  std::vector<std::string> adopted_;
  std::optional<iceberg::SnapshotProducer> producer_;
  std::int64_t snapshot_id_ = 0;
  std::int64_t deletes_removed_ = 0;
  bool committed_ = false;
};

std::uint64_t Compactor::target_of(const CompactRequest& request) const {
  return request.file_size_bytes_target != 0 ? request.file_size_bytes_target
                                             : writer_.options().file_size_bytes_target;
}

Result<CompactWork> Compactor::work(const RequestContext& context, const CompactRequest& request) {
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable table,
                      catalog_.load_table(context, request.table));
  CompactWork out;
  const iceberg::Snapshot* snapshot = table.metadata->current_snapshot();
  if (snapshot == nullptr) {
    return out;
  }
  LH_ASSIGN_OR_RETURN(const iceberg::ScanPlan plan,
                      iceberg::plan_scan(context, buckets_, writer_.manifests(), *table.metadata,
                                         snapshot->snapshot_id));
  for (const ScanTask& task : worth_it(plan, target_of(request), {})) {
    ++out.files;
    out.bytes += size_of(task);
  }
  return out;
}

Result<Compacted> Compactor::compact(const RequestContext& context, const CompactRequest& request,
                                     const Progress& progress) {
  const std::uint64_t target = target_of(request);
  Compacted done;
  FilesWritten written;
  int lost = 0;
  while (true) {
    LH_RETURN_IF_ERROR(context.check());
    LH_ASSIGN_OR_RETURN(catalog::LoadedTable table, catalog_.load_table(context, request.table));
    Batch batch(*this, context, std::move(table));
    const std::int64_t commits = done.commits;
    const auto more = batch.run(target, written, done);
    if (!more && more.error().code == ErrorCode::Aborted && ++lost < kTriesMax) {
      continue;
    }
    if (!more) {
      return std::unexpected(more.error());
    }
    if (progress && done.commits > commits) {
      LH_RETURN_IF_ERROR(progress(done));
    }
    if (!*more) {
      return done;
    }
  }
}

}  // namespace lakehouse::query
