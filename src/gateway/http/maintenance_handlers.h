#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>

#include "catalog/catalog.h"
#include "catalog/rebuild.h"
#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"
#include "metastore/metastore.h"
#include "query/size_resync.h"

namespace lakehouse::gateway::http {

/// Repairs of the catalog over HTTP. Outlived by what it refers to; outlives the router.
class MaintenanceHandlers {
 public:
  MaintenanceHandlers(catalog::Catalog& catalog, metastore::Metastore& metastore,
                      query::SizeResync sizes, Pools pools)
      : catalog_(catalog), metastore_(metastore), sizes_(sizes), pools_(pools) {}

  void add_routes(Router& router);

 private:
  boost::asio::awaitable<Result<Response>> rebuild(Request request);
  Result<Response> rebuild_now(const RequestContext& context,
                               const catalog::RebuildOptions& options, const std::string& key);
  boost::asio::awaitable<Result<Response>> resync(Request request);
  Result<Response> resync_now(const RequestContext& context, bool verify, const std::string& key);
  void add_resync_route(Router& router);

  catalog::Catalog& catalog_;
  metastore::Metastore& metastore_;
  query::SizeResync sizes_;
  Pools pools_;
};

}  // namespace lakehouse::gateway::http
