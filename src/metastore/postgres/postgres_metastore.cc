#include <array>
#include <utility>

#include "metastore/detail/pooled_metastore.h"
#include "metastore/detail/schema.h"
#include "metastore/metastore.h"
#include "metastore/postgres/connection.h"

namespace lakehouse::metastore {
namespace {

using postgres::Connection;

constexpr std::int64_t kMigrationLock = 0x6C616B65'686F7573;  // "lakehous", for advisory locks.

// Texts compare by their bytes, as in SQLite, whatever the database's collation is.
std::string adapt(std::string_view statement) {
  constexpr std::string_view kType = " TEXT";
  std::string adapted(statement);
  if (!statement.starts_with("CREATE TABLE") && !statement.starts_with("ALTER TABLE")) {
    return adapted;
  }
  constexpr std::string_view kCollation = " COLLATE \"C\"";
  for (std::size_t at = adapted.find(kType); at != std::string::npos;
       at = adapted.find(kType, at + kType.size())) {
    adapted.insert(at + kType.size(), kCollation);
  }
  return adapted;
}

Status prepare(Connection& connection) {
  // Servers that start together make the tables one after the other.
  LH_RETURN_IF_ERROR(connection.begin_read_committed());
  const std::array<Value, 1> lock{kMigrationLock};
  LH_RETURN_IF_ERROR(connection.query("SELECT pg_advisory_xact_lock($1)", lock));
  LH_ASSIGN_OR_RETURN(const auto schema, connection.query("SELECT current_schema()", {}));
  if (is_null(schema.front().front())) {
    return fail(ErrorCode::FailedPrecondition,
                "the schema that the metastore's search_path names does not exist",
                "Make it with CREATE SCHEMA.");
  }
  LH_RETURN_IF_ERROR(detail::migrate(
      connection, {.store = "the metastore " + connection.name(),
                   .tables_sql = "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = "
                                 "c.relnamespace WHERE n.nspname = current_schema() AND c.relkind "
                                 "IN ('r', 'p', 'v', 'm', 'f')",
                   .hint = "Give it a database of its own, or a schema of its own by "
                           "?options=-csearch_path%3DNAME at the end of the URL.",
                   .adapt = adapt}));
  return connection.commit();
}

}  // namespace

Result<std::unique_ptr<Metastore>> open_postgres(const std::string& url) {
  LH_ASSIGN_OR_RETURN(auto connection, Connection::open(url, detail::Mode::Write));
  if (Status prepared = prepare(*connection); !prepared) {
    return std::unexpected(std::move(prepared).error().with_context("prepare the metastore"));
  }
  return std::make_unique<detail::PooledMetastore>(
      [url](detail::Mode mode) -> Result<std::unique_ptr<detail::Connection>> {
        LH_ASSIGN_OR_RETURN(auto opened, Connection::open(url, mode));
        return opened;
      });
}

}  // namespace lakehouse::metastore
