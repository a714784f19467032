#include "iceberg/table_requirement.h"

#include <array>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "iceberg/detail/json_members.h"

namespace lakehouse::iceberg {

namespace json = boost::json;

namespace {

// In the order of the variant's alternatives.
constexpr std::array<std::string_view, std::variant_size_v<TableRequirement>> kTypes = {
    "assert-create",
    "assert-table-uuid",
    "assert-ref-snapshot-id",
    "assert-last-assigned-field-id",
    "assert-current-schema-id",
    "assert-last-assigned-partition-id",
    "assert-default-spec-id",
    "assert-default-sort-order-id"};

Status read(JsonFields& /*fields*/, AssertCreate& /*it*/) {
  return {};
}
Status read(JsonFields& fields, AssertTableUuid& it) {
  LH_ASSIGN_OR_RETURN(it.uuid, fields.require_string("uuid"));
  return {};
}
Status read(JsonFields& fields, AssertRefSnapshotId& it) {
  LH_ASSIGN_OR_RETURN(it.ref, fields.require_string("ref"));
  LH_ASSIGN_OR_RETURN(it.snapshot_id, fields.optional_int64("snapshot-id"));
  return {};
}
Status read(JsonFields& fields, AssertLastAssignedFieldId& it) {
  LH_ASSIGN_OR_RETURN(it.last_assigned_field_id,
                      detail::require_int32(fields, "last-assigned-field-id"));
  return {};
}
Status read(JsonFields& fields, AssertCurrentSchemaId& it) {
  LH_ASSIGN_OR_RETURN(it.current_schema_id, detail::require_int32(fields, "current-schema-id"));
  return {};
}
Status read(JsonFields& fields, AssertLastAssignedPartitionId& it) {
  LH_ASSIGN_OR_RETURN(it.last_assigned_partition_id,
                      detail::require_int32(fields, "last-assigned-partition-id"));
  return {};
}
Status read(JsonFields& fields, AssertDefaultSpecId& it) {
  LH_ASSIGN_OR_RETURN(it.default_spec_id, detail::require_int32(fields, "default-spec-id"));
  return {};
}
Status read(JsonFields& fields, AssertDefaultSortOrderId& it) {
  LH_ASSIGN_OR_RETURN(it.default_sort_order_id,
                      detail::require_int32(fields, "default-sort-order-id"));
  return {};
}

void write(const AssertCreate& /*it*/, json::object& /*object*/) {}
void write(const AssertTableUuid& it, json::object& object) {
  object.emplace("uuid", it.uuid);
}
void write(const AssertRefSnapshotId& it, json::object& object) {
  object.emplace("ref", it.ref);
  object.emplace("snapshot-id", it.snapshot_id ? json::value(*it.snapshot_id) : json::value());
}
void write(const AssertLastAssignedFieldId& it, json::object& object) {
  object.emplace("last-assigned-field-id", it.last_assigned_field_id);
}
void write(const AssertCurrentSchemaId& it, json::object& object) {
  object.emplace("current-schema-id", it.current_schema_id);
}
void write(const AssertLastAssignedPartitionId& it, json::object& object) {
  object.emplace("last-assigned-partition-id", it.last_assigned_partition_id);
}
void write(const AssertDefaultSpecId& it, json::object& object) {
  object.emplace("default-spec-id", it.default_spec_id);
}
void write(const AssertDefaultSortOrderId& it, json::object& object) {
  object.emplace("default-sort-order-id", it.default_sort_order_id);
}

// In the reference implementation's words: clients show them, and its compatibility kit reads them.
std::unexpected<Error> lost(std::string message) {
  return fail(ErrorCode::Aborted, "Requirement failed: " + std::move(message),
              "Load the table again and repeat the change.");
}

Status same_id(std::string_view what, std::int32_t expected, std::int32_t actual) {
  if (expected == actual) {
    return {};
  }
  return lost(fmt::format("{} changed: expected id {} != {}", what, expected, actual));
}

Status check(const AssertCreate& /*it*/, const TableMetadata& /*base*/) {
  return lost("table already exists");
}
Status check(const AssertTableUuid& it, const TableMetadata& base) {
  if (to_lower(it.uuid) == to_lower(base.table_uuid)) {
    return {};
  }
  return lost(fmt::format("UUID does not match: expected {} != {}", it.uuid, base.table_uuid));
}
Status check(const AssertRefSnapshotId& it, const TableMetadata& base) {
  const auto found = base.refs.find(it.ref);
  if (found == base.refs.end()) {
    if (!it.snapshot_id) {
      return {};
    }
    return lost(fmt::format("branch or tag {} is missing, expected {}", it.ref, *it.snapshot_id));
  }
  const std::string_view kind = found->second.kind == SnapshotRef::Kind::Tag ? "tag" : "branch";
  if (!it.snapshot_id) {
    return lost(fmt::format("{} {} was created concurrently", kind, it.ref));
  }
  if (*it.snapshot_id != found->second.snapshot_id) {
    return lost(fmt::format("{} {} has changed: expected id {} != {}", kind, it.ref,
                            *it.snapshot_id, found->second.snapshot_id));
  }
  return {};
}
Status check(const AssertLastAssignedFieldId& it, const TableMetadata& base) {
  return same_id("last assigned field id", it.last_assigned_field_id, base.last_column_id);
}
Status check(const AssertCurrentSchemaId& it, const TableMetadata& base) {
  return same_id("current schema", it.current_schema_id, base.current_schema_id);
}
Status check(const AssertLastAssignedPartitionId& it, const TableMetadata& base) {
  return same_id("last assigned partition id", it.last_assigned_partition_id,
                 base.last_partition_id);
}
Status check(const AssertDefaultSpecId& it, const TableMetadata& base) {
  return same_id("default partition spec", it.default_spec_id, base.default_spec_id);
}
Status check(const AssertDefaultSortOrderId& it, const TableMetadata& base) {
  return same_id("default sort order", it.default_sort_order_id, base.default_sort_order_id);
}

template <std::size_t I = 0>
Result<TableRequirement> read_alternative(JsonFields& fields, std::size_t index) {
  if constexpr (I < std::variant_size_v<TableRequirement>) {
    if (index == I) {
      std::variant_alternative_t<I, TableRequirement> requirement;
      LH_RETURN_IF_ERROR(read(fields, requirement));
      return requirement;
    }
    return read_alternative<I + 1>(fields, index);
  } else {
    return fail(ErrorCode::Internal, "there is no requirement of that index");
  }
}

}  // namespace

std::string_view type_of(const TableRequirement& requirement) {
  return kTypes.at(requirement.index());
}

Result<TableRequirement> requirement_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a requirement"));
  LH_ASSIGN_OR_RETURN(const std::string type, fields.require_string("type"));
  for (std::size_t i = 0; i < kTypes.size(); ++i) {
    if (kTypes.at(i) == type) {
      auto requirement = read_alternative(fields, i);
      if (!requirement) {
        return std::unexpected(std::move(requirement).error().with_context(type));
      }
      return requirement;
    }
  }
  const std::vector<std::string> known(kTypes.begin(), kTypes.end());
  return fail(ErrorCode::InvalidArgument, fmt::format("there is no requirement '{}'", type),
              did_you_mean(type, known));
}

json::object requirement_to_json(const TableRequirement& requirement) {
  json::object object;
  object.emplace("type", type_of(requirement));
  std::visit([&](const auto& one) { write(one, object); }, requirement);
  return object;
}

Status check_requirement(const TableRequirement& requirement, const TableMetadata* base) {
  if (base != nullptr) {
    return std::visit([&](const auto& one) { return check(one, *base); }, requirement);
  }
  const auto* ref = std::get_if<AssertRefSnapshotId>(&requirement);
  const bool wants_no_ref = ref != nullptr && !ref->snapshot_id;
  if (std::holds_alternative<AssertCreate>(requirement) || wants_no_ref) {
    return {};
  }
  return lost(fmt::format("{}, and the table does not exist", type_of(requirement)));
}

Status check_requirements(std::span<const TableRequirement> requirements,
                          const TableMetadata* base) {
  for (const TableRequirement& requirement : requirements) {
    LH_RETURN_IF_ERROR(check_requirement(requirement, base));
  }
  return {};
}

}  // namespace lakehouse::iceberg
