#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"

/// \file
/// Iceberg's types and schemas as values. Source: the Iceberg table spec, "Schemas and Data Types"
/// and appendix C (JSON).

namespace lakehouse::iceberg {

enum class TypeKind : std::uint8_t {
  Boolean,
  Int,
  Long,
  Float,
  Double,
  Decimal,
  Date,
  Time,
  Timestamp,
  Timestamptz,
  TimestampNs,
  TimestamptzNs,
  String,
  Uuid,
  Fixed,
  Binary,
  Unknown,
  Variant,
  Geometry,
  Geography,
  Struct,
  List,
  Map
};

struct Type;
/// Types are immutable and shared between the schemas that hold them.
using TypePtr = std::shared_ptr<const Type>;

struct NestedField {
  std::int32_t id = 0;
  std::string name;
  TypePtr type;
  bool required = false;
  std::optional<std::string> doc;
  std::optional<boost::json::value> initial_default;  ///< v3, in the JSON single-value form.
  std::optional<boost::json::value> write_default;
  boost::json::object unknown;  ///< Members this version does not know, kept as they were.
};

struct Type {
  TypeKind kind = TypeKind::Unknown;
  std::int32_t precision = 0;       ///< Decimal.
  std::int32_t scale = 0;           ///< Decimal.
  std::int32_t length = 0;          ///< Fixed, in bytes.
  std::string parameters;           ///< Geometry and geography: what stands in the brackets.
  std::vector<NestedField> fields;  ///< Struct: its fields. List: "element". Map: "key", "value".
  boost::json::object unknown;
};

bool operator==(const Type& a, const Type& b);
bool operator==(const NestedField& a, const NestedField& b);

TypePtr primitive(TypeKind kind);
TypePtr decimal(std::int32_t precision, std::int32_t scale);
TypePtr fixed(std::int32_t length_bytes);
TypePtr struct_of(std::vector<NestedField> fields);
TypePtr list_of(std::int32_t element_id, TypePtr element, bool element_required);
TypePtr map_of(std::int32_t key_id, TypePtr key, std::int32_t value_id, TypePtr value,
               bool value_required);
[[nodiscard]] bool is_nested(const Type& type);

/// "decimal(9, 2)", "list<int>": as the spec writes it, for messages and for primitive JSON.
std::string to_string(const Type& type);

Result<TypePtr> type_from_json(const boost::json::value& json);
boost::json::value type_to_json(const Type& type);

struct Schema {
  std::int32_t schema_id = 0;
  std::vector<NestedField> fields;
  std::vector<std::int32_t> identifier_field_ids;
  boost::json::object unknown;

  /// A top-level column; exactly named, or null.
  [[nodiscard]] const NestedField* find(std::string_view name) const;
  /// Any field, nested ones included, or null.
  [[nodiscard]] const NestedField* find_by_id(std::int32_t id) const;
  /// The dotted path of a field: "address.street", "tags.element". Empty if there is none.
  [[nodiscard]] std::string path_of(std::int32_t id) const;
  [[nodiscard]] std::int32_t highest_field_id() const;
};

/// The same fields, whatever the schema ids.
[[nodiscard]] bool same_fields(const Schema& a, const Schema& b);
bool operator==(const Schema& a, const Schema& b);

Result<Schema> schema_from_json(const boost::json::value& json);
boost::json::object schema_to_json(const Schema& schema);

/// The same schema with fresh ids from 1 on, in the order that the reference implementation gives
/// them (a level's fields first, then what they hold): for new tables.
Schema with_fresh_ids(const Schema& schema);

/// True if a column of type `from` may become `to` (spec, "Schema Evolution": int to long, float to
/// double, wider decimals of one scale; v3 adds date to timestamp and unknown to any).
[[nodiscard]] bool can_promote(const Type& from, const Type& to, int format_version);

}  // namespace lakehouse::iceberg
