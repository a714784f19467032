#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "base/testing/matchers.h"
#include "query/testing/fixed_policies.h"
#include "query/testing/lake_fixture.h"
#include "query/tree.h"

namespace lakehouse::query {
namespace {

using lakehouse::testing::IsOk;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// numbers_up_to(n): a module's function. `spy_on` reads a table by its name.
class TestFunctions final : public TableFunctionProvider {
 public:
  [[nodiscard]] std::vector<std::string> names() const override {
    return {"numbers_up_to", "rows_of"};
  }
  Result<TableFunctionResult> call(const RequestContext&, const TableFunctionCall& call) override {
    TableFunctionResult result;
    if (call.name == "rows_of") {
      if (call.arguments.size() != 1 || !call.arguments[0].is_string()) {
        return fail(ErrorCode::InvalidArgument, "rows_of takes a name");
      }
      result.node = tree::select(boost::json::array{tree::star()},
                                 boost::json::object{{"type", "BASE_TABLE"},
                                                     {"alias", ""},
                                                     {"schema_name", "main"},
                                                     {"table_name", call.arguments[0]},
                                                     {"column_name_alias", boost::json::array()},
                                                     {"catalog_name", ""}});
      return result;
    }
    if (call.arguments.size() != 1 || !call.arguments[0].is_int64()) {
      return fail(ErrorCode::InvalidArgument, "numbers_up_to takes a number");
    }
    boost::json::array numbers;
    for (std::int64_t i = 1; i <= call.arguments[0].as_int64(); ++i) {
      numbers.emplace_back(i);
    }
    const auto step = call.named.find("step");
    result.variables.push_back({"lh_numbers", std::move(numbers)});
    boost::json::object value = tree::function(
        "unnest", boost::json::array{tree::function(
                      "getvariable", boost::json::array{tree::string("lh_numbers")})});
    result.node = tree::select(
        boost::json::array{
            tree::aliased(std::move(value), "n"),
            tree::aliased(tree::integer(step == call.named.end() ? 1 : step->second.as_int64()),
                          "step")},
        tree::empty_table());
    return result;
  }
};

class DefinitionsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    policies_ = new testing::FixedPolicies();
    functions_ = new TestFunctions();
    QueryService::Options options;
    options.planner.policies = policies_;
    options.planner.table_functions = {functions_};
    lake_ = new testing::TestLake(options);
    run_all({"CREATE SCHEMA shop",
             "CREATE TABLE shop.orders AS SELECT * FROM (VALUES (1, 'a', 10), (2, 'b', 20), "
             "(3, 'a', 30)) t(id, item, price)",
             "CREATE TABLE main.items AS SELECT 'a' AS item, 'Apple' AS label"});
  }
  static void TearDownTestSuite() {
    delete lake_;
    delete functions_;
    delete policies_;
  }
  void TearDown() override { policies_->clear(); }
  static testing::TestLake& lake() { return *lake_; }
  static void run_all(const std::vector<std::string>& statements) {
    for (const std::string& sql : statements) {
      ASSERT_THAT(lake_->rows(sql), IsOk()) << sql;
    }
  }
  static void expect_all(const std::vector<std::pair<std::string, std::string>>& cases) {
    for (const auto& [sql, answer] : cases) {
      EXPECT_EQ(lake().text(sql), answer) << sql;
    }
  }
  static void expect_refused(const std::vector<std::pair<std::string, std::string>>& cases) {
    for (const auto& [sql, words] : cases) {
      EXPECT_THAT(lake().text(sql), AllOf(::testing::Not(StartsWith("[")), HasSubstr(words)))
          << sql;
    }
  }
  static testing::FixedPolicies* policies_;

 private:
  static TestFunctions* functions_;
  static testing::TestLake* lake_;
};
testing::TestLake* DefinitionsTest::lake_ = nullptr;
testing::FixedPolicies* DefinitionsTest::policies_ = nullptr;
TestFunctions* DefinitionsTest::functions_ = nullptr;

TEST_F(DefinitionsTest, ViewsReadAsTheyAreDefined) {
  run_all({"CREATE VIEW shop.cheap AS SELECT id, item FROM shop.orders WHERE price < 25",
           "CREATE VIEW shop.labelled (number, label) AS SELECT o.id, i.label FROM shop.cheap o "
           "JOIN items i USING (item)",
           "CREATE VIEW IF NOT EXISTS shop.cheap AS SELECT 1 AS x"});
  expect_all({
      {"SELECT * FROM shop.cheap ORDER BY id", R"([[1,"a"],[2,"b"]])"},
      {"SELECT label, number FROM shop.labelled", R"([["Apple",1]])"},
      {"SELECT shop.cheap.id, c.item FROM shop.cheap, shop.cheap c WHERE c.id = cheap.id "
       "ORDER BY 1",
       R"([[1,"a"],[2,"b"]])"},
      {"SELECT count(*) FROM SHOP.Cheap", "[[2]]"},
      {"WITH cheap AS (SELECT 9 AS id) SELECT id FROM cheap", "[[9]]"},
      {"SELECT column_name, column_type FROM (DESCRIBE shop.labelled)",
       R"([["number","INTEGER"],["label","VARCHAR"]])"},
      {"SELECT count(*) FROM (SUMMARIZE shop.cheap)", "[[2]]"},
      {"SELECT table_type FROM information_schema.tables WHERE table_name = 'cheap'",
       R"([["VIEW"]])"},
  });
  run_all({"INSERT INTO shop.orders VALUES (4, 'a', 5)"});
  expect_all({{"SELECT max(id) FROM shop.cheap", "[[4]]"}});
  run_all({"CREATE OR REPLACE VIEW shop.cheap AS SELECT 'x' AS item, 7 AS id",
           "DELETE FROM shop.orders WHERE id = 4"});
  expect_all({{"SELECT id, item FROM shop.cheap", R"([[7,"x"]])"}});
  expect_refused({
      {"CREATE VIEW shop.cheap AS SELECT 1 AS x", "cheap"},
      {"CREATE OR REPLACE VIEW shop.cheap AS SELECT * FROM shop.labelled", "itself"},
      {"CREATE VIEW shop.v (a) AS SELECT 1, 2", "columns"},
      {"CREATE VIEW shop.v AS SELECT 1 AS a, 2 AS a", "called a"},
      {"CREATE VIEW shop.v AS SELECT * FROM read_csv('/etc/passwd')", "read_csv"},
      {"CREATE VIEW shop.v AS SELECT $1", "no parameters"},
      {"CREATE VIEW shop.v AS SELECT nosuch FROM shop.orders", "nosuch"},
      {"CREATE VIEW shop.orders AS SELECT 1 AS a", "orders"},
      {"INSERT INTO shop.cheap SELECT 1, 'a'", "cheap"},
      {"SELECT * FROM shop.cheap AT (VERSION => 1)", "snapshots"},
      {"DROP VIEW shop.orders", "no view"},
      {"SELECT * FROM shop.chaep", "chaep"},
  });
  run_all({"ALTER VIEW shop.cheap RENAME TO pricey", "DROP VIEW shop.pricey",
           "DROP VIEW IF EXISTS shop.pricey", "DROP VIEW shop.labelled"});
  expect_refused({{"FROM shop.pricey", "pricey"}});
}

TEST_F(DefinitionsTest, PoliciesHoldInViews) {
  run_all({"CREATE VIEW shop.all_orders AS FROM shop.orders"});
  governance::TablePolicy policy;
  policy.row_filter = "item = 'a'";
  policies_->set("test", "shop.orders", policy);
  expect_all({{"SELECT sum(price) FROM shop.all_orders", "[[40]]"}});
  run_all({"DROP VIEW shop.all_orders"});
}

TEST_F(DefinitionsTest, ArgumentsOfMacrosAreTheCallers) {
  // The macros' own tables have columns called id and price, too.
  run_all({"CREATE MACRO price_of(p) AS (SELECT max(price) FROM shop.orders WHERE id = p)",
           "CREATE MACRO is_price(p) AS p IN (SELECT price FROM shop.orders WHERE price <= p)",
           "CREATE MACRO has_row(p) AS EXISTS (SELECT 1 FROM shop.orders WHERE id = p)",
           "CREATE MACRO part(x) AS sum(x) / (SELECT sum(price) FROM shop.orders WHERE price >= 0)",
           "CREATE MACRO between_them(a, b) AS (SELECT count(*) FROM shop.orders WHERE id BETWEEN "
           "a AND b)",
           "CREATE MACRO outer_price(p) AS price_of(price_of(p) / 10) + p - p"});
  expect_all({
      {"SELECT price_of(id) FROM shop.orders WHERE id = 1", "[[10]]"},
      {"SELECT price_of(id) FROM (SELECT 1 AS id) a, (SELECT 2 AS other) b", "[[10]]"},
      {"SELECT price_of(id + other) FROM (SELECT 1 AS id) a, (SELECT 1 AS other) b", "[[20]]"},
      {"SELECT (SELECT price_of(id)) FROM shop.orders WHERE id = 2", "[[20]]"},
      {"SELECT id FROM shop.orders WHERE price_of(id) > 15 ORDER BY price_of(id) DESC",
       "[[3],[2]]"},
      {"SELECT price_of(max(id)) FROM shop.orders", "[[30]]"},
      {"SELECT id + 1 AS k, price_of(k) FROM shop.orders WHERE id = 1", "[[2,20]]"},
      {"SELECT is_price(id), is_price(price) FROM shop.orders WHERE id = 1", "[[false,true]]"},
      {"SELECT is_price(max(price)), is_price(max(id)) FROM shop.orders", "[[true,false]]"},
      {"SELECT has_row(price), has_row(id) FROM shop.orders WHERE id = 3", "[[false,true]]"},
      {"SELECT (part(id) * 10)::INTEGER FROM shop.orders", "[[1]]"},
      {"SELECT between_them(id, b := id + 1) FROM shop.orders ORDER BY id", "[[2],[2],[1]]"},
      {"SELECT outer_price(id) FROM shop.orders ORDER BY id", "[[10],[20],[30]]"},
  });
  expect_refused({{"SELECT price_of(price) FROM (SELECT 1 AS other) t", "price"}});
}

TEST_F(DefinitionsTest, MacrosAreTrees) {
  run_all({"CREATE MACRO twice(a) AS a + a",
           "CREATE MACRO shop.with_tax(p, rate := 0.5) AS p + p * rate",
           "CREATE FUNCTION either(a) AS a, (a, b) AS coalesce(a, b)",
           "CREATE MACRO dear(least) AS TABLE SELECT id, price FROM orders WHERE price >= least",
           "CREATE MACRO shop.dear(least) AS TABLE SELECT id, price FROM orders WHERE price >= "
           "least ORDER BY id",
           "CREATE MACRO kept(l, x) AS list_filter(l, x -> x > 1)",
           "CREATE MACRO total() AS (SELECT sum(price) FROM shop.orders)",
           "CREATE MACRO most(p) AS (SELECT max(price) FROM shop.orders WHERE id = p)",
           "CREATE MACRO quadruple(a) AS twice(twice(a))"});
  expect_all({
      {"SELECT twice(price) FROM shop.orders WHERE id = 2", "[[40]]"},
      {"SELECT TWICE(a := 4)", "[[8]]"},
      {"SELECT twice(1 + 2) * 2", "[[12]]"},
      {"SELECT shop.with_tax(10)::INTEGER, shop.with_tax(10, rate := 1)::INTEGER", "[[15,20]]"},
      {"SELECT either(NULL, 2), either(1)", "[[2,1]]"},
      {"SELECT id FROM shop.dear(20)", "[[2],[3]]"},
      {"SELECT d.price FROM shop.dear(least := 30) d", "[[30]]"},
      {"SELECT kept([1, 2, 3], 99)", "[[[2,3]]]"},
      {"SELECT total()", "[[60]]"},
      {"SELECT most(id) FROM shop.orders o WHERE id = 2", "[[20]]"},
      {"SELECT list_transform([id], lambda id: twice(id)) FROM shop.orders o WHERE most(id) = 20",
       "[[[4]]]"},
      {"SELECT quadruple(id) FROM shop.orders ORDER BY id LIMIT 1", "[[4]]"},
      {"SELECT id FROM shop.orders WHERE twice(price) > 30 ORDER BY twice(id) DESC", "[[3],[2]]"},
  });
  expect_refused({
      {"SELECT twice()", "do not fit"},
      {"SELECT twice(1, 2)", "do not fit"},
      {"SELECT twice(b := 2)", "do not fit"},
      {"SELECT twice(DISTINCT 1)", "DISTINCT"},
      {"SELECT shop.dear(1)", "table"},
      {"SELECT * FROM twice(1)", "value"},
      {"SELECT * FROM dear(1)", "orders"},
      {"CREATE MACRO twice(a) AS a", "already"},
      {"CREATE MACRO sum(a) AS a", "sum"},
      {"CREATE MACRO broken(a) AS a +", "definition"},
      {"CREATE MACRO nowhere.x(a) AS a", "nowhere"},
      {"CREATE MACRO two(a, A) AS a", "two parameters"},
  });
  run_all({"CREATE OR REPLACE MACRO twice(a) AS a * 3", "CREATE MACRO endless(a) AS endless(a)",
           "CREATE MACRO growing(a) AS growing(a) + growing(a)",
           "CREATE MACRO reads(f) AS (SELECT * FROM read_text(f))"});
  expect_all({{"SELECT twice(2)", "[[6]]"}});
  expect_refused({{"SELECT endless(1)", "without end"},
                  {"SELECT growing(1)", "deep"},
                  {"SELECT reads('/etc/passwd')", "read_text"}});
  run_all({"DROP MACRO twice", "DROP MACRO IF EXISTS twice", "DROP MACRO TABLE shop.dear"});
  expect_refused({{"SELECT twice(2)", "twice"}, {"DROP MACRO twice", "twice"}});
}

TEST_F(DefinitionsTest, APivotLooksItsValuesUp) {
  expect_all({
      {"PIVOT shop.orders ON item USING sum(price) GROUP BY id ORDER BY id",
       "[[1,10,null],[2,null,20],[3,30,null]]"},
      {"SELECT a, b FROM (PIVOT (SELECT item, price FROM shop.orders) ON item USING sum(price))",
       "[[40,20]]"},
      {"WITH o AS (SELECT item, price FROM shop.orders WHERE price > 10) "
       "FROM (PIVOT o ON item USING max(price))",
       "[[30,20]]"},
      {"WITH o AS (SELECT item, price FROM shop.orders), p AS (PIVOT o ON item USING min(price)) "
       "SELECT b, a FROM p",
       "[[20,10]]"},
      {"PIVOT (SELECT price FROM shop.orders) ON price > 15 USING count(*)", "[[1,2]]"},
      {"PIVOT shop.orders ON item IN ('b') USING sum(price) GROUP BY item ORDER BY item",
       R"([["a",null],["b",20]])"},
      {"PIVOT (SELECT item, id FROM shop.orders) ON item, id USING count(*)", "[[1,0,1,0,1,0]]"},
      {"SELECT count(*) FROM (DESCRIBE (PIVOT shop.orders ON item USING sum(price)))", "[[3]]"},
  });
  run_all(
      {"CREATE TABLE shop.wide AS PIVOT (SELECT item, price FROM shop.orders) ON item USING "
       "sum(price)",
       "CREATE VIEW shop.pivoted AS PIVOT (SELECT item, price FROM shop.orders) ON item USING "
       "sum(price)"});
  expect_all({{"FROM shop.wide", "[[40,20]]"}, {"SELECT a FROM shop.pivoted", "[[40]]"}});
  governance::TablePolicy policy;
  policy.row_filter = "item = 'a'";
  policies_->set("test", "shop.orders", policy);
  expect_all(
      {{"FROM (PIVOT (SELECT item, price FROM shop.orders) ON item USING sum(price))", "[[40]]"}});
  expect_refused({
      {"PIVOT (FROM shop.orders WHERE id = 99) ON item USING sum(price)", "no values"},
      {"PIVOT shop.orders ON item IN some_enum USING sum(price)", "enum"},
      {"PIVOT (FROM range(10000)) ON range USING count(*)", "5000"},
  });
  run_all({"DROP VIEW shop.pivoted"});
}

TEST_F(DefinitionsTest, ModulesBringFunctions) {
  expect_all({
      {"SELECT sum(n), max(step) FROM numbers_up_to(4)", "[[10,1]]"},
      {"SELECT f.n FROM numbers_up_to(2, step := 3) AS f WHERE f.step = 3 ORDER BY n", "[[1],[2]]"},
      {"SELECT count(*) FROM rows_of('items')", "[[1]]"},
  });
  SqlRequest request;
  request.sql = "SELECT count(*) FROM numbers_up_to($1) WHERE n > $2";
  request.params = boost::json::array{7, 2};
  const auto rows = lake().rows(request);
  ASSERT_THAT(rows, IsOk());
  EXPECT_EQ(to_json(*rows), "[[5]]");
  governance::TablePolicy policy;
  policy.row_filter = "false";
  policies_->set("test", "main.items", policy);
  expect_all({{"SELECT count(*) FROM rows_of('items')", "[[0]]"}});
  expect_refused({{"FROM numbers_up_to('x')", "takes a number"},
                  {"FROM numbers_up_to((SELECT 1))", "constant"},
                  {"FROM rows_of('nosuch')", "nosuch"},
                  {"SELECT numbers_up_to(3)", "numbers_up_to"},
                  {"SELECT getvariable('lh_numbers') FROM numbers_up_to(3)", "getvariable"}});
}

TEST_F(DefinitionsTest, TheCallerIsKnown) {
  expect_all({{"SELECT current_user() AS me", R"([["test"]])"}});
}

}  // namespace
}  // namespace lakehouse::query
