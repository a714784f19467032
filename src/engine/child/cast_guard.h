#pragma once

#include <string>

#include <duckdb.h>

/// \file
/// With DuckDB's own classes, as file_lists.h, and under its terms.
///
/// DuckDB (1.5.5) takes an expression that can fail to no row that a filter below it takes away.
/// But of the casts that it puts in by itself, where a DATE is compared with a TIMESTAMP_NS or a
/// BIGINT with a DECIMAL(38,30), it believes that they never fail: so they would for rows that
/// nobody may see, and say what is in them. query/call_guard.h does the same for what is written in
/// a statement; what casts are in it besides is known to the plan alone.

namespace lakehouse::engine {

/// Once for a database. Empty, or what went wrong.
std::string register_cast_guard(duckdb_connection connection);

/// From now on, until the connection goes: an argument x of each cast that may fail becomes
/// coalesce(x, error(...)), which is x, and of which DuckDB knows that it can fail.
void guard_casts(duckdb_connection connection);

}  // namespace lakehouse::engine
