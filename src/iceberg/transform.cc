#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "base/json.h"
#include "iceberg/detail/calendar.h"
#include "iceberg/detail/utf8.h"
#include "iceberg/partition_spec.h"

namespace lakehouse::iceberg {

namespace {

constexpr std::int64_t kMicrosPerHour = 3'600'000'000;
constexpr std::int64_t kMicrosPerDay = 24 * kMicrosPerHour;

bool is_nanoseconds(TypeKind kind) {
  return kind == TypeKind::TimestampNs || kind == TypeKind::TimestamptzNs;
}

bool is_timestamp(TypeKind kind) {
  return kind == TypeKind::Timestamp || kind == TypeKind::Timestamptz || is_nanoseconds(kind);
}

bool is_truncated_kind(TypeKind kind) {
  return kind == TypeKind::Int || kind == TypeKind::Long || kind == TypeKind::Decimal ||
         kind == TypeKind::String || kind == TypeKind::Binary;
}

bool is_bucketed_kind(TypeKind kind) {
  return is_truncated_kind(kind) || is_timestamp(kind) || kind == TypeKind::Date ||
         kind == TypeKind::Time || kind == TypeKind::Uuid || kind == TypeKind::Fixed;
}

bool is_identity_kind(TypeKind kind) {
  return kind != TypeKind::Variant && kind != TypeKind::Geometry && kind != TypeKind::Geography &&
         kind != TypeKind::Struct && kind != TypeKind::List && kind != TypeKind::Map;
}

bool takes(const Transform& transform, TypeKind kind) {
  switch (transform.kind) {
    case Transform::Kind::Identity: return is_identity_kind(kind);
    case Transform::Kind::Bucket: return is_bucketed_kind(kind);
    case Transform::Kind::Truncate: return is_truncated_kind(kind);
    case Transform::Kind::Year:
    case Transform::Kind::Month:
    case Transform::Kind::Day: return kind == TypeKind::Date || is_timestamp(kind);
    case Transform::Kind::Hour: return is_timestamp(kind);
    case Transform::Kind::Void:
    case Transform::Kind::Unknown: return true;
  }
  return false;
}

std::unexpected<Error> not_taken(const Transform& transform, const Type& source) {
  return fail(ErrorCode::InvalidArgument,
              fmt::format("{} cannot be applied to {}", to_string(transform), to_string(source)));
}

/// Microseconds since 1970 of a date or a timestamp.
std::int64_t micros_of(const Literal& value) {
  if (value.kind == TypeKind::Date) {
    return value.as_int32() * kMicrosPerDay;
  }
  return is_nanoseconds(value.kind) ? detail::floor_div(value.as_int64(), 1000) : value.as_int64();
}

template <class Int>
Int truncated_number(Int value, Int width) {
  const Int rest = static_cast<Int>(((value % width) + width) % width);
  // At the lower end the result does not fit; like the reference implementation, it wraps.
  Int result{};
  static_cast<void>(__builtin_sub_overflow(value, rest, &result));
  return result;
}

Literal truncated(const Literal& value, std::int32_t width) {
  Literal result = value;
  if (value.kind == TypeKind::Int) {
    result.value = static_cast<std::int32_t>(
        truncated_number<std::int64_t>(value.as_int32(), std::int64_t{width}));
  } else if (value.kind == TypeKind::Long) {
    result.value = static_cast<std::int64_t>(truncated_number<Int128>(value.as_int64(), width));
  } else if (value.kind == TypeKind::Decimal) {
    result.value = truncated_number<Int128>(value.as_int128(), width);
  } else if (value.kind == TypeKind::String) {
    const std::string& text = value.as_string();
    result.value = text.substr(0, detail::prefix_bytes(text, static_cast<std::size_t>(width)));
  } else {
    result.value = value.as_string().substr(0, static_cast<std::size_t>(width));
  }
  return result;
}

Literal time_part(Transform::Kind kind, const Literal& value) {
  const std::int64_t micros = micros_of(value);
  if (kind == Transform::Kind::Hour) {
    return Literal::of_int(static_cast<std::int32_t>(detail::floor_div(micros, kMicrosPerHour)));
  }
  const std::int64_t days =
      value.kind == TypeKind::Date ? value.as_int32() : detail::floor_div(micros, kMicrosPerDay);
  if (kind == Transform::Kind::Day) {
    return Literal::of_date(static_cast<std::int32_t>(days));
  }
  const detail::CivilDate date = detail::civil_from_days(days);
  const std::int64_t years = date.year - 1970;
  return Literal::of_int(static_cast<std::int32_t>(
      kind == Transform::Kind::Year ? years : years * 12 + date.month - 1));
}

std::int32_t hash_long(std::int64_t value) {
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return murmur3(bytes);
}

/// Floats hash as doubles, all NaNs and both zeros alike.
std::int32_t hash_double(double value) {
  if (std::isnan(value)) {
    return hash_long(0x7ff8000000000000);
  }
  return hash_long(std::bit_cast<std::int64_t>(value == 0 ? 0.0 : value));
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = (group << 8U) | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      text.push_back(i <= count ? kDigits[(group >> (18 - 6 * i)) & 0x3FU] : '=');
    }
  }
  return text;
}

std::string human_value(const Literal& value) {
  const bool is_text = value.kind == TypeKind::String || value.kind == TypeKind::Uuid;
  if (!is_text && std::holds_alternative<std::string>(value.value)) {
    return base64(value.as_string());
  }
  if (value.kind == TypeKind::Date) {
    return detail::date_to_string(value.as_int32(), detail::Era::Iso);
  }
  if (is_timestamp(value.kind)) {
    std::string text = literal_to_text(value);
    const auto space = text.find(' ');
    if (space != std::string::npos) {
      text[space] = 'T';
    }
    if (text.ends_with("+00")) {
      text.replace(text.size() - 3, 3, "Z");
    }
    return text;
  }
  return literal_to_text(value);
}

}  // namespace

std::string to_string(const Transform& transform) {
  switch (transform.kind) {
    case Transform::Kind::Identity: return "identity";
    case Transform::Kind::Bucket: return fmt::format("bucket[{}]", transform.parameter);
    case Transform::Kind::Truncate: return fmt::format("truncate[{}]", transform.parameter);
    case Transform::Kind::Year: return "year";
    case Transform::Kind::Month: return "month";
    case Transform::Kind::Day: return "day";
    case Transform::Kind::Hour: return "hour";
    case Transform::Kind::Void: return "void";
    case Transform::Kind::Unknown: return transform.unknown_name;
  }
  return {};
}

Result<Transform> transform_from_string(std::string_view text) {
  for (const Transform& known : {Transform::identity(), Transform::year(), Transform::month(),
                                 Transform::day(), Transform::hour(), Transform::always_null()}) {
    if (to_string(known) == text) {
      return known;
    }
  }
  for (const auto& [name, kind] :
       {std::pair{std::string_view("bucket["), Transform::Kind::Bucket},
        std::pair{std::string_view("truncate["), Transform::Kind::Truncate}}) {
    if (!text.starts_with(name) || !text.ends_with(']')) {
      continue;
    }
    const std::string_view digits = text.substr(name.size(), text.size() - name.size() - 1);
    std::int32_t parameter = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), parameter);
    if (error != std::errc() || end != digits.data() + digits.size() || parameter < 1) {
      return fail(ErrorCode::InvalidArgument, fmt::format("'{}' is no transform", text),
                  "Write a whole number of at least 1 in the brackets, as in bucket[16].");
    }
    return Transform{kind, parameter, {}};
  }
  return Transform{Transform::Kind::Unknown, 0, std::string(text)};
}

Result<TypePtr> result_type(const Transform& transform, const Type& source) {
  if (!takes(transform, source.kind)) {
    return not_taken(transform, source);
  }
  switch (transform.kind) {
    case Transform::Kind::Identity:
    case Transform::Kind::Truncate:
    case Transform::Kind::Void: return std::make_shared<const Type>(source);
    case Transform::Kind::Bucket:
    case Transform::Kind::Year:
    case Transform::Kind::Month:
    case Transform::Kind::Hour: return primitive(TypeKind::Int);
    case Transform::Kind::Day: return primitive(TypeKind::Date);
    case Transform::Kind::Unknown: break;
  }
  return primitive(TypeKind::String);
}

Result<std::optional<Literal>> apply_transform(const Transform& transform,
                                               const std::optional<Literal>& value) {
  if (transform.kind == Transform::Kind::Unknown) {
    return fail(ErrorCode::Unimplemented,
                fmt::format("the transform '{}' is not known", transform.unknown_name));
  }
  if (!value || transform.kind == Transform::Kind::Void) {
    return std::nullopt;
  }
  if (!takes(transform, value->kind)) {
    return not_taken(transform, *value->type());
  }
  if (transform.kind == Transform::Kind::Identity) {
    return value;
  }
  if (transform.kind == Transform::Kind::Truncate) {
    return truncated(*value, transform.parameter);
  }
  if (transform.kind == Transform::Kind::Bucket) {
    LH_ASSIGN_OR_RETURN(const std::int32_t hash, bucket_hash(*value));
    const std::int32_t positive = hash & std::numeric_limits<std::int32_t>::max();
    return Literal::of_int(positive % transform.parameter);
  }
  return time_part(transform.kind, *value);
}

Result<std::int32_t> bucket_hash(const Literal& value) {
  switch (value.kind) {
    case TypeKind::Boolean: return hash_long(value.as_bool() ? 1 : 0);
    case TypeKind::Int:
    case TypeKind::Date: return hash_long(value.as_int32());
    case TypeKind::Long:
    case TypeKind::Time: return hash_long(value.as_int64());
    case TypeKind::Timestamp:
    case TypeKind::Timestamptz:
    case TypeKind::TimestampNs:
    case TypeKind::TimestamptzNs: return hash_long(micros_of(value));
    case TypeKind::Float: return hash_double(double{value.as_float()});
    case TypeKind::Double: return hash_double(value.as_double());
    case TypeKind::Decimal: return murmur3(decimal_to_bytes(value.as_int128()));
    case TypeKind::String:
    case TypeKind::Uuid:
    case TypeKind::Fixed:
    case TypeKind::Binary: return murmur3(value.as_string());
    case TypeKind::Unknown:
    case TypeKind::Variant:
    case TypeKind::Geometry:
    case TypeKind::Geography:
    case TypeKind::Struct:
    case TypeKind::List:
    case TypeKind::Map: break;
  }
  return fail(ErrorCode::InvalidArgument,
              fmt::format("values of type {} cannot be hashed", to_string(*value.type())));
}

std::int32_t murmur3(std::string_view bytes) {
  constexpr std::uint32_t kC1 = 0xcc9e2d51;
  constexpr std::uint32_t kC2 = 0x1b873593;
  std::uint32_t hash = 0;
  std::size_t at = 0;
  for (; at + 4 <= bytes.size(); at += 4) {
    std::uint32_t block = 0;
    std::memcpy(&block, bytes.data() + at, sizeof(block));
    hash ^= std::rotl(block * kC1, 15) * kC2;
    hash = std::rotl(hash, 13) * 5 + 0xe6546b64;
  }
  std::uint32_t tail = 0;
  for (std::size_t i = bytes.size(); i > at; --i) {
    tail = (tail << 8U) | static_cast<unsigned char>(bytes[i - 1]);
  }
  hash ^= std::rotl(tail * kC1, 15) * kC2;
  hash ^= static_cast<std::uint32_t>(bytes.size());
  hash = (hash ^ (hash >> 16U)) * 0x85ebca6b;
  hash = (hash ^ (hash >> 13U)) * 0xc2b2ae35;
  return static_cast<std::int32_t>(hash ^ (hash >> 16U));
}

std::string to_human_string(const Transform& transform, const std::optional<Literal>& value) {
  if (!value) {
    return "null";
  }
  // Day results of other writers are ints as often as dates.
  const bool is_int = std::holds_alternative<std::int32_t>(value->value);
  if (!is_int) {
    return human_value(*value);
  }
  const std::int64_t number = value->as_int32();
  switch (transform.kind) {
    case Transform::Kind::Year: return fmt::format("{:04}", 1970 + number);
    case Transform::Kind::Month:
      return fmt::format("{:04}-{:02}", 1970 + detail::floor_div(number, 12),
                         number - detail::floor_div(number, 12) * 12 + 1);
    case Transform::Kind::Day: return detail::date_to_string(number, detail::Era::Iso);
    case Transform::Kind::Hour: {
      const std::int64_t days = detail::floor_div(number, 24);
      return fmt::format("{}-{:02}", detail::date_to_string(days, detail::Era::Iso),
                         number - days * 24);
    }
    case Transform::Kind::Identity:
    case Transform::Kind::Bucket:
    case Transform::Kind::Truncate:
    case Transform::Kind::Void:
    case Transform::Kind::Unknown: break;
  }
  return human_value(*value);
}

}  // namespace lakehouse::iceberg
