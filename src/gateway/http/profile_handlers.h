#pragma once

#include <boost/asio/awaitable.hpp>

#include "catalog/catalog.h"
#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"
#include "query/dataset_profile.h"
#include "query/pii_scanner.h"

namespace lakehouse::gateway::http {

/// What a dataset holds, over HTTP: its profile, and the personal data in it. Outlived by what it
/// refers to; outlives the router.
class ProfileHandlers {
 public:
  ProfileHandlers(query::DatasetProfiler& profiler, query::PiiScanner& pii,
                  catalog::Catalog& catalog, Pools pools)
      : profiler_(profiler), pii_(pii), catalog_(catalog), pools_(pools) {}

  void add_routes(Router& router);

 private:
  net::awaitable<Result<Response>> profile(Request request);
  net::awaitable<Result<Response>> show_pii(Request request);
  net::awaitable<Result<Response>> scan_pii(Request request);
  Result<Response> scan_now(const RequestContext& context, const std::string& dataset,
                            std::optional<std::int64_t> sample_rows, const std::string& key,
                            const std::string& what);

  query::DatasetProfiler& profiler_;
  query::PiiScanner& pii_;
  catalog::Catalog& catalog_;
  Pools pools_;
};

}  // namespace lakehouse::gateway::http
