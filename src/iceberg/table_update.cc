#include "iceberg/table_update.h"

#include <array>
#include <type_traits>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "iceberg/detail/json_members.h"
#include "iceberg/detail/properties.h"
#include "iceberg/detail/table_parts.h"

namespace lakehouse::iceberg {

namespace json = boost::json;

namespace {

// In the order of the variant's alternatives.
constexpr std::array<std::string_view, std::variant_size_v<TableUpdate>> kActions = {
    "assign-uuid",
    "upgrade-format-version",
    "add-schema",
    "set-current-schema",
    "add-spec",
    "set-default-spec",
    "add-sort-order",
    "set-default-sort-order",
    "add-snapshot",
    "set-snapshot-ref",
    "remove-snapshots",
    "remove-snapshot-ref",
    "set-location",
    "set-properties",
    "remove-properties",
    "set-statistics",
    "remove-statistics",
    "set-partition-statistics",
    "remove-partition-statistics",
    "remove-partition-specs",
    "remove-schemas",
    "add-encryption-key",
    "remove-encryption-key",
    "enable-row-lineage"};

Result<const json::value*> require_value(JsonFields& fields, std::string_view name) {
  const json::value* value = fields.optional_value(name);
  if (value == nullptr) {
    return fail(ErrorCode::InvalidArgument, fmt::format("the update has no '{}'", name));
  }
  return value;
}

/// A member read by `read`.
template <class Read>
auto read_member(JsonFields& fields, std::string_view name, const Read& read)
    -> decltype(read(json::value())) {
  LH_ASSIGN_OR_RETURN(const json::value* value, require_value(fields, name));
  return read(*value);
}

template <class Int>
Result<std::vector<Int>> read_ids(JsonFields& fields, std::string_view name) {
  LH_ASSIGN_OR_RETURN(const json::array* array, fields.require_array(name));
  return detail::integers_of<Int>(*array, name);
}

// One `read` and one `write` for each update, chosen by its type.

Status read(JsonFields& fields, AssignUuid& update) {
  LH_ASSIGN_OR_RETURN(update.uuid, fields.require_string("uuid"));
  return {};
}
void write(const AssignUuid& update, json::object& object) {
  object.emplace("uuid", update.uuid);
}

Status read(JsonFields& fields, UpgradeFormatVersion& update) {
  LH_ASSIGN_OR_RETURN(update.format_version, detail::require_int32(fields, "format-version"));
  return {};
}
void write(const UpgradeFormatVersion& update, json::object& object) {
  object.emplace("format-version", update.format_version);
}

Status read(JsonFields& fields, AddSchema& update) {
  LH_ASSIGN_OR_RETURN(update.schema, read_member(fields, "schema", schema_from_json));
  LH_ASSIGN_OR_RETURN(update.last_column_id, detail::optional_int32(fields, "last-column-id"));
  return {};
}
void write(const AddSchema& update, json::object& object) {
  object.emplace("schema", schema_to_json(update.schema));
  detail::put_if(object, "last-column-id", update.last_column_id);
}

Status read(JsonFields& fields, SetCurrentSchema& update) {
  LH_ASSIGN_OR_RETURN(update.schema_id, detail::require_int32(fields, "schema-id"));
  return {};
}
void write(const SetCurrentSchema& update, json::object& object) {
  object.emplace("schema-id", update.schema_id);
}

Status read(JsonFields& fields, AddPartitionSpec& update) {
  LH_ASSIGN_OR_RETURN(update.spec, read_member(fields, "spec", spec_from_json));
  return {};
}
void write(const AddPartitionSpec& update, json::object& object) {
  object.emplace("spec", spec_to_json(update.spec));
}

Status read(JsonFields& fields, SetDefaultSpec& update) {
  LH_ASSIGN_OR_RETURN(update.spec_id, detail::require_int32(fields, "spec-id"));
  return {};
}
void write(const SetDefaultSpec& update, json::object& object) {
  object.emplace("spec-id", update.spec_id);
}

Status read(JsonFields& fields, AddSortOrder& update) {
  LH_ASSIGN_OR_RETURN(update.order, read_member(fields, "sort-order", sort_order_from_json));
  return {};
}
void write(const AddSortOrder& update, json::object& object) {
  object.emplace("sort-order", sort_order_to_json(update.order));
}

Status read(JsonFields& fields, SetDefaultSortOrder& update) {
  LH_ASSIGN_OR_RETURN(update.sort_order_id, detail::require_int32(fields, "sort-order-id"));
  return {};
}
void write(const SetDefaultSortOrder& update, json::object& object) {
  object.emplace("sort-order-id", update.sort_order_id);
}

Status read(JsonFields& fields, AddSnapshot& update) {
  LH_ASSIGN_OR_RETURN(update.snapshot, read_member(fields, "snapshot", snapshot_from_json));
  return {};
}
void write(const AddSnapshot& update, json::object& object) {
  // The version of the table is not known here. A sequence number of 0 is that of version 1.
  const int version = update.snapshot.sequence_number == 0 ? 1 : kFormatVersionDefault;
  object.emplace("snapshot", snapshot_to_json(update.snapshot, version));
}

Status read(JsonFields& fields, SetSnapshotRef& update) {
  LH_ASSIGN_OR_RETURN(update.name, fields.require_string("ref-name"));
  // The reference's members stand beside the update's own.
  json::object members = fields.unknown();
  LH_ASSIGN_OR_RETURN(update.ref, snapshot_ref_from_json(members));
  return {};
}
void write(const SetSnapshotRef& update, json::object& object) {
  object.emplace("ref-name", update.name);
  detail::add_unknown(object, snapshot_ref_to_json(update.ref));
}

Status read(JsonFields& fields, RemoveSnapshots& update) {
  LH_ASSIGN_OR_RETURN(update.snapshot_ids, read_ids<std::int64_t>(fields, "snapshot-ids"));
  return {};
}
void write(const RemoveSnapshots& update, json::object& object) {
  object.emplace("snapshot-ids",
                 json::array(update.snapshot_ids.begin(), update.snapshot_ids.end()));
}

Status read(JsonFields& fields, RemoveSnapshotRef& update) {
  LH_ASSIGN_OR_RETURN(update.name, fields.require_string("ref-name"));
  return {};
}
void write(const RemoveSnapshotRef& update, json::object& object) {
  object.emplace("ref-name", update.name);
}

Status read(JsonFields& fields, SetLocation& update) {
  LH_ASSIGN_OR_RETURN(update.location, fields.require_string("location"));
  return {};
}
void write(const SetLocation& update, json::object& object) {
  object.emplace("location", update.location);
}

Status read(JsonFields& fields, SetProperties& update) {
  // Clients from before 1.0 say "updated".
  const bool old_name = fields.optional_value("updates") == nullptr;
  const std::string_view name = old_name ? "updated" : "updates";
  LH_RETURN_IF_ERROR(fields.require_object(name));
  LH_ASSIGN_OR_RETURN(update.updates, detail::properties_of(fields, name));
  return {};
}
void write(const SetProperties& update, json::object& object) {
  object.emplace("updates", detail::properties_to_json(update.updates));
}

Status read(JsonFields& fields, RemoveProperties& update) {
  const bool old_name = fields.optional_value("removals") == nullptr;
  LH_ASSIGN_OR_RETURN(update.removals, fields.require_strings(old_name ? "removed" : "removals"));
  return {};
}
void write(const RemoveProperties& update, json::object& object) {
  object.emplace("removals", json::array(update.removals.begin(), update.removals.end()));
}

Status read(JsonFields& fields, SetStatistics& update) {
  LH_ASSIGN_OR_RETURN(update.statistics,
                      read_member(fields, "statistics", detail::statistics_file_from_json));
  return {};
}
void write(const SetStatistics& update, json::object& object) {
  object.emplace("snapshot-id", update.statistics.snapshot_id);  // Older servers want it.
  object.emplace("statistics", detail::statistics_file_to_json(update.statistics));
}

Status read(JsonFields& fields, RemoveStatistics& update) {
  LH_ASSIGN_OR_RETURN(update.snapshot_id, fields.require_int64("snapshot-id"));
  return {};
}
void write(const RemoveStatistics& update, json::object& object) {
  object.emplace("snapshot-id", update.snapshot_id);
}

Status read(JsonFields& fields, SetPartitionStatistics& update) {
  LH_ASSIGN_OR_RETURN(
      update.partition_statistics,
      read_member(fields, "partition-statistics", detail::partition_statistics_file_from_json));
  return {};
}
void write(const SetPartitionStatistics& update, json::object& object) {
  object.emplace("partition-statistics",
                 detail::partition_statistics_file_to_json(update.partition_statistics));
}

Status read(JsonFields& fields, RemovePartitionStatistics& update) {
  LH_ASSIGN_OR_RETURN(update.snapshot_id, fields.require_int64("snapshot-id"));
  return {};
}
void write(const RemovePartitionStatistics& update, json::object& object) {
  object.emplace("snapshot-id", update.snapshot_id);
}

Status read(JsonFields& fields, RemovePartitionSpecs& update) {
  LH_ASSIGN_OR_RETURN(update.spec_ids, read_ids<std::int32_t>(fields, "spec-ids"));
  return {};
}
void write(const RemovePartitionSpecs& update, json::object& object) {
  object.emplace("spec-ids", json::array(update.spec_ids.begin(), update.spec_ids.end()));
}

Status read(JsonFields& fields, RemoveSchemas& update) {
  LH_ASSIGN_OR_RETURN(update.schema_ids, read_ids<std::int32_t>(fields, "schema-ids"));
  return {};
}
void write(const RemoveSchemas& update, json::object& object) {
  object.emplace("schema-ids", json::array(update.schema_ids.begin(), update.schema_ids.end()));
}

Status read(JsonFields& fields, AddEncryptionKey& update) {
  LH_ASSIGN_OR_RETURN(update.encryption_key,
                      read_member(fields, "encryption-key", detail::encrypted_key_from_json));
  return {};
}
void write(const AddEncryptionKey& update, json::object& object) {
  object.emplace("encryption-key", detail::encrypted_key_to_json(update.encryption_key));
}

Status read(JsonFields& fields, RemoveEncryptionKey& update) {
  LH_ASSIGN_OR_RETURN(update.key_id, fields.require_string("key-id"));
  return {};
}
void write(const RemoveEncryptionKey& update, json::object& object) {
  object.emplace("key-id", update.key_id);
}

Status read(JsonFields& /*fields*/, EnableRowLineage& /*update*/) {
  return {};
}
void write(const EnableRowLineage& /*update*/, json::object& /*object*/) {}

/// Reads the alternative whose index is `index`.
template <std::size_t I = 0>
Result<TableUpdate> read_alternative(JsonFields& fields, std::size_t index) {
  if constexpr (I < std::variant_size_v<TableUpdate>) {
    if (index == I) {
      std::variant_alternative_t<I, TableUpdate> update;
      LH_RETURN_IF_ERROR(read(fields, update));
      return update;
    }
    return read_alternative<I + 1>(fields, index);
  } else {
    return fail(ErrorCode::Internal, "there is no update of that index");
  }
}

}  // namespace

std::string_view action_of(const TableUpdate& update) {
  return kActions.at(update.index());
}

Result<TableUpdate> update_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "an update"));
  LH_ASSIGN_OR_RETURN(const std::string action, fields.require_string("action"));
  for (std::size_t i = 0; i < kActions.size(); ++i) {
    if (kActions.at(i) == action) {
      auto update = read_alternative(fields, i);
      if (!update) {
        return std::unexpected(std::move(update).error().with_context(action));
      }
      return update;
    }
  }
  const std::vector<std::string> known(kActions.begin(), kActions.end());
  return fail(ErrorCode::InvalidArgument, fmt::format("there is no table update '{}'", action),
              did_you_mean(action, known));
}

json::object update_to_json(const TableUpdate& update) {
  json::object object;
  object.emplace("action", action_of(update));
  std::visit([&](const auto& one) { write(one, object); }, update);
  return object;
}

}  // namespace lakehouse::iceberg
