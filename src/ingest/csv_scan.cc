#include "ingest/csv_scan.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "base/unique_fd.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace lakehouse::ingest {

namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20U;
constexpr std::size_t kBlockBytes = 64;

/// One bit for each byte of a block that matters: delimiter, line end, quote, '.', ':'.
class BlockMask {
 public:
  BlockMask(char delimiter, char quote) : wanted_{delimiter, '\n', quote, '.', ':'} {}

  [[nodiscard]] std::uint64_t of(const char* block) const {
#if defined(__SSE2__)
    std::uint64_t mask = 0;
    for (unsigned part = 0; part < 4; ++part) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 16 * part));
      __m128i hits = _mm_setzero_si128();
      for (const char c : wanted_) {
        hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)));
      }
      mask |= static_cast<std::uint64_t>(static_cast<std::uint32_t>(_mm_movemask_epi8(hits)))
              << (16 * part);
    }
    return mask;
#else
    std::uint64_t mask = 0;
    for (unsigned i = 0; i < kBlockBytes; ++i) {
      const bool hit = std::find(wanted_.begin(), wanted_.end(), block[i]) != wanted_.end();
      mask |= static_cast<std::uint64_t>(hit) << i;
    }
    return mask;
#endif
  }

 private:
  std::array<char, 5> wanted_;
};

/// Follows records and columns through the bytes that matter.
class Follower {
 public:
  Follower(const CsvScan& scan, std::int64_t lines_to_skip)
      : scan_(scan), lines_to_skip_(lines_to_skip), found_(scan.forbidden.size(), false) {}

  void take(char c) {
    // Doubled quotes leave and enter again: the state after them is right.
    if (c == scan_.quote && scan_.quote != '\0') {
      quoted_ = !quoted_;
    } else if (c == scan_.delimiter) {
      column_ += quoted_ ? 0U : 1U;
    } else if (c == '\n') {
      if (!quoted_) {
        column_ = 0;
        lines_to_skip_ -= lines_to_skip_ > 0 ? 1 : 0;
      }
    } else if (lines_to_skip_ == 0 && column_ < found_.size() && scan_.forbidden[column_] == c) {
      found_[column_] = true;
    }
  }

  [[nodiscard]] std::vector<std::size_t> found() const {
    std::vector<std::size_t> columns;
    for (std::size_t i = 0; i < found_.size(); ++i) {
      if (found_[i]) {
        columns.push_back(i);
      }
    }
    return columns;
  }

 private:
  const CsvScan& scan_;
  std::int64_t lines_to_skip_;
  std::vector<bool> found_;
  std::size_t column_ = 0;
  bool quoted_ = false;
};

void scan_buffer(const BlockMask& masks, std::string_view bytes, Follower* follower) {
  while (bytes.size() >= kBlockBytes) {
    for (std::uint64_t mask = masks.of(bytes.data()); mask != 0; mask &= mask - 1) {
      follower->take(bytes[static_cast<std::size_t>(__builtin_ctzll(mask))]);
    }
    bytes.remove_prefix(kBlockBytes);
  }
  for (const char c : bytes) {
    follower->take(c);
  }
}

}  // namespace

Result<std::vector<std::size_t>> find_lossy_columns(const std::string& path, const CsvScan& scan,
                                                    std::int64_t lines_to_skip) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    return fail(ErrorCode::Unavailable,
                "cannot read staging: " + std::system_category().message(errno));
  }
  const BlockMask masks(scan.delimiter, scan.quote == '\0' ? '\n' : scan.quote);
  Follower follower(scan, lines_to_skip);
  std::string buffer(kBufferBytes, '\0');
  while (true) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return fail(ErrorCode::Unavailable,
                  "cannot read staging: " + std::system_category().message(errno));
    }
    if (got == 0) {
      return follower.found();
    }
    scan_buffer(masks, std::string_view(buffer).substr(0, static_cast<std::size_t>(got)),
                &follower);
  }
}

}  // namespace lakehouse::ingest
