#include "iceberg/partition_spec.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "iceberg/detail/json_members.h"
#include "iceberg/detail/source_column.h"

namespace lakehouse::iceberg {

namespace json = boost::json;

namespace {

Result<PartitionField> partition_field_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a partition field"));
  PartitionField field;
  LH_ASSIGN_OR_RETURN(field.name, fields.require_string("name"));
  LH_ASSIGN_OR_RETURN(const std::string transform, fields.require_string("transform"));
  LH_ASSIGN_OR_RETURN(field.transform, transform_from_string(transform));
  LH_ASSIGN_OR_RETURN(const auto field_id, detail::optional_int32(fields, "field-id"));
  field.field_id = field_id.value_or(0);
  LH_ASSIGN_OR_RETURN(const auto sources, detail::sources_from_json(fields, field.name));
  field.source_id = sources.id;
  field.source_ids = sources.ids;
  field.unknown = fields.unknown();
  return field;
}

Status check_field(const PartitionField& field, const Schema& schema) {
  if (field.name.empty()) {
    return fail(ErrorCode::InvalidArgument, "a partition field must have a name");
  }
  const NestedField* same_name = schema.find(field.name);
  if (same_name != nullptr && same_name->id != field.source_id) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("partition field '{}' has the name of a column that is not its source",
                            field.name),
                "Give the partition field another name, such as the column's with the transform.");
  }
  if (field.transform.kind == Transform::Kind::Void) {
    return {};  // Its source may be gone.
  }
  const auto source = detail::source_column(schema, field.source_id);
  if (!source) {
    return std::unexpected(
        Error(source.error()).with_context(fmt::format("partition field '{}'", field.name)));
  }
  const auto type = result_type(field.transform, **source);
  if (!type) {
    return std::unexpected(
        Error(type.error()).with_context(fmt::format("partition field '{}'", field.name)));
  }
  return {};
}

}  // namespace

bool PartitionSpec::is_unpartitioned() const {
  return std::ranges::all_of(fields, [](const PartitionField& field) {
    return field.transform.kind == Transform::Kind::Void;
  });
}

std::int32_t PartitionSpec::highest_field_id() const {
  std::int32_t highest = kFirstPartitionFieldId - 1;
  for (const PartitionField& field : fields) {
    highest = std::max(highest, field.field_id);
  }
  return highest;
}

bool compatible(const PartitionSpec& a, const PartitionSpec& b) {
  return std::ranges::equal(
      a.fields, b.fields, [](const PartitionField& left, const PartitionField& right) {
        return left.source_id == right.source_id && left.source_ids == right.source_ids &&
               left.name == right.name && left.transform == right.transform;
      });
}

Result<std::vector<PartitionField>> partition_fields_from_json(const json::value& value) {
  if (!value.is_array()) {
    return fail(ErrorCode::InvalidArgument, "partition fields must be a JSON array");
  }
  std::vector<PartitionField> fields;
  for (const json::value& element : value.get_array()) {
    LH_ASSIGN_OR_RETURN(PartitionField field, partition_field_from_json(element));
    fields.push_back(std::move(field));
  }
  return fields;
}

Result<PartitionSpec> spec_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "the partition spec"));
  PartitionSpec spec;
  LH_ASSIGN_OR_RETURN(const auto spec_id, detail::optional_int32(fields, "spec-id"));
  spec.spec_id = spec_id.value_or(0);
  const json::value* list = fields.optional_value("fields");
  if (list == nullptr) {
    return fail(ErrorCode::InvalidArgument, "the partition spec has no 'fields'");
  }
  LH_ASSIGN_OR_RETURN(spec.fields, partition_fields_from_json(*list));
  spec.unknown = fields.unknown();
  return spec;
}

json::array partition_fields_to_json(const PartitionSpec& spec) {
  json::array array;
  for (const PartitionField& field : spec.fields) {
    json::object object;
    detail::sources_to_json(object, field.source_id, field.source_ids);
    if (field.field_id != 0) {
      object.emplace("field-id", field.field_id);
    }
    object.emplace("name", field.name);
    object.emplace("transform", to_string(field.transform));
    detail::add_unknown(object, field.unknown);
    array.emplace_back(std::move(object));
  }
  return array;
}

json::object spec_to_json(const PartitionSpec& spec) {
  json::object object;
  object.emplace("spec-id", spec.spec_id);
  object.emplace("fields", partition_fields_to_json(spec));
  detail::add_unknown(object, spec.unknown);
  return object;
}

Status validate_spec(const PartitionSpec& spec, const Schema& schema) {
  std::set<std::string_view> names;
  std::set<std::int32_t> ids;
  for (const PartitionField& field : spec.fields) {
    LH_RETURN_IF_ERROR(check_field(field, schema));
    if (!names.insert(field.name).second) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("two partition fields have the name '{}'", field.name));
    }
    if (field.field_id != 0 && !ids.insert(field.field_id).second) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("two partition fields have the id {}", field.field_id));
    }
  }
  return {};
}

Result<TypePtr> partition_type(const PartitionSpec& spec, const Schema& schema) {
  std::vector<NestedField> fields;
  for (const PartitionField& field : spec.fields) {
    NestedField part;
    part.id = field.field_id;
    part.name = field.name;
    const NestedField* source = schema.find_by_id(field.source_id);
    if (source == nullptr) {
      part.type = primitive(TypeKind::Unknown);
    } else {
      LH_ASSIGN_OR_RETURN(part.type, result_type(field.transform, *source->type));
    }
    fields.push_back(std::move(part));
  }
  return struct_of(std::move(fields));
}

std::string partition_path(const PartitionSpec& spec,
                           std::span<const std::optional<Literal>> values) {
  std::string path;
  for (std::size_t i = 0; i < spec.fields.size() && i < values.size(); ++i) {
    const PartitionField& field = spec.fields[i];
    if (!path.empty()) {
      path += '/';
    }
    path += encode_path_segment(field.name) + '=' +
            encode_path_segment(to_human_string(field.transform, values[i]));
  }
  return path;
}

}  // namespace lakehouse::iceberg
