#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/error.h"
#include "iceberg/snapshot.h"

/// \file
/// Puffin files: blobs that belong to a table, such as sketches and deletion vectors, and a footer
/// that describes them. Source: the Puffin specification. What is read may be hostile: every defect
/// is DataLoss.

namespace lakehouse::iceberg {

inline constexpr std::string_view kThetaSketchBlob = "apache-datasketches-theta-v1";
inline constexpr std::string_view kDeletionVectorBlob = "deletion-vector-v1";

struct PuffinBlob {
  std::string type;
  std::vector<std::int32_t> fields;   ///< What it was computed from.
  std::int64_t snapshot_id = -1;      ///< -1: not known when it was written.
  std::int64_t sequence_number = -1;  ///< The same.
  std::int64_t offset = 0;            ///< In the file; set by the writer.
  std::int64_t length = 0;            ///< As stored, compressed perhaps; set by the writer.
  std::string compression_codec;      ///< "zstd", "lz4" or empty.
  Properties properties;
  boost::json::object unknown;

  friend bool operator==(const PuffinBlob&, const PuffinBlob&) = default;
};

/// What the footer says.
struct PuffinFooter {
  std::vector<PuffinBlob> blobs;
  Properties properties;

  friend bool operator==(const PuffinFooter&, const PuffinFooter&) = default;
};

/// Makes a file in memory. Not thread-safe.
class PuffinWriter {
 public:
  explicit PuffinWriter(Properties properties = {});

  /// Appends a blob, compressed if `blob.compression_codec` is "zstd". Returns its description with
  /// offset and length. Unimplemented for another codec.
  Result<PuffinBlob> add(PuffinBlob blob, std::string_view content);
  /// The file. Nothing can be added afterwards.
  std::vector<std::byte> finish();

 private:
  std::string file_;
  PuffinFooter footer_;
};

/// The footer of a whole file. Unimplemented if it is compressed (LZ4), which no known writer does.
Result<PuffinFooter> read_puffin_footer(std::span<const std::byte> file);

/// The content of one of the file's blobs, decompressed. ResourceExhausted if that takes more than
/// `bytes_max`; Unimplemented for LZ4.
Result<std::string> read_puffin_blob(std::span<const std::byte> file, const PuffinBlob& blob,
                                     std::size_t bytes_max = std::size_t{64} << 20U);

}  // namespace lakehouse::iceberg
