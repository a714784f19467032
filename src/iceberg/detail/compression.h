#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

/// \file
/// What Avro and Puffin files compress with. Reading is bounded, and grows with what there is, not
/// with what a header claims: DataLoss for broken bytes, and for more than `bytes_max`.

namespace lakehouse::iceberg::detail {

Result<std::string> inflate_raw(std::string_view source, std::size_t bytes_max);
Result<std::string> unzstd(std::string_view source, std::size_t bytes_max);
Result<std::string> unsnappy(std::string_view source, std::size_t bytes_max);  ///< No frames.

Result<std::string> deflate_raw(std::string_view source);
Result<std::string> zstd(std::string_view source);

/// CRC-32 as in zlib, Ethernet, PNG.
std::uint32_t crc32_of(std::string_view bytes);

}  // namespace lakehouse::iceberg::detail
