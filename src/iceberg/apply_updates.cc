#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "base/id.h"
#include "iceberg/detail/metadata_checks.h"
#include "iceberg/detail/properties.h"
#include "iceberg/table_update.h"

namespace lakehouse::iceberg {

namespace {

constexpr std::int32_t kLastAdded = -1;
constexpr int kRowLineageSince = 3;

template <class... Args>
std::unexpected<Error> refuse(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorCode::InvalidArgument, fmt::format(format, std::forward<Args>(args)...));
}

/// Applies updates one by one, with indexes that keep the whole linear. Not thread-safe.
class MetadataBuilder {
 public:
  MetadataBuilder(TableMetadata base, std::int64_t now_ms)
      : metadata_(std::move(base)), now_ms_(now_ms) {
    by_id_.reserve(metadata_.snapshots.size());
    for (const SnapshotPtr& snapshot : metadata_.snapshots) {
      by_id_.emplace(snapshot->snapshot_id, snapshot);
    }
    for (StatisticsFile& file : metadata_.statistics) {
      const std::int64_t id = file.snapshot_id;
      statistics_.insert_or_assign(id, std::move(file));
    }
    for (PartitionStatisticsFile& file : metadata_.partition_statistics) {
      const std::int64_t id = file.snapshot_id;
      partition_statistics_.insert_or_assign(id, std::move(file));
    }
  }

  Status apply(const TableUpdate& update) {
    if (!std::holds_alternative<RemoveSnapshots>(update)) {
      settle_removals();
    }
    return std::visit([this](const auto& one) { return apply_one(one); }, update);
  }

  Result<TableMetadata> finish();

 private:
  Status apply_one(const AssignUuid& update);
  Status apply_one(const UpgradeFormatVersion& update);
  Status apply_one(const AddSchema& update);
  Status apply_one(const SetCurrentSchema& update);
  Status apply_one(const AddPartitionSpec& update);
  Status apply_one(const SetDefaultSpec& update);
  Status apply_one(const AddSortOrder& update);
  Status apply_one(const SetDefaultSortOrder& update);
  Status apply_one(const AddSnapshot& update);
  Status apply_one(const SetSnapshotRef& update);
  Status apply_one(const RemoveSnapshots& update);
  Status apply_one(const RemoveSnapshotRef& update);
  Status apply_one(const SetLocation& update);
  Status apply_one(const SetProperties& update);
  Status apply_one(const RemoveProperties& update);
  Status apply_one(const SetStatistics& update);
  Status apply_one(const RemoveStatistics& update);
  Status apply_one(const SetPartitionStatistics& update);
  Status apply_one(const RemovePartitionStatistics& update);
  Status apply_one(const RemovePartitionSpecs& update);
  Status apply_one(const RemoveSchemas& update);
  Status apply_one(const AddEncryptionKey& update);
  Status apply_one(const RemoveEncryptionKey& update);
  Status apply_one(const EnableRowLineage& update);

  /// The schema that new specs and orders refer to; null before there is one.
  const Schema* schema_in_force() const;
  Status assign_partition_ids(PartitionSpec& spec) const;
  Status add_row_ids(const Snapshot& snapshot);
  void remove_ref(const std::string& name);
  /// Drops the refs and statistics of snapshots that were removed.
  void settle_removals();
  void compact_snapshots();
  void correct_snapshot_log();
  Status check_parts() const;

  TableMetadata metadata_;
  std::int64_t now_ms_;
  bool changed_ = false;
  bool parts_changed_ = false;  ///< Schemas, specs or orders.
  std::optional<std::int64_t> last_updated_ms_;
  std::optional<std::int32_t> last_schema_id_;
  std::optional<std::int32_t> last_spec_id_;
  std::optional<std::int32_t> last_order_id_;

  std::unordered_map<std::int64_t, SnapshotPtr> by_id_;
  std::unordered_set<std::int64_t> added_;
  std::vector<std::int64_t> main_moved_to_;  ///< Of the added ones, in order.
  std::vector<std::int64_t> unsettled_;      ///< Removed, with refs and statistics still there.
  bool any_removed_ = false;
  std::map<std::int64_t, StatisticsFile> statistics_;
  std::map<std::int64_t, PartitionStatisticsFile> partition_statistics_;
};

const Schema* MetadataBuilder::schema_in_force() const {
  const Schema* current = metadata_.current_schema();
  return current != nullptr || metadata_.schemas.empty() ? current : &metadata_.schemas.back();
}

Status MetadataBuilder::apply_one(const AssignUuid& update) {
  if (update.uuid.empty()) {
    return refuse("a table's UUID cannot be empty");
  }
  if (metadata_.table_uuid == update.uuid) {
    return {};
  }
  if (!metadata_.table_uuid.empty()) {
    return refuse("the table has UUID {} and cannot be given another", metadata_.table_uuid);
  }
  metadata_.table_uuid = update.uuid;
  changed_ = true;
  return {};
}

Status MetadataBuilder::apply_one(const UpgradeFormatVersion& update) {
  if (update.format_version > kFormatVersionMax) {
    return refuse("cannot upgrade the table to format version {}: versions up to {} are known",
                  update.format_version, kFormatVersionMax);
  }
  if (update.format_version < metadata_.format_version) {
    return refuse("cannot downgrade a table of format version {} to {}", metadata_.format_version,
                  update.format_version);
  }
  changed_ = changed_ || update.format_version != metadata_.format_version;
  metadata_.format_version = update.format_version;
  return {};
}

Status MetadataBuilder::apply_one(const AddSchema& update) {
  LH_RETURN_IF_ERROR(validate_schema(update.schema, metadata_.format_version));
  const std::int32_t highest_field_id = update.schema.highest_field_id();
  std::int32_t new_id = std::max(metadata_.current_schema_id, 0);
  for (const Schema& schema : metadata_.schemas) {
    if (same_fields(schema, update.schema)) {
      last_schema_id_ = schema.schema_id;
      return {};
    }
    new_id = std::max(new_id, schema.schema_id + 1);
  }
  Schema schema = update.schema;
  schema.schema_id = new_id;
  metadata_.last_column_id = std::max(metadata_.last_column_id, highest_field_id);
  metadata_.schemas.push_back(std::move(schema));
  last_schema_id_ = new_id;
  changed_ = true;
  return {};
}

Status MetadataBuilder::apply_one(const SetCurrentSchema& update) {
  if (update.schema_id == kLastAdded && !last_schema_id_) {
    return refuse("cannot set the last added schema: no schema has been added");
  }
  const std::int32_t id = update.schema_id == kLastAdded ? *last_schema_id_ : update.schema_id;
  if (metadata_.schema_by_id(id) == nullptr) {
    return refuse("cannot set the current schema to {}, which is not known", id);
  }
  if (metadata_.current_schema_id != id) {
    metadata_.current_schema_id = id;
    changed_ = parts_changed_ = true;
  }
  return {};
}

Status MetadataBuilder::assign_partition_ids(PartitionSpec& spec) const {
  std::map<std::pair<std::int32_t, std::string>, std::int32_t> known;
  if (metadata_.format_version > 1) {  // One field keeps its id in all specs.
    for (const PartitionSpec& other : metadata_.partition_specs) {
      for (const PartitionField& field : other.fields) {
        std::int32_t& id = known[{field.source_id, to_string(field.transform)}];
        id = std::max(id, field.field_id);
      }
    }
  }
  std::int32_t next_id = metadata_.format_version > 1
                             ? std::max(metadata_.last_partition_id, spec.highest_field_id()) + 1
                             : kFirstPartitionFieldId;
  for (PartitionField& field : spec.fields) {
    if (field.field_id == 0) {
      const auto found = known.find({field.source_id, to_string(field.transform)});
      field.field_id = found != known.end() ? found->second : next_id++;
    } else if (metadata_.format_version == 1) {
      ++next_id;
    }
  }
  if (metadata_.format_version > 1) {
    return {};
  }
  std::int32_t expected = kFirstPartitionFieldId;
  for (const PartitionField& field : spec.fields) {
    if (field.field_id != expected++) {
      return refuse("format version 1 needs partition field ids that count from {}",
                    kFirstPartitionFieldId);
    }
  }
  return {};
}

Status MetadataBuilder::apply_one(const AddPartitionSpec& update) {
  std::int32_t new_id = 0;
  for (const PartitionSpec& spec : metadata_.partition_specs) {
    if (compatible(spec, update.spec)) {
      last_spec_id_ = spec.spec_id;
      return {};
    }
    new_id = std::max(new_id, spec.spec_id + 1);
  }
  const Schema* schema = schema_in_force();
  if (schema == nullptr) {
    return refuse("cannot add a partition spec before a schema");
  }
  PartitionSpec spec = update.spec;
  spec.spec_id = new_id;
  for (const PartitionField& field : spec.fields) {
    if (field.transform.kind == Transform::Kind::Unknown) {
      return refuse("the transform '{}' is not known", field.transform.unknown_name);
    }
  }
  LH_RETURN_IF_ERROR(assign_partition_ids(spec));
  LH_RETURN_IF_ERROR(validate_spec(spec, *schema));
  metadata_.last_partition_id = std::max(metadata_.last_partition_id, spec.highest_field_id());
  metadata_.partition_specs.push_back(std::move(spec));
  last_spec_id_ = new_id;
  changed_ = true;
  return {};
}

Status MetadataBuilder::apply_one(const SetDefaultSpec& update) {
  if (update.spec_id == kLastAdded && !last_spec_id_) {
    return refuse("cannot set the last added partition spec: none has been added");
  }
  const std::int32_t id = update.spec_id == kLastAdded ? *last_spec_id_ : update.spec_id;
  if (metadata_.spec_by_id(id) == nullptr) {
    return refuse("cannot set the default partition spec to {}, which is not known", id);
  }
  if (metadata_.default_spec_id != id) {
    metadata_.default_spec_id = id;
    changed_ = parts_changed_ = true;
  }
  return {};
}

Status MetadataBuilder::apply_one(const AddSortOrder& update) {
  std::int32_t new_id = update.order.is_unsorted() ? 0 : 1;
  for (const SortOrder& order : metadata_.sort_orders) {
    if (same_order(order, update.order)) {
      last_order_id_ = order.order_id;
      return {};
    }
    if (!update.order.is_unsorted()) {
      new_id = std::max(new_id, order.order_id + 1);
    }
  }
  const Schema* schema = schema_in_force();
  if (schema == nullptr) {
    return refuse("cannot add a sort order before a schema");
  }
  LH_RETURN_IF_ERROR(validate_sort_order(update.order, *schema));
  SortOrder order = update.order;
  order.order_id = new_id;
  metadata_.sort_orders.push_back(std::move(order));
  last_order_id_ = new_id;
  changed_ = true;
  return {};
}

Status MetadataBuilder::apply_one(const SetDefaultSortOrder& update) {
  if (update.sort_order_id == kLastAdded && !last_order_id_) {
    return refuse("cannot set the last added sort order: none has been added");
  }
  const std::int32_t id =
      update.sort_order_id == kLastAdded ? *last_order_id_ : update.sort_order_id;
  if (metadata_.sort_order_by_id(id) == nullptr) {
    return refuse("cannot set the default sort order to {}, which is not known", id);
  }
  if (metadata_.default_sort_order_id != id) {
    metadata_.default_sort_order_id = id;
    changed_ = parts_changed_ = true;
  }
  return {};
}

Status MetadataBuilder::add_row_ids(const Snapshot& snapshot) {
  if (!snapshot.first_row_id || !snapshot.added_rows) {
    return refuse("cannot add snapshot {}: format version {} needs its first-row-id and added-rows",
                  snapshot.snapshot_id, metadata_.format_version);
  }
  if (*snapshot.added_rows < 0) {
    return refuse("cannot add snapshot {}: its added-rows is negative", snapshot.snapshot_id);
  }
  if (*snapshot.first_row_id < metadata_.next_row_id) {
    return fail(ErrorCode::Aborted,
                fmt::format("cannot add snapshot {}: its first-row-id {} is behind the table's "
                            "next-row-id {}",
                            snapshot.snapshot_id, *snapshot.first_row_id, metadata_.next_row_id),
                "Load the table again and repeat the change.");
  }
  // Counted from the snapshot's own first id: it may leave a gap, and ids are never given twice.
  if (__builtin_add_overflow(*snapshot.first_row_id, *snapshot.added_rows,
                             &metadata_.next_row_id)) {
    return refuse("cannot add snapshot {}: its row ids do not fit 64 bits", snapshot.snapshot_id);
  }
  return {};
}

Status MetadataBuilder::apply_one(const AddSnapshot& update) {
  const Snapshot& snapshot = update.snapshot;
  if (metadata_.schemas.empty() || metadata_.partition_specs.empty() ||
      metadata_.sort_orders.empty()) {
    return refuse("cannot add a snapshot before a schema, a partition spec and a sort order");
  }
  if (snapshot.snapshot_id == -1) {
    return refuse("-1 is no snapshot id: it stands for none");
  }
  if (by_id_.contains(snapshot.snapshot_id)) {
    return refuse("snapshot {} already exists", snapshot.snapshot_id);
  }
  // A snapshot without a parent replaces the table, and knows nothing of what others did meanwhile.
  if (metadata_.format_version > 1 && snapshot.parent_snapshot_id &&
      snapshot.sequence_number <= metadata_.last_sequence_number) {
    return fail(
        ErrorCode::Aborted,
        fmt::format("cannot add snapshot {}: its sequence number {} is not above the "
                    "table's last one, {}",
                    snapshot.snapshot_id, snapshot.sequence_number, metadata_.last_sequence_number),
        "Load the table again and repeat the change.");
  }
  if (metadata_.format_version >= kRowLineageSince) {
    LH_RETURN_IF_ERROR(add_row_ids(snapshot));
  }
  auto added = std::make_shared<Snapshot>(snapshot);
  if (metadata_.format_version == 1) {
    added->sequence_number = 0;
  }
  metadata_.last_sequence_number = std::max(metadata_.last_sequence_number, added->sequence_number);
  last_updated_ms_ = snapshot.timestamp_ms;
  metadata_.snapshots.push_back(added);
  by_id_.emplace(snapshot.snapshot_id, std::move(added));
  added_.insert(snapshot.snapshot_id);
  changed_ = true;
  return {};
}

Status MetadataBuilder::apply_one(const SetSnapshotRef& update) {
  if (update.name.empty()) {
    return refuse("a branch or tag must have a name");
  }
  if (update.name == kMainBranch && update.ref.kind == SnapshotRef::Kind::Tag) {
    return refuse("'main' is a branch and cannot be a tag");
  }
  LH_RETURN_IF_ERROR(detail::check_ref(update.ref));
  const auto existing = metadata_.refs.find(update.name);
  if (existing != metadata_.refs.end() && existing->second == update.ref) {
    return {};
  }
  const auto snapshot = by_id_.find(update.ref.snapshot_id);
  if (snapshot == by_id_.end()) {
    return refuse("cannot set '{}' to snapshot {}, which is not known", update.name,
                  update.ref.snapshot_id);
  }
  const bool added_here = added_.contains(update.ref.snapshot_id);
  if (added_here) {
    last_updated_ms_ = snapshot->second->timestamp_ms;
  }
  if (update.name == kMainBranch) {
    metadata_.current_snapshot_id = update.ref.snapshot_id;
    last_updated_ms_ = last_updated_ms_.value_or(now_ms_);
    // A client's clock may be behind; readers refuse a log that is not in order.
    const std::int64_t last_entry_ms = metadata_.snapshot_log.empty()
                                           ? *last_updated_ms_
                                           : metadata_.snapshot_log.back().timestamp_ms;
    metadata_.snapshot_log.push_back(
        {std::max(*last_updated_ms_, last_entry_ms), update.ref.snapshot_id});
    if (added_here) {
      main_moved_to_.push_back(update.ref.snapshot_id);
    }
  }
  metadata_.refs.insert_or_assign(update.name, update.ref);
  changed_ = true;
  return {};
}

Status MetadataBuilder::apply_one(const RemoveSnapshots& update) {
  for (const std::int64_t id : update.snapshot_ids) {
    if (by_id_.erase(id) != 0) {
      unsettled_.push_back(id);
      any_removed_ = changed_ = true;
    }
  }
  return {};
}

void MetadataBuilder::remove_ref(const std::string& name) {
  if (name == kMainBranch) {
    metadata_.current_snapshot_id.reset();
  }
  changed_ = metadata_.refs.erase(name) != 0 || changed_;
}

Status MetadataBuilder::apply_one(const RemoveSnapshotRef& update) {
  remove_ref(update.name);
  return {};
}

Status MetadataBuilder::apply_one(const SetLocation& update) {
  std::string location = update.location;
  detail::strip_trailing_slashes(location);
  if (location.empty()) {
    return refuse("a table's location cannot be empty");
  }
  changed_ = changed_ || location != metadata_.location;
  metadata_.location = std::move(location);
  return {};
}

Status MetadataBuilder::apply_one(const SetProperties& update) {
  for (const auto& [name, value] : update.updates) {
    metadata_.properties.insert_or_assign(name, value);
    changed_ = true;
  }
  return {};
}

Status MetadataBuilder::apply_one(const RemoveProperties& update) {
  for (const std::string& name : update.removals) {
    changed_ = metadata_.properties.erase(name) != 0 || changed_;
  }
  return {};
}

Status MetadataBuilder::apply_one(const SetStatistics& update) {
  statistics_.insert_or_assign(update.statistics.snapshot_id, update.statistics);
  changed_ = true;
  return {};
}

Status MetadataBuilder::apply_one(const RemoveStatistics& update) {
  changed_ = statistics_.erase(update.snapshot_id) != 0 || changed_;
  return {};
}

Status MetadataBuilder::apply_one(const SetPartitionStatistics& update) {
  partition_statistics_.insert_or_assign(update.partition_statistics.snapshot_id,
                                         update.partition_statistics);
  changed_ = true;
  return {};
}

Status MetadataBuilder::apply_one(const RemovePartitionStatistics& update) {
  changed_ = partition_statistics_.erase(update.snapshot_id) != 0 || changed_;
  return {};
}

Status MetadataBuilder::apply_one(const RemovePartitionSpecs& update) {
  const std::set<std::int32_t> ids(update.spec_ids.begin(), update.spec_ids.end());
  if (ids.contains(metadata_.default_spec_id)) {
    return refuse("cannot remove partition spec {}: it is the default one",
                  metadata_.default_spec_id);
  }
  changed_ =
      std::erase_if(metadata_.partition_specs,
                    [&](const PartitionSpec& spec) { return ids.contains(spec.spec_id); }) != 0 ||
      changed_;
  return {};
}

Status MetadataBuilder::apply_one(const RemoveSchemas& update) {
  const std::set<std::int32_t> ids(update.schema_ids.begin(), update.schema_ids.end());
  if (ids.contains(metadata_.current_schema_id)) {
    return refuse("cannot remove schema {}: it is the current one", metadata_.current_schema_id);
  }
  changed_ =
      std::erase_if(metadata_.schemas,
                    [&](const Schema& schema) { return ids.contains(schema.schema_id); }) != 0 ||
      changed_;
  return {};
}

Status MetadataBuilder::apply_one(const AddEncryptionKey& update) {
  if (metadata_.format_version < 3) {
    return refuse("encryption keys need format version 3, and the table has {}",
                  metadata_.format_version);
  }
  const auto& keys = metadata_.encryption_keys;
  if (std::ranges::find(keys, update.encryption_key.key_id, &EncryptedKey::key_id) != keys.end()) {
    return {};  // Keys never change.
  }
  metadata_.encryption_keys.push_back(update.encryption_key);
  changed_ = true;
  return {};
}

Status MetadataBuilder::apply_one(const RemoveEncryptionKey& update) {
  changed_ =
      std::erase_if(metadata_.encryption_keys,
                    [&](const EncryptedKey& key) { return key.key_id == update.key_id; }) != 0 ||
      changed_;
  return {};
}

Status MetadataBuilder::apply_one(const EnableRowLineage& /*update*/) {
  if (metadata_.format_version < kRowLineageSince) {
    return refuse("row lineage needs format version {}, and the table has {}", kRowLineageSince,
                  metadata_.format_version);
  }
  return {};
}

void MetadataBuilder::settle_removals() {
  if (unsettled_.empty()) {
    return;
  }
  for (const std::int64_t id : unsettled_) {
    statistics_.erase(id);
    partition_statistics_.erase(id);
  }
  unsettled_.clear();
  std::vector<std::string> dangling;
  for (const auto& [name, ref] : metadata_.refs) {
    if (!by_id_.contains(ref.snapshot_id)) {
      dangling.push_back(name);
    }
  }
  for (const std::string& name : dangling) {
    remove_ref(name);
  }
}

void MetadataBuilder::compact_snapshots() {
  if (!any_removed_) {
    return;
  }
  std::erase_if(metadata_.snapshots, [this](const SnapshotPtr& snapshot) {
    const auto found = by_id_.find(snapshot->snapshot_id);
    return found == by_id_.end() || found->second != snapshot;
  });
}

void MetadataBuilder::correct_snapshot_log() {
  // A snapshot that was main's only between the updates of this commit was never current.
  std::unordered_set<std::int64_t> passed(main_moved_to_.begin(), main_moved_to_.end());
  if (metadata_.current_snapshot_id) {
    passed.erase(*metadata_.current_snapshot_id);
  }
  if (passed.empty() && !any_removed_) {
    return;
  }
  std::vector<SnapshotLogEntry> log;
  for (const SnapshotLogEntry& entry : metadata_.snapshot_log) {
    if (!by_id_.contains(entry.snapshot_id)) {
      if (any_removed_) {
        // With a gap the log would lie about what was current then: history begins behind it.
        log.clear();
      }
    } else if (!passed.contains(entry.snapshot_id)) {
      log.push_back(entry);
    }
  }
  metadata_.snapshot_log = std::move(log);
}

Status MetadataBuilder::check_parts() const {
  const Schema* schema = metadata_.current_schema();
  const PartitionSpec* spec = metadata_.default_spec();
  const SortOrder* order = metadata_.default_sort_order();
  if (!parts_changed_ || schema == nullptr || spec == nullptr || order == nullptr) {
    return {};  // What is missing, check_metadata says.
  }
  LH_RETURN_IF_ERROR(validate_spec(*spec, *schema));
  return validate_sort_order(*order, *schema);
}

Result<TableMetadata> MetadataBuilder::finish() {
  settle_removals();
  compact_snapshots();
  correct_snapshot_log();
  metadata_.statistics.clear();
  for (auto& [id, file] : statistics_) {
    metadata_.statistics.push_back(std::move(file));
  }
  metadata_.partition_statistics.clear();
  for (auto& [id, file] : partition_statistics_) {
    metadata_.partition_statistics.push_back(std::move(file));
  }
  if (!changed_) {
    return std::move(metadata_);
  }
  if (metadata_.table_uuid.empty() && metadata_.format_version > 1) {
    metadata_.table_uuid = new_uuid();  // Version 1 did without.
  }
  // Never back: the logs hold earlier times, and readers refuse metadata that is older than them.
  metadata_.last_updated_ms =
      std::max(metadata_.last_updated_ms, last_updated_ms_.value_or(now_ms_));
  if (!metadata_.snapshot_log.empty()) {
    metadata_.last_updated_ms =
        std::max(metadata_.last_updated_ms, metadata_.snapshot_log.back().timestamp_ms);
  }
  LH_RETURN_IF_ERROR(check_parts());
  LH_RETURN_IF_ERROR(detail::check_metadata(metadata_));
  return std::move(metadata_);
}

}  // namespace

Result<TableMetadata> apply_updates(TableMetadata base, std::span<const TableUpdate> updates,
                                    std::int64_t now_ms) {
  MetadataBuilder builder(std::move(base), now_ms);
  for (const TableUpdate& update : updates) {
    Status applied = builder.apply(update);
    if (!applied) {
      return std::unexpected(
          std::move(applied).error().with_context(std::string(action_of(update))));
    }
  }
  return builder.finish();
}

Result<TableMetadata> metadata_from_updates(std::span<const TableUpdate> updates,
                                            std::string_view uuid, std::int64_t now_ms) {
  TableMetadata empty;
  bool has_version = false;
  bool has_uuid = false;
  bool has_location = false;
  bool has_spec = false;
  bool has_order = false;
  for (const TableUpdate& update : updates) {
    const auto* upgrade = std::get_if<UpgradeFormatVersion>(&update);
    if (upgrade != nullptr && !has_version && upgrade->format_version >= 1 &&
        upgrade->format_version <= kFormatVersionMax) {
      empty.format_version = upgrade->format_version;  // What a schema before it needs, too.
      has_version = true;
    }
    has_uuid = has_uuid || std::holds_alternative<AssignUuid>(update);
    has_location = has_location || std::holds_alternative<SetLocation>(update);
    has_spec = has_spec || std::holds_alternative<SetDefaultSpec>(update);
    has_order = has_order || std::holds_alternative<SetDefaultSortOrder>(update);
  }
  if (!has_location) {
    return refuse(
        "a table cannot be created without a location: no set-location among the updates");
  }
  empty.table_uuid = has_uuid ? std::string() : std::string(uuid);
  // Before the client's own, where snapshots may follow; equal ones among its updates are reused.
  if (!has_spec) {
    empty.partition_specs.emplace_back();
    empty.default_spec_id = 0;
  }
  if (!has_order) {
    empty.sort_orders.emplace_back();
    empty.default_sort_order_id = 0;
  }
  return apply_updates(std::move(empty), updates, now_ms);
}

}  // namespace lakehouse::iceberg
