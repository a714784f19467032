#include "query/query_service.h"

#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "base/testing/matchers.h"
#include "query/functions_allowed.h"
#include "query/testing/lake_fixture.h"

namespace lakehouse::query {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// One lake for all cases of the suite: each makes tables of its own.
class QueryServiceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    lake_ = new testing::TestLake();
    for (const char* sql :
         {"CREATE SCHEMA sel",
          "CREATE TABLE sel.people AS SELECT * FROM (VALUES (1, 'Ann', 'Bonn', 10), "
          "(2, 'Bob', 'Ulm', 20), (3, 'Cid', 'Bonn', NULL)) t(id, name, city, pay)",
          "CREATE TABLE sel.towns (city VARCHAR, state VARCHAR)",
          "INSERT INTO sel.towns VALUES ('Bonn', 'NW'), ('Ulm', 'BW'), ('Jena', 'TH')",
          "CREATE TABLE people AS SELECT 7 AS id, 'main' AS place"}) {
      const auto done = lake_->rows(sql);
      ASSERT_THAT(done, IsOk()) << sql;
    }
  }
  static void TearDownTestSuite() {
    delete lake_;
    lake_ = nullptr;
  }
  static testing::TestLake& lake() { return *lake_; }

 private:
  static testing::TestLake* lake_;
};
testing::TestLake* QueryServiceTest::lake_ = nullptr;

TEST_F(QueryServiceTest, SelectInItsForms) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"SELECT name FROM sel.people WHERE city = 'Bonn' ORDER BY id DESC", R"([["Cid"],["Ann"]])"},
      {"SELECT people.name, sel.people.pay, lake.sel.people.id FROM lake.sel.people ORDER BY 3 "
       "LIMIT 1",
       R"([["Ann",10,1]])"},
      {"SELECT p.name, t.state FROM sel.people p JOIN sel.towns t USING (city) ORDER BY 1",
       R"([["Ann","NW"],["Bob","BW"],["Cid","NW"]])"},
      {"SELECT sel.people.id, main.people.id FROM sel.people, people ORDER BY 1 LIMIT 1",
       "[[1,7]]"},
      {"SELECT main.people.id, (sel.people).name FROM sel.people, people ORDER BY 2 LIMIT 1",
       R"([[7,"Ann"]])"},
      {"SELECT (main.people).id FROM people, (SELECT 3 AS x)", "[[7]]"},
      {"SELECT main.people FROM people, (SELECT 3 AS people) AS main", "[[3]]"},
      {"SELECT sel.people.name FROM sel.people JOIN main.people ON sel.people.id < main.people.id "
       "ORDER BY 1",
       R"([["Ann"],["Bob"],["Cid"]])"},
      {"SELECT a.x FROM sel.people AS a(x) ORDER BY 1", "[[1],[2],[3]]"},
      {"WITH people AS (SELECT 99 AS id) SELECT id FROM people", "[[99]]"},
      {"WITH people AS (SELECT count(*) AS n FROM people) SELECT n FROM people", "[[1]]"},
      {"WITH a AS (SELECT 1 AS x), b AS (FROM a) SELECT (SELECT x FROM b) FROM people", "[[1]]"},
      {"SELECT * FROM (WITH people AS (SELECT 5 AS five) FROM people), people",
       R"([[5,7,"main"]])"},
      {"WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n) "
       "FROM t",
       "[[15]]"},
      {"WITH x AS MATERIALIZED (SELECT id FROM sel.people) SELECT count(*) FROM x a JOIN x b "
       "USING (id)",
       "[[3]]"},
      {"SELECT name, (SELECT state FROM sel.towns t WHERE t.city = p.city) s FROM sel.people p "
       "ORDER BY id",
       R"([["Ann","NW"],["Bob","BW"],["Cid","NW"]])"},
      {"SELECT id FROM sel.people EXCEPT SELECT 2 ORDER BY 1", "[[1],[3]]"},
      {"SELECT id, row_number() OVER (PARTITION BY city ORDER BY id) r FROM sel.people QUALIFY "
       "r = 1 ORDER BY id",
       "[[1,1],[2,1]]"},
      {"SELECT * EXCLUDE (pay) REPLACE (upper(name) AS name) FROM sel.people WHERE id = 1",
       R"([[1,"ANN","Bonn"]])"},
      {"SELECT COLUMNS('n.*') FROM sel.people WHERE id = 2", R"([["Bob"]])"},
      {"FROM sel.people SELECT count(*)", "[[3]]"},
      {"SELECT x FROM sel.people, LATERAL (SELECT id * 2 AS x) ORDER BY x", "[[2],[4],[6]]"},
      {"FROM (SELECT city, pay FROM sel.people WHERE pay IS NOT NULL) PIVOT (sum(pay) FOR city IN "
       "('Bonn', 'Ulm'))",
       "[[10,20]]"},
      {"SELECT name, value FROM (SELECT 1 AS a, 2 AS b) UNPIVOT (value FOR name IN (a, b)) "
       "ORDER BY name",
       R"([["a",1],["b",2]])"},
      {"SELECT count(*) FROM sel.people TABLESAMPLE 100%", "[[3]]"},
      {"SELECT \"Name\" FROM SEL.People WHERE ID = 1", R"([["Ann"]])"},
      {"SELECT people FROM people", R"([[{"id":7,"place":"main"}]])"},
      {"SELECT name.upper() FROM sel.people WHERE id = 1", R"([["ANN"]])"},
      {"SELECT list_transform([1, 2], lambda x: x + 1), [y * 2 FOR y IN [1]]", "[[[2,3],[2]]]"},
      {"SELECT sum(id) FROM sel.people GROUP BY ROLLUP (city) ORDER BY 1", "[[2],[4],[6]]"},
      {"SELECT a.id FROM sel.people a ASOF JOIN sel.people b ON a.id >= b.id ORDER BY 1",
       "[[1],[2],[3]]"},
      {"SELECT * FROM (VALUES (1), (2)) v(a) ORDER BY a", "[[1],[2]]"},
      {"SELECT i FROM range(3) r(i) ORDER BY i", "[[0],[1],[2]]"},
      {"SELECT column_name, column_type FROM (DESCRIBE sel.towns)",
       R"([["city","VARCHAR"],["state","VARCHAR"]])"},
      {"SELECT column_name, min, max, count FROM (SUMMARIZE people) ORDER BY 1",
       R"([["id","7","7",1],["place","main","main",1]])"},
      {"SELECT table_schema, table_name FROM information_schema.tables WHERE table_name = 'towns'",
       R"([["sel","towns"]])"},
      {"SELECT column_name FROM information_schema.columns WHERE table_name = 'towns' ORDER BY "
       "ordinal_position",
       R"([["city"],["state"]])"},
      {"SHOW TABLES FROM sel", R"([["people"],["towns"]])"},
  };
  for (const auto& [sql, rows] : cases) {
    EXPECT_EQ(lake().text(sql), rows) << sql;
  }
}

TEST_F(QueryServiceTest, NothingOutsideOfTheCatalogCanBeNamed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"FROM '/etc/passwd'", "/etc/passwd"},
      {"FROM \"x.parquet\"", "x.parquet"},
      {"FROM read_csv('/etc/passwd')", "read_csv"},
      {"FROM read_parquet('/x')", "read_parquet"},
      {"FROM lh_parquet('lh_0_0')", "lh_parquet"},
      {"FROM parquet_scan('/x')", "parquet_scan"},
      {"FROM read_text('/etc/passwd')", "read_text"},
      {"FROM read_blob('/etc/passwd')", "read_blob"},
      {"FROM read_json('/x')", "read_json"},
      {"FROM read_ndjson_objects('/x')", "read_ndjson_objects"},
      {"FROM glob('/*')", "glob"},
      {"FROM sniff_csv('/x')", "sniff_csv"},
      {"FROM parquet_metadata('/x')", "parquet_metadata"},
      {"FROM query('SELECT 1')", "query"},
      {"FROM query_table('people')", "query_table"},
      {"FROM json_execute_serialized_sql('{}')", "json_execute_serialized_sql"},
      {"FROM duckdb_settings()", "duckdb_settings"},
      {"FROM duckdb_secrets()", "duckdb_secrets"},
      {"FROM pragma_database_list()", "pragma_database_list"},
      {"FROM duckdb_tables", "duckdb_tables"},
      {"FROM sqlite_master", "sqlite_master"},
      {"FROM pg_catalog.pg_class", "pg_class"},
      {"SELECT getenv('HOME')", "getenv"},
      {"SELECT getvariable('lh_0_0')", "getvariable"},
      {"SELECT GetVariable('lh_0_0')", "getvariable"},
      {"SELECT main.getvariable('lh_0_0')", "getvariable"},
      {"SELECT current_setting('threads')", "current_setting"},
      {"SELECT current_query()", "current_query"},
      {"SELECT nextval('s')", "nextval"},
      {"SELECT sleep_ms(1000)", "sleep_ms"},
      {"SELECT stats(id) FROM people", "stats"},
      {"SELECT lh_iceberg_bucket(4, 1)", "lh_iceberg_bucket"},
      {"SELECT json_serialize_plan('SELECT 1')", "json_serialize_plan"},
      {"SELECT list_transform([1], lambda x: getvariable('lh_0_0'))", "getvariable"},
      {"SELECT sum(1) FILTER (WHERE getvariable('a') = 1)", "getvariable"},
      {"SELECT 1 ORDER BY getvariable('a')", "getvariable"},
      {"SELECT 1 LIMIT (SELECT count(*) FROM read_csv('/x'))", "read_csv"},
      {"SELECT (SELECT count(*) FROM read_csv('/x'))", "read_csv"},
      {"SELECT * FROM people WHERE EXISTS (FROM read_blob('/x'))", "read_blob"},
      {"SELECT * FROM people JOIN people p ON (SELECT true FROM read_text('/x'))", "read_text"},
      {"WITH x AS (FROM read_text('/x')) SELECT 1", "read_text"},
      {"WITH \"x.parquet\" AS (SELECT 1) SELECT 1", "x.parquet"},
      {"WITH duckdb_tables AS (SELECT 1) FROM duckdb_tables", "duckdb_tables"},
      {"WITH x AS (FROM y), y AS (SELECT 1) FROM x", "y"},
      {"SELECT * REPLACE (getvariable('a') AS id) FROM people", "getvariable"},
      {"SELECT COLUMNS(c -> getvariable('a') = c) FROM people", "getvariable"},
      {"FROM people PIVOT (sum(getvariable('a')) FOR id IN (1))", "getvariable"},
      {"VALUES (getvariable('a'))", "getvariable"},
      {"SELECT row_number() OVER (ORDER BY getvariable('a'))", "getvariable"},
      {"DESCRIBE FROM read_csv('/x')", "read_csv"},
      {"SUMMARIZE FROM read_csv('/x')", "read_csv"},
      {"EXPLAIN FROM read_csv('/x')", "read_csv"},
      {"FROM histogram('people', 'id')", "histogram"},
      {"FROM unnest((SELECT list(x) FROM read_text('/x') t(x)))", "read_text"},
      {"INSERT INTO people SELECT size, '' FROM read_blob('/x')", "read_blob"},
      {"CREATE TABLE x AS FROM read_csv('/x')", "read_csv"},
      {"PIVOT people ON getvariable('a') USING count(*)", "getvariable"},
      {"PIVOT read_csv('/x') ON a USING count(*)", "read_csv"},
      {"SELECT nosuchfunction(1)", "nosuchfunction"},
      {"SHOW frobnicate", "frobnicate"},
  };
  for (const auto& [sql, word] : cases) {
    SCOPED_TRACE(sql);
    const auto rows = lake().rows(sql);
    ASSERT_FALSE(rows.has_value());
    EXPECT_THAT(rows.error().code,
                ::testing::AnyOf(ErrorCode::InvalidArgument, ErrorCode::NotFound));
    EXPECT_THAT(rows.error().message, HasSubstr(word));
    EXPECT_THAT(rows.error().message, ::testing::Not(HasSubstr("lh_0")));
  }
}

TEST_F(QueryServiceTest, EveryFunctionOfTheEngineWasLookedAt) {
  engine::Statement statement;
  statement.text =
      "SELECT DISTINCT function_name, function_type FROM duckdb_functions() "
      "WHERE function_type <> 'pragma' AND function_name NOT LIKE 'lh_%'";
  const auto rows =
      lake().engine().query_rows(engine::testing::patient_context(), std::move(statement));
  ASSERT_THAT(rows, IsOk());
  for (const boost::json::array& row : rows->rows) {
    const std::string name(row[0].as_string());
    const bool in_from = std::string_view(row[1].as_string()).starts_with("table");
    EXPECT_TRUE(in_from ? is_known_table_function(name) : is_known_function(name)) << name;
  }
}

TEST_F(QueryServiceTest, ErrorsSayWhereAndWhatIsNear) {
  const auto unknown = lake().rows("SELECT id,\n  nothing FROM people");
  ASSERT_THAT(unknown, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_EQ(unknown.error().position_bytes, 13U);
  EXPECT_THAT(unknown.error().message, HasSubstr("nothing"));

  const auto table = lake().rows("SELECT * FROM sel.peopl");
  ASSERT_THAT(table, FailsWith(ErrorCode::NotFound));
  EXPECT_EQ(table.error().position_bytes, 14U);
  EXPECT_THAT(table.error().hint, HasSubstr("people"));

  const auto syntax = lake().rows("SELECT FROM FROM people");
  ASSERT_THAT(syntax, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_TRUE(syntax.error().position_bytes.has_value());

  const auto insert = lake().rows("INSERT INTO people SELECT nothing, 1 FROM people");
  ASSERT_THAT(insert, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_EQ(insert.error().position_bytes, 26U);
}

TEST_F(QueryServiceTest, ParametersBindByPositionAndName) {
  SqlRequest request;
  request.sql = "SELECT id + ? FROM people WHERE place = ?";
  request.params = boost::json::array{1, "main"};
  auto rows = lake().rows(request);
  ASSERT_THAT(rows, IsOk());
  EXPECT_EQ(to_json(*rows), "[[8]]");
  request.sql = "SELECT $a || $b FROM people";
  request.params = boost::json::object{{"a", "x' OR '1'='1"}, {"b", "!"}};
  rows = lake().rows(request);
  ASSERT_THAT(rows, IsOk());
  EXPECT_EQ(to_json(*rows), R"([["x' OR '1'='1!"]])");
  request.params = 3;
  EXPECT_THAT(lake().rows(request), FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(QueryServiceTest, OldAndNewFilesReadAsOneAfterTheSchemaChanged) {
  for (const char* sql :
       {"CREATE TABLE evolved (id INTEGER, name VARCHAR, s STRUCT(a INTEGER, b VARCHAR), "
        "l STRUCT(x INTEGER)[], m MAP(VARCHAR, STRUCT(v INTEGER)), gone INTEGER)",
        "INSERT INTO evolved VALUES (1, 'one', {'a': 1, 'b': 'x'}, [{'x': 1}, NULL], "
        "MAP {'k': {'v': 1}}, 5), (2, NULL, NULL, NULL, NULL, NULL)",
        "ALTER TABLE evolved RENAME COLUMN name TO title",
        "ALTER TABLE evolved ALTER id TYPE BIGINT", "ALTER TABLE evolved DROP COLUMN gone",
        "ALTER TABLE evolved ADD COLUMN score DOUBLE", "ALTER TABLE evolved ADD COLUMN s.c INTEGER",
        "ALTER TABLE evolved RENAME COLUMN s.a TO aa",
        "ALTER TABLE evolved ADD COLUMN l.element.y INTEGER",
        "ALTER TABLE evolved RENAME COLUMN m.value.v TO w",
        "INSERT INTO evolved BY NAME SELECT 9000000000 AS id, 'big' AS title, 0.5 AS score, "
        "{'aa': 2, 'b': 'y', 'c': 3} AS s, [{'x': 2, 'y': 3}] AS l, MAP {'k': {'w': 2}} AS m"}) {
    ASSERT_THAT(lake().rows(sql), IsOk()) << sql;
  }
  EXPECT_EQ(lake().text("SELECT id, title, s, l, m, score FROM evolved ORDER BY id"),
            R"([[1,"one",{"aa":1,"b":"x","c":null},[{"x":1,"y":null},null],{"k":{"w":1}},null],)"
            R"([2,null,null,null,null,null],)"
            R"([9000000000,"big",{"aa":2,"b":"y","c":3},[{"x":2,"y":3}],{"k":{"w":2}},5E-1]])");
  EXPECT_EQ(lake().text("SELECT count(*) FROM evolved WHERE id > 1 AND title IS NOT NULL"),
            "[[1]]");
  EXPECT_EQ(lake().text("SELECT typeof(id), typeof(s) FROM evolved LIMIT 1"),
            R"x([["BIGINT","STRUCT(aa INTEGER, b VARCHAR, c INTEGER)"]])x");
}

TEST_F(QueryServiceTest, ATableIsReadAsItWas) {
  ASSERT_THAT(lake().rows("CREATE TABLE travelled AS SELECT 1 AS a"), IsOk());
  const auto first =
      lake().catalog().load_table(engine::testing::patient_context(), {{"main"}, "travelled"});
  ASSERT_THAT(first, IsOk());
  const std::string id = std::to_string(first->metadata->current_snapshot()->snapshot_id);
  ASSERT_THAT(lake().rows("INSERT INTO travelled VALUES (2)"), IsOk());
  EXPECT_EQ(lake().text("SELECT count(*) FROM travelled"), "[[2]]");
  EXPECT_EQ(lake().text("SELECT count(*) FROM travelled AT (VERSION => " + id + ")"), "[[1]]");
  EXPECT_EQ(lake().text("SELECT count(*) FROM travelled AT (VERSION => 'main')"), "[[2]]");
  EXPECT_EQ(lake().text("SELECT (SELECT count(*) FROM travelled AT (VERSION => " + id +
                        ")), (SELECT count(*) FROM travelled)"),
            "[[1,2]]");
  EXPECT_EQ(lake().text("SELECT count(*) FROM travelled AT (TIMESTAMP => TIMESTAMP '2100-01-01')"),
            "[[2]]");
  EXPECT_THAT(lake().text("FROM travelled AT (VERSION => 5)"), HasSubstr("5"));
  EXPECT_THAT(lake().text("FROM travelled AT (TIMESTAMP => TIMESTAMP '2001-01-01')"),
              HasSubstr("travelled"));
  EXPECT_THAT(lake().text("FROM travelled AT (TIMESTAMP => now())"), StartsWith("INVALID"));
  SqlRequest request;
  request.sql = "SELECT count(*) FROM travelled";
  request.as_of = "2100-01-01T00:00:00Z";
  EXPECT_THAT(lake().rows(request), IsOk());
  request.as_of = "yesterday";
  EXPECT_THAT(lake().rows(request), FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(QueryServiceTest, AKeyMakesAWriteHappenOnce) {
  ASSERT_THAT(lake().rows("CREATE TABLE keyed (a INTEGER)"), IsOk());
  SqlRequest request;
  request.sql = "INSERT INTO keyed VALUES (1), (2)";
  request.idempotency_key = "k1";
  request.fingerprint = "f1";
  for (int i = 0; i < 2; ++i) {
    const auto rows = lake().rows(request);
    ASSERT_THAT(rows, IsOk());
    EXPECT_EQ(to_json(*rows), "[[2]]");
  }
  EXPECT_EQ(lake().text("SELECT count(*) FROM keyed"), "[[2]]");
  request.fingerprint = "f2";
  EXPECT_THAT(lake().rows(request), FailsWith(ErrorCode::AlreadyExists));
  request.sql = "ALTER TABLE keyed ADD COLUMN b INTEGER";
  request.idempotency_key = "k2";
  EXPECT_THAT(lake().rows(request), IsOk());
  EXPECT_THAT(lake().rows(request), IsOk());
}

TEST_F(QueryServiceTest, WritesAnswerInEveryEncoding) {
  ASSERT_THAT(lake().rows("CREATE TABLE counted (a INTEGER)"), IsOk());
  for (const auto& [encoding, text] : std::vector<std::pair<engine::Encoding, std::string>>{
           {engine::Encoding::Ndjson, "{\"Count\":1}\n"},
           {engine::Encoding::Csv, "Count\r\n1\r\n"}}) {
    SqlRequest request;
    request.sql = "INSERT INTO counted VALUES (1)";
    request.encoding = encoding;
    auto answer = lake().service().run(engine::testing::patient_context(), request);
    ASSERT_THAT(answer, IsOk());
    EXPECT_EQ(answer->snapshot_ids.size(), 1U);
    const auto bytes = answer->stream->next(answer->context);
    ASSERT_THAT(bytes, IsOk());
    EXPECT_EQ(**bytes, text);
  }
  SqlRequest request;
  request.sql = "INSERT INTO counted VALUES (1)";
  request.encoding = engine::Encoding::ArrowStream;
  EXPECT_THAT(lake().service().run(engine::testing::patient_context(), request), IsOk());
  EXPECT_EQ(lake().text("SELECT count(*) FROM counted"), "[[3]]");
}

TEST_F(QueryServiceTest, ARunningQueryIsListedAndCancelled) {
  Result<boost::json::array> rows = fail(ErrorCode::Internal, "not run");
  std::thread runner([&rows] { rows = lake().rows("SELECT count(*) FROM range(1000000000000)"); });
  std::vector<RunningQuery> running;
  while (running.empty()) {
    running = lake().service().running();
    std::this_thread::yield();
  }
  EXPECT_THAT(running.front().sql, HasSubstr("range"));
  EXPECT_TRUE(lake().service().cancel(running.front().id));
  runner.join();
  EXPECT_THAT(rows, FailsWith(ErrorCode::Cancelled));
  EXPECT_FALSE(lake().service().cancel(running.front().id));
  EXPECT_THAT(lake().service().running(), ::testing::IsEmpty());
}

TEST_F(QueryServiceTest, ATimeOutIsKept) {
  SqlRequest request;
  request.sql = "SELECT count(*) FROM range(1000000000000)";
  request.timeout = std::chrono::milliseconds(100);
  const auto rows = lake().rows(request);
  ASSERT_THAT(rows, FailsWith(ErrorCode::DeadlineExceeded));
}

TEST_F(QueryServiceTest, FiltersReachTheFile) {
  ASSERT_THAT(lake().rows("CREATE TABLE pushed AS SELECT range AS a, range::VARCHAR AS b "
                          "FROM range(1000)"),
              IsOk());
  SqlRequest request;
  request.sql = "SELECT b FROM pushed WHERE a = 5";
  const auto plan = lake().service().explain(engine::testing::patient_context(), request);
  ASSERT_THAT(plan, IsOk());
  EXPECT_THAT(*plan, HasSubstr("a=5"));
  EXPECT_THAT(*plan, HasSubstr("READ_PARQUET"));
}

}  // namespace
}  // namespace lakehouse::query
