#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "iceberg/schema.h"

/// \file
/// Types as the translation to Trino knows them: what DuckDB would say of an expression, and what
/// Trino calls it.

namespace lakehouse::query::trino {

enum class Kind : std::uint8_t {
  Null,  ///< NULL without a type.
  Boolean,
  Integer,
  BigInt,
  HugeInt,  ///< A sum of whole numbers; a bigint or a decimal(38, 0) in Trino.
  Decimal,
  Real,
  Double,
  Date,
  Time,
  Timestamp,
  Timestamptz,
  Varchar,
  Blob,
  Uuid,
  Interval,
  Nested
};

struct SqlType {
  Kind kind = Kind::Null;
  int precision = 0;                  ///< Decimal.
  int scale = 0;                      ///< Decimal.
  iceberg::TypePtr nested = nullptr;  ///< Nested.
};

[[nodiscard]] bool is_whole(const SqlType& type);
[[nodiscard]] bool is_exact(const SqlType& type);  ///< Whole or decimal.
[[nodiscard]] bool is_numeric(const SqlType& type);
[[nodiscard]] bool is_moment(const SqlType& type);  ///< A date or a timestamp.

/// What Trino reads from a column of this Iceberg type. Unimplemented for types that it lacks.
Result<SqlType> type_of_column(const iceberg::Type& type);

/// The type of a tree's "cast_type". Unimplemented, by name, for others than those above.
Result<SqlType> type_of_tree(const boost::json::value& tree);

/// As Trino writes it: "decimal(12,2)", "timestamp(6)".
std::string trino_name(const SqlType& type);

/// For messages: "a DATE".
std::string_view duckdb_name(const SqlType& type);

/// True if the text of every value of Trino's type, as its protocol writes it, is the same value of
/// DuckDB's: what a result's column may be.
[[nodiscard]] bool is_faithful(std::string_view trino_type, std::string_view duckdb_type);

}  // namespace lakehouse::query::trino
