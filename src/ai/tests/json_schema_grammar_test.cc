#include "ai/json_schema_grammar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/matchers.h"

namespace lakehouse::ai {
namespace {

using ::lakehouse::testing::FailsWith;
using ::lakehouse::testing::IsOk;
using ::testing::HasSubstr;

TEST(JsonSchemaGrammar, KnowsTheKeywordsThatItNames) {
  for (const std::string_view schema : {
           R"({"type":"object","properties":{"sql":{"type":"string"},"sure":{"type":"boolean"}},
               "required":["sql"]})",
           R"({"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3})",
           R"({"enum":["a","b",null,3]})",
           R"({"const":{"a":1}})",
           R"({"anyOf":[{"type":"string"},{"type":"null"}]})",
           R"({"type":["string","null"],"maxLength":10})",
           R"({"$defs":{"tree":{"type":"object","properties":{"kids":{"type":"array",
               "items":{"$ref":"#/$defs/tree"}}}}},"$ref":"#/$defs/tree"})",
           R"({"type":"object"})",
           R"({})",
       }) {
    SCOPED_TRACE(schema);
    const auto grammar = grammar_of_json_schema(schema);
    ASSERT_THAT(grammar, IsOk());
    EXPECT_THAT(*grammar, HasSubstr("root ::= "));
    EXPECT_THAT(check_grammar(*grammar), IsOk());
  }
}

TEST(JsonSchemaGrammar, RefusesWhatItWouldBreakSilently) {
  EXPECT_THAT(grammar_of_json_schema(R"({"type":"integer","minimum":3})"),
              FailsWith(ErrorCode::Unimplemented));
  EXPECT_THAT(grammar_of_json_schema(R"({"type":"string","pattern":"a+"})"),
              FailsWith(ErrorCode::Unimplemented));
}

TEST(JsonSchemaGrammar, RefusesWhatIsNoSchema) {
  std::string deep = "{}";
  for (int i = 0; i < 40; ++i) {
    deep = R"({"type":"array","items":)" + deep + "}";
  }
  for (const std::string& schema :
       {std::string("["), std::string("[]"), std::string(R"({"type":"tree"})"),
        std::string(R"({"type":3})"), std::string(R"({"enum":[]})"),
        std::string(R"({"$ref":"http://x"})"), std::string(R"({"$ref":"#/$defs/a"})"),
        std::string(R"({"$defs":{"a":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"})"),
        std::string(R"({"type":"object","properties":{},"required":["a"]})"),
        std::string(R"({"type":"string","minLength":5,"maxLength":4})"),
        std::string(R"({"type":"array","maxItems":1000000})"), deep}) {
    SCOPED_TRACE(schema.substr(0, 100));
    EXPECT_THAT(grammar_of_json_schema(schema), FailsWith(ErrorCode::InvalidArgument));
  }
}

TEST(JsonSchemaGrammar, NamesCannotLeaveTheirQuotes) {
  const auto grammar = grammar_of_json_schema(
      R"({"type":"object","properties":{"a\"\nroot ::= \"x":{"type":"null"}}})");
  ASSERT_THAT(grammar, IsOk());
  EXPECT_THAT(*grammar, HasSubstr(R"("\"a\\\"\\nroot ::= \\\"x\"")"));
}

TEST(Grammars, ThatAParserCouldNotBearAreRefused) {
  EXPECT_THAT(check_grammar("root ::= \"((((\" # (((("), IsOk());
  EXPECT_THAT(check_grammar("root ::= " + std::string(65, '(')),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(check_grammar(std::string(300'000, 'a')), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(check_grammar(std::string_view("a\0b", 3)), FailsWith(ErrorCode::InvalidArgument));
}

}  // namespace
}  // namespace lakehouse::ai
