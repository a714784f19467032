#include <map>
#include <set>

#include <fmt/format.h>

#include "iceberg/literal.h"
#include "iceberg/table_metadata.h"

namespace lakehouse::iceberg {

namespace {

// Ids from here on are those of metadata columns such as _file and _pos.
constexpr std::int32_t kReservedIdsFrom = 2'147'483'447;

/// Where a field stands, as far as identifier fields care.
struct Place {
  const NestedField* field = nullptr;
  std::string path;
  bool in_collection = false;  ///< Part of a list or a map.
  bool always_there = true;    ///< It and the structs around it are all required.
};

bool is_v3_kind(TypeKind kind) {
  return kind == TypeKind::TimestampNs || kind == TypeKind::TimestamptzNs ||
         kind == TypeKind::Unknown || kind == TypeKind::Variant || kind == TypeKind::Geometry ||
         kind == TypeKind::Geography;
}

Status check_default(const Place& place, const std::optional<boost::json::value>& value,
                     std::string_view which) {
  if (!value) {
    return {};
  }
  Status checked = check_json_value(*place.field->type, *value);
  if (!checked) {
    return std::unexpected(std::move(checked).error().with_context(
        fmt::format("the {} of column '{}'", which, place.path)));
  }
  return {};
}

Status check_field(const Place& place, int format_version) {
  const NestedField& field = *place.field;
  if (field.name.empty()) {
    return fail(ErrorCode::InvalidArgument, fmt::format("column {} has no name", field.id));
  }
  if (field.id < 0 || field.id >= kReservedIdsFrom) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("column '{}' has the id {}, which is reserved", place.path, field.id));
  }
  if (format_version < 3 && is_v3_kind(field.type->kind)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("column '{}': type {} needs format version 3, and the table has {}",
                            place.path, to_string(*field.type), format_version),
                "Upgrade the table to format version 3, or take another type.");
  }
  if (format_version < 3 && field.initial_default) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("column '{}': an initial default needs format version 3, and the "
                            "table has {}",
                            place.path, format_version));
  }
  if (field.type->kind == TypeKind::Unknown && field.required) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("column '{}' of type unknown must be optional", place.path));
  }
  LH_RETURN_IF_ERROR(check_default(place, field.initial_default, "initial default"));
  return check_default(place, field.write_default, "write default");
}

/// Checks the fields of a level and what they hold, and notes where each stands.
Status check_level(const std::vector<NestedField>& fields, const Place& parent, int format_version,
                   std::map<std::int32_t, Place>& places, std::set<std::string>& paths) {
  for (const NestedField& field : fields) {
    Place place;
    place.field = &field;
    place.path = parent.path.empty() ? field.name : parent.path + "." + field.name;
    place.in_collection = parent.in_collection ||
                          (parent.field != nullptr && parent.field->type->kind != TypeKind::Struct);
    place.always_there = parent.always_there && field.required;
    LH_RETURN_IF_ERROR(check_field(place, format_version));
    if (!paths.insert(place.path).second) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("two columns have the name '{}'", place.path));
    }
    if (!places.emplace(field.id, place).second) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("columns '{}' and '{}' have the same id {}", places[field.id].path,
                              place.path, field.id));
    }
    LH_RETURN_IF_ERROR(check_level(field.type->fields, place, format_version, places, paths));
  }
  return {};
}

Status check_identifier(std::int32_t id, const std::map<std::int32_t, Place>& places) {
  const auto found = places.find(id);
  if (found == places.end()) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("identifier field {} is not in the schema", id));
  }
  const Place& place = found->second;
  const TypeKind kind = place.field->type->kind;
  std::string_view reason;
  if (is_nested(*place.field->type)) {
    reason = "is not of a primitive type";
  } else if (kind == TypeKind::Float || kind == TypeKind::Double) {
    reason = "is a floating point number";
  } else if (place.in_collection) {
    reason = "is part of a list or a map";
  } else if (!place.always_there) {
    reason = "is not required, or a struct around it is not";
  } else {
    return {};
  }
  return fail(ErrorCode::InvalidArgument,
              fmt::format("column '{}' cannot be an identifier field: it {}", place.path, reason));
}

}  // namespace

Status validate_schema(const Schema& schema, int format_version) {
  std::map<std::int32_t, Place> places;
  std::set<std::string> paths;
  LH_RETURN_IF_ERROR(check_level(schema.fields, Place{}, format_version, places, paths));
  for (const std::int32_t id : schema.identifier_field_ids) {
    LH_RETURN_IF_ERROR(check_identifier(id, places));
  }
  return {};
}

}  // namespace lakehouse::iceberg
