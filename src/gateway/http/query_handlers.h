#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>

#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"
#include "query/query_service.h"

namespace lakehouse::gateway::http {

/// SQL over HTTP: /query/sql, /query/explain, /query/running and DELETE /query/{id}.
///
/// Rows pass from the engine to the client as they come; no thread waits for either. Outlived by
/// what it refers to; outlives the router that it added its routes to.
class QueryHandlers {
 public:
  QueryHandlers(query::QueryService& service, Pools pools) : service_(service), pools_(pools) {}

  void add_routes(Router& router);

 private:
  net::awaitable<Result<Response>> run_sql(Request request);
  net::awaitable<Result<Response>> explain(Request request);
  net::awaitable<Result<Response>> list_running(Request request);
  net::awaitable<Result<Response>> cancel(Request request);

  query::QueryService& service_;
  Pools pools_;
};

}  // namespace lakehouse::gateway::http
