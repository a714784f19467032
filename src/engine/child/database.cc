#include "engine/child/database.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/machine.h"
#include "base/text.h"
#include "engine/child/cast_guard.h"
#include "engine/child/file_lists.h"

namespace lakehouse::engine {
namespace {

constexpr std::array<std::pair<const char*, const char*>, 7> kSettings{{
    // Nothing is fetched behind the caller's back.
    {"autoinstall_known_extensions", "false"},
    {"autoload_known_extensions", "false"},
    {"allow_community_extensions", "false"},
    {"allow_persistent_secrets", "false"},
    // A day is the same day for everybody.
    {"TimeZone", "UTC"},
    // Errors as JSON have their position and their parts apart.
    {"errors_as_json", "true"},
    // Metadata of files that never change is worth keeping.
    {"parquet_metadata_cache", "true"},
}};

Status set(const Config& config, const char* name, const std::string& value) {
  if (duckdb_set_config(config.get(), name, value.c_str()) == DuckDBError) {
    return fail(ErrorCode::Internal, fmt::format("DuckDB refuses the setting {}", name));
  }
  return {};
}

std::string quoted_list(const std::vector<std::string>& texts) {
  std::vector<std::string> quoted;
  quoted.reserve(texts.size());
  for (const std::string& text : texts) {
    quoted.push_back(quote_sql_literal(text));
  }
  return fmt::format("[{}]", fmt::join(quoted, ", "));
}

// After this DuckDB itself refuses what the sandbox refuses, with a message that says so.
Status lock(const Connection& connection, const EngineGrant& grant) {
  std::vector<std::string> folders;
  std::vector<std::string> files;
  for (const auto* paths : {&grant.readable, &grant.writable}) {
    for (const auto& path : *paths) {
      std::error_code ignored;
      const bool is_folder = std::filesystem::is_directory(path, ignored);
      (is_folder ? folders : files).push_back(path.lexically_normal().string());
    }
  }
  if (grant.loopback_port) {
    folders.push_back(fmt::format("http://127.0.0.1:{}/", *grant.loopback_port));
  }
  // The secrets' storage opens at its first use, and can do so only while files are open to it.
  LH_RETURN_IF_ERROR(run_sql(connection, "FROM duckdb_secrets()"));
  LH_RETURN_IF_ERROR(
      run_sql(connection, "SET GLOBAL allowed_directories = " + quoted_list(folders)));
  LH_RETURN_IF_ERROR(run_sql(connection, "SET GLOBAL allowed_paths = " + quoted_list(files)));
  LH_RETURN_IF_ERROR(run_sql(connection, "SET GLOBAL enable_external_access = false"));
  // These are a connection's own.
  LH_RETURN_IF_ERROR(run_sql(connection,
                             "SET GLOBAL allowed_configs = ['enable_progress_bar', "
                             "'enable_progress_bar_print', 'enable_profiling', "
                             "'custom_profiling_settings', 'schema', 'search_path', "
                             "'parquet_metadata_cache', "
                             "'late_materialization_max_rows']"));
  return run_sql(connection, "SET GLOBAL lock_configuration = true");
}

}  // namespace

void fill_in_machine(DatabaseOptions& options) {
  if (options.memory_limit_bytes == 0) {
    options.memory_limit_bytes = memory_bytes_allowed() / 10 * 6;
  }
  if (options.threads == 0) {
    options.threads = processors_allowed();
  }
}

Result<Database> open_database(const DatabaseOptions& options) {
  Config config;
  if (duckdb_create_config(config.out()) == DuckDBError) {
    return fail(ErrorCode::Internal, "DuckDB gives no configuration");
  }
  LH_RETURN_IF_ERROR(set(config, "memory_limit", fmt::format("{}B", options.memory_limit_bytes)));
  LH_RETURN_IF_ERROR(set(config, "temp_directory", options.spill_directory));
  LH_RETURN_IF_ERROR(set(config, "threads", std::to_string(options.threads)));
  if (options.spill_bytes_max != 0) {
    LH_RETURN_IF_ERROR(
        set(config, "max_temp_directory_size", fmt::format("{}B", options.spill_bytes_max)));
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
  // The first one sees to it that the library is the one that their headers are of.
  for (const auto& add : {register_file_lists, register_cast_guard}) {
    if (const std::string reason = add(connection.get()); !reason.empty()) {
      return fail(ErrorCode::Internal, "DuckDB's library: " + reason);
    }
  }
  for (const auto& extension : options.grant.extensions) {
    LH_RETURN_IF_ERROR(run_sql(connection, "LOAD " + quote_sql_literal(extension.string())));
  }
  // Where tables are kept in memory (query/hot_tables.h): compressed, which takes a fifth of the
  // memory and no time. No name of a request leads there.
  LH_RETURN_IF_ERROR(run_sql(connection, "ATTACH ':memory:' AS lh_hot (COMPRESS)"));
  if (options.locked) {
    LH_RETURN_IF_ERROR(lock(connection, options.grant));
  }
  return database;
}

Result<Connection> open_connection(const Database& database) {
  Connection connection;
  if (duckdb_connect(database.get(), connection.out()) == DuckDBError) {
    return fail(ErrorCode::Internal, "DuckDB gives no connection");
  }
  return connection;
}

}  // namespace lakehouse::engine
