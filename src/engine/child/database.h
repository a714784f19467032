#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "engine/child/duck.h"

namespace lakehouse::engine {

struct DatabaseOptions {
  std::uint64_t memory_limit_bytes = 0;  ///< 0: DuckDB's own default is replaced by 60 %.
  unsigned threads = 0;                  ///< 0: as many as cores.
  std::string spill_directory;
};

/// An in-memory database with the settings that every statement relies on, and our functions.
Result<Database> open_database(const DatabaseOptions& options);

/// A new connection: nothing of an earlier statement (variables, temporary tables, settings) is
/// seen on it.
Result<Connection> open_connection(const Database& database);

/// Registers lh_iceberg_bucket(n INTEGER, value) -> INTEGER: Iceberg's bucket transform, for
/// partitioned writes; an error for a type that cannot be bucketed. And lh_roaring_contains(bitmap
/// BLOB, number BIGINT) -> BOOLEAN, for deletion vectors. Both are NULL for NULL.
Status register_functions(const Database& database);

}  // namespace lakehouse::engine
