#include "iceberg/detail/pruning.h"

#include <algorithm>
#include <cmath>
#include <compare>

namespace lakehouse::iceberg::detail {
namespace {

std::optional<double> as_floating(const Literal& value) {
  if (value.kind == TypeKind::Float) {
    return static_cast<double>(value.as_float());
  }
  if (value.kind == TypeKind::Double) {
    return value.as_double();
  }
  return std::nullopt;
}

bool is_nan(const Literal& value) {
  return std::isnan(as_floating(value).value_or(0));
}

/// Bounds compare -0.0 as less than 0.0; rows do not.
std::partial_ordering sql_compare(const Literal& a, const Literal& b) {
  const auto x = as_floating(a);
  const auto y = as_floating(b);
  return x && y && a.kind == b.kind ? *x <=> *y : compare(a, b);
}

/// Unordered values, those of different kinds, may be anything.
bool may_be_below(const std::optional<Literal>& a, const Literal& b, bool or_equal) {
  if (!a) {
    return true;
  }
  const std::partial_ordering order = sql_compare(*a, b);
  return order != std::partial_ordering::greater &&
         (or_equal || order != std::partial_ordering::equivalent);
}

bool may_be_above(const std::optional<Literal>& a, const Literal& b, bool or_equal) {
  if (!a) {
    return true;
  }
  const std::partial_ordering order = sql_compare(*a, b);
  return order != std::partial_ordering::less &&
         (or_equal || order != std::partial_ordering::equivalent);
}

bool may_compare(CompareOp op, const Literal& value, const ValueRange& range) {
  // A NaN among the bounds is an old writer's, and says nothing.
  if ((range.lower && is_nan(*range.lower)) || (range.upper && is_nan(*range.upper))) {
    return true;
  }
  if (is_nan(value)) {
    return op == CompareOp::Lt || op == CompareOp::LtEq ||
           (op != CompareOp::Gt && range.may_be_nan);
  }
  switch (op) {
    case CompareOp::Eq:
    case CompareOp::In:
      return may_be_below(range.lower, value, true) && may_be_above(range.upper, value, true);
    case CompareOp::Lt: return may_be_below(range.lower, value, false);
    case CompareOp::LtEq: return may_be_below(range.lower, value, true);
    case CompareOp::Gt: return range.may_be_nan || may_be_above(range.upper, value, false);
    case CompareOp::GtEq: return range.may_be_nan || may_be_above(range.upper, value, true);
    case CompareOp::IsNull:
    case CompareOp::NotNull: return true;
  }
  return true;
}

bool is_floating(TypeKind kind) {
  return kind == TypeKind::Float || kind == TypeKind::Double;
}

/// Kinds whose bounds sort as `compare` does with every writer: UUIDs were compared as signed
/// numbers by older ones, and the rest have bounds of their own kind.
bool has_plain_bounds(TypeKind kind) {
  switch (kind) {
    case TypeKind::Uuid:
    case TypeKind::Unknown:
    case TypeKind::Variant:
    case TypeKind::Geometry:
    case TypeKind::Geography:
    case TypeKind::Struct:
    case TypeKind::List:
    case TypeKind::Map: return false;
    case TypeKind::Boolean:
    case TypeKind::Int:
    case TypeKind::Long:
    case TypeKind::Float:
    case TypeKind::Double:
    case TypeKind::Decimal:
    case TypeKind::Date:
    case TypeKind::Time:
    case TypeKind::Timestamp:
    case TypeKind::Timestamptz:
    case TypeKind::TimestampNs:
    case TypeKind::TimestamptzNs:
    case TypeKind::String:
    case TypeKind::Fixed:
    case TypeKind::Binary: return true;
  }
  return false;
}

std::optional<Literal> bound(const ById<std::string>& bounds, const NestedField& column) {
  const std::string* bytes = bounds.find(column.id);
  if (bytes == nullptr || !has_plain_bounds(column.type->kind)) {
    return std::nullopt;
  }
  auto value = literal_from_bytes(*column.type, *bytes);
  return value ? std::optional(*std::move(value)) : std::nullopt;
}

/// True if a literal may be compared with values of the column's type.
bool fits(const Type& type, const Literal& value) {
  return value.kind == type.kind && (type.kind != TypeKind::Decimal || value.scale == type.scale);
}

bool keeps_order(const Transform& transform) {
  switch (transform.kind) {
    case Transform::Kind::Identity:
    case Transform::Kind::Truncate:
    case Transform::Kind::Year:
    case Transform::Kind::Month:
    case Transform::Kind::Day:
    case Transform::Kind::Hour: return true;
    case Transform::Kind::Bucket:
    case Transform::Kind::Void:
    case Transform::Kind::Unknown: return false;
  }
  return false;
}

/// What the transformed value must satisfy if the value satisfies `op`; nothing if that is unknown.
std::optional<CompareOp> project(CompareOp op, const Transform& transform) {
  if (transform.kind == Transform::Kind::Void || transform.kind == Transform::Kind::Unknown) {
    return std::nullopt;
  }
  switch (op) {
    case CompareOp::IsNull:
    case CompareOp::NotNull:
    case CompareOp::Eq:
    case CompareOp::In: return op;
    case CompareOp::Lt:
    case CompareOp::LtEq:
    case CompareOp::Gt:
    case CompareOp::GtEq: break;
  }
  if (!keeps_order(transform)) {
    return std::nullopt;
  }
  if (transform.kind == Transform::Kind::Identity) {
    return op;
  }
  return op == CompareOp::Lt || op == CompareOp::LtEq ? CompareOp::LtEq : CompareOp::GtEq;
}

}  // namespace

bool may_satisfy(CompareOp op, const std::vector<Literal>& values, const ValueRange& range) {
  if (op == CompareOp::IsNull) {
    return range.may_be_null;
  }
  if (!range.may_be_value) {
    return false;
  }
  if (op == CompareOp::NotNull) {
    return true;
  }
  return std::any_of(values.begin(), values.end(),
                     [&](const Literal& value) { return may_compare(op, value, range); });
}

bool may_match(const NestedField& column, const DataFile& file, const Predicate& predicate) {
  for (const Literal& value : predicate.values) {
    if (!fits(*column.type, value)) {
      return true;
    }
  }
  ValueRange range;
  const std::int64_t* values = file.value_counts.find(column.id);
  const std::int64_t* nulls = file.null_value_counts.find(column.id);
  const std::int64_t* nans = file.nan_value_counts.find(column.id);
  range.may_be_null = nulls == nullptr || *nulls > 0;
  range.may_be_value = values == nullptr || nulls == nullptr || *nulls < *values;
  range.may_be_nan = is_floating(column.type->kind) && (nans == nullptr || *nans > 0);
  range.lower = bound(file.lower_bounds, column);
  range.upper = bound(file.upper_bounds, column);
  return may_satisfy(predicate.op, predicate.values, range);
}

Pruner::Pruner(const TableMetadata& metadata, const Schema& schema, const Filter& filter)
    : metadata_(metadata), filter_(filter) {
  // The values may be of the column's type now, or of its type when the snapshot was written.
  for (const Predicate& predicate : filter) {
    const NestedField* column = nullptr;
    for (const Schema* each : {metadata.current_schema(), &schema}) {
      const NestedField* found = each == nullptr ? nullptr : each->find_by_id(predicate.field_id);
      if (column == nullptr && found != nullptr && !is_nested(*found->type) &&
          std::all_of(predicate.values.begin(), predicate.values.end(),
                      [&](const Literal& value) { return fits(*found->type, value); })) {
        column = found;
      }
    }
    columns_.push_back(column);
  }
}

const std::vector<Pruner::Projected>& Pruner::projected(std::int32_t spec_id) {
  const auto [at, is_new] = by_spec_.try_emplace(spec_id);
  std::vector<Projected>& out = at->second;
  const PartitionSpec* spec = metadata_.spec_by_id(spec_id);
  if (!is_new || spec == nullptr) {
    return out;
  }
  const auto types = partition_types(metadata_, *spec);
  for (std::size_t i = 0; types && i < spec->fields.size(); ++i) {
    const PartitionField& field = spec->fields[i];
    for (std::size_t p = 0; p < filter_.size(); ++p) {
      const auto op = project(filter_[p].op, field.transform);
      if (columns_[p] == nullptr || columns_[p]->id != field.source_id || !op ||
          field.source_ids.size() > 1) {
        continue;
      }
      Projected each{.index = i, .type = (*types)[i], .op = *op, .values = {}};
      bool usable = true;
      for (const Literal& value : filter_[p].values) {
        const auto result = fits(*columns_[p]->type, value)
                                ? apply_transform(field.transform, value)
                                : Result<std::optional<Literal>>(std::nullopt);
        usable = usable && result && *result && fits(*each.type, **result);
        if (usable) {
          each.values.push_back(**result);
        }
      }
      if (usable) {
        out.push_back(std::move(each));
      }
    }
  }
  return out;
}

bool Pruner::may_match(const ManifestFile& manifest) {
  if (filter_.empty()) {
    return true;
  }
  for (const Projected& each : projected(manifest.partition_spec_id)) {
    if (each.index >= manifest.partitions.size()) {
      continue;
    }
    const FieldSummary& summary = manifest.partitions[each.index];
    ValueRange range;
    range.may_be_null = summary.contains_null;
    range.may_be_nan = is_floating(each.type->kind) && summary.contains_nan.value_or(true);
    for (const bool lower : {true, false}) {
      const auto& bytes = lower ? summary.lower_bound : summary.upper_bound;
      if (bytes && has_plain_bounds(each.type->kind)) {
        if (const auto value = literal_from_bytes(*each.type, *bytes)) {
          (lower ? range.lower : range.upper) = *value;
        }
      }
    }
    if (!may_satisfy(each.op, each.values, range)) {
      return false;
    }
  }
  return true;
}

bool Pruner::may_match(const DataFile& file) {
  if (filter_.empty()) {
    return true;
  }
  for (const Projected& each : projected(file.spec_id)) {
    if (each.index >= file.partition.size()) {
      continue;
    }
    const std::optional<Literal>& value = file.partition[each.index];
    const ValueRange range{.may_be_null = !value,
                           .may_be_value = value.has_value(),
                           .may_be_nan = value && is_nan(*value),
                           .lower = value,
                           .upper = value};
    if (!may_satisfy(each.op, each.values, range)) {
      return false;
    }
  }
  for (std::size_t i = 0; i < filter_.size(); ++i) {
    if (columns_[i] != nullptr && !detail::may_match(*columns_[i], file, filter_[i])) {
      return false;
    }
  }
  return true;
}

}  // namespace lakehouse::iceberg::detail
