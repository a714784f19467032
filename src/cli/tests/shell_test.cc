#include "cli/shell.h"

#include <gmock/gmock.h>

#include "cli/report.h"
#include "cli/statements.h"

namespace lakehouse::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Statements, AreCutAtSemicolonsThatEndThem) {
  const SplitText split = split_statements(
      "SELECT ';' -- ; no\n, \";\" /* ; */ ; ; SELECT $$ ; $$;\n-- nothing\n SELECT 3");
  EXPECT_THAT(split.statements,
              ElementsAre("SELECT ';' -- ; no\n, \";\" /* ; */ ", "SELECT $$ ; $$"));
  EXPECT_EQ(split.rest, "SELECT 3");
}

TEST(Statements, ATransactionIsOne) {
  const SplitText split = split_statements(
      "SELECT 1; BEGIN; DELETE FROM t; SELECT 2; COMMIT; START TRANSACTION; SELECT 3; ROLLBACK; "
      "begin; SELECT 4;");
  EXPECT_THAT(split.statements, ElementsAre("SELECT 1", "BEGIN; DELETE FROM t; SELECT 2; COMMIT",
                                            "START TRANSACTION; SELECT 3; ROLLBACK"));
  EXPECT_EQ(split.rest, "begin; SELECT 4;");
}

TEST(Statements, WhatIsOpenWaitsForMore) {
  for (const char* text : {"SELECT 'a;", "SELECT /* ;", "SELECT $$;", "SELECT \"a;", "SELECT 1"}) {
    SCOPED_TRACE(text);
    const SplitText split = split_statements(text);
    EXPECT_THAT(split.statements, IsEmpty());
    EXPECT_EQ(split.rest, text);
  }
}

TEST(Statements, BlanksAndCommentsAreNothing) {
  EXPECT_TRUE(is_blank_sql(" \n -- x\n /* y */ "));
  EXPECT_FALSE(is_blank_sql("x"));
  EXPECT_THAT(split_statements(";;").statements, IsEmpty());
  EXPECT_EQ(split_statements("SELECT 1; -- done\n").rest, "");
}

TEST(Statements, BytesThatAreNoTextGoToTheServer) {
  EXPECT_THAT(split_statements("SELECT '\xff';").statements, ElementsAre("SELECT '\xff';"));
}

TEST(Shell, CommandsAreTakenApart) {
  EXPECT_EQ(parse_shell_command(" .format  csv ; "),
            (ShellCommand{.name = "format", .argument = "csv"}));
  EXPECT_EQ(parse_shell_command("\\d a b"), (ShellCommand{.name = "schema", .argument = "a b"}));
  EXPECT_EQ(parse_shell_command("\\dt"), (ShellCommand{.name = "tables", .argument = ""}));
  EXPECT_EQ(parse_shell_command("\\q"), (ShellCommand{.name = "quit", .argument = ""}));
  EXPECT_FALSE(parse_shell_command("SELECT 1;"));
  EXPECT_FALSE(parse_shell_command(".5 + 1;"));
  EXPECT_FALSE(parse_shell_command(""));
}

TEST(Shell, CompletesKeywordsInTheCaseOfThePrefixAndNames) {
  EXPECT_THAT(completions("sel", {"selection", "Selected", "other"}),
              ElementsAre("Selected", "select", "selection"));
  EXPECT_THAT(completions("SUMM", {}), ElementsAre("SUMMARIZE"));
  EXPECT_THAT(completions("", {"b", "a", "a"}), ElementsAre("a", "b"));
}

TEST(Report, ShowsThePlaceInTheStatement) {
  Problem problem;
  problem.detail = "no column \"nothing\"";
  problem.hint = "Did you mean 'number'?";
  problem.position_bytes = 12;
  EXPECT_EQ(describe(problem, "SELECT i,\n  nothing FROM numbers"),
            "error: no column \"nothing\"\n"
            "  2 |   nothing FROM numbers\n"
            "    |   ^\n"
            "hint: Did you mean 'number'?\n");
  problem.position_bytes = 500;
  EXPECT_EQ(describe(problem, "SELECT"),
            "error: no column \"nothing\"\n  1 | SELECT\n    |       ^\n"
            "hint: Did you mean 'number'?\n");
}

TEST(Report, LongLinesAreCutAroundThePlace) {
  Problem problem;
  problem.detail = "x";
  problem.position_bytes = 1000;
  const std::string text = describe(problem, std::string(3000, 'a'));
  EXPECT_LT(text.size(), 300U);
  EXPECT_THAT(text, ::testing::HasSubstr("…"));
}

TEST(Problem, IsReadFromItsDocumentOrMadeFromTheStatus) {
  HttpResponse response;
  response.status = 404;
  response.body = R"({"detail": "no table", "hint": "look", "code": "NOT_FOUND", "position": 7})";
  const Problem problem = problem_of(response);
  EXPECT_EQ(problem.detail, "no table");
  EXPECT_EQ(problem.hint, "look");
  EXPECT_EQ(problem.code, "NOT_FOUND");
  EXPECT_EQ(problem.position_bytes, 7U);
  response.body = "<html>";
  EXPECT_EQ(problem_of(response).detail, "the server answered with status 404");
}

}  // namespace
}  // namespace lakehouse::cli
