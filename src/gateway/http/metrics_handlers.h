#pragma once

#include <boost/asio/awaitable.hpp>

#include "catalog/catalog.h"
#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"

namespace lakehouse::gateway::http {

/// What clients reported about their scans and commits of a dataset. Outlived by what it refers to;
/// outlives the router.
class MetricsHandlers {
 public:
  MetricsHandlers(catalog::Catalog& catalog, Pools pools) : catalog_(catalog), pools_(pools) {}

  void add_routes(Router& router);

 private:
  net::awaitable<Result<Response>> list(Request request);
  Result<Response> list_now(const Request& request);

  catalog::Catalog& catalog_;
  Pools pools_;
};

}  // namespace lakehouse::gateway::http
