#include "ingest/decompressor.h"

#include <cstring>
#include <string>
#include <vector>

#include <zlib.h>
#include <zstd.h>

namespace lakehouse::ingest {

namespace {

constexpr std::size_t kBufferBytes = std::size_t{256} << 10U;
constexpr std::uint64_t kFreeBytes = 1ULL << 30U;
constexpr std::uint64_t kRatioMax = 1000;

/// Keeps a small upload from becoming a full disk.
class Allowance {
 public:
  explicit Allowance(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}
  void came_in(std::size_t bytes) { in_ += bytes; }
  Status goes_out(std::size_t bytes) {
    out_ += bytes;
    if (out_ > bytes_max_ || (out_ > kFreeBytes && out_ / kRatioMax > in_)) {
      return fail(
          ErrorCode::ResourceExhausted,
          "the file grows too large when it is unpacked: over " + std::to_string(out_) + " bytes");
    }
    return {};
  }

 private:
  std::uint64_t bytes_max_;
  std::uint64_t in_ = 0;
  std::uint64_t out_ = 0;
};

class Gzip final : public Decompressor {
 public:
  explicit Gzip(std::uint64_t bytes_max) : allowance_(bytes_max), buffer_(kBufferBytes) {
    std::memset(&stream_, 0, sizeof(stream_));
    ready_ = inflateInit2(&stream_, 15 + 16) == Z_OK;
  }
  ~Gzip() override { inflateEnd(&stream_); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  Status update(std::string_view bytes, const Sink& sink) override {
    if (!ready_) {
      return fail(ErrorCode::ResourceExhausted, "no memory to unpack the file");
    }
    allowance_.came_in(bytes.size());
    std::string copy(bytes);  // zlib wants to write to what it reads, by its type.
    stream_.next_in = reinterpret_cast<Bytef*>(copy.data());
    stream_.avail_in = static_cast<uInt>(copy.size());
    while (stream_.avail_in > 0) {
      if (ended_) {
        // Members may follow each other; zeros may pad the last one.
        if (*stream_.next_in == 0) {
          return {};
        }
        inflateReset(&stream_);
        ended_ = false;
      }
      stream_.next_out = buffer_.data();
      stream_.avail_out = static_cast<uInt>(buffer_.size());
      const int outcome = inflate(&stream_, Z_NO_FLUSH);
      if (outcome != Z_OK && outcome != Z_STREAM_END && outcome != Z_BUF_ERROR) {
        return fail(ErrorCode::InvalidArgument, "the file is no valid gzip");
      }
      LH_RETURN_IF_ERROR(give(buffer_.size() - stream_.avail_out, sink));
      ended_ = outcome == Z_STREAM_END;
    }
    return {};
  }

  Status finish() override {
    return ended_ ? Status() : fail(ErrorCode::InvalidArgument, "the gzip file is cut off");
  }

 private:
  Status give(std::size_t bytes, const Sink& sink) {
    LH_RETURN_IF_ERROR(allowance_.goes_out(bytes));
    return bytes == 0 ? Status() : sink({reinterpret_cast<const char*>(buffer_.data()), bytes});
  }

  Allowance allowance_;
  std::vector<Bytef> buffer_;
  z_stream stream_;
  bool ready_ = false;
  bool ended_ = false;
};

class Zstd final : public Decompressor {
 public:
  explicit Zstd(std::uint64_t bytes_max)
      : allowance_(bytes_max), buffer_(kBufferBytes), stream_(ZSTD_createDStream()) {}

  Status update(std::string_view bytes, const Sink& sink) override {
    allowance_.came_in(bytes.size());
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    bool full = false;
    while (in.pos < in.size || full) {
      ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
      const std::size_t outcome = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(outcome) != 0) {
        return fail(ErrorCode::InvalidArgument,
                    std::string("the file is no valid zstd: ") + ZSTD_getErrorName(outcome));
      }
      ended_ = outcome == 0;
      full = out.pos == out.size && !ended_;
      LH_RETURN_IF_ERROR(allowance_.goes_out(out.pos));
      if (out.pos > 0) {
        LH_RETURN_IF_ERROR(sink({buffer_.data(), out.pos}));
      }
    }
    return {};
  }

  Status finish() override {
    return ended_ ? Status() : fail(ErrorCode::InvalidArgument, "the zstd file is cut off");
  }

 private:
  struct Free {
    void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
  };
  Allowance allowance_;
  std::vector<char> buffer_;
  std::unique_ptr<ZSTD_DStream, Free> stream_;
  bool ended_ = false;
};

}  // namespace

Compression compression_at_start(std::string_view head) {
  if (head.starts_with("\x1F\x8B")) {
    return Compression::Gzip;
  }
  if (head.starts_with("\x28\xB5\x2F\xFD")) {
    return Compression::Zstd;
  }
  return Compression::None;
}

std::unique_ptr<Decompressor> Decompressor::of(Compression compression, std::uint64_t bytes_max) {
  switch (compression) {
    case Compression::Gzip: return std::make_unique<Gzip>(bytes_max);
    case Compression::Zstd: return std::make_unique<Zstd>(bytes_max);
    case Compression::None: break;
  }
  return nullptr;
}

}  // namespace lakehouse::ingest
