#include "engine/child/cells.h"

#include <algorithm>
#include <array>
#include <bit>

#include <emmintrin.h>

#include "engine/child/format.h"

namespace lakehouse::engine {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

bool needs_escape(unsigned char c) {
  return c < 0x20 || c == '"' || c == '\\';
}

// How many bytes at the front of `text` go into a JSON string as they are.
std::size_t plain_prefix(std::string_view text) {
  std::size_t i = 0;
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i control_max = _mm_set1_epi8(0x1F);
  for (; i + 16 <= text.size(); i += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + i));
    // Unsigned bytes <= 0x1F are those that max(byte, 0x1F) leaves at 0x1F.
    const __m128i control = _mm_cmpeq_epi8(_mm_max_epu8(bytes, control_max), control_max);
    const __m128i found = _mm_or_si128(
        control, _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(found));
    if (mask != 0) {
      return i + static_cast<std::size_t>(std::countr_zero(mask));
    }
  }
  while (i < text.size() && !needs_escape(static_cast<unsigned char>(text[i]))) {
    ++i;
  }
  return i;
}

char* put_escape(char* out, unsigned char c) {
  *out++ = '\\';
  switch (c) {
    case '"': *out++ = '"'; break;
    case '\\': *out++ = '\\'; break;
    case '\n': *out++ = 'n'; break;
    case '\r': *out++ = 'r'; break;
    case '\t': *out++ = 't'; break;
    default:
      std::memcpy(out, "u00", 3);
      out[3] = kHex[c >> 4U];
      out[4] = kHex[c & 15U];
      out += 5;
  }
  return out;
}

void write_json_text(Buffer& out, std::string_view text) {
  out.push('"');
  while (true) {
    const std::size_t plain = plain_prefix(text);
    char* to = out.reserve(plain + 7);
    std::memcpy(to, text.data(), plain);
    to += plain;
    if (plain == text.size()) {
      *to++ = '"';
      out.commit(to);
      return;
    }
    out.commit(put_escape(to, static_cast<unsigned char>(text[plain])));
    text.remove_prefix(plain + 1);
  }
}

void write_base64(Buffer& out, std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char* to = out.reserve((bytes.size() + 2) / 3 * 4);
  const auto byte = [&](std::size_t at) -> unsigned {
    return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0U;
  };
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const unsigned three = byte(i) << 16U | byte(i + 1) << 8U | byte(i + 2);
    *to++ = kDigits[three >> 18U];
    *to++ = kDigits[three >> 12U & 63U];
    *to++ = i + 1 < bytes.size() ? kDigits[three >> 6U & 63U] : '=';
    *to++ = i + 2 < bytes.size() ? kDigits[three & 63U] : '=';
  }
  out.commit(to);
}

// The first byte counts the padding bits of the second.
void write_bits(Buffer& out, std::string_view bytes) {
  const std::size_t padding = bytes.empty() ? 0 : static_cast<unsigned char>(bytes[0]);
  for (std::size_t bit = padding; bit < (bytes.size() - std::min<std::size_t>(bytes.size(), 1)) * 8;
       ++bit) {
    const auto byte = static_cast<unsigned char>(bytes[1 + bit / 8]);
    out.push(((byte >> (7U - bit % 8U)) & 1U) != 0 ? '1' : '0');
  }
}

// Three bytes of header (sign and length), then the magnitude, big-endian; all bits of a negative
// number are flipped.
void write_bignum(Buffer& out, std::string_view bytes) {
  if (bytes.size() <= 3) {
    return out.push('0');
  }
  const bool negative = (static_cast<unsigned char>(bytes[0]) & 0x80U) == 0;
  std::vector<unsigned> digits;  // In base 10^9, least first.
  for (const char c : bytes.substr(3)) {
    std::uint64_t carry = static_cast<unsigned char>(negative ? ~c : c);
    for (unsigned& digit : digits) {
      carry += std::uint64_t{digit} * 256;
      digit = static_cast<unsigned>(carry % 1'000'000'000);
      carry /= 1'000'000'000;
    }
    if (carry != 0) {
      digits.push_back(static_cast<unsigned>(carry));
    }
  }
  if (digits.empty()) {
    return out.push('0');
  }
  if (negative) {
    out.push('-');
  }
  char* to = format_uint(out.reserve(kTextBytesMax), digits.back());
  out.commit(to);
  for (std::size_t i = digits.size() - 1; i > 0; --i) {
    to = out.reserve(9);
    unsigned rest = digits[i - 1];
    for (std::size_t k = 9; k > 0; --k) {
      to[k - 1] = static_cast<char>('0' + rest % 10);
      rest /= 10;
    }
    out.commit(to + 9);
  }
}

Int128 integer_at(const Cells& cells, duckdb_type physical, idx_t row) {
  switch (static_cast<int>(physical)) {
    case DUCKDB_TYPE_SMALLINT: return cells.at<std::int16_t>(row);
    case DUCKDB_TYPE_INTEGER: return cells.at<std::int32_t>(row);
    case DUCKDB_TYPE_BIGINT: return cells.at<std::int64_t>(row);
    default: {
      const auto& huge = cells.at<duckdb_hugeint>(row);
      return static_cast<Int128>(static_cast<UInt128>(huge.upper) << 64U | huge.lower);
    }
  }
}

std::size_t enum_at(const Cells& cells, idx_t row) {
  switch (static_cast<int>(cells.type->physical)) {
    case DUCKDB_TYPE_UTINYINT: return cells.at<std::uint8_t>(row);
    case DUCKDB_TYPE_USMALLINT: return cells.at<std::uint16_t>(row);
    default: return cells.at<std::uint32_t>(row);
  }
}

/// How a cell's text stands in JSON.
enum class Shape : std::uint8_t { Bare, Quoted };

// Numbers, and everything whose text needs no escaping: written at `out`. Null if the type is none
// of these.
char* format_scalar(char* out, const Cells& cells, idx_t row, char separator, Shape& shape) {
  shape = Shape::Bare;
  switch (static_cast<int>(cells.type->id)) {
    case DUCKDB_TYPE_TINYINT: return format_int(out, cells.at<std::int8_t>(row));
    case DUCKDB_TYPE_SMALLINT: return format_int(out, cells.at<std::int16_t>(row));
    case DUCKDB_TYPE_INTEGER: return format_int(out, cells.at<std::int32_t>(row));
    case DUCKDB_TYPE_BIGINT: return format_int(out, cells.at<std::int64_t>(row));
    case DUCKDB_TYPE_UTINYINT: return format_uint(out, cells.at<std::uint8_t>(row));
    case DUCKDB_TYPE_USMALLINT: return format_uint(out, cells.at<std::uint16_t>(row));
    case DUCKDB_TYPE_UINTEGER: return format_uint(out, cells.at<std::uint32_t>(row));
    case DUCKDB_TYPE_UBIGINT: return format_uint(out, cells.at<std::uint64_t>(row));
    case DUCKDB_TYPE_HUGEINT:
      return format_int128(out, integer_at(cells, DUCKDB_TYPE_HUGEINT, row));
    case DUCKDB_TYPE_UHUGEINT: {
      const auto& huge = cells.at<duckdb_uhugeint>(row);
      return format_uint128(out, UInt128{huge.upper} << 64U | huge.lower);
    }
    case DUCKDB_TYPE_DECIMAL:
      return format_decimal(out, integer_at(cells, cells.type->physical, row), cells.type->scale);
    default: break;
  }
  shape = Shape::Quoted;
  switch (static_cast<int>(cells.type->id)) {
    case DUCKDB_TYPE_DATE: return format_date(out, cells.at<std::int32_t>(row));
    case DUCKDB_TYPE_TIME: return format_time(out, cells.at<std::int64_t>(row), 1'000'000);
    case DUCKDB_TYPE_TIME_NS: return format_time(out, cells.at<std::int64_t>(row), 1'000'000'000);
    case DUCKDB_TYPE_TIME_TZ: return format_time_tz(out, cells.at<duckdb_time_tz>(row));
    case DUCKDB_TYPE_TIMESTAMP_S:
      return format_timestamp(out, cells.at<std::int64_t>(row), 1, separator, false);
    case DUCKDB_TYPE_TIMESTAMP_MS:
      return format_timestamp(out, cells.at<std::int64_t>(row), 1'000, separator, false);
    case DUCKDB_TYPE_TIMESTAMP:
      return format_timestamp(out, cells.at<std::int64_t>(row), 1'000'000, separator, false);
    case DUCKDB_TYPE_TIMESTAMP_NS:
      return format_timestamp(out, cells.at<std::int64_t>(row), 1'000'000'000, separator, false);
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return format_timestamp(out, cells.at<std::int64_t>(row), 1'000'000, separator, true);
    case DUCKDB_TYPE_INTERVAL: return format_interval(out, cells.at<duckdb_interval>(row));
    case DUCKDB_TYPE_UUID: return format_uuid(out, cells.at<duckdb_hugeint>(row));
    default: return nullptr;
  }
}

void write_floating(Buffer& out, const Cells& cells, idx_t row, bool quote_specials) {
  std::array<char, kTextBytesMax> text{};
  char* end = cells.type->id == DUCKDB_TYPE_FLOAT
                  ? format_float(text.data(), cells.at<float>(row))
                  : format_double(text.data(), cells.at<double>(row));
  const std::string_view written(text.data(), static_cast<std::size_t>(end - text.data()));
  const bool special = written.ends_with('y') || written.ends_with('N');
  if (special && quote_specials) {
    return write_json_text(out, written);
  }
  out.append(written);
}

void write_list(Buffer& out, const Cells& cells, idx_t offset, idx_t length) {
  out.push('[');
  for (idx_t i = 0; i < length; ++i) {
    if (i > 0) {
      out.push(',');
    }
    write_json(out, cells.children[0], offset + i);
  }
  out.push(']');
}

void write_struct(Buffer& out, const Cells& cells, idx_t row) {
  out.push('{');
  for (std::size_t i = 0; i < cells.children.size(); ++i) {
    if (i > 0) {
      out.push(',');
    }
    out.append(cells.type->labels_json[i]);
    out.push(':');
    write_json(out, cells.children[i], row);
  }
  out.push('}');
}

void write_map(Buffer& out, const Cells& cells, idx_t row) {
  const auto& entry = cells.at<duckdb_list_entry>(row);
  Buffer key;
  out.push('{');
  for (idx_t i = entry.offset; i < entry.offset + entry.length; ++i) {
    if (i > entry.offset) {
      out.push(',');
    }
    key.clear();
    write_json(key, cells.children[0], i);
    // A key that is a string already stays one; others become one.
    if (key.view().starts_with('"')) {
      out.append(key.view());
    } else {
      write_json_text(out, key.view());
    }
    out.push(':');
    write_json(out, cells.children[1], i);
  }
  out.push('}');
}

void write_union(Buffer& out, const Cells& cells, idx_t row) {
  const std::size_t tag = cells.children[0].at<std::uint8_t>(row);
  out.push('{');
  out.append(cells.type->labels_json[tag]);
  out.push(':');
  write_json(out, cells.children[1 + tag], row);
  out.push('}');
}

void write_quoted(Buffer& out, void (*write)(Buffer&, std::string_view), std::string_view bytes) {
  out.push('"');
  write(out, bytes);
  out.push('"');
}

}  // namespace

Cells open_cells(const TypeInfo& type, duckdb_vector vector) {
  Cells cells{.type = &type,
              .data = duckdb_vector_get_data(vector),
              .validity = duckdb_vector_get_validity(vector),
              .children = {}};
  const auto add = [&](const TypeInfo& child_type, duckdb_vector child) {
    cells.children.push_back(open_cells(child_type, child));
  };
  switch (static_cast<int>(type.id)) {
    case DUCKDB_TYPE_LIST: add(type.children[0], duckdb_list_vector_get_child(vector)); break;
    case DUCKDB_TYPE_ARRAY: add(type.children[0], duckdb_array_vector_get_child(vector)); break;
    case DUCKDB_TYPE_MAP: {
      const duckdb_vector entries = duckdb_list_vector_get_child(vector);
      add(type.children[0], duckdb_struct_vector_get_child(entries, 0));
      add(type.children[1], duckdb_struct_vector_get_child(entries, 1));
      break;
    }
    case DUCKDB_TYPE_STRUCT:
      for (std::size_t i = 0; i < type.children.size(); ++i) {
        add(type.children[i], duckdb_struct_vector_get_child(vector, i));
      }
      break;
    case DUCKDB_TYPE_UNION: {
      static const TypeInfo kTag = [] {
        TypeInfo tag;
        tag.id = DUCKDB_TYPE_UTINYINT;
        return tag;
      }();
      add(kTag, duckdb_struct_vector_get_child(vector, 0));
      for (std::size_t i = 0; i < type.children.size(); ++i) {
        add(type.children[i], duckdb_struct_vector_get_child(vector, i + 1));
      }
      break;
    }
    default: break;
  }
  return cells;
}

void write_json(Buffer& out, const Cells& cells, idx_t row) {
  if (cells.is_null(row)) {
    return out.append("null");
  }
  switch (static_cast<int>(cells.type->id)) {
    case DUCKDB_TYPE_SQLNULL: return out.append("null");
    case DUCKDB_TYPE_BOOLEAN: return out.append(cells.at<bool>(row) ? "true" : "false");
    case DUCKDB_TYPE_VARCHAR: return write_json_text(out, view(cells.at<duckdb_string_t>(row)));
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DOUBLE: return write_floating(out, cells, row, true);
    case DUCKDB_TYPE_GEOMETRY:
    case DUCKDB_TYPE_BLOB:
      return write_quoted(out, write_base64, view(cells.at<duckdb_string_t>(row)));
    case DUCKDB_TYPE_BIT:
      return write_quoted(out, write_bits, view(cells.at<duckdb_string_t>(row)));
    case DUCKDB_TYPE_BIGNUM: return write_bignum(out, view(cells.at<duckdb_string_t>(row)));
    case DUCKDB_TYPE_ENUM: return out.append(cells.type->labels_json[enum_at(cells, row)]);
    case DUCKDB_TYPE_LIST: {
      const auto& entry = cells.at<duckdb_list_entry>(row);
      return write_list(out, cells, entry.offset, entry.length);
    }
    case DUCKDB_TYPE_ARRAY:
      return write_list(out, cells, row * cells.type->array_size, cells.type->array_size);
    case DUCKDB_TYPE_MAP: return write_map(out, cells, row);
    case DUCKDB_TYPE_STRUCT: return write_struct(out, cells, row);
    case DUCKDB_TYPE_UNION: return write_union(out, cells, row);
    default: break;
  }
  char* const begin = out.reserve(kTextBytesMax + 2);
  Shape shape = Shape::Bare;
  char* end = format_scalar(begin + 1, cells, row, 'T', shape);
  if (end == nullptr) {
    return out.append("null");  // Results with such a column are refused before their first row.
  }
  if (shape == Shape::Quoted) {
    *begin = '"';
    *end++ = '"';
    return out.commit(end);
  }
  const auto size = static_cast<std::size_t>(end - begin - 1);
  std::memmove(begin, begin + 1, size);
  out.commit(begin + size);
}

void write_csv_text(Buffer& out, std::string_view text) {
  if (!text.empty() && text.find_first_of("\",\r\n") == std::string_view::npos) {
    return out.append(text);
  }
  out.push('"');
  for (std::size_t quote = text.find('"'); quote != std::string_view::npos;
       quote = text.find('"')) {
    out.append(text.substr(0, quote + 1));
    out.push('"');
    text.remove_prefix(quote + 1);
  }
  out.append(text);
  out.push('"');
}

void write_csv(Buffer& out, Buffer& scratch, const Cells& cells, idx_t row) {
  if (cells.is_null(row)) {
    return;
  }
  switch (static_cast<int>(cells.type->id)) {
    case DUCKDB_TYPE_SQLNULL: return;
    case DUCKDB_TYPE_BOOLEAN:
    case DUCKDB_TYPE_BIGNUM: return write_json(out, cells, row);
    case DUCKDB_TYPE_VARCHAR: return write_csv_text(out, view(cells.at<duckdb_string_t>(row)));
    case DUCKDB_TYPE_ENUM: return write_csv_text(out, cells.type->labels[enum_at(cells, row)]);
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DOUBLE: return write_floating(out, cells, row, false);
    case DUCKDB_TYPE_GEOMETRY:
    case DUCKDB_TYPE_BLOB: {
      const std::string_view bytes = view(cells.at<duckdb_string_t>(row));
      return bytes.empty() ? out.append("\"\"") : write_base64(out, bytes);
    }
    case DUCKDB_TYPE_BIT: return write_bits(out, view(cells.at<duckdb_string_t>(row)));
    case DUCKDB_TYPE_LIST:
    case DUCKDB_TYPE_ARRAY:
    case DUCKDB_TYPE_MAP:
    case DUCKDB_TYPE_STRUCT:
    case DUCKDB_TYPE_UNION:
      scratch.clear();
      write_json(scratch, cells, row);
      return write_csv_text(out, scratch.view());
    default: break;
  }
  Shape shape = Shape::Bare;
  if (char* end = format_scalar(out.reserve(kTextBytesMax), cells, row, ' ', shape)) {
    out.commit(end);
  }
}

}  // namespace lakehouse::engine
