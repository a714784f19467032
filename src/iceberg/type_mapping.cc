#include "iceberg/type_mapping.h"

#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "iceberg/detail/fresh_ids.h"

namespace lakehouse::iceberg {

namespace {

constexpr int kDepthMax = 100;

/// DuckDB's names of types without parameters. GEOMETRY, VARIANT and the types of nanoseconds
/// depend on the format version and are not here.
constexpr auto kSimpleTypes = std::to_array<std::pair<std::string_view, TypeKind>>({
    {"boolean", TypeKind::Boolean},
    {"bool", TypeKind::Boolean},
    {"logical", TypeKind::Boolean},
    {"tinyint", TypeKind::Int},
    {"int1", TypeKind::Int},
    {"smallint", TypeKind::Int},
    {"int2", TypeKind::Int},
    {"short", TypeKind::Int},
    {"utinyint", TypeKind::Int},
    {"uint8", TypeKind::Int},
    {"usmallint", TypeKind::Int},
    {"uint16", TypeKind::Int},
    {"integer", TypeKind::Int},
    {"int", TypeKind::Int},
    {"int4", TypeKind::Int},
    {"int32", TypeKind::Int},
    {"signed", TypeKind::Int},
    {"uinteger", TypeKind::Long},
    {"uint32", TypeKind::Long},
    {"bigint", TypeKind::Long},
    {"int8", TypeKind::Long},
    {"int64", TypeKind::Long},
    {"long", TypeKind::Long},
    {"oid", TypeKind::Long},
    {"float", TypeKind::Float},
    {"float4", TypeKind::Float},
    {"real", TypeKind::Float},
    {"double", TypeKind::Double},
    {"double precision", TypeKind::Double},
    {"float8", TypeKind::Double},
    {"date", TypeKind::Date},
    {"time", TypeKind::Time},
    {"time without time zone", TypeKind::Time},
    {"time_ns", TypeKind::Time},
    {"timestamp", TypeKind::Timestamp},
    {"datetime", TypeKind::Timestamp},
    {"timestamp without time zone", TypeKind::Timestamp},
    {"timestamp_s", TypeKind::Timestamp},
    {"timestamp_ms", TypeKind::Timestamp},
    {"timestamp_us", TypeKind::Timestamp},
    {"timestamptz", TypeKind::Timestamptz},
    {"timestamp with time zone", TypeKind::Timestamptz},
    {"varchar", TypeKind::String},
    {"char", TypeKind::String},
    {"bpchar", TypeKind::String},
    {"nvarchar", TypeKind::String},
    {"text", TypeKind::String},
    {"string", TypeKind::String},
    {"json", TypeKind::String},
    {"bit", TypeKind::String},
    {"bitstring", TypeKind::String},
    {"interval", TypeKind::String},
    {"timetz", TypeKind::String},
    {"time with time zone", TypeKind::String},
    {"null", TypeKind::String},
    {"blob", TypeKind::Binary},
    {"bytea", TypeKind::Binary},
    {"binary", TypeKind::Binary},
    {"varbinary", TypeKind::Binary},
    {"uuid", TypeKind::Uuid},
    {"guid", TypeKind::Uuid},
});

bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         (static_cast<unsigned char>(c) & 0x80U) != 0;
}

/// Reads one type name by recursive descent. All ids are 0: they are assigned when the whole is
/// known.
class TypeParser {
 public:
  TypeParser(std::string_view text, int format_version)
      : text_(text), format_version_(format_version) {}

  Result<TypePtr> parse_all() {
    LH_ASSIGN_OR_RETURN(TypePtr type, parse_type(0));
    skip_spaces();
    if (at_ < text_.size()) {
      return wrong("the end of the type");
    }
    return type;
  }

 private:
  std::unexpected<Error> wrong(std::string_view wanted) const {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("'{}' is no DuckDB type: at byte {} there should be {}",
                            text_.substr(0, 200), at_, wanted));
  }

  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) {
      ++at_;
    }
  }

  bool next_is(char c) {
    skip_spaces();
    return at_ < text_.size() && text_[at_] == c;
  }

  bool take(char c) {
    if (!next_is(c)) {
      return false;
    }
    ++at_;
    return true;
  }

  Status expect(char c) {
    if (!take(c)) {
      return wrong(fmt::format("'{}'", c));
    }
    return {};
  }

  /// What stands in quotes, doubled ones being one; the opening quote is next.
  Result<std::string> take_quoted(char quote) {
    LH_RETURN_IF_ERROR(expect(quote));
    std::string name;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c != quote) {
        name.push_back(c);
      } else if (at_ < text_.size() && text_[at_] == quote) {
        name.push_back(quote);
        ++at_;
      } else {
        return name;
      }
    }
    return wrong(fmt::format("a closing {}", quote));
  }

  std::string_view take_word() {
    skip_spaces();
    const std::size_t start = at_;
    while (at_ < text_.size() && is_word_char(text_[at_])) {
      ++at_;
    }
    return text_.substr(start, at_ - start);
  }

  Result<std::string> take_name() {
    if (next_is('"')) {
      return take_quoted('"');
    }
    const std::string_view word = take_word();
    if (word.empty()) {
      return wrong("a field's name");
    }
    return std::string(word);
  }

  Result<TypePtr> parse_type(int depth);
  Result<TypePtr> parse_base(int depth);
  Result<TypePtr> parse_struct(int depth);
  Result<TypePtr> parse_map(int depth);
  Result<TypePtr> parse_decimal();
  Result<TypePtr> parse_words(std::string word);
  Status skip_parameters();
  std::optional<TypePtr> versioned(std::string_view word) const;

  std::string_view text_;
  int format_version_;
  std::size_t at_ = 0;
};

Result<TypePtr> TypeParser::parse_type(int depth) {
  if (depth > kDepthMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a type is nested deeper than {} levels", kDepthMax));
  }
  LH_ASSIGN_OR_RETURN(TypePtr type, parse_base(depth));
  while (take('[')) {  // A list, or an array of fixed length, which Iceberg has as a list.
    take_word();
    LH_RETURN_IF_ERROR(expect(']'));
    if (++depth > kDepthMax) {
      return wrong("fewer levels");
    }
    type = list_of(0, std::move(type), false);
  }
  return type;
}

Result<TypePtr> TypeParser::parse_base(int depth) {
  if (next_is('"')) {
    LH_ASSIGN_OR_RETURN(std::string name, take_quoted('"'));
    return parse_words(to_lower(name));
  }
  std::string word = to_lower(take_word());
  if (word.empty()) {
    return wrong("a type's name");
  }
  if (word == "struct" || word == "row") {
    return parse_struct(depth);
  }
  if (word == "map") {
    return parse_map(depth);
  }
  if (word == "decimal" || word == "numeric" || word == "dec") {
    return parse_decimal();
  }
  if (word == "enum" || word == "union") {
    LH_RETURN_IF_ERROR(skip_parameters());
    return primitive(TypeKind::String);
  }
  return parse_words(std::move(word));
}

Result<TypePtr> TypeParser::parse_struct(int depth) {
  LH_RETURN_IF_ERROR(expect('('));
  std::vector<NestedField> fields;
  do {
    NestedField field;
    LH_ASSIGN_OR_RETURN(field.name, take_name());
    if (next_is(',') || next_is(')') || next_is('(') || next_is('[')) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("'{}' is a struct whose fields have no names", text_.substr(0, 200)),
                  "Name them, as in {'a': 1, 'b': 2} or struct_pack(a := 1).");
    }
    LH_ASSIGN_OR_RETURN(field.type, parse_type(depth + 1));
    fields.push_back(std::move(field));
  } while (take(','));
  LH_RETURN_IF_ERROR(expect(')'));
  return struct_of(std::move(fields));
}

Result<TypePtr> TypeParser::parse_map(int depth) {
  LH_RETURN_IF_ERROR(expect('('));
  LH_ASSIGN_OR_RETURN(TypePtr key, parse_type(depth + 1));
  LH_RETURN_IF_ERROR(expect(','));
  LH_ASSIGN_OR_RETURN(TypePtr value, parse_type(depth + 1));
  LH_RETURN_IF_ERROR(expect(')'));
  return map_of(0, std::move(key), 0, std::move(value), false);
}

Result<TypePtr> TypeParser::parse_decimal() {
  constexpr std::int32_t kDefaultPrecision = 18;
  constexpr std::int32_t kDefaultScale = 3;
  if (!take('(')) {
    return decimal(kDefaultPrecision, kDefaultScale);
  }
  const auto number = [this]() -> std::int32_t {
    const std::string_view digits = take_word();
    std::int32_t value = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size() ? value : -1;
  };
  const std::int32_t precision = number();
  const std::int32_t scale = take(',') ? number() : 0;
  if (precision < 1 || precision > 38 || scale < 0 || scale > precision) {
    return wrong("a precision of 1 to 38 and a scale of at most that before here");
  }
  LH_RETURN_IF_ERROR(expect(')'));
  return decimal(precision, scale);
}

/// Skips "(...)", with brackets and quotes inside.
Status TypeParser::skip_parameters() {
  LH_RETURN_IF_ERROR(expect('('));
  int open = 1;
  while (open > 0) {
    if (next_is('\'') || next_is('"')) {
      LH_RETURN_IF_ERROR(take_quoted(text_[at_]));
      continue;
    }
    if (at_ >= text_.size()) {
      return wrong("')'");
    }
    open += text_[at_] == '(' ? 1 : text_[at_] == ')' ? -1 : 0;
    ++at_;
  }
  return {};
}

/// The types that depend on the table's format version.
std::optional<TypePtr> TypeParser::versioned(std::string_view word) const {
  const bool v3 = format_version_ >= 3;
  if (word == "timestamp_ns") {
    return primitive(v3 ? TypeKind::TimestampNs : TypeKind::Timestamp);
  }
  if (word == "variant") {
    return primitive(v3 ? TypeKind::Variant : TypeKind::String);
  }
  if (word == "geometry") {
    return primitive(v3 ? TypeKind::Geometry : TypeKind::Binary);
  }
  if (word == "ubigint" || word == "uint64") {
    return decimal(20, 0);
  }
  if (word == "hugeint" || word == "int128" || word == "uhugeint" || word == "uint128" ||
      word == "bignum" || word == "varint") {
    return decimal(38, 0);
  }
  return std::nullopt;
}

Result<TypePtr> TypeParser::parse_words(std::string word) {
  const std::size_t behind_first = at_;
  // "TIMESTAMP WITH TIME ZONE", "DOUBLE PRECISION": words go on as long as they make a known name.
  std::string name = word;
  std::size_t behind = behind_first;
  std::optional<TypePtr> found = versioned(name);
  for (int words = 1; words <= 4; ++words) {
    for (const auto& [known, kind] : kSimpleTypes) {
      if (known == name) {
        found = primitive(kind);
        behind = at_;
      }
    }
    const std::string_view next = take_word();
    if (next.empty()) {
      break;
    }
    name += " " + to_lower(next);
  }
  at_ = behind;
  if (!found) {
    at_ = behind_first;
    return fail(ErrorCode::InvalidArgument,
                fmt::format("type '{}' cannot be stored in a table", word),
                "Cast the column to a type that can, such as VARCHAR.");
  }
  if (next_is('(')) {  // VARCHAR(10), GEOMETRY('OGC:CRS84').
    LH_RETURN_IF_ERROR(skip_parameters());
  }
  return *std::move(found);
}

}  // namespace

std::string duckdb_type(const Type& type) {
  switch (type.kind) {
    case TypeKind::Boolean: return "BOOLEAN";
    case TypeKind::Unknown:
    case TypeKind::Int: return "INTEGER";
    case TypeKind::Long: return "BIGINT";
    case TypeKind::Float: return "FLOAT";
    case TypeKind::Double: return "DOUBLE";
    case TypeKind::Decimal: return fmt::format("DECIMAL({},{})", type.precision, type.scale);
    case TypeKind::Date: return "DATE";
    case TypeKind::Time: return "TIME";
    case TypeKind::Timestamp: return "TIMESTAMP";
    case TypeKind::TimestampNs: return "TIMESTAMP_NS";
    case TypeKind::Timestamptz:
    case TypeKind::TimestamptzNs: return "TIMESTAMP WITH TIME ZONE";
    case TypeKind::String: return "VARCHAR";
    case TypeKind::Uuid: return "UUID";
    case TypeKind::Fixed:
    case TypeKind::Binary:
    case TypeKind::Geography: return "BLOB";
    case TypeKind::Geometry: return "GEOMETRY";
    case TypeKind::Variant: return "VARIANT";
    case TypeKind::List: return duckdb_type(*type.fields[0].type) + "[]";
    case TypeKind::Map:
      return fmt::format("MAP({}, {})", duckdb_type(*type.fields[0].type),
                         duckdb_type(*type.fields[1].type));
    case TypeKind::Struct: break;
  }
  std::vector<std::string> members;
  for (const NestedField& field : type.fields) {
    members.push_back(quote_sql_identifier(field.name) + " " + duckdb_type(*field.type));
  }
  return fmt::format("STRUCT({})", fmt::join(members, ", "));
}

Result<TypePtr> type_from_duckdb(std::string_view duckdb_type_name, std::int32_t& next_id,
                                 int format_version) {
  TypeParser parser(duckdb_type_name, format_version);
  LH_ASSIGN_OR_RETURN(const TypePtr type, parser.parse_all());
  return detail::with_fresh_ids(type, next_id, nullptr);
}

}  // namespace lakehouse::iceberg
