#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <libpq-fe.h>

#include "base/error.h"
#include "metastore/detail/connection.h"

namespace lakehouse::metastore::postgres {

/// A session on a PostgreSQL server, with prepared statements. Its transactions that write are
/// serializable; one that loses to another
/// server's is a Conflict.
class Connection final : public detail::Connection {
 public:
  /// Unavailable if the server does not answer or refuses.
  static Result<std::unique_ptr<Connection>> open(const std::string& url, detail::Mode mode);

  Result<std::vector<Row>> query(std::string_view sql, std::span<const Value> parameters) override;
  Result<std::int64_t> execute(std::string_view sql, std::span<const Value> parameters) override;
  Status begin(detail::Mode mode) override;
  /// When the connection is lost meanwhile, a new one is asked what became of the transaction.
  Status commit() override;
  void rollback() override;
  [[nodiscard]] detail::TransactionState state() const override { return state_; }
  [[nodiscard]] bool usable() const override { return !lost_; }

  /// A transaction in which each statement sees what is committed: for making the tables.
  Status begin_read_committed();
  /// "postgresql://host:port/database", without secrets.
  [[nodiscard]] std::string name() const;

 private:
  struct Closer {
    void operator()(PGconn* connection) const { PQfinish(connection); }
    void operator()(PGresult* result) const { PQclear(result); }
  };
  using Answer = std::unique_ptr<PGresult, Closer>;
  using Clock = std::chrono::steady_clock;

  Connection() = default;
  Status prepare_session(detail::Mode mode);
  Status take_turn();
  Result<Answer> end(std::string_view how);
  Result<Answer> run(std::string_view sql, std::span<const Value> parameters);
  Result<Answer> run_simple(const char* sql);
  Result<std::string> prepare(std::string_view sql, std::span<const Value> parameters);
  Result<Answer> receive();
  Status wait_for_answer();
  Status wait_for_socket(bool to_write);
  Result<Answer> check(Answer answer);
  std::unexpected<Error> lost(std::string_view why);
  [[nodiscard]] Status outcome_of_lost_commit(const std::string& problem) const;

  std::string url_;
  std::unique_ptr<PGconn, Closer> connection_;
  std::map<std::string, std::string, std::less<>> prepared_;  // Its name, by statement and types.
  std::size_t names_ = 0;
  detail::TransactionState state_ = detail::TransactionState::Open;
  bool lost_ = false;
  std::int64_t turn_ = 0;  ///< The lock of who writes.
  bool has_turn_ = false;
  /// Which history of which server this is, and which transaction is open: with both, another
  /// session can tell whether it was committed.
  std::string history_;
  std::string transaction_;
};

}  // namespace lakehouse::metastore::postgres
