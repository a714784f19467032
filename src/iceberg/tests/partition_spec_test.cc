#include "iceberg/partition_spec.h"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/testing/matchers.h"
#include "iceberg/sort_order.h"
#include "iceberg/tests/generators.h"

namespace lakehouse::iceberg {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using lakehouse::testing::IsOkAnd;
using ::testing::HasSubstr;

Literal of(const TypePtr& type, std::string_view text) {
  return literal_from_text(*type, text).value();
}

TEST(Transform, HashesAreThoseOfTheSpec) {
  using std::string_literals::operator""s;
  const std::pair<Literal, std::int32_t> examples[] = {
      {Literal::of_int(34), 2017239379},
      {Literal::of_long(34), 2017239379},
      {of(decimal(9, 2), "14.20"), -500754589},
      {of(primitive(TypeKind::Date), "2017-11-16"), -653330422},
      {of(primitive(TypeKind::Time), "22:31:08"), -662762989},
      {of(primitive(TypeKind::Timestamp), "2017-11-16 22:31:08"), -2047944441},
      {of(primitive(TypeKind::Timestamp), "2017-11-16 22:31:08.000001"), -1207196810},
      {of(primitive(TypeKind::Timestamptz), "2017-11-16 14:31:08-08:00"), -2047944441},
      {of(primitive(TypeKind::TimestampNs), "2017-11-16 22:31:08.000001001"), -1207196810},
      {Literal::of_string("iceberg"), 1210000089},
      {of(primitive(TypeKind::Uuid), "f79c3e09-677c-4bbd-a479-3f349cb785e7"), 1488055340},
      {Literal::of_binary("\0\1\2\3"s), -188683207},
      {Literal::of_bool(true), 1392991556},
      {Literal::of_float(1), -142385009},
      {Literal::of_double(1), -142385009},
      {Literal::of_double(-0.0), 1669671676},
  };
  for (const auto& [literal, hash] : examples) {
    SCOPED_TRACE(literal_to_sql(literal));
    EXPECT_THAT(bucket_hash(literal), IsOkAnd(hash));
  }
}

TEST(Transform, NamesAreReadAndWritten) {
  for (const std::string_view name :
       {"identity", "bucket[16]", "truncate[4]", "year", "month", "day", "hour", "void"}) {
    const auto transform = transform_from_string(name);
    ASSERT_THAT(transform, IsOk());
    EXPECT_NE(transform->kind, Transform::Kind::Unknown);
    EXPECT_EQ(to_string(*transform), name);
  }
  EXPECT_THAT(transform_from_string("bucket[0]"), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(transform_from_string("truncate[]"), FailsWith(ErrorCode::InvalidArgument));
  const auto later = transform_from_string("zorder[3]");
  ASSERT_THAT(later, IsOk());
  EXPECT_EQ(later->kind, Transform::Kind::Unknown);
  EXPECT_EQ(to_string(*later), "zorder[3]");
  EXPECT_THAT(apply_transform(*later, Literal::of_int(1)), FailsWith(ErrorCode::Unimplemented));
}

TEST(Transform, ValuesAndTheirHumanForms) {
  const TypePtr timestamp = primitive(TypeKind::Timestamp);
  const TypePtr date = primitive(TypeKind::Date);
  const struct {
    Transform transform;
    Literal value;
    Literal result;
    std::string_view human;
  } cases[] = {
      {Transform::truncate(10), Literal::of_int(1), Literal::of_int(0), "0"},
      {Transform::truncate(10), Literal::of_int(-1), Literal::of_int(-10), "-10"},
      {Transform::truncate(10), Literal::of_long(-15), Literal::of_long(-20), "-20"},
      {Transform::truncate(50), of(decimal(9, 2), "10.65"), of(decimal(9, 2), "10.50"), "10.50"},
      {Transform::truncate(3), Literal::of_string("iceberg"), Literal::of_string("ice"), "ice"},
      {Transform::truncate(2), Literal::of_string("äöü"), Literal::of_string("äö"), "äö"},
      {Transform::year(), of(date, "1969-06-01"), Literal::of_int(-1), "1969"},
      {Transform::month(), of(date, "2017-12-01"), Literal::of_int(575), "2017-12"},
      {Transform::month(), of(date, "1969-12-31"), Literal::of_int(-1), "1969-12"},
      {Transform::day(), of(timestamp, "2017-12-01 10:12:55"), of(date, "2017-12-01"),
       "2017-12-01"},
      {Transform::day(), of(timestamp, "1969-12-31 23:59:59"), Literal::of_date(-1), "1969-12-31"},
      {Transform::hour(), of(timestamp, "2017-12-01 10:12:55"), Literal::of_int(420034),
       "2017-12-01-10"},
      {Transform::hour(), of(timestamp, "1969-12-31 23:59:59"), Literal::of_int(-1),
       "1969-12-31-23"},
      {Transform::identity(), of(timestamp, "2017-12-01 10:12:55.5"),
       of(timestamp, "2017-12-01 10:12:55.5"), "2017-12-01T10:12:55.5"},
      {Transform::identity(), Literal::of_binary("\1\2\3"), Literal::of_binary("\1\2\3"), "AQID"},
      {Transform::bucket(16), Literal::of_int(34), Literal::of_int(3), "3"},
  };
  for (const auto& it : cases) {
    SCOPED_TRACE(to_string(it.transform) + " " + literal_to_sql(it.value));
    const auto result = apply_transform(it.transform, it.value);
    ASSERT_THAT(result, IsOk());
    ASSERT_TRUE(result->has_value());
    EXPECT_EQ(**result, it.result) << literal_to_sql(**result);
    EXPECT_EQ(to_human_string(it.transform, *result), it.human);
  }
  EXPECT_THAT(apply_transform(Transform::day(), std::optional<Literal>()),
              IsOkAnd(std::optional<Literal>()));
  EXPECT_THAT(apply_transform(Transform::always_null(), Literal::of_int(1)),
              IsOkAnd(std::optional<Literal>()));
  EXPECT_EQ(to_human_string(Transform::day(), std::nullopt), "null");
}

TEST(Transform, IsRefusedForTypesThatItDoesNotTake) {
  EXPECT_THAT(result_type(Transform::hour(), *primitive(TypeKind::Date)),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(result_type(Transform::day(), *primitive(TypeKind::String)),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(result_type(Transform::bucket(4), *primitive(TypeKind::Double)),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(result_type(Transform::truncate(4), *primitive(TypeKind::Date)),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(apply_transform(Transform::truncate(4), Literal::of_double(1)),
              FailsWith(ErrorCode::InvalidArgument));
}

TEST(Transform, LawResultsAreOfTheResultType) {
  EXPECT_TRUE(rc::check([] {
    const auto type = *testing::primitive_type();
    const auto literal = *testing::literal_of(type);
    const auto transform = *rc::gen::element(
        Transform::identity(), Transform::bucket(7), Transform::truncate(3), Transform::year(),
        Transform::month(), Transform::day(), Transform::hour());
    const auto result_of = result_type(transform, *type);
    const auto result = apply_transform(transform, literal);
    RC_ASSERT(result_of.has_value() == result.has_value());
    if (result) {
      RC_ASSERT((*result)->kind == (*result_of)->kind);
      RC_ASSERT(!to_human_string(transform, *result).empty() || type->kind == TypeKind::String ||
                type->kind == TypeKind::Binary);
    }
    if (result && transform.kind == Transform::Kind::Bucket) {
      RC_ASSERT((*result)->as_int32() >= 0);
      RC_ASSERT((*result)->as_int32() < 7);
    }
    const bool is_number = type->kind == TypeKind::Int || type->kind == TypeKind::Long ||
                           type->kind == TypeKind::Decimal;
    const bool wraps =
        type->kind == TypeKind::Int
            ? literal.as_int32() < -2'147'483'640
            : type->kind == TypeKind::Long && literal.as_int64() < -9'000'000'000'000'000'000;
    if (result && is_number && !wraps && transform.kind == Transform::Kind::Truncate) {
      RC_ASSERT((compare(**result, literal) <= 0));
    }
  }));
}

NestedField field(std::int32_t id, std::string name, TypePtr type) {
  NestedField made;
  made.id = id;
  made.name = std::move(name);
  made.type = std::move(type);
  return made;
}

Schema sample_schema() {
  Schema schema;
  schema.fields = {field(1, "id", primitive(TypeKind::Long)),
                   field(2, "at", primitive(TypeKind::Timestamp)),
                   field(3, "s", struct_of({field(4, "x", primitive(TypeKind::String))})),
                   field(5, "l", list_of(6, primitive(TypeKind::Int), true))};
  return schema;
}

PartitionField part(std::int32_t source, std::int32_t id, std::string name, Transform transform) {
  PartitionField made;
  made.source_id = source;
  made.field_id = id;
  made.name = std::move(name);
  made.transform = std::move(transform);
  return made;
}

TEST(PartitionSpec, JsonRoundTripKeepsWhatIsNotKnown) {
  const auto json = boost::json::parse(R"({"spec-id": 4, "later": true, "fields": [
      {"source-id": 2, "field-id": 1000, "name": "at_day", "transform": "day", "x": 1},
      {"source-ids": [1, 2], "field-id": 1001, "name": "z", "transform": "zorder"}]})");
  const auto spec = spec_from_json(json);
  ASSERT_THAT(spec, IsOk());
  EXPECT_EQ(boost::json::value(spec_to_json(*spec)), json);
  EXPECT_EQ(spec->highest_field_id(), 1001);
  EXPECT_FALSE(spec->is_unpartitioned());
  EXPECT_THAT(
      spec_from_json(boost::json::parse(R"({"fields": [{"name": "a", "transform": "day"}]})")),
      FailsWith(ErrorCode::InvalidArgument));
}

TEST(PartitionSpec, ValidationNamesWhatIsWrong) {
  const Schema schema = sample_schema();
  const auto validate = [&](std::vector<PartitionField> fields) {
    PartitionSpec spec;
    spec.fields = std::move(fields);
    return validate_spec(spec, schema);
  };
  EXPECT_THAT(validate({part(1, 1000, "id", Transform::identity()),
                        part(4, 1001, "x_2", Transform::truncate(2)),
                        part(99, 1002, "gone", Transform::always_null())}),
              IsOk());
  const std::pair<Status, const char*> cases[] = {
      {validate({part(99, 1000, "a", Transform::identity())}), "not in the schema"},
      {validate({part(3, 1000, "a", Transform::identity())}), "no primitive column"},
      {validate({part(6, 1000, "a", Transform::identity())}), "part of a list"},
      {validate({part(1, 1000, "a", Transform::day())}), "cannot be applied"},
      {validate({part(1, 1000, "at", Transform::identity())}), "not its source"},
      {validate({part(1, 1000, "", Transform::identity())}), "must have a name"},
      {validate({part(1, 1000, "a", Transform::identity()), part(2, 1001, "a", Transform::day())}),
       "the name 'a'"},
      {validate({part(1, 1000, "a", Transform::identity()), part(2, 1000, "b", Transform::day())}),
       "the id 1000"},
  };
  for (const auto& [status, message] : cases) {
    SCOPED_TRACE(message);
    ASSERT_THAT(status, FailsWith(ErrorCode::InvalidArgument));
    EXPECT_THAT(status.error().message, HasSubstr(message));
  }
}

TEST(PartitionSpec, TypesAndPaths) {
  PartitionSpec spec;
  spec.fields = {part(2, 1000, "at day", Transform::day()),
                 part(4, 1001, "x", Transform::identity()),
                 part(99, 1002, "gone", Transform::always_null())};
  const auto type = partition_type(spec, sample_schema());
  ASSERT_THAT(type, IsOk());
  EXPECT_EQ(to_string(**type), "struct<at day: date, x: string, gone: unknown>");
  EXPECT_EQ((*type)->fields[1].id, 1001);
  const std::optional<Literal> values[] = {Literal::of_date(19753), Literal::of_string("a/b c"),
                                           std::nullopt};
  EXPECT_EQ(partition_path(spec, values), "at%20day=2024-01-31/x=a%2Fb%20c/gone=null");
  EXPECT_EQ(partition_path(PartitionSpec{}, {}), "");
}

TEST(SortOrder, JsonRoundTripAndValidation) {
  const auto json = boost::json::parse(R"({"order-id": 3, "later": 1, "fields": [
      {"transform": "identity", "source-id": 2, "direction": "asc", "null-order": "nulls-first", "y": 2},
      {"transform": "bucket[4]", "source-id": 1, "direction": "desc", "null-order": "nulls-last"}]})");
  const auto order = sort_order_from_json(json);
  ASSERT_THAT(order, IsOk());
  EXPECT_EQ(boost::json::value(sort_order_to_json(*order)), json);
  EXPECT_THAT(validate_sort_order(*order, sample_schema()), IsOk());
  EXPECT_THAT(validate_sort_order(*order, Schema{}), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(
      sort_order_from_json(boost::json::parse(
          R"({"fields": [{"transform": "identity", "source-id": 2, "direction": "up", "null-order": "nulls-first"}]})")),
      FailsWith(ErrorCode::InvalidArgument));
}

}  // namespace
}  // namespace lakehouse::iceberg
