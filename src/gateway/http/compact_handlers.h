#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "catalog/catalog.h"
#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"
#include "jobs/job_service.h"
#include "query/compaction.h"

namespace lakehouse::gateway::http {

/// POST /query/compact. Outlived by what it refers to; outlives the router.
class CompactHandlers {
 public:
  /// Makes `jobs` know what compacts.
  CompactHandlers(query::Compactor compactor, catalog::Catalog& catalog, jobs::JobService& jobs,
                  Pools pools);

  void add_routes(Router& router);

 private:
  boost::asio::awaitable<Result<Response>> compact(Request request);
  struct Wanted {
    std::string dataset;
    std::uint64_t file_size_bytes = 0;
    std::optional<bool> in_background;  ///< Nothing: as its size says.
    std::string key;
  };
  Result<Response> begin(const RequestContext& context, const Wanted& wanted);

  query::Compactor compactor_;
  catalog::Catalog& catalog_;
  jobs::JobService& jobs_;
  Pools pools_;
};

}  // namespace lakehouse::gateway::http
