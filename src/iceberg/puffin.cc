#include "iceberg/puffin.h"

#include <array>
#include <cstring>
#include <utility>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "iceberg/detail/compression.h"
#include "iceberg/detail/json_members.h"
#include "iceberg/detail/properties.h"

namespace lakehouse::iceberg {
namespace {

namespace json = boost::json;

constexpr std::string_view kMagic = "PFA1";
constexpr std::string_view kZstd = "zstd";
/// Behind the payload: its size, flags, magic.
constexpr std::size_t kTailBytes = 12;
constexpr std::size_t kFooterBytesMax = std::size_t{64} << 20U;

std::unexpected<Error> bad(std::string_view why) {
  return fail(ErrorCode::DataLoss, fmt::format("Puffin file: {}", why));
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void put_little_endian(std::string& out, std::uint32_t value) {
  for (unsigned shift = 0; shift < 32; shift += 8) {
    out.push_back(static_cast<char>(value >> shift & 0xFFU));
  }
}

std::uint32_t little_endian(std::string_view four_bytes) {
  std::uint32_t out = 0;
  for (std::size_t i = 4; i-- > 0;) {
    out = out << 8U | static_cast<unsigned char>(four_bytes[i]);
  }
  return out;
}

json::object blob_to_json(const PuffinBlob& blob) {
  json::object object;
  object.emplace("type", blob.type);
  object.emplace("fields", json::array(blob.fields.begin(), blob.fields.end()));
  object.emplace("snapshot-id", blob.snapshot_id);
  object.emplace("sequence-number", blob.sequence_number);
  object.emplace("offset", blob.offset);
  object.emplace("length", blob.length);
  if (!blob.compression_codec.empty()) {
    object.emplace("compression-codec", blob.compression_codec);
  }
  if (!blob.properties.empty()) {
    object.emplace("properties", detail::properties_to_json(blob.properties));
  }
  detail::add_unknown(object, blob.unknown);
  return object;
}

Result<PuffinBlob> blob_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a blob"));
  PuffinBlob blob;
  LH_ASSIGN_OR_RETURN(blob.type, fields.require_string("type"));
  LH_ASSIGN_OR_RETURN(const json::array* ids, fields.require_array("fields"));
  LH_ASSIGN_OR_RETURN(blob.fields, detail::integers_of<std::int32_t>(*ids, "fields"));
  LH_ASSIGN_OR_RETURN(blob.snapshot_id, fields.require_int64("snapshot-id"));
  LH_ASSIGN_OR_RETURN(blob.sequence_number, fields.require_int64("sequence-number"));
  LH_ASSIGN_OR_RETURN(blob.offset, fields.require_int64("offset"));
  LH_ASSIGN_OR_RETURN(blob.length, fields.require_int64("length"));
  LH_ASSIGN_OR_RETURN(const auto codec, fields.optional_string("compression-codec"));
  blob.compression_codec = codec.value_or("");
  LH_ASSIGN_OR_RETURN(blob.properties, detail::properties_of(fields, "properties"));
  blob.unknown = fields.unknown();
  return blob;
}

Result<PuffinFooter> footer_from_text(std::string_view text) {
  LH_ASSIGN_OR_RETURN(const json::value document, parse_json(text, "its footer"));
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(document, "the footer"));
  LH_ASSIGN_OR_RETURN(const json::array* blobs, fields.require_array("blobs"));
  PuffinFooter footer;
  for (const json::value& each : *blobs) {
    LH_ASSIGN_OR_RETURN(PuffinBlob blob, blob_from_json(each));
    footer.blobs.push_back(std::move(blob));
  }
  LH_ASSIGN_OR_RETURN(footer.properties, detail::properties_of(fields, "properties"));
  return footer;
}

}  // namespace

PuffinWriter::PuffinWriter(Properties properties) : file_(kMagic) {
  footer_.properties = std::move(properties);
}

Result<PuffinBlob> PuffinWriter::add(PuffinBlob blob, std::string_view content) {
  std::string packed;
  if (blob.compression_codec == kZstd) {
    LH_ASSIGN_OR_RETURN(packed, detail::zstd(content));
    content = packed;
  } else if (!blob.compression_codec.empty()) {
    return fail(ErrorCode::Unimplemented,
                fmt::format("Puffin blobs cannot be written with {}", blob.compression_codec));
  }
  blob.offset = static_cast<std::int64_t>(file_.size());
  blob.length = static_cast<std::int64_t>(content.size());
  file_ += content;
  footer_.blobs.push_back(blob);
  return blob;
}

std::vector<std::byte> PuffinWriter::finish() {
  json::object footer;
  json::array& blobs = footer["blobs"].emplace_array();
  for (const PuffinBlob& blob : footer_.blobs) {
    blobs.emplace_back(blob_to_json(blob));
  }
  if (!footer_.properties.empty()) {
    footer.emplace("properties", detail::properties_to_json(footer_.properties));
  }
  const std::string payload = json::serialize(footer);
  file_ += kMagic;
  file_ += payload;
  put_little_endian(file_, static_cast<std::uint32_t>(payload.size()));
  put_little_endian(file_, 0);
  file_ += kMagic;
  std::vector<std::byte> out(file_.size());
  std::memcpy(out.data(), file_.data(), file_.size());
  return out;
}

Result<PuffinFooter> read_puffin_footer(std::span<const std::byte> file) {
  const std::string_view text = as_text(file);
  if (text.size() < 2 * kMagic.size() + kTailBytes || !text.starts_with(kMagic) ||
      !text.ends_with(kMagic)) {
    return bad("it does not begin and end as one");
  }
  const std::string_view tail = text.substr(text.size() - kTailBytes);
  const std::size_t size = little_endian(tail);
  if ((static_cast<unsigned char>(tail[4]) & 1U) != 0) {
    return fail(ErrorCode::Unimplemented, "Puffin file: compressed footers are not read");
  }
  if (size > kFooterBytesMax || size > text.size() - 2 * kMagic.size() - kTailBytes) {
    return bad("its footer does not fit");
  }
  const std::size_t start = text.size() - kTailBytes - size;
  if (text.substr(start - kMagic.size(), kMagic.size()) != kMagic) {
    return bad("its footer does not begin as one");
  }
  auto footer = footer_from_text(text.substr(start, size));
  if (!footer) {
    return bad(footer.error().message);
  }
  return footer;
}

Result<std::string> read_puffin_blob(std::span<const std::byte> file, const PuffinBlob& blob,
                                     std::size_t bytes_max) {
  const std::string_view text = as_text(file);
  if (blob.offset < 0 || blob.length < 0 || static_cast<std::uint64_t>(blob.offset) > text.size() ||
      static_cast<std::uint64_t>(blob.length) >
          text.size() - static_cast<std::uint64_t>(blob.offset)) {
    return bad("a blob lies outside of it");
  }
  const std::string_view stored =
      text.substr(static_cast<std::size_t>(blob.offset), static_cast<std::size_t>(blob.length));
  if (stored.size() > bytes_max) {
    return fail(ErrorCode::ResourceExhausted,
                fmt::format("Puffin file: a blob of {} bytes", stored.size()));
  }
  if (blob.compression_codec.empty()) {
    return std::string(stored);
  }
  if (blob.compression_codec != kZstd) {
    return fail(ErrorCode::Unimplemented,
                fmt::format("Puffin file: a blob compressed with {}", blob.compression_codec));
  }
  auto content = detail::unzstd(stored, bytes_max);
  return content ? std::move(content) : bad(content.error().message);
}

}  // namespace lakehouse::iceberg
