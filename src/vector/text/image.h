#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/request_context.h"
#include "vector/row_set.h"
#include "vector/text/varint.h"
#include "vector/text_analysis.h"

/// \file
/// The file of a full-text index. Little-endian, sections in the order of `Section`, each at a
/// multiple of 8 bytes. Posting lists are cut into blocks, so that a search can step over them.

namespace lakehouse::vector {

enum class Section : std::uint8_t {
  Note,
  Lengths,       ///< For each row, u32: how many terms it has, counted; 0: it is not there.
  TermEnds,      ///< For each term, u32: the end of its bytes in TermBytes. Ascending by bytes.
  TermBytes,     ///< All terms, one after the other.
  TermInfos,     ///< For each term a TermInfo.
  Blocks,        ///< For each block of each term a BlockInfo.
  Postings,      ///< See `each_posting`.
  DocumentEnds,  ///< For each row, u64: the end of its terms in Documents.
  Documents,     ///< For each row its terms: varints (difference of numbers, count), ascending.
};
inline constexpr std::size_t kSections = 9;

struct ImageHeader {
  static constexpr std::array<char, 8> kMagic = {'L', 'H', 'T', 'E', 'X', 'T', '\r', '\n'};
  static constexpr std::uint32_t kVersion = 1;

  std::array<char, 8> magic = kMagic;
  std::uint32_t version = kVersion;
  std::uint32_t analysis = 0;
  std::uint32_t row_bound = 0;  ///< All rows are below.
  std::uint32_t rows = 0;       ///< That have a term.
  std::uint64_t length_sum = 0;
  std::array<std::uint64_t, kSections> begin = {};
  std::array<std::uint64_t, kSections> bytes = {};
  std::uint64_t file_bytes = 0;
  /// SHA-256 of the header with zeros here, and of all that follows it.
  std::array<std::byte, 32> digest = {};
};
static_assert(sizeof(ImageHeader) == 32 + kSections * 16 + 8 + 32);

struct TermInfo {
  std::uint32_t rows = 0;   ///< That have it.
  std::uint32_t block = 0;  ///< Its first; its last is before the next term's first.
};

/// Up to `kBlockRows` postings.
struct BlockInfo {
  std::uint64_t begin = 0;  ///< In Postings; the end is the next one's begin.
  std::uint32_t last_row = 0;
  std::uint16_t count_max = 0;   ///< The highest count, at most 65,535.
  std::uint16_t length_min = 0;  ///< The shortest row, at most 65,535.
};
inline constexpr std::uint32_t kBlockRows = 128;
/// Counts and lengths beyond say nothing more.
inline constexpr std::uint32_t kCountMax = 0xFFFF;

/// Calls visit(row, count) for a block's postings: varints (difference to the row before, doubled,
/// plus one if the count is more than 1; then the count). `before` is the last row of the term's
/// block before, or -1.
template <class Visit>
void each_posting(const char* at, const char* end, std::int64_t before, Visit&& visit) {
  while (at != end) {
    const std::uint32_t code = read_varint(at);
    before += code >> 1U;
    visit(static_cast<Row>(before), (code & 1U) != 0 ? read_varint(at) : 1U);
  }
}

/// Adds one to such a list; `before` is the row of the last one in it, or -1.
inline void append_posting(std::string& out, std::int64_t before, Row row, std::uint32_t count) {
  append_varint(out, static_cast<std::uint64_t>(row - before) << 1U | (count > 1 ? 1U : 0U));
  if (count > 1) {
    append_varint(out, count);
  }
}

/// A file's bytes, mapped or in memory. Immutable once made; thread-safe.
class TextImage {
 public:
  /// Maps and checks; see TextIndex::load.
  static Result<std::unique_ptr<TextImage>> open(const RequestContext& context,
                                                 const std::filesystem::path& file);
  /// The same for bytes that the caller keeps. DataLoss, Unimplemented.
  static Result<std::unique_ptr<TextImage>> view(const RequestContext& context,
                                                 std::string_view bytes);
  ~TextImage();
  TextImage(const TextImage&) = delete;
  TextImage& operator=(const TextImage&) = delete;

  [[nodiscard]] const ImageHeader& header() const { return header_; }
  [[nodiscard]] std::string_view note() const { return section(Section::Note); }
  [[nodiscard]] std::uint32_t length(Row row) const {
    return row < header_.row_bound ? lengths_[row] : 0;
  }
  [[nodiscard]] std::uint32_t terms() const { return static_cast<std::uint32_t>(infos_.size()); }
  [[nodiscard]] std::string_view term(std::uint32_t number) const;
  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view term) const;
  [[nodiscard]] std::uint32_t rows_with(std::uint32_t term) const { return infos_[term].rows; }
  [[nodiscard]] std::span<const BlockInfo> blocks(std::uint32_t term) const;
  /// visit(row, count) for a block of `blocks(term)`.
  template <class Visit>
  void each_posting_of(std::span<const BlockInfo> blocks, std::size_t i, Visit&& visit) const {
    const BlockInfo& block = blocks[i];
    const std::uint64_t end =
        (&block - blocks_.data()) + 1 < static_cast<std::ptrdiff_t>(blocks_.size())
            ? (&block)[1].begin
            : postings_.size();
    each_posting(postings_.data() + block.begin, postings_.data() + end,
                 i == 0 ? -1 : static_cast<std::int64_t>(blocks[i - 1].last_row), visit);
  }
  /// visit(term, count) for a row's terms, ascending.
  template <class Visit>
  void each_term_of(Row row, Visit&& visit) const {
    if (row >= header_.row_bound) {
      return;
    }
    const char* at = documents_.data() + (row == 0 ? 0 : document_ends_[row - 1]);
    const char* const end = documents_.data() + document_ends_[row];
    std::uint32_t term = 0;
    while (at != end) {
      term += read_varint(at);
      visit(term, read_varint(at));
    }
  }

 private:
  TextImage() = default;
  [[nodiscard]] std::string_view section(Section which) const;
  template <class T>
  [[nodiscard]] std::span<const T> array(Section which) const;
  Status read_header();
  Status check_all(const RequestContext& context);
  [[nodiscard]] Status check_digest(const RequestContext& context) const;
  [[nodiscard]] Status check_terms() const;
  [[nodiscard]] Status check_postings(const RequestContext& context) const;
  [[nodiscard]] Status check_documents(const RequestContext& context) const;

  std::string_view bytes_;
  void* mapped_ = nullptr;
  ImageHeader header_;
  std::span<const std::uint32_t> lengths_;
  std::span<const std::uint32_t> term_ends_;
  std::string_view term_bytes_;
  std::span<const TermInfo> infos_;
  std::span<const BlockInfo> blocks_;
  std::string_view postings_;
  std::span<const std::uint64_t> document_ends_;
  std::string_view documents_;
};

}  // namespace lakehouse::vector
