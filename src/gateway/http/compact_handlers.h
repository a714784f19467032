#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>

#include "catalog/catalog.h"
#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"
#include "query/compaction.h"

namespace lakehouse::gateway::http {

/// POST /query/compact. Outlived by what it refers to; outlives the router.
class CompactHandlers {
 public:
  CompactHandlers(query::Compactor compactor, catalog::Catalog& catalog, Pools pools)
      : compactor_(compactor), catalog_(catalog), pools_(pools) {}

  void add_routes(Router& router);

 private:
  boost::asio::awaitable<Result<Response>> compact(Request request);
  Result<Response> compact_now(const RequestContext& context, const std::string& dataset,
                               std::uint64_t target, const std::string& key);

  query::Compactor compactor_;
  catalog::Catalog& catalog_;
  Pools pools_;
};

}  // namespace lakehouse::gateway::http
