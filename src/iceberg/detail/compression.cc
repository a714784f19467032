#include "iceberg/detail/compression.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

namespace lakehouse::iceberg::detail {
namespace {

std::unexpected<Error> bad(std::string message) {
  return fail(ErrorCode::DataLoss, std::move(message));
}

// zlib's interface has bytes as unsigned and not const.
Bytef* zlib_bytes(const char* data) {
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(data));  // NOLINT
}

/// Grows `out` in steps, so that a small hostile block cannot make us reserve its claimed size.
std::size_t next_size(std::size_t size, std::size_t source_bytes, std::size_t bytes_max) {
  const std::size_t wanted = size == 0 ? std::max<std::size_t>(4096, source_bytes * 4) : size * 2;
  return std::min(wanted, bytes_max);
}

/// Undoes Snappy's copies within a buffer of known size. Not thread-safe.
class Unsnappy {
 public:
  Unsnappy(std::string_view source, std::string& out) : source_(source), out_(out) {}

  bool run() {
    while (at_ < source_.size()) {
      const std::uint32_t tag = number(1);
      if ((tag & 3U) == 0 ? !literal(tag >> 2U) : !copy(tag)) {
        return false;
      }
    }
    return ok_ && done_ == out_.size();
  }

 private:
  /// A little-endian number of `bytes` bytes.
  std::uint32_t number(std::size_t bytes) {
    std::uint32_t out = 0;
    if (source_.size() - at_ < bytes) {
      ok_ = false;
      return 0;
    }
    for (std::size_t i = 0; i < bytes; ++i) {
      out |= std::uint32_t{static_cast<unsigned char>(source_[at_++])} << (8 * i);
    }
    return out;
  }
  bool literal(std::uint32_t code) {
    constexpr std::uint32_t kInTag = 60;
    const std::size_t size = std::size_t{code < kInTag ? code : number(code - kInTag + 1)} + 1;
    if (!ok_ || size > source_.size() - at_ || size > out_.size() - done_) {
      return false;
    }
    std::memcpy(out_.data() + done_, source_.data() + at_, size);
    at_ += size;
    done_ += size;
    return true;
  }
  bool copy(std::uint32_t tag) {
    std::size_t size = (tag >> 2U) + 1;
    std::size_t back = 0;
    if ((tag & 3U) == 1) {
      size = (tag >> 2U & 7U) + 4;
      back = (tag >> 5U) << 8U | number(1);
    } else {
      back = number((tag & 3U) == 2 ? 2 : 4);
    }
    if (!ok_ || back == 0 || back > done_ || size > out_.size() - done_) {
      return false;
    }
    // Byte by byte: source and target may overlap, and then repeat.
    for (; size > 0; --size, ++done_) {
      out_[done_] = out_[done_ - back];
    }
    return true;
  }

  std::string_view source_;
  std::string& out_;
  std::size_t at_ = 0;
  std::size_t done_ = 0;
  bool ok_ = true;
};

}  // namespace

Result<std::string> inflate_raw(std::string_view source, std::size_t bytes_max) {
  z_stream stream{};
  if (source.size() > std::numeric_limits<uInt>::max() ||
      inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
    return bad("cannot inflate a block");
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> guard(&stream, &inflateEnd);
  stream.next_in = zlib_bytes(source.data());
  stream.avail_in = static_cast<uInt>(source.size());
  std::string out;
  std::size_t done = 0;
  int code = Z_OK;
  while (code != Z_STREAM_END) {
    if (done == out.size()) {
      if (out.size() == bytes_max) {
        return bad(fmt::format("a block of more than {} bytes", bytes_max));
      }
      out.resize(next_size(out.size(), source.size(), bytes_max));
    }
    const auto room = static_cast<uInt>(
        std::min<std::size_t>(out.size() - done, std::numeric_limits<uInt>::max()));
    stream.next_out = zlib_bytes(out.data() + done);
    stream.avail_out = room;
    code = inflate(&stream, Z_NO_FLUSH);
    done += room - stream.avail_out;
    if (code != Z_OK && code != Z_STREAM_END) {
      return bad("a deflated block is corrupt");
    }
    if (code == Z_OK && stream.avail_in == 0 && stream.avail_out > 0) {
      return bad("a deflated block is cut off");
    }
  }
  out.resize(done);
  return out;
}

Result<std::string> unzstd(std::string_view source, std::size_t bytes_max) {
  const std::unique_ptr<ZSTD_DStream, std::size_t (*)(ZSTD_DStream*)> stream(ZSTD_createDStream(),
                                                                             &ZSTD_freeDStream);
  if (stream == nullptr) {
    return fail(ErrorCode::ResourceExhausted, "no memory to decompress a block");
  }
  ZSTD_inBuffer in{source.data(), source.size(), 0};
  std::string out;
  std::size_t done = 0;
  std::size_t left = 1;
  while (left != 0 || in.pos < in.size) {
    if (done == out.size()) {
      if (out.size() == bytes_max) {
        return bad(fmt::format("a block of more than {} bytes", bytes_max));
      }
      out.resize(next_size(out.size(), source.size(), bytes_max));
    }
    ZSTD_outBuffer buffer{out.data(), out.size(), done};
    left = ZSTD_decompressStream(stream.get(), &buffer, &in);
    if (ZSTD_isError(left) != 0U) {
      return bad("a zstandard block is corrupt");
    }
    const bool stuck = buffer.pos == done && in.pos == in.size;
    done = buffer.pos;
    if (left != 0 && stuck) {
      return bad("a zstandard block is cut off");
    }
  }
  out.resize(done);
  return out;
}

Result<std::string> deflate_raw(std::string_view source) {
  z_stream stream{};
  if (source.size() > std::numeric_limits<uInt>::max() / 2 ||
      deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) !=
          Z_OK) {
    return fail(ErrorCode::ResourceExhausted, "cannot deflate a block");
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> guard(&stream, &deflateEnd);
  std::string out(deflateBound(&stream, static_cast<uLong>(source.size())), '\0');
  stream.next_in = zlib_bytes(source.data());
  stream.avail_in = static_cast<uInt>(source.size());
  stream.next_out = zlib_bytes(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) {
    return fail(ErrorCode::Internal, "deflating a block did not end");
  }
  out.resize(out.size() - stream.avail_out);
  return out;
}

Result<std::string> zstd(std::string_view source) {
  std::string out(ZSTD_compressBound(source.size()), '\0');
  const std::size_t size = ZSTD_compress(out.data(), out.size(), source.data(), source.size(), 3);
  if (ZSTD_isError(size) != 0U) {
    return fail(ErrorCode::ResourceExhausted, "cannot compress a block");
  }
  out.resize(size);
  return out;
}

Result<std::string> unsnappy(std::string_view source, std::size_t bytes_max) {
  std::uint64_t size = 0;
  std::size_t at = 0;
  for (unsigned shift = 0;; shift += 7) {
    if (at == source.size() || shift > 28) {
      return bad("a snappy block is cut off");
    }
    const auto byte = static_cast<unsigned char>(source[at++]);
    size |= std::uint64_t{byte & 0x7FU} << shift;
    if ((byte & 0x80U) == 0) {
      break;
    }
  }
  // A copy of 64 bytes takes three: what claims to be much more is no block.
  if (size > bytes_max || size > (source.size() + 1) * 64) {
    return bad(fmt::format("a snappy block of {} bytes", size));
  }
  std::string out(size, '\0');
  if (!Unsnappy(source.substr(at), out).run()) {
    return bad("a snappy block is corrupt");
  }
  return out;
}

std::uint32_t crc32_of(std::string_view bytes) {
  return static_cast<std::uint32_t>(crc32_z(0, zlib_bytes(bytes.data()), bytes.size()));
}

}  // namespace lakehouse::iceberg::detail
