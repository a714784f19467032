#include "gateway/http/authentication.h"

#include <utility>

#include "gateway/http/run_on.h"

namespace lakehouse::gateway::http {
namespace {

struct Door {
  governance::Authenticator& authenticator;
  WorkerPool& pool;
  Log& log;
  Counter& refused;
};

net::awaitable<Result<std::string>> ask(const Door& door, std::string authorization,
                                        RequestContext context) {
  Result<std::string> principal = door.authenticator.authenticate(authorization);
  const bool is_unknown = !principal && !authorization.empty();
  if (door.authenticator.refresh_is_due(is_unknown)) {
    auto work = [&door, &context] { return door.authenticator.refresh(context); };
    const Status refreshed = co_await run_on(door.pool, std::move(work));
    if (!refreshed) {
      door.log.write(LogLevel::Warn, "auth", context,
                     "the keys could not be read again: " + refreshed.error().message);
    }
    principal = door.authenticator.authenticate(authorization);
  }
  if (!principal) {
    door.refused.add();
  }
  co_return principal;
}

}  // namespace

Authenticate authenticate_with(governance::Authenticator& authenticator, WorkerPool& pool, Log& log,
                               Metrics& metrics) {
  Counter& refused =
      metrics.counter("lakehouse_auth_refused_total", "Requests without a key that is known.");
  const Door door{.authenticator = authenticator, .pool = pool, .log = log, .refused = refused};
  return [door](std::string authorization, RequestContext context) {
    return ask(door, std::move(authorization), std::move(context));
  };
}

}  // namespace lakehouse::gateway::http
