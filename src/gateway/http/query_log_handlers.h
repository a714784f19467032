#pragma once

#include <boost/asio/awaitable.hpp>

#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"
#include "query/query_log.h"
#include "query/query_service.h"

namespace lakehouse::gateway::http {

/// The statements that were run, over HTTP: /query/log. Outlived by what it refers to; outlives the
/// router.
class QueryLogHandlers {
 public:
  QueryLogHandlers(query::QueryLog& log, query::QueryService& service, Pools pools)
      : log_(log), service_(service), pools_(pools) {}

  void add_routes(Router& router);

 private:
  net::awaitable<Result<Response>> list(Request request);
  net::awaitable<Result<Response>> show(Request request);
  net::awaitable<Result<Response>> plan(Request request);

  query::QueryLog& log_;
  query::QueryService& service_;
  Pools pools_;
};

}  // namespace lakehouse::gateway::http
