#include "iceberg/literal.h"

#include <cmath>
#include <limits>

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/json.h"
#include "base/testing/matchers.h"
#include "iceberg/tests/generators.h"

namespace lakehouse::iceberg {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using std::string_literals::operator""s;

Literal read(const TypePtr& type, std::string_view text) {
  const auto literal = literal_from_text(*type, text);
  EXPECT_THAT(literal, IsOk()) << text;
  return literal.value_or(Literal{});
}

TEST(Literal, BinaryFormsAreThoseOfTheSpec) {
  EXPECT_EQ(literal_to_bytes(Literal::of_bool(true)), "\1"s);
  EXPECT_EQ(literal_to_bytes(Literal::of_int(34)), "\x22\0\0\0"s);
  EXPECT_EQ(literal_to_bytes(Literal::of_long(-2)), "\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF"s);
  EXPECT_EQ(literal_to_bytes(Literal::of_float(1)), "\0\0\x80\x3F"s);
  EXPECT_EQ(literal_to_bytes(Literal::of_decimal(1420, 9, 2)), "\x05\x8C"s);
  EXPECT_EQ(literal_to_bytes(Literal::of_decimal(-1, 9, 2)), "\xFF"s);
  EXPECT_EQ(literal_to_bytes(Literal::of_decimal(128, 9, 2)), "\0\x80"s);
  EXPECT_EQ(literal_to_bytes(Literal::of_decimal(-128, 9, 2)), "\x80"s);
  EXPECT_EQ(literal_to_bytes(Literal::of_decimal(0, 9, 2)), "\0"s);
  EXPECT_EQ(
      literal_to_bytes(read(primitive(TypeKind::Uuid), "f79c3e09-677c-4bbd-a479-3f349cb785e7")),
      "\xF7\x9C\x3E\x09\x67\x7C\x4B\xBD\xA4\x79\x3F\x34\x9C\xB7\x85\xE7"s);
}

TEST(Literal, NarrowerBytesOfPromotedTypesAreRead) {
  EXPECT_EQ(*literal_from_bytes(*primitive(TypeKind::Long), "\x22\0\0\0"s), Literal::of_long(34));
  EXPECT_EQ(*literal_from_bytes(*primitive(TypeKind::Double), "\0\0\x80\x3F"s),
            Literal::of_double(1));
  EXPECT_EQ(*literal_from_bytes(*primitive(TypeKind::Timestamp), "\1\0\0\0"s),
            Literal::of_timestamp(86'400'000'000));
  EXPECT_THAT(literal_from_bytes(*primitive(TypeKind::Int), "\1"s), FailsWith(ErrorCode::DataLoss));
  EXPECT_THAT(literal_from_bytes(*primitive(TypeKind::Uuid), "\1"s),
              FailsWith(ErrorCode::DataLoss));
  EXPECT_THAT(literal_from_bytes(*decimal(9, 2), ""), FailsWith(ErrorCode::DataLoss));
  EXPECT_THAT(literal_from_bytes(*decimal(9, 2), std::string(17, 'a')),
              FailsWith(ErrorCode::DataLoss));
}

TEST(Literal, JsonFormsAreThoseOfTheSpec) {
  const std::pair<TypePtr, std::string_view> examples[] = {
      {primitive(TypeKind::Boolean), "true"},
      {primitive(TypeKind::Int), "34"},
      {primitive(TypeKind::Long), "34"},
      {decimal(9, 2), R"("14.20")"},
      {primitive(TypeKind::Date), R"("2017-11-16")"},
      {primitive(TypeKind::Time), R"("22:31:08.123456")"},
      {primitive(TypeKind::Timestamp), R"("2017-11-16T22:31:08.123456")"},
      {primitive(TypeKind::Timestamptz), R"("2017-11-16T22:31:08.123456+00:00")"},
      {primitive(TypeKind::TimestampNs), R"("2017-11-16T22:31:08.123456789")"},
      {primitive(TypeKind::TimestamptzNs), R"("2017-11-16T22:31:08.123456789+00:00")"},
      {primitive(TypeKind::String), R"("iceberg")"},
      {primitive(TypeKind::Uuid), R"("f79c3e09-677c-4bbd-a479-3f349cb785e7")"},
      {fixed(4), R"("000102ff")"},
      {primitive(TypeKind::Binary), R"("000102ff")"},
  };
  for (const auto& [type, text] : examples) {
    SCOPED_TRACE(to_string(*type));
    const auto literal = literal_from_json(*type, boost::json::parse(text));
    ASSERT_THAT(literal, IsOk());
    EXPECT_EQ(to_json(literal_to_json(*literal)), text);
  }
  EXPECT_THAT(literal_from_json(*primitive(TypeKind::Int), boost::json::value("3")),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(literal_from_json(*primitive(TypeKind::Int), boost::json::value(1LL << 40)),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(literal_from_json(*fixed(3), boost::json::value("00")),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(literal_from_json(*primitive(TypeKind::Timestamp),
                                boost::json::value("2017-11-16T22:31:08+00:00")),
              FailsWith(ErrorCode::InvalidArgument));
}

TEST(Literal, NestedJsonValuesAreChecked) {
  const TypePtr list = list_of(2, primitive(TypeKind::Int), true);
  EXPECT_THAT(check_json_value(*list, boost::json::parse("[1, 2, null]")), IsOk());
  EXPECT_FALSE(check_json_value(*list, boost::json::parse(R"([1, "a"])")));
  const TypePtr map = map_of(2, primitive(TypeKind::String), 3, list, true);
  EXPECT_THAT(check_json_value(*map, boost::json::parse(R"({"keys": ["a"], "values": [[1]]})")),
              IsOk());
  EXPECT_FALSE(check_json_value(*map, boost::json::parse(R"({"keys": ["a"], "values": []})")));
  EXPECT_FALSE(check_json_value(*map, boost::json::parse(R"({"keys": ["a"]})")));
}

TEST(Literal, DuckDbTextIsRead) {
  EXPECT_EQ(read(primitive(TypeKind::Boolean), "true"), Literal::of_bool(true));
  EXPECT_EQ(read(decimal(9, 2), "-1.5"), Literal::of_decimal(-150, 9, 2));
  EXPECT_EQ(read(decimal(9, 2), "1E+3"), Literal::of_decimal(100000, 9, 2));
  EXPECT_EQ(read(decimal(9, 2), "1200E-4"), Literal::of_decimal(12, 9, 2));
  EXPECT_EQ(read(primitive(TypeKind::Date), "1969-12-31"), Literal::of_date(-1));
  EXPECT_EQ(read(primitive(TypeKind::Date), "0001-01-01 (BC)"), Literal::of_date(-719528));
  EXPECT_EQ(read(primitive(TypeKind::Date), "infinity").as_int32(), 2147483647);
  EXPECT_EQ(read(primitive(TypeKind::Timestamp), "1970-01-01 00:00:01.5").as_int64(), 1'500'000);
  EXPECT_EQ(read(primitive(TypeKind::Timestamp), "1969-12-31 23:59:59").as_int64(), -1'000'000);
  EXPECT_EQ(read(primitive(TypeKind::Timestamptz), "1970-01-01 02:00:00+02").as_int64(), 0);
  EXPECT_EQ(read(primitive(TypeKind::Timestamptz), "1969-12-31 16:30:00-07:30").as_int64(), 0);
  EXPECT_EQ(read(primitive(TypeKind::Timestamptz), "1970-01-01T00:00:00Z").as_int64(), 0);
  EXPECT_EQ(read(primitive(TypeKind::Time), "24:00:00").as_int64(), 86'400'000'000);
  EXPECT_EQ(read(primitive(TypeKind::Binary), R"(a\x00\xFFb)").as_string(),
            "a\0\xFF"
            "b"s);
  EXPECT_TRUE(std::isnan(read(primitive(TypeKind::Double), "nan").as_double()));
  EXPECT_TRUE(std::isinf(read(primitive(TypeKind::Float), "-inf").as_float()));
}

TEST(Literal, TextThatIsNoSuchValueIsRefused) {
  const std::pair<TypePtr, std::string_view> bad[] = {
      {primitive(TypeKind::Int), "3000000000"},
      {primitive(TypeKind::Int), "1.5"},
      {primitive(TypeKind::Int), ""},
      {primitive(TypeKind::Boolean), "yes"},
      {decimal(3, 2), "10.00"},
      {decimal(9, 2), "1.005"},
      {decimal(9, 2), "."},
      {decimal(38, 0), "999999999999999999999999999999999999999"},
      {primitive(TypeKind::Date), "2023-02-29"},
      {primitive(TypeKind::Date), "2023-13-01"},
      {primitive(TypeKind::Date), "2023-1-1"},
      {primitive(TypeKind::Timestamp), "2023-01-01 25:00:00"},
      {primitive(TypeKind::Timestamp), "2023-01-01 00:00:00+00"},
      {primitive(TypeKind::TimestampNs), "9999-01-01 00:00:00"},
      {primitive(TypeKind::Uuid), "f79c3e09"},
      {primitive(TypeKind::Binary), R"(\x0)"},
      {primitive(TypeKind::Unknown), "1"},
      {list_of(1, primitive(TypeKind::Int), true), "[1]"},
  };
  for (const auto& [type, text] : bad) {
    SCOPED_TRACE(to_string(*type) + " " + std::string(text));
    EXPECT_THAT(literal_from_text(*type, text), FailsWith(ErrorCode::InvalidArgument));
  }
}

TEST(Literal, TextIsWhatDuckDbPrints) {
  EXPECT_EQ(literal_to_text(Literal::of_double(1)), "1.0");
  EXPECT_EQ(literal_to_text(Literal::of_double(1e20)), "1e+20");
  EXPECT_EQ(literal_to_text(Literal::of_decimal(-5, 9, 3)), "-0.005");
  EXPECT_EQ(literal_to_text(Literal::of_date(-719529)), "0002-12-31 (BC)");
  EXPECT_EQ(literal_to_text(Literal::of_timestamp(1'500'000)), "1970-01-01 00:00:01.5");
  EXPECT_EQ(literal_to_sql(Literal::of_date(0)), "CAST('1970-01-01' AS DATE)");
  EXPECT_EQ(literal_to_sql(Literal::of_string("it's")), "CAST('it''s' AS VARCHAR)");
  EXPECT_EQ(literal_to_sql(Literal::of_binary("a'\1")), R"(CAST('a\x27\x01' AS BLOB))");
}

TEST(Literal, OrderIsThatOfBounds) {
  const auto less = [](const Literal& a, const Literal& b) {
    return compare(a, b) == std::partial_ordering::less;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(less(Literal::of_double(-0.0), Literal::of_double(0.0)));
  EXPECT_TRUE(less(Literal::of_double(1e300), Literal::of_double(nan)));
  EXPECT_EQ(Literal::of_double(nan), Literal::of_double(nan));
  EXPECT_TRUE(less(Literal::of_string("z"), Literal::of_string("\xC3\xA4")));
  EXPECT_EQ(compare(Literal::of_int(1), Literal::of_long(1)), std::partial_ordering::unordered);
}

TEST(Literal, BoundsAreCutAtSixteenCodePoints) {
  const std::string umlauts = "ääääääääääääääääää";  // 18 of them, two bytes each.
  EXPECT_EQ(truncate_lower_bound(Literal::of_string(umlauts)).as_string(), umlauts.substr(0, 32));
  EXPECT_EQ(truncate_upper_bound(Literal::of_string(umlauts))->as_string(),
            umlauts.substr(0, 30) + "å");
  EXPECT_EQ(truncate_upper_bound(Literal::of_string("short"))->as_string(), "short");
  EXPECT_EQ(truncate_upper_bound(Literal::of_binary(std::string(17, '\xFF'))), std::nullopt);
  EXPECT_EQ(truncate_upper_bound(Literal::of_binary("a" + std::string(16, '\xFF')))->as_string(),
            "b");
  // U+D7FF is followed by U+E000; U+10FFFF by nothing.
  EXPECT_EQ(truncate_upper_bound(Literal::of_string("\xED\x9F\xBF"
                                                    "x"),
                                 1)
                ->as_string(),
            "\xEE\x80\x80");
  EXPECT_EQ(truncate_upper_bound(Literal::of_string("\xF4\x8F\xBF\xBFx"), 1), std::nullopt);
  EXPECT_EQ(truncate_upper_bound(Literal::of_int(7))->as_int32(), 7);
}

TEST(Literal, LawValuesSurviveBytesJsonAndText) {
  EXPECT_TRUE(rc::check([] {
    const auto type = *testing::primitive_type();
    const auto literal = *testing::literal_of(type);
    const auto from_bytes = literal_from_bytes(*type, literal_to_bytes(literal));
    RC_ASSERT(from_bytes.has_value());
    RC_ASSERT(*from_bytes == literal);
    const auto from_json =
        literal_from_json(*type, *parse_json(to_json(literal_to_json(literal)), "it"));
    RC_ASSERT(from_json.has_value());
    RC_ASSERT(*from_json == literal);
    const auto from_text = literal_from_text(*type, literal_to_text(literal));
    RC_ASSERT(from_text.has_value());
    RC_ASSERT(*from_text == literal);
  }));
}

TEST(Literal, LawCutBoundsStillBound) {
  EXPECT_TRUE(rc::check([] {
    const auto text = *rc::gen::arbitrary<std::string>();
    const auto length = *rc::gen::inRange<std::size_t>(0, 8);
    const Literal literal = Literal::of_binary(text);
    RC_ASSERT((compare(truncate_lower_bound(literal, length), literal) <= 0));
    const auto upper = truncate_upper_bound(literal, length);
    RC_ASSERT((!upper || compare(*upper, literal) >= 0));
  }));
}

}  // namespace
}  // namespace lakehouse::iceberg
