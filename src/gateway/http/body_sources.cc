#include "gateway/http/body_sources.h"

#include <optional>
#include <stop_token>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace lakehouse::gateway::http {
namespace {

constexpr auto kToken = net::as_tuple(net::use_awaitable);
constexpr std::size_t kObjectPieceBytes = std::size_t{256} << 10U;

class EngineBody final : public BodySource {
 public:
  EngineBody(std::unique_ptr<engine::ResultStream> stream, Envelope envelope,
             RequestContext context)
      : stream_(std::move(stream)), envelope_(std::move(envelope)), context_(std::move(context)) {}

  ~EngineBody() override {
    if (descriptor_) {
      descriptor_->release();  // The stream owns it.
    }
    if (!finished_) {
      finish(fail(ErrorCode::Cancelled, "the client went away"));
    }
  }
  EngineBody(const EngineBody&) = delete;
  EngineBody& operator=(const EngineBody&) = delete;

  net::awaitable<Result<std::optional<std::string>>> next() override {
    if (finished_) {
      co_return std::nullopt;
    }
    while (true) {
      Result<engine::ResultStream::Poll> poll = stream_->try_next();
      if (!poll) {
        co_return failed(std::move(poll).error());
      }
      if (poll->ready && poll->bytes) {
        co_return take(*std::move(poll->bytes));
      }
      if (poll->ready) {
        std::string last = take(envelope_.suffix ? envelope_.suffix(stream_->end()) : "");
        finish({});
        if (last.empty()) {
          co_return std::nullopt;
        }
        co_return last;
      }
      Status waited = co_await wait();
      if (!waited) {
        co_return failed(std::move(waited).error());
      }
    }
  }

 private:
  // The prefix goes with the first piece: one write fewer, and an early failure has sent nothing.
  std::string take(std::string bytes) {
    if (envelope_.prefix.empty()) {
      return bytes;
    }
    std::string joined = std::exchange(envelope_.prefix, {});
    joined += bytes;
    return joined;
  }

  std::unexpected<Error> failed(Error error) {
    finish(std::unexpected(error));
    return std::unexpected(envelope_.map_error ? envelope_.map_error(std::move(error))
                                               : std::move(error));
  }

  void finish(const Status& status) {
    finished_ = true;
    if (envelope_.finished) {
      envelope_.finished(status);
    }
  }

  /// Until the descriptor has something, the deadline passes or the client goes away. All of them
  /// happen on the session's strand, so they cannot overtake each other.
  net::awaitable<Status> wait() {
    LH_CO_RETURN_IF_ERROR(context_.check());
    const net::any_io_executor executor = co_await net::this_coro::executor;
    if (!descriptor_) {
      descriptor_ = std::make_shared<net::posix::stream_descriptor>(executor, stream_->fd());
      timer_.emplace(executor);
    }
    if (context_.deadline != std::chrono::steady_clock::time_point::max()) {
      timer_->expires_at(context_.deadline);
      timer_->async_wait([descriptor = descriptor_](boost::system::error_code ec) {
        if (!ec) {
          descriptor->cancel(ec);
        }
      });
    }
    // Posted: a query is cancelled from any thread, and a descriptor is not thread-safe.
    const std::stop_callback on_stop(context_.stop, [executor, descriptor = descriptor_] {
      net::post(executor, [descriptor] {
        boost::system::error_code ignored;
        descriptor->cancel(ignored);
      });
    });
    const auto [ec] =
        co_await descriptor_->async_wait(net::posix::stream_descriptor::wait_read, kToken);
    timer_->cancel();
    static_cast<void>(ec);
    co_return context_.check();
  }

  std::unique_ptr<engine::ResultStream> stream_;
  Envelope envelope_;
  RequestContext context_;
  std::shared_ptr<net::posix::stream_descriptor> descriptor_;  ///< Shared with the timer's handler.
  std::optional<net::steady_timer> timer_;
  bool finished_ = false;
};

class ObjectBody final : public BodySource {
 public:
  ObjectBody(std::shared_ptr<storage::ObjectReader> reader, std::uint64_t size_bytes,
             WorkerPool& pool)
      : reader_(std::move(reader)), size_bytes_(size_bytes), pool_(pool) {}

  net::awaitable<Result<std::optional<std::string>>> next() override {
    auto read = [reader = reader_]() -> Result<std::optional<std::string>> {
      std::string piece(kObjectPieceBytes, '\0');
      LH_ASSIGN_OR_RETURN(const std::size_t count,
                          reader->read(std::as_writable_bytes(std::span(piece))));
      if (count == 0) {
        return std::nullopt;
      }
      piece.resize(count);
      return piece;
    };
    co_return co_await run_on(pool_, std::move(read));
  }

  [[nodiscard]] std::optional<std::uint64_t> size_bytes() const override { return size_bytes_; }

 private:
  std::shared_ptr<storage::ObjectReader> reader_;  ///< Shared with the read that runs.
  std::uint64_t size_bytes_;
  WorkerPool& pool_;
};

}  // namespace

std::unique_ptr<BodySource> engine_body(std::unique_ptr<engine::ResultStream> stream,
                                        Envelope envelope, RequestContext context) {
  return std::make_unique<EngineBody>(std::move(stream), std::move(envelope), std::move(context));
}

std::unique_ptr<BodySource> object_body(std::unique_ptr<storage::ObjectReader> reader,
                                        std::uint64_t size_bytes, WorkerPool& pool) {
  return std::make_unique<ObjectBody>(std::move(reader), size_bytes, pool);
}

}  // namespace lakehouse::gateway::http
