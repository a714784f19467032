#include <array>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "metastore/metastore.h"
#include "metastore/migrations.h"
#include "metastore/sqlite/connection.h"

namespace lakehouse::metastore {
namespace {

using sqlite::Connection;

constexpr std::size_t kReadersMax = 8;
constexpr std::chrono::milliseconds kWaitStep{20};  // How soon a waiter notices that it is stopped.

class SqliteTransaction final : public Transaction {
 public:
  explicit SqliteTransaction(Connection& connection) : connection_(connection) {}

  Result<std::vector<Row>> query(std::string_view sql, std::span<const Value> parameters) override {
    return connection_.query(sql, parameters);
  }
  Result<std::int64_t> execute(std::string_view sql, std::span<const Value> parameters) override {
    return connection_.execute(sql, parameters);
  }

 private:
  Connection& connection_;
};

// Ends the transaction, and the connection's duty to its context, however the work ends.
class Scope {
 public:
  Scope(Connection& connection, const RequestContext& context) : connection_(connection) {
    connection_.obey(context);
  }
  ~Scope() {
    connection_.release();
    if (open_) {
      // Fails if SQLite has rolled back by itself, which is as good.
      [[maybe_unused]] const auto rolled_back = connection_.execute("ROLLBACK", {});
    }
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  Status begin(std::string_view how) {
    LH_RETURN_IF_ERROR(connection_.execute(how, {}));
    open_ = true;
    return {};
  }

  Status commit() {
    connection_
        .release();  // Once begun, a commit is not interrupted: its outcome would be unclear.
    auto committed = connection_.execute("COMMIT", {});
    if (committed) {
      open_ = false;
      return {};
    }
    Error error = std::move(committed).error();
    if (error.code == ErrorCode::Unavailable || error.code == ErrorCode::Internal) {
      // The last page may have reached the disk before the error: only a recovery would tell.
      error.code = ErrorCode::CommitStateUnknown;
    }
    return std::unexpected(std::move(error));
  }

 private:
  Connection& connection_;
  bool open_ = false;
};

class SqliteMetastore final : public Metastore {
 public:
  SqliteMetastore(std::string path, std::unique_ptr<Connection> writer)
      : path_(std::move(path)), writer_(std::move(writer)) {}

  Status write(const RequestContext& context,
               const std::function<Status(Transaction&)>& work) override {
    std::unique_lock lock(writer_mutex_, std::defer_lock);
    while (!lock.try_lock_for(kWaitStep)) {
      LH_RETURN_IF_ERROR(context.check());
    }
    LH_RETURN_IF_ERROR(context.check());
    Scope scope(*writer_, context);
    LH_RETURN_IF_ERROR(scope.begin("BEGIN IMMEDIATE"));
    SqliteTransaction transaction(*writer_);
    LH_RETURN_IF_ERROR(work(transaction));
    LH_RETURN_IF_ERROR(context.check());
    return scope.commit();
  }

  Status read(const RequestContext& context,
              const std::function<Status(Transaction&)>& work) override {
    LH_ASSIGN_OR_RETURN(std::unique_ptr<Connection> reader, take_reader(context));
    const ReaderLease lease(*this, std::move(reader));
    Scope scope(lease.connection(), context);
    LH_RETURN_IF_ERROR(scope.begin("BEGIN"));
    SqliteTransaction transaction(lease.connection());
    return work(transaction);
  }

 private:
  class ReaderLease {
   public:
    ReaderLease(SqliteMetastore& store, std::unique_ptr<Connection> connection)
        : store_(store), connection_(std::move(connection)) {}
    ~ReaderLease() { store_.give_reader(std::move(connection_)); }
    ReaderLease(const ReaderLease&) = delete;
    ReaderLease& operator=(const ReaderLease&) = delete;
    [[nodiscard]] Connection& connection() const { return *connection_; }

   private:
    SqliteMetastore& store_;
    std::unique_ptr<Connection> connection_;
  };

  Result<std::unique_ptr<Connection>> take_reader(const RequestContext& context) {
    std::unique_lock lock(readers_mutex_);
    while (idle_readers_.empty() && readers_ >= kReadersMax) {
      LH_RETURN_IF_ERROR(context.check());
      reader_returned_.wait_for(lock, kWaitStep);
    }
    LH_RETURN_IF_ERROR(context.check());
    if (!idle_readers_.empty()) {
      auto reader = std::move(idle_readers_.back());
      idle_readers_.pop_back();
      return reader;
    }
    LH_ASSIGN_OR_RETURN(auto reader, Connection::open(path_));
    LH_RETURN_IF_ERROR(reader->execute("PRAGMA query_only = ON", {}));
    ++readers_;
    return reader;
  }

  void give_reader(std::unique_ptr<Connection> reader) {
    {
      const std::scoped_lock lock(readers_mutex_);
      idle_readers_.push_back(std::move(reader));
    }
    reader_returned_.notify_one();
  }

  const std::string path_;

  std::timed_mutex writer_mutex_;  // Guards writer_.
  std::unique_ptr<Connection> writer_;

  std::mutex readers_mutex_;  // Guards what follows.
  std::condition_variable reader_returned_;
  std::vector<std::unique_ptr<Connection>> idle_readers_;
  std::size_t readers_ = 0;
};

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
  const RequestContext context;
  Scope scope(connection, context);
  LH_RETURN_IF_ERROR(scope.begin("BEGIN IMMEDIATE"));
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
  return scope.commit();
}

}  // namespace

const std::string& text(const Value& value) {
  return std::get<std::string>(value);
}

std::int64_t integer(const Value& value) {
  return std::get<std::int64_t>(value);
}

bool is_null(const Value& value) {
  return std::holds_alternative<std::monostate>(value);
}

Result<std::unique_ptr<Metastore>> open_sqlite(const std::string& path) {
  LH_ASSIGN_OR_RETURN(auto writer, Connection::open(path));
  if (Status migrated = migrate(*writer, path); !migrated) {
    return std::unexpected(std::move(migrated).error().with_context("prepare the metastore"));
  }
  return std::make_unique<SqliteMetastore>(path, std::move(writer));
}

}  // namespace lakehouse::metastore
