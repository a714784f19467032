#include "query/trino_types.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace lakehouse::query::trino {
namespace {

using iceberg::TypeKind;

struct Name {
  Kind kind;
  std::string_view duckdb;
  std::string_view trino;
};
constexpr std::array kNames = std::to_array<Name>(
    {{Kind::Boolean, "BOOLEAN", "boolean"},
     {Kind::Integer, "INTEGER", "integer"},
     {Kind::BigInt, "BIGINT", "bigint"},
     {Kind::HugeInt, "HUGEINT", "decimal(38,0)"},
     {Kind::Real, "FLOAT", "real"},
     {Kind::Double, "DOUBLE", "double"},
     {Kind::Date, "DATE", "date"},
     {Kind::Time, "TIME", "time(6)"},
     {Kind::Timestamp, "TIMESTAMP", "timestamp(6)"},
     {Kind::Timestamptz, "TIMESTAMP WITH TIME ZONE", "timestamp(6) with time zone"},
     {Kind::Varchar, "VARCHAR", "varchar"},
     {Kind::Blob, "BLOB", "varbinary"},
     {Kind::Uuid, "UUID", "uuid"}});

Status check_nested(const iceberg::Type& type) {
  for (const iceberg::NestedField& field : type.fields) {
    if (field.type->kind == TypeKind::Binary || field.type->kind == TypeKind::Fixed) {
      return fail(ErrorCode::Unimplemented, "bytes inside of a nested value");
    }
    LH_ASSIGN_OR_RETURN(const SqlType inner, type_of_column(*field.type));
    std::ignore = inner;
  }
  return {};
}

int number_of(const boost::json::object& object, std::string_view name) {
  const boost::json::value* found = object.if_contains(name);
  return found != nullptr && found->is_int64() ? static_cast<int>(found->get_int64()) : 0;
}

/// "decimal(12,2)": 2, or nothing if it is no decimal.
std::optional<int> scale_of(std::string_view type) {
  const std::size_t comma = type.find(',');
  if (!type.starts_with("decimal(") || comma == std::string_view::npos) {
    return std::nullopt;
  }
  std::string_view digits = type.substr(comma + 1);
  digits.remove_prefix(std::min(digits.find_first_not_of(' '), digits.size()));
  int scale = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), scale);
  return scale;
}

constexpr std::array kWhole =
    std::to_array<std::string_view>({"tinyint", "smallint", "integer", "bigint", "hugeint",
                                     "utinyint", "usmallint", "uinteger", "ubigint", "uhugeint"});

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

bool is_faithful_number(std::string_view from, std::string_view to) {
  const bool to_whole = std::ranges::find(kWhole, to) != kWhole.end();
  if (is_one_of(from, {"tinyint", "smallint", "integer", "bigint"})) {
    return to_whole || to.starts_with("decimal(");
  }
  if (const auto scale = scale_of(from)) {
    if (const auto to_scale = scale_of(to)) {
      return *to_scale >= *scale;
    }
    return to == "double" || (*scale == 0 && to_whole);
  }
  return (from == "double" && to == "double") || (from == "real" && is_one_of(to, {"float"}));
}

}  // namespace

bool is_whole(const SqlType& type) {
  return type.kind == Kind::Integer || type.kind == Kind::BigInt || type.kind == Kind::HugeInt;
}
bool is_exact(const SqlType& type) {
  return is_whole(type) || type.kind == Kind::Decimal;
}
bool is_numeric(const SqlType& type) {
  return is_exact(type) || type.kind == Kind::Real || type.kind == Kind::Double;
}
bool is_moment(const SqlType& type) {
  return type.kind == Kind::Date || type.kind == Kind::Timestamp || type.kind == Kind::Timestamptz;
}

Result<SqlType> type_of_column(const iceberg::Type& type) {
  switch (type.kind) {
    case TypeKind::Boolean: return SqlType{.kind = Kind::Boolean};
    case TypeKind::Int: return SqlType{.kind = Kind::Integer};
    case TypeKind::Long: return SqlType{.kind = Kind::BigInt};
    case TypeKind::Float: return SqlType{.kind = Kind::Real};
    case TypeKind::Double: return SqlType{.kind = Kind::Double};
    case TypeKind::Decimal:
      return SqlType{.kind = Kind::Decimal, .precision = type.precision, .scale = type.scale};
    case TypeKind::Date: return SqlType{.kind = Kind::Date};
    case TypeKind::Time: return SqlType{.kind = Kind::Time};
    case TypeKind::Timestamp: return SqlType{.kind = Kind::Timestamp};
    case TypeKind::Timestamptz: return SqlType{.kind = Kind::Timestamptz};
    case TypeKind::String: return SqlType{.kind = Kind::Varchar};
    case TypeKind::Uuid: return SqlType{.kind = Kind::Uuid};
    case TypeKind::Fixed:
    case TypeKind::Binary: return SqlType{.kind = Kind::Blob};
    case TypeKind::Struct:
    case TypeKind::List:
    case TypeKind::Map: {
      LH_RETURN_IF_ERROR(check_nested(type));
      return SqlType{.kind = Kind::Nested, .nested = std::make_shared<const iceberg::Type>(type)};
    }
    case TypeKind::TimestampNs:
    case TypeKind::TimestamptzNs:
    case TypeKind::Unknown:
    case TypeKind::Variant:
    case TypeKind::Geometry:
    case TypeKind::Geography: break;
  }
  return fail(ErrorCode::Unimplemented, fmt::format("the type {}", iceberg::to_string(type)));
}

Result<SqlType> type_of_tree(const boost::json::value& tree) {
  const boost::json::object* type = tree.if_object();
  const boost::json::value* id = type == nullptr ? nullptr : type->if_contains("id");
  const std::string name = id != nullptr && id->is_string() ? std::string(id->get_string()) : "?";
  if (name == "DECIMAL") {
    const boost::json::value* info = type->if_contains("type_info");
    if (info != nullptr && info->is_object()) {
      return SqlType{.kind = Kind::Decimal,
                     .precision = number_of(info->get_object(), "width"),
                     .scale = number_of(info->get_object(), "scale")};
    }
  }
  const auto found = std::ranges::find(kNames, std::string_view(name), &Name::duckdb);
  if (found == kNames.end()) {
    return fail(ErrorCode::Unimplemented, fmt::format("the type {}", name));
  }
  return SqlType{.kind = found->kind};
}

std::string trino_name(const SqlType& type) {
  if (type.kind == Kind::Decimal) {
    return fmt::format("decimal({},{})", type.precision, type.scale);
  }
  if (type.kind == Kind::Nested) {
    const auto inner = [](const iceberg::NestedField& field) {
      const auto made = type_of_column(*field.type);
      return made ? trino_name(*made) : std::string("unknown");
    };
    const std::vector<iceberg::NestedField>& fields = type.nested->fields;
    if (type.nested->kind == TypeKind::List) {
      return fmt::format("array({})", inner(fields.at(0)));
    }
    if (type.nested->kind == TypeKind::Map) {
      return fmt::format("map({}, {})", inner(fields.at(0)), inner(fields.at(1)));
    }
    std::vector<std::string> parts;
    for (const iceberg::NestedField& field : fields) {
      parts.push_back(fmt::format("{} {}", quote_sql_identifier(field.name), inner(field)));
    }
    return fmt::format("row({})", fmt::join(parts, ", "));
  }
  const auto found = std::ranges::find(kNames, type.kind, &Name::kind);
  return found == kNames.end() ? "unknown" : std::string(found->trino);
}

std::string_view duckdb_name(const SqlType& type) {
  if (type.kind == Kind::Decimal) {
    return "DECIMAL";
  }
  if (type.kind == Kind::Interval) {
    return "INTERVAL";
  }
  const auto found = std::ranges::find(kNames, type.kind, &Name::kind);
  return found == kNames.end() ? (type.kind == Kind::Null ? "NULL" : "nested value")
                               : found->duckdb;
}

bool is_faithful(std::string_view trino_type, std::string_view duckdb_type) {
  const std::string from = to_lower(trino_type);
  const std::string to = to_lower(duckdb_type);
  if (from == "unknown") {
    return true;  // Nothing but NULLs.
  }
  if (is_faithful_number(from, to)) {
    return true;
  }
  if (from.starts_with("varchar") || from.starts_with("char")) {
    return to == "varchar";
  }
  if (from.starts_with("timestamp")) {
    const bool zoned = from.ends_with("with time zone");
    return zoned ? to == "timestamp with time zone" : to == "timestamp";
  }
  if (from.starts_with("time(")) {
    return to == "time";
  }
  if (from.starts_with("array(")) {
    return to.ends_with("[]");
  }
  if (from.starts_with("map(")) {
    return to.starts_with("map(");
  }
  if (from.starts_with("row(")) {
    return to.starts_with("struct(");
  }
  return (from == "date" && is_one_of(to, {"date", "timestamp"})) ||
         (from == "varbinary" && to == "blob") || (from == "boolean" && to == "boolean") ||
         (from == "uuid" && to == "uuid");
}

}  // namespace lakehouse::query::trino
