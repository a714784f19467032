#pragma once

#include <boost/asio/awaitable.hpp>

#include "ai/model_service.h"
#include "base/worker_pool.h"
#include "gateway/http/message.h"
#include "gateway/http/router.h"

namespace lakehouse::gateway::http {

/// GET /ai/models, POST /ai/generate, POST /ai/rerank. Outlived by what it refers to; outlives the
/// router. `pool` is for waiting for models, which may take minutes.
class ModelHandlers {
 public:
  ModelHandlers(ai::ModelService& models, WorkerPool& pool) : models_(models), pool_(pool) {}

  void add_routes(Router& router);

 private:
  boost::asio::awaitable<Result<Response>> list(Request request);
  boost::asio::awaitable<Result<Response>> generate(Request request);
  boost::asio::awaitable<Result<Response>> rerank(Request request);

  ai::ModelService& models_;
  WorkerPool& pool_;
};

}  // namespace lakehouse::gateway::http
