#include "iceberg/table_metadata.h"

#include <algorithm>
#include <charconv>
#include <unordered_set>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "iceberg/detail/inflate.h"
#include "iceberg/detail/json_members.h"
#include "iceberg/detail/metadata_checks.h"
#include "iceberg/detail/properties.h"
#include "iceberg/detail/table_parts.h"

namespace lakehouse::iceberg {

namespace json = boost::json;

namespace {

template <class T, class Id>
const T* find_by(const std::vector<T>& items, Id T::* member, Id id) {
  const auto found = std::ranges::find(items, id, member);
  return found == items.end() ? nullptr : &*found;
}

std::unexpected<Error> missing(std::string_view name, int format_version) {
  return fail(
      ErrorCode::InvalidArgument,
      fmt::format("table metadata: '{}' must be given in format version {}", name, format_version));
}

Result<std::int32_t> require_id(JsonFields& fields, std::string_view name) {
  return detail::require_int32(fields, name);
}

/// Every element of an array, read by `read`.
template <class T, class Read>
Result<std::vector<T>> read_all(const json::array* array, const Read& read) {
  std::vector<T> items;
  if (array == nullptr) {
    return items;
  }
  items.reserve(array->size());
  for (const json::value& element : *array) {
    auto item = read(element);
    if (!item) {
      return std::unexpected(std::move(item).error());
    }
    items.push_back(*std::move(item));
  }
  return items;
}

Status read_schemas(JsonFields& fields, TableMetadata& metadata) {
  LH_ASSIGN_OR_RETURN(const json::array* array, fields.optional_array("schemas"));
  // Deprecated, and only read where there is no list.
  const json::value* single =
      metadata.format_version == 1 ? fields.optional_value("schema") : nullptr;
  if (array != nullptr) {
    LH_ASSIGN_OR_RETURN(metadata.schemas, read_all<Schema>(array, schema_from_json));
    LH_ASSIGN_OR_RETURN(metadata.current_schema_id, require_id(fields, "current-schema-id"));
    return {};
  }
  if (single == nullptr) {
    return missing("schemas", metadata.format_version);
  }
  LH_ASSIGN_OR_RETURN(Schema schema, schema_from_json(*single));
  metadata.current_schema_id = schema.schema_id;
  metadata.schemas.push_back(std::move(schema));
  return {};
}

/// v1 writers left out the ids of partition fields: they count from 1000 in every spec.
void number_partition_fields(PartitionSpec& spec) {
  std::int32_t next_id = kFirstPartitionFieldId;
  for (PartitionField& field : spec.fields) {
    if (field.field_id == 0) {
      field.field_id = next_id;
    }
    ++next_id;
  }
}

Status read_specs(JsonFields& fields, TableMetadata& metadata) {
  LH_ASSIGN_OR_RETURN(const json::array* array, fields.optional_array("partition-specs"));
  const json::value* single =
      metadata.format_version == 1 ? fields.optional_value("partition-spec") : nullptr;
  if (array != nullptr) {
    LH_ASSIGN_OR_RETURN(metadata.partition_specs, read_all<PartitionSpec>(array, spec_from_json));
    LH_ASSIGN_OR_RETURN(metadata.default_spec_id, require_id(fields, "default-spec-id"));
  } else if (single != nullptr) {
    PartitionSpec spec;
    LH_ASSIGN_OR_RETURN(spec.fields, partition_fields_from_json(*single));
    metadata.default_spec_id = 0;
    metadata.partition_specs.push_back(std::move(spec));
  } else {
    return missing("partition-specs", metadata.format_version);
  }
  std::int32_t highest = kFirstPartitionFieldId - 1;
  for (PartitionSpec& spec : metadata.partition_specs) {
    number_partition_fields(spec);
    highest = std::max(highest, spec.highest_field_id());
  }
  LH_ASSIGN_OR_RETURN(const auto last, detail::optional_int32(fields, "last-partition-id"));
  if (!last && metadata.format_version > 1) {
    return missing("last-partition-id", metadata.format_version);
  }
  metadata.last_partition_id = last.value_or(highest);
  return {};
}

Status read_sort_orders(JsonFields& fields, TableMetadata& metadata) {
  LH_ASSIGN_OR_RETURN(const json::array* array, fields.optional_array("sort-orders"));
  if (array != nullptr) {
    LH_ASSIGN_OR_RETURN(metadata.sort_orders, read_all<SortOrder>(array, sort_order_from_json));
    LH_ASSIGN_OR_RETURN(metadata.default_sort_order_id,
                        require_id(fields, "default-sort-order-id"));
    return {};
  }
  if (metadata.format_version > 1) {
    return missing("sort-orders", metadata.format_version);
  }
  metadata.sort_orders.emplace_back();
  metadata.default_sort_order_id = 0;
  return {};
}

Result<SnapshotPtr> shared_snapshot_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(Snapshot snapshot, snapshot_from_json(value));
  return std::make_shared<const Snapshot>(std::move(snapshot));
}

Result<SnapshotLogEntry> snapshot_log_entry_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a snapshot log entry"));
  SnapshotLogEntry entry;
  LH_ASSIGN_OR_RETURN(entry.timestamp_ms, fields.require_int64("timestamp-ms"));
  LH_ASSIGN_OR_RETURN(entry.snapshot_id, fields.require_int64("snapshot-id"));
  return entry;
}

Result<MetadataLogEntry> metadata_log_entry_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a metadata log entry"));
  MetadataLogEntry entry;
  LH_ASSIGN_OR_RETURN(entry.timestamp_ms, fields.require_int64("timestamp-ms"));
  LH_ASSIGN_OR_RETURN(entry.metadata_file, fields.require_string("metadata-file"));
  return entry;
}

Status read_refs(JsonFields& fields, TableMetadata& metadata) {
  LH_ASSIGN_OR_RETURN(const json::object* object, fields.optional_object("refs"));
  if (object != nullptr) {
    for (const auto& member : *object) {
      auto ref = snapshot_ref_from_json(member.value());
      if (!ref) {
        return std::unexpected(std::move(ref).error().with_context(
            fmt::format("reference '{}'", std::string_view(member.key()))));
      }
      metadata.refs.emplace(member.key(), *std::move(ref));
    }
  }
  // Older writers have no refs: the current snapshot is what main refers to.
  if (metadata.current_snapshot_id && !metadata.refs.contains(kMainBranch)) {
    SnapshotRef main;
    main.snapshot_id = *metadata.current_snapshot_id;
    metadata.refs.emplace(kMainBranch, main);
  }
  return {};
}

Status read_history(JsonFields& fields, TableMetadata& metadata) {
  LH_ASSIGN_OR_RETURN(metadata.current_snapshot_id, fields.optional_int64("current-snapshot-id"));
  if (metadata.current_snapshot_id == -1) {
    metadata.current_snapshot_id.reset();
  }
  LH_ASSIGN_OR_RETURN(const json::array* snapshots, fields.optional_array("snapshots"));
  LH_ASSIGN_OR_RETURN(metadata.snapshots,
                      read_all<SnapshotPtr>(snapshots, shared_snapshot_from_json));
  LH_RETURN_IF_ERROR(read_refs(fields, metadata));
  LH_ASSIGN_OR_RETURN(const json::array* log, fields.optional_array("snapshot-log"));
  LH_ASSIGN_OR_RETURN(metadata.snapshot_log,
                      read_all<SnapshotLogEntry>(log, snapshot_log_entry_from_json));
  LH_ASSIGN_OR_RETURN(const json::array* files, fields.optional_array("metadata-log"));
  LH_ASSIGN_OR_RETURN(metadata.metadata_log,
                      read_all<MetadataLogEntry>(files, metadata_log_entry_from_json));
  return {};
}

Status read_statistics(JsonFields& fields, TableMetadata& metadata) {
  LH_ASSIGN_OR_RETURN(const json::array* statistics, fields.optional_array("statistics"));
  LH_ASSIGN_OR_RETURN(metadata.statistics,
                      read_all<StatisticsFile>(statistics, detail::statistics_file_from_json));
  LH_ASSIGN_OR_RETURN(const json::array* partitions, fields.optional_array("partition-statistics"));
  LH_ASSIGN_OR_RETURN(
      metadata.partition_statistics,
      read_all<PartitionStatisticsFile>(partitions, detail::partition_statistics_file_from_json));
  if (metadata.format_version < 3) {
    return {};
  }
  LH_ASSIGN_OR_RETURN(metadata.next_row_id, fields.require_int64("next-row-id"));
  LH_ASSIGN_OR_RETURN(const json::array* keys, fields.optional_array("encryption-keys"));
  LH_ASSIGN_OR_RETURN(metadata.encryption_keys,
                      read_all<EncryptedKey>(keys, detail::encrypted_key_from_json));
  return {};
}

/// Numbers, names and ids; nothing that is a list of things.
Status read_head(JsonFields& fields, TableMetadata& metadata) {
  LH_ASSIGN_OR_RETURN(const std::int32_t version, detail::require_int32(fields, "format-version"));
  if (version < 1 || version > kFormatVersionMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("table metadata has format version {}, and versions 1 to {} are known",
                            version, kFormatVersionMax));
  }
  metadata.format_version = version;
  LH_ASSIGN_OR_RETURN(const auto uuid, fields.optional_string("table-uuid"));
  if (!uuid && version > 1) {
    return missing("table-uuid", version);
  }
  metadata.table_uuid = uuid.value_or("");
  LH_ASSIGN_OR_RETURN(metadata.location, fields.require_string("location"));
  detail::strip_trailing_slashes(metadata.location);
  if (version > 1) {
    LH_ASSIGN_OR_RETURN(metadata.last_sequence_number,
                        fields.require_int64("last-sequence-number"));
  }
  LH_ASSIGN_OR_RETURN(metadata.last_updated_ms, fields.require_int64("last-updated-ms"));
  LH_ASSIGN_OR_RETURN(metadata.last_column_id, detail::require_int32(fields, "last-column-id"));
  LH_ASSIGN_OR_RETURN(metadata.properties, detail::properties_of(fields, "properties"));
  return {};
}

template <class T>
json::array to_json_array(const std::vector<T>& items, json::object (*write)(const T&)) {
  json::array array;
  array.reserve(items.size());
  for (const T& item : items) {
    array.emplace_back(write(item));
  }
  return array;
}

json::object log_entry_to_json(const SnapshotLogEntry& entry) {
  return {{"timestamp-ms", entry.timestamp_ms}, {"snapshot-id", entry.snapshot_id}};
}

json::object metadata_log_entry_to_json(const MetadataLogEntry& entry) {
  return {{"timestamp-ms", entry.timestamp_ms}, {"metadata-file", entry.metadata_file}};
}

void write_parts(const TableMetadata& metadata, json::object& object) {
  if (metadata.format_version == 1) {  // For readers that know no lists.
    object.emplace("schema", schema_to_json(*metadata.current_schema()));
    object.emplace("partition-spec", partition_fields_to_json(*metadata.default_spec()));
  }
  object.emplace("current-schema-id", metadata.current_schema_id);
  object.emplace("schemas", to_json_array(metadata.schemas, schema_to_json));
  object.emplace("default-spec-id", metadata.default_spec_id);
  object.emplace("partition-specs", to_json_array(metadata.partition_specs, spec_to_json));
  object.emplace("last-partition-id", metadata.last_partition_id);
  object.emplace("default-sort-order-id", metadata.default_sort_order_id);
  object.emplace("sort-orders", to_json_array(metadata.sort_orders, sort_order_to_json));
  object.emplace("properties", detail::properties_to_json(metadata.properties));
}

/// Everything but the snapshots, which may be many.
json::object head_to_json(const TableMetadata& metadata) {
  json::object object;
  object.emplace("format-version", metadata.format_version);
  if (!metadata.table_uuid.empty()) {
    object.emplace("table-uuid", metadata.table_uuid);
  }
  object.emplace("location", metadata.location);
  if (metadata.format_version > 1) {
    object.emplace("last-sequence-number", metadata.last_sequence_number);
  }
  object.emplace("last-updated-ms", metadata.last_updated_ms);
  object.emplace("last-column-id", metadata.last_column_id);
  write_parts(metadata, object);
  if (metadata.current_snapshot_id) {
    object.emplace("current-snapshot-id", *metadata.current_snapshot_id);
  } else if (metadata.format_version < 3) {
    object.emplace("current-snapshot-id", -1);  // Older readers want the member.
  }
  if (metadata.format_version >= 3) {
    object.emplace("next-row-id", metadata.next_row_id);
    if (!metadata.encryption_keys.empty()) {
      object.emplace("encryption-keys",
                     to_json_array(metadata.encryption_keys, detail::encrypted_key_to_json));
    }
  }
  json::object refs;
  for (const auto& [name, ref] : metadata.refs) {
    refs.emplace(name, snapshot_ref_to_json(ref));
  }
  object.emplace("refs", std::move(refs));
  object.emplace("statistics", to_json_array(metadata.statistics, detail::statistics_file_to_json));
  object.emplace("partition-statistics", to_json_array(metadata.partition_statistics,
                                                       detail::partition_statistics_file_to_json));
  object.emplace("snapshot-log", to_json_array(metadata.snapshot_log, log_entry_to_json));
  object.emplace("metadata-log", to_json_array(metadata.metadata_log, metadata_log_entry_to_json));
  return object;
}

}  // namespace

namespace detail {

void strip_trailing_slashes(std::string& location) {
  while (location.size() > 1 && location.ends_with('/') && !location.ends_with("://")) {
    location.pop_back();
  }
}

}  // namespace detail

const Schema* TableMetadata::current_schema() const {
  return schema_by_id(current_schema_id);
}

const PartitionSpec* TableMetadata::default_spec() const {
  return spec_by_id(default_spec_id);
}

const SortOrder* TableMetadata::default_sort_order() const {
  return sort_order_by_id(default_sort_order_id);
}

const Snapshot* TableMetadata::current_snapshot() const {
  return current_snapshot_id ? snapshot_by_id(*current_snapshot_id) : nullptr;
}

const Snapshot* TableMetadata::snapshot_by_id(std::int64_t id) const {
  // From the end: what is asked for is mostly new.
  for (auto at = snapshots.rbegin(); at != snapshots.rend(); ++at) {
    if ((*at)->snapshot_id == id) {
      return at->get();
    }
  }
  return nullptr;
}

const Snapshot* TableMetadata::snapshot_by_ref(std::string_view name) const {
  const auto found = refs.find(name);
  return found == refs.end() ? nullptr : snapshot_by_id(found->second.snapshot_id);
}

const Snapshot* TableMetadata::snapshot_as_of(std::int64_t timestamp_ms) const {
  std::optional<std::int64_t> id;
  for (const SnapshotLogEntry& entry : snapshot_log) {
    if (entry.timestamp_ms <= timestamp_ms) {
      id = entry.snapshot_id;
    }
  }
  return id ? snapshot_by_id(*id) : nullptr;
}

const Schema* TableMetadata::schema_by_id(std::int32_t id) const {
  return find_by(schemas, &Schema::schema_id, id);
}

const PartitionSpec* TableMetadata::spec_by_id(std::int32_t id) const {
  return find_by(partition_specs, &PartitionSpec::spec_id, id);
}

const SortOrder* TableMetadata::sort_order_by_id(std::int32_t id) const {
  return find_by(sort_orders, &SortOrder::order_id, id);
}

const Schema& TableMetadata::schema_of(const Snapshot& snapshot) const {
  const Schema* schema = snapshot.schema_id ? schema_by_id(*snapshot.schema_id) : nullptr;
  return schema != nullptr ? *schema : *current_schema();
}

const std::string* TableMetadata::property(std::string_view name) const {
  const auto found = properties.find(name);
  return found == properties.end() ? nullptr : &found->second;
}

bool operator==(const TableMetadata& a, const TableMetadata& b) {
  const auto same_snapshot = [](const SnapshotPtr& left, const SnapshotPtr& right) {
    return left == right || *left == *right;
  };
  return a.format_version == b.format_version && a.table_uuid == b.table_uuid &&
         a.location == b.location && a.last_sequence_number == b.last_sequence_number &&
         a.last_updated_ms == b.last_updated_ms && a.last_column_id == b.last_column_id &&
         a.schemas == b.schemas && a.current_schema_id == b.current_schema_id &&
         a.partition_specs == b.partition_specs && a.default_spec_id == b.default_spec_id &&
         a.last_partition_id == b.last_partition_id && a.sort_orders == b.sort_orders &&
         a.default_sort_order_id == b.default_sort_order_id && a.properties == b.properties &&
         a.current_snapshot_id == b.current_snapshot_id &&
         std::ranges::equal(a.snapshots, b.snapshots, same_snapshot) && a.refs == b.refs &&
         a.snapshot_log == b.snapshot_log && a.metadata_log == b.metadata_log &&
         a.statistics == b.statistics && a.partition_statistics == b.partition_statistics &&
         a.encryption_keys == b.encryption_keys && a.next_row_id == b.next_row_id &&
         a.unknown == b.unknown;
}

Result<TableMetadata> table_metadata_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "table metadata"));
  TableMetadata metadata;
  LH_RETURN_IF_ERROR(read_head(fields, metadata));
  LH_RETURN_IF_ERROR(read_schemas(fields, metadata));
  LH_RETURN_IF_ERROR(read_specs(fields, metadata));
  LH_RETURN_IF_ERROR(read_sort_orders(fields, metadata));
  LH_RETURN_IF_ERROR(read_history(fields, metadata));
  LH_RETURN_IF_ERROR(read_statistics(fields, metadata));
  metadata.unknown = fields.unknown();
  LH_RETURN_IF_ERROR(detail::check_metadata(metadata));
  return metadata;
}

Result<TableMetadata> table_metadata_from_text(std::string_view text) {
  std::string unpacked;
  LH_ASSIGN_OR_RETURN(text, detail::plain_text(text, "table metadata", unpacked));
  LH_ASSIGN_OR_RETURN(const json::value value, parse_json(text, "table metadata"));
  return table_metadata_from_json(value);
}

json::object table_metadata_to_json(const TableMetadata& metadata) {
  json::object object = head_to_json(metadata);
  json::array snapshots;
  snapshots.reserve(metadata.snapshots.size());
  for (const SnapshotPtr& snapshot : metadata.snapshots) {
    snapshots.emplace_back(snapshot_to_json(*snapshot, metadata.format_version));
  }
  object.emplace("snapshots", std::move(snapshots));
  detail::add_unknown(object, metadata.unknown);
  return object;
}

std::string table_metadata_to_text(const TableMetadata& metadata) {
  json::object head = head_to_json(metadata);
  detail::add_unknown(head, metadata.unknown);
  head.erase("snapshots");
  std::string text = json::serialize(head);
  text.back() = ',';  // Was the closing brace of an object that is never empty.
  text += "\"snapshots\":[";
  for (const SnapshotPtr& snapshot : metadata.snapshots) {
    text += json::serialize(snapshot_to_json(*snapshot, metadata.format_version));
    text += ',';
  }
  if (text.back() == ',') {
    text.pop_back();
  }
  return text + "]}";
}

std::vector<MetadataLogEntry> append_metadata_log(TableMetadata& next,
                                                  std::string previous_metadata_file,
                                                  std::int64_t previous_last_updated_ms) {
  std::size_t length_max = 100;
  if (const std::string* given = next.property("write.metadata.previous-versions-max")) {
    std::int32_t number = 0;
    const auto [end, error] = std::from_chars(given->data(), given->data() + given->size(), number);
    if (error == std::errc() && end == given->data() + given->size()) {
      length_max = static_cast<std::size_t>(std::max(1, number));
    }
  }
  next.metadata_log.push_back({previous_last_updated_ms, std::move(previous_metadata_file)});
  std::vector<MetadataLogEntry> dropped;
  if (next.metadata_log.size() > length_max) {
    const auto count = static_cast<std::ptrdiff_t>(next.metadata_log.size() - length_max);
    const auto first_kept = next.metadata_log.begin() + count;
    dropped.assign(std::make_move_iterator(next.metadata_log.begin()),
                   std::make_move_iterator(first_kept));
    next.metadata_log.erase(next.metadata_log.begin(), first_kept);
  }
  return dropped;
}

}  // namespace lakehouse::iceberg
