#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sqlite3.h>

#include "base/error.h"
#include "metastore/detail/connection.h"

namespace lakehouse::metastore::sqlite {

/// A SQLite file, with prepared statements.
class Connection final : public detail::Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const std::string& path);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result<std::vector<Row>> query(std::string_view sql, std::span<const Value> parameters) override;
  Result<std::int64_t> execute(std::string_view sql, std::span<const Value> parameters) override;
  Status begin(detail::Mode mode) override;
  Status commit() override;
  void rollback() override;
  [[nodiscard]] detail::TransactionState state() const override;
  [[nodiscard]] bool usable() const override { return true; }

  /// Changes with every commit of other connections. Nothing, at once, if the file is locked.
  std::optional<std::int64_t> data_version();

 private:
  struct StatementCloser {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  using Statement = std::unique_ptr<sqlite3_stmt, StatementCloser>;

  Connection() = default;
  static int on_progress(void* self);
  static int on_busy(void* self, int waits);
  Result<sqlite3_stmt*> prepare(std::string_view sql);
  Status bind(sqlite3_stmt* statement, std::span<const Value> parameters);
  [[nodiscard]] std::unexpected<Error> error(int code, std::string_view doing) const;
  Result<std::vector<Row>> run(std::string_view sql, std::span<const Value> parameters);

  sqlite3* db_ = nullptr;
  std::map<std::string, Statement, std::less<>> statements_;
};

}  // namespace lakehouse::metastore::sqlite
