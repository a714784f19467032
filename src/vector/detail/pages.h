#pragma once

#include <cstddef>
#include <utility>

#include "base/error.h"

namespace lakehouse::vector {

/// Zeroed memory by the page, in large pages where the kernel has them: searches touch it all over,
/// and with small ones wait for address translation. Grows without being copied. Not thread-safe.
class Pages {
 public:
  Pages() = default;
  ~Pages();
  Pages(Pages&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Pages& operator=(Pages&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  /// Makes place for at least `bytes`; what was there stays, its address may change.
  /// ResourceExhausted if there is no memory.
  Status reserve(std::size_t bytes);

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  template <class T>
  [[nodiscard]] T* as() const {
    return reinterpret_cast<T*>(data_);
  }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace lakehouse::vector
