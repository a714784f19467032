#pragma once

#include <boost/asio/awaitable.hpp>

#include "catalog/catalog.h"
#include "gateway/http/jobs_handlers.h"
#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"
#include "vector/trial_service.h"

namespace lakehouse::gateway::http {

/// /vectors/hnsw/...: eval sets, trials of settings, the best of them and its promotion. Outlived
/// by what it refers to; outlives the router.
class VectorTrialHandlers {
 public:
  VectorTrialHandlers(vector::TrialService& trials, catalog::Catalog& catalog, JobsAccess access,
                      Pools pools)
      : trials_(trials), catalog_(catalog), access_(std::move(access)), pools_(pools) {}

  void add_routes(Router& router);

 private:
  using Answer = boost::asio::awaitable<Result<Response>>;

  void add_eval_routes(Router& router);
  void add_making_routes(Router& router);
  void add_trial_routes(Router& router);

  Answer list_evals(Request request);
  Answer put_eval(Request request);
  Answer show_eval(Request request);
  Answer drop_eval(Request request);
  Answer autogen(Request request);
  Answer from_log(Request request);
  Answer start(Request request);
  Answer list_trials(Request request);
  Answer best(Request request);
  Answer promote(Request request);

  vector::TrialService& trials_;
  catalog::Catalog& catalog_;
  const JobsAccess access_;
  Pools pools_;
};

}  // namespace lakehouse::gateway::http
