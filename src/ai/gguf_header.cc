#include "ai/gguf_header.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"

namespace lakehouse::ai {
namespace {

constexpr std::size_t kBytesMax = std::size_t{16} << 20U;
constexpr std::size_t kPairsMax = 100'000;
constexpr int kArrayDepthMax = 4;

enum class Kind : std::uint32_t {
  U8,
  I8,
  U16,
  I16,
  U32,
  I32,
  F32,
  Bool,
  String,
  Array,
  U64,
  I64,
  F64,
};

/// How many bytes a value has; 0: it says so itself, or there is no such kind.
std::size_t size_of(std::uint32_t kind) {
  constexpr std::size_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return kind < std::size(kSizes) ? kSizes[kind] : 0;
}

/// Takes values off the bytes; once they are at their end, everything is nothing.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  std::optional<T> number() {
    if (bytes_.size() < sizeof(T)) {
      bytes_ = {};
      return std::nullopt;
    }
    T value;
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_.remove_prefix(sizeof(T));
    return value;
  }
  std::optional<std::string_view> text() {
    const auto size = number<std::uint64_t>();
    if (!size || *size > bytes_.size()) {
      bytes_ = {};
      return std::nullopt;
    }
    const std::string_view found = bytes_.substr(0, *size);
    bytes_.remove_prefix(*size);
    return found;
  }
  bool skip(std::uint32_t kind, int depth = 0) {
    if (kind == static_cast<std::uint32_t>(Kind::String)) {
      return text().has_value();
    }
    if (kind == static_cast<std::uint32_t>(Kind::Array)) {
      return skip_array(depth + 1);
    }
    const std::size_t size = size_of(kind);
    if (size == 0 || size > bytes_.size()) {
      return false;
    }
    bytes_.remove_prefix(size);
    return true;
  }

 private:
  bool skip_array(int depth) {
    const auto kind = number<std::uint32_t>();
    const auto count = number<std::uint64_t>();
    if (!kind || !count || depth > kArrayDepthMax || *count > bytes_.size()) {
      return false;
    }
    if (const std::size_t size = size_of(*kind); size != 0) {
      if (*count > bytes_.size() / size) {
        return false;
      }
      bytes_.remove_prefix(*count * size);
      return true;
    }
    for (std::uint64_t i = 0; i < *count; ++i) {
      if (!skip(*kind, depth)) {
        return false;
      }
    }
    return true;
  }

  std::string_view bytes_;
};

std::string printable(std::string_view text) {
  std::string out = as_utf8(text.substr(0, 200));
  std::erase_if(out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  return out;
}

// True: there may be more pairs.
bool read_pair(Cursor& cursor, GgufHeader& header) {
  const auto key = cursor.text();
  const auto kind = cursor.number<std::uint32_t>();
  if (!key || !kind) {
    return false;
  }
  if (*kind == static_cast<std::uint32_t>(Kind::String)) {
    const auto value = cursor.text();
    if (value && *key == "general.architecture") {
      header.architecture = printable(*value);
    } else if (value && *key == "general.name") {
      header.name = printable(*value);
    }
    return value.has_value();
  }
  if (*kind == static_cast<std::uint32_t>(Kind::U32) &&
      *key == header.architecture + ".context_length") {
    const auto value = cursor.number<std::uint32_t>();
    header.context_tokens = value.value_or(0);
    return value.has_value();
  }
  return cursor.skip(*kind);
}

}  // namespace

Result<GgufHeader> read_gguf_header(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    return fail(ErrorCode::NotFound, fmt::format("{} cannot be read", file.string()));
  }
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(file, error);
  std::string bytes(error ? 0 : static_cast<std::size_t>(std::min<std::uint64_t>(size, kBytesMax)),
                    '\0');
  stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(stream.gcount()));
  if (!bytes.starts_with("GGUF")) {
    return fail(ErrorCode::InvalidArgument, fmt::format("{} is no GGUF file", file.string()));
  }
  Cursor cursor(std::string_view(bytes).substr(4));
  const auto version = cursor.number<std::uint32_t>();
  const auto tensors = cursor.number<std::uint64_t>();
  const auto pairs = cursor.number<std::uint64_t>();
  if (!pairs || (*version != 2 && *version != 3) || *pairs > kPairsMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} is no GGUF file of version 2 or 3", file.string()));
  }
  GgufHeader header;
  header.tensors = *tensors;
  for (std::uint64_t i = 0; i < *pairs && read_pair(cursor, header); ++i) {
  }
  if (header.architecture.empty()) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} does not say what kind of model it holds", file.string()));
  }
  return header;
}

}  // namespace lakehouse::ai
