#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/frame.h"

namespace lakehouse::engine {

/// Bytes under way: a growing buffer that encoders write into without asking for every byte.
/// Not thread-safe.
class Buffer {
 public:
  /// Room for `size_bytes` more; what is written there is kept by `commit`.
  char* reserve(std::size_t size_bytes) {
    if (size_ + size_bytes > bytes_.size()) {
      bytes_.resize((size_ + size_bytes) * 2);
    }
    return bytes_.data() + size_;
  }
  void commit(const char* end) { size_ = static_cast<std::size_t>(end - bytes_.data()); }
  void append(std::string_view text) {
    std::memcpy(reserve(text.size()), text.data(), text.size());
    size_ += text.size();
  }
  void push(char c) {
    *reserve(1) = c;
    ++size_;
  }
  void clear() { size_ = 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::string_view view() const { return {bytes_.data(), size_}; }
  char* data() { return bytes_.data(); }

 private:
  std::vector<char> bytes_;
  std::size_t size_ = 0;
};

/// Sends encoded rows in frames of about 1 MiB. Not thread-safe.
class DataSink {
 public:
  DataSink(FrameWriter& writer, Deadline deadline);

  /// Where encoders write; they call `flush_if_full` after each row or piece.
  Buffer& buffer() { return buffer_; }
  Status flush_if_full() { return buffer_.size() >= kDataFrameBytes ? flush() : Status{}; }
  /// Sends what there is, if the last frame left so long ago that somebody may be waiting.
  Status flush_if_late();
  Status flush();
  /// Sends `bytes` after what is in the buffer, without copying them if they are many.
  Status write(std::string_view bytes);

 private:
  Status send_slices(std::string_view bytes);

  FrameWriter& writer_;
  Deadline deadline_;
  Buffer buffer_;
  std::chrono::steady_clock::time_point last_flush_;
};

}  // namespace lakehouse::engine
