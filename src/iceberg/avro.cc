#include "iceberg/avro.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/id.h"
#include "iceberg/detail/compression.h"

namespace lakehouse::iceberg::avro {
namespace {

constexpr std::string_view kMagic("Obj\x01", 4);
constexpr std::size_t kSyncBytes = 16;
// What Avro's own writers use; a reader takes any.
constexpr std::size_t kBlockBytes = 64'000;

std::unexpected<Error> bad(std::string message) {
  return lakehouse::fail(ErrorCode::DataLoss, "Avro file: " + std::move(message));
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Status Decoder::status() const {
  if (!ok()) {
    return bad(error_);
  }
  return {};
}

void Decoder::fail(std::string_view what) {
  if (ok()) {
    error_ = what;
    rest_ = {};
  }
}

std::int64_t Decoder::varint() {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < rest_.size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>(rest_[i]);
    value |= static_cast<std::uint64_t>(byte & 0x7FU) << (7 * i);
    if ((byte & 0x80U) == 0) {
      if (i == 9 && byte > 1) {
        break;  // More than 64 bits.
      }
      rest_.remove_prefix(i + 1);
      return static_cast<std::int64_t>((value >> 1U) ^ (~(value & 1U) + 1U));
    }
  }
  fail("a number is cut off or too long");
  return 0;
}

std::string_view Decoder::raw(std::size_t count_bytes) {
  if (count_bytes > rest_.size()) {
    fail("a value is cut off");
    return {};
  }
  const std::string_view out = rest_.substr(0, count_bytes);
  rest_.remove_prefix(count_bytes);
  return out;
}

std::string_view Decoder::length_and_bytes() {
  const std::int64_t length = varint();
  if (length < 0) {
    fail("a negative length");
    return {};
  }
  return raw(static_cast<std::size_t>(length));
}

const Schema* Decoder::branch(const Schema& schema) {
  const Schema* current = &schema;
  while (current->kind == Kind::Union) {
    const std::int64_t index = varint();
    if (index < 0 || static_cast<std::size_t>(index) >= current->branches.size()) {
      fail("a union has no such branch");
    }
    if (!ok()) {
      return nullptr;
    }
    current = current->branches[static_cast<std::size_t>(index)].get();
  }
  return ok() ? current : nullptr;
}

const Schema* Decoder::resolve(const Schema& schema, Kind kind) {
  const Schema* found = branch(schema);
  if (found == nullptr || found->kind == Kind::Null) {
    return nullptr;
  }
  if (found->kind != kind) {
    fail("a value is of another kind than its field");
    return nullptr;
  }
  return found;
}

std::optional<bool> Decoder::read_boolean(const Schema& schema) {
  if (resolve(schema, Kind::Boolean) == nullptr) {
    return std::nullopt;
  }
  const std::string_view byte = raw(1);
  return ok() ? std::optional(byte[0] != 0) : std::nullopt;
}

std::optional<std::int64_t> Decoder::read_long(const Schema& schema) {
  const Schema* found = branch(schema);
  if (found == nullptr || found->kind == Kind::Null) {
    return std::nullopt;
  }
  if (found->kind != Kind::Long && found->kind != Kind::Int) {
    fail("a value is of another kind than its field");
    return std::nullopt;
  }
  const std::int64_t value = varint();
  return ok() ? std::optional(value) : std::nullopt;
}

std::optional<std::int32_t> Decoder::read_int(const Schema& schema) {
  const std::optional<std::int64_t> value = read_long(schema);
  if (value && (*value < INT32_MIN || *value > INT32_MAX)) {
    fail("a number does not fit its field");
    return std::nullopt;
  }
  return value ? std::optional(static_cast<std::int32_t>(*value)) : std::nullopt;
}

std::optional<double> Decoder::read_double(const Schema& schema) {
  const Schema* found = branch(schema);
  if (found == nullptr || found->kind == Kind::Null) {
    return std::nullopt;
  }
  if (found->kind != Kind::Float && found->kind != Kind::Double) {
    fail("a value is of another kind than its field");
    return std::nullopt;
  }
  static_assert(std::endian::native == std::endian::little);
  if (found->kind == Kind::Float) {
    float value = 0;
    const std::string_view bytes = raw(sizeof value);
    if (!ok()) {
      return std::nullopt;
    }
    std::memcpy(&value, bytes.data(), sizeof value);
    return static_cast<double>(value);
  }
  double value = 0;
  const std::string_view bytes = raw(sizeof value);
  if (!ok()) {
    return std::nullopt;
  }
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::optional<std::string_view> Decoder::read_bytes(const Schema& schema) {
  const Schema* found = branch(schema);
  if (found == nullptr || found->kind == Kind::Null) {
    return std::nullopt;
  }
  std::string_view value;
  if (found->kind == Kind::Fixed) {
    value = raw(found->size);
  } else if (found->kind == Kind::Bytes || found->kind == Kind::String) {
    value = length_and_bytes();
  } else {
    fail("a value is of another kind than its field");
  }
  return ok() ? std::optional(value) : std::nullopt;
}

std::size_t Decoder::block_count(const Schema& element, std::size_t more_bytes_min) {
  std::int64_t count = varint();
  if (count < 0) {
    // A negative count comes with the block's size in bytes, which only skipping needs.
    if (count == INT64_MIN || varint() < 0) {
      fail("a negative count");
      return 0;
    }
    count = -count;
  }
  // Elements that take no bytes would make any count cheap to claim; nothing of Iceberg's is so.
  const std::size_t each = element.encoded_bytes_min + more_bytes_min;
  if (count > 0 && (each == 0 || static_cast<std::size_t>(count) > rest_.size() / each)) {
    fail("more elements than there are bytes");
    return 0;
  }
  return ok() ? static_cast<std::size_t>(count) : 0;
}

void Decoder::skip_blocks(const Schema& element, bool is_map) {
  // A map's key takes its length's byte at least.
  const std::size_t key_bytes_min = is_map ? 1 : 0;
  for (std::size_t count = block_count(element, key_bytes_min); count > 0;
       count = block_count(element, key_bytes_min)) {
    for (; count > 0 && ok(); --count) {
      if (is_map) {
        length_and_bytes();
      }
      skip(element);
    }
  }
}

void Decoder::skip(const Schema& schema) {
  const Schema* found = branch(schema);
  if (found == nullptr) {
    return;
  }
  switch (found->kind) {
    case Kind::Null: return;
    case Kind::Boolean: raw(1); return;
    case Kind::Int:
    case Kind::Long:
    case Kind::Enum: varint(); return;
    case Kind::Float: raw(4); return;
    case Kind::Double: raw(8); return;
    case Kind::Bytes:
    case Kind::String: length_and_bytes(); return;
    case Kind::Fixed: raw(found->size); return;
    case Kind::Record:
      if (found->encoded_bytes_min > 0) {
        for (const Field& field : found->fields) {
          skip(*field.schema);
          if (!ok()) {
            return;
          }
        }
      }
      return;
    case Kind::Array: skip_blocks(*found->element, false); return;
    case Kind::Map: skip_blocks(*found->element, true); return;
    case Kind::Union: return;  // `branch` goes through them.
  }
}

Result<std::unique_ptr<Reader>> Reader::open(std::span<const std::byte> file,
                                             const ReadLimits& limits) {
  std::unique_ptr<Reader> reader(new Reader());
  reader->limits_ = limits;
  reader->file_ = Decoder(as_text(file));
  LH_RETURN_IF_ERROR(reader->read_header());
  return reader;
}

Status Reader::read_header() {
  if (file_.raw(kMagic.size()) != kMagic) {
    return bad("does not start as one");
  }
  for (std::int64_t count = file_.varint(); count != 0 && file_.ok(); count = file_.varint()) {
    if (count < 0) {
      if (count == INT64_MIN) {
        return bad("a negative count");
      }
      file_.varint();
      count = -count;
    }
    for (; count > 0 && file_.ok(); --count) {
      const std::string_view name = file_.length_and_bytes();
      metadata_.insert_or_assign(std::string(name), std::string(file_.length_and_bytes()));
    }
  }
  sync_ = file_.raw(kSyncBytes);
  LH_RETURN_IF_ERROR(file_.status());
  const std::string* schema = metadata("avro.schema");
  if (schema == nullptr) {
    return bad("has no schema");
  }
  LH_ASSIGN_OR_RETURN(schema_, parse_schema(*schema));
  const std::string* codec = metadata("avro.codec");
  if (codec == nullptr || *codec == "null" || codec->empty()) {
    codec_ = Codec::Null;
  } else if (*codec == "deflate") {
    codec_ = Codec::Deflate;
  } else if (*codec == "zstandard") {
    codec_ = Codec::Zstandard;
  } else if (*codec == "snappy") {
    codec_ = Codec::Snappy;
  } else {
    return lakehouse::fail(ErrorCode::Unimplemented,
                           "Avro file: the codec '" + codec->substr(0, 32) + "' is not supported",
                           "Have it written with deflate, zstandard, snappy or no compression.");
  }
  return {};
}

const std::string* Reader::metadata(std::string_view name) const {
  const auto found = metadata_.find(name);
  return found == metadata_.end() ? nullptr : &found->second;
}

Result<bool> Reader::next() {
  LH_RETURN_IF_ERROR(decoder_.status());
  while (records_left_ == 0) {
    if (decoder_.rest_bytes() > 0) {
      return bad("a block is longer than its records");
    }
    if (file_.rest_bytes() == 0) {
      return false;
    }
    LH_RETURN_IF_ERROR(next_block());
  }
  --records_left_;
  return true;
}

Result<std::string> Reader::unpack_block(std::string_view stored, std::size_t bytes_max) const {
  const auto unpack = [&]() -> Result<std::string> {
    if (codec_ != Codec::Snappy) {
      return codec_ == Codec::Deflate ? detail::inflate_raw(stored, bytes_max)
                                      : detail::unzstd(stored, bytes_max);
    }
    // Avro appends the checksum of what was compressed, big-endian.
    constexpr std::size_t kChecksumBytes = 4;
    if (stored.size() < kChecksumBytes) {
      return bad("a snappy block is cut off");
    }
    const std::size_t size = stored.size() - kChecksumBytes;
    LH_ASSIGN_OR_RETURN(std::string out, detail::unsnappy(stored.substr(0, size), bytes_max));
    std::uint32_t checksum = 0;
    for (const char byte : stored.substr(size)) {
      checksum = checksum << 8U | static_cast<unsigned char>(byte);
    }
    return checksum == detail::crc32_of(out) ? Result<std::string>(std::move(out))
                                             : bad("a snappy block's checksum is wrong");
  };
  auto out = unpack();
  if (!out && out.error().code == ErrorCode::DataLoss) {
    return std::unexpected(std::move(out).error().with_context("Avro file"));
  }
  return out;
}

Status Reader::next_block() {
  const std::int64_t count = file_.varint();
  const std::string_view stored = file_.length_and_bytes();
  const std::string_view sync = file_.raw(kSyncBytes);
  LH_RETURN_IF_ERROR(file_.status());
  if (sync != sync_) {
    return bad("a block does not end with the file's marker");
  }
  std::string_view data = stored;
  const std::size_t bytes_max =
      std::min(limits_.block_bytes_max, limits_.total_bytes_max - total_bytes_);
  if (codec_ != Codec::Null) {
    LH_ASSIGN_OR_RETURN(block_, unpack_block(stored, bytes_max));
    data = block_;
  } else if (data.size() > bytes_max) {
    return bad(fmt::format("a block of more than {} bytes", bytes_max));
  }
  total_bytes_ += data.size();
  const std::size_t each = schema_->encoded_bytes_min;
  if (count < 0 ||
      (count > 0 && (each == 0 || static_cast<std::size_t>(count) > data.size() / each))) {
    return bad("a block claims more records than it has bytes");
  }
  records_left_ = static_cast<std::size_t>(count);
  record_count_ += records_left_;
  if (record_count_ > limits_.record_count_max) {
    return bad(fmt::format("has more than {} records", limits_.record_count_max));
  }
  decoder_ = Decoder(data);
  return {};
}

void Encoder::put_long(std::int64_t value) {
  std::uint64_t rest = (static_cast<std::uint64_t>(value) << 1U) ^
                       (value < 0 ? ~std::uint64_t{0} : std::uint64_t{0});
  while (rest >= 0x80U) {
    bytes_.push_back(static_cast<char>((rest & 0x7FU) | 0x80U));
    rest >>= 7U;
  }
  bytes_.push_back(static_cast<char>(rest));
}

void Encoder::put_float(float value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  bytes_.append(bytes, sizeof value);
}

void Encoder::put_double(double value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  bytes_.append(bytes, sizeof value);
}

void Encoder::put_bytes(std::string_view value) {
  put_long(static_cast<std::int64_t>(value.size()));
  bytes_.append(value);
}

Writer::Writer(const boost::json::object& schema,
               const std::map<std::string, std::string, std::less<>>& metadata, WriteCodec codec)
    : codec_(codec) {
  // The marker only has to be unlikely in the data: 16 random bytes.
  const std::string hex = new_token(kSyncBytes);
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    sync_.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  Encoder header;
  header.put_raw(kMagic);
  header.begin_array(metadata.size() + 2);
  header.put_bytes("avro.schema");
  header.put_bytes(boost::json::serialize(schema));
  header.put_bytes("avro.codec");
  header.put_bytes(codec == WriteCodec::Null      ? "null"
                   : codec == WriteCodec::Deflate ? "deflate"
                                                  : "zstandard");
  for (const auto& [name, value] : metadata) {
    header.put_bytes(name);
    header.put_bytes(value);
  }
  header.end_array();
  header.put_raw(sync_);
  file_ = header.bytes();
}

Status Writer::end_record() {
  ++block_records_;
  return encoder_.bytes().size() >= kBlockBytes ? flush() : Status();
}

Status Writer::flush() {
  if (block_records_ == 0) {
    return {};
  }
  std::string stored;
  if (codec_ == WriteCodec::Null) {
    stored = encoder_.bytes();
  } else {
    LH_ASSIGN_OR_RETURN(stored, codec_ == WriteCodec::Deflate
                                    ? detail::deflate_raw(encoder_.bytes())
                                    : detail::zstd(encoder_.bytes()));
  }
  Encoder block;
  block.put_long(static_cast<std::int64_t>(block_records_));
  block.put_bytes(stored);
  block.put_raw(sync_);
  file_ += block.bytes();
  encoder_.clear();
  block_records_ = 0;
  return {};
}

Result<std::vector<std::byte>> Writer::finish() {
  LH_RETURN_IF_ERROR(flush());
  std::vector<std::byte> out(file_.size());
  std::memcpy(out.data(), file_.data(), file_.size());
  return out;
}

}  // namespace lakehouse::iceberg::avro
