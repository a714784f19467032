#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "metastore/detail/pooled_metastore.h"
#include "metastore/detail/schema.h"
#include "metastore/metastore.h"
#include "metastore/sqlite/connection.h"

namespace lakehouse::metastore {

using sqlite::Connection;

namespace {

class SqliteMetastore final : public detail::PooledMetastore {
 public:
  SqliteMetastore(detail::Opener open, std::unique_ptr<Connection> onlooker)
      : PooledMetastore(std::move(open)), onlooker_(std::move(onlooker)) {}

  std::optional<std::int64_t> version() override {
    const std::scoped_lock lock(mutex_);
    return onlooker_->data_version();
  }

 private:
  std::mutex mutex_;
  const std::unique_ptr<Connection> onlooker_;  ///< Writes nothing, so all commits are others'.
};

}  // namespace

Result<std::unique_ptr<Metastore>> open_sqlite(const std::string& path) {
  const detail::SchemaDialect dialect{
      .store = fmt::format("the metastore '{}'", path),
      .tables_sql = "SELECT name FROM sqlite_master WHERE type = 'table'",
      .hint = "Point [server] data at another folder, or move that file away."};
  LH_ASSIGN_OR_RETURN(auto connection, Connection::open(path));
  LH_RETURN_IF_ERROR(connection->begin(detail::Mode::Write));
  Status migrated = detail::migrate(*connection, dialect);
  if (migrated) {
    migrated = connection->commit();
  }
  if (!migrated) {
    connection->rollback();
    return std::unexpected(std::move(migrated).error().with_context("prepare the metastore"));
  }
  auto open = [path](detail::Mode mode) -> Result<std::unique_ptr<detail::Connection>> {
    LH_ASSIGN_OR_RETURN(auto opened, Connection::open(path));
    if (mode == detail::Mode::Read) {
      LH_RETURN_IF_ERROR(opened->execute("PRAGMA query_only = ON", {}));
    }
    return opened;
  };
  return std::make_unique<SqliteMetastore>(std::move(open), std::move(connection));
}

}  // namespace lakehouse::metastore
