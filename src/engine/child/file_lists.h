#pragma once

#include <string>
#include <string_view>

#include <duckdb.h>

/// \file
/// With DuckDB's own classes: its C API has no words for what reads Parquet from a list of files
/// that is known already. Their headers are C++20 at most (CMakeLists.txt), so nothing of ours that
/// is C++23 may be included here.

namespace lakehouse::engine {

/// Registers lh_parquet(list VARCHAR, ...): read_parquet, with its parameters, of a list that
/// `put_file_list` has given to the connection. read_parquet takes each path for a pattern and
/// looks it up several times before it opens it, 15 us a file; here files are opened only, by the
/// same rules. Those of a list never change, so what is kept of them is not compared with them.
/// Empty, or what went wrong: such as a library that is another than the headers are of.
std::string register_file_lists(duckdb_connection connection);

/// Stays until the connection goes. Each path ends with a zero byte, which no path has.
void put_file_list(duckdb_connection connection, const std::string& name, std::string_view paths);

}  // namespace lakehouse::engine
