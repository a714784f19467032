#include "iceberg/expression.h"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "base/testing/matchers.h"

namespace lakehouse::iceberg {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::HasSubstr;

NestedField field(std::int32_t id, std::string name, TypePtr type, bool required = false) {
  NestedField out;
  out.id = id;
  out.name = std::move(name);
  out.type = std::move(type);
  out.required = required;
  return out;
}

Schema table_schema() {
  Schema schema;
  schema.fields = {
      field(1, "id", primitive(TypeKind::Int), true),
      field(2, "Name", primitive(TypeKind::String)),
      field(3, "price", decimal(9, 2)),
      field(4, "ratio", primitive(TypeKind::Float)),
      field(5, "day", primitive(TypeKind::Date)),
      field(6, "at", primitive(TypeKind::Timestamp)),
      field(7, "address",
            struct_of({field(8, "street", primitive(TypeKind::String), true),
                       field(9, "zip.code", primitive(TypeKind::Long))})),
      field(10, "tags", list_of(11, primitive(TypeKind::String), false)),
      field(12, "ns", primitive(TypeKind::TimestampNs)),
      field(13, "big", primitive(TypeKind::Long)),
      field(14, "blob", primitive(TypeKind::Binary)),
  };
  return schema;
}

Result<Expression> parse(std::string_view text, bool case_sensitive = true) {
  LH_ASSIGN_OR_RETURN(const boost::json::value value, parse_json(text, "the filter"));
  return expression_from_json(value, table_schema(), case_sensitive);
}

/// The expression as it is written back.
std::string read(std::string_view text) {
  const auto expression = parse(text);
  return expression ? to_json(expression_to_json(*expression, table_schema()))
                    : "error: " + expression.error().message;
}

TEST(Expression, IsWrittenAsItWasRead) {
  for (
      const std::string_view text : {
          R"(true)",
          R"(false)",
          R"({"type":"eq","term":"id","value":5})",
          R"({"type":"not-eq","term":"Name","value":"x"})",
          R"({"type":"lt","term":"price","value":"1.50"})",
          R"({"type":"lt-eq","term":"day","value":"2024-01-31"})",
          R"({"type":"gt","term":"at","value":"2024-01-31T12:00:00.000000"})",
          R"({"type":"gt-eq","term":"ratio","value":5E-1})",
          R"({"type":"starts-with","term":"Name","value":"ab"})",
          R"({"type":"not-starts-with","term":"Name","value":"ab"})",
          R"({"type":"is-null","term":"Name"})",
          R"({"type":"not-null","term":"address.street"})",
          R"({"type":"is-nan","term":"ratio"})",
          R"({"type":"not-nan","term":"ratio"})",
          R"({"type":"in","term":"big","values":[1,2,3]})",
          R"({"type":"not-in","term":"Name","values":["a","b"]})",
          R"({"type":"eq","term":"address.zip.code","value":12345})",
          R"({"type":"eq","term":{"type":"transform","transform":"bucket[16]","term":"id"},"value":3})",
          R"({"type":"lt","term":{"type":"transform","transform":"day","term":"at"},"value":"2024-01-31"})",
          R"({"type":"and","left":{"type":"eq","term":"id","value":5},"right":{"type":"or",)"
          R"("left":{"type":"is-null","term":"Name"},"right":{"type":"gt","term":"big","value":7}}})",
      }) {
    EXPECT_EQ(read(text), text);
  }
}

TEST(Expression, IsSimplified) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"({"type":"true"})", "true"},
      {R"({"type":"literal","value":false})", "false"},
      {R"({"type":"not","child":true})", "false"},
      {R"({"type":"not","child":{"type":"lt","term":"big","value":5}})",
       R"({"type":"gt-eq","term":"big","value":5})"},
      {R"({"type":"not","child":{"type":"or","left":{"type":"in","term":"big","values":[1,2]},)"
       R"("right":{"type":"is-null","term":"Name"}}})",
       R"({"type":"and","left":{"type":"not-in","term":"big","values":[1,2]},)"
       R"("right":{"type":"not-null","term":"Name"}})"},
      {R"({"type":"and","left":true,"right":{"type":"eq","term":"big","value":5}})",
       R"({"type":"eq","term":"big","value":5})"},
      {R"({"type":"or","left":true,"right":{"type":"eq","term":"big","value":5}})", "true"},
      {R"({"type":"in","term":"big","values":[]})", "false"},
      {R"({"type":"not-in","term":"big","values":[]})", "true"},
      {R"({"type":"in","term":"big","values":[3,1,3]})",
       R"({"type":"in","term":"big","values":[1,3]})"},
      {R"({"type":"in","term":"big","values":[3]})", R"({"type":"eq","term":"big","value":3})"},
      // A required column is never null.
      {R"({"type":"is-null","term":"id"})", "false"},
      {R"({"type":"not-null","term":"id"})", "true"},
      // In an optional struct it may be.
      {R"({"type":"is-null","term":"address.street"})",
       R"({"type":"is-null","term":"address.street"})"},
      // Beyond the column's range.
      {R"({"type":"lt","term":"id","value":5000000000})", R"({"type":"not-null","term":"id"})"},
      {R"({"type":"not","child":{"type":"lt","term":"id","value":5000000000}})", "false"},
      {R"({"type":"gt","term":"big","value":9300000000000000000})", "false"},
      {R"({"type":"gt","term":"id","value":-5000000000})", R"({"type":"not-null","term":"id"})"},
      {R"({"type":"in","term":"id","values":[-5000000000,4]})",
       R"({"type":"eq","term":"id","value":4})"},
      // What clients make of unbound values.
      {R"({"type":"eq","term":"day","value":19753})",
       R"({"type":"eq","term":"day","value":"2024-01-31"})"},
      {R"({"type":"eq","term":"at","value":1})",
       R"({"type":"eq","term":"at","value":"1970-01-01T00:00:00.000001"})"},
      {R"({"type":"eq","term":"ns","value":1})",
       R"({"type":"eq","term":"ns","value":"1970-01-01T00:00:00.000001000"})"},
      {R"({"type":"eq","term":"price","value":2})",
       R"({"type":"eq","term":"price","value":"2.00"})"},
      {R"({"type":"eq","term":"ratio","value":"0.5"})",
       R"({"type":"eq","term":"ratio","value":5E-1})"},
      {R"({"type":"eq","term":"blob","value":"0AFF"})",
       R"({"type":"eq","term":"blob","value":"0aff"})"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(read(text), expected) << text;
  }
}

TEST(Expression, ColumnsAreFoundWithoutCaseIfThatIsWanted) {
  const std::string_view text = R"({"type":"is-null","term":"ADDRESS.Street"})";
  EXPECT_THAT(parse(text), FailsWith(ErrorCode::InvalidArgument));
  const auto found = parse(text, false);
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->predicate().field_id, 8);
}

TEST(Expression, WrongOnesAreRefused) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"(5)", "expression"},
      {R"({})", "type"},
      {R"({"type":"like","term":"Name","value":"x"})", "no operation 'like'"},
      {R"({"type":"eq","term":"nmae","value":"x"})", "column 'nmae' does not exist"},
      {R"({"type":"eq","term":"tags.element","value":"x"})", "does not exist"},
      {R"({"type":"eq","term":"address","value":"x"})", "which is a struct"},
      {R"({"type":"eq","term":"id"})", "no 'value'"},
      {R"({"type":"eq","value":5})", "no 'term'"},
      {R"({"type":"eq","term":"id","value":"five"})", "no int"},
      {R"({"type":"eq","term":"id","value":5.5})", "no int"},
      {R"({"type":"eq","term":"id","value":null})", "value"},
      {R"({"type":"eq","term":"ratio","value":"NaN"})", "no float"},
      {R"({"type":"eq","term":"price","value":"1.234"})", "no decimal(9, 2)"},
      {R"({"type":"is-nan","term":"id"})", "have no NaN"},
      {R"({"type":"starts-with","term":"big","value":"1"})", "starts-with is for text"},
      {R"({"type":"in","term":"id","values":5})", "values"},
      {R"({"type":"and","left":true})", "no 'right'"},
      {R"({"type":"not"})", "no 'child'"},
      {R"({"type":"eq","term":{"type":"transform","transform":"zorder","term":"id"},"value":3})",
       "zorder"},
      {R"({"type":"eq","term":{"type":"transform","transform":"hour","term":"id"},"value":3})",
       "hour"},
  };
  for (const auto& [text, words] : cases) {
    const auto expression = parse(text);
    ASSERT_THAT(expression, FailsWith(ErrorCode::InvalidArgument)) << text;
    EXPECT_THAT(expression.error().message, HasSubstr(words)) << text;
  }
}

TEST(Expression, HasALimit) {
  const auto leaf = boost::json::parse(R"({"type":"eq","term":"big","value":5})");
  boost::json::value all = leaf;
  for (std::size_t size = 1; size <= kPredicatesMax; size *= 2) {
    all = {{"type", "or"}, {"left", all}, {"right", all}};
  }
  EXPECT_THAT(expression_from_json(all, table_schema()), FailsWith(ErrorCode::InvalidArgument));
}

TEST(Expression, NegatedTwiceIsTheSame) {
  const auto expression = parse(
      R"({"type":"and","left":{"type":"eq","term":"id","value":5},"right":{"type":"or",)"
      R"("left":{"type":"is-null","term":"Name"},"right":{"type":"gt","term":"big","value":7}}})");
  ASSERT_THAT(expression, IsOk());
  EXPECT_EQ(expression->negated().negated(), *expression);
  EXPECT_EQ(expression->negated().kind(), Expression::Kind::Or);
}

}  // namespace
}  // namespace lakehouse::iceberg
