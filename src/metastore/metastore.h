#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"

namespace lakehouse::metastore {

/// NULL, integer, text, or a double.
using Value = std::variant<std::monostate, std::int64_t, std::string, double>;
using Row = std::vector<Value>;

/// The text or number in a cell that is known to hold one; a wrong type is a bug.
[[nodiscard]] const std::string& text(const Value& value);
[[nodiscard]] std::int64_t integer(const Value& value);
[[nodiscard]] bool is_null(const Value& value);

/// One transaction. Statements are fixed text in the SQL that SQLite and PostgreSQL share, with
/// parameters $1, $2...: never text made from input. Once a statement has failed the transaction
/// can only fail: PostgreSQL refuses whatever comes after. Not thread-safe.
class Transaction {
 public:
  virtual ~Transaction() = default;
  virtual Result<std::vector<Row>> query(std::string_view sql,
                                         std::span<const Value> parameters) = 0;
  /// Rows changed. AlreadyExists if a unique key forbids it.
  virtual Result<std::int64_t> execute(std::string_view sql, std::span<const Value> parameters) = 0;

  Result<std::vector<Row>> query(std::string_view sql,
                                 std::initializer_list<Value> parameters = {}) {
    return query(sql, std::span(parameters.begin(), parameters.size()));
  }
  Result<std::int64_t> execute(std::string_view sql, std::initializer_list<Value> parameters = {}) {
    return execute(sql, std::span(parameters.begin(), parameters.size()));
  }
};

/// The transactional store for pointers to Iceberg metadata and for small records that Iceberg has
/// no place for. Thread-safe. Calls block.
class Metastore {
 public:
  virtual ~Metastore() = default;

  /// Runs `work` in a serializable transaction that sees one state and may change it. Committed and
  /// durable when this returns success; not there at all if `work` fails. One writer at a time in
  /// this process; what waits together is made durable together. So `work` may run on another
  /// writer's thread, and more than once, each time on the state as it then is. It writes nowhere
  /// else, and not to this metastore either. CommitStateUnknown if the outcome cannot be known.
  virtual Status write(const RequestContext& context,
                       const std::function<Status(Transaction&)>& work) = 0;

  /// Runs `work` against one consistent state, beside any writer.
  virtual Status read(const RequestContext& context,
                      const std::function<Status(Transaction&)>& work) = 0;

  /// Differs from an earlier answer if anything was committed in between, by whomever; what was
  /// read after an equal answer still holds. Nothing where that takes a question to another
  /// machine. Cheap, and waits for nobody.
  [[nodiscard]] virtual std::optional<std::int64_t> version() { return std::nullopt; }
};

/// A SQLite file (WAL, synchronous=FULL), made and migrated if needed. FailedPrecondition if the
/// file was written by a newer version of this program.
Result<std::unique_ptr<Metastore>> open_sqlite(const std::string& path);

/// A PostgreSQL database (13 or later), or a schema of one that the URL's search_path names; its
/// tables are made and migrated if needed. Several servers may share it: a transaction that another
/// server's made impossible is run again. Unavailable if it cannot be reached; FailedPrecondition
/// as above.
Result<std::unique_ptr<Metastore>> open_postgres(const std::string& url);

/// By its URL: "postgresql://..." (or "postgres://..."), else the path of a SQLite file.
Result<std::unique_ptr<Metastore>> open(const std::string& url_or_path);
/// True for the URL of a metastore that several servers may share.
[[nodiscard]] bool is_shared(std::string_view url_or_path);

}  // namespace lakehouse::metastore
