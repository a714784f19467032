#pragma once

#include <boost/asio/awaitable.hpp>

#include "ai/model_service.h"
#include "base/worker_pool.h"
#include "gateway/http/message.h"
#include "gateway/http/router.h"

namespace lakehouse::gateway::http {

/// POST /ai/embed. Outlived by what it refers to; outlives the router.
class EmbedHandlers {
 public:
  EmbedHandlers(ai::ModelService& models, WorkerPool& pool) : models_(models), pool_(pool) {}

  void add_routes(Router& router);

 private:
  boost::asio::awaitable<Result<Response>> embed(Request request);

  ai::ModelService& models_;
  WorkerPool& pool_;
};

}  // namespace lakehouse::gateway::http
