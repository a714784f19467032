#include "metastore/detail/schema.h"

#include <array>
#include <charconv>

#include <fmt/format.h>

#include "metastore/migrations.h"

namespace lakehouse::metastore::detail {
namespace {

// 0 for a store that is new and empty.
Result<std::int64_t> schema_version(Connection& connection, const SchemaDialect& dialect) {
  LH_ASSIGN_OR_RETURN(const auto tables, connection.query(dialect.tables_sql, {}));
  if (tables.empty()) {
    return std::int64_t{0};
  }
  auto rows = connection.query("SELECT value FROM settings WHERE name = 'schema_version'", {});
  if (!rows || rows->empty()) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("{} holds tables, but not of this program", dialect.store),
                dialect.hint);
  }
  const std::string& version = text(rows->front().front());
  std::int64_t number = 0;
  const auto [end, error] =
      std::from_chars(version.data(), version.data() + version.size(), number);
  if (error != std::errc() || end != version.data() + version.size() || number < 1) {
    return fail(ErrorCode::DataLoss,
                fmt::format("{} says '{}' is its schema version", dialect.store, version));
  }
  return number;
}

}  // namespace

Status migrate(Connection& connection, const SchemaDialect& dialect) {
  LH_ASSIGN_OR_RETURN(const std::int64_t version, schema_version(connection, dialect));
  const std::int64_t newest = migrations().back().version;
  if (version > newest) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("{} has schema version {}, and this program knows {}", dialect.store,
                            version, newest),
                "Start the newer version of the program that wrote it.");
  }
  for (const Migration& migration : migrations()) {
    if (migration.version <= version) {
      continue;
    }
    for (const std::string_view statement : migration.statements) {
      LH_RETURN_IF_ERROR(connection.execute(
          dialect.adapt == nullptr ? std::string(statement) : dialect.adapt(statement), {}));
    }
    const std::array<Value, 1> parameters{std::to_string(migration.version)};
    LH_RETURN_IF_ERROR(connection.execute(
        "UPDATE settings SET value = $1 WHERE name = 'schema_version'", parameters));
  }
  return {};
}

}  // namespace lakehouse::metastore::detail
