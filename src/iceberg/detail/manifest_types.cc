#include "iceberg/detail/manifest_types.h"

#include <utility>

namespace lakehouse::iceberg::detail {
namespace {

NestedField required(std::int32_t id, std::string name, TypePtr type) {
  NestedField field;
  field.id = id;
  field.name = std::move(name);
  field.type = std::move(type);
  field.required = true;
  return field;
}

NestedField optional(std::int32_t id, std::string name, TypePtr type) {
  NestedField field = required(id, std::move(name), std::move(type));
  field.required = false;
  return field;
}

TypePtr longs_by_id(std::int32_t key_id, std::int32_t value_id) {
  return map_of(key_id, primitive(TypeKind::Int), value_id, primitive(TypeKind::Long), true);
}

TypePtr bytes_by_id(std::int32_t key_id, std::int32_t value_id) {
  return map_of(key_id, primitive(TypeKind::Int), value_id, primitive(TypeKind::Binary), true);
}

TypePtr data_file_type(int format_version, TypePtr partition) {
  const TypePtr kInt = primitive(TypeKind::Int);
  const TypePtr kLong = primitive(TypeKind::Long);
  const TypePtr kString = primitive(TypeKind::String);
  const TypePtr kBinary = primitive(TypeKind::Binary);
  std::vector<NestedField> fields;
  if (format_version >= 2) {
    fields.push_back(required(134, "content", kInt));
  }
  fields.push_back(required(100, "file_path", kString));
  fields.push_back(required(101, "file_format", kString));
  fields.push_back(required(102, "partition", std::move(partition)));
  fields.push_back(required(103, "record_count", kLong));
  fields.push_back(required(104, "file_size_in_bytes", kLong));
  if (format_version == 1) {
    fields.push_back(required(105, "block_size_in_bytes", kLong));
  }
  fields.push_back(optional(108, "column_sizes", longs_by_id(117, 118)));
  fields.push_back(optional(109, "value_counts", longs_by_id(119, 120)));
  fields.push_back(optional(110, "null_value_counts", longs_by_id(121, 122)));
  fields.push_back(optional(137, "nan_value_counts", longs_by_id(138, 139)));
  fields.push_back(optional(125, "lower_bounds", bytes_by_id(126, 127)));
  fields.push_back(optional(128, "upper_bounds", bytes_by_id(129, 130)));
  fields.push_back(optional(131, "key_metadata", kBinary));
  fields.push_back(optional(132, "split_offsets", list_of(133, kLong, true)));
  if (format_version >= 2) {
    fields.push_back(optional(135, "equality_ids", list_of(136, kInt, true)));
  }
  fields.push_back(optional(140, "sort_order_id", kInt));
  if (format_version >= 3) {
    fields.push_back(optional(142, "first_row_id", kLong));
  }
  if (format_version >= 2) {
    fields.push_back(optional(143, "referenced_data_file", kString));
  }
  if (format_version >= 3) {
    fields.push_back(optional(144, "content_offset", kLong));
    fields.push_back(optional(145, "content_size_in_bytes", kLong));
  }
  return struct_of(std::move(fields));
}

TypePtr field_summary_type() {
  return struct_of({required(509, "contains_null", primitive(TypeKind::Boolean)),
                    optional(518, "contains_nan", primitive(TypeKind::Boolean)),
                    optional(510, "lower_bound", primitive(TypeKind::Binary)),
                    optional(511, "upper_bound", primitive(TypeKind::Binary))});
}

}  // namespace

TypePtr manifest_entry_type(int format_version, TypePtr partition) {
  const TypePtr kLong = primitive(TypeKind::Long);
  std::vector<NestedField> fields;
  fields.push_back(required(0, "status", primitive(TypeKind::Int)));
  if (format_version == 1) {
    fields.push_back(required(1, "snapshot_id", kLong));
  } else {
    fields.push_back(optional(1, "snapshot_id", kLong));
    fields.push_back(optional(3, "sequence_number", kLong));
    fields.push_back(optional(4, "file_sequence_number", kLong));
  }
  fields.push_back(required(2, "data_file", data_file_type(format_version, std::move(partition))));
  return struct_of(std::move(fields));
}

TypePtr manifest_file_type(int format_version) {
  const TypePtr kInt = primitive(TypeKind::Int);
  const TypePtr kLong = primitive(TypeKind::Long);
  const auto count = format_version == 1 ? optional : required;
  std::vector<NestedField> fields;
  fields.push_back(required(500, "manifest_path", primitive(TypeKind::String)));
  fields.push_back(required(501, "manifest_length", kLong));
  fields.push_back(required(502, "partition_spec_id", kInt));
  if (format_version >= 2) {
    fields.push_back(required(517, "content", kInt));
    fields.push_back(required(515, "sequence_number", kLong));
    fields.push_back(required(516, "min_sequence_number", kLong));
  }
  fields.push_back(required(503, "added_snapshot_id", kLong));
  fields.push_back(count(504, "added_files_count", kInt));
  fields.push_back(count(505, "existing_files_count", kInt));
  fields.push_back(count(506, "deleted_files_count", kInt));
  fields.push_back(count(512, "added_rows_count", kLong));
  fields.push_back(count(513, "existing_rows_count", kLong));
  fields.push_back(count(514, "deleted_rows_count", kLong));
  fields.push_back(optional(507, "partitions", list_of(508, field_summary_type(), true)));
  fields.push_back(optional(519, "key_metadata", primitive(TypeKind::Binary)));
  if (format_version >= 3) {
    fields.push_back(optional(520, "first_row_id", kLong));
  }
  return struct_of(std::move(fields));
}

}  // namespace lakehouse::iceberg::detail
