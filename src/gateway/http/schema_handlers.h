#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>

#include "catalog/catalog.h"
#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"
#include "ingest/schema_service.h"

namespace lakehouse::gateway::http {

/// Schema evolution over HTTP: what differs, what is done about it, and what was remembered.
/// Outlived by what it refers to; outlives the router.
class SchemaHandlers {
 public:
  SchemaHandlers(ingest::SchemaService& service, catalog::Catalog& catalog, Pools pools)
      : service_(service), catalog_(catalog), pools_(pools) {}

  void add_routes(Router& router);

 private:
  net::awaitable<Result<Response>> diff(Request request);
  net::awaitable<Result<Response>> migrate(Request request);
  net::awaitable<Result<Response>> list_rules(Request request);
  net::awaitable<Result<Response>> forget_rules(Request request);
  Result<Response> migrate_now(const RequestContext& context, const ingest::MigrateRequest& migrate,
                               const std::string& key, const std::string& what);

  ingest::SchemaService& service_;
  catalog::Catalog& catalog_;
  Pools pools_;
};

}  // namespace lakehouse::gateway::http
