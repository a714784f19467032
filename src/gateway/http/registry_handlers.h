#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>

#include "catalog/registry.h"
#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"
#include "query/view_lineage.h"

namespace lakehouse::gateway::http {

/// What is known about datasets over HTTP: their metadata and its history, lineage, rollback.
/// Outlived by what it refers to; outlives the router.
class RegistryHandlers {
 public:
  RegistryHandlers(catalog::Registry& registry, catalog::Catalog& catalog,
                   query::ViewLineage& views, Pools pools)
      : registry_(registry), catalog_(catalog), views_(views), pools_(pools) {}

  void add_routes(Router& router);

 private:
  net::awaitable<Result<Response>> show(Request request);
  net::awaitable<Result<Response>> patch(Request request);
  net::awaitable<Result<Response>> list_history(Request request);
  net::awaitable<Result<Response>> show_lineage(Request request);
  net::awaitable<Result<Response>> list_runs(Request request);
  net::awaitable<Result<Response>> rollback(Request request);
  Result<Response> rollback_now(const RequestContext& context, const std::string& name,
                                std::int64_t snapshot_id, const std::string& key);
  Result<catalog::TableIdentifier> dataset_or_view(const RequestContext& context,
                                                   const std::string& name);
  void add_lineage_routes(Router& router);
  void add_rollback_route(Router& router);

  catalog::Registry& registry_;
  catalog::Catalog& catalog_;
  query::ViewLineage& views_;
  Pools pools_;
};

}  // namespace lakehouse::gateway::http
