#include "gateway/http/piece_writer.h"

#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace lakehouse::gateway::http {

/// Touched by the pool's thread only between `submit` and the post to the loop.
struct PieceWriter::State {
  State(std::shared_ptr<ingest::Upload> upload_in, WorkerPool& pool_in,
        const net::any_io_executor& loop)
      : upload(std::move(upload_in)), pool(pool_in), done(loop) {}

  std::shared_ptr<ingest::Upload> upload;
  WorkerPool& pool;
  std::string piece;
  Status outcome;
  bool writing = false;
  net::steady_timer done;  ///< Never expires; cancelled when the piece is written.
};

PieceWriter::PieceWriter(std::shared_ptr<ingest::Upload> upload, WorkerPool& pool,
                         net::any_io_executor loop)
    : state_(std::make_shared<State>(std::move(upload), pool, loop)) {}

PieceWriter::~PieceWriter() = default;

net::awaitable<Status> PieceWriter::finish() {
  while (state_->writing) {
    state_->done.expires_at(net::steady_timer::time_point::max());
    constexpr auto quietly = net::as_tuple(net::use_awaitable);
    co_await state_->done.async_wait(quietly);
  }
  co_return state_->outcome;
}

net::awaitable<Status> PieceWriter::write(std::string* piece) {
  LH_CO_RETURN_IF_ERROR(co_await finish());
  state_->piece.swap(*piece);
  piece->clear();
  state_->writing = true;
  auto work = [state = state_] {
    Status outcome = state->upload->write(state->piece);
    net::post(state->done.get_executor(), [state, outcome = std::move(outcome)]() mutable {
      state->outcome = std::move(outcome);
      state->writing = false;
      state->done.cancel();
    });
  };
  if (Status accepted = state_->pool.submit(std::move(work)); !accepted) {
    state_->writing = false;
    co_return accepted;
  }
  co_return Status();
}

}  // namespace lakehouse::gateway::http
