#include <string>
#include <vector>

#include <boost/json/array.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "answer/answer_vote.h"
#include "answer/ask_doubts.h"
#include "answer/ask_mend.h"
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
  EXPECT_EQ(vote.count(), 3U);
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

TEST(AskStatement, PatternsOfStoredValuesAreWrittenAsTheyAre) {
  EXPECT_EQ(with_stored_values("SELECT 'x%', '%green BAY%' FROM t", {{"t", "c", "Green Bay"}}),
            "SELECT 'x%', '%Green Bay%' FROM t");
}

TEST(AskStatement, WhatIsSelectedBesideCountsIsGrouped) {
  EXPECT_EQ(with_all_grouped("SELECT s.name, town AS t, id, count(*) FROM s GROUP BY s.id, town "
                             "ORDER BY 2"),
            "SELECT s.name, town AS t, id, count(*) FROM s GROUP BY s.id, town, s.name, id "
            "ORDER BY 2");
  for (const char* sql :
       {"SELECT a, count(*) FROM t GROUP BY ALL", "SELECT a FROM t", "GROUP", ""}) {
    EXPECT_EQ(with_all_grouped(sql), sql);
  }
}

TEST(AskStatement, RowsSayWhatTheyAreAbout) {
  EXPECT_EQ(
      hidden_mistake("SELECT state, sum(p) AS s FROM t GROUP BY state, date_trunc('month', d)", {}),
      "the rows do not say which date_trunc('month', d) they are about: select it, too");
  for (const char* sql :
       {"SELECT state, DATE_TRUNC('month', d) AS m FROM t GROUP BY state, date_trunc('month', d)",
        "SELECT name, count(*) FROM t GROUP BY id, name", "SELECT count(*) FROM t GROUP BY year(d)",
        "SELECT state, count(*) FROM t GROUP BY state, year(d) ORDER BY 2 DESC LIMIT 1"}) {
    EXPECT_EQ(hidden_mistake(sql, {}), "") << sql;
  }
}

TEST(AskStatement, ColumnsStandAsTheyAreAskedFor) {
  constexpr std::string_view kQuestion =
      "What are the top 5 selling car models by total revenue? Return the make, model, total "
      "number "
      "of sales and total revenue.";
  EXPECT_EQ(with_columns_in_order("SELECT c.make, model, sum(price) AS total_revenue, count(*) AS "
                                  "total_sales FROM c ORDER BY total_revenue DESC",
                                  kQuestion),
            "SELECT c.make, model, count(*) AS total_sales, sum(price) AS total_revenue FROM c "
            "ORDER BY total_revenue DESC");
  EXPECT_EQ(with_columns_in_order(
                "SELECT state, sum(price) AS total_revenue, count(*) AS number FROM c",
                "Return the top 5 states by total revenue, showing the number of customers and "
                "total revenue (the sum of price) for each state."),
            "SELECT state, count(*) AS number, sum(price) AS total_revenue FROM c");
  EXPECT_EQ(with_columns_in_order("SELECT DISTINCT last_name, first_name FROM t",
                                  "Give the first name and the last name of all."),
            "SELECT DISTINCT first_name, last_name FROM t");
  for (const char* sql :
       {"SELECT model, make FROM c ORDER BY 2", "SELECT model, *, make FROM c",
        "SELECT model, colour, make FROM c", "SELECT model, make FROM c UNION SELECT 1, 2",
        "SELECT DISTINCT ON (model) model, make FROM c", "WITH c AS (SELECT 1) FROM c",
        "SELECT make, model FROM c", "SELECT", ""}) {
    EXPECT_EQ(with_columns_in_order(sql, kQuestion), sql);
  }
}

TEST(AskStatement, RowsAreSaidOnce) {
  EXPECT_EQ(with_distinct("SELECT a FROM t"), "SELECT DISTINCT a FROM t");
  EXPECT_EQ(with_distinct("select distinct a FROM t"), "select distinct a FROM t");
  EXPECT_EQ(with_distinct("WITH x AS (SELECT 1) FROM x"), "WITH x AS (SELECT 1) FROM x");
  EXPECT_TRUE(asks_for_one("How long is it?"));
  EXPECT_FALSE(asks_for_one("Which are there?"));
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
  EXPECT_EQ(hidden_mistake("SELECT 1 FROM state WHERE name = (SELECT traverse FROM river WHERE "
                           "length(traverse) > 3 ORDER BY name LIMIT 1)",
                           tables),
            "river has no column name");
  for (const char* sql :
       {"SELECT 1 FROM state WHERE name IN (SELECT Traverse FROM river)",
        "SELECT 1 FROM state WHERE name IN (SELECT traverse AS name FROM river ORDER BY name)",
        "SELECT 1 FROM river WHERE 'x' IN (SELECT name FROM state WHERE 1 IN (SELECT 2))",
        "SELECT 1 FROM state s WHERE EXISTS (SELECT s.name FROM river)",
        "SELECT 1 FROM state WHERE name IN (SELECT name FROM river JOIN state USING (x))",
        "SELECT 1 FROM state WHERE name IN (SELECT name FROM elsewhere)",
        "SELECT (SELECT name FROM river", "("}) {
    EXPECT_EQ(hidden_mistake(sql, tables), "") << sql;
  }
}

/// A shop: customers, what they buy, and towns with their regions.
std::vector<SchemaTable> shop() {
  std::vector<SchemaTable> out{
      table("customers", {"id", "first_name", "last_name", "town"}),
      table("orders", {"id", "customer_id", "order_date", "unit_price", "state"}),
      table("town", {"town_name", "population", "lies_in"}),
      table("region", {"region_name", "highest_point"}),
  };
  out[0].columns[3].type = out[2].columns[0].type = out[3].columns[0].type = "VARCHAR";
  out[2].columns[2].type = "VARCHAR";
  out[1].columns[2].type = "DATE";
  out[2].columns[2].refers_to = "main.region";
  return out;
}

std::vector<std::string> doubts(std::string question, std::string_view sql,
                                std::vector<array> rows = {array{1}}) {
  AskPrompt prompt;
  prompt.question = std::move(question);
  prompt.tables = shop();
  if (prompt.question.contains("lm ") || prompt.question.contains("lm?")) {
    prompt.values = {{"customers", "town", "Ulm"}, {"town", "town_name", "Ulm"}};
  }
  return doubts_about(prompt, sql, rows);
}

TEST(AskDoubts, WhatIsRightIsNotDoubted) {
  const std::vector<std::pair<const char*, const char*>> kRight = {
      {"How many customers live in Ulm?", "SELECT count(*) FROM customers WHERE town = 'Ulm'"},
      {"How many people live in ulm?", "SELECT population FROM town WHERE town_name = 'Ulm'"},
      {"What is the largest town?", "SELECT town_name FROM town ORDER BY population DESC LIMIT 1"},
      {"Which customers have no orders?",
       "SELECT first_name FROM customers WHERE id NOT IN (SELECT customer_id FROM orders)"},
      {"Return the 3 customers with the highest total over $1,000 in 2023",
       "SELECT c.id, sum(o.unit_price) FROM customers c JOIN orders o ON o.customer_id = c.id "
       "WHERE "
       "order_date BETWEEN '2023-01-01' AND '2023-12-31' GROUP BY ALL HAVING sum(unit_price) > "
       "1000 "
       "ORDER BY 2 DESC LIMIT 3"},
      {"What is the highest point of the region Ulm lies in?",
       "SELECT highest_point FROM region WHERE region_name = (SELECT lies_in FROM town WHERE "
       "town_name = 'Ulm')"},
      {"List last names ordered by id", "SELECT last_name FROM customers ORDER BY id"},
      {"How many regions have towns?", "SELECT count(DISTINCT lies_in) FROM town"},
      {"Which regions have a town?", "SELECT DISTINCT lies_in FROM town"},
      {"Which last names contain their town?",
       "SELECT last_name FROM customers WHERE last_name LIKE '%' || town || '%'"},
      {"What is the unit price of the latest order?",
       "SELECT unit_price FROM orders ORDER BY order_date DESC LIMIT 1"},
      {"List the orders on the most recent order date",
       "SELECT id FROM orders WHERE order_date = (SELECT max(o.order_date) FROM orders o)"},
      {"What was the average unit price in each of the past 7 days?",
       "SELECT order_date, avg(unit_price) FROM orders WHERE order_date >= DATE '2024-05-05' - "
       "INTERVAL '6 days' GROUP BY order_date"},
  };
  for (const auto& [question, sql] : kRight) {
    EXPECT_THAT(doubts(std::string(question) + " (Today is 2024-05-05.)", sql), ElementsAre())
        << question;
  }
}

TEST(AskDoubts, WhatAQuestionSaysAndAStatementDoesNotIsDoubted) {
  struct Case {
    const char* question;
    const char* sql;
    const char* doubt;
  };
  for (const Case& one : std::vector<Case>{
           {"How many customers live in Ulm?", "SELECT count(*) FROM customers",
            "the question's 'ulm' is not used"},
           {"How many customers are there?", "SELECT count(*) FROM customers WHERE town = 'Bonn'",
            "the question says nothing of 'Bonn'"},
           {"How many customers are in Ulm?",
            "SELECT count(*) FROM customers WHERE last_name = 'Ulm'", "'ulm' is no last_name"},
           {"Which customers are not in Ulm?",
            "SELECT first_name FROM customers WHERE last_name <> 'Ulm'", "'ulm' is no last_name"},
           {"How many regions does the town Ulm lie in?",
            "SELECT count(*) FROM town WHERE lies_in LIKE '%Ulm%'", "it counts one region only"},
           {"Which orders are over 50?", "SELECT id FROM orders WHERE unit_price > 500",
            "the question says nothing of 500"},
           {"Which orders are over 50?", "SELECT id FROM orders", "the question's 50 is not used"},
           {"Which orders came in 2023?", "SELECT id FROM orders WHERE order_date > '2021-01-01'",
            "the question says nothing of 2021-01-01"},
           {"What is the largest town?", "SELECT town_name FROM town",
            "it does not look for the largest"},
           {"What is the largest town?", "SELECT town_name FROM town ORDER BY population LIMIT 1",
            "it looks for the opposite of the largest"},
           {"Which towns are there?", "SELECT town_name FROM town LIMIT 1",
            "the question asks for no highest or lowest"},
           {"What is the largest town?", "SELECT max(population) FROM town",
            "it does not say which town"},
           {"Which customers have no orders?",
            "SELECT c.id FROM customers c JOIN orders o ON o.customer_id = c.id",
            "it leaves out what the question says with 'not' or 'without'"},
           {"Which customers have orders?",
            "SELECT id FROM customers WHERE id NOT IN (SELECT customer_id FROM orders)",
            "the question excludes nothing"},
           {"What is the average unit price?", "SELECT sum(unit_price) FROM orders",
            "it computes no average"},
           {"How many orders has each customer?",
            "SELECT count(*) FROM orders WHERE customer_id > 0",
            "it gives one row for all, and the question asks for each"},
           {"How many customers are there in a region?", "SELECT count(*) FROM customers",
            "region is not used"},
           {"List last names and the unit price", "SELECT last_name FROM customers",
            "unit_price is not used"},
           {"Which customers have orders?",
            "SELECT c.first_name FROM customers c JOIN orders o ON o.id = c.id",
            "id and id are different things"},
           {"Which customers have orders?",
            "SELECT c.first_name FROM customers c JOIN orders o ON o.customer_id = c.id JOIN town "
            "t "
            "ON t.town_name = c.town",
            "town adds nothing"},
           {"What did the latest order of each customer cost?",
            "SELECT customer_id, max(unit_price) FROM orders GROUP BY customer_id",
            "it does not look for the latest or the earliest date"},
           {"Which towns do customers have?",
            "SELECT t.town_name FROM town t JOIN customers c ON c.town LIKE '%' || t.town_name",
            "it takes what looks like t for the same"},
       }) {
    EXPECT_THAT(doubts(one.question, one.sql), Contains(one.doubt)) << one.sql;
  }
  EXPECT_THAT(doubts("How many orders are there?", "SELECT id FROM orders", {array{1}, array{2}}),
              Contains("the question asks for one number"));
  EXPECT_THAT(doubts("Which town is near Ulm?",
                     "SELECT town_name FROM town WHERE town_name = 'Ulm'", {array{"Ulm"}}),
              Contains("it answers with what the question says"));
  EXPECT_THAT(doubts("Which town is near Ulm?",
                     "SELECT town_name FROM town WHERE town_name LIKE '%Ulm%'", {array{"Ulm"}}),
              Contains("it answers with what the question says"));
}

TEST(AskMend, ColumnsAreWrittenAsWhatTheyCanOnlyMean) {
  const auto mended = [](std::string_view sql) { return with_columns_mended(sql, shop()); };
  EXPECT_EQ(mended("SELECT town_name FROM town WHERE region_name = 'x'"),
            "SELECT town_name FROM town WHERE lies_in = 'x'");
  EXPECT_EQ(mended("SELECT customer_id FROM customers WHERE customers.customer_id > 2"),
            "SELECT id FROM customers WHERE customers.id > 2");
  EXPECT_EQ(mended("SELECT c.price FROM customers AS c JOIN shop.orders o ON o.customer_id = c.id"),
            "SELECT c.price FROM customers AS c JOIN shop.orders o ON o.customer_id = c.id");
  EXPECT_EQ(
      mended("SELECT c.unit_price FROM customers c JOIN shop.orders o ON o.customer_id = c.id"),
      "SELECT o.unit_price FROM customers c JOIN shop.orders o ON o.customer_id = c.id");
  EXPECT_EQ(mended("SELECT sum(price) FROM orders WHERE orders_date > DATE '2023-01-01'"),
            "SELECT sum(unit_price) FROM orders WHERE order_date > DATE '2023-01-01'");
  EXPECT_EQ(mended("SELECT 1 FROM customers WHERE id IN (SELECT customer_id FROM orders WHERE "
                   "price > 3)"),
            "SELECT 1 FROM customers WHERE id IN (SELECT customer_id FROM orders WHERE "
            "unit_price > 3)");
}

TEST(AskMend, WhatIsRightOrAChoiceStays) {
  for (const char* sql :
       {"SELECT name FROM customers", "SELECT first_name AS price FROM customers ORDER BY price",
        "SELECT count(*) AS n FROM orders o GROUP BY o.customer_id ORDER BY n DESC NULLS LAST",
        "SELECT extract(year FROM order_date), INTERVAL 3 month FROM orders",
        "SELECT price FROM (SELECT unit_price AS price FROM orders) AS x",
        "WITH x AS (SELECT 1 AS price) SELECT price FROM x", "SELECT 'x", "FROM", ""}) {
    EXPECT_EQ(with_columns_mended(sql, shop()), sql);
  }
}

TEST(SchemaLinking, TheNamingColumnIsCalledSo) {
  EXPECT_EQ(naming_column(shop()[2])->name, "town_name");
  EXPECT_EQ(naming_column(shop()[0]), nullptr);
  const SchemaTable teams = table("teams", {"id", "code"});
  EXPECT_EQ(naming_column(teams)->name, "code");
}

TEST(SchemaLinking, ValuesStandFirstWhereTheQuestionLooks) {
  const std::vector<ValueFound> found = values_by_relevance(
      "How long are rivers in new york?",
      {{"city", "name", "york"}, {"city", "name", "new york"}, {"river", "traverse", "new york"}});
  EXPECT_THAT(found, ElementsAre(ValueFound{"river", "traverse", "new york"},
                                 ValueFound{"city", "name", "new york"}));
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
