#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>

#include "answer/rag_service.h"
#include "catalog/catalog.h"
#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"

namespace lakehouse::gateway::http {

/// POST /vectors/rag, whole or as server-sent events, and what is kept of its answers. Outlived by
/// what it refers to; outlives the router.
class RagHandlers {
 public:
  RagHandlers(answer::RagService& service, catalog::Catalog& catalog, Pools pools)
      : service_(service), catalog_(catalog), pools_(pools) {}

  void add_routes(Router& router);

 private:
  boost::asio::awaitable<Result<Response>> ask(Request request);
  boost::asio::awaitable<Result<Response>> receipts(Request request);
  boost::asio::awaitable<Result<Response>> receipt(Request request);
  boost::asio::awaitable<Result<Response>> replay(Request request);

  answer::RagService& service_;
  catalog::Catalog& catalog_;
  Pools pools_;
};

}  // namespace lakehouse::gateway::http
