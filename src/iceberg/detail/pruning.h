#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "iceberg/manifest.h"
#include "iceberg/scan.h"

namespace lakehouse::iceberg::detail {

/// What may occur in a column of some rows.
struct ValueRange {
  bool may_be_null = true;
  bool may_be_value = true;  ///< Anything but null.
  bool may_be_nan = true;
  std::optional<Literal> lower;  ///< Of the values that are not NaN; nothing if not known.
  std::optional<Literal> upper;
};

/// False if no value of the range can satisfy `op`. SQL's order: -0.0 equals 0.0, NaN is above all.
bool may_satisfy(CompareOp op, const std::vector<Literal>& values, const ValueRange& range);

/// A filter made ready for a table: the types looked up, and its projections on each spec's
/// partition tuples kept.
class Pruner {
 public:
  Pruner(const TableMetadata& metadata, const Schema& schema, const Filter& filter);

  /// False if no file of the manifest can hold a matching row.
  bool may_match(const ManifestFile& manifest);
  /// False if the file cannot.
  bool may_match(const DataFile& file);

 private:
  /// A predicate that a partition tuple's field must satisfy if a row satisfies the filter.
  struct Projected {
    std::size_t index = 0;
    TypePtr type;
    CompareOp op = CompareOp::Eq;
    std::vector<Literal> values;
  };
  const std::vector<Projected>& projected(std::int32_t spec_id);

  const TableMetadata& metadata_;
  const Filter& filter_;
  std::vector<const NestedField*> columns_;  ///< Of the filter's predicates; null if unknown.
  std::unordered_map<std::int32_t, std::vector<Projected>> by_spec_;
};

/// By column metrics alone.
bool may_match(const NestedField& column, const DataFile& file, const Predicate& predicate);

}  // namespace lakehouse::iceberg::detail
