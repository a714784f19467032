#pragma once

#include <string>

#include "base/error.h"
#include "engine/engine_grant.h"

namespace lakehouse::engine {

/// What Landlock came to.
struct LandlockResult {
  int abi = 0;           ///< Of the running kernel; 0: it has no Landlock.
  bool files = false;    ///< Files are confined to the grant.
  bool network = false;  ///< TCP is confined to the grant.
  std::string problem;   ///< Why not, where one of them is false.
};

/// Confines this thread, and those that it starts, to the grant's files and port. Needs
/// no_new_privs. NotFound if a granted path is missing.
Result<LandlockResult> restrict_by_landlock(const EngineGrant& grant);

}  // namespace lakehouse::engine
