#include "iceberg/schema.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/json.h"
#include "base/text.h"
#include "iceberg/detail/fresh_ids.h"
#include "iceberg/detail/json_members.h"

namespace lakehouse::iceberg {

namespace json = boost::json;

namespace {

struct PrimitiveName {
  TypeKind kind;
  std::string_view name;
};

constexpr std::array kPrimitiveNames = {
    PrimitiveName{TypeKind::Boolean, "boolean"},
    PrimitiveName{TypeKind::Int, "int"},
    PrimitiveName{TypeKind::Long, "long"},
    PrimitiveName{TypeKind::Float, "float"},
    PrimitiveName{TypeKind::Double, "double"},
    PrimitiveName{TypeKind::Date, "date"},
    PrimitiveName{TypeKind::Time, "time"},
    PrimitiveName{TypeKind::Timestamp, "timestamp"},
    PrimitiveName{TypeKind::Timestamptz, "timestamptz"},
    PrimitiveName{TypeKind::TimestampNs, "timestamp_ns"},
    PrimitiveName{TypeKind::TimestamptzNs, "timestamptz_ns"},
    PrimitiveName{TypeKind::String, "string"},
    PrimitiveName{TypeKind::Uuid, "uuid"},
    PrimitiveName{TypeKind::Binary, "binary"},
    PrimitiveName{TypeKind::Unknown, "unknown"},
    PrimitiveName{TypeKind::Variant, "variant"},
    PrimitiveName{TypeKind::Geometry, "geometry"},
    PrimitiveName{TypeKind::Geography, "geography"},
};

std::string_view name_of(TypeKind kind) {
  for (const PrimitiveName& entry : kPrimitiveNames) {
    if (entry.kind == kind) {
      return entry.name;
    }
  }
  return {};
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

std::optional<std::int32_t> parse_int(std::string_view text) {
  text = trim(text);
  std::int32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

/// What stands between `open` right behind `name` and `close` at the end, or nothing.
std::optional<std::string_view> parameters_of(std::string_view text, std::string_view name,
                                              char open, char close) {
  if (!text.starts_with(name)) {
    return std::nullopt;
  }
  text = trim(text.substr(name.size()));
  if (text.size() < 2 || text.front() != open || text.back() != close) {
    return std::nullopt;
  }
  return text.substr(1, text.size() - 2);
}

Result<TypePtr> decimal_from_parameters(std::string_view text, std::string_view parameters) {
  const auto comma = parameters.find(',');
  const auto precision = parse_int(parameters.substr(0, comma));
  const auto scale =
      comma == std::string_view::npos ? std::nullopt : parse_int(parameters.substr(comma + 1));
  if (!precision || !scale || *precision < 1 || *precision > 38 || *scale < 0 ||
      *scale > *precision) {
    return fail(ErrorCode::InvalidArgument, fmt::format("'{}' is no decimal type", text),
                "Write decimal(P, S) with a precision P of 1 to 38 and a scale S of 0 to P.");
  }
  return decimal(*precision, *scale);
}

Result<TypePtr> primitive_from_text(std::string_view text) {
  for (const PrimitiveName& entry : kPrimitiveNames) {
    if (entry.name == text) {
      return primitive(entry.kind);
    }
  }
  if (const auto parameters = parameters_of(text, "decimal", '(', ')')) {
    return decimal_from_parameters(text, *parameters);
  }
  if (const auto parameters = parameters_of(text, "fixed", '[', ']')) {
    const auto length = parse_int(*parameters);
    if (!length || *length < 1) {
      return fail(ErrorCode::InvalidArgument, fmt::format("'{}' is no fixed type", text),
                  "Write fixed[L] with a length L of at least 1.");
    }
    return fixed(*length);
  }
  for (const TypeKind kind : {TypeKind::Geometry, TypeKind::Geography}) {
    if (const auto parameters = parameters_of(text, name_of(kind), '(', ')')) {
      Type type;
      type.kind = kind;
      type.parameters = *parameters;
      return std::make_shared<const Type>(std::move(type));
    }
  }
  std::vector<std::string> names = {"decimal", "fixed"};
  for (const PrimitiveName& entry : kPrimitiveNames) {
    names.emplace_back(entry.name);
  }
  return fail(ErrorCode::InvalidArgument, fmt::format("'{}' is no Iceberg type", text),
              did_you_mean(text, names));
}

Result<TypePtr> required_type(JsonFields& fields, std::string_view name) {
  const json::value* value = fields.optional_value(name);
  if (value == nullptr) {
    return fail(ErrorCode::InvalidArgument, fmt::format("a type's '{}' is missing", name));
  }
  return type_from_json(*value);
}

Result<NestedField> field_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a field"));
  NestedField field;
  LH_ASSIGN_OR_RETURN(field.id, detail::require_int32(fields, "id"));
  LH_ASSIGN_OR_RETURN(field.name, fields.require_string("name"));
  LH_ASSIGN_OR_RETURN(field.required, fields.require_bool("required"));
  auto type = required_type(fields, "type");
  if (!type) {
    return std::unexpected(std::move(type).error().with_context("field '" + field.name + "'"));
  }
  field.type = *std::move(type);
  LH_ASSIGN_OR_RETURN(field.doc, fields.optional_string("doc"));
  if (const json::value* initial = fields.optional_value("initial-default")) {
    field.initial_default = *initial;
  }
  if (const json::value* write = fields.optional_value("write-default")) {
    field.write_default = *write;
  }
  field.unknown = fields.unknown();
  return field;
}

Result<std::vector<NestedField>> fields_from_json(const json::array& array) {
  std::vector<NestedField> fields;
  fields.reserve(array.size());
  for (const json::value& element : array) {
    LH_ASSIGN_OR_RETURN(NestedField field, field_from_json(element));
    fields.push_back(std::move(field));
  }
  return fields;
}

json::array fields_to_json(const std::vector<NestedField>& fields) {
  json::array array;
  array.reserve(fields.size());
  for (const NestedField& field : fields) {
    json::object object;
    object.emplace("id", field.id);
    object.emplace("name", field.name);
    object.emplace("required", field.required);
    object.emplace("type", type_to_json(*field.type));
    detail::put_if(object, "doc", field.doc);
    detail::put_if(object, "initial-default", field.initial_default);
    detail::put_if(object, "write-default", field.write_default);
    detail::add_unknown(object, field.unknown);
    array.emplace_back(std::move(object));
  }
  return array;
}

NestedField held_field(std::int32_t id, std::string name, TypePtr type, bool required) {
  NestedField field;
  field.id = id;
  field.name = std::move(name);
  field.type = std::move(type);
  field.required = required;
  return field;
}

Result<TypePtr> nested_from_json(JsonFields fields) {
  LH_ASSIGN_OR_RETURN(const std::string name, fields.require_string("type"));
  Type type;
  if (name == "struct") {
    type.kind = TypeKind::Struct;
    LH_ASSIGN_OR_RETURN(const json::array* array, fields.require_array("fields"));
    LH_ASSIGN_OR_RETURN(type.fields, fields_from_json(*array));
  } else if (name == "list") {
    type.kind = TypeKind::List;
    LH_ASSIGN_OR_RETURN(const std::int32_t id, detail::require_int32(fields, "element-id"));
    LH_ASSIGN_OR_RETURN(const bool required, fields.require_bool("element-required"));
    LH_ASSIGN_OR_RETURN(TypePtr element, required_type(fields, "element"));
    type.fields.push_back(held_field(id, "element", std::move(element), required));
  } else if (name == "map") {
    type.kind = TypeKind::Map;
    LH_ASSIGN_OR_RETURN(const std::int32_t key_id, detail::require_int32(fields, "key-id"));
    LH_ASSIGN_OR_RETURN(const std::int32_t value_id, detail::require_int32(fields, "value-id"));
    LH_ASSIGN_OR_RETURN(const bool required, fields.require_bool("value-required"));
    LH_ASSIGN_OR_RETURN(TypePtr key, required_type(fields, "key"));
    LH_ASSIGN_OR_RETURN(TypePtr value, required_type(fields, "value"));
    type.fields.push_back(held_field(key_id, "key", std::move(key), true));
    type.fields.push_back(held_field(value_id, "value", std::move(value), required));
  } else {
    // {"type": "int"}: not what the spec writes, but what it means is plain.
    return primitive_from_text(name);
  }
  type.unknown = fields.unknown();
  return std::make_shared<const Type>(std::move(type));
}

const NestedField* find_in(const std::vector<NestedField>& fields, std::int32_t id) {
  for (const NestedField& field : fields) {
    if (field.id == id) {
      return &field;
    }
    if (const NestedField* found = find_in(field.type->fields, id)) {
      return found;
    }
  }
  return nullptr;
}

bool find_path(const std::vector<NestedField>& fields, std::int32_t id, std::string& path) {
  for (const NestedField& field : fields) {
    const std::size_t length = path.size();
    if (!path.empty()) {
      path += '.';
    }
    path += field.name;
    if (field.id == id || find_path(field.type->fields, id, path)) {
      return true;
    }
    path.resize(length);
  }
  return false;
}

std::int32_t highest_id(const std::vector<NestedField>& fields) {
  std::int32_t highest = 0;
  for (const NestedField& field : fields) {
    highest = std::max({highest, field.id, highest_id(field.type->fields)});
  }
  return highest;
}

}  // namespace

namespace detail {

std::vector<NestedField> with_fresh_ids(
    const std::vector<NestedField>& fields, std::int32_t& next_id,
    const std::function<void(std::int32_t, std::int32_t)>& seen) {
  std::vector<NestedField> fresh = fields;
  for (NestedField& field : fresh) {
    const std::int32_t old_id = field.id;
    field.id = next_id++;
    if (seen) {
      seen(old_id, field.id);
    }
  }
  for (NestedField& field : fresh) {
    field.type = with_fresh_ids(field.type, next_id, seen);
  }
  return fresh;
}

TypePtr with_fresh_ids(const TypePtr& type, std::int32_t& next_id,
                       const std::function<void(std::int32_t, std::int32_t)>& seen) {
  if (!is_nested(*type)) {
    return type;
  }
  Type fresh = *type;
  fresh.fields = with_fresh_ids(type->fields, next_id, seen);
  return std::make_shared<const Type>(std::move(fresh));
}

}  // namespace detail

bool operator==(const Type& a, const Type& b) {
  return a.kind == b.kind && a.precision == b.precision && a.scale == b.scale &&
         a.length == b.length && a.parameters == b.parameters && a.fields == b.fields &&
         a.unknown == b.unknown;
}

bool operator==(const NestedField& a, const NestedField& b) {
  return a.id == b.id && a.name == b.name && a.required == b.required && a.doc == b.doc &&
         a.initial_default == b.initial_default && a.write_default == b.write_default &&
         a.unknown == b.unknown && (a.type == b.type || *a.type == *b.type);
}

TypePtr primitive(TypeKind kind) {
  Type type;
  type.kind = kind;
  return std::make_shared<const Type>(std::move(type));
}

TypePtr decimal(std::int32_t precision, std::int32_t scale) {
  Type type;
  type.kind = TypeKind::Decimal;
  type.precision = precision;
  type.scale = scale;
  return std::make_shared<const Type>(std::move(type));
}

TypePtr fixed(std::int32_t length_bytes) {
  Type type;
  type.kind = TypeKind::Fixed;
  type.length = length_bytes;
  return std::make_shared<const Type>(std::move(type));
}

TypePtr struct_of(std::vector<NestedField> fields) {
  Type type;
  type.kind = TypeKind::Struct;
  type.fields = std::move(fields);
  return std::make_shared<const Type>(std::move(type));
}

TypePtr list_of(std::int32_t element_id, TypePtr element, bool element_required) {
  Type type;
  type.kind = TypeKind::List;
  type.fields.push_back(held_field(element_id, "element", std::move(element), element_required));
  return std::make_shared<const Type>(std::move(type));
}

TypePtr map_of(std::int32_t key_id, TypePtr key, std::int32_t value_id, TypePtr value,
               bool value_required) {
  Type type;
  type.kind = TypeKind::Map;
  type.fields.push_back(held_field(key_id, "key", std::move(key), true));
  type.fields.push_back(held_field(value_id, "value", std::move(value), value_required));
  return std::make_shared<const Type>(std::move(type));
}

bool is_nested(const Type& type) {
  return type.kind == TypeKind::Struct || type.kind == TypeKind::List || type.kind == TypeKind::Map;
}

std::string to_string(const Type& type) {
  if (type.kind == TypeKind::Decimal) {
    return fmt::format("decimal({}, {})", type.precision, type.scale);
  }
  if (type.kind == TypeKind::Fixed) {
    return fmt::format("fixed[{}]", type.length);
  }
  if (type.kind == TypeKind::List) {
    return fmt::format("list<{}>", to_string(*type.fields[0].type));
  }
  if (type.kind == TypeKind::Map) {
    return fmt::format("map<{}, {}>", to_string(*type.fields[0].type),
                       to_string(*type.fields[1].type));
  }
  if (type.kind == TypeKind::Struct) {
    std::vector<std::string> members;
    for (const NestedField& field : type.fields) {
      members.push_back(fmt::format("{}: {}", field.name, to_string(*field.type)));
    }
    return fmt::format("struct<{}>", fmt::join(members, ", "));
  }
  if (!type.parameters.empty()) {
    return fmt::format("{}({})", name_of(type.kind), type.parameters);
  }
  return std::string(name_of(type.kind));
}

Result<TypePtr> type_from_json(const json::value& value) {
  if (value.is_string()) {
    return primitive_from_text(value.get_string());
  }
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a type"));
  return nested_from_json(std::move(fields));
}

json::value type_to_json(const Type& type) {
  if (!is_nested(type)) {
    return json::value(to_string(type));
  }
  json::object object;
  if (type.kind == TypeKind::Struct) {
    object.emplace("type", "struct");
    object.emplace("fields", fields_to_json(type.fields));
  } else if (type.kind == TypeKind::List) {
    const NestedField& element = type.fields[0];
    object.emplace("type", "list");
    object.emplace("element-id", element.id);
    object.emplace("element", type_to_json(*element.type));
    object.emplace("element-required", element.required);
  } else {
    const NestedField& key = type.fields[0];
    const NestedField& value = type.fields[1];
    object.emplace("type", "map");
    object.emplace("key-id", key.id);
    object.emplace("key", type_to_json(*key.type));
    object.emplace("value-id", value.id);
    object.emplace("value", type_to_json(*value.type));
    object.emplace("value-required", value.required);
  }
  detail::add_unknown(object, type.unknown);
  return object;
}

const NestedField* Schema::find(std::string_view name) const {
  const auto found = std::ranges::find(fields, name, &NestedField::name);
  return found == fields.end() ? nullptr : &*found;
}

const NestedField* Schema::find_by_id(std::int32_t id) const {
  return find_in(fields, id);
}

std::string Schema::path_of(std::int32_t id) const {
  std::string path;
  return find_path(fields, id, path) ? path : std::string();
}

std::int32_t Schema::highest_field_id() const {
  return highest_id(fields);
}

bool same_fields(const Schema& a, const Schema& b) {
  const std::set<std::int32_t> a_ids(a.identifier_field_ids.begin(), a.identifier_field_ids.end());
  const std::set<std::int32_t> b_ids(b.identifier_field_ids.begin(), b.identifier_field_ids.end());
  return a_ids == b_ids && a.fields == b.fields;
}

bool operator==(const Schema& a, const Schema& b) {
  return a.schema_id == b.schema_id && a.fields == b.fields &&
         a.identifier_field_ids == b.identifier_field_ids && a.unknown == b.unknown;
}

Result<Schema> schema_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "the schema"));
  Schema schema;
  LH_ASSIGN_OR_RETURN(const std::string type, fields.require_string("type"));
  if (type != "struct") {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a schema's type must be 'struct', and is '{}'", type));
  }
  LH_ASSIGN_OR_RETURN(const auto schema_id, detail::optional_int32(fields, "schema-id"));
  schema.schema_id = schema_id.value_or(0);
  LH_ASSIGN_OR_RETURN(const json::array* array, fields.require_array("fields"));
  LH_ASSIGN_OR_RETURN(schema.fields, fields_from_json(*array));
  LH_ASSIGN_OR_RETURN(const json::array* ids, fields.optional_array("identifier-field-ids"));
  if (ids != nullptr) {
    LH_ASSIGN_OR_RETURN(schema.identifier_field_ids,
                        detail::integers_of<std::int32_t>(*ids, "identifier-field-ids"));
  }
  schema.unknown = fields.unknown();
  return schema;
}

json::object schema_to_json(const Schema& schema) {
  json::object object;
  object.emplace("type", "struct");
  object.emplace("schema-id", schema.schema_id);
  if (!schema.identifier_field_ids.empty()) {
    object.emplace("identifier-field-ids", json::array(schema.identifier_field_ids.begin(),
                                                       schema.identifier_field_ids.end()));
  }
  object.emplace("fields", fields_to_json(schema.fields));
  detail::add_unknown(object, schema.unknown);
  return object;
}

Schema with_fresh_ids(const Schema& schema) {
  Schema fresh = schema;
  std::int32_t next_id = 1;
  fresh.identifier_field_ids.clear();
  fresh.fields =
      detail::with_fresh_ids(schema.fields, next_id, [&](std::int32_t old_id, std::int32_t new_id) {
        if (std::ranges::find(schema.identifier_field_ids, old_id) !=
            schema.identifier_field_ids.end()) {
          fresh.identifier_field_ids.push_back(new_id);
        }
      });
  return fresh;
}

bool can_promote(const Type& from, const Type& to, int format_version) {
  if (from == to) {
    return true;
  }
  if (from.kind == TypeKind::Int) {
    return to.kind == TypeKind::Long;
  }
  if (from.kind == TypeKind::Float) {
    return to.kind == TypeKind::Double;
  }
  if (from.kind == TypeKind::Decimal) {
    return to.kind == TypeKind::Decimal && to.scale == from.scale && to.precision >= from.precision;
  }
  if (format_version < 3) {
    return false;
  }
  if (from.kind == TypeKind::Date) {
    return to.kind == TypeKind::Timestamp || to.kind == TypeKind::TimestampNs;
  }
  return from.kind == TypeKind::Unknown;
}

}  // namespace lakehouse::iceberg
