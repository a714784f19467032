#include <string>
#include <vector>

#include <boost/json/array.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "answer/answer_vote.h"
#include "answer/ask_prompt.h"
#include "answer/ask_statement.h"
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

TEST(AnswerVote, MostVotesLead) {
  Vote vote;
  EXPECT_FALSE(vote.leader());
  vote.add(std::nullopt);
  EXPECT_FALSE(vote.leader());
  vote.add("b");
  vote.add("a");
  vote.add("a");
  EXPECT_EQ(vote.leader(), 2U);
  EXPECT_EQ(vote.votes_of_leader(), 2U);
  EXPECT_EQ(vote.count(), 4U);
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

TEST(SchemaLinking, ATableIsReferredToByItsNamesAndCodesToo) {
  const std::vector<SchemaTable> tables{
      table("city", {"city_name", "state_name"}), table("states", {"state_name"}),
      table("job_orders", {"id"}), table("orders", {"id"}), table("lines", {"order_id"})};
  EXPECT_THAT(likely_joins(tables), ElementsAre(LikelyJoin{0, "state_name", 1, "state_name"},
                                                LikelyJoin{4, "order_id", 3, "id"}));
}

TEST(SchemaLinking, NotesThatOnlyRepeatNamesSayNothing) {
  const SchemaTable city = table("city", {"population"});
  EXPECT_FALSE(says_more_than_names("The population of the city", city, city.columns[0]));
  EXPECT_FALSE(says_more_than_names("", city, city.columns[0]));
  EXPECT_TRUE(says_more_than_names("The population in thousands", city, city.columns[0]));
}

TEST(AskStatement, TablesHaveTheirFullNames) {
  const FullNames names{{"state", "geo.state"}, {"city", "geo.\"City\""}};
  const auto full = [&](std::string_view sql) { return with_full_names(sql, names); };
  EXPECT_EQ(full("SELECT state.area FROM State, city AS c JOIN \"state\" s ON c.state = s.city, x"),
            "SELECT state.area FROM geo.state, geo.\"City\" AS c JOIN geo.state s ON c.state = "
            "s.city, x");
  EXPECT_EQ(full("SELECT extract(year FROM city) FROM (SELECT state FROM (city)) WHERE a IS NOT "
                 "DISTINCT FROM city AND b IN (SELECT city, state FROM other.state)"),
            "SELECT extract(year FROM city) FROM (SELECT state FROM (geo.\"City\")) WHERE a IS NOT "
            "DISTINCT FROM city AND b IN (SELECT city, state FROM other.state)");
  EXPECT_EQ(full("WITH city AS (SELECT * FROM city), s(a) AS MATERIALIZED (SELECT 1 FROM state) "
                 "SELECT * FROM city, s, state, city(1) ORDER BY city"),
            "WITH city AS (SELECT * FROM geo.\"City\"), s(a) AS MATERIALIZED (SELECT 1 FROM "
            "geo.state) SELECT * FROM city, s, geo.state, city(1) ORDER BY city");
  EXPECT_EQ(full("WITH RECURSIVE state AS (SELECT 1 UNION ALL SELECT 2 FROM state) SELECT 1 FROM "
                 "state"),
            "WITH RECURSIVE state AS (SELECT 1 UNION ALL SELECT 2 FROM state) SELECT 1 FROM state");
  EXPECT_EQ(full("SELECT 'open FROM city"), "SELECT 'open FROM city");
  EXPECT_EQ(full(")) FROM ("), ")) FROM (");
}

TEST(AskStatement, ValuesAreWrittenAsTheyAreStored) {
  const std::vector<ValueFound> values{
      {"t", "a", "Green Bay"}, {"t", "a", "ulm"}, {"t", "b", "ULM"}};
  EXPECT_EQ(with_stored_values("SELECT 'green bay', 'Ulm', \"green bay\" FROM t", values),
            "SELECT 'Green Bay', 'Ulm', \"green bay\" FROM t");
}

TEST(AskStatement, ASubqueryTakesNoColumnOfTheOuterStatementByMistake) {
  const std::vector<SchemaTable> tables{table("state", {"name"}), table("river", {"traverse"})};
  EXPECT_EQ(
      hidden_mistake("SELECT 1 FROM state WHERE name NOT IN (SELECT name FROM river)", tables),
      "river has no column name");
  EXPECT_EQ(
      hidden_mistake("SELECT 1 FROM state WHERE name IN (SELECT DISTINCT Name FROM main.River "
                     "WHERE 1 = 1)",
                     tables),
      "river has no column \"Name\"");
  for (const char* sql :
       {"SELECT 1 FROM state WHERE name IN (SELECT Traverse FROM river)",
        "SELECT 1 FROM state s WHERE EXISTS (SELECT s.name FROM river)",
        "SELECT 1 FROM state WHERE name IN (SELECT name FROM river JOIN state USING (x))",
        "SELECT 1 FROM state WHERE name IN (SELECT name FROM elsewhere)",
        "SELECT (SELECT max(name) FROM river)", "SELECT (SELECT name FROM river", "("}) {
    EXPECT_EQ(hidden_mistake(sql, tables), "") << sql;
  }
}

TEST(AskStatement, IsSaidInOneLine) {
  EXPECT_EQ(
      explanation_of("SELECT c.state, count(DISTINCT s.customer_id) AS customers, "
                     "sum(s.price) AS revenue FROM sales s JOIN customers c ON s.c_id = c.id "
                     "WHERE s.price > 5 GROUP BY c.state HAVING count(*) > 1 ORDER BY revenue "
                     "DESC NULLS LAST LIMIT 5"),
      "State, the number of different customer_id and the sum of price from sales and "
      "customers where price > 5, for each state with count(*) > 1, by revenue from the "
      "highest, the first 5.");
  EXPECT_EQ(explanation_of("WITH x AS (SELECT 1 AS a FROM t) SELECT DISTINCT a + 1 AS b FROM x"),
            "Each different b (a + 1) from x.");
  EXPECT_EQ(explanation_of("SELECT round(avg(p), 2) FROM t ORDER BY max(p) LIMIT 1"),
            "The average of p from t, by the highest p, the first one.");
  EXPECT_EQ(explanation_of("SELECT"), "");
  EXPECT_EQ(explanation_of("nothing"), "");
  EXPECT_EQ(explanation_of("SELECT ((("), "");
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
