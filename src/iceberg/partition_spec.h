#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "iceberg/literal.h"
#include "iceberg/schema.h"

/// \file
/// Partition transforms and specs as values. Source: the Iceberg table spec, "Partitioning" and
/// appendix B (hashes).

namespace lakehouse::iceberg {

struct Transform {
  enum class Kind : std::uint8_t {
    Identity,
    Bucket,
    Truncate,
    Year,
    Month,
    Day,
    Hour,
    Void,
    Unknown  ///< Of a later version of the spec: kept, never applied.
  };

  Kind kind = Kind::Identity;
  std::int32_t parameter = 0;  ///< Bucket: how many. Truncate: the width.
  std::string unknown_name;    ///< Unknown: as it was written.

  static Transform identity() { return {}; }
  static Transform bucket(std::int32_t count) { return {Kind::Bucket, count, {}}; }
  static Transform truncate(std::int32_t width) { return {Kind::Truncate, width, {}}; }
  static Transform year() { return {Kind::Year, 0, {}}; }
  static Transform month() { return {Kind::Month, 0, {}}; }
  static Transform day() { return {Kind::Day, 0, {}}; }
  static Transform hour() { return {Kind::Hour, 0, {}}; }
  static Transform always_null() { return {Kind::Void, 0, {}}; }

  friend bool operator==(const Transform&, const Transform&) = default;
};

/// "identity", "bucket[16]": as the spec writes it.
std::string to_string(const Transform& transform);
/// InvalidArgument for a bucket or a width below 1; a name that the spec does not have is Unknown.
Result<Transform> transform_from_string(std::string_view text);

/// The type of what the transform makes of `source`. InvalidArgument if it cannot be applied to it.
/// Day's is date (the spec allows int, which sorts and prints the same); Unknown's is string.
Result<TypePtr> result_type(const Transform& transform, const Type& source);

/// The transform of a value; null stays null. (Not "apply", which would find std::apply.)
/// InvalidArgument if it cannot be applied to the value's type, Unimplemented for Unknown.
Result<std::optional<Literal>> apply_transform(const Transform& transform,
                                               const std::optional<Literal>& value);

/// The 32-bit murmur3 hash of appendix B; bucket N is (hash & INT32_MAX) % N. InvalidArgument for a
/// type that cannot be hashed.
Result<std::int32_t> bucket_hash(const Literal& value);
/// Murmur3 x86, 32 bits, seed 0.
std::int32_t murmur3(std::string_view bytes);

/// A transformed value as people read it and as partition paths show it: "2024-01-31-23" for hours,
/// "2024-01" for months, "null".
std::string to_human_string(const Transform& transform, const std::optional<Literal>& value);

struct PartitionField {
  std::int32_t source_id = 0;
  std::vector<std::int32_t> source_ids;  ///< v3, for transforms of several columns; else empty.
  std::int32_t field_id = 0;             ///< 0: not assigned yet; apply_updates assigns it.
  std::string name;
  Transform transform;
  boost::json::object unknown;

  friend bool operator==(const PartitionField&, const PartitionField&) = default;
};

struct PartitionSpec {
  std::int32_t spec_id = 0;
  std::vector<PartitionField> fields;
  boost::json::object unknown;

  /// True if no field has a transform other than void.
  [[nodiscard]] bool is_unpartitioned() const;
  [[nodiscard]] std::int32_t highest_field_id() const;  ///< 999 if there is no field.

  friend bool operator==(const PartitionSpec&, const PartitionSpec&) = default;
};

inline constexpr std::int32_t kFirstPartitionFieldId = 1000;

/// The same sources, names and transforms in the same order, whatever the ids.
[[nodiscard]] bool compatible(const PartitionSpec& a, const PartitionSpec& b);

Result<PartitionSpec> spec_from_json(const boost::json::value& json);
boost::json::object spec_to_json(const PartitionSpec& spec);
/// The field list alone, as v1 metadata has it under "partition-spec" and manifests have it.
Result<std::vector<PartitionField>> partition_fields_from_json(const boost::json::value& json);
boost::json::array partition_fields_to_json(const PartitionSpec& spec);

/// InvalidArgument unless every field's source exists in `schema` as a primitive column outside
/// lists and maps that its transform takes, names are unique and clash with no other column.
Status validate_spec(const PartitionSpec& spec, const Schema& schema);

/// The struct type of the spec's partition tuples: optional fields with the partition field ids. A
/// source that the schema no longer has gives a field of type unknown.
Result<TypePtr> partition_type(const PartitionSpec& spec, const Schema& schema);

/// "day=2024-01-31/bucket=3", names and values percent-encoded; empty if there are no fields.
/// `values` are transformed ones, in the order of the spec's fields.
std::string partition_path(const PartitionSpec& spec,
                           std::span<const std::optional<Literal>> values);

}  // namespace lakehouse::iceberg
