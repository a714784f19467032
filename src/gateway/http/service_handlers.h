#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "engine/engine_grant.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"

namespace lakehouse::gateway::http {

/// One thing that must work before the server can answer requests.
struct ReadyCheck {
  std::string name;
  std::function<Status(const RequestContext&)> check;  ///< Blocks; thread-safe.
};

/// What of the engines' sandbox is in force; empty while that is not known.
using SandboxLayers = std::function<std::vector<engine::SandboxLayer>()>;

/// /health, /ready, /metrics, /version, /openapi.json and the page at /. Outlived by what it refers
/// to; outlives the router that it added its routes to.
class ServiceHandlers {
 public:
  ServiceHandlers(Metrics& metrics, Pools pools, std::vector<ReadyCheck> checks,
                  std::string version, SandboxLayers sandbox = {})
      : metrics_(metrics),
        pools_(pools),
        checks_(std::move(checks)),
        version_(std::move(version)),
        sandbox_(std::move(sandbox)) {}

  void add_routes(Router& router);
  /// To be called once all routes are there: the document is made once.
  void finish(const Router& router);

 private:
  net::awaitable<Result<Response>> ready(Request request);
  net::awaitable<Result<Response>> version(Request request);
  net::awaitable<Result<Response>> metrics(Request request);
  net::awaitable<Result<Response>> openapi(Request request);
  void add_document_routes(Router& router);

  Metrics& metrics_;
  Pools pools_;
  std::vector<ReadyCheck> checks_;
  std::string version_;
  SandboxLayers sandbox_;
  std::string openapi_;
};

}  // namespace lakehouse::gateway::http
