#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "base/unique_fd.h"
#include "engine/child/duck.h"
#include "engine/child/encoder.h"
#include "engine/child/row_masks.h"
#include "engine/child/sql_tree.h"
#include "engine/child/watcher.h"
#include "engine/frame.h"
#include "engine/wire/messages.h"

namespace lakehouse::engine {

/// One connection from the server: takes requests and answers them until the other side closes.
/// Not thread-safe; runs on a thread of its own.
class Session {
 public:
  Session(UniqueFd fd, const Database& database, Watcher& watcher, RowMasks& masks)
      : fd_(std::move(fd)),
        reader_(fd_.get()),
        writer_(fd_.get()),
        database_(database),
        watcher_(watcher),
        masks_(masks) {}

  void run();

 private:
  /// A statement made ready on its own connection.
  struct Ready {
    std::string sql;
    Prepared prepared;
  };

  // What a request answers is sent within; an error is for `run` to send.
  Status answer(const Request& request);
  Status answer_parse(const Request& request);
  Status answer_describe(const Connection& connection, const Statement& statement);
  Status answer_execute(const Connection& connection, const Request& request,
                        const Watcher::Guard& guard);
  Status run_statement(const Connection& connection, const Request& request,
                       const Watcher::Guard& guard);

  Result<SqlTree*> tree();
  Result<Connection> take_connection();
  Result<Ready> prepare(const Connection& connection, const Statement& statement);
  Error true_error(const Connection& connection, const Statement& statement, Error error,
                   const Watcher::Guard& guard);
  /// Runs a query for its error alone.
  Status run_in_vain(const Connection& connection, const Statement& statement);
  /// Sends the columns and the rows; what is left is the end.
  Result<ResultEnd> stream(QueryResult& result, DataChunk first, const ResultShape& shape,
                           const Statement& statement);
  Status send_error(const Error& error);

  UniqueFd fd_;
  FrameReader reader_;
  FrameWriter writer_;
  const Database& database_;
  Watcher& watcher_;
  RowMasks& masks_;
  std::optional<SqlTree> tree_;
  std::optional<Connection> spare_;  // Made while nobody waits.
  Deadline deadline_ = Deadline::max();
};

}  // namespace lakehouse::engine
