#include "vector/chunk_rows.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace lakehouse::vector {
namespace {

constexpr std::string_view kMagic = "LHCHUNK1";

/// At the front of the file; sections follow in this order.
struct Header {
  char magic[8] = {};
  std::uint64_t sum = 0;  ///< Of all that follows it but the texts.
  std::uint64_t rows = 0;
  std::uint64_t has_text_keys = 0;
  std::uint64_t note_bytes = 0;
  std::uint64_t slots = 0;  ///< A power of two, more than the rows.
  std::uint64_t key_bytes = 0;
  std::uint64_t text_bytes = 0;
};
constexpr std::size_t kSumEnds = offsetof(Header, sum) + sizeof(Header::sum);

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

/// Not for enemies: against torn writes and rotten disks.
std::uint64_t sum_of(std::string_view bytes, std::uint64_t sum) {
  constexpr std::uint64_t kA = 0x9E3779B97F4A7C15;
  constexpr std::uint64_t kB = 0xD6E8FEB86659FD93;
  sum = mix(sum ^ kA, bytes.size() ^ kB);
  while (bytes.size() >= 16) {
    std::uint64_t words[2];
    std::memcpy(words, bytes.data(), sizeof(words));
    sum = mix(words[0] ^ kA ^ sum, words[1] ^ kB) + std::rotl(sum, 23);
    bytes.remove_prefix(16);
  }
  for (const char c : bytes) {
    sum = mix(sum ^ static_cast<unsigned char>(c), kB);
  }
  return sum;
}

std::unexpected<Error> io_error(std::string_view doing, const std::string& path) {
  const int code = errno;
  return fail(code == ENOENT                     ? ErrorCode::NotFound
              : code == ENOSPC || code == EDQUOT ? ErrorCode::ResourceExhausted
                                                 : ErrorCode::Unavailable,
              fmt::format("{} {}: errno {}", doing, path, code));
}

std::unexpected<Error> damaged() {
  return fail(ErrorCode::DataLoss, "the file of an index's chunks is damaged");
}

Status write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) {
      return io_error("write", path);
    }
    bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
  }
  return {};
}

template <class T>
std::string_view bytes_of(const T* data, std::size_t count) {
  return {reinterpret_cast<const char*>(data), count * sizeof(T)};
}

}  // namespace

// --- In memory.

std::uint64_t ChunkRows::hash_of(const KeyView& key) {
  return key.text.empty()
             ? mix(static_cast<std::uint64_t>(key.number) ^ 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93)
             : sum_of(key.text, 0);
}

void ChunkRows::add(const ChunkView& chunk) {
  Fixed fixed;
  fixed.number = chunk.key.number;
  if (has_text_keys_) {
    fixed.key_at = keys_.size();
    fixed.key_size = static_cast<std::uint32_t>(chunk.key.text.size());
    keys_ += chunk.key.text;
  }
  fixed.chunk = chunk.chunk;
  fixed.start = chunk.start;
  fixed.end = chunk.end;
  fixed.row_hash = chunk.row_hash;
  fixed.text_at = texts_.size();
  fixed.text_size = chunk.text.size();
  texts_ += chunk.text;
  by_key_.emplace(hash_of(chunk.key), size());
  chunks_.push_back(fixed);
}

std::size_t ChunkRows::memory_bytes() const {
  constexpr std::size_t kNodeBytes = 48;
  return chunks_.capacity() * sizeof(Fixed) + keys_.capacity() + texts_.capacity() +
         by_key_.size() * kNodeBytes;
}

KeyView ChunkRows::key_at(Row row) const {
  const Fixed& fixed = chunks_[row];
  return {fixed.number, std::string_view(keys_).substr(fixed.key_at, fixed.key_size)};
}

ChunkView ChunkRows::at(Row row) const {
  const Fixed& fixed = chunks_[row];
  return {key_at(row),    fixed.chunk,
          fixed.start,    fixed.end,
          fixed.row_hash, std::string_view(texts_).substr(fixed.text_at, fixed.text_size)};
}

// --- In a file.

Status ChunkFile::write(const ChunkRows& rows, std::string_view note, const std::string& path) {
  Header header;
  std::memcpy(header.magic, kMagic.data(), kMagic.size());
  header.rows = rows.size();
  header.has_text_keys = rows.has_text_keys_ ? 1 : 0;
  header.slots = std::bit_ceil(std::uint64_t{rows.size()} * 2 + 1);
  header.key_bytes = rows.keys_.size();
  header.text_bytes = rows.texts_.size();
  // So that what follows is aligned.
  std::string padded(note);
  padded.resize((padded.size() + 7) / 8 * 8, ' ');
  header.note_bytes = padded.size();
  std::vector<Row> slots(header.slots, kNoRow);
  for (Row row = 0; row < rows.size(); ++row) {
    std::uint64_t at = ChunkRows::hash_of(rows.key_at(row)) & (header.slots - 1);
    while (slots[at] != kNoRow) {
      at = (at + 1) & (header.slots - 1);
    }
    slots[at] = row;
  }
  const std::string_view fixed = bytes_of(rows.chunks_.data(), rows.chunks_.size());
  const std::string_view slot_bytes = bytes_of(slots.data(), slots.size());
  std::uint64_t sum = sum_of(bytes_of(&header, 1).substr(kSumEnds), 0);
  for (const std::string_view part :
       {std::string_view(padded), fixed, slot_bytes, std::string_view(rows.keys_)}) {
    sum = sum_of(part, sum);
  }
  header.sum = sum;
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (file.get() < 0) {
    return io_error("open", path);
  }
  for (const std::string_view part :
       {bytes_of(&header, 1), std::string_view(padded), fixed, slot_bytes,
        std::string_view(rows.keys_), std::string_view(rows.texts_)}) {
    LH_RETURN_IF_ERROR(write_all(file.get(), part, path));
  }
  return ::fsync(file.get()) == 0 ? Status() : io_error("sync", path);
}

Result<std::unique_ptr<ChunkFile>> ChunkFile::open(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info{};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) {
    return io_error("open", path);
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size < sizeof(Header)) {
    return damaged();
  }
  void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (mapped == MAP_FAILED) {
    return io_error("map", path);
  }
  std::unique_ptr<ChunkFile> out(new ChunkFile());
  out->bytes_ = {static_cast<const char*>(mapped), size};
  LH_RETURN_IF_ERROR(out->check());
  return out;
}

Status ChunkFile::check() {
  Header header;
  std::memcpy(&header, bytes_.data(), sizeof(Header));
  const std::uint64_t rest = bytes_.size() - sizeof(Header);
  if (std::string_view(header.magic, kMagic.size()) != kMagic || header.rows > RowSet::kRowsMax ||
      header.slots > 4 * std::uint64_t{RowSet::kRowsMax} || !std::has_single_bit(header.slots) ||
      header.slots <= header.rows || header.note_bytes > rest || header.key_bytes > rest ||
      header.text_bytes > rest || header.rows * sizeof(ChunkRows::Fixed) > rest ||
      header.slots * sizeof(Row) > rest ||
      header.note_bytes + header.rows * sizeof(ChunkRows::Fixed) + header.slots * sizeof(Row) +
              header.key_bytes + header.text_bytes !=
          rest) {
    return damaged();
  }
  rows_ = static_cast<std::uint32_t>(header.rows);
  has_text_keys_ = header.has_text_keys != 0;
  slot_mask_ = header.slots - 1;
  std::string_view left = bytes_.substr(sizeof(Header));
  const auto take = [&left](std::uint64_t size) {
    const std::string_view part = left.substr(0, size);
    left.remove_prefix(size);
    return part;
  };
  note_ = take(header.note_bytes);
  fixed_ = take(header.rows * sizeof(ChunkRows::Fixed));
  slots_ = take(header.slots * sizeof(Row));
  keys_ = take(header.key_bytes);
  texts_ = left;
  std::uint64_t sum = sum_of(bytes_.substr(kSumEnds, sizeof(Header) - kSumEnds), 0);
  for (const std::string_view part : {note_, fixed_, slots_, keys_}) {
    sum = sum_of(part, sum);
  }
  if (sum != header.sum) {
    return damaged();
  }
  // Whoever made the sum may have made the rest: no search may run outside or for ever.
  bool has_free_slot = false;
  for (std::uint64_t at = 0; at <= slot_mask_; ++at) {
    const Row row = slot(at);
    has_free_slot = has_free_slot || row == kNoRow;
    if (row != kNoRow && row >= rows_) {
      return damaged();
    }
  }
  for (Row row = 0; row < rows_; ++row) {
    ChunkRows::Fixed fixed;
    std::memcpy(&fixed, fixed_.data() + row * sizeof(fixed), sizeof(fixed));
    if (fixed.key_at > keys_.size() || fixed.key_size > keys_.size() - fixed.key_at ||
        fixed.text_at > texts_.size() || fixed.text_size > texts_.size() - fixed.text_at) {
      return damaged();
    }
  }
  while (!note_.empty() && note_.back() == ' ') {
    note_.remove_suffix(1);
  }
  return has_free_slot ? Status() : damaged();
}

ChunkFile::~ChunkFile() {
  if (!bytes_.empty()) {
    ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
  }
}

Row ChunkFile::slot(std::uint64_t at_slot) const {
  Row row = 0;
  std::memcpy(&row, slots_.data() + at_slot * sizeof(Row), sizeof(Row));
  return row;
}

KeyView ChunkFile::key_at(Row row) const {
  return at(row).key;
}

ChunkView ChunkFile::at(Row row) const {
  ChunkRows::Fixed fixed;
  std::memcpy(&fixed, fixed_.data() + row * sizeof(fixed), sizeof(fixed));
  return {{fixed.number, keys_.substr(fixed.key_at, fixed.key_size)},
          fixed.chunk,
          fixed.start,
          fixed.end,
          fixed.row_hash,
          texts_.substr(fixed.text_at, fixed.text_size)};
}

}  // namespace lakehouse::vector
