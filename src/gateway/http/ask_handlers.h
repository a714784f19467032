#pragma once

#include <boost/asio/awaitable.hpp>

#include "answer/ask_service.h"
#include "answer/verified_questions.h"
#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"

namespace lakehouse::gateway::http {

/// POST /ai/ask, and the verified questions that it learns from: GET and POST /ai/questions, DELETE
/// /ai/questions/{id}. Outlived by what it refers to; outlives the router.
class AskHandlers {
 public:
  /// `models` is where one waits for models.
  AskHandlers(answer::AskService& service, answer::VerifiedQuestions& verified, Pools pools,
              WorkerPool& models)
      : service_(service), verified_(verified), pools_(pools), models_(models) {}

  void add_routes(Router& router);

 private:
  boost::asio::awaitable<Result<Response>> ask(Request request);
  boost::asio::awaitable<Result<Response>> list(Request request);
  boost::asio::awaitable<Result<Response>> put(Request request);
  boost::asio::awaitable<Result<Response>> remove(Request request);

  answer::AskService& service_;
  answer::VerifiedQuestions& verified_;
  Pools pools_;
  WorkerPool& models_;
};

}  // namespace lakehouse::gateway::http
