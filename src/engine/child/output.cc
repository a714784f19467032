#include "engine/child/output.h"

#include <algorithm>

namespace lakehouse::engine {
namespace {

// Short enough that a watcher of a slow statement sees its first rows soon.
constexpr std::chrono::milliseconds kLate{200};
constexpr std::size_t kCopyBytesMax = std::size_t{64} << 10U;

}  // namespace

DataSink::DataSink(FrameWriter& writer, Deadline deadline)
    : writer_(writer), deadline_(deadline), last_flush_(std::chrono::steady_clock::now()) {}

Status DataSink::flush_if_late() {
  return std::chrono::steady_clock::now() - last_flush_ > kLate ? flush() : Status{};
}

Status DataSink::send_slices(std::string_view bytes) {
  while (!bytes.empty()) {
    // A bit more than a frame goes as one, rather than leave a tiny one behind.
    const std::size_t size = bytes.size() <= 2 * kDataFrameBytes ? bytes.size() : kDataFrameBytes;
    LH_RETURN_IF_ERROR(writer_.send(FrameType::Data, bytes.substr(0, size), deadline_));
    bytes.remove_prefix(size);
  }
  last_flush_ = std::chrono::steady_clock::now();
  return {};
}

Status DataSink::flush() {
  const Status sent = send_slices(buffer_.view());
  buffer_.clear();
  return sent;
}

Status DataSink::write(std::string_view bytes) {
  if (bytes.size() <= kCopyBytesMax) {
    buffer_.append(bytes);
    return flush_if_full();
  }
  LH_RETURN_IF_ERROR(flush());
  return send_slices(bytes);
}

}  // namespace lakehouse::engine
