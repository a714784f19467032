#include "iceberg/detail/source_column.h"

#include <fmt/format.h>

#include "iceberg/detail/json_members.h"

namespace lakehouse::iceberg::detail {

namespace {

enum class Found : std::uint8_t { No, Yes, InCollection };

Found look_in(const Type& type, std::int32_t id, const Type*& found) {
  for (const NestedField& field : type.fields) {
    if (field.id == id) {
      found = field.type.get();
      return type.kind == TypeKind::Struct ? Found::Yes : Found::InCollection;
    }
    const Found below = look_in(*field.type, id, found);
    if (below != Found::No) {
      return type.kind == TypeKind::Struct ? below : Found::InCollection;
    }
  }
  return Found::No;
}

}  // namespace

Result<Sources> sources_from_json(JsonFields& fields, std::string_view field) {
  Sources sources;
  LH_ASSIGN_OR_RETURN(const auto id, optional_int32(fields, "source-id"));
  LH_ASSIGN_OR_RETURN(const boost::json::array* list, fields.optional_array("source-ids"));
  if (list != nullptr) {
    LH_ASSIGN_OR_RETURN(sources.ids, integers_of<std::int32_t>(*list, "source-ids"));
  }
  if (!id && sources.ids.empty()) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("field '{}' has neither 'source-id' nor 'source-ids'", field));
  }
  sources.id = id ? *id : sources.ids.front();
  if (sources.ids.size() == 1) {
    sources.ids.clear();
  }
  return sources;
}

void sources_to_json(boost::json::object& object, std::int32_t id,
                     const std::vector<std::int32_t>& ids) {
  if (ids.empty()) {
    object.emplace("source-id", id);
  } else {
    object.emplace("source-ids", boost::json::array(ids.begin(), ids.end()));
  }
}

Result<const Type*> source_column(const Schema& schema, std::int32_t id) {
  const Type* type = nullptr;
  Found found = Found::No;
  for (const NestedField& field : schema.fields) {
    if (field.id == id) {
      type = field.type.get();
      found = Found::Yes;
    } else if (found == Found::No) {
      found = look_in(*field.type, id, type);
    }
  }
  if (found == Found::No) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("its source, column {}, is not in the schema", id));
  }
  if (found == Found::InCollection) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("its source '{}' is part of a list or a map", schema.path_of(id)));
  }
  if (is_nested(*type)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("its source '{}' is no primitive column, but {}", schema.path_of(id),
                            to_string(*type)));
  }
  return type;
}

}  // namespace lakehouse::iceberg::detail
