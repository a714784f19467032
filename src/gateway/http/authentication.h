#pragma once

#include "base/log.h"
#include "base/metrics.h"
#include "base/worker_pool.h"
#include "gateway/http/server.h"
#include "governance/authenticator.h"

namespace lakehouse::gateway::http {

/// Asks an authenticator who calls. What it knows is renewed on the pool, before the answer: for
/// most requests nothing is waited for. Everything given outlives the server that asks.
Authenticate authenticate_with(governance::Authenticator& authenticator, WorkerPool& pool, Log& log,
                               Metrics& metrics);

}  // namespace lakehouse::gateway::http
