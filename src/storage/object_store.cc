#include "storage/object_store.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"

namespace lakehouse::storage {
namespace {

constexpr std::size_t kKeyBytesMax = 1024;

bool has_bad_segment(std::string_view key) {
  for (std::size_t begin = 0; begin <= key.size();) {
    const std::size_t end = std::min(key.find('/', begin), key.size());
    const std::string_view segment = key.substr(begin, end - begin);
    if (segment.empty() || segment == "." || segment == "..") {
      return true;
    }
    begin = end + 1;
  }
  return false;
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == '\x7F';
}

}  // namespace

Status check_key(std::string_view key) {
  if (key.empty() || key.size() > kKeyBytesMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("an object's key has 1 to {} bytes, not {}", kKeyBytesMax, key.size()));
  }
  if (!is_valid_utf8(key) || std::ranges::any_of(key, is_control)) {
    return fail(ErrorCode::InvalidArgument,
                "an object's key must be valid UTF-8 without control characters");
  }
  if (has_bad_segment(key)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("'{}' is no object key: it has an empty, '.' or '..' segment", key));
  }
  return {};
}

}  // namespace lakehouse::storage
