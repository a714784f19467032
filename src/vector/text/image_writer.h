#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "vector/text/image.h"

namespace lakehouse::vector {

/// Puts the file of a full-text index together. Not thread-safe.
class ImageWriter {
 public:
  /// The terms of all rows, ascending, each once; kept by the caller.
  ImageWriter(Analysis analysis, const std::vector<std::string_view>& terms);

  using Terms = std::vector<std::pair<std::uint32_t, std::uint32_t>>;  ///< (number, count).

  /// The next row, ascending; terms ascending by number, at least one.
  void add(Row row, std::uint32_t length, const Terms& terms);

  /// The whole file.
  Result<std::string> finish(const RequestContext& context, std::string_view note);

 private:
  struct List {
    std::string bytes;
    std::vector<BlockInfo> blocks;  ///< `begin` counts within `bytes`.
    std::int64_t last_row = -1;
    std::uint32_t rows = 0;
  };

  ImageHeader header_;
  const std::vector<std::string_view>& terms_;
  std::vector<List> lists_;
  std::vector<std::uint32_t> lengths_;
  std::vector<std::uint64_t> document_ends_;
  std::string documents_;
};

/// Writes `bytes` to a file beside it, brings them to the disk, and renames it to `file`.
/// ResourceExhausted if the disk is full, Unavailable on other failures.
Status write_file_durably(const RequestContext& context, const std::filesystem::path& file,
                          std::string_view bytes);

}  // namespace lakehouse::vector
