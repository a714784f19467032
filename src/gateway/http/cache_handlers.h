#pragma once

#include <boost/asio/awaitable.hpp>

#include "catalog/catalog.h"
#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"
#include "query/hot_tables.h"
#include "query/query_service.h"

namespace lakehouse::gateway::http {

/// What is kept in memory for queries: /query/cache/pin, /evict and /stats. Outlived by what it
/// refers to; outlives the router.
class CacheHandlers {
 public:
  CacheHandlers(query::HotTables& hot, query::QueryService& service, catalog::Catalog& catalog,
                Pools pools)
      : hot_(hot), service_(service), catalog_(catalog), pools_(pools) {}

  void add_routes(Router& router);

 private:
  net::awaitable<Result<Response>> pin(Request request);
  net::awaitable<Result<Response>> evict(Request request);
  net::awaitable<Result<Response>> stats(Request request);

  query::HotTables& hot_;
  query::QueryService& service_;
  catalog::Catalog& catalog_;
  Pools pools_;
};

}  // namespace lakehouse::gateway::http
