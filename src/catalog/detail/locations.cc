#include "catalog/detail/locations.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"

namespace lakehouse::catalog::detail {
namespace {

constexpr std::size_t kSegmentBytesMax = 120;  // A file name has at most 255, and we add to it.
constexpr std::size_t kNamespaceBytesMax = 500;
constexpr std::size_t kUuidDigits = 8;

std::string hash_of(std::string_view text, std::size_t digits) {
  return sha256_hex(text).substr(0, digits);
}

std::string segment_of(std::string_view name) {
  std::string segment = encode_path_segment(name);
  // Folders of ours in a bucket begin with '_', hidden ones with '.'; no table may lie in them.
  if (segment.starts_with('_') || segment.starts_with('.')) {
    segment = fmt::format("%{:02X}{}", static_cast<unsigned char>(segment[0]), segment.substr(1));
  }
  if (segment.size() <= kSegmentBytesMax) {
    return segment;
  }
  std::size_t cut = kSegmentBytesMax - 20;
  for (const std::size_t back : {1U, 2U}) {  // Not within an escape.
    if (segment[cut - back] == '%') {
      cut -= back;
      break;
    }
  }
  return fmt::format("{}-{}", segment.substr(0, cut), hash_of(name, 16));
}

}  // namespace

std::string namespace_key(const Namespace& name_space) {
  std::string folder;
  for (const std::string& level : name_space) {
    folder += (folder.empty() ? "" : "/") + segment_of(level);
  }
  return folder.size() > kNamespaceBytesMax ? fmt::format("%5Fdeep-{}", hash_of(folder, 32))
                                            : folder;
}

std::string table_key(const TableIdentifier& table, std::string_view uuid) {
  // The end of a UUID: its beginning is a time, and the same for tables made within a minute.
  std::string digits(uuid);
  std::erase(digits, '-');
  const std::size_t count = std::min(kUuidDigits, digits.size());
  return fmt::format("{}/{}-{}", namespace_key(table.name_space), segment_of(table.name),
                     encode_path_segment(digits.substr(digits.size() - count)));
}

bool overlap(std::string_view a, std::string_view b) {
  const auto is_below = [](std::string_view inner, std::string_view outer) {
    return inner.size() > outer.size() && inner.starts_with(outer) && inner[outer.size()] == '/';
  };
  return a == b || is_below(a, b) || is_below(b, a);
}

}  // namespace lakehouse::catalog::detail
