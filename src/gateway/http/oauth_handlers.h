#pragma once

#include <boost/asio/awaitable.hpp>

#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"
#include "governance/authenticator.h"

namespace lakehouse::gateway::http {

/// The OAuth2 token endpoint that Iceberg's clients know: client credentials and token exchange.
/// Errors have OAuth2's form. Outlived by what it refers to; outlives the router.
class OAuthHandlers {
 public:
  /// Without an authenticator nobody is asked who they are, and the endpoint says so.
  OAuthHandlers(governance::Authenticator* authenticator, Pools pools)
      : authenticator_(authenticator), pools_(pools) {}

  /// To be called before the other routes below /iceberg/ are added: the errors are its own.
  void add_routes(Router& router);

 private:
  net::awaitable<Result<Response>> get_token(Request request);

  governance::Authenticator* authenticator_;
  Pools pools_;
};

}  // namespace lakehouse::gateway::http
