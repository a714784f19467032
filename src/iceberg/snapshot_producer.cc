#include "iceberg/snapshot_producer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "base/id.h"
#include "iceberg/detail/delete_scope.h"
#include "iceberg/detail/summary.h"

namespace lakehouse::iceberg {
namespace {

// Keeps a manifest within some megabytes, so that a change to one file rewrites no more.
constexpr std::size_t kEntriesMax = 10'000;

constexpr std::int64_t kTargetSizeBytes = std::int64_t{8} << 20;
constexpr std::int64_t kMinCountToMerge = 100;
constexpr std::string_view kReplace = "replace";

std::int64_t number_property(const TableMetadata& metadata, std::string_view name,
                             std::int64_t otherwise) {
  const std::string* text = metadata.property(name);
  std::int64_t value = 0;
  if (text == nullptr) {
    return otherwise;
  }
  const auto [end, code] = std::from_chars(text->data(), text->data() + text->size(), value);
  return code == std::errc() && end == text->data() + text->size() && value > 0 ? value : otherwise;
}

bool merging_enabled(const TableMetadata& metadata) {
  const std::string* text = metadata.property("commit.manifest-merge.enabled");
  return text == nullptr || *text != "false";
}

Status invalid(const DataFile& file, std::string_view why) {
  return fail(ErrorCode::InvalidArgument, fmt::format("file '{}' {}", file.file_path, why));
}

Status check_added(const TableMetadata& base, const DataFile& file, bool as_data) {
  if ((file.content == FileContent::Data) != as_data) {
    return invalid(file, as_data ? "is no data file" : "is no delete file");
  }
  LH_RETURN_IF_ERROR(
      check_inside_table(base, file.file_path, as_data ? "data file" : "delete file"));
  const PartitionSpec* spec = base.spec_by_id(file.spec_id);
  if (spec == nullptr || spec->fields.size() != file.partition.size()) {
    return invalid(file, "has a partition of no spec of the table");
  }
  if (file.record_count < 0 || file.file_size_in_bytes < 0) {
    return invalid(file, "has a negative record count or size");
  }
  if (as_data) {
    return {};
  }
  if (base.format_version < 2) {
    return fail(ErrorCode::FailedPrecondition,
                "a table of format version 1 cannot have delete files",
                "Upgrade the table to format version 2.");
  }
  if (file.is_deletion_vector() != (base.format_version >= 3) &&
      file.content == FileContent::PositionDeletes) {
    return invalid(file, base.format_version >= 3
                             ? "must be a deletion vector: position delete files cannot be added "
                               "to a table of format version 3"
                             : "is a deletion vector, which needs format version 3");
  }
  if (file.is_deletion_vector() &&
      (!file.referenced_data_file || !file.content_offset || !file.content_size_in_bytes)) {
    return invalid(file, "does not say which data file it is of, or where it starts and ends");
  }
  if ((file.content == FileContent::EqualityDeletes) == file.equality_ids.empty()) {
    return invalid(file, "must name columns if it has equality deletes, and only then");
  }
  return {};
}

std::string operation_of(const SnapshotChange& change) {
  if (!change.operation.empty()) {
    return change.operation;
  }
  const bool adds = !change.added_data_files.empty();
  const bool adds_deletes = !change.added_delete_files.empty();
  const bool removes = change.remove_all || !change.removed_data_files.empty() ||
                       !change.removed_delete_files.empty();
  if (!adds_deletes && !removes) {
    return "append";
  }
  return adds ? "overwrite" : "delete";
}

/// The entries of new files by spec: one manifest has files of one.
std::map<std::int32_t, std::vector<ManifestEntry>> entries_of(
    const std::vector<DataFile>& files, std::int64_t snapshot_id,
    std::optional<std::int64_t> sequence_number) {
  std::map<std::int32_t, std::vector<ManifestEntry>> out;
  for (const DataFile& file : files) {
    DataFile added = file;
    added.first_row_id.reset();  // Assigned with the manifest's.
    out[file.spec_id].push_back(
        ManifestEntry{.status = EntryStatus::Added,
                      .snapshot_id = snapshot_id,
                      .sequence_number = sequence_number,
                      .file_sequence_number = std::nullopt,
                      .file = std::make_shared<const DataFile>(std::move(added))});
  }
  return out;
}

bool is_live(const ManifestFile& file) {
  return file.added_files_count.value_or(1) > 0 || file.existing_files_count.value_or(1) > 0;
}

/// Bins of neighbours up to the target's size, filled from the old end, so that a bin that is full
/// stays as it is when newer manifests come.
std::vector<std::vector<ManifestFile>> pack_from_end(std::span<const ManifestFile> files,
                                                     std::int64_t target_size) {
  std::vector<std::vector<ManifestFile>> bins;
  std::int64_t size = 0;
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    if (bins.empty() || size + file->manifest_length > target_size) {
      bins.emplace_back();
      size = 0;
    }
    size += file->manifest_length;
    bins.back().push_back(*file);
  }
  for (auto& bin : bins) {
    std::reverse(bin.begin(), bin.end());
  }
  std::reverse(bins.begin(), bins.end());
  return bins;
}

}  // namespace

/// The state of one call of `produce`.
struct SnapshotProducer::Attempt {
  Attempt(const RequestContext& request, const TableMetadata& metadata)
      : context(request), base(metadata) {}

  const RequestContext& context;
  const TableMetadata& base;
  Snapshot snapshot;
  std::vector<ManifestFile> data_manifests;    ///< Newest first.
  std::vector<ManifestFile> delete_manifests;  ///< The same.
  std::vector<ManifestFile> parent_manifests;
  std::unordered_set<std::string_view> removed_data;
  std::unordered_set<std::string_view> removed_deletes;
  std::unordered_set<std::string_view> required;
  std::unordered_set<std::string_view> vectors;  ///< Data files that get a deletion vector.
  std::unordered_set<std::string> seen_data;     ///< Of those asked for: found live.
  std::unordered_set<std::string> seen_deletes;
  detail::SummaryBuilder summary;
  std::vector<std::string> new_files;  ///< Written in this attempt or reused from an earlier one.

  [[nodiscard]] bool removes(ManifestContent content, const DataFile& file) const;
};

bool SnapshotProducer::Attempt::removes(ManifestContent content, const DataFile& file) const {
  if (content == ManifestContent::Data) {
    return removed_data.contains(file.file_path);
  }
  // A deletion vector goes with its data file. Several share a Puffin file: the path alone does
  // not say which, so of a named one those go that are replaced, or all if none is.
  if (file.is_deletion_vector()) {
    return removed_data.contains(*file.referenced_data_file) ||
           (removed_deletes.contains(file.file_path) &&
            (vectors.empty() || vectors.contains(*file.referenced_data_file)));
  }
  return removed_deletes.contains(file.file_path);
}

SnapshotProducer::SnapshotProducer(const storage::Buckets& buckets, ManifestCache& cache,
                                   SnapshotChange change, std::string branch)
    : buckets_(buckets),
      cache_(cache),
      change_(std::move(change)),
      branch_(std::move(branch)),
      commit_uuid_(new_uuid()),
      snapshot_id_(new_snapshot_id()) {}

SnapshotChange SnapshotProducer::append(std::vector<DataFile> data_files) {
  SnapshotChange change;
  change.added_data_files = std::move(data_files);
  change.operation = "append";
  return change;
}

SnapshotChange SnapshotProducer::overwrite(std::vector<DataFile> added,
                                           std::vector<std::string> removed) {
  SnapshotChange change;
  change.added_data_files = std::move(added);
  change.removed_data_files = std::move(removed);
  change.operation = "overwrite";
  return change;
}

SnapshotChange SnapshotProducer::replace_all(std::vector<DataFile> added) {
  SnapshotChange change;
  change.added_data_files = std::move(added);
  change.remove_all = true;
  change.operation = "overwrite";
  return change;
}

SnapshotChange SnapshotProducer::row_delta(std::vector<DataFile> added,
                                           std::vector<DataFile> deletes,
                                           std::vector<std::string> required_data_files) {
  SnapshotChange change;
  change.added_data_files = std::move(added);
  change.added_delete_files = std::move(deletes);
  change.required_data_files = std::move(required_data_files);
  return change;
}

SnapshotChange SnapshotProducer::replace(std::vector<DataFile> added,
                                         std::vector<std::string> removed,
                                         const Snapshot& planned_on) {
  SnapshotChange change = overwrite(std::move(added), std::move(removed));
  change.operation = kReplace;
  change.planned_sequence_number = planned_on.sequence_number;
  return change;
}

Status SnapshotProducer::check_change(const TableMetadata& base) const {
  std::unordered_set<std::string_view> paths;
  for (const DataFile& file : change_.added_data_files) {
    LH_RETURN_IF_ERROR(check_added(base, file, true));
    if (!paths.insert(file.file_path).second) {
      return invalid(file, "is added twice");
    }
  }
  std::unordered_set<std::string_view> vectors;
  for (const DataFile& file : change_.added_delete_files) {
    LH_RETURN_IF_ERROR(check_added(base, file, false));
    const bool is_new = file.is_deletion_vector()
                            ? vectors.insert(*file.referenced_data_file).second
                            : paths.insert(file.file_path).second;
    if (!is_new) {
      return invalid(file, "is added twice, or its data file has two deletion vectors");
    }
  }
  if (const auto ref = base.refs.find(branch_);
      ref != base.refs.end() && ref->second.kind == SnapshotRef::Kind::Tag) {
    return fail(ErrorCode::InvalidArgument, fmt::format("'{}' is a tag, not a branch", branch_));
  }
  if (base.snapshot_by_id(snapshot_id_) != nullptr) {
    return fail(ErrorCode::AlreadyExists,
                fmt::format("snapshot {} is already in the table", snapshot_id_));
  }
  return {};
}

Result<ProducedSnapshot> SnapshotProducer::produce(const RequestContext& context,
                                                   const TableMetadata& base, std::int64_t now_ms) {
  LH_RETURN_IF_ERROR(check_change(base));
  ++attempt_count_;
  Attempt attempt(context, base);
  const Snapshot* parent = base.snapshot_by_ref(branch_);
  attempt.snapshot.snapshot_id = snapshot_id_;
  attempt.snapshot.sequence_number = base.next_sequence_number();
  // Clocks of several writers differ; a table's time does not go back.
  attempt.snapshot.timestamp_ms = std::max(now_ms, base.last_updated_ms);
  attempt.snapshot.schema_id = base.current_schema_id;
  if (parent != nullptr) {
    attempt.snapshot.parent_snapshot_id = parent->snapshot_id;
    LH_ASSIGN_OR_RETURN(const auto manifests, cache_.manifests(context, buckets_, base, *parent));
    attempt.parent_manifests = *manifests;
  }
  attempt.removed_data.insert(change_.removed_data_files.begin(), change_.removed_data_files.end());
  attempt.removed_deletes.insert(change_.removed_delete_files.begin(),
                                 change_.removed_delete_files.end());
  attempt.required.insert(change_.required_data_files.begin(), change_.required_data_files.end());
  for (const DataFile& file : change_.added_delete_files) {
    if (file.is_deletion_vector()) {
      attempt.vectors.insert(*file.referenced_data_file);
    }
  }
  LH_RETURN_IF_ERROR(write_added(attempt));
  LH_RETURN_IF_ERROR(filter_manifests(attempt, ManifestContent::Data));
  LH_RETURN_IF_ERROR(filter_manifests(attempt, ManifestContent::Deletes));
  LH_RETURN_IF_ERROR(merge_manifests(attempt));
  attempt.snapshot.summary =
      attempt.summary.finish(operation_of(change_), change_.summary,
                             parent == nullptr ? nullptr : &parent->summary, change_.remove_all);
  LH_RETURN_IF_ERROR(write_list(attempt));

  ProducedSnapshot out;
  SnapshotRef ref;
  if (const auto known = base.refs.find(branch_); known != base.refs.end()) {
    ref = known->second;  // Keeps the branch's retention.
  }
  ref.snapshot_id = snapshot_id_;
  std::optional<std::int64_t> parent_id = attempt.snapshot.parent_snapshot_id;
  out.updates = {AddSnapshot{attempt.snapshot}, SetSnapshotRef{branch_, std::move(ref)}};
  out.requirements = {AssertTableUuid{base.table_uuid}, AssertRefSnapshotId{branch_, parent_id}};
  out.snapshot = std::move(attempt.snapshot);
  out.files = std::move(attempt.new_files);
  return out;
}

Status SnapshotProducer::write_added(Attempt& attempt) {
  for (const DataFile& file : change_.added_data_files) {
    attempt.summary.added(file);
  }
  for (const DataFile& file : change_.added_delete_files) {
    attempt.summary.added(file);
  }
  const bool reusable =
      added_complete_ &&
      std::all_of(added_manifests_.begin(), added_manifests_.end(), [&](const AddedManifest& each) {
        return each.format_version == attempt.base.format_version &&
               each.table_location == attempt.base.location;
      });
  if (reusable) {
    for (const AddedManifest& each : added_manifests_) {
      attempt.new_files.push_back(each.file.manifest_path);
    }
  } else {
    added_complete_ = false;
    added_manifests_.clear();
    LH_RETURN_IF_ERROR(write_added_files(attempt, ManifestContent::Data, change_.added_data_files));
    LH_RETURN_IF_ERROR(
        write_added_files(attempt, ManifestContent::Deletes, change_.added_delete_files));
    added_complete_ = true;
  }
  for (const AddedManifest& each : added_manifests_) {
    (each.file.content == ManifestContent::Data ? attempt.data_manifests : attempt.delete_manifests)
        .push_back(each.file);
  }
  return {};
}

Status SnapshotProducer::write_added_files(Attempt& attempt, ManifestContent content,
                                           const std::vector<DataFile>& files) {
  std::optional<std::int64_t> sequence_number;
  if (content == ManifestContent::Data && change_.operation == kReplace &&
      attempt.base.format_version > 1) {
    sequence_number = change_.planned_sequence_number;
  }
  for (const auto& [spec_id, entries] : entries_of(files, snapshot_id_, sequence_number)) {
    std::span<const ManifestEntry> rest = entries;
    while (!rest.empty()) {
      const auto part = rest.first(std::min(rest.size(), kEntriesMax));
      rest = rest.subspan(part.size());
      LH_ASSIGN_OR_RETURN(ManifestFile file, write_manifest(attempt, spec_id, content, part));
      added_manifests_.push_back({.format_version = attempt.base.format_version,
                                  .table_location = attempt.base.location,
                                  .file = std::move(file)});
    }
  }
  return {};
}

Status SnapshotProducer::filter_manifests(Attempt& attempt, ManifestContent content) {
  const bool is_data = content == ManifestContent::Data;
  // Deletion vectors go with their data files, and may stand in the way of new ones.
  const bool looks =
      change_.remove_all ||
      (is_data ? !attempt.removed_data.empty() || !attempt.required.empty()
               : !attempt.removed_deletes.empty() || !attempt.vectors.empty() ||
                     (!attempt.removed_data.empty() &&
                      (attempt.base.format_version >= 3 || change_.planned_sequence_number)));
  auto& out = is_data ? attempt.data_manifests : attempt.delete_manifests;
  for (const ManifestFile& manifest : attempt.parent_manifests) {
    // What has no live file, only notes what an older snapshot removed.
    if (manifest.content != content || !is_live(manifest)) {
      continue;
    }
    if (!looks) {
      out.push_back(manifest);
      continue;
    }
    LH_RETURN_IF_ERROR(attempt.context.check());
    LH_ASSIGN_OR_RETURN(ManifestFile filtered, filter_manifest(attempt, manifest));
    out.push_back(std::move(filtered));
  }
  const auto& asked = is_data ? attempt.removed_data : attempt.removed_deletes;
  const auto& seen = is_data ? attempt.seen_data : attempt.seen_deletes;
  std::vector<std::string_view> wanted(asked.begin(), asked.end());
  if (is_data) {
    wanted.insert(wanted.end(), attempt.required.begin(), attempt.required.end());
  }
  for (const std::string_view path : wanted) {
    if (!seen.contains(std::string(path))) {
      return fail(
          ErrorCode::Aborted,
          fmt::format("file '{}' is no longer in the table: another commit removed it", path),
          "Read the table again, then retry.");
    }
  }
  return {};
}

Result<ManifestFile> SnapshotProducer::filter_manifest(Attempt& attempt,
                                                       const ManifestFile& manifest) {
  const bool is_data = manifest.content == ManifestContent::Data;
  LH_ASSIGN_OR_RETURN(const ManifestEntries entries,
                      cache_.entries(attempt.context, buckets_, attempt.base, manifest));
  std::vector<ManifestEntry> rewritten;
  bool changed = false;
  for (const ManifestEntry& entry : *entries) {
    if (!entry.is_live()) {
      continue;
    }
    const DataFile& file = *entry.file;
    const bool removed = change_.remove_all || attempt.removes(manifest.content, file);
    if (!change_.remove_all) {
      LH_RETURN_IF_ERROR(check_conflict(attempt, entry, removed));
    }
    auto& seen = is_data ? attempt.seen_data : attempt.seen_deletes;
    if (removed || (is_data && attempt.required.contains(file.file_path))) {
      seen.insert(file.file_path);
    }
    ManifestEntry kept = entry;
    kept.status = removed ? EntryStatus::Deleted : EntryStatus::Existing;
    if (removed) {
      kept.snapshot_id = snapshot_id_;
      attempt.summary.removed(file);
      changed = true;
    }
    rewritten.push_back(std::move(kept));
  }
  if (!changed) {
    return manifest;
  }
  return write_manifest(attempt, manifest.partition_spec_id, manifest.content, rewritten);
}

Status SnapshotProducer::check_conflict(const Attempt& attempt, const ManifestEntry& entry,
                                        bool removed) const {
  const DataFile& file = *entry.file;
  if (file.content != FileContent::PositionDeletes) {
    return {};
  }
  bool conflict =
      !removed && file.is_deletion_vector() && attempt.vectors.contains(*file.referenced_data_file);
  if (change_.planned_sequence_number &&
      *entry.sequence_number > *change_.planned_sequence_number) {
    const auto path = detail::referenced_file(file);
    conflict = conflict ||
               (path ? attempt.removed_data.contains(*path)
                     : std::ranges::any_of(attempt.removed_data, [&file](std::string_view data) {
                         return detail::may_reference(file, data);
                       }));
  }
  if (!conflict) {
    return {};
  }
  return fail(ErrorCode::Aborted,
              fmt::format("file '{}' of another commit deletes rows of the same data files",
                          file.file_path),
              "Read the table again, then retry.");
}

Status SnapshotProducer::merge_manifests(Attempt& attempt) {
  if (!merging_enabled(attempt.base)) {
    return {};
  }
  const std::int64_t target =
      number_property(attempt.base, "commit.manifest.target-size-bytes", kTargetSizeBytes);
  const auto min_count = static_cast<std::size_t>(
      number_property(attempt.base, "commit.manifest.min-count-to-merge", kMinCountToMerge));
  for (auto* manifests : {&attempt.data_manifests, &attempt.delete_manifests}) {
    std::map<std::int32_t, std::vector<ManifestFile>, std::greater<>> by_spec;
    for (ManifestFile& each : *manifests) {
      by_spec[each.partition_spec_id].push_back(std::move(each));
    }
    manifests->clear();
    for (const auto& [spec_id, group] : by_spec) {
      for (const auto& bin : pack_from_end(group, target)) {
        // The newest bin of a spec is let grow first: merging it at every commit would write it
        // again and again.
        const bool has_newest = bin.front().manifest_path == group.front().manifest_path;
        if (bin.size() == 1 || (has_newest && bin.size() < min_count)) {
          manifests->insert(manifests->end(), bin.begin(), bin.end());
          continue;
        }
        LH_RETURN_IF_ERROR(attempt.context.check());
        LH_ASSIGN_OR_RETURN(ManifestFile merged, merge_bin(attempt, bin));
        manifests->push_back(std::move(merged));
      }
    }
  }
  return {};
}

Result<ManifestFile> SnapshotProducer::merge_bin(Attempt& attempt,
                                                 std::span<const ManifestFile> bin) {
  std::vector<ManifestEntry> merged;
  for (const ManifestFile& manifest : bin) {
    // Read as the list will describe it, but what is new keeps inheriting.
    const bool is_new = manifest.added_snapshot_id == snapshot_id_;
    LH_ASSIGN_OR_RETURN(const ManifestEntries entries,
                        cache_.entries(attempt.context, buckets_, attempt.base, manifest));
    for (const ManifestEntry& entry : *entries) {
      const bool is_ours = is_new && entry.snapshot_id == snapshot_id_;
      if (!entry.is_live() && !is_ours) {
        continue;  // Older removals are of no use to anyone who reads this snapshot.
      }
      ManifestEntry kept = entry;
      if (entry.status == EntryStatus::Added && is_ours) {
        if (kept.sequence_number == kUnassignedSequenceNumber) {
          kept.sequence_number.reset();
        }
        kept.file_sequence_number.reset();
      } else if (entry.is_live()) {
        kept.status = EntryStatus::Existing;
      }
      merged.push_back(std::move(kept));
    }
  }
  // Neither is part of the snapshot any more; `written_` still has them for the clean-up.
  for (const ManifestFile& manifest : bin) {
    std::erase(attempt.new_files, manifest.manifest_path);
  }
  return write_manifest(attempt, bin.front().partition_spec_id, bin.front().content, merged);
}

Result<ManifestFile> SnapshotProducer::write_manifest(Attempt& attempt, std::int32_t spec_id,
                                                      ManifestContent content,
                                                      std::span<const ManifestEntry> entries) {
  LH_ASSIGN_OR_RETURN(EncodedManifest encoded,
                      encode_manifest(attempt.base, spec_id, content, snapshot_id_, entries));
  encoded.file.manifest_path = fmt::format("{}/metadata/{}-m{}.avro", attempt.base.location,
                                           commit_uuid_, manifest_count_++);
  // Noted before: a write that fails may have left something.
  written_.push_back(encoded.file.manifest_path);
  attempt.new_files.push_back(encoded.file.manifest_path);
  LH_RETURN_IF_ERROR(
      buckets_.write_new(attempt.context, encoded.file.manifest_path, encoded.bytes));
  return std::move(encoded.file);
}

Status SnapshotProducer::complete_counts(const Attempt& attempt, ManifestFile& manifest) {
  const bool complete = manifest.added_files_count && manifest.existing_files_count &&
                        manifest.deleted_files_count && manifest.added_rows_count &&
                        manifest.existing_rows_count && manifest.deleted_rows_count;
  if (complete || attempt.base.format_version == 1) {
    return {};
  }
  LH_ASSIGN_OR_RETURN(const ManifestEntries entries,
                      cache_.entries(attempt.context, buckets_, attempt.base, manifest));
  std::array<std::int32_t, 3> files{};
  std::array<std::int64_t, 3> rows{};
  for (const ManifestEntry& entry : *entries) {
    ++files[static_cast<std::size_t>(entry.status)];
    rows[static_cast<std::size_t>(entry.status)] += entry.file->record_count;
  }
  manifest.existing_files_count = files[0];
  manifest.added_files_count = files[1];
  manifest.deleted_files_count = files[2];
  manifest.existing_rows_count = rows[0];
  manifest.added_rows_count = rows[1];
  manifest.deleted_rows_count = rows[2];
  return {};
}

Status SnapshotProducer::write_list(Attempt& attempt) {
  const int version = attempt.base.format_version;
  std::vector<ManifestFile> files = std::move(attempt.data_manifests);
  files.insert(files.end(), attempt.delete_manifests.begin(), attempt.delete_manifests.end());
  std::int64_t next_row_id = attempt.base.next_row_id;
  for (ManifestFile& file : files) {
    LH_RETURN_IF_ERROR(complete_counts(attempt, file));
    if (file.sequence_number == kUnassignedSequenceNumber) {
      file.sequence_number = attempt.snapshot.sequence_number;
    }
    if (file.min_sequence_number == kUnassignedSequenceNumber) {
      file.min_sequence_number = attempt.snapshot.sequence_number;
    }
    if (version >= 3 && file.content == ManifestContent::Data && !file.first_row_id) {
      file.first_row_id = next_row_id;
      next_row_id += file.added_rows_count.value_or(0) + file.existing_rows_count.value_or(0);
    }
  }
  if (version >= 3) {
    attempt.snapshot.first_row_id = attempt.base.next_row_id;
    attempt.snapshot.added_rows = next_row_id - attempt.base.next_row_id;
  }
  LH_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes,
                      encode_manifest_list(version, attempt.snapshot, files));
  attempt.snapshot.manifest_list =
      fmt::format("{}/metadata/snap-{}-{}-{}.avro", attempt.base.location, snapshot_id_,
                  attempt_count_, commit_uuid_);
  written_.push_back(attempt.snapshot.manifest_list);
  attempt.new_files.push_back(attempt.snapshot.manifest_list);
  return buckets_.write_new(attempt.context, attempt.snapshot.manifest_list, bytes);
}

void SnapshotProducer::clean_up_after_commit(const RequestContext& context,
                                             const ProducedSnapshot& committed) {
  const std::set<std::string> used(committed.files.begin(), committed.files.end());
  for (const std::string& location : written_) {
    if (!used.contains(location)) {
      static_cast<void>(buckets_.remove(context, location));
    }
  }
  written_ = committed.files;
}

void SnapshotProducer::clean_up_after_failure(const RequestContext& context) {
  for (const std::string& location : written_) {
    static_cast<void>(buckets_.remove(context, location));
  }
  written_.clear();
  added_manifests_.clear();
  added_complete_ = false;
}

}  // namespace lakehouse::iceberg
