#include "iceberg/view_metadata.h"

#include <algorithm>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "iceberg/detail/inflate.h"
#include "iceberg/detail/json_members.h"
#include "iceberg/detail/metadata_checks.h"
#include "iceberg/detail/properties.h"

// A view's JSON. What changes a view: view_update.cc.

namespace lakehouse::iceberg {

namespace json = boost::json;

namespace {

template <class T, class Id>
const T* find_by(const std::vector<T>& items, Id T::* member, Id id) {
  const auto found = std::ranges::find(items, id, member);
  return found == items.end() ? nullptr : &*found;
}

template <class T, class Read>
Result<std::vector<T>> read_all(JsonFields& fields, std::string_view name, const Read& read) {
  LH_ASSIGN_OR_RETURN(const json::array* array, fields.require_array(name));
  std::vector<T> items;
  items.reserve(array->size());
  for (const json::value& element : *array) {
    LH_ASSIGN_OR_RETURN(T item, read(element));
    items.push_back(std::move(item));
  }
  return items;
}

template <class T, class Write>
json::array write_all(const std::vector<T>& items, const Write& write) {
  json::array array;
  array.reserve(items.size());
  for (const T& item : items) {
    array.emplace_back(write(item));
  }
  return array;
}

template <class T, class Id>
Status check_unique(const std::vector<T>& items, Id T::* member, std::string_view what) {
  std::vector<Id> ids;
  ids.reserve(items.size());
  for (const T& item : items) {
    ids.push_back(item.*member);
  }
  std::ranges::sort(ids);
  const auto twice = std::ranges::adjacent_find(ids);
  if (twice != ids.end()) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("view metadata: two {} have the id {}", what, *twice));
  }
  return {};
}

Result<ViewRepresentation> representation_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a view's representation"));
  ViewRepresentation representation;
  LH_ASSIGN_OR_RETURN(representation.type, fields.require_string("type"));
  if (representation.type == "sql") {
    LH_ASSIGN_OR_RETURN(representation.sql, fields.require_string("sql"));
    LH_ASSIGN_OR_RETURN(representation.dialect, fields.require_string("dialect"));
  }
  representation.unknown = fields.unknown();
  return representation;
}

json::object representation_to_json(const ViewRepresentation& representation) {
  json::object object;
  object.emplace("type", representation.type);
  if (representation.type == "sql") {
    object.emplace("sql", representation.sql);
    object.emplace("dialect", representation.dialect);
  }
  detail::add_unknown(object, representation.unknown);
  return object;
}

Result<ViewHistoryEntry> history_entry_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "an entry of the version log"));
  ViewHistoryEntry entry;
  LH_ASSIGN_OR_RETURN(entry.timestamp_ms, fields.require_int64("timestamp-ms"));
  LH_ASSIGN_OR_RETURN(entry.version_id, detail::require_int32(fields, "version-id"));
  entry.unknown = fields.unknown();
  return entry;
}

json::object history_entry_to_json(const ViewHistoryEntry& entry) {
  json::object object;
  object.emplace("timestamp-ms", entry.timestamp_ms);
  object.emplace("version-id", entry.version_id);
  detail::add_unknown(object, entry.unknown);
  return object;
}

Status check_ids(const ViewMetadata& metadata) {
  LH_RETURN_IF_ERROR(check_unique(metadata.schemas, &Schema::schema_id, "schemas"));
  LH_RETURN_IF_ERROR(check_unique(metadata.versions, &ViewVersion::version_id, "versions"));
  const ViewVersion* current = metadata.current_version();
  if (current == nullptr) {
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("view metadata: there is no current version {}", metadata.current_version_id));
  }
  if (metadata.current_schema() == nullptr) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("view metadata: there is no schema {}, which version {} has",
                            current->schema_id, current->version_id));
  }
  return {};
}

}  // namespace

const std::string* ViewVersion::sql_for(std::string_view wanted) const {
  const std::string form = to_lower(wanted);
  for (const ViewRepresentation& representation : representations) {
    if (representation.type == "sql" && to_lower(representation.dialect) == form) {
      return &representation.sql;
    }
  }
  return nullptr;
}

const ViewVersion* ViewMetadata::version_by_id(std::int32_t id) const {
  return find_by(versions, &ViewVersion::version_id, id);
}

const Schema* ViewMetadata::schema_by_id(std::int32_t id) const {
  return find_by(schemas, &Schema::schema_id, id);
}

const ViewVersion* ViewMetadata::current_version() const {
  return version_by_id(current_version_id);
}

const Schema* ViewMetadata::current_schema() const {
  const ViewVersion* version = current_version();
  return version == nullptr ? nullptr : schema_by_id(version->schema_id);
}

const std::string* ViewMetadata::property(std::string_view name) const {
  const auto found = properties.find(name);
  return found == properties.end() ? nullptr : &found->second;
}

Result<ViewVersion> view_version_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a view's version"));
  ViewVersion version;
  LH_ASSIGN_OR_RETURN(version.version_id, detail::require_int32(fields, "version-id"));
  LH_ASSIGN_OR_RETURN(version.schema_id, detail::require_int32(fields, "schema-id"));
  LH_ASSIGN_OR_RETURN(version.timestamp_ms, fields.require_int64("timestamp-ms"));
  LH_ASSIGN_OR_RETURN(version.summary, detail::properties_of(fields, "summary"));
  LH_ASSIGN_OR_RETURN(
      version.representations,
      read_all<ViewRepresentation>(fields, "representations", representation_from_json));
  LH_ASSIGN_OR_RETURN(version.default_catalog, fields.optional_string("default-catalog"));
  LH_ASSIGN_OR_RETURN(version.default_namespace, fields.require_strings("default-namespace"));
  version.unknown = fields.unknown();
  return version;
}

json::object view_version_to_json(const ViewVersion& version) {
  json::object object;
  object.emplace("version-id", version.version_id);
  object.emplace("timestamp-ms", version.timestamp_ms);
  object.emplace("schema-id", version.schema_id);
  object.emplace("summary", detail::properties_to_json(version.summary));
  detail::put_if(object, "default-catalog", version.default_catalog);
  object.emplace("default-namespace",
                 json::array(version.default_namespace.begin(), version.default_namespace.end()));
  object.emplace("representations", write_all(version.representations, representation_to_json));
  detail::add_unknown(object, version.unknown);
  return object;
}

Result<ViewMetadata> view_metadata_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "view metadata"));
  ViewMetadata metadata;
  LH_ASSIGN_OR_RETURN(metadata.format_version, detail::require_int32(fields, "format-version"));
  if (metadata.format_version < 1 || metadata.format_version > kViewFormatVersionMax) {
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("view metadata: format version {} is not supported", metadata.format_version));
  }
  LH_ASSIGN_OR_RETURN(metadata.view_uuid, fields.require_string("view-uuid"));
  LH_ASSIGN_OR_RETURN(metadata.location, fields.require_string("location"));
  detail::strip_trailing_slashes(metadata.location);
  LH_ASSIGN_OR_RETURN(metadata.schemas, read_all<Schema>(fields, "schemas", schema_from_json));
  LH_ASSIGN_OR_RETURN(metadata.current_version_id,
                      detail::require_int32(fields, "current-version-id"));
  LH_ASSIGN_OR_RETURN(metadata.versions,
                      read_all<ViewVersion>(fields, "versions", view_version_from_json));
  LH_ASSIGN_OR_RETURN(metadata.version_log,
                      read_all<ViewHistoryEntry>(fields, "version-log", history_entry_from_json));
  LH_ASSIGN_OR_RETURN(metadata.properties, detail::properties_of(fields, "properties"));
  metadata.unknown = fields.unknown();
  LH_RETURN_IF_ERROR(check_ids(metadata));
  return metadata;
}

Result<ViewMetadata> view_metadata_from_text(std::string_view text) {
  std::string unpacked;
  LH_ASSIGN_OR_RETURN(text, detail::plain_text(text, "view metadata", unpacked));
  LH_ASSIGN_OR_RETURN(const json::value value, parse_json(text, "view metadata"));
  return view_metadata_from_json(value);
}

json::object view_metadata_to_json(const ViewMetadata& metadata) {
  json::object object;
  object.emplace("view-uuid", metadata.view_uuid);
  object.emplace("format-version", metadata.format_version);
  object.emplace("location", metadata.location);
  object.emplace("schemas", write_all(metadata.schemas, schema_to_json));
  object.emplace("current-version-id", metadata.current_version_id);
  object.emplace("versions", write_all(metadata.versions, view_version_to_json));
  object.emplace("version-log", write_all(metadata.version_log, history_entry_to_json));
  object.emplace("properties", detail::properties_to_json(metadata.properties));
  detail::add_unknown(object, metadata.unknown);
  return object;
}

std::string view_metadata_to_text(const ViewMetadata& metadata) {
  return json::serialize(view_metadata_to_json(metadata));
}

}  // namespace lakehouse::iceberg
