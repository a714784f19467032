#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "metastore/metastore.h"

namespace lakehouse::metastore::detail {

enum class Mode : std::uint8_t { Read, Write };

/// What has become of the transaction that `begin` opened.
enum class TransactionState : std::uint8_t {
  Open,      ///< It holds what was done in it.
  Undone,    ///< The store has undone all of it: what failed last cannot be part of it.
  Conflict,  ///< Undone by no fault of the work in it: the same may succeed in a new one.
};

/// One connection to a store, with one transaction at a time. Not thread-safe.
class Connection {
 public:
  Connection() = default;
  virtual ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  virtual Result<std::vector<Row>> query(std::string_view sql,
                                         std::span<const Value> parameters) = 0;
  /// Rows changed.
  virtual Result<std::int64_t> execute(std::string_view sql, std::span<const Value> parameters) = 0;

  virtual Status begin(Mode mode) = 0;
  /// Is not interrupted: its outcome would be unclear. CommitStateUnknown if it is anyway; any
  /// other error means that nothing was committed.
  virtual Status commit() = 0;
  /// Success, too, if the store has done it by itself.
  virtual void rollback() = 0;
  [[nodiscard]] virtual TransactionState state() const = 0;
  /// False once it is of no more use, for example since the store has gone away.
  [[nodiscard]] virtual bool usable() const = 0;

  /// Until `release`, statements end early when the context says so. The context outlives that.
  void obey(const RequestContext& context) { context_ = &context; }
  void release() { context_ = nullptr; }

 protected:
  /// Null while nobody is obeyed.
  [[nodiscard]] const RequestContext* context() const { return context_; }

 private:
  const RequestContext* context_ = nullptr;
};

using Opener = std::function<Result<std::unique_ptr<Connection>>(Mode mode)>;

/// What works see of a connection. Remembers that a statement has failed: after that a transaction
/// can only fail, whatever the store thinks.
class WorkTransaction final : public Transaction {
 public:
  explicit WorkTransaction(Connection& connection) : connection_(connection) {}

  using Transaction::execute;
  using Transaction::query;
  Result<std::vector<Row>> query(std::string_view sql, std::span<const Value> parameters) override;
  Result<std::int64_t> execute(std::string_view sql, std::span<const Value> parameters) override;

  [[nodiscard]] bool failed() const { return failed_; }

 private:
  [[nodiscard]] Status check() const;

  Connection& connection_;
  bool failed_ = false;
};

}  // namespace lakehouse::metastore::detail
