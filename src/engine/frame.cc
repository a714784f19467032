#include "engine/frame.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

namespace lakehouse::engine {
namespace {

std::unexpected<Error> gone() {
  return fail(ErrorCode::Unavailable, "the query engine ended the connection",
              "The engine restarts by itself; retry in a moment.");
}

// Waits until `fd` is ready for `events`.
Status wait_for(int fd, short events, Deadline deadline, int wake_fd) {
  while (true) {
    pollfd polled[2] = {{.fd = fd, .events = events, .revents = 0},
                        {.fd = wake_fd, .events = POLLIN, .revents = 0}};
    const int count = ::poll(polled, wake_fd < 0 ? 1 : 2, poll_timeout_ms(deadline));
    if (count < 0 && errno != EINTR) {
      return fail(ErrorCode::Internal, fmt::format("poll: {}", std::strerror(errno)));
    }
    if (count > 0 && polled[1].revents != 0 && wake_fd >= 0) {
      return fail(ErrorCode::Cancelled, "the caller gave up");
    }
    if (count > 0 && polled[0].revents != 0) {
      return {};
    }
    if (count == 0 && std::chrono::steady_clock::now() >= deadline) {
      return fail(ErrorCode::DeadlineExceeded, "the statement did not end before its deadline",
                  "Give the request more time (timeout_ms), or ask for less.");
    }
  }
}

}  // namespace

void put_frame_header(char* out, FrameType type, std::size_t size_bytes) {
  for (unsigned i = 0; i < 4; ++i) {
    out[i] = static_cast<char>((size_bytes >> (8U * i)) & 0xFFU);
  }
  out[4] = static_cast<char>(type);
}

int poll_timeout_ms(Deadline deadline) {
  if (deadline == Deadline::max()) {
    return -1;
  }
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000'000));
}

Status FrameWriter::send_all(std::string_view first, std::string_view second, Deadline deadline) {
  while (!first.empty() || !second.empty()) {
    iovec parts[2] = {
        {.iov_base = const_cast<char*>(first.data()), .iov_len = first.size()},
        {.iov_base = const_cast<char*>(second.data()), .iov_len = second.size()},
    };
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const ssize_t sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      const auto bytes = static_cast<std::size_t>(sent);
      const std::size_t of_first = std::min(bytes, first.size());
      first.remove_prefix(of_first);
      second.remove_prefix(bytes - of_first);
    } else if (errno == EAGAIN) {
      LH_RETURN_IF_ERROR(wait_for(fd_, POLLOUT, deadline, wake_fd_));
    } else if (errno != EINTR) {
      return gone();
    }
  }
  return {};
}

Status FrameWriter::send(FrameType type, std::string_view payload, Deadline deadline) {
  char header[kFrameHeaderBytes];
  put_frame_header(header, type, payload.size());
  Status sent = send_all({header, sizeof header}, payload, deadline);
  broken_ = broken_ || !sent;
  return sent;
}

Result<std::optional<Frame>> FrameReader::try_read() {
  while (true) {
    const bool in_header = header_read_ < kFrameHeaderBytes;
    char* to = in_header ? header_ + header_read_ : payload_.data() + payload_read_;
    const std::size_t wanted =
        in_header ? kFrameHeaderBytes - header_read_ : payload_.size() - payload_read_;
    const ssize_t got = wanted == 0 ? 0 : ::recv(fd_, to, wanted, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) {
      return std::nullopt;
    }
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0 || (got == 0 && wanted > 0)) {
      return gone();
    }
    (in_header ? header_read_ : payload_read_) += static_cast<std::size_t>(got);
    if (in_header && header_read_ == kFrameHeaderBytes) {
      std::size_t size_bytes = 0;
      for (unsigned i = 0; i < 4; ++i) {
        size_bytes |= std::size_t{static_cast<unsigned char>(header_[i])} << (8U * i);
      }
      if (size_bytes > kFrameBytesMax) {
        return fail(ErrorCode::Internal, fmt::format("a frame of {} bytes", size_bytes));
      }
      // Not the callback's own argument: libstdc++ 12 passes the new capacity there.
      payload_.resize_and_overwrite(size_bytes, [&](char*, std::size_t) { return size_bytes; });
      payload_read_ = 0;
    }
    if (header_read_ == kFrameHeaderBytes && payload_read_ == payload_.size()) {
      header_read_ = 0;
      return Frame{.type = static_cast<FrameType>(header_[4]), .payload = std::move(payload_)};
    }
  }
}

Result<Frame> FrameReader::read(Deadline deadline, int wake_fd) {
  while (true) {
    LH_ASSIGN_OR_RETURN(auto frame, try_read());
    if (frame) {
      return *std::move(frame);
    }
    LH_RETURN_IF_ERROR(wait_for(fd_, POLLIN, deadline, wake_fd));
  }
}

}  // namespace lakehouse::engine
