#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "metastore/detail/pooled_metastore.h"
#include "metastore/metastore.h"
#include "metastore/migrations.h"
#include "metastore/sqlite/connection.h"

namespace lakehouse::metastore {
namespace {

using sqlite::Connection;

// 0 for a file that is new and empty.
Result<std::int64_t> schema_version(Connection& connection, const std::string& path) {
  LH_ASSIGN_OR_RETURN(const auto tables,
                      connection.query("SELECT name FROM sqlite_master WHERE type = 'table'", {}));
  if (tables.empty()) {
    return std::int64_t{0};
  }
  auto rows = connection.query("SELECT value FROM settings WHERE name = 'schema_version'", {});
  if (!rows || rows->empty()) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("'{}' is a SQLite file, but not of this program", path),
                "Point [server] data at another folder, or move that file away.");
  }
  const std::string& version = text(rows->front().front());
  std::int64_t number = 0;
  const auto [end, error] =
      std::from_chars(version.data(), version.data() + version.size(), number);
  if (error != std::errc() || end != version.data() + version.size() || number < 1) {
    return fail(ErrorCode::DataLoss,
                fmt::format("the metastore '{}' says '{}' is its schema version", path, version));
  }
  return number;
}

Status migrate(Connection& connection, const std::string& path) {
  LH_ASSIGN_OR_RETURN(const std::int64_t version, schema_version(connection, path));
  const std::int64_t newest = migrations().back().version;
  if (version > newest) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("the metastore '{}' has schema version {}, and this program knows {}",
                            path, version, newest),
                "Start the newer version of the program that wrote it.");
  }
  for (const Migration& migration : migrations()) {
    if (migration.version <= version) {
      continue;
    }
    for (const std::string_view statement : migration.statements) {
      LH_RETURN_IF_ERROR(connection.execute(statement, {}));
    }
    const std::array<Value, 1> parameters{std::to_string(migration.version)};
    LH_RETURN_IF_ERROR(connection.execute(
        "UPDATE settings SET value = $1 WHERE name = 'schema_version'", parameters));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Metastore>> open_sqlite(const std::string& path) {
  LH_ASSIGN_OR_RETURN(auto connection, Connection::open(path));
  LH_RETURN_IF_ERROR(connection->begin(detail::Mode::Write));
  Status migrated = migrate(*connection, path);
  if (migrated) {
    migrated = connection->commit();
  }
  if (!migrated) {
    connection->rollback();
    return std::unexpected(std::move(migrated).error().with_context("prepare the metastore"));
  }
  return std::make_unique<detail::PooledMetastore>(
      [path](detail::Mode mode) -> Result<std::unique_ptr<detail::Connection>> {
        LH_ASSIGN_OR_RETURN(auto opened, Connection::open(path));
        if (mode == detail::Mode::Read) {
          LH_RETURN_IF_ERROR(opened->execute("PRAGMA query_only = ON", {}));
        }
        return opened;
      });
}

}  // namespace lakehouse::metastore
