#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// \file
/// What an object store speaks of. Plain values: copied, compared, never locked.

namespace lakehouse::storage {

using Bytes = std::vector<std::byte>;

/// A version of one object, as its store named it. Opaque: compare for equality only.
struct ETag {
  std::string value;
  friend bool operator==(const ETag&, const ETag&) = default;
};

struct ObjectInfo {
  std::string key;
  std::uint64_t size_bytes = 0;
  ETag etag;
  std::chrono::system_clock::time_point modified_at;
};

/// The bytes [offset_bytes, offset_bytes + length_bytes) of an object.
struct ByteRange {
  std::uint64_t offset_bytes = 0;
  std::uint64_t length_bytes = 0;
};

/// What must hold for a put to take effect. Iceberg commits rest on `IfAbsent` and `IfMatch`.
struct PutCondition {
  enum class Kind : std::uint8_t { Always, IfAbsent, IfMatch };
  Kind kind = Kind::Always;
  ETag etag;  ///< For IfMatch: the version to replace.
};

/// One page of a listing, in byte order of the keys.
struct ObjectList {
  std::vector<ObjectInfo> objects;
  std::vector<std::string> common_prefixes;  ///< What a delimiter rolled up, each ending in it.
  std::string next_start_after;              ///< Where the next page starts; empty on the last.
};

}  // namespace lakehouse::storage
