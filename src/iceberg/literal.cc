#include "iceberg/literal.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "iceberg/detail/calendar.h"
#include "iceberg/detail/utf8.h"
#include "iceberg/type_mapping.h"

namespace lakehouse::iceberg {

namespace json = boost::json;

namespace {

constexpr std::int64_t kMicros = 1'000'000;
constexpr std::int64_t kNanos = 1'000'000'000;
constexpr std::int64_t kSecondsPerDay = 86'400;

// How DuckDB stores its infinite dates and timestamps; other engines read them as these numbers.
constexpr std::int32_t kInfiniteDate = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kInfiniteTimestamp = std::numeric_limits<std::int64_t>::max();

template <class Int>
std::string little_endian(Int value) {
  static_assert(std::endian::native == std::endian::little);
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}

template <class T>
T from_little_endian(std::string_view bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

Literal make(const Type& type, Literal::Value value) {
  return Literal{type.kind, type.precision, type.scale, std::move(value)};
}

bool has_zone(TypeKind kind) {
  return kind == TypeKind::Timestamptz || kind == TypeKind::TimestamptzNs;
}

std::int64_t units_per_second(TypeKind kind) {
  return kind == TypeKind::TimestampNs || kind == TypeKind::TimestamptzNs ? kNanos : kMicros;
}

std::unexpected<Error> no_value(const Type& type, std::string_view text) {
  constexpr std::size_t kShownMax = 80;
  const bool cut = text.size() > kShownMax;
  return fail(ErrorCode::InvalidArgument, fmt::format("'{}{}' is no {}", text.substr(0, kShownMax),
                                                      cut ? "..." : "", to_string(type)));
}

std::unexpected<Error> bad_bytes(const Type& type, std::size_t size) {
  return fail(ErrorCode::DataLoss,
              fmt::format("{} bytes are no value of type {}", size, to_string(type)));
}

constexpr std::string_view kHexDigits = "0123456789abcdef";

std::string to_hex_text(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text.push_back(kHexDigits[byte >> 4U]);
    text.push_back(kHexDigits[byte & 0xFU]);
  }
  return text;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  if (c >= 'A' && c <= 'F') {
    return c - 'A' + 10;
  }
  return -1;
}

std::optional<std::string> from_hex_text(std::string_view text) {
  if (text.size() % 2 != 0) {
    return std::nullopt;
  }
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t at = 0; at < text.size(); at += 2) {
    const int high = hex_digit(text[at]);
    const int low = hex_digit(text[at + 1]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    bytes.push_back(static_cast<char>(high * 16 + low));
  }
  return bytes;
}

std::string uuid_to_string(std::string_view bytes) {
  std::string text = to_hex_text(bytes);
  if (text.size() == 32) {
    for (const std::size_t at : {8U, 13U, 18U, 23U}) {
      text.insert(at, 1, '-');
    }
  }
  return text;
}

std::optional<std::string> uuid_from_string(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != '-') {
      digits.push_back(c);
    }
  }
  return digits.size() == 32 ? from_hex_text(digits) : std::nullopt;
}

/// DuckDB's text of a blob: printable ASCII as it is, other bytes as \xAB.
std::string blob_to_text(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 32 && byte <= 126 && c != '\\' && c != '\'' && c != '"') {
      text.push_back(c);
    } else {
      text += fmt::format("\\x{:02X}", byte);
    }
  }
  return text;
}

std::optional<std::string> blob_from_text(std::string_view text) {
  std::string bytes;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\') {
      bytes.push_back(text[at]);
      continue;
    }
    const bool complete = at + 3 < text.size() && text[at + 1] == 'x';
    const auto byte = complete ? from_hex_text(text.substr(at + 2, 2)) : std::nullopt;
    if (!byte) {
      return std::nullopt;
    }
    bytes += *byte;
    at += 3;
  }
  return bytes;
}

template <class Int>
std::optional<Int> whole_number(std::string_view text) {
  Int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

template <class Float>
std::optional<Float> floating(std::string_view text) {
  Float number = 0;
  if (text.starts_with('+')) {
    text.remove_prefix(1);
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

/// The shortest digits that read back the same, with a point as DuckDB prints them.
template <class Float>
std::string floating_to_text(Float value) {
  if (std::isnan(value)) {
    return "nan";
  }
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) {
    text += ".0";
  }
  return text;
}

std::string timestamp_text(const Literal& literal, detail::Era era, char between, bool keep_zeros) {
  const std::int64_t units = units_per_second(literal.kind);
  const std::int64_t day = kSecondsPerDay * units;
  const std::int64_t days = detail::floor_div(literal.as_int64(), day);
  const std::string date = detail::date_to_string(days, era);
  // Unsigned, since days * day may lie beyond the lowest number; the difference never does.
  const auto rest =
      static_cast<std::int64_t>(static_cast<std::uint64_t>(literal.as_int64()) -
                                static_cast<std::uint64_t>(days) * static_cast<std::uint64_t>(day));
  return fmt::format("{}{}{}", date, between, detail::time_to_string(rest, units, keep_zeros));
}

template <class Float>
std::partial_ordering compare_floating(Float a, Float b) {
  if (std::isnan(a) || std::isnan(b)) {
    return static_cast<int>(std::isnan(a)) <=> static_cast<int>(std::isnan(b));
  }
  if (a == 0 && b == 0) {
    return static_cast<int>(std::signbit(b)) <=> static_cast<int>(std::signbit(a));
  }
  return a <=> b;
}

template <class Float>
json::value floating_to_json(Float value) {
  if (std::isfinite(value)) {
    return static_cast<double>(value);
  }
  // JSON has no such numbers; the reference implementation writes these words.
  return std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

std::optional<double> floating_from_json(const json::value& value) {
  if (value.is_string()) {
    const std::string_view word = value.get_string();
    if (word == "NaN") {
      return std::numeric_limits<double>::quiet_NaN();
    }
    if (word == "Infinity" || word == "-Infinity") {
      const double infinity = std::numeric_limits<double>::infinity();
      return word.front() == '-' ? -infinity : infinity;
    }
    return std::nullopt;
  }
  boost::system::error_code error;
  const double number = value.to_number<double>(error);
  return error ? std::nullopt : std::optional(number);
}

bool fits(Int128 unscaled, std::int32_t precision) {
  Int128 limit = 1;
  for (std::int32_t i = 0; i < precision; ++i) {
    limit *= 10;
  }
  return unscaled < limit && unscaled > -limit;
}

Result<Literal> decimal_from_text(const Type& type, std::string_view text) {
  const Result<Int128> unscaled = decimal_from_string(text, type.scale);
  if (!unscaled || !fits(*unscaled, type.precision)) {
    return no_value(type, text);
  }
  return make(type, *unscaled);
}

/// Wraps what was read, or says that the text is no such value.
template <class T>
Result<Literal> or_no_value(const Type& type, std::optional<T> value, std::string_view text) {
  if (!value) {
    return no_value(type, text);
  }
  return make(type, *std::move(value));
}

Result<Literal> date_from_text(const Type& type, std::string_view text) {
  if (text == "infinity" || text == "-infinity") {
    return make(type, text.front() == '-' ? -kInfiniteDate : kInfiniteDate);
  }
  const auto days = detail::date_from_string(text);
  if (!days || *days < std::numeric_limits<std::int32_t>::min() ||
      *days > std::numeric_limits<std::int32_t>::max()) {
    return no_value(type, text);
  }
  return make(type, static_cast<std::int32_t>(*days));
}

Result<Literal> timestamp_from_text(const Type& type, std::string_view text) {
  if (text == "infinity" || text == "-infinity") {
    return make(type, text.front() == '-' ? -kInfiniteTimestamp : kInfiniteTimestamp);
  }
  bool zone = false;
  const auto units = detail::timestamp_from_string(text, units_per_second(type.kind), &zone);
  if (!units || (zone && !has_zone(type.kind))) {
    return no_value(type, text);
  }
  return make(type, *units);
}

Result<Literal> boolean_from_text(const Type& type, std::string_view text) {
  const std::string word = to_lower(text);
  if (word == "true" || word == "t" || word == "1") {
    return make(type, true);
  }
  if (word == "false" || word == "f" || word == "0") {
    return make(type, false);
  }
  return no_value(type, text);
}

Result<Literal> fixed_of(const Type& type, std::optional<std::string> bytes,
                         std::string_view text) {
  const bool wrong_length = type.kind == TypeKind::Fixed && bytes &&
                            bytes->size() != static_cast<std::size_t>(type.length);
  return or_no_value(type, wrong_length ? std::nullopt : std::move(bytes), text);
}

template <class T>
Result<Literal> from_bytes_of_size(const Type& type, std::string_view bytes) {
  if (bytes.size() != sizeof(T)) {
    return bad_bytes(type, bytes.size());
  }
  return make(type, from_little_endian<T>(bytes));
}

Result<Literal> timestamp_from_bytes(const Type& type, std::string_view bytes) {
  if (bytes.size() == sizeof(std::int32_t)) {  // Was a date.
    std::int64_t units = 0;
    if (__builtin_mul_overflow(std::int64_t{from_little_endian<std::int32_t>(bytes)},
                               kSecondsPerDay * units_per_second(type.kind), &units)) {
      return bad_bytes(type, bytes.size());
    }
    return make(type, units);
  }
  return from_bytes_of_size<std::int64_t>(type, bytes);
}

Result<Literal> json_text(const Type& type, const json::value& value) {
  if (!value.is_string()) {
    return fail(ErrorCode::InvalidArgument, fmt::format("{} is no {}: it must be a JSON string",
                                                        to_json(value), to_string(type)));
  }
  const std::string_view text = value.get_string();
  switch (type.kind) {
    case TypeKind::Decimal: return decimal_from_text(type, text);
    case TypeKind::Date: return date_from_text(type, text);
    case TypeKind::Time: return or_no_value(type, detail::time_from_string(text, kMicros), text);
    case TypeKind::Timestamp:
    case TypeKind::Timestamptz:
    case TypeKind::TimestampNs:
    case TypeKind::TimestamptzNs: return timestamp_from_text(type, text);
    case TypeKind::Uuid: return or_no_value(type, uuid_from_string(text), text);
    case TypeKind::Fixed:
    case TypeKind::Binary: return fixed_of(type, from_hex_text(text), text);
    case TypeKind::String:
    case TypeKind::Geometry:
    case TypeKind::Geography: return make(type, std::string(text));
    case TypeKind::Boolean:
    case TypeKind::Int:
    case TypeKind::Long:
    case TypeKind::Float:
    case TypeKind::Double:
    case TypeKind::Unknown:
    case TypeKind::Variant:
    case TypeKind::Struct:
    case TypeKind::List:
    case TypeKind::Map: break;
  }
  return no_value(type, text);
}

template <class Int>
Result<Literal> json_whole_number(const Type& type, const json::value& value) {
  boost::system::error_code error;
  const auto number = value.to_number<Int>(error);
  if (error || value.is_double()) {
    return no_value(type, to_json(value));
  }
  return make(type, number);
}

Status check_struct(const Type& type, const json::value& value) {
  if (!value.is_object()) {
    return no_value(type, to_json(value));
  }
  for (const NestedField& field : type.fields) {
    const json::value* member = value.get_object().if_contains(std::to_string(field.id));
    if (member != nullptr) {
      LH_RETURN_IF_ERROR(check_json_value(*field.type, *member));
    }
  }
  return {};
}

Status check_elements(const Type& type, const json::value* values) {
  if (values == nullptr || !values->is_array()) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a list of {} must be a JSON array", to_string(type)));
  }
  for (const json::value& element : values->get_array()) {
    LH_RETURN_IF_ERROR(check_json_value(type, element));
  }
  return {};
}

Status check_map(const Type& type, const json::value& value) {
  if (!value.is_object()) {
    return no_value(type, to_json(value));
  }
  const json::value* keys = value.get_object().if_contains("keys");
  const json::value* values = value.get_object().if_contains("values");
  LH_RETURN_IF_ERROR(check_elements(*type.fields[0].type, keys));
  LH_RETURN_IF_ERROR(check_elements(*type.fields[1].type, values));
  if (keys->get_array().size() != values->get_array().size()) {
    return fail(ErrorCode::InvalidArgument, "a map must have as many keys as values");
  }
  return {};
}

/// The code point after this one, or nothing if there is none. Surrogates are no code points.
std::optional<std::uint32_t> next_code_point(std::uint32_t point) {
  if (point == 0xD7FF) {
    return 0xE000;
  }
  return point >= 0x10FFFF ? std::nullopt : std::optional(point + 1);
}

std::string encode_utf8(std::uint32_t point) {
  const auto tail = [](std::uint32_t bits) { return static_cast<char>(0x80U | (bits & 0x3FU)); };
  if (point < 0x80) {
    return {static_cast<char>(point)};
  }
  if (point < 0x800) {
    return {static_cast<char>(0xC0U | (point >> 6U)), tail(point)};
  }
  if (point < 0x10000) {
    return {static_cast<char>(0xE0U | (point >> 12U)), tail(point >> 6U), tail(point)};
  }
  return {static_cast<char>(0xF0U | (point >> 18U)), tail(point >> 12U), tail(point >> 6U),
          tail(point)};
}

std::uint32_t decode_utf8(std::string_view bytes) {
  const auto lead = static_cast<unsigned char>(bytes.front());
  std::uint32_t point = bytes.size() == 1   ? lead
                        : bytes.size() == 2 ? lead & 0x1FU
                        : bytes.size() == 3 ? lead & 0x0FU
                                            : lead & 0x07U;
  for (const char c : bytes.substr(1)) {
    point = (point << 6U) | (static_cast<unsigned char>(c) & 0x3FU);
  }
  return point;
}

/// The text with its last code point that can be raised raised, and what follows it dropped.
std::optional<std::string> raised_text(std::string text) {
  while (!text.empty()) {
    std::size_t start = text.size() - 1;
    while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0U) == 0x80U) {
      --start;
    }
    const std::uint32_t point = decode_utf8(std::string_view(text).substr(start));
    text.resize(start);
    if (const auto next = next_code_point(point)) {
      return text + encode_utf8(*next);
    }
  }
  return std::nullopt;
}

std::optional<std::string> raised_bytes(std::string bytes) {
  while (!bytes.empty()) {
    const auto last = static_cast<unsigned char>(bytes.back());
    if (last < 0xFF) {
      bytes.back() = static_cast<char>(last + 1);
      return bytes;
    }
    bytes.pop_back();
  }
  return std::nullopt;
}

bool is_cut_in_bytes(TypeKind kind) {
  return kind == TypeKind::Binary || kind == TypeKind::Fixed;
}

}  // namespace

TypePtr Literal::type() const {
  if (kind == TypeKind::Decimal) {
    return decimal(precision, scale);
  }
  if (kind == TypeKind::Fixed) {
    return fixed(static_cast<std::int32_t>(as_string().size()));
  }
  return primitive(kind);
}

bool operator==(const Literal& a, const Literal& b) {
  return a.kind == b.kind && a.scale == b.scale &&
         compare(a, b) == std::partial_ordering::equivalent;
}

std::partial_ordering compare(const Literal& a, const Literal& b) {
  if (a.kind != b.kind || a.scale != b.scale || a.value.index() != b.value.index()) {
    return std::partial_ordering::unordered;
  }
  return std::visit(
      [&]<class T>(const T& left) -> std::partial_ordering {
        const T& right = std::get<T>(b.value);
        if constexpr (std::is_floating_point_v<T>) {
          return compare_floating(left, right);
        } else if constexpr (std::is_same_v<T, std::string>) {
          return left.compare(right) <=> 0;  // char_traits<char> compares unsigned bytes.
        } else {
          return left <=> right;
        }
      },
      a.value);
}

std::string literal_to_bytes(const Literal& literal) {
  return std::visit(
      []<class T>(const T& value) -> std::string {
        if constexpr (std::is_same_v<T, std::string>) {
          return value;
        } else if constexpr (std::is_same_v<T, bool>) {
          return {value ? '\1' : '\0'};
        } else if constexpr (std::is_same_v<T, Int128>) {
          return decimal_to_bytes(value);
        } else {
          return little_endian(value);
        }
      },
      literal.value);
}

Result<Literal> literal_from_bytes(const Type& type, std::string_view bytes) {
  switch (type.kind) {
    case TypeKind::Boolean:
      return bytes.size() == 1 ? Result<Literal>(make(type, bytes[0] != '\0'))
                               : bad_bytes(type, bytes.size());
    case TypeKind::Int:
    case TypeKind::Date: return from_bytes_of_size<std::int32_t>(type, bytes);
    case TypeKind::Long:
      if (bytes.size() == sizeof(std::int32_t)) {  // Was an int.
        return make(type, std::int64_t{from_little_endian<std::int32_t>(bytes)});
      }
      return from_bytes_of_size<std::int64_t>(type, bytes);
    case TypeKind::Time: return from_bytes_of_size<std::int64_t>(type, bytes);
    case TypeKind::Timestamp:
    case TypeKind::Timestamptz:
    case TypeKind::TimestampNs:
    case TypeKind::TimestamptzNs: return timestamp_from_bytes(type, bytes);
    case TypeKind::Float: return from_bytes_of_size<float>(type, bytes);
    case TypeKind::Double:
      if (bytes.size() == sizeof(float)) {  // Was a float.
        return make(type, double{from_little_endian<float>(bytes)});
      }
      return from_bytes_of_size<double>(type, bytes);
    case TypeKind::Decimal: {
      const Result<Int128> unscaled = decimal_from_bytes(bytes);
      return unscaled ? Result<Literal>(make(type, *unscaled)) : bad_bytes(type, bytes.size());
    }
    case TypeKind::Uuid:
      return bytes.size() == 16 ? Result<Literal>(make(type, std::string(bytes)))
                                : bad_bytes(type, bytes.size());
    case TypeKind::String:
    case TypeKind::Fixed:
    case TypeKind::Binary:
    case TypeKind::Variant:
    case TypeKind::Geometry:
    case TypeKind::Geography: return make(type, std::string(bytes));
    case TypeKind::Unknown:
    case TypeKind::Struct:
    case TypeKind::List:
    case TypeKind::Map: break;
  }
  return bad_bytes(type, bytes.size());
}

json::value literal_to_json(const Literal& literal) {
  switch (literal.kind) {
    case TypeKind::Boolean: return literal.as_bool();
    case TypeKind::Int: return literal.as_int32();
    case TypeKind::Long: return literal.as_int64();
    case TypeKind::Float: return floating_to_json(literal.as_float());
    case TypeKind::Double: return floating_to_json(literal.as_double());
    case TypeKind::Decimal:
      return json::value(decimal_to_string(literal.as_int128(), literal.scale));
    case TypeKind::Date:
      return json::value(detail::date_to_string(literal.as_int32(), detail::Era::Iso));
    case TypeKind::Time:
      return json::value(detail::time_to_string(literal.as_int64(), kMicros, true));
    case TypeKind::Timestamp:
    case TypeKind::Timestamptz:
    case TypeKind::TimestampNs:
    case TypeKind::TimestamptzNs:
      return json::value(timestamp_text(literal, detail::Era::Iso, 'T', true) +
                         (has_zone(literal.kind) ? "+00:00" : ""));
    case TypeKind::Uuid: return json::value(uuid_to_string(literal.as_string()));
    case TypeKind::Fixed:
    case TypeKind::Binary:
    case TypeKind::Variant: return json::value(to_hex_text(literal.as_string()));
    case TypeKind::String:
    case TypeKind::Geometry:
    case TypeKind::Geography: return json::value(literal.as_string());
    case TypeKind::Unknown:
    case TypeKind::Struct:
    case TypeKind::List:
    case TypeKind::Map: break;
  }
  return nullptr;
}

Result<Literal> literal_from_json(const Type& type, const json::value& value) {
  switch (type.kind) {
    case TypeKind::Boolean:
      return value.is_bool() ? Result<Literal>(make(type, value.get_bool()))
                             : no_value(type, to_json(value));
    case TypeKind::Int: return json_whole_number<std::int32_t>(type, value);
    case TypeKind::Long: return json_whole_number<std::int64_t>(type, value);
    case TypeKind::Float: {
      const auto number = floating_from_json(value);
      return number ? Result<Literal>(make(type, static_cast<float>(*number)))
                    : no_value(type, to_json(value));
    }
    case TypeKind::Double: return or_no_value(type, floating_from_json(value), to_json(value));
    case TypeKind::Decimal:
    case TypeKind::Date:
    case TypeKind::Time:
    case TypeKind::Timestamp:
    case TypeKind::Timestamptz:
    case TypeKind::TimestampNs:
    case TypeKind::TimestamptzNs:
    case TypeKind::String:
    case TypeKind::Uuid:
    case TypeKind::Fixed:
    case TypeKind::Binary:
    case TypeKind::Geometry:
    case TypeKind::Geography: return json_text(type, value);
    case TypeKind::Unknown:
    case TypeKind::Variant:
    case TypeKind::Struct:
    case TypeKind::List:
    case TypeKind::Map: break;
  }
  return fail(ErrorCode::InvalidArgument,
              fmt::format("type {} has no single values", to_string(type)));
}

Status check_json_value(const Type& type, const json::value& value) {
  if (value.is_null()) {
    return {};
  }
  if (type.kind == TypeKind::Struct) {
    return check_struct(type, value);
  }
  if (type.kind == TypeKind::List) {
    return check_elements(*type.fields[0].type, &value);
  }
  if (type.kind == TypeKind::Map) {
    return check_map(type, value);
  }
  LH_RETURN_IF_ERROR(literal_from_json(type, value));
  return {};
}

Result<Literal> literal_from_text(const Type& type, std::string_view text) {
  switch (type.kind) {
    case TypeKind::Boolean: return boolean_from_text(type, text);
    case TypeKind::Int: return or_no_value(type, whole_number<std::int32_t>(text), text);
    case TypeKind::Long: return or_no_value(type, whole_number<std::int64_t>(text), text);
    case TypeKind::Float: return or_no_value(type, floating<float>(text), text);
    case TypeKind::Double: return or_no_value(type, floating<double>(text), text);
    case TypeKind::Decimal: return decimal_from_text(type, text);
    case TypeKind::Date: return date_from_text(type, text);
    case TypeKind::Time: return or_no_value(type, detail::time_from_string(text, kMicros), text);
    case TypeKind::Timestamp:
    case TypeKind::Timestamptz:
    case TypeKind::TimestampNs:
    case TypeKind::TimestamptzNs: return timestamp_from_text(type, text);
    case TypeKind::String: return make(type, std::string(text));
    case TypeKind::Uuid: return or_no_value(type, uuid_from_string(text), text);
    case TypeKind::Fixed:
    case TypeKind::Binary: return fixed_of(type, blob_from_text(text), text);
    case TypeKind::Unknown:
    case TypeKind::Variant:
    case TypeKind::Geometry:
    case TypeKind::Geography:
    case TypeKind::Struct:
    case TypeKind::List:
    case TypeKind::Map: break;
  }
  return no_value(type, text);
}

std::string literal_to_text(const Literal& literal) {
  switch (literal.kind) {
    case TypeKind::Boolean: return literal.as_bool() ? "true" : "false";
    case TypeKind::Int: return std::to_string(literal.as_int32());
    case TypeKind::Long: return std::to_string(literal.as_int64());
    case TypeKind::Float: return floating_to_text(literal.as_float());
    case TypeKind::Double: return floating_to_text(literal.as_double());
    case TypeKind::Decimal: return decimal_to_string(literal.as_int128(), literal.scale);
    case TypeKind::Date:
      if (literal.as_int32() == kInfiniteDate || literal.as_int32() == -kInfiniteDate) {
        return literal.as_int32() > 0 ? "infinity" : "-infinity";
      }
      return detail::date_to_string(literal.as_int32(), detail::Era::DuckDb);
    case TypeKind::Time: return detail::time_to_string(literal.as_int64(), kMicros, false);
    case TypeKind::Timestamp:
    case TypeKind::Timestamptz:
    case TypeKind::TimestampNs:
    case TypeKind::TimestamptzNs:
      if (literal.as_int64() == kInfiniteTimestamp || literal.as_int64() == -kInfiniteTimestamp) {
        return literal.as_int64() > 0 ? "infinity" : "-infinity";
      }
      return timestamp_text(literal, detail::Era::DuckDb, ' ', false) +
             (has_zone(literal.kind) ? "+00" : "");
    case TypeKind::Uuid: return uuid_to_string(literal.as_string());
    case TypeKind::Fixed:
    case TypeKind::Binary:
    case TypeKind::Variant:
    case TypeKind::Geometry:
    case TypeKind::Geography: return blob_to_text(literal.as_string());
    case TypeKind::String: return literal.as_string();
    case TypeKind::Unknown:
    case TypeKind::Struct:
    case TypeKind::List:
    case TypeKind::Map: break;
  }
  return {};
}

std::string literal_to_sql(const Literal& literal) {
  return fmt::format("CAST({} AS {})", quote_sql_literal(literal_to_text(literal)),
                     duckdb_type(*literal.type()));
}

Literal truncate_lower_bound(const Literal& literal, std::size_t length) {
  Literal bound = literal;
  if (literal.kind == TypeKind::String) {
    const std::string& text = literal.as_string();
    bound.value = text.substr(0, detail::prefix_bytes(text, length));
  } else if (is_cut_in_bytes(literal.kind)) {
    bound.value = literal.as_string().substr(0, length);
  }
  return bound;
}

std::optional<Literal> truncate_upper_bound(const Literal& literal, std::size_t length) {
  Literal bound = truncate_lower_bound(literal, length);
  if (bound == literal) {
    return bound;
  }
  std::optional<std::string> raised = literal.kind == TypeKind::String
                                          ? raised_text(bound.as_string())
                                          : raised_bytes(bound.as_string());
  if (!raised) {
    return std::nullopt;
  }
  bound.value = *std::move(raised);
  return bound;
}

}  // namespace lakehouse::iceberg
