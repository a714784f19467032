#pragma once

#include <optional>

namespace lakehouse::engine {

/// What the command line asks of DuckDB for itself, with the user's own rights and without a
/// server; nobody else's input comes here.
///
///   --run-sql FILE [--in DIR]       runs a local script; relative files in it are below DIR
///   --arrow-to-parquet FROM TO      an Arrow IPC stream as a Parquet file
///
/// The exit code; nothing if `argv` asks for neither.
std::optional<int> run_local_tool(int argc, char** argv);

}  // namespace lakehouse::engine
