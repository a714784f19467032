#include <string>
#include <vector>

#include <boost/json/array.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "answer/answer_vote.h"
#include "answer/ask_prompt.h"
#include "answer/schema_linking.h"

namespace lakehouse::answer {
namespace {

using boost::json::array;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

TEST(AnswerVote, RowsAreTheSameInAnyOrderAndToSixDigits) {
  EXPECT_EQ(rows_key({array{1, "a"}, array{2, "b"}}), rows_key({array{2.0, "b"}, array{1, "a"}}));
  EXPECT_EQ(rows_key({array{0.3333333333}}), rows_key({array{"0.33333334"}}));
  EXPECT_NE(rows_key({array{1}, array{1}}), rows_key({array{1}}));
  EXPECT_NE(rows_key({array{1, 2}}), rows_key({array{2, 1}}));
  EXPECT_NE(rows_key({array{nullptr}}), rows_key({array{"null"}}));
}

TEST(AnswerVote, IsDecidedWhenTheRestCannotChangeIt) {
  Vote vote;
  EXPECT_FALSE(vote.leader());
  vote.add("a");
  vote.add(std::nullopt);
  vote.add("a");
  EXPECT_FALSE(vote.is_decided(5));
  vote.add("a");
  EXPECT_TRUE(vote.is_decided(5));
  EXPECT_EQ(vote.leader(), 0U);
  EXPECT_EQ(vote.votes_of_leader(), 3U);
}

TEST(AnswerVote, OfTwoTheEarlierLeads) {
  Vote vote;
  vote.add("b");
  vote.add("a");
  EXPECT_EQ(vote.leader(), 0U);
}

TEST(AnswerVote, NothingIsNoRowOrOneOfNulls) {
  EXPECT_TRUE(says_nothing({}));
  EXPECT_TRUE(says_nothing({array{nullptr, nullptr}}));
  EXPECT_FALSE(says_nothing({array{nullptr, 1}}));
}

TEST(SchemaLinking, PhrasesAreRunsOfWordsThatSaySomething) {
  const auto phrases = value_phrases("What is the population of New York in \"St. Paul\"?");
  EXPECT_THAT(phrases, Contains("new york"));
  EXPECT_THAT(phrases, Contains("st. paul"));
  EXPECT_THAT(phrases, Not(Contains("the")));
  EXPECT_THAT(phrases, Not(Contains("is the population")));
}

SchemaTable table(std::string name, std::vector<std::string> columns) {
  SchemaTable out{.name_space = "main", .name = std::move(name), .description = "", .columns = {}};
  for (std::string& column : columns) {
    out.columns.push_back({.name = std::move(column), .type = "BIGINT", .note = ""});
  }
  return out;
}

TEST(SchemaLinking, JoinsFollowNames) {
  const std::vector<SchemaTable> tables{table("cars", {"id", "make"}),
                                        table("sales", {"id", "car_id"}),
                                        table("job_orders", {"job_order_id", "client_id"}),
                                        table("placements", {"placement_id", "job_order_id"})};
  EXPECT_THAT(likely_joins(tables), ElementsAre(LikelyJoin{1, "car_id", 0, "id"},
                                                LikelyJoin{3, "job_order_id", 2, "job_order_id"}));
}

TEST(SchemaLinking, TheTableBetweenTwoChosenOnesComesAlong) {
  std::vector<SchemaTable> tables{
      table("clients", {"client_id", "name"}), table("job_orders", {"job_order_id", "title"}),
      table("assignments", {"client_id", "job_order_id"}), table("weather", {"day", "rain"})};
  const auto scores = lexical_scores("Which clients have job orders?", tables);
  const auto chosen = choose_tables(tables, scores, 6);
  std::vector<std::string> names;
  for (const SchemaTable& one : chosen) {
    names.push_back(one.name);
  }
  EXPECT_THAT(names, ElementsAre("clients", "job_orders", "assignments"));
}

TEST(AskPrompt, NamesAreQuotedWhereTheyMustBe) {
  EXPECT_EQ(plain_or_quoted("state_name"), "state_name");
  EXPECT_EQ(plain_or_quoted("Order"), "\"Order\"");
  EXPECT_EQ(plain_or_quoted("order"), "\"order\"");
  EXPECT_EQ(plain_or_quoted("a\"b"), "\"a\"\"b\"");
}

TEST(AskPrompt, AStatementIsTakenOutOfWhatSurroundsIt) {
  EXPECT_EQ(statement_in("Sure:\n```sql\nSELECT 1;\n```\nDone."), "SELECT 1");
  EXPECT_EQ(statement_in("  SELECT 1 ; "), "SELECT 1");
  EXPECT_EQ(statement_in(""), "");
}

}  // namespace
}  // namespace lakehouse::answer
