#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "engine/child/duck.h"
#include "engine/engine_grant.h"

namespace lakehouse::engine {

struct DatabaseOptions {
  std::uint64_t memory_limit_bytes = 0;  ///< See fill_in_machine: 0 becomes 60 %.
  unsigned threads = 0;                  ///< 0: as many as cores.
  std::string spill_directory;
  std::uint64_t spill_bytes_max = 0;  ///< 0: DuckDB's default, nine tenths of what is free.
  EngineGrant grant;                  ///< With the spill directory among the writable folders.
  bool locked = true;  ///< False: DuckDB's own locks stay open, for tests of the kernel's alone.
};

/// Puts the machine's numbers, or those of the container that this runs in, where `options` has
/// none. Reads /proc and /sys, so before the sandbox.
void fill_in_machine(DatabaseOptions& options);

/// An in-memory database with the settings that every statement relies on, our functions and the
/// grant's extensions. Then it is locked: no other files, no more extensions, no more settings, but
/// for those that concern one connection alone.
Result<Database> open_database(const DatabaseOptions& options);

/// A new connection: nothing of an earlier statement (variables, temporary tables, settings) is
/// seen on it.
Result<Connection> open_connection(const Database& database);

/// Registers lh_iceberg_bucket(n INTEGER, value) -> INTEGER: Iceberg's bucket transform, for
/// partitioned writes; an error for a type that cannot be bucketed. And lh_roaring_contains(bitmap
/// BLOB, number BIGINT) -> BOOLEAN, for deletion vectors. Both are NULL for NULL.
Status register_functions(const Database& database);

}  // namespace lakehouse::engine
