#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lakehouse::ai {

/// The text of an answer as it grows: gives whole characters away, and nothing that may be the
/// beginning of a text that ends the answer. Not thread-safe.
class TextPieces {
 public:
  explicit TextPieces(std::vector<std::string> stop) : stop_(std::move(stop)) {}

  /// True once one of the stop texts is there: what follows does not count.
  bool add(std::string_view bytes) {
    held_ += bytes;
    std::size_t end = std::string::npos;
    for (const std::string& stop : stop_) {
      end = std::min(end, held_.find(stop));
    }
    if (end == std::string::npos) {
      return false;
    }
    held_.resize(end);
    stopped_ = true;
    return true;
  }

  /// What may be given away by now; at the answer's `end` all of it.
  std::string take(bool end) {
    const std::size_t keep = end || stopped_ ? incomplete_bytes() : held_back();
    std::string piece = held_.substr(0, held_.size() - keep);
    held_.erase(0, piece.size());
    return piece;
  }

 private:
  [[nodiscard]] std::size_t held_back() const {
    std::size_t keep = incomplete_bytes();
    for (const std::string& stop : stop_) {
      for (std::size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n) {
        if (std::string_view(held_).ends_with(std::string_view(stop).substr(0, n))) {
          keep = n;
          break;
        }
      }
    }
    return keep;
  }

  /// Bytes at the end that begin a character whose rest is still to come.
  [[nodiscard]] std::size_t incomplete_bytes() const {
    for (std::size_t n = 1; n <= std::min<std::size_t>(3, held_.size()); ++n) {
      const auto byte = static_cast<unsigned char>(held_[held_.size() - n]);
      if (byte >= 0xC0) {
        const std::size_t whole = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
        return n < whole ? n : 0;
      }
      if (byte < 0x80) {
        return 0;
      }
    }
    return 0;
  }

  std::vector<std::string> stop_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace lakehouse::ai
