#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

/// \file
/// What runs over a connection between server and engine, in both directions: frames.
///
///   u32 length of the payload, little-endian | u8 type | payload
///
/// The server sends one Request and waits for its answer before it sends the next. The answer to
/// "parse" and "describe" is one Answer; to "execute" it is Schema, any number of Data, End. An
/// Error ends it at any point. After End, Answer or Error the connection takes the next
/// Request. Closing it while a statement runs cancels the statement.
///
/// On the control connection the child sends one Answer, {"protocol": n, "version": "..."}, when it
/// is ready; the server sends file descriptors, one byte each: every one is a new connection.

namespace lakehouse::engine {

constexpr int kProtocolVersion = 1;
/// The child's end of the control connection, as it is inherited.
constexpr int kControlFd = 3;

enum class FrameType : std::uint8_t {
  Request = 'Q',  ///< JSON, see messages.h.
  Schema = 'S',   ///< JSON array of columns.
  Data = 'D',     ///< Encoded rows, at most about 1 MiB.
  End = 'E',      ///< JSON: row_count, truncated.
  Answer = 'V',   ///< JSON: the whole answer.
  Error = 'X',    ///< JSON: an Error.
};

constexpr std::size_t kFrameHeaderBytes = 5;
/// A frame of rows is sent once it holds this much.
constexpr std::size_t kDataFrameBytes = std::size_t{1} << 20U;
/// Longer ones are an error of the protocol; a statement with 100,000 file paths is far below.
constexpr std::size_t kFrameBytesMax = std::size_t{256} << 20U;

struct Frame {
  FrameType type = FrameType::Answer;
  std::string payload;
};

/// Writes the five bytes before a payload of `size_bytes` to `out`.
void put_frame_header(char* out, FrameType type, std::size_t size_bytes);

using Deadline = std::chrono::steady_clock::time_point;

/// Milliseconds for poll(2): rounded up, -1 for none.
int poll_timeout_ms(Deadline deadline);

/// Writes frames to a socket. Not thread-safe.
class FrameWriter {
 public:
  /// `wake_fd`, if not -1, ends waits with Cancelled once it is readable.
  explicit FrameWriter(int fd, int wake_fd = -1) : fd_(fd), wake_fd_(wake_fd) {}

  /// Writes all of it, and waits as long as the other side does not read: Unavailable if it is
  /// gone, DeadlineExceeded if it reads too slowly.
  Status send(FrameType type, std::string_view payload, Deadline deadline);
  /// True after a failed `send`: half a frame may have left, so nothing can follow it.
  [[nodiscard]] bool broken() const { return broken_; }

 private:
  Status send_all(std::string_view first, std::string_view second, Deadline deadline);

  int fd_;
  int wake_fd_;
  bool broken_ = false;
};

/// Takes frames off a non-blocking socket, and never a byte past the frame. Not thread-safe.
class FrameReader {
 public:
  explicit FrameReader(int fd) : fd_(fd) {}

  /// The next frame if all of it is there, nothing if one must wait for the socket; Unavailable at
  /// the connection's end, Internal for what is no frame.
  Result<std::optional<Frame>> try_read();
  /// Waits for the next frame; errors as in `send_all`.
  Result<Frame> read(Deadline deadline, int wake_fd = -1);
  /// True between two frames.
  [[nodiscard]] bool at_boundary() const { return header_read_ == 0; }

 private:
  int fd_;
  char header_[kFrameHeaderBytes] = {};
  std::size_t header_read_ = 0;
  std::string payload_;
  std::size_t payload_read_ = 0;
};

}  // namespace lakehouse::engine
