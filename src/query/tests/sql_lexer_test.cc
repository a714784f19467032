#include "query/sql_lexer.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include "base/testing/matchers.h"

namespace lakehouse::query {
namespace {

using lakehouse::testing::FailsWith;
using ::testing::ElementsAre;

std::vector<std::string> texts(std::string_view sql) {
  std::vector<std::string> out;
  const auto tokens = tokenize(sql);
  EXPECT_THAT(tokens, lakehouse::testing::IsOk()) << sql;
  if (tokens) {
    for (const Token& token : *tokens) {
      out.emplace_back(token.text);
    }
    EXPECT_EQ(out.back(), "");
    out.pop_back();
  }
  return out;
}

TEST(SqlLexer, SplitsAsDuckDbDoes) {
  EXPECT_THAT(texts("select a.b,'x''y' from \"t \"\"q\""),
              ElementsAre("select", "a", ".", "b", ",", "'x''y'", "from", "\"t \"\"q\""));
  EXPECT_THAT(texts("1.5e-3 .5 0xFF 1_000 1.e"),
              ElementsAre("1.5e-3", ".5", "0xFF", "1_000", "1.", "e"));
  EXPECT_THAT(texts("? ?2 $1 $name a$1"), ElementsAre("?", "?2", "$1", "$name", "a$1"));
  EXPECT_THAT(texts("a::int"), ElementsAre("a", ":", ":", "int"));
}

TEST(SqlLexer, LeavesCommentsOut) {
  EXPECT_THAT(texts("a--b;\nc"), ElementsAre("a", "c"));
  EXPECT_THAT(texts("a/* /* ; */ ' */b"), ElementsAre("a", "b"));
  EXPECT_THAT(texts("-- only"), ElementsAre());
  EXPECT_THAT(texts("'--' \"/*\""), ElementsAre("'--'", "\"/*\""));
}

TEST(SqlLexer, KnowsEveryKindOfString) {
  EXPECT_THAT(texts("E'a\\'b;' ;"), ElementsAre("E'a\\'b;'", ";"));
  EXPECT_THAT(texts("'a\\' ;"), ElementsAre("'a\\'", ";"));
  EXPECT_THAT(texts("$$a;'b$$ $t$ $$ $t$ x'00'"), ElementsAre("$$a;'b$$", "$t$ $$ $t$", "x'00'"));
}

TEST(SqlLexer, ReadsWideSpacesAsSpaces) {
  EXPECT_THAT(texts("a\xC2\xA0"
                    "b\xE3\x80\x80"
                    "c"),
              ElementsAre("a", "b", "c"));
  EXPECT_THAT(texts("\xC3\xA9t\xC3\xA9"), ElementsAre("\xC3\xA9t\xC3\xA9"));
}

TEST(SqlLexer, SaysWhereSomethingDoesNotEnd) {
  const std::vector<std::pair<std::string, std::size_t>> cases = {
      {"select 'abc", 7}, {"a \"b", 2},  {"x /* /* */", 2}, {"$$a", 0},
      {"$t$ $$", 0},      {"a \"\"", 2}, {"E'\\'", 0}};
  for (const auto& [sql, position] : cases) {
    SCOPED_TRACE(sql);
    const auto tokens = tokenize(sql);
    ASSERT_THAT(tokens, FailsWith(ErrorCode::InvalidArgument));
    EXPECT_EQ(tokens.error().position_bytes, position);
  }
  EXPECT_THAT(tokenize(std::string_view("a\0b", 3)), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(tokenize("\xFF"), FailsWith(ErrorCode::InvalidArgument));
}

RC_GTEST_PROP(SqlLexer, TokensLieInOrderAndCoverAllButSpaceAndComments, ()) {
  const auto pieces = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
      "select", " ", "'a'", "\"b\"", "--c\n", "/*d*/", "$$e$$", "?", "1.5", ";", "\n", "("));
  std::string sql;
  for (const std::string& piece : pieces) {
    sql += piece;
  }
  const auto tokens = tokenize(sql);
  RC_ASSERT(tokens.has_value());
  std::size_t at = 0;
  for (const Token& token : *tokens) {
    RC_ASSERT(token.position >= at);
    RC_ASSERT(sql.substr(token.position, token.text.size()) == token.text);
    at = token.end();
  }
  RC_ASSERT(tokens->back().kind == TokenKind::End);
}

}  // namespace
}  // namespace lakehouse::query
