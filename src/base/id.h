#pragma once

#include <cstdint>
#include <string>

namespace lakehouse {

/// A new UUID of version 7 (RFC 9562): sorts after those that this process made before, and by time
/// with those of others. From the system's secure random numbers; thread-safe.
std::string new_uuid();

/// A new Iceberg snapshot id: positive, random, 63 bits. Thread-safe.
std::int64_t new_snapshot_id();

/// `byte_count` random bytes in lower-case hexadecimal, for tokens and request ids. Thread-safe.
std::string new_token(std::size_t byte_count);

}  // namespace lakehouse
