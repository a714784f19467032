#include "engine/child/database.h"

#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

namespace lakehouse::engine {
namespace {

constexpr std::array<std::pair<const char*, const char*>, 6> kSettings{{
    // Nothing is fetched behind the caller's back.
    {"autoinstall_known_extensions", "false"},
    {"autoload_known_extensions", "false"},
    {"allow_community_extensions", "false"},
    {"allow_persistent_secrets", "false"},
    // A day is the same day for everybody.
    {"TimeZone", "UTC"},
    // Metadata of files that never change is worth keeping.
    {"parquet_metadata_cache", "true"},
}};

std::uint64_t machine_memory_bytes() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

Status set(const Config& config, const char* name, const std::string& value) {
  if (duckdb_set_config(config.get(), name, value.c_str()) == DuckDBError) {
    return fail(ErrorCode::Internal, fmt::format("DuckDB refuses the setting {}", name));
  }
  return {};
}

}  // namespace

Result<Database> open_database(const DatabaseOptions& options) {
  Config config;
  if (duckdb_create_config(config.out()) == DuckDBError) {
    return fail(ErrorCode::Internal, "DuckDB gives no configuration");
  }
  const std::uint64_t memory = options.memory_limit_bytes != 0 ? options.memory_limit_bytes
                                                               : machine_memory_bytes() / 10 * 6;
  LH_RETURN_IF_ERROR(set(config, "memory_limit", fmt::format("{}B", memory)));
  LH_RETURN_IF_ERROR(set(config, "temp_directory", options.spill_directory));
  if (options.threads != 0) {
    LH_RETURN_IF_ERROR(set(config, "threads", std::to_string(options.threads)));
  }
  Database database;
  char* problem = nullptr;
  if (duckdb_open_ext(nullptr, database.out(), config.get(), &problem) == DuckDBError) {
    return fail(ErrorCode::Internal, "DuckDB does not open: " + take_string(problem));
  }
  LH_ASSIGN_OR_RETURN(const Connection connection, open_connection(database));
  for (const auto& [name, value] : kSettings) {
    LH_RETURN_IF_ERROR(run_sql(connection, fmt::format("SET GLOBAL {} = '{}'", name, value)));
  }
  LH_RETURN_IF_ERROR(register_functions(database));
  return database;
}

Result<Connection> open_connection(const Database& database) {
  Connection connection;
  if (duckdb_connect(database.get(), connection.out()) == DuckDBError) {
    return fail(ErrorCode::Internal, "DuckDB gives no connection");
  }
  // Errors as JSON have their position and their parts apart.
  LH_RETURN_IF_ERROR(run_sql(connection, "SET errors_as_json = true"));
  return connection;
}

}  // namespace lakehouse::engine
