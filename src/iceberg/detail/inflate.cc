#include "iceberg/detail/inflate.h"

#include <vector>

#include <fmt/format.h>
#include <zlib.h>

namespace lakehouse::iceberg::detail {
namespace {

constexpr std::size_t kInflatedBytesMax = std::size_t{1} << 30U;

Result<std::string> inflate_text(std::string_view packed, std::string_view what) {
  z_stream stream{};
  constexpr int kGzip = 16 + MAX_WBITS;
  if (inflateInit2(&stream, kGzip) != Z_OK) {
    return fail(ErrorCode::Internal, "zlib could not start");
  }
  std::string text;
  std::vector<char> piece(std::size_t{256} << 10U);
  // zlib's interface predates const.
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  int outcome = Z_OK;
  while (outcome == Z_OK && text.size() < kInflatedBytesMax) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    outcome = inflate(&stream, Z_NO_FLUSH);
    text.append(piece.data(), piece.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  if (outcome != Z_STREAM_END) {
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("{}: {}", what,
                    outcome == Z_OK ? "more than 1 GiB when unpacked" : "the gzip data is broken"));
  }
  return text;
}

}  // namespace

Result<std::string_view> plain_text(std::string_view text, std::string_view what,
                                    std::string& unpacked) {
  if (!text.starts_with("\x1F\x8B")) {
    return text;
  }
  LH_ASSIGN_OR_RETURN(unpacked, inflate_text(text, what));
  return unpacked;
}

}  // namespace lakehouse::iceberg::detail
