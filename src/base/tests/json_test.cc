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
