#include "iceberg/scan.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "iceberg/detail/delete_scope.h"
#include "iceberg/detail/pruning.h"

namespace lakehouse::iceberg {
namespace {

/// Delete files that share a scope, by ascending sequence number.
class DeleteGroup {
 public:
  void add(AttachedDelete each) { files_.push_back(std::move(each)); }
  void sort() {
    std::sort(files_.begin(), files_.end(), [](const AttachedDelete& a, const AttachedDelete& b) {
      return a.sequence_number < b.sequence_number;
    });
  }
  /// Those of at least that sequence number.
  [[nodiscard]] std::span<const AttachedDelete> since(std::int64_t sequence_number) const {
    const auto from = std::lower_bound(
        files_.begin(), files_.end(), sequence_number,
        [](const AttachedDelete& a, std::int64_t b) { return a.sequence_number < b; });
    return {from, files_.end()};
  }

 private:
  std::vector<AttachedDelete> files_;
};

/// Finds the delete files of a data file by the spec's scope rules.
class DeleteIndex {
 public:
  Status add(const TableMetadata& metadata, const ManifestEntry& entry) {
    const DataFile& file = *entry.file;
    LH_RETURN_IF_ERROR(check_inside_table(metadata, file.file_path, "delete file"));
    AttachedDelete each{.file = entry.file, .sequence_number = *entry.sequence_number};
    if (file.content == FileContent::EqualityDeletes) {
      const PartitionSpec* spec = metadata.spec_by_id(file.spec_id);
      if (spec != nullptr && spec->is_unpartitioned()) {
        global_equality_.add(std::move(each));
      } else {
        equality_[partition_key(file.spec_id, file.partition)].add(std::move(each));
      }
    } else if (file.is_deletion_vector()) {
      const auto [at, is_new] = vectors_.emplace(*file.referenced_data_file, std::move(each));
      if (!is_new) {
        return fail(ErrorCode::DataLoss,
                    fmt::format("data file '{}' has two deletion vectors in one snapshot",
                                *file.referenced_data_file));
      }
    } else if (const auto path = detail::referenced_file(file)) {
      by_path_[std::string(*path)].add(std::move(each));
    } else {
      positions_[partition_key(file.spec_id, file.partition)].add(std::move(each));
    }
    ++count_;
    return {};
  }

  void finish() {
    global_equality_.sort();
    for (auto* groups : {&equality_, &positions_, &by_path_}) {
      for (auto& [key, group] : *groups) {
        group.sort();
      }
    }
  }

  [[nodiscard]] bool empty() const { return count_ == 0; }

  [[nodiscard]] std::vector<AttachedDelete> find(const ManifestEntry& data) const {
    const DataFile& file = *data.file;
    const std::int64_t sequence_number = *data.sequence_number;
    std::vector<AttachedDelete> out;
    const std::string key = equality_.empty() && positions_.empty()
                                ? std::string()
                                : partition_key(file.spec_id, file.partition);
    // Equality deletes never apply to rows of their own commit; position deletes do.
    append(out, global_equality_.since(sequence_number + 1));
    append(out, in(equality_, key, sequence_number + 1));
    const auto vector = vectors_.find(file.file_path);
    if (vector != vectors_.end() && vector->second.sequence_number >= sequence_number) {
      out.push_back(vector->second);
      return out;  // It has all that the position deletes before it had.
    }
    for (const AttachedDelete& each : in(positions_, key, sequence_number)) {
      if (detail::may_reference(*each.file, file.file_path)) {
        out.push_back(each);
      }
    }
    // A delete file that names its data file needs no partition to tell: a file has one place.
    append(out, in(by_path_, file.file_path, sequence_number));
    return out;
  }

 private:
  using Groups = std::unordered_map<std::string, DeleteGroup>;

  static std::span<const AttachedDelete> in(const Groups& groups, const std::string& key,
                                            std::int64_t sequence_number) {
    const auto found = groups.find(key);
    return found == groups.end() ? std::span<const AttachedDelete>()
                                 : found->second.since(sequence_number);
  }
  static void append(std::vector<AttachedDelete>& out, std::span<const AttachedDelete> more) {
    out.insert(out.end(), more.begin(), more.end());
  }

  DeleteGroup global_equality_;
  Groups equality_;
  Groups positions_;
  Groups by_path_;
  std::unordered_map<std::string, AttachedDelete> vectors_;
  std::size_t count_ = 0;
};

bool has_live_files(const ManifestFile& manifest) {
  return manifest.added_files_count.value_or(1) > 0 ||
         manifest.existing_files_count.value_or(1) > 0;
}

std::size_t live_file_count(const ManifestFile& manifest) {
  const std::int64_t count = std::int64_t{manifest.added_files_count.value_or(0)} +
                             manifest.existing_files_count.value_or(0);
  return count > 0 ? static_cast<std::size_t>(count) : 0;
}

/// The snapshots from just after `start` to `end`, oldest first.
Result<std::vector<const Snapshot*>> snapshots_between(const TableMetadata& metadata,
                                                       std::int64_t start, const Snapshot& end) {
  std::unordered_map<std::int64_t, const Snapshot*> by_id;
  for (const SnapshotPtr& snapshot : metadata.snapshots) {
    by_id.emplace(snapshot->snapshot_id, snapshot.get());
  }
  std::vector<const Snapshot*> out;
  std::optional<std::int64_t> at = end.snapshot_id;
  // The count ends a history that walks in circles.
  while (at && *at != start && out.size() <= by_id.size()) {
    const auto found = by_id.find(*at);
    if (found == by_id.end()) {
      at.reset();
      break;
    }
    out.push_back(found->second);
    at = found->second->parent_snapshot_id;
  }
  if (at != start) {
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("snapshot {} is no ancestor of snapshot {}", start, end.snapshot_id),
        "An incremental scan reads what came between a snapshot and one of its successors.");
  }
  std::ranges::reverse(out);
  return out;
}

class Planner {
 public:
  Planner(const RequestContext& context, const storage::Buckets& buckets, ManifestCache& cache,
          const TableMetadata& metadata, const Schema& schema, const ScanRequest& request)
      : context_(context),
        buckets_(buckets),
        cache_(cache),
        metadata_(metadata),
        request_(request),
        pruner_(metadata, schema, request.filter) {}

  Result<ScanPlan> plan(const Snapshot& snapshot) {
    if (request_.appended_after) {
      LH_RETURN_IF_ERROR(collect_appended(snapshot));
    } else {
      LH_RETURN_IF_ERROR(collect(snapshot));
    }
    // The counts are the file's word only: a wrong one must not cost memory.
    std::size_t files = 0;
    for (const ManifestFile* manifest : manifests_) {
      files += live_file_count(*manifest);
    }
    plan_.tasks.reserve(std::min<std::size_t>({files, request_.tasks_max, 100'000}));
    for (position_ = request_.range.from; position_.manifest < end(); next_manifest()) {
      if (is_full()) {
        break;
      }
      LH_ASSIGN_OR_RETURN(const bool whole, add_tasks(*manifests_[position_.manifest]));
      if (!whole) {
        break;
      }
    }
    if (position_.manifest < end() && sure_rows_ < request_.rows_enough) {
      split_rest();
    }
    plan_.delete_file_count = attached_.size();
    return std::move(plan_);
  }

 private:
  Status collect(const Snapshot& snapshot) {
    LH_ASSIGN_OR_RETURN(const auto manifests,
                        cache_.manifests(context_, buckets_, metadata_, snapshot));
    lists_.push_back(manifests);
    for (const ManifestFile& manifest : *manifests) {
      if (manifest.content == ManifestContent::Data) {
        manifests_.push_back(&manifest);
      } else if (has_live_files(manifest)) {
        LH_RETURN_IF_ERROR(add_deletes(manifest));
      }
    }
    deletes_.finish();
    return {};
  }

  /// Each append's own manifests: later ones may have merged them with others.
  Status collect_appended(const Snapshot& end) {
    LH_ASSIGN_OR_RETURN(const auto snapshots,
                        snapshots_between(metadata_, *request_.appended_after, end));
    for (const Snapshot* snapshot : snapshots) {
      if (snapshot->operation() != "append") {
        continue;
      }
      LH_RETURN_IF_ERROR(context_.check());
      LH_ASSIGN_OR_RETURN(const auto manifests,
                          cache_.manifests(context_, buckets_, metadata_, *snapshot));
      lists_.push_back(manifests);
      for (const ManifestFile& manifest : *manifests) {
        if (manifest.content == ManifestContent::Data &&
            manifest.added_snapshot_id == snapshot->snapshot_id) {
          manifests_.push_back(&manifest);
        }
      }
    }
    return {};
  }

  Status add_deletes(const ManifestFile& manifest) {
    LH_RETURN_IF_ERROR(context_.check());
    LH_ASSIGN_OR_RETURN(const ManifestEntries entries,
                        cache_.entries(context_, buckets_, metadata_, manifest));
    for (const ManifestEntry& entry : *entries) {
      if (entry.is_live()) {
        LH_RETURN_IF_ERROR(deletes_.add(metadata_, entry));
      }
    }
    return {};
  }

  /// Behind the last manifest of the range that has something in it.
  [[nodiscard]] std::size_t end() const {
    const auto& to = request_.range.to;
    return to ? std::min(manifests_.size(), to->manifest + (to->entry > 0 ? 1U : 0U))
              : manifests_.size();
  }
  void next_manifest() { position_ = {.manifest = position_.manifest + 1, .entry = 0}; }

  [[nodiscard]] bool is_full() const {
    return plan_.tasks.size() >= request_.tasks_max || looked_at_ >= request_.entries_max ||
           attachments_ >= request_.deletes_max || sure_rows_ >= request_.rows_enough;
  }

  [[nodiscard]] bool is_wanted(const ManifestFile& manifest, const ManifestEntry& entry) const {
    return request_.appended_after ? entry.status == EntryStatus::Added &&
                                         entry.snapshot_id == manifest.added_snapshot_id
                                   : entry.is_live();
  }

  /// From where the plan stands; false if a limit was met before the end.
  Result<bool> add_tasks(const ManifestFile& manifest) {
    LH_RETURN_IF_ERROR(context_.check());
    if (!has_live_files(manifest)) {
      return true;
    }
    if (!pruner_.may_match(manifest)) {
      plan_.files_skipped += live_file_count(manifest);
      return true;
    }
    LH_ASSIGN_OR_RETURN(const ManifestEntries entries,
                        cache_.entries(context_, buckets_, metadata_, manifest));
    const auto& to = request_.range.to;
    const std::size_t stop = to && to->manifest == position_.manifest
                                 ? std::min(to->entry, entries->size())
                                 : entries->size();
    for (; position_.entry < stop; ++position_.entry) {
      if (is_full()) {
        return false;
      }
      if (looked_at_ % kEntriesPerCheck == 0) {
        LH_RETURN_IF_ERROR(context_.check());
      }
      ++looked_at_;
      const ManifestEntry& entry = (*entries)[position_.entry];
      if (!is_wanted(manifest, entry)) {
        continue;
      }
      if (!pruner_.may_match(*entry.file)) {
        ++plan_.files_skipped;
        continue;
      }
      LH_RETURN_IF_ERROR(add_task(entry));
    }
    return true;
  }

  Status add_task(const ManifestEntry& entry) {
    LH_RETURN_IF_ERROR(check_inside_table(metadata_, entry.file->file_path, "data file"));
    ScanTask task{.file = entry.file,
                  .spec_id = entry.file->spec_id,
                  .sequence_number = *entry.sequence_number,
                  .deletes = {},
                  .residual = {}};
    if (!deletes_.empty()) {
      task.deletes = deletes_.find(entry);
      attachments_ += task.deletes.size();
      for (const AttachedDelete& each : task.deletes) {
        attached_.insert(each.file.get());
      }
    }
    if (request_.with_residuals) {
      if (auto residual = pruner_.residual(*entry.file)) {
        task.residual = std::make_shared<const Filter>(*std::move(residual));
      }
    }
    const Filter& left = task.residual ? *task.residual : request_.filter;
    if (task.deletes.empty() && left.kind() == Expression::Kind::True) {
      sure_rows_ += entry.file->record_count;
    }
    plan_.record_count += entry.file->record_count;
    plan_.size_bytes += entry.file->file_size_in_bytes;
    plan_.tasks.push_back(std::move(task));
    return {};
  }

  /// Cuts what is left of the range into parts of about as many files as one answer holds.
  void split_rest() {
    std::vector<std::pair<std::size_t, std::size_t>> places;  // Of a manifest, and its files.
    std::size_t files = 0;
    for (std::size_t i = position_.manifest; i < end(); ++i) {
      const ManifestFile& manifest = *manifests_[i];
      if (has_live_files(manifest) && pruner_.may_match(manifest)) {
        places.emplace_back(i, std::max<std::size_t>(live_file_count(manifest), 1));
        files += places.back().second;
      }
    }
    const std::size_t parts_max = std::max<std::size_t>(request_.parts_max, 1);
    const std::size_t enough =
        std::max(std::min(request_.tasks_max, request_.entries_max), files / parts_max + 1);
    std::size_t held = enough;  // The first place begins a part.
    for (const auto& [place, count] : places) {
      if (held >= enough) {
        const ScanPosition from =
            place == position_.manifest ? position_ : ScanPosition{.manifest = place, .entry = 0};
        if (!plan_.rest.empty()) {
          plan_.rest.back().to = from;
        }
        plan_.rest.push_back({.from = from, .to = request_.range.to});
        held = 0;
      }
      held += count;
    }
  }

  static constexpr std::size_t kEntriesPerCheck = 1024;

  const RequestContext& context_;
  const storage::Buckets& buckets_;
  ManifestCache& cache_;
  const TableMetadata& metadata_;
  const ScanRequest& request_;
  detail::Pruner pruner_;
  std::vector<std::shared_ptr<const std::vector<ManifestFile>>> lists_;
  std::vector<const ManifestFile*> manifests_;  ///< Of data, in the lists: what positions count.
  DeleteIndex deletes_;
  std::unordered_set<const DataFile*> attached_;
  ScanPosition position_;
  std::size_t looked_at_ = 0;
  std::size_t attachments_ = 0;
  std::int64_t sure_rows_ = 0;
  ScanPlan plan_;
};

}  // namespace

Result<ScanPlan> plan_scan(const RequestContext& context, const storage::Buckets& buckets,
                           ManifestCache& cache, const TableMetadata& metadata,
                           std::int64_t snapshot_id, const Filter& filter) {
  ScanRequest request;
  request.snapshot_id = snapshot_id;
  request.filter = filter;
  return plan_scan(context, buckets, cache, metadata, request);
}

Result<ScanPlan> plan_scan(const RequestContext& context, const storage::Buckets& buckets,
                           ManifestCache& cache, const TableMetadata& metadata,
                           const ScanRequest& request) {
  const Snapshot* snapshot = metadata.snapshot_by_id(request.snapshot_id);
  if (snapshot == nullptr) {
    return fail(ErrorCode::NotFound,
                fmt::format("the table has no snapshot {}", request.snapshot_id),
                "It may have been expired; the table's history lists those there are.");
  }
  return Planner(context, buckets, cache, metadata, metadata.schema_of(*snapshot), request)
      .plan(*snapshot);
}

bool may_match(const Schema& schema, const DataFile& file, const Filter& filter) {
  return detail::Pruner(schema, filter).may_match(file);
}

}  // namespace lakehouse::iceberg
