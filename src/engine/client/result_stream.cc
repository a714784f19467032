#include "engine/client/result_stream.h"

#include <algorithm>
#include <utility>

#include <sys/eventfd.h>

namespace lakehouse::engine {
namespace {

std::unexpected<Error> broken(FrameType type) {
  return fail(ErrorCode::Internal, std::string("the engine protocol broke: unexpected frame ") +
                                       static_cast<char>(type));
}

// What a dead connection means to this caller: its own deadline comes first, since an engine that
// could not send in time closes the connection, too.
Error explain(Error error, const RequestContext& context) {
  if (error.code == ErrorCode::Unavailable || error.code == ErrorCode::Cancelled) {
    if (const Status status = context.check(); !status) {
      return status.error();
    }
  }
  return error;
}

}  // namespace

StopSignal::StopSignal(const std::stop_token& token) {
  if (token.stop_possible()) {
    fd_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    callback_.emplace(token, Signal{fd_.get()});
  }
}

void StopSignal::Signal::operator()() const {
  ::eventfd_write(fd, 1);
}

Result<Frame> ask(ChildConnections::Lease& lease, const RequestContext& context,
                  const Request& request) {
  const StopSignal stop(context.stop);
  const std::string text = encode_request(request);
  FrameWriter writer(lease.fd(), stop.fd());
  FrameReader reader(lease.fd());
  const Status sent = writer.send(FrameType::Request, text, context.deadline);
  // An engine that refuses does not read what it was sent, but says why.
  auto frame = sent || sent.error().code == ErrorCode::Unavailable
                   ? reader.read(context.deadline, stop.fd())
                   : Result<Frame>(std::unexpected(sent.error()));
  if (!frame) {
    if (frame.error().code == ErrorCode::Unavailable) {
      lease.lost();
    }
    return std::unexpected(explain(std::move(frame).error(), context));
  }
  if (frame->type == FrameType::Error) {
    lease.keep();
    return std::unexpected(decode_error(frame->payload));
  }
  return frame;
}

Result<std::unique_ptr<SocketStream>> begin_statement(
    std::unique_ptr<ChildConnections::Lease>& lease, const RequestContext& context, Deadline until,
    Request& request) {
  const std::uint64_t held = request.statement.held_generation;
  if (held != 0 && held != lease->generation()) {
    lease->keep();
    return std::unexpected(held_gone());
  }
  request.time_left = context.time_left();
  RequestContext patience = context;
  patience.deadline = std::min(context.deadline, until);
  auto frame = ask(*lease, patience, request);
  if (!frame) {
    const bool went = held != 0 && frame.error().code == ErrorCode::Unavailable;
    return std::unexpected(went ? held_gone() : std::move(frame).error());
  }
  if (frame->type != FrameType::Schema) {
    return broken(frame->type);
  }
  LH_ASSIGN_OR_RETURN(auto columns, decode_columns(frame->payload));
  return std::make_unique<SocketStream>(std::move(lease), context, std::move(columns));
}

Result<std::string> ask_value(ChildConnections& connections, const RequestContext& context,
                              Request& request) {
  LH_ASSIGN_OR_RETURN(const auto lease, connections.acquire(context));
  request.time_left = context.time_left();
  LH_ASSIGN_OR_RETURN(Frame frame, ask(*lease, context, request));
  if (frame.type != FrameType::Answer) {
    return broken(frame.type);
  }
  lease->keep();
  return std::move(frame.payload);
}

Result<bool> SocketStream::wait_first(const RequestContext& context, Deadline until) {
  const StopSignal stop(context.stop);
  auto frame = reader_.read(std::min(context.deadline, until), stop.fd());
  if (!frame) {
    // A frame that has come in part stays in the reader.
    if (frame.error().code == ErrorCode::DeadlineExceeded && context.check()) {
      return false;
    }
    if (frame.error().code == ErrorCode::Unavailable) {
      lease_->lost();
    }
    return give_up(explain(std::move(frame).error(), context));
  }
  if (frame->type == FrameType::Error) {
    lease_->keep();
    return give_up(decode_error(frame->payload));
  }
  first_ = *std::move(frame);
  return true;
}

std::unexpected<Error> SocketStream::give_up(Error error) {
  error_ = std::move(error);
  return std::unexpected(*error_);
}

Result<std::optional<std::string>> SocketStream::take(Result<Frame> frame,
                                                      const RequestContext& context) {
  if (!frame) {
    return give_up(explain(std::move(frame).error(), context));
  }
  if (frame->type == FrameType::Data) {
    return std::optional(std::move(frame->payload));
  }
  if (frame->type == FrameType::Error) {
    lease_->keep();
    return give_up(decode_error(frame->payload));
  }
  if (frame->type != FrameType::End) {
    return give_up(broken(frame->type).error());
  }
  auto end = decode_end(frame->payload);
  if (!end) {
    return give_up(std::move(end).error());
  }
  end_ = *end;
  ended_ = true;
  lease_->keep();
  return std::nullopt;
}

Result<std::optional<std::string>> SocketStream::next(const RequestContext& context) {
  if (error_) {
    return std::unexpected(*error_);
  }
  if (ended_) {
    return std::nullopt;
  }
  if (first_) {
    return take(*std::exchange(first_, std::nullopt), context);
  }
  const StopSignal stop(context.stop);
  return take(reader_.read(context.deadline, stop.fd()), context);
}

Result<ResultStream::Poll> SocketStream::try_next() {
  if (error_) {
    return std::unexpected(*error_);
  }
  if (ended_) {
    return Poll{.ready = true, .bytes = std::nullopt};
  }
  auto frame = first_ ? Result<std::optional<Frame>>(std::exchange(first_, std::nullopt))
                      : reader_.try_read();
  if (frame && !*frame) {
    if (const Status status = context_.check(); !status) {
      return give_up(status.error());
    }
    return Poll{};
  }
  auto bytes = take(frame ? Result<Frame>(**std::move(frame))
                          : Result<Frame>(std::unexpected(std::move(frame).error())),
                    context_);
  if (!bytes) {
    return std::unexpected(std::move(bytes).error());
  }
  return Poll{.ready = true, .bytes = *std::move(bytes)};
}

}  // namespace lakehouse::engine
