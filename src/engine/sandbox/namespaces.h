#pragma once

#include "base/error.h"
#include "engine/engine_grant.h"

namespace lakehouse::engine {

/// Moves this process, which must have one thread, into a user namespace of its own whose root
/// folder holds the grant's paths and nothing else, not even /proc, and whose network has no
/// interface unless the grant has a port. So what is not granted cannot even be seen to exist.
///
/// Tried in a child first: FailedPrecondition leaves this process as it was, and says why the
/// kernel, or what this program runs in, does not let us. Any other error leaves it half way.
Status enter_namespaces(const EngineGrant& grant);

}  // namespace lakehouse::engine
