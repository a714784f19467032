#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "iceberg/table_metadata.h"

/// \file
/// What a commit takes for granted about the table, as the Iceberg REST protocol names it. A commit
/// whose requirements no longer hold lost a race.

namespace lakehouse::iceberg {

struct AssertCreate {};
struct AssertTableUuid {
  std::string uuid;
};
struct AssertRefSnapshotId {
  std::string ref;
  std::optional<std::int64_t> snapshot_id;  ///< Empty: there must be no such ref.
};
struct AssertLastAssignedFieldId {
  std::int32_t last_assigned_field_id = 0;
};
struct AssertCurrentSchemaId {
  std::int32_t current_schema_id = 0;
};
struct AssertLastAssignedPartitionId {
  std::int32_t last_assigned_partition_id = 0;
};
struct AssertDefaultSpecId {
  std::int32_t default_spec_id = 0;
};
struct AssertDefaultSortOrderId {
  std::int32_t default_sort_order_id = 0;
};

using TableRequirement =
    std::variant<AssertCreate, AssertTableUuid, AssertRefSnapshotId, AssertLastAssignedFieldId,
                 AssertCurrentSchemaId, AssertLastAssignedPartitionId, AssertDefaultSpecId,
                 AssertDefaultSortOrderId>;

/// The protocol's name of a requirement: "assert-create".
std::string_view type_of(const TableRequirement& requirement);

/// InvalidArgument names the requirement that is not known, or the member that is wrong.
Result<TableRequirement> requirement_from_json(const boost::json::value& json);
boost::json::object requirement_to_json(const TableRequirement& requirement);

/// Aborted if it does not hold; `base` is null where there is no table.
Status check_requirement(const TableRequirement& requirement, const TableMetadata* base);
Status check_requirements(std::span<const TableRequirement> requirements,
                          const TableMetadata* base);

}  // namespace lakehouse::iceberg
