#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "base/error.h"
#include "engine/frame.h"

/// \file
/// What the model process does, by the name in a request's "op". An operation runs in a
/// connection's own thread, one after the other on a connection, many beside each other.

namespace lakehouse::ai {

/// The answer to one request, while it is made. Not thread-safe.
class Reply {
 public:
  Reply(int fd, engine::Deadline deadline) : fd_(fd), deadline_(deadline), writer_(fd) {}

  /// Sends a piece; at most about 1 MiB each.
  Status data(std::string_view bytes) {
    return writer_.send(engine::FrameType::Data, bytes, deadline_);
  }
  /// Cancelled once nobody waits for the answer, DeadlineExceeded when it is late. Costs a
  /// microsecond: ask after each token or batch.
  [[nodiscard]] Status check() const;
  [[nodiscard]] engine::Deadline deadline() const { return deadline_; }
  /// After a failed `data`: half a frame may have left.
  [[nodiscard]] bool broken() const { return writer_.broken(); }

 private:
  int fd_;
  engine::Deadline deadline_;
  engine::FrameWriter writer_;
};

/// Does it and gives the answer's last words. What it throws is caught, and Internal.
using Operation =
    std::function<Result<boost::json::object>(const boost::json::object& request, Reply& reply)>;
using Operations = std::map<std::string, Operation, std::less<>>;

/// What the process may use; an operation's own threads come out of it.
struct ChildResources {
  unsigned threads = 1;
  std::uint64_t memory_limit_bytes = 0;
};

}  // namespace lakehouse::ai
