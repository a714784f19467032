#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <boost/json/value.hpp>

#include "base/error.h"
#include "iceberg/schema.h"

/// \file
/// One value of a primitive type, and the forms in which Iceberg and DuckDB write it. Source: the
/// Iceberg table spec, appendix D ("Single-value serialization").

namespace lakehouse::iceberg {

__extension__ using Int128 = __int128;

/// A value, never null (null is an empty `std::optional<Literal>`) and never nested.
///
/// What `value` holds goes by `kind`: Boolean a bool; Int and Date (days since 1970) an int32;
/// Long, Time (microseconds), Timestamp, Timestamptz (microseconds since 1970) and the two
/// nanosecond ones an int64; Float a float; Double a double; Decimal the unscaled Int128; String
/// its UTF-8; Uuid, Fixed and Binary (also geometry, geography and variant) their bytes.
struct Literal {
  using Value = std::variant<bool, std::int32_t, std::int64_t, float, double, Int128, std::string>;

  TypeKind kind = TypeKind::Boolean;
  std::int32_t precision = 0;  ///< Decimal.
  std::int32_t scale = 0;      ///< Decimal.
  Value value = false;

  static Literal of_bool(bool value) { return {TypeKind::Boolean, 0, 0, value}; }
  static Literal of_int(std::int32_t value) { return {TypeKind::Int, 0, 0, value}; }
  static Literal of_long(std::int64_t value) { return {TypeKind::Long, 0, 0, value}; }
  static Literal of_float(float value) { return {TypeKind::Float, 0, 0, value}; }
  static Literal of_double(double value) { return {TypeKind::Double, 0, 0, value}; }
  static Literal of_date(std::int32_t days) { return {TypeKind::Date, 0, 0, days}; }
  static Literal of_timestamp(std::int64_t us) { return {TypeKind::Timestamp, 0, 0, us}; }
  static Literal of_string(std::string value) { return {TypeKind::String, 0, 0, std::move(value)}; }
  static Literal of_binary(std::string value) { return {TypeKind::Binary, 0, 0, std::move(value)}; }
  static Literal of_decimal(Int128 unscaled, std::int32_t precision, std::int32_t scale) {
    return {TypeKind::Decimal, precision, scale, unscaled};
  }

  [[nodiscard]] bool as_bool() const { return std::get<bool>(value); }
  [[nodiscard]] std::int32_t as_int32() const { return std::get<std::int32_t>(value); }
  [[nodiscard]] std::int64_t as_int64() const { return std::get<std::int64_t>(value); }
  [[nodiscard]] float as_float() const { return std::get<float>(value); }
  [[nodiscard]] double as_double() const { return std::get<double>(value); }
  [[nodiscard]] Int128 as_int128() const { return std::get<Int128>(value); }
  [[nodiscard]] const std::string& as_string() const { return std::get<std::string>(value); }

  /// The type of the value; a fixed one's length is that of its bytes.
  [[nodiscard]] TypePtr type() const;
};

/// The same kind and value; NaN equals NaN, and -0.0 is not 0.0.
bool operator==(const Literal& a, const Literal& b);

/// The order that Iceberg's bounds and sorts use: numbers by value, strings and bytes by unsigned
/// bytes, -0.0 before 0.0, NaN after all. Unordered if the kinds differ.
std::partial_ordering compare(const Literal& a, const Literal& b);

/// The single-value binary form, as in bounds and in partition summaries.
std::string literal_to_bytes(const Literal& literal);
/// DataLoss if `bytes` is no value of `type`. Takes the narrower form of a type that was promoted
/// since (int for long, float for double, any decimal of the scale, date for timestamp).
Result<Literal> literal_from_bytes(const Type& type, std::string_view bytes);

/// The JSON single-value form, as in defaults and in REST filters.
boost::json::value literal_to_json(const Literal& literal);
Result<Literal> literal_from_json(const Type& type, const boost::json::value& json);

/// Checks that `json` is a value of `type` in the JSON single-value form, nested types included.
/// Null is a value of every type.
Status check_json_value(const Type& type, const boost::json::value& json);

/// Reads what DuckDB prints for a value of `type` when it is cast to VARCHAR: 1.50, 2024-01-31
/// 12:00:00+00, \xAB in blobs. The statistics that COPY returns are written so, too, but for blobs,
/// which are plain hexadecimal there. InvalidArgument if the text is no such value.
Result<Literal> literal_from_text(const Type& type, std::string_view duckdb_text);
/// What DuckDB prints for the value, as above.
std::string literal_to_text(const Literal& literal);
/// The value as a DuckDB SQL expression of its own type: CAST('2024-01-31' AS DATE).
std::string literal_to_sql(const Literal& literal);

/// Iceberg's default metrics mode, truncate(16): how many code points of a string, or bytes of a
/// binary, a bound keeps.
inline constexpr std::size_t kBoundLengthMax = 16;

/// A lower bound of at most `length` code points (strings) or bytes (binary): a prefix. Other kinds
/// are returned as they are.
Literal truncate_lower_bound(const Literal& literal, std::size_t length = kBoundLengthMax);
/// An upper bound as above: if it was cut, the last code point or byte that can be is incremented.
/// Empty if there is no such bound (all of them are the highest).
std::optional<Literal> truncate_upper_bound(const Literal& literal,
                                            std::size_t length = kBoundLengthMax);

/// Digits of a decimal: (12345, 2) -> "123.45", (-5, 3) -> "-0.005".
std::string decimal_to_string(Int128 unscaled, std::int32_t scale);
/// The unscaled value of decimal digits, rounded to nothing: InvalidArgument if `text` has more
/// digits behind the point than `scale`, other than zeros, or does not fit 38 digits.
Result<Int128> decimal_from_string(std::string_view text, std::int32_t scale);
/// The shortest big-endian two's complement form, as in bounds and fixed Avro decimals.
std::string decimal_to_bytes(Int128 unscaled);
/// DataLoss if `bytes` is empty or longer than 16.
Result<Int128> decimal_from_bytes(std::string_view bytes);

}  // namespace lakehouse::iceberg
