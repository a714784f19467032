#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "iceberg/schema.h"

/// \file
/// Iceberg's types and DuckDB's, each as the other sees it.

namespace lakehouse::iceberg {

/// The DuckDB type that holds values of an Iceberg type, as SQL writes it:
///   boolean BOOLEAN, int INTEGER, long BIGINT, float FLOAT, double DOUBLE, decimal(p, s)
///   DECIMAL(p,s), date DATE, time TIME, timestamp TIMESTAMP, timestamptz and timestamptz_ns
///   TIMESTAMP WITH TIME ZONE, timestamp_ns TIMESTAMP_NS, string VARCHAR, uuid UUID, fixed, binary
///   and geography BLOB, geometry GEOMETRY, variant VARIANT, unknown INTEGER, and STRUCT("a" T,
///   ...), T[], MAP(K, V).
std::string duckdb_type(const Type& type);

/// The Iceberg type for values of a DuckDB type, given as DuckDB prints it (`typeof`, DESCRIBE).
/// Nested fields are optional and take ids from `next_id` on, which is left behind the last one
/// used; a level's fields are numbered before what they hold.
///
/// Types that Iceberg lacks become the nearest that holds every value:
///   TINYINT, SMALLINT, UTINYINT, USMALLINT -> int; UINTEGER -> long; UBIGINT -> decimal(20, 0);
///   HUGEINT, UHUGEINT, BIGNUM -> decimal(38, 0) (a value of 39 digits does not fit);
///   TIMESTAMP_S, TIMESTAMP_MS -> timestamp; T[n] -> list;
///   ENUM, JSON, BIT, INTERVAL, TIME WITH TIME ZONE, UNION -> string, as DuckDB prints them;
///   "NULL" -> string.
/// By format version: TIMESTAMP_NS -> timestamp_ns from 3, else timestamp (cut to microseconds);
///   TIME_NS -> time (cut); VARIANT -> variant from 3, else string; GEOMETRY -> geometry from 3,
///   else binary.
/// InvalidArgument, naming the place, for text that is no such type.
Result<TypePtr> type_from_duckdb(std::string_view duckdb_type_name, std::int32_t& next_id,
                                 int format_version = 2);

}  // namespace lakehouse::iceberg
