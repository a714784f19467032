#pragma once

#include <cstdint>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "iceberg/partition_spec.h"
#include "iceberg/schema.h"

/// \file
/// Sort orders as values. Source: the Iceberg table spec, "Sorting".

namespace lakehouse::iceberg {

enum class SortDirection : std::uint8_t { Ascending, Descending };
enum class NullOrder : std::uint8_t { NullsFirst, NullsLast };

struct SortField {
  std::int32_t source_id = 0;
  std::vector<std::int32_t> source_ids;  ///< v3, for transforms of several columns; else empty.
  Transform transform;
  SortDirection direction = SortDirection::Ascending;
  NullOrder null_order = NullOrder::NullsFirst;
  boost::json::object unknown;

  friend bool operator==(const SortField&, const SortField&) = default;
};

/// Order 0 is "unsorted" and has no fields; no other order is without.
struct SortOrder {
  std::int32_t order_id = 0;
  std::vector<SortField> fields;
  boost::json::object unknown;

  [[nodiscard]] bool is_unsorted() const { return fields.empty(); }

  friend bool operator==(const SortOrder&, const SortOrder&) = default;
};

/// The same fields, whatever the ids.
[[nodiscard]] bool same_order(const SortOrder& a, const SortOrder& b);

Result<SortOrder> sort_order_from_json(const boost::json::value& json);
boost::json::object sort_order_to_json(const SortOrder& order);

/// InvalidArgument unless every field's source exists in `schema` and its transform takes it.
Status validate_sort_order(const SortOrder& order, const Schema& schema);

}  // namespace lakehouse::iceberg
