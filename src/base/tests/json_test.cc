#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/matchers.h"

namespace lakehouse {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using lakehouse::testing::IsOkAnd;

TEST(Json, ABadDocumentSaysWhere) {
  const auto parsed = parse_json(R"({"a": tru})", "the body");
  ASSERT_THAT(parsed, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(parsed.error().message, ::testing::HasSubstr("the body is not JSON"));
  EXPECT_THAT(parse_json("{} x", "the body"), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(parse_json("", "the body"), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(parse_json(std::string(1000, '['), "the body"),
              FailsWith(ErrorCode::InvalidArgument));
}

TEST(Json, NumbersAreReadExactly) {
  // Each of these came out one bit off from Boost's own parser.
  const auto value = parse_json(
      "[0.9990840700923641, 101.03108217358741, 0.013327574694570835, -1e-320, 5, -7, "
      "18446744073709551615, 1E400]",
      "it");
  ASSERT_THAT(value, IsOk());
  const auto& numbers = value->as_array();
  EXPECT_EQ(numbers.at(0).as_double(), 0.9990840700923641);
  EXPECT_EQ(numbers.at(1).as_double(), 101.03108217358741);
  EXPECT_EQ(numbers.at(2).as_double(), 0.013327574694570835);
  EXPECT_EQ(numbers.at(3).as_double(), -1e-320);
  EXPECT_EQ(numbers.at(4).as_int64(), 5);
  EXPECT_EQ(numbers.at(5).as_int64(), -7);
  EXPECT_EQ(numbers.at(6).as_uint64(), 18446744073709551615ULL);
  const auto nested =
      parse_json(R"({"a": {"b": [1.5, "x\u00e4\n", true, null, {}]}, "a b": []})", "it");
  ASSERT_THAT(nested, IsOk());
  EXPECT_EQ(to_json(*nested), "{\"a\":{\"b\":[1.5E0,\"x\xC3\xA4\\n\",true,null,{}]},\"a b\":[]}");
}

TEST(Json, FieldsAreTypedAndTheRestIsRefusedByName) {
  const auto value = parse_json(R"({"name": "x", "limit": 5, "limt": 6, "none": null})", "it");
  ASSERT_THAT(value, IsOk());
  auto fields = JsonFields::of(*value, "it");
  ASSERT_THAT(fields, IsOk());
  EXPECT_THAT(fields->require_string("name"), IsOkAnd(std::string("x")));
  EXPECT_THAT(fields->require_int64("name"), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(fields->require_int64("limit"), IsOkAnd(5));
  EXPECT_THAT(fields->require_string("none"), FailsWith(ErrorCode::InvalidArgument));
  const Status rest = fields->refuse_unknown();
  ASSERT_FALSE(rest.has_value());
  EXPECT_EQ(rest.error().message, "it has no field 'limt'");
  EXPECT_EQ(rest.error().hint, "Did you mean 'limit'?");
}

}  // namespace
}  // namespace lakehouse
