#pragma once

#include <functional>
#include <string>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/json/value.hpp>

#include "catalog/catalog.h"
#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"
#include "vector/vector_service.h"

namespace lakehouse::gateway::http {

/// Vector indexes over HTTP: made, listed, searched, refreshed, dropped; their generations.
/// Outlived by what it refers to; outlives the router.
class VectorHandlers {
 public:
  VectorHandlers(vector::VectorService& service, catalog::Catalog& catalog, Pools pools)
      : service_(service), catalog_(catalog), pools_(pools) {}

  void add_routes(Router& router);
  /// To be told of every search that was answered. Quick, and thread-safe.
  using OnSearch = std::function<void(const RequestContext&, const vector::SearchRequest&)>;
  void on_search(OnSearch call) { on_search_ = std::move(call); }

 private:
  void add_index_routes(Router& router);
  void add_generation_routes(Router& router);
  boost::asio::awaitable<Result<Response>> create(Request request);
  boost::asio::awaitable<Result<Response>> list(Request request);
  boost::asio::awaitable<Result<Response>> show(Request request);
  boost::asio::awaitable<Result<Response>> change(Request request);
  boost::asio::awaitable<Result<Response>> drop(Request request);
  boost::asio::awaitable<Result<Response>> search(Request request);
  boost::asio::awaitable<Result<Response>> refresh(Request request);
  boost::asio::awaitable<Result<Response>> stale(Request request);
  boost::asio::awaitable<Result<Response>> build_beside(Request request);
  boost::asio::awaitable<Result<Response>> switch_to(Request request);
  boost::asio::awaitable<Result<Response>> drop_generation(Request request);
  boost::asio::awaitable<Result<Response>> cache_stats(Request request);
  Result<Response> create_now(const RequestContext& context, const vector::IndexSpec& spec,
                              const std::string& key, const std::string& what);

  vector::VectorService& service_;
  catalog::Catalog& catalog_;
  Pools pools_;
  OnSearch on_search_;
};

}  // namespace lakehouse::gateway::http
