#pragma once

#include <concepts>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.h"
#include "base/worker_pool.h"

namespace lakehouse::gateway::http {

/// The pools that handlers send blocking work to. Separate, so that slow queries do not starve the
/// catalog; each bounded. They are outlived by the event loop, which their threads still wake.
struct Pools {
  WorkerPool& storage;  ///< Catalog, metastore and object stores.
  WorkerPool& engine;   ///< Waiting for engines: queries, ingest.
  WorkerPool& jobs;     ///< What takes long and nobody waits for at once.
};

/// Runs `work`, which returns a Result, on a pool's thread, then goes on where the caller was:
///   auto load = [this, context = request.context, id] { return catalog_.load_table(context, id);
///   }; LH_ASSIGN_OR_CO_RETURN(auto table, co_await run_on(pools_.storage, std::move(load)));
/// ResourceExhausted if the pool is full. What `work` throws is thrown here.
///
/// Give `work` a name before the co_await: g++ 12 destroys a capturing lambda twice if it is made
/// inside a co_await expression.
template <std::invocable Work>
boost::asio::awaitable<std::invoke_result_t<Work>> run_on(WorkerPool& pool, Work work) {
  namespace net = boost::asio;
  using Answer = std::invoke_result_t<Work>;
  const net::any_io_executor caller = co_await net::this_coro::executor;
  std::optional<Answer> answer;
  std::exception_ptr thrown;

  auto start = [&](auto handler) {
    // Shared by the work and the refusal; the handler itself moves only.
    auto done = std::make_shared<decltype(handler)>(std::move(handler));
    const net::any_io_executor executor = caller;
    auto run = [&answer, &thrown, executor, done, held = std::move(work)]() mutable {
      try {
        answer.emplace(std::move(held)());
      } catch (...) {
        thrown = std::current_exception();
      }
      net::post(executor, [done = std::move(done)]() mutable { std::move (*done)(); });
    };
    if (Status accepted = pool.submit(std::move(run)); !accepted) {
      answer.emplace(std::unexpected(std::move(accepted).error()));
      net::post(executor, [done]() mutable { std::move (*done)(); });
    }
  };
  co_await net::async_initiate<const net::use_awaitable_t<>, void()>(std::move(start),
                                                                     net::use_awaitable);
  if (thrown) {
    std::rethrow_exception(thrown);
  }
  co_return *std::move(answer);
}

}  // namespace lakehouse::gateway::http
