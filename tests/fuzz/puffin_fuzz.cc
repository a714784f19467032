#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/roaring.h"
#include "iceberg/deletion_vector.h"
#include "iceberg/puffin.h"

/// Puffin files, deletion vectors and the bitmaps in them come from other writers: whatever the
/// bytes are, reading them ends in rows or an error. What was taken for whole is written again to
/// the same rows.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lakehouse;
  const auto bytes = std::as_bytes(std::span(data, size));
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto footer = iceberg::read_puffin_footer(bytes)) {
    for (const iceberg::PuffinBlob& blob : footer->blobs) {
      static_cast<void>(iceberg::read_puffin_blob(bytes, blob, std::size_t{1} << 20U));
    }
  }
  static_cast<void>(iceberg::bitmap_of_deletion_vector(text));
  const auto view = RoaringView::open(text);
  if (!view) {
    return 0;
  }
  for (const std::uint64_t number : {0ULL, 65'535ULL, 65'536ULL, 1ULL << 32U, (1ULL << 63U) - 1}) {
    static_cast<void>(view->contains(number));
  }
  static_cast<void>(view->highest());
  // Runs make many numbers of few bytes: only small sets are unpacked here.
  if (view->check() && view->cardinality() < 1'000'000) {
    const auto set = RoaringSet::parse(text);
    if (!set || set->cardinality() != view->cardinality() ||
        RoaringSet::parse(set->serialize()) != *set) {
      __builtin_trap();
    }
  }
  return 0;
}
