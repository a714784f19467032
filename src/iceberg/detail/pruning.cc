#include "iceberg/detail/pruning.h"

#include <algorithm>
#include <cmath>
#include <compare>
#include <limits>
#include <string_view>
#include <utility>

namespace lakehouse::iceberg::detail {
namespace {

using Order = std::partial_ordering;

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
Order sql_compare(const Literal& a, const Literal& b) {
  const auto x = as_floating(a);
  const auto y = as_floating(b);
  return x && y && a.kind == b.kind ? *x <=> *y : compare(a, b);
}

/// Unordered where there is no bound, as for values of different kinds: nothing follows from it.
Order compare_bound(const std::optional<Literal>& bound, const Literal& value) {
  return bound ? sql_compare(*bound, value) : Order::unordered;
}

bool is_above(Order order, bool or_equal) {
  return order == Order::greater || (or_equal && order == Order::equivalent);
}

bool is_below(Order order, bool or_equal) {
  return order == Order::less || (or_equal && order == Order::equivalent);
}

/// What a predicate may be of some rows.
struct Outcome {
  bool holds = false;
  bool fails = false;

  static Outcome never() { return {false, true}; }
  static Outcome always() { return {true, false}; }
  static Outcome unknown() { return {true, true}; }
  [[nodiscard]] Outcome negated() const { return {fails, holds}; }
  Outcome& operator|=(Outcome other) {
    holds = holds || other.holds;
    fails = fails || other.fails;
    return *this;
  }
};

/// Predicates that are the negation of another in how they are judged.
bool is_negative(CompareOp op) {
  switch (op) {
    case CompareOp::NotEq:
    case CompareOp::NotIn:
    case CompareOp::NotStartsWith:
    case CompareOp::NotNull:
    case CompareOp::NotNan:
    case CompareOp::GtEq:
    case CompareOp::LtEq: return true;
    case CompareOp::Eq:
    case CompareOp::Lt:
    case CompareOp::Gt:
    case CompareOp::In:
    case CompareOp::StartsWith:
    case CompareOp::IsNull:
    case CompareOp::IsNan: return false;
  }
  return false;
}

Outcome of_nulls(CompareOp op) {
  switch (op) {
    case CompareOp::IsNull: return Outcome::always();
    case CompareOp::NotEq:
    case CompareOp::NotIn:
    case CompareOp::NotStartsWith:
    case CompareOp::NotNan: return Outcome::unknown();
    case CompareOp::Eq:
    case CompareOp::Lt:
    case CompareOp::LtEq:
    case CompareOp::Gt:
    case CompareOp::GtEq:
    case CompareOp::In:
    case CompareOp::StartsWith:
    case CompareOp::NotNull:
    case CompareOp::IsNan: break;
  }
  return Outcome::never();
}

/// NaN is above all numbers here, and unordered to other engines: what they differ in is unknown.
Outcome of_nans(CompareOp op, const std::vector<Literal>& values) {
  const bool asked = std::any_of(values.begin(), values.end(), is_nan);
  switch (op) {
    case CompareOp::NotNull:
    case CompareOp::IsNan: return Outcome::always();
    case CompareOp::IsNull:
    case CompareOp::NotNan: return Outcome::never();
    case CompareOp::Lt:
    case CompareOp::LtEq: return asked ? Outcome::unknown() : Outcome::never();
    case CompareOp::Eq:
    case CompareOp::In: return asked ? Outcome::unknown() : Outcome::never();
    case CompareOp::NotEq:
    case CompareOp::NotIn: return asked ? Outcome::unknown() : Outcome::always();
    case CompareOp::Gt:
    case CompareOp::GtEq:
    case CompareOp::StartsWith:
    case CompareOp::NotStartsWith: break;
  }
  return Outcome::unknown();
}

Outcome of_prefix(const std::string& prefix, const ValueRange& range) {
  const auto starts = [&](const std::optional<Literal>& bound) {
    return bound && bound->as_string().starts_with(prefix);
  };
  // How a bound's start compares with as much of the prefix.
  const auto order = [&](const std::optional<Literal>& bound) {
    if (!bound) {
      return 0;
    }
    const std::string_view text = bound->as_string();
    const std::size_t length = std::min(text.size(), prefix.size());
    return text.substr(0, length).compare(std::string_view(prefix).substr(0, length));
  };
  return {.holds = order(range.lower) <= 0 && order(range.upper) >= 0,
          .fails = !starts(range.lower) || !starts(range.upper)};
}

Outcome of_set(const std::vector<Literal>& values, const ValueRange& range) {
  // The first that is not below the range.
  const auto at = std::partition_point(values.begin(), values.end(), [&](const Literal& value) {
    return is_above(compare_bound(range.lower, value), false);
  });
  if (at == values.end() || is_below(compare_bound(range.upper, *at), false)) {
    return Outcome::never();
  }
  const bool only = compare_bound(range.lower, *at) == Order::equivalent &&
                    compare_bound(range.upper, *at) == Order::equivalent;
  return {.holds = true, .fails = !only};
}

/// Of values that are neither null nor NaN.
Outcome of_values(CompareOp op, const std::vector<Literal>& values, const ValueRange& range) {
  if (op == CompareOp::IsNull || op == CompareOp::IsNan) {
    return Outcome::never();
  }
  const bool is_one = values.size() == 1 && op != CompareOp::In && op != CompareOp::NotIn;
  if (is_one && is_nan(values.front())) {
    return op == CompareOp::Lt || op == CompareOp::LtEq ? Outcome::unknown()
           : op == CompareOp::NotEq                     ? Outcome::always()
                                                        : Outcome::never();
  }
  if (is_negative(op)) {
    return of_values(negated(op), values, range).negated();
  }
  if (values.empty()) {
    return Outcome::never();
  }
  const Literal& value = values.front();
  if (op == CompareOp::StartsWith) {
    const bool is_text = value.kind == TypeKind::String &&
                         (!range.lower || range.lower->kind == TypeKind::String) &&
                         (!range.upper || range.upper->kind == TypeKind::String);
    return is_text ? of_prefix(value.as_string(), range) : Outcome::unknown();
  }
  if (op == CompareOp::In) {
    return of_set(values, range);
  }
  const Order lower = compare_bound(range.lower, value);
  const Order upper = compare_bound(range.upper, value);
  if (op == CompareOp::Lt) {
    return {.holds = !is_above(lower, true), .fails = !is_below(upper, false)};
  }
  if (op == CompareOp::Gt) {
    return {.holds = !is_below(upper, true), .fails = !is_above(lower, false)};
  }
  return {.holds = !is_above(lower, false) && !is_below(upper, false),
          .fails = lower != Order::equivalent || upper != Order::equivalent};
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

std::optional<Literal> bound(const std::string* bytes, const Type& type) {
  if (bytes == nullptr || !has_plain_bounds(type.kind)) {
    return std::nullopt;
  }
  auto value = literal_from_bytes(type, *bytes);
  // A NaN among the bounds is an old writer's, and says nothing.
  return value && !is_nan(*value) ? std::optional(*std::move(value)) : std::nullopt;
}

/// True if a literal may be compared with values of the type.
bool fits(const Type& type, const Literal& value) {
  return value.kind == type.kind && (type.kind != TypeKind::Decimal || value.scale == type.scale);
}

bool is_time(const Transform& transform) {
  return transform.kind == Transform::Kind::Year || transform.kind == Transform::Kind::Month ||
         transform.kind == Transform::Kind::Day || transform.kind == Transform::Kind::Hour;
}

bool keeps_order(const Transform& transform) {
  return is_time(transform) || transform.kind == Transform::Kind::Identity ||
         transform.kind == Transform::Kind::Truncate;
}

std::optional<Literal> transformed(const Transform& transform, const Literal& value) {
  auto result = apply_transform(transform, value);
  return result ? *std::move(result) : std::nullopt;
}

/// The range of what the transform makes of the range's values.
std::optional<ValueRange> transformed(const Transform& transform, ValueRange range) {
  if (transform.kind == Transform::Kind::Identity) {
    return range;
  }
  const bool single = range.lower && range.upper && *range.lower == *range.upper;
  if (transform.kind == Transform::Kind::Truncate && !range.lower) {
    range.upper.reset();  // The lowest numbers may wrap around.
  }
  if (!single && !keeps_order(transform)) {
    range.lower.reset();
    range.upper.reset();
  }
  for (std::optional<Literal>* end : {&range.lower, &range.upper}) {
    if (*end) {
      const std::optional<Literal> before = std::exchange(*end, transformed(transform, **end));
      if (*end && compare(**end, *before) > 0) {
        return std::nullopt;  // Wrapped around.
      }
    }
  }
  return range;
}

/// Where a number stands on a line of whole ones: the next (`by` 1) or the one before it (-1). The
/// value itself if its kind has none, or at the end.
Literal moved(const Literal& value, int by) {
  Literal out = value;
  const auto move = [&]<class Int>(Int number) {
    Int next{};
    if (!__builtin_add_overflow(number, by, &next)) {
      out.value = next;
    }
  };
  if (std::holds_alternative<std::int32_t>(value.value)) {
    move(value.as_int32());
  } else if (std::holds_alternative<std::int64_t>(value.value)) {
    move(value.as_int64());
  } else if (std::holds_alternative<Int128>(value.value)) {
    move(value.as_int128());
  }
  return out;
}

/// A truncated number near the lowest one wraps around to the highest ones.
bool may_wrap(const Transform& transform, const std::optional<Literal>& upper) {
  if (transform.kind != Transform::Kind::Truncate || !upper) {
    return false;
  }
  if (upper->kind == TypeKind::Int) {
    return upper->as_int32() > std::numeric_limits<std::int32_t>::max() - transform.parameter;
  }
  return upper->kind == TypeKind::Long &&
         upper->as_int64() > std::numeric_limits<std::int64_t>::max() - transform.parameter;
}

}  // namespace

Verdict verdict(CompareOp op, const std::vector<Literal>& values, const ValueRange& range) {
  Outcome outcome;
  if (range.may_be_null) {
    outcome |= of_nulls(op);
  }
  if (range.may_be_nan) {
    outcome |= of_nans(op, values);
  }
  if (range.may_be_value) {
    outcome |= of_values(op, values, range);
  }
  return !outcome.holds ? Verdict::Never : outcome.fails ? Verdict::Sometimes : Verdict::Always;
}

Pruner::Pruner(const TableMetadata& metadata, const Schema& schema, const Expression& filter)
    : metadata_(&metadata), root_(add(filter)) {
  // The values may be of the column's type now, or of its type when the snapshot was written.
  for (Leaf& leaf : leaves_) {
    find_column(leaf, {metadata.current_schema(), &schema});
  }
}

Pruner::Pruner(const Schema& schema, const Expression& filter)
    : metadata_(nullptr), root_(add(filter)) {
  for (Leaf& leaf : leaves_) {
    find_column(leaf, {&schema});
  }
}

Pruner::Node Pruner::add(const Expression& expression) {
  Node node{.kind = expression.kind(), .leaf = leaves_.size(), .parts = {}};
  if (node.kind == Expression::Kind::Is) {
    leaves_.push_back({&expression.predicate(), nullptr});
  }
  for (const Expression& part : expression.parts()) {
    node.parts.push_back(add(part));
  }
  return node;
}

void Pruner::find_column(Leaf& leaf, std::initializer_list<const Schema*> schemas) const {
  for (const Schema* schema : schemas) {
    const NestedField* found =
        schema == nullptr ? nullptr : schema->find_by_id(leaf.predicate->field_id);
    if (found == nullptr || is_nested(*found->type)) {
      continue;
    }
    const Transform& transform = leaf.predicate->transform;
    const auto type = transform.kind == Transform::Kind::Identity
                          ? Result<TypePtr>(found->type)
                          : result_type(transform, *found->type);
    if (type && std::ranges::all_of(leaf.predicate->values,
                                    [&](const Literal& value) { return fits(**type, value); })) {
      leaf.column = found;
      return;
    }
  }
}

const Pruner::EvidenceByLeaf& Pruner::evidence(std::int32_t spec_id) {
  const auto [at, is_new] = by_spec_.try_emplace(spec_id);
  EvidenceByLeaf& out = at->second;
  if (!is_new) {
    return out;
  }
  out.resize(leaves_.size());
  const PartitionSpec* spec = metadata_ == nullptr ? nullptr : metadata_->spec_by_id(spec_id);
  const auto types = spec == nullptr ? Result<std::vector<TypePtr>>(std::vector<TypePtr>())
                                     : partition_types(*metadata_, *spec);
  for (std::size_t i = 0; types && i < types->size(); ++i) {
    for (std::size_t leaf = 0; leaf < leaves_.size(); ++leaf) {
      if (auto found = evidence_of(leaves_[leaf], spec->fields[i], (*types)[i])) {
        found->index = i;
        out[leaf].push_back(*std::move(found));
      }
    }
  }
  return out;
}

std::optional<Pruner::Evidence> Pruner::evidence_of(const Leaf& leaf, const PartitionField& field,
                                                    const TypePtr& type) {
  const Predicate& predicate = *leaf.predicate;
  if (leaf.column == nullptr || predicate.field_id != field.source_id ||
      field.source_ids.size() > 1 || field.transform.kind == Transform::Kind::Void ||
      field.transform.kind == Transform::Kind::Unknown) {
    return std::nullopt;
  }
  Evidence out;
  out.type = type;
  const bool is_identity = field.transform.kind == Transform::Kind::Identity;
  if (is_identity || predicate.transform == field.transform) {
    out.transform = is_identity ? predicate.transform : Transform::identity();
    // A truncated number that wrapped around is the same for the predicate.
    out.made_by = is_time(field.transform) ? field.transform : Transform::identity();
    out.never = Test{predicate.op, predicate.values};
    out.always = out.never;
  } else if (predicate.transform.kind == Transform::Kind::Identity) {
    project(leaf, field, out);
  }
  const auto usable = [&](const std::optional<Test>& test) {
    return test && std::ranges::all_of(test->values, [&](const Literal& value) {
             return is_identity || fits(*type, value);
           });
  };
  if (!usable(out.never)) {
    out.never.reset();
  }
  if (!usable(out.always)) {
    out.always.reset();
  }
  return out.never || out.always ? std::optional(std::move(out)) : std::nullopt;
}

/// Says a predicate of the column as predicates of its transform.
void Pruner::project(const Leaf& leaf, const PartitionField& field, Evidence& out) {
  const Transform& transform = field.transform;
  const bool negative = is_negative(leaf.predicate->op);
  const CompareOp op = negative ? negated(leaf.predicate->op) : leaf.predicate->op;
  out.made_by = transform;
  std::vector<Literal> parts;
  for (const Literal& value : leaf.predicate->values) {
    const auto part = transformed(transform, value);
    if (!part || compare(*part, value) > 0) {
      return;  // Wrapped around.
    }
    parts.push_back(*part);
  }
  if (op == CompareOp::IsNull) {
    out.never = out.always = Test{op, {}};
  } else if (op == CompareOp::Eq || op == CompareOp::In) {
    std::ranges::sort(parts, [](const Literal& x, const Literal& y) { return compare(x, y) < 0; });
    out.never = Test{op, std::move(parts)};
  } else if (op == CompareOp::StartsWith && transform.kind == Transform::Kind::Truncate) {
    const bool whole = parts.front() == leaf.predicate->values.front();
    out.never = Test{whole ? CompareOp::StartsWith : CompareOp::Eq, parts};
    out.always = whole ? out.never : std::nullopt;
  } else if ((op == CompareOp::Lt || op == CompareOp::Gt) && keeps_order(transform)) {
    // x < v is x <= v - 1, so its transform is at most that of v - 1.
    const bool less = op == CompareOp::Lt;
    const auto nearest =
        transformed(transform, moved(leaf.predicate->values.front(), less ? -1 : 1));
    if (nearest) {
      out.never = Test{less ? CompareOp::LtEq : CompareOp::GtEq, {*nearest}};
    }
    out.always = Test{op, parts};
  }
  if (negative) {
    std::swap(out.never, out.always);
    for (std::optional<Test>* test : {&out.never, &out.always}) {
      if (*test) {
        (*test)->op = negated((*test)->op);
      }
    }
  }
}

Verdict Pruner::judge(const Evidence& evidence, ValueRange range) {
  if (may_wrap(evidence.made_by, range.upper)) {
    range.lower.reset();
  }
  // Old writers rounded times before 1970 up instead of down: the part before it may be meant.
  if (is_time(evidence.made_by) && range.lower &&
      std::holds_alternative<std::int32_t>(range.lower->value) && range.lower->as_int32() <= 0) {
    range.lower = moved(*range.lower, -1);
  }
  const auto seen = transformed(evidence.transform, std::move(range));
  if (!seen) {
    return Verdict::Sometimes;
  }
  if (evidence.never &&
      verdict(evidence.never->op, evidence.never->values, *seen) == Verdict::Never) {
    return Verdict::Never;
  }
  return evidence.always &&
                 verdict(evidence.always->op, evidence.always->values, *seen) == Verdict::Always
             ? Verdict::Always
             : Verdict::Sometimes;
}

Verdict Pruner::of_metrics(const Leaf& leaf, const DataFile& file) {
  if (leaf.column == nullptr) {
    return Verdict::Sometimes;
  }
  const NestedField& column = *leaf.column;
  const bool floating = is_floating(column.type->kind);
  const std::int64_t* values = file.value_counts.find(column.id);
  const std::int64_t* nulls = file.null_value_counts.find(column.id);
  const std::int64_t* nans = file.nan_value_counts.find(column.id);
  ValueRange range;
  range.may_be_null = nulls == nullptr || *nulls > 0;
  range.may_be_nan = floating && (nans == nullptr || *nans > 0);
  range.may_be_value = values == nullptr || nulls == nullptr ||
                       *nulls + (floating && nans != nullptr ? *nans : 0) < *values;
  range.lower = bound(file.lower_bounds.find(column.id), *column.type);
  range.upper = bound(file.upper_bounds.find(column.id), *column.type);
  const auto seen = transformed(leaf.predicate->transform, std::move(range));
  return seen ? verdict(leaf.predicate->op, leaf.predicate->values, *seen) : Verdict::Sometimes;
}

Verdict Pruner::of_leaf(std::size_t leaf, const DataFile& file,
                        const EvidenceByLeaf& evidence) const {
  for (const Evidence& each : evidence[leaf]) {
    if (each.index >= file.partition.size()) {
      continue;
    }
    const std::optional<Literal>& value = file.partition[each.index];
    const bool nan = value && is_nan(*value);
    ValueRange range{.may_be_null = !value,
                     .may_be_nan = nan,
                     .may_be_value = value && !nan,
                     .lower = value,
                     .upper = value};
    const Verdict found = judge(each, std::move(range));
    if (found != Verdict::Sometimes) {
      return found;
    }
  }
  return of_metrics(leaves_[leaf], file);
}

template <class OfLeaf>
Verdict Pruner::evaluate(const Node& node, const OfLeaf& of_leaf) {
  switch (node.kind) {
    case Expression::Kind::True: return Verdict::Always;
    case Expression::Kind::False: return Verdict::Never;
    case Expression::Kind::Is: return of_leaf(node.leaf);
    case Expression::Kind::And:
    case Expression::Kind::Or: break;
  }
  const bool is_and = node.kind == Expression::Kind::And;
  const Verdict deciding = is_and ? Verdict::Never : Verdict::Always;
  Verdict out = is_and ? Verdict::Always : Verdict::Never;
  for (const Node& part : node.parts) {
    const Verdict verdict = evaluate(part, of_leaf);
    if (verdict == deciding) {
      return verdict;
    }
    if (verdict == Verdict::Sometimes) {
      out = verdict;
    }
  }
  return out;
}

template <class OfLeaf>
Expression Pruner::reduced(const Node& node, const std::vector<Leaf>& leaves, const OfLeaf& of_leaf,
                           bool& changed) {
  if (node.kind == Expression::Kind::Is) {
    const Verdict verdict = of_leaf(node.leaf);
    if (verdict == Verdict::Sometimes) {
      return Expression::is(*leaves[node.leaf].predicate);
    }
    changed = true;
    return Expression::always(verdict == Verdict::Always);
  }
  std::vector<Expression> parts;
  for (const Node& part : node.parts) {
    parts.push_back(reduced(part, leaves, of_leaf, changed));
  }
  switch (node.kind) {
    case Expression::Kind::And: return Expression::all_of(std::move(parts));
    case Expression::Kind::Or: return Expression::any_of(std::move(parts));
    case Expression::Kind::False: return Expression::always(false);
    case Expression::Kind::True:
    case Expression::Kind::Is: break;
  }
  return {};
}

bool Pruner::may_match(const ManifestFile& manifest) {
  const EvidenceByLeaf& by_leaf = evidence(manifest.partition_spec_id);
  return evaluate(root_, [&](std::size_t leaf) {
           for (const Evidence& each : by_leaf[leaf]) {
             if (each.index >= manifest.partitions.size()) {
               continue;
             }
             const FieldSummary& summary = manifest.partitions[each.index];
             const auto bytes = [](const std::optional<std::string>& text) {
               return text ? &*text : nullptr;
             };
             ValueRange range;
             range.may_be_null = summary.contains_null;
             range.may_be_nan = is_floating(each.type->kind) && summary.contains_nan.value_or(true);
             range.lower = bound(bytes(summary.lower_bound), *each.type);
             range.upper = bound(bytes(summary.upper_bound), *each.type);
             const Verdict found = judge(each, std::move(range));
             if (found != Verdict::Sometimes) {
               return found;
             }
           }
           return Verdict::Sometimes;
         }) != Verdict::Never;
}

bool Pruner::may_match(const DataFile& file) {
  if (root_.kind == Expression::Kind::True) {
    return true;
  }
  const EvidenceByLeaf& by_leaf = evidence(file.spec_id);
  return evaluate(root_, [&](std::size_t leaf) { return of_leaf(leaf, file, by_leaf); }) !=
         Verdict::Never;
}

std::optional<Expression> Pruner::residual(const DataFile& file) {
  if (leaves_.empty()) {
    return std::nullopt;
  }
  const EvidenceByLeaf& by_leaf = evidence(file.spec_id);
  bool changed = false;
  Expression out = reduced(
      root_, leaves_, [&](std::size_t leaf) { return of_leaf(leaf, file, by_leaf); }, changed);
  return changed ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace lakehouse::iceberg::detail
