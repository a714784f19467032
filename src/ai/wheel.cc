#include "ai/wheel.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <zlib.h>

namespace lakehouse::ai {
namespace {

constexpr std::uint32_t kEntrySignature = 0x02014b50;
constexpr std::uint32_t kLocalSignature = 0x04034b50;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kEntryBytes = 46;
constexpr std::size_t kLocalBytes = 30;
constexpr std::size_t kCommentMax = 65'535;
constexpr std::uint32_t kDirectoryMax = 16U << 20U;
constexpr std::size_t kPieceBytes = std::size_t{256} << 10U;

template <class T>
T at(const std::string& bytes, std::size_t offset) {
  T value{};
  if (offset + sizeof(T) <= bytes.size()) {
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
  }
  return value;
}

struct Entry {
  std::uint16_t method = 0;
  std::uint32_t crc = 0;
  std::uint32_t packed = 0;
  std::uint32_t size = 0;
  std::uint32_t offset = 0;
};

class Archive {
 public:
  explicit Archive(const std::filesystem::path& path)
      : path_(path), stream_(path, std::ios::binary) {
    std::error_code error;
    size_ = std::filesystem::file_size(path, error);
    if (error) {
      size_ = 0;
    }
  }

  [[nodiscard]] std::unexpected<Error> damaged() const {
    return fail(ErrorCode::DataLoss,
                fmt::format("{} is no whole archive", path_.filename().string()));
  }

  Result<std::string> read(std::uint64_t offset, std::size_t count) {
    if (offset > size_ || count > size_ - offset) {
      return damaged();
    }
    std::string bytes(count, '\0');
    stream_.clear();
    stream_.seekg(static_cast<std::streamoff>(offset));
    stream_.read(bytes.data(), static_cast<std::streamsize>(count));
    return stream_ ? Result<std::string>(std::move(bytes)) : Result<std::string>(damaged());
  }

  Result<Entry> find(std::string_view member) {
    const auto tail_size =
        static_cast<std::size_t>(std::min<std::uint64_t>(size_, kEndBytes + kCommentMax));
    LH_ASSIGN_OR_RETURN(const std::string tail, read(size_ - tail_size, tail_size));
    const std::string signature("PK\x05\x06", 4);
    const std::size_t end = tail.rfind(signature);
    if (end == std::string::npos || tail.size() - end < kEndBytes) {
      return damaged();
    }
    const auto bytes = at<std::uint32_t>(tail, end + 12);
    const auto offset = at<std::uint32_t>(tail, end + 16);
    if (bytes > kDirectoryMax) {
      return damaged();
    }
    LH_ASSIGN_OR_RETURN(const std::string directory, read(offset, bytes));
    for (std::size_t i = 0; i + kEntryBytes <= directory.size();) {
      if (at<std::uint32_t>(directory, i) != kEntrySignature) {
        return damaged();
      }
      const std::size_t name = at<std::uint16_t>(directory, i + 28);
      const std::size_t rest =
          std::size_t{at<std::uint16_t>(directory, i + 30)} + at<std::uint16_t>(directory, i + 32);
      if (i + kEntryBytes + name > directory.size()) {
        return damaged();
      }
      if (std::string_view(directory).substr(i + kEntryBytes, name) == member) {
        return Entry{.method = at<std::uint16_t>(directory, i + 10),
                     .crc = at<std::uint32_t>(directory, i + 16),
                     .packed = at<std::uint32_t>(directory, i + 20),
                     .size = at<std::uint32_t>(directory, i + 24),
                     .offset = at<std::uint32_t>(directory, i + 42)};
      }
      i += kEntryBytes + name + rest;
    }
    return fail(ErrorCode::NotFound,
                fmt::format("{} has no '{}'", path_.filename().string(), member));
  }

  /// Where the entry's bytes begin.
  Result<std::uint64_t> data_of(const Entry& entry) {
    LH_ASSIGN_OR_RETURN(const std::string header, read(entry.offset, kLocalBytes));
    if (at<std::uint32_t>(header, 0) != kLocalSignature) {
      return damaged();
    }
    return std::uint64_t{entry.offset} + kLocalBytes + at<std::uint16_t>(header, 26) +
           at<std::uint16_t>(header, 28);
  }

 private:
  std::filesystem::path path_;
  std::ifstream stream_;
  std::uint64_t size_ = 0;
};

/// zlib's state, ended whatever happens.
class Inflater {
 public:
  Inflater() { ok_ = ::inflateInit2(&stream_, -MAX_WBITS) == Z_OK; }
  ~Inflater() { ::inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  void feed(std::string& bytes) {
    stream_.next_in = reinterpret_cast<Bytef*>(bytes.data());
    stream_.avail_in = static_cast<uInt>(bytes.size());
  }
  [[nodiscard]] bool hungry() const { return stream_.avail_in == 0; }
  [[nodiscard]] bool done() const { return done_; }
  /// The next piece; false if the bytes are not what they should be.
  bool next(std::string& out) {
    out.resize(kPieceBytes);
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    const int outcome = ok_ ? ::inflate(&stream_, Z_NO_FLUSH) : Z_STREAM_ERROR;
    out.resize(kPieceBytes - stream_.avail_out);
    done_ = outcome == Z_STREAM_END;
    return done_ || outcome == Z_OK || outcome == Z_BUF_ERROR;
  }

 private:
  z_stream stream_{};
  bool ok_ = false;
  bool done_ = false;
};

}  // namespace

Status read_wheel_member(const std::filesystem::path& wheel, std::string_view member,
                         std::uint64_t bytes_max,
                         const std::function<Status(std::string_view bytes)>& take) {
  Archive archive(wheel);
  LH_ASSIGN_OR_RETURN(const Entry entry, archive.find(member));
  if ((entry.method != 0 && entry.method != Z_DEFLATED) || entry.size > bytes_max) {
    return archive.damaged();
  }
  LH_ASSIGN_OR_RETURN(std::uint64_t offset, archive.data_of(entry));
  Inflater inflater;
  uLong crc = ::crc32(0, nullptr, 0);
  std::uint64_t written = 0;
  const auto give = [&](const std::string& bytes) -> Status {
    written += bytes.size();
    if (written > entry.size) {
      return archive.damaged();
    }
    crc =
        ::crc32(crc, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size()));
    return take(bytes);
  };
  std::string out;
  for (std::uint64_t left = entry.packed; left > 0 && !inflater.done();) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left, kPieceBytes));
    LH_ASSIGN_OR_RETURN(std::string in, archive.read(offset, count));
    offset += count;
    left -= count;
    if (entry.method == 0) {
      LH_RETURN_IF_ERROR(give(in));
      continue;
    }
    inflater.feed(in);
    do {
      if (!inflater.next(out)) {
        return archive.damaged();
      }
      LH_RETURN_IF_ERROR(give(out));
    } while (!inflater.done() && (!inflater.hungry() || out.size() == kPieceBytes));
  }
  if (written != entry.size || static_cast<std::uint32_t>(crc) != entry.crc) {
    return archive.damaged();
  }
  return {};
}

}  // namespace lakehouse::ai
