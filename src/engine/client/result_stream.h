#pragma once

#include <memory>
#include <optional>
#include <stop_token>

#include "base/unique_fd.h"
#include "engine/client/connections.h"
#include "engine/engine.h"
#include "engine/wire/frame.h"
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

/// Sends a request and gives the first frame of its answer. The error that the engine answered, if
/// it did; the connection is kept then.
Result<Frame> ask(Connections::Lease& lease, const RequestContext& context, const Request& request);

/// A result whose Schema frame has been read.
class SocketStream final : public ResultStream {
 public:
  SocketStream(std::unique_ptr<Connections::Lease> lease, RequestContext context,
               std::vector<Column> columns)
      : lease_(std::move(lease)),
        context_(std::move(context)),
        columns_(std::move(columns)),
        reader_(lease_->fd()),
        fd_(lease_->fd()) {}

  [[nodiscard]] const std::vector<Column>& columns() const override { return columns_; }
  Result<std::optional<std::string>> next(const RequestContext& context) override;
  [[nodiscard]] int fd() const override { return fd_; }
  Result<Poll> try_next() override;
  [[nodiscard]] const ResultEnd& end() const override { return end_; }

 private:
  Result<std::optional<std::string>> take(Result<Frame> frame, const RequestContext& context);
  std::unexpected<Error> give_up(Error error);

  // Held until the stream goes, and not only until its end: the descriptor is in event loops.
  std::unique_ptr<Connections::Lease> lease_;
  RequestContext context_;
  std::vector<Column> columns_;
  FrameReader reader_;
  int fd_;
  ResultEnd end_;
  bool ended_ = false;
  std::optional<Error> error_;
};

}  // namespace lakehouse::engine
