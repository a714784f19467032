#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sqlite3.h>

#include "base/error.h"
#include "base/request_context.h"
#include "metastore/metastore.h"

namespace lakehouse::metastore::sqlite {

/// One connection to a SQLite file, with its prepared statements. Not thread-safe.
class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const std::string& path);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result<std::vector<Row>> query(std::string_view sql, std::span<const Value> parameters);
  /// Rows changed.
  Result<std::int64_t> execute(std::string_view sql, std::span<const Value> parameters);

  /// Until `release`, statements end early when the context says so. The context outlives that.
  void obey(const RequestContext& context) { context_ = &context; }
  void release() { context_ = nullptr; }

  /// What a failed call of SQLite means. `doing` says what failed.
  [[nodiscard]] std::unexpected<Error> error(int code, std::string_view doing) const;

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
  Result<std::vector<Row>> run(std::string_view sql, std::span<const Value> parameters);

  sqlite3* db_ = nullptr;
  const RequestContext* context_ = nullptr;
  std::map<std::string, Statement, std::less<>> statements_;
};

}  // namespace lakehouse::metastore::sqlite
