#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>

#include "catalog/catalog.h"
#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"
#include "ingest/dataset_service.h"

namespace lakehouse::gateway::http {

/// Datasets over HTTP: list, show, make and drop them, and their snapshots. Outlived by what it
/// refers to; outlives the router.
class DatasetHandlers {
 public:
  DatasetHandlers(ingest::DatasetService& service, catalog::Catalog& catalog, Pools pools)
      : service_(service), catalog_(catalog), pools_(pools) {}

  void add_routes(Router& router);

 private:
  net::awaitable<Result<Response>> list(Request request);
  net::awaitable<Result<Response>> create(Request request);
  net::awaitable<Result<Response>> show(Request request);
  net::awaitable<Result<Response>> drop(Request request);
  net::awaitable<Result<Response>> list_snapshots(Request request);
  Result<Response> create_now(const RequestContext& context, const ingest::NewDataset& dataset,
                              const std::string& key, const std::string& what);

  ingest::DatasetService& service_;
  catalog::Catalog& catalog_;
  Pools pools_;
};

}  // namespace lakehouse::gateway::http
