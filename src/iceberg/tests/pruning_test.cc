#include "iceberg/detail/pruning.h"

#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/json.h"
#include "base/testing/matchers.h"
#include "iceberg/scan.h"

// The law of pruning, against brute force: a file with a row that matches is never left out, and
// of its rows the residual says what the filter says.

namespace lakehouse::iceberg {
namespace {

using Row = std::map<std::int32_t, std::optional<Literal>>;

enum class Truth : std::uint8_t { False, Unknown, True };

/// The readings of a filter that engines have: SQL's with NaN above all, with NaN as IEEE has it,
/// and the reference implementation's, where null is unequal to everything.
enum class Reading : std::uint8_t { Sql, Ieee, Iceberg };

Truth truth(bool value) {
  return value ? Truth::True : Truth::False;
}

std::optional<double> number(const Literal& value) {
  return value.kind == TypeKind::Double ? std::optional(value.as_double()) : std::nullopt;
}

int order(const Literal& a, const Literal& b) {
  const auto x = number(a);
  const auto y = number(b);
  if (x && y && !std::isnan(*x) && !std::isnan(*y)) {
    return *x < *y ? -1 : *x > *y ? 1 : 0;
  }
  const auto result = compare(a, b);
  return result < 0 ? -1 : result > 0 ? 1 : 0;
}

bool is_nan(const Literal& value) {
  return std::isnan(number(value).value_or(0));
}

Truth evaluate(const Predicate& predicate, const Row& row, Reading reading) {
  const auto value = apply_transform(predicate.transform, row.at(predicate.field_id)).value();
  const CompareOp op = predicate.op;
  if (op == CompareOp::IsNull || op == CompareOp::NotNull) {
    return truth(value.has_value() == (op == CompareOp::NotNull));
  }
  const bool is_negative = op == CompareOp::NotEq || op == CompareOp::NotIn ||
                           op == CompareOp::NotStartsWith || op == CompareOp::NotNan;
  if (!value) {
    return is_negative && reading == Reading::Iceberg ? Truth::True : Truth::Unknown;
  }
  if (op == CompareOp::IsNan || op == CompareOp::NotNan) {
    return truth(is_nan(*value) == (op == CompareOp::IsNan));
  }
  bool result = false;
  for (const Literal& wanted : predicate.values) {
    const int sign = order(*value, wanted);
    const bool unordered = reading == Reading::Ieee && is_nan(*value);
    result = result || (op == CompareOp::Lt     ? sign < 0 && !unordered
                        : op == CompareOp::LtEq ? sign <= 0 && !unordered
                        : op == CompareOp::Gt   ? sign > 0 && !unordered
                        : op == CompareOp::GtEq ? sign >= 0 && !unordered
                        : op == CompareOp::StartsWith || op == CompareOp::NotStartsWith
                            ? value->as_string().starts_with(wanted.as_string())
                            : sign == 0 && !unordered);
  }
  return truth(result != is_negative);
}

Truth evaluate(const Expression& expression, const Row& row, Reading reading) {
  switch (expression.kind()) {
    case Expression::Kind::True: return Truth::True;
    case Expression::Kind::False: return Truth::False;
    case Expression::Kind::Is: return evaluate(expression.predicate(), row, reading);
    case Expression::Kind::And:
    case Expression::Kind::Or: break;
  }
  const bool is_and = expression.kind() == Expression::Kind::And;
  Truth out = truth(is_and);
  for (const Expression& part : expression.parts()) {
    const Truth each = evaluate(part, row, reading);
    out = is_and ? std::min(out, each) : std::max(out, each);
  }
  return out;
}

/// Random tables, files and filters over small domains, so that things meet.
class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed) {
    metadata_.schemas = {schema()};
    metadata_.current_schema_id = 0;
    metadata_.location = "file:///t";
    PartitionSpec spec;
    const std::size_t fields = pick(4);
    for (std::size_t i = 0; i < fields; ++i) {
      PartitionField field;
      const NestedField& source = any_column();
      field.source_id = source.id;
      field.field_id = 1000 + static_cast<std::int32_t>(i);
      field.name = "p" + std::to_string(i);
      field.transform = any_transform(*source.type);
      spec.fields.push_back(field);
    }
    metadata_.partition_specs = {spec};
    metadata_.default_spec_id = 0;
    rounds_up_ = one_in(4);
  }

  static Schema schema() {
    Schema out;
    const std::array<TypePtr, 6> types = {
        primitive(TypeKind::Int),       primitive(TypeKind::String), primitive(TypeKind::Double),
        primitive(TypeKind::Timestamp), primitive(TypeKind::Date),   decimal(9, 2)};
    for (std::size_t i = 0; i < types.size(); ++i) {
      NestedField field;
      field.id = static_cast<std::int32_t>(i) + 1;
      field.name = "c" + std::to_string(i);
      field.type = types[i];
      out.fields.push_back(field);
    }
    return out;
  }

  /// Rows of one partition, its file, and a manifest of just that file.
  void make_file() {
    rows_.clear();
    partition_.clear();
    const std::size_t wanted = 1 + pick(4);
    for (int tries = 0; rows_.size() < wanted && tries < 40; ++tries) {
      Row row;
      for (const NestedField& column : current().fields) {
        row[column.id] = one_in(5) ? std::nullopt : std::optional(any_value(*column.type));
      }
      const PartitionValues values = partition_of(row);
      if (rows_.empty()) {
        partition_ = values;
      }
      if (same_partition(values, partition_)) {
        rows_.push_back(row);
      }
    }
    file_ = DataFile();
    file_.file_path = "file:///t/data/f";
    file_.partition = partition_;
    file_.record_count = static_cast<std::int64_t>(rows_.size());
    for (const NestedField& column : current().fields) {
      add_metrics(column);
    }
    manifest_ = ManifestFile();
    for (const std::optional<Literal>& value : partition_) {
      FieldSummary summary;
      summary.contains_null = !value;
      if (one_in(2)) {
        summary.contains_nan = value && is_nan(*value);
      }
      if (value && !is_nan(*value)) {
        summary.lower_bound = literal_to_bytes(*value);
        summary.upper_bound = summary.lower_bound;
      }
      manifest_.partitions.push_back(summary);
    }
  }

  Expression any_filter(int depth) {
    if (depth == 0 || one_in(3)) {
      return Expression::is(any_predicate());
    }
    std::vector<Expression> parts;
    for (std::size_t i = 0; i < 1 + pick(3); ++i) {
      parts.push_back(any_filter(depth - 1));
    }
    Expression out = one_in(2) ? Expression::all_of(parts) : Expression::any_of(parts);
    return one_in(3) ? out.negated() : out;
  }

  [[nodiscard]] const Schema& current() const { return metadata_.schemas.front(); }
  [[nodiscard]] const TableMetadata& metadata() const { return metadata_; }
  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }
  [[nodiscard]] const DataFile& file() const { return file_; }
  [[nodiscard]] const ManifestFile& manifest() const { return manifest_; }

 private:
  std::size_t pick(std::size_t count) { return random_() % count; }
  bool one_in(std::size_t count) { return pick(count) == 0; }
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(pick(static_cast<std::size_t>(high - low + 1)));
  }
  const NestedField& any_column() { return current().fields[pick(current().fields.size())]; }

  Transform any_transform(const Type& type) {
    const std::array<Transform, 9> all = {
        Transform::identity(),   Transform::bucket(3), Transform::truncate(2),
        Transform::truncate(10), Transform::year(),    Transform::month(),
        Transform::day(),        Transform::hour(),    Transform::always_null()};
    for (;;) {
      const Transform& transform = all[pick(all.size())];
      if (result_type(transform, type)) {
        return transform;
      }
    }
  }

  Literal any_value(const Type& type) {
    constexpr std::int64_t kHour = 3'600'000'000;
    constexpr std::array<double, 7> kDoubles = {-1.5,
                                                -0.0,
                                                0.0,
                                                1,
                                                2.5,
                                                std::numeric_limits<double>::infinity(),
                                                std::numeric_limits<double>::quiet_NaN()};
    if (type.kind == TypeKind::Int) {
      constexpr std::array<std::int32_t, 4> kEnds = {INT32_MIN, INT32_MIN + 3, INT32_MAX - 3,
                                                     INT32_MAX};
      return Literal::of_int(one_in(8) ? kEnds[pick(4)]
                                       : static_cast<std::int32_t>(between(-20, 20)));
    }
    if (type.kind == TypeKind::String) {
      std::string text;
      for (std::size_t i = pick(6); i > 0; --i) {
        text += one_in(6) ? "\xC3\xA4" : one_in(2) ? "a" : "b";
      }
      return Literal::of_string(text);
    }
    if (type.kind == TypeKind::Double) {
      return Literal::of_double(kDoubles[pick(kDoubles.size())]);
    }
    if (type.kind == TypeKind::Timestamp) {
      return Literal::of_timestamp(between(-60, 60) * kHour + (one_in(3) ? 0 : between(-2, 2)));
    }
    if (type.kind == TypeKind::Date) {
      return Literal::of_date(static_cast<std::int32_t>(between(-400, 400)));
    }
    return Literal::of_decimal(between(-300, 300), 9, 2);
  }

  Predicate any_predicate() {
    const NestedField& column = any_column();
    Predicate out;
    out.field_id = column.id;
    TypePtr type = column.type;
    if (one_in(5)) {
      do {
        out.transform = any_transform(*column.type);
      } while (out.transform.kind == Transform::Kind::Void);
      type = result_type(out.transform, *column.type).value();
    }
    for (;;) {
      out.op = static_cast<CompareOp>(pick(14));
      const bool prefix = out.op == CompareOp::StartsWith || out.op == CompareOp::NotStartsWith;
      const bool nan = out.op == CompareOp::IsNan || out.op == CompareOp::NotNan;
      if ((!prefix || type->kind == TypeKind::String) && (!nan || type->kind == TypeKind::Double)) {
        break;
      }
    }
    std::size_t count = 1;
    if (out.op == CompareOp::In || out.op == CompareOp::NotIn) {
      count = 1 + pick(3);
    } else if (out.op >= CompareOp::IsNull) {
      count = 0;
    }
    for (std::size_t i = 0; i < count;) {
      auto value = apply_transform(out.transform, any_value(*column.type)).value();
      if (!is_nan(*value)) {
        out.values.push_back(*value);
        ++i;
      }
    }
    return out;
  }

  PartitionValues partition_of(const Row& row) {
    PartitionValues out;
    for (const PartitionField& field : metadata_.partition_specs.front().fields) {
      auto value = apply_transform(field.transform, row.at(field.source_id)).value();
      if (value && rounds_up_) {
        round_up(field, row, *value);
      }
      out.push_back(std::move(value));
    }
    return out;
  }

  /// As old writers did it before 1970, unless the time is just where a part begins.
  static void round_up(const PartitionField& field, const Row& row, Literal& part) {
    const Literal& source = *row.at(field.source_id);
    const bool is_time = field.transform.kind >= Transform::Kind::Year &&
                         field.transform.kind <= Transform::Kind::Hour;
    if (!is_time || part.as_int32() >= 0) {
      return;
    }
    Literal before = source;
    if (source.kind == TypeKind::Timestamp) {
      before.value = source.as_int64() - 1;
    } else {
      before.value = source.as_int32() - 1;
    }
    if (*apply_transform(field.transform, before).value() == part) {
      part.value = part.as_int32() + 1;
    }
  }

  void add_metrics(const NestedField& column) {
    if (one_in(5)) {
      return;
    }
    std::int64_t nulls = 0;
    std::int64_t nans = 0;
    std::optional<Literal> lower;
    std::optional<Literal> upper;
    for (const Row& row : rows_) {
      const std::optional<Literal>& value = row.at(column.id);
      nulls += value ? 0 : 1;
      nans += value && is_nan(*value) ? 1 : 0;
      if (value && !is_nan(*value)) {
        lower = !lower || compare(*value, *lower) < 0 ? value : lower;
        upper = !upper || compare(*value, *upper) > 0 ? value : upper;
      }
    }
    file_.value_counts.set(column.id, static_cast<std::int64_t>(rows_.size()));
    if (!one_in(6)) {
      file_.null_value_counts.set(column.id, nulls);
    }
    if (column.type->kind == TypeKind::Double && !one_in(3)) {
      file_.nan_value_counts.set(column.id, nans);
    }
    if (lower && !one_in(6)) {
      file_.lower_bounds.set(column.id, literal_to_bytes(truncate_lower_bound(*lower, 2)));
    }
    if (upper && !one_in(6)) {
      if (const auto bound = truncate_upper_bound(*upper, 2)) {
        file_.upper_bounds.set(column.id, literal_to_bytes(*bound));
      }
    }
  }

  std::mt19937_64 random_;
  TableMetadata metadata_;
  bool rounds_up_ = false;
  std::vector<Row> rows_;
  PartitionValues partition_;
  DataFile file_;
  ManifestFile manifest_;
};

TEST(PruningLaw, NoMatchingRowIsLostAndResidualsSayTheSame) {
  std::size_t files = 0;
  std::size_t pruned = 0;
  std::size_t reduced = 0;
  EXPECT_TRUE(rc::check("pruning against brute force", [&](std::uint64_t seed) {
    World world(seed);
    for (int i = 0; i < 20; ++i) {
      world.make_file();
      const Expression filter = world.any_filter(2);
      detail::Pruner pruner(world.metadata(), world.current(), filter);
      const bool kept = pruner.may_match(world.file());
      const bool kept_manifest = pruner.may_match(world.manifest());
      const auto residual = pruner.residual(world.file());
      const std::string text = to_json(expression_to_json(filter, world.current()));
      for (const Row& row : world.rows()) {
        for (const Reading reading : {Reading::Sql, Reading::Ieee, Reading::Iceberg}) {
          const bool matches = evaluate(filter, row, reading) == Truth::True;
          if (matches && (!kept || !kept_manifest)) {
            RC_FAIL("a row is lost by " + text);
          }
          if (residual && reading != Reading::Iceberg &&
              (evaluate(*residual, row, reading) == Truth::True) != matches) {
            RC_FAIL("the residual of " + text + " is " +
                    to_json(expression_to_json(*residual, world.current())));
          }
        }
      }
      ++files;
      pruned += kept ? 0U : 1U;
      reduced += residual ? 1U : 0U;
    }
  }));
  // A law that never prunes is kept easily.
  EXPECT_GT(pruned * 8, files);
  EXPECT_GT(reduced * 4, files);
  RecordProperty("files", std::to_string(files));
  RecordProperty("pruned", std::to_string(pruned));
  RecordProperty("reduced", std::to_string(reduced));
}

TEST(PruningLaw, FiltersSurviveTheProtocol) {
  EXPECT_TRUE(rc::check("filters through JSON", [](std::uint64_t seed) {
    World world(seed);
    const Expression filter = world.any_filter(3);
    const auto json = expression_to_json(filter, world.current());
    const auto read = expression_from_json(json, world.current());
    RC_ASSERT(read.has_value());
    RC_ASSERT(
        expression_from_json(expression_to_json(*read, world.current()), world.current()).value() ==
        *read);
    world.make_file();
    for (const Row& row : world.rows()) {
      RC_ASSERT(evaluate(*read, row, Reading::Sql) == evaluate(filter, row, Reading::Sql));
    }
  }));
}

TEST(Residual, AFileInsideItsPartitionIsAskedNoMore) {
  TableMetadata metadata;
  Schema schema;
  NestedField at;
  at.id = 1;
  at.name = "at";
  at.type = primitive(TypeKind::Timestamp);
  schema.fields = {at};
  metadata.schemas = {schema};
  metadata.current_schema_id = 0;
  PartitionSpec spec;
  spec.fields.resize(1);
  spec.fields[0] = {.source_id = 1,
                    .source_ids = {},
                    .field_id = 1000,
                    .name = "day",
                    .transform = Transform::day(),
                    .unknown = {}};
  metadata.partition_specs = {spec};
  constexpr std::int64_t kDay = 86'400'000'000;
  const Filter filter = {
      {.field_id = 1, .op = CompareOp::GtEq, .values = {Literal::of_timestamp(10 * kDay)}},
      {.field_id = 1, .op = CompareOp::Lt, .values = {Literal::of_timestamp(12 * kDay)}}};
  detail::Pruner pruner(metadata, schema, filter);
  const auto of_day = [](std::int32_t day) {
    DataFile file;
    file.partition = {Literal::of_date(day)};
    return file;
  };
  EXPECT_FALSE(pruner.may_match(of_day(9)));
  EXPECT_TRUE(pruner.may_match(of_day(10)));
  EXPECT_TRUE(pruner.may_match(of_day(11)));
  EXPECT_FALSE(pruner.may_match(of_day(12)));
  EXPECT_EQ(pruner.residual(of_day(10)), Expression());
  EXPECT_EQ(pruner.residual(of_day(11)), Expression());
  EXPECT_EQ(pruner.residual(of_day(12)), Expression::always(false));
}

}  // namespace
}  // namespace lakehouse::iceberg
