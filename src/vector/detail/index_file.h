#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "base/request_context.h"
#include "vector/detail/graph.h"
#include "vector/detail/table_data.h"
#include "vector/exact_scan.h"
#include "vector/vector_index.h"

/// \file
/// Indexes in files. Little-endian: a header of one page, then sections that begin at whole pages,
/// in this order and without gaps but for that. The header holds the options, each section's place,
/// length and XXH3 sum, and its own sum. Behind the last section there may be sketches: a page with
/// a header of theirs, then directions and codes of each. A reader that knows nothing of them does
/// without.

namespace lakehouse::vector {

/// A file that an index lies in, mapped for reading. Must not be changed in place (who replaces it
/// renames another over it). Immutable.
class IndexFile {
 public:
  static constexpr std::uint32_t kVersion = 2;
  static constexpr std::size_t kPageBytes = 4096;
  enum Part : std::uint8_t { Note, Levels, Residuals, Ground, Upper, Codes, Vectors, Parts };

  struct Section {
    std::uint64_t at = 0;
    std::uint64_t bytes = 0;
    std::uint64_t sum = 0;
  };
  struct Header {
    char magic[8] = {};
    std::uint32_t version = 0;
    std::uint32_t dimensions = 0;
    std::uint32_t m = 0;
    std::uint32_t ef_construction = 0;
    std::uint32_t quantization = 0;
    std::uint32_t size = 0;
    std::uint32_t entry = 0;
    std::uint32_t top = 0;
    std::uint64_t seed = 0;
    Section sections[Parts] = {};
    std::uint64_t sum = 0;  ///< Of what comes before.
  };

  /// The coarse one, the fine one.
  struct SketchHeader {
    struct Part {
      std::uint32_t length = 0;
      std::uint32_t packed = 0;
      float rest_step = 0;
      float error_step = 0;
      Section directions;
      Section codes;
    };
    char magic[8] = {};
    std::uint32_t version = 0;
    std::uint32_t size = 0;
    Part parts[2] = {};
    std::uint64_t sum = 0;  ///< Of what comes before.
  };

  IndexFile(const std::byte* data, std::size_t bytes, const Header& header)
      : data_(data), bytes_(bytes), header_(header) {}
  ~IndexFile();
  IndexFile(const IndexFile&) = delete;
  IndexFile& operator=(const IndexFile&) = delete;

  [[nodiscard]] const Header& header() const { return header_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t codes_bytes() const { return header_.sections[Codes].bytes; }
  [[nodiscard]] std::span<const std::byte> part(Part part) const {
    return at(header_.sections[part]);
  }
  [[nodiscard]] std::span<const std::byte> at(const Section& section) const {
    return {data_ + section.at, section.bytes};
  }
  /// Null if the file has none.
  [[nodiscard]] const SketchHeader* sketches() const { return sketches_ ? &*sketches_ : nullptr; }
  void set_sketches(const SketchHeader& header) { sketches_ = header; }

 private:
  const std::byte* data_;
  std::size_t bytes_;
  Header header_;
  std::optional<SketchHeader> sketches_;
};

/// What an index is made of.
struct IndexContent {
  IndexOptions options;
  std::string note;
  Graph graph;
  VectorTable table;
  const TableData* rows = nullptr;  ///< The table's.
  std::unique_ptr<IndexFile>
      file;  ///< Where codes and vectors lie; null if they are the table's own.
};

/// As VectorIndex::open, verify, warm and save.
Result<IndexContent> read_index_file(const std::string& path);
Status verify_index_file(const RequestContext& context, const IndexFile& file);
Status touch_index_file(const RequestContext& context, const IndexFile& file);
Status write_index_file(const IndexContent& content, const std::string& path);

}  // namespace lakehouse::vector
