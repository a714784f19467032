#include "vector/detail/pages.h"

#include <fmt/format.h>
#include <sys/mman.h>

namespace lakehouse::vector {

namespace {

constexpr std::size_t kLargePageBytes = std::size_t{2} << 20U;

}  // namespace

Pages::~Pages() {
  if (data_ != nullptr) {
    ::munmap(data_, bytes_);
  }
}

Status Pages::reserve(std::size_t bytes) {
  if (bytes <= bytes_) {
    return {};
  }
  const std::size_t unit = bytes >= kLargePageBytes ? kLargePageBytes : std::size_t{4096};
  const std::size_t wanted = (bytes + unit - 1) / unit * unit;
  void* const got = data_ == nullptr ? ::mmap(nullptr, wanted, PROT_READ | PROT_WRITE,
                                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                                     : ::mremap(data_, bytes_, wanted, MREMAP_MAYMOVE);
  if (got == MAP_FAILED) {
    return fail(ErrorCode::ResourceExhausted,
                fmt::format("no memory for {} MB of vectors", wanted >> 20U));
  }
  data_ = static_cast<std::byte*>(got);
  bytes_ = wanted;
  if (wanted >= kLargePageBytes) {
    ::madvise(data_, bytes_, MADV_HUGEPAGE);  // A wish: refused, it is only slower.
  }
  return {};
}

}  // namespace lakehouse::vector
