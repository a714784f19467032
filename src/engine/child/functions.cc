#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "base/murmur3.h"
#include "base/roaring.h"
#include "engine/child/cells.h"
#include "engine/child/database.h"
#include "engine/child/format.h"

namespace lakehouse::engine {
namespace {

std::uint32_t hash_long(std::int64_t value) {
  // Iceberg hashes every integer, date and time as a long, little-endian.
  return murmur3_x86_32(std::as_bytes(std::span(&value, 1)));
}

std::uint32_t hash_big_endian(UInt128 value, std::size_t size_bytes) {
  std::array<std::byte, 16> bytes{};
  for (std::size_t i = 0; i < size_bytes; ++i) {
    bytes[i] = static_cast<std::byte>((value >> (8 * (size_bytes - 1 - i))) & 0xFFU);
  }
  return murmur3_x86_32(std::span(bytes).first(size_bytes));
}

// The fewest bytes that hold the number in two's complement, big-endian.
std::uint32_t hash_decimal(Int128 value) {
  std::size_t size_bytes = 1;
  while (size_bytes < 16) {
    const auto limit = static_cast<Int128>(UInt128{1} << (8 * size_bytes - 1));
    if (value >= -limit && value < limit) {
      break;
    }
    ++size_bytes;
  }
  return hash_big_endian(static_cast<UInt128>(value), size_bytes);
}

std::uint32_t hash_bytes(const Cells& cells, idx_t row) {
  return murmur3_x86_32(std::as_bytes(std::span(view(cells.at<duckdb_string_t>(row)))));
}

UInt128 bits_of(const duckdb_hugeint& value) {
  return static_cast<UInt128>(static_cast<std::uint64_t>(value.upper)) << 64U | value.lower;
}

Int128 decimal_at(const Cells& cells, idx_t row) {
  switch (static_cast<int>(cells.type->physical)) {
    case DUCKDB_TYPE_SMALLINT: return cells.at<std::int16_t>(row);
    case DUCKDB_TYPE_INTEGER: return cells.at<std::int32_t>(row);
    case DUCKDB_TYPE_BIGINT: return cells.at<std::int64_t>(row);
    default: return static_cast<Int128>(bits_of(cells.at<duckdb_hugeint>(row)));
  }
}

// Nothing for a type that Iceberg cannot bucket.
std::optional<std::uint32_t> hash_at(const Cells& cells, idx_t row) {
  switch (static_cast<int>(cells.type->id)) {
    case DUCKDB_TYPE_TINYINT: return hash_long(cells.at<std::int8_t>(row));
    case DUCKDB_TYPE_SMALLINT: return hash_long(cells.at<std::int16_t>(row));
    case DUCKDB_TYPE_UTINYINT: return hash_long(cells.at<std::uint8_t>(row));
    case DUCKDB_TYPE_USMALLINT: return hash_long(cells.at<std::uint16_t>(row));
    case DUCKDB_TYPE_UINTEGER: return hash_long(cells.at<std::uint32_t>(row));
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_DATE: return hash_long(cells.at<std::int32_t>(row));
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_TIME:
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ: return hash_long(cells.at<std::int64_t>(row));
    case DUCKDB_TYPE_TIMESTAMP_NS: {
      // As microseconds, rounded down, so that a value has one bucket in either precision.
      const std::int64_t nanos = cells.at<std::int64_t>(row);
      return hash_long(nanos / 1000 - (nanos % 1000 < 0 ? 1 : 0));
    }
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_BLOB: return hash_bytes(cells, row);
    case DUCKDB_TYPE_DECIMAL: return hash_decimal(decimal_at(cells, row));
    case DUCKDB_TYPE_UUID:
      return hash_big_endian(bits_of(cells.at<duckdb_hugeint>(row)) ^ (UInt128{1} << 127U), 16);
    default: return std::nullopt;
  }
}

void iceberg_bucket(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  const duckdb_vector count_vector = duckdb_data_chunk_get_vector(input, 0);
  const duckdb_vector value_vector = duckdb_data_chunk_get_vector(input, 1);
  const LogicalType count_type(duckdb_vector_get_column_type(count_vector));
  const LogicalType value_type(duckdb_vector_get_column_type(value_vector));
  const TypeInfo count_info = describe_type(count_type.get());
  const TypeInfo value_info = describe_type(value_type.get());
  const Cells counts = open_cells(count_info, count_vector);
  const Cells values = open_cells(value_info, value_vector);
  auto* buckets = static_cast<std::int32_t*>(duckdb_vector_get_data(output));
  for (idx_t row = 0; row < duckdb_data_chunk_get_size(input); ++row) {
    if (counts.is_null(row) || values.is_null(row) || value_info.id == DUCKDB_TYPE_SQLNULL) {
      duckdb_vector_ensure_validity_writable(output);
      duckdb_validity_set_row_invalid(duckdb_vector_get_validity(output), row);
      continue;
    }
    const std::int32_t count = counts.at<std::int32_t>(row);
    const auto hash = hash_at(values, row);
    if (count <= 0 || !hash) {
      const std::string problem =
          fmt::format("{} cannot be put into {} buckets", value_info.name, count);
      return duckdb_scalar_function_set_error(info, problem.c_str());
    }
    buckets[row] = static_cast<std::int32_t>(*hash & 0x7FFFFFFFU) % count;
  }
}

void roaring_contains(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  const duckdb_vector bitmap_vector = duckdb_data_chunk_get_vector(input, 0);
  const duckdb_vector number_vector = duckdb_data_chunk_get_vector(input, 1);
  const LogicalType bitmap_type(duckdb_vector_get_column_type(bitmap_vector));
  const LogicalType number_type(duckdb_vector_get_column_type(number_vector));
  const TypeInfo bitmap_info = describe_type(bitmap_type.get());
  const TypeInfo number_info = describe_type(number_type.get());
  const Cells bitmaps = open_cells(bitmap_info, bitmap_vector);
  const Cells numbers = open_cells(number_info, number_vector);
  auto* answers = static_cast<bool*>(duckdb_vector_get_data(output));
  // Rows come file by file, so that one bitmap serves many rows.
  std::string_view bytes;
  std::optional<RoaringView> bitmap;
  for (idx_t row = 0; row < duckdb_data_chunk_get_size(input); ++row) {
    if (bitmaps.is_null(row) || numbers.is_null(row)) {
      duckdb_vector_ensure_validity_writable(output);
      duckdb_validity_set_row_invalid(duckdb_vector_get_validity(output), row);
      continue;
    }
    const std::string_view now = view(bitmaps.at<duckdb_string_t>(row));
    if (!bitmap || now.data() != bytes.data() || now.size() != bytes.size()) {
      Result<RoaringView> opened = RoaringView::open(now);
      if (!opened) {
        return duckdb_scalar_function_set_error(info, opened.error().message.c_str());
      }
      bytes = now;
      bitmap = *std::move(opened);
    }
    const std::int64_t number = numbers.at<std::int64_t>(row);
    answers[row] = number >= 0 && bitmap->contains(static_cast<std::uint64_t>(number));
  }
}

/// A function of two arguments.
Status register_function(const Connection& connection, const char* name,
                         std::array<duckdb_type, 2> arguments, duckdb_type result,
                         duckdb_scalar_function_t body) {
  const ScalarFunction function(duckdb_create_scalar_function());
  duckdb_scalar_function_set_name(function.get(), name);
  for (const duckdb_type argument : arguments) {
    const LogicalType type(duckdb_create_logical_type(argument));
    duckdb_scalar_function_add_parameter(function.get(), type.get());
  }
  const LogicalType result_type(duckdb_create_logical_type(result));
  duckdb_scalar_function_set_return_type(function.get(), result_type.get());
  duckdb_scalar_function_set_function(function.get(), body);
  if (duckdb_register_scalar_function(connection.get(), function.get()) == DuckDBError) {
    return fail(ErrorCode::Internal, fmt::format("DuckDB refuses {}", name));
  }
  return {};
}

}  // namespace

Status register_functions(const Database& database) {
  LH_ASSIGN_OR_RETURN(const Connection connection, open_connection(database));
  LH_RETURN_IF_ERROR(register_function(connection, "lh_iceberg_bucket",
                                       {DUCKDB_TYPE_INTEGER, DUCKDB_TYPE_ANY}, DUCKDB_TYPE_INTEGER,
                                       iceberg_bucket));
  return register_function(connection, "lh_roaring_contains",
                           {DUCKDB_TYPE_BLOB, DUCKDB_TYPE_BIGINT}, DUCKDB_TYPE_BOOLEAN,
                           roaring_contains);
}

}  // namespace lakehouse::engine
