#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/engine.h"
#include "gateway/http/message.h"
#include "gateway/http/run_on.h"
#include "storage/object_store.h"

namespace lakehouse::gateway::http {

/// What surrounds an engine's rows in the body, such as the JSON envelope.
struct Envelope {
  std::string prefix;  ///< Sent before the first row.
  /// Called once, after the last row; its text ends the body.
  std::function<std::string(const engine::ResultEnd&)> suffix;
  /// Called once when the stream is over, well or not: for the running-queries list and metrics.
  std::function<void(const Status&)> finished;
  /// What the client is told instead of the engine's error; empty for the same.
  std::function<Error(Error)> map_error;
};

/// An engine's result as a body. Waits for the engine on its descriptor, without a thread. The
/// stop token and deadline of `context` end it.
std::unique_ptr<BodySource> engine_body(std::unique_ptr<engine::ResultStream> stream,
                                        Envelope envelope, RequestContext context);

/// An object as a body of known size, read on the storage pool.
std::unique_ptr<BodySource> object_body(std::unique_ptr<storage::ObjectReader> reader,
                                        std::uint64_t size_bytes, WorkerPool& pool);

}  // namespace lakehouse::gateway::http
