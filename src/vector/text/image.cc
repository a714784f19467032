#include "vector/text/image.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/unique_fd.h"

namespace lakehouse::vector {

static_assert(std::endian::native == std::endian::little, "files are mapped as they are");
static_assert(sizeof(TermInfo) == 8 && sizeof(BlockInfo) == 16);

namespace {

std::unexpected<Error> damaged(std::string_view what) {
  return fail(ErrorCode::DataLoss, fmt::format("the full-text index is damaged: {}", what),
              "Build the index again.");
}

constexpr std::size_t index_of(Section which) {
  return static_cast<std::size_t>(which);
}

}  // namespace

TextImage::~TextImage() {
  if (mapped_ != nullptr) {
    ::munmap(mapped_, bytes_.size());
  }
}

Result<std::unique_ptr<TextImage>> TextImage::open(const RequestContext& context,
                                                   const std::filesystem::path& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info{};
  if (!fd || ::fstat(fd.get(), &info) != 0) {
    return fail(errno == ENOENT ? ErrorCode::NotFound : ErrorCode::Unavailable,
                fmt::format("full-text index {}: {}", file.filename().string(),
                            std::generic_category().message(errno)));
  }
  if (!S_ISREG(info.st_mode) || info.st_size < static_cast<off_t>(sizeof(ImageHeader))) {
    return damaged("it is too short");
  }
  const auto bytes = static_cast<std::size_t>(info.st_size);
  void* const mapped = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (mapped == MAP_FAILED) {
    return fail(ErrorCode::ResourceExhausted,
                fmt::format("full-text index {} cannot be mapped: {}", file.filename().string(),
                            std::generic_category().message(errno)));
  }
  std::unique_ptr<TextImage> image(new TextImage);
  image->mapped_ = mapped;
  image->bytes_ = {static_cast<const char*>(mapped), bytes};
  LH_RETURN_IF_ERROR(image->check_all(context));
  return image;
}

Result<std::unique_ptr<TextImage>> TextImage::view(const RequestContext& context,
                                                   std::string_view bytes) {
  std::unique_ptr<TextImage> image(new TextImage);
  image->bytes_ = bytes;
  LH_RETURN_IF_ERROR(image->check_all(context));
  return image;
}

Status TextImage::check_all(const RequestContext& context) {
  LH_RETURN_IF_ERROR(read_header());
  LH_RETURN_IF_ERROR(check_digest(context));
  LH_RETURN_IF_ERROR(check_terms());
  LH_RETURN_IF_ERROR(check_postings(context));
  return check_documents(context);
}

std::string_view TextImage::section(Section which) const {
  return bytes_.substr(header_.begin[index_of(which)], header_.bytes[index_of(which)]);
}

template <class T>
std::span<const T> TextImage::array(Section which) const {
  const std::string_view all = section(which);
  return {reinterpret_cast<const T*>(all.data()), all.size() / sizeof(T)};
}

Status TextImage::read_header() {
  if (bytes_.size() < sizeof(ImageHeader) ||
      std::bit_cast<std::uintptr_t>(bytes_.data()) % 8 != 0) {
    return damaged("it is too short");
  }
  std::memcpy(&header_, bytes_.data(), sizeof header_);
  if (header_.magic != ImageHeader::kMagic) {
    return fail(ErrorCode::DataLoss, "this file is no full-text index");
  }
  if (header_.version != ImageHeader::kVersion) {
    return fail(ErrorCode::Unimplemented,
                fmt::format("the full-text index is of version {}, known is {}", header_.version,
                            ImageHeader::kVersion),
                "Build the index again, or run the version that wrote it.");
  }
  if (header_.file_bytes != bytes_.size() || header_.row_bound > RowSet::kRowsMax ||
      header_.analysis > static_cast<std::uint32_t>(Analysis::English)) {
    return damaged("its header is wrong");
  }
  std::uint64_t end = sizeof(ImageHeader);
  for (std::size_t i = 0; i < kSections; ++i) {
    if (header_.begin[i] % 8 != 0 || header_.begin[i] < end || header_.begin[i] > bytes_.size() ||
        header_.bytes[i] > bytes_.size() - header_.begin[i]) {
      return damaged("its sections are wrong");
    }
    end = header_.begin[i] + header_.bytes[i];
  }
  lengths_ = array<std::uint32_t>(Section::Lengths);
  term_ends_ = array<std::uint32_t>(Section::TermEnds);
  term_bytes_ = section(Section::TermBytes);
  infos_ = array<TermInfo>(Section::TermInfos);
  blocks_ = array<BlockInfo>(Section::Blocks);
  postings_ = section(Section::Postings);
  document_ends_ = array<std::uint64_t>(Section::DocumentEnds);
  documents_ = section(Section::Documents);
  if (lengths_.size() != header_.row_bound || document_ends_.size() != header_.row_bound ||
      term_ends_.size() != infos_.size()) {
    return damaged("its sections do not fit together");
  }
  return {};
}

Status TextImage::check_digest(const RequestContext& context) const {
  ImageHeader header = header_;
  header.digest = {};
  Sha256 hash;
  hash.update(std::as_bytes(std::span(&header, 1)));
  constexpr std::size_t kPiece = std::size_t{16} << 20U;
  for (std::size_t at = sizeof header; at < bytes_.size(); at += kPiece) {
    LH_RETURN_IF_ERROR(context.check());
    hash.update(std::as_bytes(std::span(bytes_.substr(at, kPiece))));
  }
  return hash.finish() == header_.digest ? Status() : damaged("its bytes have changed");
}

// The digest tells accidents, not malice: what follows makes sure that a file which somebody made
// so cannot lead a search astray.

Status TextImage::check_terms() const {
  std::uint32_t begin = 0;
  std::uint32_t block = 0;
  std::string_view before;
  for (std::size_t i = 0; i < infos_.size(); ++i) {
    const std::uint32_t end = term_ends_[i];
    if (end <= begin || end > term_bytes_.size() || infos_[i].block != block) {
      return damaged("its terms are wrong");
    }
    const std::string_view term = term_bytes_.substr(begin, end - begin);
    if (term <= before || term.size() > kTermBytesMax + 8) {
      return damaged("its terms are not in order");
    }
    const std::uint32_t rows = infos_[i].rows;
    const std::uint64_t next =
        std::uint64_t{block} + (std::uint64_t{rows} + kBlockRows - 1) / kBlockRows;
    if (rows == 0 || rows > header_.rows || next > blocks_.size()) {
      return damaged("its terms are wrong");
    }
    block = static_cast<std::uint32_t>(next);
    begin = end;
    before = term;
  }
  return block == blocks_.size() ? Status() : damaged("its terms are wrong");
}

Status TextImage::check_postings(const RequestContext& context) const {
  for (std::uint32_t term = 0; term < terms(); ++term) {
    if (term % 4096 == 0) {
      LH_RETURN_IF_ERROR(context.check());
    }
    const std::span<const BlockInfo> all = blocks(term);
    std::uint32_t left = infos_[term].rows;
    std::int64_t row = -1;
    for (const BlockInfo& block : all) {
      const bool is_last = &block == &blocks_.back();
      const std::uint64_t end = is_last ? postings_.size() : (&block)[1].begin;
      if (block.begin > end || end > postings_.size()) {
        return damaged("its blocks are wrong");
      }
      const char* at = postings_.data() + block.begin;
      const std::uint32_t count = std::min(left, kBlockRows);
      for (std::uint32_t i = 0; i < count; ++i) {
        std::uint32_t code = 0;
        std::uint32_t times = 1;
        if (!read_varint_checked(at, postings_.data() + end, code) || code < 2 ||
            ((code & 1U) != 0 && !read_varint_checked(at, postings_.data() + end, times)) ||
            times == 0) {
          return damaged("its postings are wrong");
        }
        row += code >> 1U;
        if (row >= header_.row_bound || lengths_[static_cast<Row>(row)] == 0 ||
            std::min(times, kCountMax) > block.count_max ||
            std::min(lengths_[static_cast<Row>(row)], kCountMax) < block.length_min) {
          return damaged("its postings are wrong");
        }
      }
      if (at != postings_.data() + end || row != block.last_row) {
        return damaged("its blocks are wrong");
      }
      left -= count;
    }
  }
  return {};
}

Status TextImage::check_documents(const RequestContext& context) const {
  std::uint64_t begin = 0;
  std::uint64_t length_sum = 0;
  std::uint32_t rows = 0;
  for (Row row = 0; row < header_.row_bound; ++row) {
    if (row % 65'536 == 0) {
      LH_RETURN_IF_ERROR(context.check());
    }
    const std::uint64_t end = document_ends_[row];
    if (end < begin || end > documents_.size() || (end == begin) != (lengths_[row] == 0)) {
      return damaged("its rows are wrong");
    }
    const char* at = documents_.data() + begin;
    std::uint64_t term = 0;
    while (at != documents_.data() + end) {
      const bool is_first = at == documents_.data() + begin;
      std::uint32_t difference = 0;
      std::uint32_t times = 0;
      if (!read_varint_checked(at, documents_.data() + end, difference) ||
          !read_varint_checked(at, documents_.data() + end, times) || times == 0 ||
          (difference == 0 && !is_first)) {
        return damaged("its rows are wrong");
      }
      term += difference;
      if (term >= infos_.size()) {
        return damaged("its rows are wrong");
      }
    }
    rows += lengths_[row] == 0 ? 0U : 1U;
    length_sum += lengths_[row];
    begin = end;
  }
  return rows == header_.rows && length_sum == header_.length_sum ? Status()
                                                                  : damaged("its rows are wrong");
}

std::string_view TextImage::term(std::uint32_t number) const {
  const std::uint32_t begin = number == 0 ? 0 : term_ends_[number - 1];
  return term_bytes_.substr(begin, term_ends_[number] - begin);
}

std::optional<std::uint32_t> TextImage::find(std::string_view wanted) const {
  std::uint32_t low = 0;
  std::uint32_t high = terms();
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    if (term(middle) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < terms() && term(low) == wanted ? std::optional(low) : std::nullopt;
}

std::span<const BlockInfo> TextImage::blocks(std::uint32_t term) const {
  const std::size_t end = term + 1 < terms() ? infos_[term + 1].block : blocks_.size();
  return blocks_.subspan(infos_[term].block, end - infos_[term].block);
}

}  // namespace lakehouse::vector
