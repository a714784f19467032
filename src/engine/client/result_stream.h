#pragma once

#include <memory>
#include <optional>
#include <stop_token>

#include "base/unique_fd.h"
#include "engine/child_connections.h"
#include "engine/engine.h"
#include "engine/frame.h"
#include "engine/wire/messages.h"

namespace lakehouse::engine {

/// A descriptor that becomes readable once a request is given up; -1 if it cannot be.
class StopSignal {
 public:
  explicit StopSignal(const std::stop_token& token);
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  struct Signal {
    int fd;
    void operator()() const;
  };
  UniqueFd fd_;
  std::optional<std::stop_callback<Signal>> callback_;
};

class SocketStream;

/// Begins a statement: its columns are known then. `until`, if that is sooner than the context's
/// deadline, ends the waiting for them, and thereby the statement, with DeadlineExceeded; it does
/// not hold for what comes after. The lease stays with the caller on failure.
Result<std::unique_ptr<SocketStream>> begin_statement(
    std::unique_ptr<ChildConnections::Lease>& lease, const RequestContext& context, Deadline until,
    Request& request);

/// For operations whose answer is one Answer.
Result<std::string> ask_value(ChildConnections& connections, const RequestContext& context,
                              Request& request);

/// Sends a request and gives the first frame of its answer. The error that the engine answered, if
/// it did; the connection is kept then.
Result<Frame> ask(ChildConnections::Lease& lease, const RequestContext& context,
                  const Request& request);

/// A result whose Schema frame has been read.
class SocketStream final : public ResultStream {
 public:
  SocketStream(std::unique_ptr<ChildConnections::Lease> lease, RequestContext context,
               std::vector<Column> columns)
      : lease_(std::move(lease)),
        context_(std::move(context)),
        columns_(std::move(columns)),
        reader_(lease_->fd()),
        fd_(lease_->fd()) {}

  [[nodiscard]] const std::vector<Column>& columns() const override { return columns_; }
  Result<std::optional<std::string>> next(const RequestContext& context) override;
  /// Waits for the first bytes or the end, which `next` and `try_next` then give; false if neither
  /// came until then.
  Result<bool> wait_first(const RequestContext& context, Deadline until);
  /// After an error: the child has gone.
  [[nodiscard]] bool lost() const { return lease_->was_lost(); }
  [[nodiscard]] int fd() const override { return fd_; }
  Result<Poll> try_next() override;
  [[nodiscard]] const ResultEnd& end() const override { return end_; }

 private:
  Result<std::optional<std::string>> take(Result<Frame> frame, const RequestContext& context);
  std::unexpected<Error> give_up(Error error);

  // Held until the stream goes, and not only until its end: the descriptor is in event loops.
  std::unique_ptr<ChildConnections::Lease> lease_;
  RequestContext context_;
  std::vector<Column> columns_;
  FrameReader reader_;
  int fd_;
  std::optional<Frame> first_;  ///< Read before it was asked for.
  ResultEnd end_;
  bool ended_ = false;
  std::optional<Error> error_;
};

}  // namespace lakehouse::engine
