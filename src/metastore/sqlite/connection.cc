#include "metastore/sqlite/connection.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <thread>

#include <fmt/format.h>

namespace lakehouse::metastore::sqlite {
namespace {

constexpr std::size_t kStatementsMax = 256;
constexpr int kInstructionsPerCheck = 4000;  // About 50 us.
constexpr int kBusyWaitsMax = 10'000;        // Of 1 ms each: another process holds the file.
constexpr std::size_t kParametersMax = 64;

ErrorCode code_of(int code) {
  switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID: return ErrorCode::AlreadyExists;
    case SQLITE_CONSTRAINT_FOREIGNKEY: return ErrorCode::FailedPrecondition;
    default: break;
  }
  switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL: return ErrorCode::Unavailable;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG: return ErrorCode::ResourceExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ErrorCode::DataLoss;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH: return ErrorCode::PermissionDenied;
    case SQLITE_CONSTRAINT: return ErrorCode::InvalidArgument;
    default: return ErrorCode::Internal;
  }
}

Value column(sqlite3_stmt* statement, int i) {
  switch (sqlite3_column_type(statement, i)) {
    case SQLITE_INTEGER: return std::int64_t{sqlite3_column_int64(statement, i)};
    case SQLITE_FLOAT: return sqlite3_column_double(statement, i);
    case SQLITE_NULL: return std::monostate();
    default: {
      const void* text = sqlite3_column_blob(statement, i);
      const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, i));
      return text == nullptr ? std::string() : std::string(static_cast<const char*>(text), size);
    }
  }
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path) {
  std::unique_ptr<Connection> connection(new Connection);
  const int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int opened = sqlite3_open_v2(path.c_str(), &connection->db_, flags, nullptr);
  if (opened != SQLITE_OK) {
    return connection->error(opened, fmt::format("open the metastore '{}'", path));
  }
  sqlite3_busy_handler(connection->db_, &Connection::on_busy, connection.get());
  sqlite3_progress_handler(connection->db_, kInstructionsPerCheck, &Connection::on_progress,
                           connection.get());
  for (const std::string_view pragma :
       {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON"}) {
    auto done = connection->run(pragma, {});
    if (!done) {
      return std::unexpected(
          std::move(done).error().with_context(fmt::format("open the metastore '{}'", path)));
    }
  }
  return connection;
}

Connection::~Connection() {
  statements_.clear();
  sqlite3_close(db_);
}

int Connection::on_progress(void* self) {
  const auto* connection = static_cast<const Connection*>(self);
  return connection->context() != nullptr && !connection->context()->check() ? 1 : 0;
}

int Connection::on_busy(void* self, int waits) {
  if (on_progress(self) != 0 || waits >= kBusyWaitsMax) {
    return 0;
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return 1;
}

std::unexpected<Error> Connection::error(int code, std::string_view doing) const {
  if (context() != nullptr && ((code & 0xFF) == SQLITE_INTERRUPT || (code & 0xFF) == SQLITE_BUSY)) {
    if (Status given_up = context()->check(); !given_up) {
      return std::unexpected(std::move(given_up).error());
    }
  }
  const std::string_view detail = db_ != nullptr && sqlite3_extended_errcode(db_) == code
                                      ? sqlite3_errmsg(db_)
                                      : sqlite3_errstr(code);
  return fail(code_of(code), fmt::format("{}: {}", doing, detail));
}

Result<sqlite3_stmt*> Connection::prepare(std::string_view sql) {
  if (const auto found = statements_.find(sql); found != statements_.end()) {
    return found->second.get();
  }
  sqlite3_stmt* statement = nullptr;
  const int prepared = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                                          SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (prepared != SQLITE_OK) {
    return error(prepared, "prepare a metastore statement");
  }
  if (statements_.size() >= kStatementsMax) {
    statements_.clear();
  }
  return statements_.emplace(sql, statement).first->second.get();
}

Status Connection::bind(sqlite3_stmt* statement, std::span<const Value> parameters) {
  if (parameters.size() > kParametersMax) {
    return fail(ErrorCode::Internal, "a metastore statement has too many parameters");
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    std::array<char, 8> name{'$'};
    std::to_chars(name.data() + 1, name.data() + name.size() - 1, i + 1);
    const int at = sqlite3_bind_parameter_index(statement, name.data());
    if (at == 0) {
      return fail(ErrorCode::Internal,
                  fmt::format("a metastore statement has no parameter ${}", i + 1));
    }
    int bound = SQLITE_OK;
    if (const auto* number = std::get_if<std::int64_t>(&parameters[i])) {
      bound = sqlite3_bind_int64(statement, at, *number);
    } else if (const auto* text = std::get_if<std::string>(&parameters[i])) {
      // The parameters outlive the statement's run, so SQLite need not copy them.
      bound = sqlite3_bind_text64(statement, at, text->data(), text->size(), SQLITE_STATIC,
                                  SQLITE_UTF8);
    } else if (const auto* real = std::get_if<double>(&parameters[i])) {
      bound = sqlite3_bind_double(statement, at, *real);
    } else {
      bound = sqlite3_bind_null(statement, at);
    }
    if (bound != SQLITE_OK) {
      return error(bound, "bind a metastore parameter");
    }
  }
  return {};
}

Result<std::vector<Row>> Connection::run(std::string_view sql, std::span<const Value> parameters) {
  LH_ASSIGN_OR_RETURN(sqlite3_stmt* const statement, prepare(sql));
  // Reset in any case: a statement that is not keeps its read transaction open.
  const auto reset = [](sqlite3_stmt* used) {
    sqlite3_reset(used);
    sqlite3_clear_bindings(used);
  };
  const std::unique_ptr<sqlite3_stmt, decltype(reset)> in_use(statement, reset);
  LH_RETURN_IF_ERROR(bind(statement, parameters));
  std::vector<Row> rows;
  while (true) {
    const int stepped = sqlite3_step(statement);
    if (stepped == SQLITE_DONE) {
      return rows;
    }
    if (stepped != SQLITE_ROW) {
      return error(stepped, "metastore");
    }
    Row& row = rows.emplace_back();
    const int columns = sqlite3_column_count(statement);
    row.reserve(static_cast<std::size_t>(columns));
    for (int i = 0; i < columns; ++i) {
      row.push_back(column(statement, i));
    }
  }
}

Result<std::vector<Row>> Connection::query(std::string_view sql,
                                           std::span<const Value> parameters) {
  return run(sql, parameters);
}

Result<std::int64_t> Connection::execute(std::string_view sql, std::span<const Value> parameters) {
  LH_RETURN_IF_ERROR(run(sql, parameters));
  return std::int64_t{sqlite3_changes64(db_)};
}

std::optional<std::int64_t> Connection::data_version() {
  sqlite3_busy_handler(db_, nullptr, nullptr);
  const auto rows = run("PRAGMA data_version", {});
  return rows ? std::optional(integer(rows->front().front())) : std::nullopt;
}

Status Connection::begin(detail::Mode mode) {
  LH_RETURN_IF_ERROR(run(mode == detail::Mode::Write ? "BEGIN IMMEDIATE" : "BEGIN", {}));
  return {};
}

Status Connection::commit() {
  auto committed = run("COMMIT", {});
  if (committed) {
    return {};
  }
  Error error = std::move(committed).error();
  if (error.code == ErrorCode::Unavailable || error.code == ErrorCode::Internal) {
    // The last page may have reached the disk before the error: only a recovery would tell.
    error.code = ErrorCode::CommitStateUnknown;
  }
  return std::unexpected(std::move(error));
}

void Connection::rollback() {
  // Fails if SQLite has rolled back by itself, which is as good.
  [[maybe_unused]] const auto rolled_back = run("ROLLBACK", {});
}

detail::TransactionState Connection::state() const {
  // SQLite undoes a transaction by itself when the disk is full or fails, when memory ends, and
  // when a statement that writes is interrupted.
  return sqlite3_get_autocommit(db_) == 0 ? detail::TransactionState::Open
                                          : detail::TransactionState::Undone;
}

}  // namespace lakehouse::metastore::sqlite
