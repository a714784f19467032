#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"
#include "jobs/job_service.h"

namespace lakehouse::gateway::http {

/// 202 {job_id} with its address: what a route answers that has started a job, or joined one.
Response job_accepted(const jobs::Started& started);
/// How openapi.json describes it.
ResponseSpec job_accepted_spec();

/// A job as the routes below show it.
boost::json::object job_to_json(const jobs::Job& job);

/// Who may see whose jobs: everybody their own; all of them those named, and everybody where nobody
/// is asked who they are.
struct JobsAccess {
  bool everybody_sees_all = true;
  std::vector<std::string> see_all = {};

  [[nodiscard]] bool sees_all(std::string_view principal) const;
};

/// GET /jobs, GET and DELETE /jobs/{id}, GET /jobs/{id}/events. Outlived by what it refers to;
/// outlives the router.
class JobsHandlers {
 public:
  JobsHandlers(jobs::JobService& jobs, JobsAccess access, Pools pools)
      : jobs_(jobs), access_(std::move(access)), pools_(pools) {}

  void add_routes(Router& router);
  /// Ends all streams of events, so that the server need not wait for them.
  void end_streams() { stop_.request_stop(); }

 private:
  boost::asio::awaitable<Result<Response>> list(Request request);
  boost::asio::awaitable<Result<Response>> show(Request request);
  boost::asio::awaitable<Result<Response>> cancel(Request request);
  boost::asio::awaitable<Result<Response>> events(Request request);

  /// NotFound also for a job that is not the caller's to see.
  Result<jobs::Job> find(const RequestContext& context, std::string_view id);

  jobs::JobService& jobs_;
  const JobsAccess access_;
  Pools pools_;
  std::stop_source stop_;
};

}  // namespace lakehouse::gateway::http
