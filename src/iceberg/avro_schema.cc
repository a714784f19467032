#include <map>
#include <string>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "iceberg/avro.h"
#include "iceberg/literal.h"

namespace lakehouse::iceberg::avro {
namespace {

// A manifest's schema is five levels deep.
constexpr int kDepthMax = 64;
// Far more than any; bounds what a hostile schema can make us build.
constexpr std::size_t kNodesMax = 100'000;

std::unexpected<Error> bad(std::string message) {
  return lakehouse::fail(ErrorCode::DataLoss, "Avro schema: " + std::move(message));
}

std::optional<Kind> primitive_kind(std::string_view name) {
  static constexpr std::pair<std::string_view, Kind> kKinds[] = {
      {"null", Kind::Null},   {"boolean", Kind::Boolean}, {"int", Kind::Int},
      {"long", Kind::Long},   {"float", Kind::Float},     {"double", Kind::Double},
      {"bytes", Kind::Bytes}, {"string", Kind::String}};
  for (const auto& [each, kind] : kKinds) {
    if (each == name) {
      return kind;
    }
  }
  return std::nullopt;
}

std::size_t primitive_bytes_min(Kind kind) {
  switch (kind) {
    case Kind::Null:
    case Kind::Record:
    case Kind::Fixed: return 0;
    case Kind::Float: return 4;
    case Kind::Double: return 8;
    case Kind::Boolean:
    case Kind::Int:
    case Kind::Long:
    case Kind::Bytes:
    case Kind::String:
    case Kind::Enum:
    case Kind::Array:
    case Kind::Map:
    case Kind::Union: return 1;
  }
  return 0;
}

std::string text_of(const boost::json::object& object, std::string_view name) {
  const boost::json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::int32_t id_of(const boost::json::object& object, std::string_view name) {
  const boost::json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_int64() || value->get_int64() < 0 ||
      value->get_int64() > INT32_MAX) {
    return kNoId;
  }
  return static_cast<std::int32_t>(value->get_int64());
}

class Parser {
 public:
  Result<SchemaPtr> parse(const boost::json::value& json, const std::string& name_space,
                          int level) {
    if (level > kDepthMax) {
      return bad("nested too deep");
    }
    if (++nodes_ > kNodesMax) {
      return bad("too large");
    }
    if (json.is_string()) {
      return named(std::string(json.get_string()), name_space);
    }
    if (json.is_array()) {
      return parse_union(json.get_array(), name_space, level);
    }
    if (!json.is_object()) {
      return bad("a type is neither a name, a list nor an object");
    }
    const boost::json::object& object = json.get_object();
    const boost::json::value* type = object.if_contains("type");
    if (type == nullptr) {
      return bad("an object has no 'type'");
    }
    if (!type->is_string()) {
      return parse(*type, name_space, level + 1);
    }
    return parse_object(object, std::string(type->get_string()), name_space, level);
  }

 private:
  Result<SchemaPtr> named(const std::string& name, const std::string& name_space) {
    if (const auto kind = primitive_kind(name)) {
      Schema schema;
      schema.kind = *kind;
      return finish(std::move(schema));
    }
    for (const std::string& full : {qualified(name, name_space), name}) {
      const auto found = names_.find(full);
      if (found != names_.end()) {
        // Null while the type is being read: it stands within itself.
        return found->second == nullptr ? bad("'" + name + "' holds itself")
                                        : Result<SchemaPtr>(found->second);
      }
    }
    return bad("no type '" + name + "'");
  }

  Result<SchemaPtr> parse_union(const boost::json::array& array, const std::string& name_space,
                                int level) {
    if (array.empty()) {
      return bad("a union without branches");
    }
    Schema schema;
    schema.kind = Kind::Union;
    for (const boost::json::value& each : array) {
      LH_ASSIGN_OR_RETURN(SchemaPtr branch, parse(each, name_space, level + 1));
      schema.branches.push_back(std::move(branch));
    }
    return finish(std::move(schema));
  }

  Result<SchemaPtr> parse_object(const boost::json::object& object, const std::string& type,
                                 const std::string& name_space, int level) {
    Schema schema;
    schema.logical_type = text_of(object, "logicalType");
    schema.attributes = object;
    for (const std::string_view known : {"type", "name", "namespace", "fields", "items", "values",
                                         "symbols", "size", "logicalType", "doc", "aliases"}) {
      schema.attributes.erase(known);
    }
    schema.element_id = id_of(object, "element-id");
    schema.key_id = id_of(object, "key-id");
    schema.value_id = id_of(object, "value-id");
    if (const auto kind = primitive_kind(type)) {
      schema.kind = *kind;
      return finish(std::move(schema));
    }
    if (type == "array" || type == "map") {
      schema.kind = type == "array" ? Kind::Array : Kind::Map;
      const boost::json::value* items = object.if_contains(type == "array" ? "items" : "values");
      if (items == nullptr) {
        return bad("an " + type + " without a type of its elements");
      }
      LH_ASSIGN_OR_RETURN(schema.element, parse(*items, name_space, level + 1));
      return finish(std::move(schema));
    }
    if (type == "record" || type == "error" || type == "fixed" || type == "enum") {
      return parse_named(object, type, std::move(schema), name_space, level);
    }
    return named(type, name_space);
  }

  Result<SchemaPtr> parse_named(const boost::json::object& object, const std::string& type,
                                Schema schema, const std::string& outer_space, int level) {
    schema.name = text_of(object, "name");
    if (schema.name.empty()) {
      return bad("a " + type + " without a name");
    }
    std::string name_space =
        object.contains("namespace") ? text_of(object, "namespace") : outer_space;
    if (const auto dot = schema.name.rfind('.'); dot != std::string::npos) {
      name_space = schema.name.substr(0, dot);
    }
    const std::string full = qualified(schema.name, name_space);
    names_[full] = nullptr;
    if (type == "fixed") {
      schema.kind = Kind::Fixed;
      const std::int32_t size = id_of(object, "size");
      if (size == kNoId) {
        return bad("'" + schema.name + "' has no size");
      }
      schema.size = static_cast<std::size_t>(size);
    } else if (type == "enum") {
      schema.kind = Kind::Enum;
      LH_RETURN_IF_ERROR(parse_symbols(object, schema));
    } else {
      schema.kind = Kind::Record;
      LH_RETURN_IF_ERROR(parse_fields(object, schema, name_space, level));
    }
    LH_ASSIGN_OR_RETURN(SchemaPtr done, finish(std::move(schema)));
    names_[full] = done;
    return done;
  }

  static Status parse_symbols(const boost::json::object& object, Schema& schema) {
    const boost::json::value* symbols = object.if_contains("symbols");
    if (symbols == nullptr || !symbols->is_array()) {
      return bad("'" + schema.name + "' has no symbols");
    }
    for (const boost::json::value& symbol : symbols->get_array()) {
      if (!symbol.is_string()) {
        return bad("'" + schema.name + "' has a symbol that is no text");
      }
      schema.symbols.emplace_back(symbol.get_string());
    }
    return {};
  }

  Status parse_fields(const boost::json::object& object, Schema& schema,
                      const std::string& name_space, int level) {
    const boost::json::value* fields = object.if_contains("fields");
    if (fields == nullptr || !fields->is_array()) {
      return bad("'" + schema.name + "' has no fields");
    }
    for (const boost::json::value& each : fields->get_array()) {
      const boost::json::object* member = each.if_object();
      const boost::json::value* type = member == nullptr ? nullptr : member->if_contains("type");
      if (type == nullptr) {
        return bad("'" + schema.name + "' has a field without a type");
      }
      Field field{.name = text_of(*member, "name"), .id = id_of(*member, "field-id"), .schema = {}};
      LH_ASSIGN_OR_RETURN(field.schema, parse(*type, name_space, level + 1));
      schema.fields.push_back(std::move(field));
    }
    return {};
  }

  /// Sets what follows from the parts. Names make of the document a graph in which a type may stand
  /// many times: its depth is bounded here, its least size may only saturate.
  static Result<SchemaPtr> finish(Schema schema) {
    constexpr std::size_t kSaturated = std::size_t{1} << 40U;
    std::size_t bytes_min = primitive_bytes_min(schema.kind) + schema.size;
    int depth = schema.element != nullptr ? schema.element->depth : 0;
    for (const Field& field : schema.fields) {
      depth = std::max(depth, field.schema->depth);
      bytes_min = std::min(kSaturated, bytes_min + field.schema->encoded_bytes_min);
    }
    for (const SchemaPtr& branch : schema.branches) {
      depth = std::max(depth, branch->depth);
    }
    schema.encoded_bytes_min = bytes_min;
    schema.depth = depth + 1;
    if (schema.depth > kDepthMax) {
      return bad("nested too deep");
    }
    return std::make_shared<const Schema>(std::move(schema));
  }

  static std::string qualified(const std::string& name, const std::string& name_space) {
    return name_space.empty() || name.contains('.') ? name : name_space + "." + name;
  }

  std::map<std::string, SchemaPtr, std::less<>> names_;
  std::size_t nodes_ = 0;
};

bool is_name_byte(char c, bool first) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         (!first && c >= '0' && c <= '9');
}

/// As the reference implementation: a digit in front gets an underscore, other bytes "_xHH".
std::string avro_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (is_name_byte(c, out.empty())) {
      out.push_back(c);
    } else if (c >= '0' && c <= '9') {
      out += '_';
      out.push_back(c);
    } else {
      out += fmt::format("_x{:X}", static_cast<unsigned char>(c));
    }
  }
  return out.empty() ? "_" : out;
}

/// Writes Iceberg's types as Avro's.
class SchemaWriter {
 public:
  boost::json::object record(const Type& type, const std::string& name) {
    boost::json::array fields;
    for (const NestedField& field : type.fields) {
      boost::json::object member;
      const std::string safe = avro_name(field.name);
      member["name"] = safe;
      if (safe != field.name) {
        member["iceberg-field-name"] = field.name;
      }
      boost::json::value schema = value(*field.type, field.id);
      if (!field.required) {
        member["type"] = field.type->kind == TypeKind::Unknown
                             ? boost::json::value("null")
                             : boost::json::value(boost::json::array{"null", std::move(schema)});
        member["default"] = nullptr;
      } else {
        member["type"] = std::move(schema);
      }
      if (field.doc) {
        member["doc"] = *field.doc;
      }
      member["field-id"] = field.id;
      fields.emplace_back(std::move(member));
    }
    return {{"type", "record"}, {"name", name}, {"fields", std::move(fields)}};
  }

 private:
  boost::json::value value(const Type& type, std::int32_t id) {
    const TypeKind kind = type.kind;
    if (kind == TypeKind::Struct) {
      return named("r" + std::to_string(id),
                   [&](const std::string& name) { return record(type, name); });
    }
    if (kind == TypeKind::List) {
      const NestedField& element = type.fields.front();
      return boost::json::object{
          {"type", "array"}, {"items", maybe_null(element)}, {"element-id", element.id}};
    }
    if (kind == TypeKind::Map) {
      return map(type);
    }
    if (kind == TypeKind::Fixed) {
      return fixed(fmt::format("fixed_{}", type.length), type.length, {});
    }
    if (kind == TypeKind::Uuid) {
      return fixed("uuid_fixed", 16, {{"logicalType", "uuid"}});
    }
    if (kind == TypeKind::Decimal) {
      return fixed(
          fmt::format("decimal_{}_{}", type.precision, type.scale), decimal_bytes(type.precision),
          {{"logicalType", "decimal"}, {"precision", type.precision}, {"scale", type.scale}});
    }
    return primitive_value(kind);
  }

  static boost::json::value primitive_value(TypeKind kind) {
    using boost::json::object;
    switch (kind) {
      case TypeKind::Boolean: return "boolean";
      case TypeKind::Int: return "int";
      case TypeKind::Long: return "long";
      case TypeKind::Float: return "float";
      case TypeKind::Double: return "double";
      case TypeKind::String: return "string";
      case TypeKind::Date: return object{{"type", "int"}, {"logicalType", "date"}};
      case TypeKind::Time: return object{{"type", "long"}, {"logicalType", "time-micros"}};
      case TypeKind::Timestamp:
      case TypeKind::Timestamptz:
        return object{{"type", "long"},
                      {"logicalType", "timestamp-micros"},
                      {"adjust-to-utc", kind == TypeKind::Timestamptz}};
      case TypeKind::TimestampNs:
      case TypeKind::TimestamptzNs:
        return object{{"type", "long"},
                      {"logicalType", "timestamp-nanos"},
                      {"adjust-to-utc", kind == TypeKind::TimestamptzNs}};
      case TypeKind::Unknown: return "null";
      case TypeKind::Binary:
      case TypeKind::Variant:
      case TypeKind::Geometry:
      case TypeKind::Geography:
      case TypeKind::Decimal:
      case TypeKind::Uuid:
      case TypeKind::Fixed:
      case TypeKind::Struct:
      case TypeKind::List:
      case TypeKind::Map: return "bytes";
    }
    return "bytes";
  }

  boost::json::value map(const Type& type) {
    const NestedField& key = type.fields[0];
    const NestedField& element = type.fields[1];
    if (key.type->kind == TypeKind::String) {
      return boost::json::object{{"type", "map"},
                                 {"values", maybe_null(element)},
                                 {"key-id", key.id},
                                 {"value-id", element.id}};
    }
    boost::json::value pair =
        named(fmt::format("k{}_v{}", key.id, element.id), [&](const std::string& name) {
          return boost::json::object{
              {"type", "record"},
              {"name", name},
              {"fields", boost::json::array{boost::json::object{{"name", "key"},
                                                                {"type", value(*key.type, key.id)},
                                                                {"field-id", key.id}},
                                            boost::json::object{{"name", "value"},
                                                                {"type", maybe_null(element)},
                                                                {"field-id", element.id}}}}};
        });
    return boost::json::object{
        {"type", "array"}, {"items", std::move(pair)}, {"logicalType", "map"}};
  }

  boost::json::value maybe_null(const NestedField& field) {
    boost::json::value schema = value(*field.type, field.id);
    if (field.required || schema == "null") {
      return schema;
    }
    return boost::json::array{"null", std::move(schema)};
  }

  boost::json::value fixed(const std::string& name, std::int32_t size,
                           const boost::json::object& attributes) {
    return named(name, [&](const std::string& unique) {
      boost::json::object out{{"type", "fixed"}, {"name", unique}, {"size", size}};
      out.insert(attributes.begin(), attributes.end());
      return out;
    });
  }

  /// Avro allows a name once, and then stands for the type; PyIceberg does not know such
  /// references, so a name's second use gets a number.
  template <class F>
  boost::json::value named(const std::string& name, F&& make) {
    const std::size_t uses = names_[name]++;
    return make(uses == 0 ? name : fmt::format("{}_{}", name, uses));
  }

  /// The bytes that an unscaled value of so many digits needs, by the spec's formula.
  static std::int32_t decimal_bytes(std::int32_t precision) {
    Int128 limit = 1;
    for (std::int32_t i = 0; i < precision; ++i) {
      limit *= 10;
    }
    std::int32_t bytes = 1;
    while (bytes < 16 && (static_cast<Int128>(1) << (8 * bytes - 1)) < limit) {
      ++bytes;
    }
    return bytes;
  }

  std::map<std::string, std::size_t> names_;
};

}  // namespace

Result<SchemaPtr> parse_schema(std::string_view text) {
  const auto json = parse_json(text, "the Avro schema");
  if (!json) {
    return lakehouse::fail(ErrorCode::DataLoss, json.error().message);
  }
  return Parser().parse(*json, {}, 1);
}

boost::json::object schema_of(const Type& record, std::string_view name) {
  return SchemaWriter().record(record, std::string(name));
}

}  // namespace lakehouse::iceberg::avro
