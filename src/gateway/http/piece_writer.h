#pragma once

#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "base/error.h"
#include "base/worker_pool.h"
#include "gateway/http/message.h"
#include "ingest/upload.h"

namespace lakehouse::gateway::http {

/// Writes an upload's pieces on a pool, each while the next is being received. Used by one
/// coroutine; what is still being written when it goes is finished without it.
class PieceWriter {
 public:
  PieceWriter(std::shared_ptr<ingest::Upload> upload, WorkerPool& pool, net::any_io_executor loop);
  ~PieceWriter();
  PieceWriter(const PieceWriter&) = delete;
  PieceWriter& operator=(const PieceWriter&) = delete;

  /// Waits for the piece before, then starts this one and empties `piece`. The error is that of
  /// any piece before.
  net::awaitable<Status> write(std::string* piece);
  /// Waits until all is written.
  net::awaitable<Status> finish();

 private:
  struct State;
  std::shared_ptr<State> state_;  ///< Shared with the work on the pool.
};

}  // namespace lakehouse::gateway::http
