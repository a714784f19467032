#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/error.h"

namespace lakehouse::ingest {

enum class Compression : std::uint8_t { None, Gzip, Zstd };

/// By the first bytes.
Compression compression_at_start(std::string_view head);

/// Unpacks gzip and zstd that come in pieces, several members or frames included. Not thread-safe.
class Decompressor {
 public:
  using Sink = std::function<Status(std::string_view)>;

  /// Refuses, as ResourceExhausted, to make more than `bytes_max`, or (past 1 GiB) more than a
  /// thousand times what came in.
  static std::unique_ptr<Decompressor> of(Compression compression, std::uint64_t bytes_max);

  virtual ~Decompressor() = default;
  /// InvalidArgument for what is no such stream.
  virtual Status update(std::string_view bytes, const Sink& sink) = 0;
  /// InvalidArgument if the stream is cut off.
  virtual Status finish() = 0;
};

}  // namespace lakehouse::ingest
