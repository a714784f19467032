#pragma once

#include <memory>

#include "base/error.h"
#include "base/request_context.h"
#include "engine/engine.h"
#include "engine/engine_grant.h"

namespace lakehouse::engine {

/// Gives engines that live for one uploaded file. Thread-safe.
class FileEngines {
 public:
  virtual ~FileEngines() = default;

  /// A child of its own, which may touch what `grant` says and nothing else, and goes with what is
  /// returned. Waits for its turn: errors as Engine's.
  virtual Result<std::unique_ptr<Engine>> file_engine(const RequestContext& context,
                                                      EngineGrant grant) = 0;
};

}  // namespace lakehouse::engine
