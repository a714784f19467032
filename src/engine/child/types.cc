#include "engine/child/types.h"

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"

namespace lakehouse::engine {
namespace {

std::string_view plain_name(duckdb_type id) {
  switch (static_cast<int>(id)) {
    case DUCKDB_TYPE_BOOLEAN: return "BOOLEAN";
    case DUCKDB_TYPE_TINYINT: return "TINYINT";
    case DUCKDB_TYPE_SMALLINT: return "SMALLINT";
    case DUCKDB_TYPE_INTEGER: return "INTEGER";
    case DUCKDB_TYPE_BIGINT: return "BIGINT";
    case DUCKDB_TYPE_UTINYINT: return "UTINYINT";
    case DUCKDB_TYPE_USMALLINT: return "USMALLINT";
    case DUCKDB_TYPE_UINTEGER: return "UINTEGER";
    case DUCKDB_TYPE_UBIGINT: return "UBIGINT";
    case DUCKDB_TYPE_FLOAT: return "FLOAT";
    case DUCKDB_TYPE_DOUBLE: return "DOUBLE";
    case DUCKDB_TYPE_TIMESTAMP: return "TIMESTAMP";
    case DUCKDB_TYPE_DATE: return "DATE";
    case DUCKDB_TYPE_TIME: return "TIME";
    case DUCKDB_TYPE_TIME_NS: return "TIME_NS";
    case DUCKDB_TYPE_INTERVAL: return "INTERVAL";
    case DUCKDB_TYPE_HUGEINT: return "HUGEINT";
    case DUCKDB_TYPE_UHUGEINT: return "UHUGEINT";
    case DUCKDB_TYPE_VARCHAR: return "VARCHAR";
    case DUCKDB_TYPE_BLOB: return "BLOB";
    case DUCKDB_TYPE_TIMESTAMP_S: return "TIMESTAMP_S";
    case DUCKDB_TYPE_TIMESTAMP_MS: return "TIMESTAMP_MS";
    case DUCKDB_TYPE_TIMESTAMP_NS: return "TIMESTAMP_NS";
    case DUCKDB_TYPE_UUID: return "UUID";
    case DUCKDB_TYPE_BIT: return "BIT";
    case DUCKDB_TYPE_TIME_TZ: return "TIME WITH TIME ZONE";
    case DUCKDB_TYPE_TIMESTAMP_TZ: return "TIMESTAMP WITH TIME ZONE";
    case DUCKDB_TYPE_BIGNUM: return "BIGNUM";
    case DUCKDB_TYPE_SQLNULL: return "\"NULL\"";
    case DUCKDB_TYPE_GEOMETRY: return "GEOMETRY";
    case DUCKDB_TYPE_VARIANT: return "VARIANT";
    default: return "UNKNOWN";
  }
}

void add_label(TypeInfo& info, std::string label) {
  info.labels_json.push_back(quote_json(label));
  info.labels.push_back(std::move(label));
}

void add_child(TypeInfo& info, duckdb_logical_type type) {
  const LogicalType owned(type);
  info.children.push_back(describe_type(owned.get()));
}

void describe_enum(TypeInfo& info, duckdb_logical_type type) {
  info.physical = duckdb_enum_internal_type(type);
  std::vector<std::string> quoted;
  for (idx_t i = 0; i < duckdb_enum_dictionary_size(type); ++i) {
    add_label(info, take_string(duckdb_enum_dictionary_value(type, i)));
    quoted.push_back(quote_sql_literal(info.labels.back()));
  }
  info.name = fmt::format("ENUM({})", fmt::join(quoted, ", "));
}

void describe_members(TypeInfo& info, duckdb_logical_type type) {
  const bool is_union = info.id == DUCKDB_TYPE_UNION;
  const idx_t count =
      is_union ? duckdb_union_type_member_count(type) : duckdb_struct_type_child_count(type);
  std::vector<std::string> parts;
  for (idx_t i = 0; i < count; ++i) {
    add_label(info, take_string(is_union ? duckdb_union_type_member_name(type, i)
                                         : duckdb_struct_type_child_name(type, i)));
    add_child(info, is_union ? duckdb_union_type_member_type(type, i)
                             : duckdb_struct_type_child_type(type, i));
    parts.push_back(
        fmt::format("{} {}", quote_sql_identifier(info.labels.back()), info.children.back().name));
  }
  info.name = fmt::format("{}({})", is_union ? "UNION" : "STRUCT", fmt::join(parts, ", "));
}

}  // namespace

std::string quote_json(std::string_view text) {
  return boost::json::serialize(boost::json::string(text));
}

TypeInfo describe_type(duckdb_logical_type type) {
  TypeInfo info;
  info.id = duckdb_get_type_id(type);
  switch (static_cast<int>(info.id)) {
    case DUCKDB_TYPE_DECIMAL:
      info.physical = duckdb_decimal_internal_type(type);
      info.scale = duckdb_decimal_scale(type);
      info.name = fmt::format("DECIMAL({},{})", duckdb_decimal_width(type), info.scale);
      break;
    case DUCKDB_TYPE_ENUM: describe_enum(info, type); break;
    case DUCKDB_TYPE_LIST:
      add_child(info, duckdb_list_type_child_type(type));
      info.name = info.children[0].name + "[]";
      break;
    case DUCKDB_TYPE_ARRAY:
      add_child(info, duckdb_array_type_child_type(type));
      info.array_size = duckdb_array_type_array_size(type);
      info.name = fmt::format("{}[{}]", info.children[0].name, info.array_size);
      break;
    case DUCKDB_TYPE_MAP:
      add_child(info, duckdb_map_type_key_type(type));
      add_child(info, duckdb_map_type_value_type(type));
      info.name = fmt::format("MAP({}, {})", info.children[0].name, info.children[1].name);
      break;
    case DUCKDB_TYPE_STRUCT:
    case DUCKDB_TYPE_UNION: describe_members(info, type); break;
    default: info.name = plain_name(info.id);
  }
  // JSON is VARCHAR under another name; other aliases (of extensions) are shown, too.
  if (std::string alias = take_string(duckdb_logical_type_get_alias(type)); !alias.empty()) {
    info.name = std::move(alias);
  }
  return info;
}

}  // namespace lakehouse::engine
