#include "engine/raw_rows.h"

#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace lakehouse::engine {
namespace {

using Kind = RawColumn::Kind;

constexpr std::size_t kBatchBytesMax = std::size_t{1} << 30U;
constexpr std::size_t kHeadBytes = 12;

std::unexpected<Error> damaged() {
  return fail(ErrorCode::DataLoss, "the engine's rows cannot be read");
}

template <class T>
T load(const char* from) {
  T value{};
  std::memcpy(&value, from, sizeof(T));
  return value;
}

/// What is left of a batch.
struct Cursor {
  std::string_view rest;

  bool take(std::size_t size, std::string_view* out) {
    if (size > rest.size()) {
      return false;
    }
    *out = rest.substr(0, size);
    rest.remove_prefix(size);
    return true;
  }
};

}  // namespace

Result<Kind> RawColumn::kind_of(std::string_view type) {
  struct Name {
    std::string_view name;
    Kind kind;
  };
  static constexpr Name kNames[] = {
      {"BOOLEAN", Kind::Int8},   {"TINYINT", Kind::Int8},    {"UTINYINT", Kind::Int8},
      {"SMALLINT", Kind::Int16}, {"USMALLINT", Kind::Int16}, {"INTEGER", Kind::Int32},
      {"UINTEGER", Kind::Int32}, {"BIGINT", Kind::Int64},    {"UBIGINT", Kind::Int64},
      {"FLOAT", Kind::Float},    {"DOUBLE", Kind::Double},   {"VARCHAR", Kind::Text},
      {"BLOB", Kind::Text},
  };
  for (const Name& one : kNames) {
    if (one.name == type) {
      return one.kind;
    }
  }
  if (type.starts_with("FLOAT[") && type.find(']') == type.size() - 1) {
    return Kind::Floats;
  }
  return fail(ErrorCode::Unimplemented, fmt::format("rows with a {} have no raw form", type));
}

std::size_t RawColumn::width_of(Kind kind) {
  switch (kind) {
    case Kind::Int8:
    case Kind::Text: return 1;
    case Kind::Int16: return 2;
    case Kind::Int32:
    case Kind::Float:
    case Kind::Floats: return 4;
    case Kind::Int64:
    case Kind::Double: return 8;
  }
  return 1;
}

std::int64_t RawColumn::integer(std::size_t row) const {
  if (is_null(row)) {
    return 0;
  }
  const char* at = data_.data() + row * width_of(kind_);
  switch (kind_) {
    case Kind::Int8: return load<std::int8_t>(at);
    case Kind::Int16: return load<std::int16_t>(at);
    case Kind::Int32: return load<std::int32_t>(at);
    case Kind::Int64: return load<std::int64_t>(at);
    case Kind::Float:
    case Kind::Double:
    case Kind::Text:
    case Kind::Floats: break;
  }
  return 0;
}

double RawColumn::number(std::size_t row) const {
  if (is_null(row)) {
    return 0;
  }
  const char* at = data_.data() + row * width_of(kind_);
  return kind_ == Kind::Float ? static_cast<double>(load<float>(at)) : load<double>(at);
}

std::span<const float> RawColumn::floats(std::size_t row) const {
  // A vector's memory is aligned for any number.
  const auto* all = reinterpret_cast<const float*>(data_.data());
  return {all + offsets_[row], offsets_[row + 1] - offsets_[row]};
}

Result<RawReader> RawReader::over(ResultStream& stream) {
  std::vector<Kind> kinds;
  for (const Column& column : stream.columns()) {
    LH_ASSIGN_OR_RETURN(const Kind kind, RawColumn::kind_of(column.type));
    kinds.push_back(kind);
  }
  return RawReader(stream, std::move(kinds));
}

Result<bool> RawReader::fill(const RequestContext& context, std::size_t size_bytes) {
  while (bytes_.size() < size_bytes) {
    LH_ASSIGN_OR_RETURN(const std::optional<std::string> more, stream_->next(context));
    if (!more) {
      return false;
    }
    if (bytes_.capacity() < size_bytes) {
      bytes_.reserve(size_bytes + (std::size_t{1} << 20U));
    }
    bytes_ += *more;
  }
  return true;
}

Result<std::optional<RawBatch>> RawReader::next(const RequestContext& context) {
  LH_ASSIGN_OR_RETURN(const bool has_head, fill(context, kHeadBytes));
  if (!has_head) {
    return bytes_.empty() ? Result<std::optional<RawBatch>>(std::nullopt) : damaged();
  }
  const auto size = load<std::uint64_t>(bytes_.data());
  if (size > kBatchBytesMax) {
    return fail(ErrorCode::ResourceExhausted, "a few rows of the answer are larger than 1 GiB");
  }
  if (size < 4) {
    return damaged();
  }
  LH_ASSIGN_OR_RETURN(const bool is_whole, fill(context, 8 + size));
  if (!is_whole) {
    return damaged();
  }
  RawBatch batch;
  batch.rows = load<std::uint32_t>(bytes_.data() + 8);
  Cursor cursor{std::string_view(bytes_).substr(kHeadBytes, size - 4)};
  for (const Kind kind : kinds_) {
    RawColumn column;
    column.kind_ = kind;
    std::string_view part;
    if (!cursor.take(1, &part)) {
      return damaged();
    }
    if (part[0] != 0) {
      if (!cursor.take(batch.rows, &part)) {
        return damaged();
      }
      column.valid_.assign(part.begin(), part.end());
    }
    std::uint64_t count = batch.rows;
    if (kind == Kind::Text || kind == Kind::Floats) {
      if (!cursor.take(batch.rows * sizeof(std::uint32_t), &part)) {
        return damaged();
      }
      column.offsets_.reserve(batch.rows + 1);
      column.offsets_.push_back(0);
      for (std::size_t row = 0; row < batch.rows; ++row) {
        column.offsets_.push_back(column.offsets_.back() +
                                  load<std::uint32_t>(part.data() + row * sizeof(std::uint32_t)));
      }
      count = column.offsets_.back();
    }
    if (!cursor.take(count * RawColumn::width_of(kind), &part)) {
      return damaged();
    }
    column.data_.assign(part.begin(), part.end());
    batch.columns.push_back(std::move(column));
  }
  if (!cursor.rest.empty() || batch.rows == 0) {
    return damaged();
  }
  bytes_.erase(0, 8 + size);
  return batch;
}

}  // namespace lakehouse::engine
