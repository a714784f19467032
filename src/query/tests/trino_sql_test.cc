#include "query/trino_sql.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "query/testing/lake_fixture.h"
#include "query/trino_types.h"

namespace lakehouse::query {
namespace {

using boost::json::object;
using boost::json::value;

/// Marks the references to `names`, as planning does.
void mark(value& at, const std::vector<std::string>& names) {
  if (boost::json::array* list = at.if_array()) {
    for (value& one : *list) {
      mark(one, names);
    }
  } else if (object* node = at.if_object()) {
    for (auto& member : *node) {
      mark(member.value(), names);
    }
    const value* table = node->if_contains("table_name");
    if (table == nullptr || !table->is_string()) {
      return;
    }
    const auto name = std::ranges::find(names, std::string_view(table->get_string()));
    if (name != names.end()) {
      (*node)[kPinnedMember] = name - names.begin();
    }
  }
}

class TrinoSql : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    lake_ = new testing::TestLake();
    lake_->text(
        "CREATE TABLE t (a BIGINT, b DECIMAL(12,2), s VARCHAR, d DATE, f DOUBLE, i INTEGER, "
        "x STRUCT(y INTEGER, z VARCHAR))");
    lake_->text(
        "INSERT INTO t VALUES (1, 1.5, 'x', DATE '2024-01-31', 0.5, 2, {'y': 1, 'z': 'q'})");
    lake_->text("CREATE TABLE empty (a BIGINT)");
    lake_->text("CREATE TABLE later (a INTEGER)");
    lake_->text("INSERT INTO later VALUES (1)");
    lake_->text("ALTER TABLE later ADD COLUMN b VARCHAR");
  }
  static void TearDownTestSuite() { delete lake_; }

  static std::string translated(const std::string& sql, const value& parameters = nullptr) {
    const RequestContext context = engine::testing::patient_context();
    auto statements = testing::value_or_throw(lake_->engine().parse(context, sql));
    value tree = std::move(statements.at(0).tree);
    const std::vector<std::string> names{"t", "empty", "later"};
    mark(tree, names);
    std::vector<PinnedTable> tables;
    for (const std::string& name : names) {
      const catalog::TableIdentifier identifier{.name_space = {"main"}, .name = name};
      const auto loaded = testing::value_or_throw(lake_->catalog().load_table(context, identifier));
      tables.push_back({identifier, loaded.metadata, loaded.metadata->current_snapshot(),
                        loaded.metadata->current_schema()});
    }
    const auto made = translate_to_trino(tree.as_object(), tables, parameters, "lake");
    if (!made) {
      return std::string(to_string(made.error().code)) + ": " + made.error().message;
    }
    std::string out = *made;
    for (const PinnedTable& table : tables) {
      if (table.snapshot != nullptr) {
        const std::string id = std::to_string(table.snapshot->snapshot_id);
        for (std::size_t at = out.find(id); at != std::string::npos; at = out.find(id)) {
          out.replace(at, id.size(), "ID");
        }
      }
    }
    return out;
  }
  static std::string expression(const std::string& sql) {
    const std::string all = translated("SELECT " + sql + " FROM t");
    const std::string_view end = R"( AS c0 FROM "lake"."main"."t" FOR VERSION AS OF ID AS t1)";
    return all.starts_with("SELECT ") && all.ends_with(end)
               ? all.substr(7, all.size() - 7 - end.size())
               : all;
  }

  static inline testing::TestLake* lake_ = nullptr;
};

TEST_F(TrinoSql, TablesAreReadAtTheirSnapshots) {
  EXPECT_EQ(translated("SELECT a FROM t"),
            R"(SELECT t1."a" AS c0 FROM "lake"."main"."t" FOR VERSION AS OF ID AS t1)");
  EXPECT_EQ(translated("SELECT * FROM empty"),
            R"(SELECT t1."a" AS c0 FROM (SELECT CAST(NULL AS bigint) AS "a" WHERE false) AS t1)");
  // Trino would see the schema that the snapshot was written with.
  EXPECT_EQ(
      translated("SELECT * FROM later"),
      R"(SELECT t1."a" AS c0, t1."b" AS c1 FROM (SELECT CAST("a" AS integer) AS "a", )"
      R"(CAST(NULL AS varchar) AS "b" FROM "lake"."main"."later" FOR VERSION AS OF ID) AS t1)");
}

TEST_F(TrinoSql, ExpressionsMeanWhatTheyMeanHere) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a / i", R"((CAST(t1."a" AS double) / CAST(t1."i" AS double)))"},
      {"a // i", R"((t1."a" / nullif(t1."i", 0)))"},
      {"a % 3", R"((t1."a" % nullif(3, 0)))"},
      {"b * (1 - 0.05)", R"((t1."b" * (1 - DECIMAL '0.05')))"},
      {"-a", R"((-t1."a"))"},
      {"sum(a)", R"(sum(CAST(t1."a" AS decimal(38,0))))"},
      {"sum(i)", R"(sum(t1."i"))"},
      {"avg(b)", R"((CAST(sum(t1."b") AS double) / count(t1."b")))"},
      {"count(*) FILTER (WHERE a > 1)", R"(count(*) FILTER (WHERE (t1."a" > 1)))"},
      {"count(DISTINCT s)", R"(count(DISTINCT t1."s"))"},
      {"d >= '2024-01-01'", R"((t1."d" >= CAST('2024-01-01' AS date)))"},
      {"d + INTERVAL 3 MONTH", R"((CAST(t1."d" AS timestamp(6)) + INTERVAL '3' MONTH))"},
      {"d - INTERVAL '90' DAY", R"((CAST(t1."d" AS timestamp(6)) - INTERVAL '90' DAY))"},
      {"d - DATE '2024-01-01'", R"(date_diff('day', CAST('2024-01-01' AS date), t1."d"))"},
      {"date_trunc('month', d)", R"(date_trunc('month', CAST(t1."d" AS timestamp(6))))"},
      {"extract(year FROM d)", R"(year(t1."d"))"},
      {"dayofweek(d)", R"((day_of_week(t1."d") % 7))"},
      {"trim(s)", R"(trim(BOTH ' ' FROM t1."s"))"},
      {"s || 'it''s'", R"(concat(t1."s", 'it''s'))"},
      {"concat(s, 'x')", R"(concat('', '', coalesce(t1."s", ''), coalesce('x', '')))"},
      {"concat(NULL, s)", R"(concat('', '', coalesce(NULL, ''), coalesce(t1."s", '')))"},
      {"round(b, 1)", R"(CAST(round(t1."b", 1) AS decimal(13,1)))"},
      {"s LIKE 'a%'", R"((t1."s" LIKE 'a%'))"},
      {"substring(s FROM 1 FOR 2)", R"(substr(t1."s", 1, 2))"},
      {"CASE WHEN a = 1 THEN 2 ELSE b END", R"((CASE WHEN (t1."a" = 1) THEN 2 ELSE t1."b" END))"},
      {"a IN (1, 2)", R"((t1."a" IN (1, 2)))"},
      {"a NOT BETWEEN 1 AND 2", R"((NOT (t1."a" BETWEEN 1 AND 2)))"},
      {"a IS DISTINCT FROM 2", R"((t1."a" IS DISTINCT FROM 2))"},
      {"coalesce(s, '-')", R"(coalesce(t1."s", '-'))"},
      {"x.y", R"(t1."x"."y")"},
      {"row_number() OVER (PARTITION BY s ORDER BY a DESC)",
       R"(row_number() OVER (PARTITION BY t1."s" ORDER BY t1."a" DESC NULLS LAST))"},
      {"sum(i) OVER (ORDER BY a ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)",
       R"(sum(t1."i") OVER (ORDER BY t1."a" ASC NULLS LAST ROWS BETWEEN 2 PRECEDING AND CURRENT )"
       "ROW)"},
      {"12345678901", "BIGINT '12345678901'"},
      {"170141183460469231731687303715884105727",
       "DECIMAL '170141183460469231731687303715884105727'"},
      {"1e300", "DOUBLE '1e+300'"},
  };
  for (const auto& [sql, expected] : cases) {
    EXPECT_EQ(expression(sql), expected) << sql;
  }
}

TEST_F(TrinoSql, QueriesKeepTheirMeaning) {
  const std::string t = R"("lake"."main"."t" FOR VERSION AS OF ID)";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"SELECT s AS k, sum(i) AS n FROM t GROUP BY k HAVING n > 1 ORDER BY n DESC, 1 LIMIT 3",
       R"(SELECT t1."s" AS c0, sum(t1."i") AS c1 FROM )" + t +
           R"( AS t1 GROUP BY 1 HAVING (sum(t1."i") > 1) ORDER BY 2 DESC NULLS LAST, )"
           "1 ASC NULLS LAST LIMIT 3"},
      {"SELECT s, count(*) FROM t GROUP BY ALL",
       R"(SELECT t1."s" AS c0, count(*) AS c1 FROM )" + t + " AS t1 GROUP BY 1"},
      {"WITH w AS (SELECT a FROM t) SELECT * FROM w AS one JOIN w AS two USING (a)",
       R"(WITH w2 AS (SELECT t1."a" AS c0 FROM )" + t +
           " AS t1) SELECT t3.c0 AS c0 FROM w2 AS t3 INNER JOIN w2 AS t4 ON t3.c0 = t4.c0"},
      {"SELECT a FROM t WHERE a > (SELECT avg(u.a) FROM t AS u WHERE u.s = t.s)",
       R"(SELECT t1."a" AS c0 FROM )" + t +
           R"( AS t1 WHERE (t1."a" > (SELECT (CAST(sum(CAST(t2."a" AS decimal(38,0))) AS double) )"
           R"(/ count(t2."a")) AS c0 FROM )" +
           t + R"( AS t2 WHERE (t2."s" = t1."s"))))"},
      {"SELECT a FROM t UNION ALL SELECT i FROM t ORDER BY a LIMIT 1 OFFSET 2",
       R"((SELECT t1."a" AS c0 FROM )" + t + R"( AS t1) UNION ALL (SELECT t2."i" AS c0 FROM )" + t +
           " AS t2) ORDER BY 1 ASC NULLS LAST OFFSET 2 LIMIT 1"},
      {"SELECT * FROM (VALUES (1, 'a'), (2, NULL)) v(n, m)",
       "SELECT t2.c0 AS c0, t2.c1 AS c1 FROM (SELECT t1.c0 AS c0, t1.c1 AS c1 FROM (VALUES (1, "
       "'a'), (2, NULL)) AS t1 (c0, c1)) AS t2 (c0, c1)"},
      {"SELECT DISTINCT * EXCLUDE (b, s, d, f, x) REPLACE (a + 1 AS a) FROM t",
       R"(SELECT DISTINCT (t1."a" + 1) AS c0, t1."i" AS c1 FROM )" + t + " AS t1"},
      {"SELECT EXISTS (SELECT * FROM empty) AS e",
       R"(SELECT (EXISTS (SELECT t1."a" AS c0 FROM (SELECT CAST(NULL AS bigint) AS "a" WHERE )"
       "false) AS t1)) AS c0"},
  };
  for (const auto& [sql, expected] : cases) {
    EXPECT_EQ(translated(sql), expected) << sql;
  }
}

TEST_F(TrinoSql, WhatIsNotSafeIsRefusedByName) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"SELECT greatest(a, i) FROM t", "greatest(BIGINT, INTEGER)"},
      {"SELECT f::INTEGER FROM t", "a cast of DOUBLE to INTEGER"},
      {"SELECT f::VARCHAR FROM t", "a cast of DOUBLE to VARCHAR"},
      {"SELECT s = a FROM t", "VARCHAR together with BIGINT"},
      {"SELECT regexp_matches(s, 'a') FROM t", "regexp_matches(VARCHAR, VARCHAR)"},
      {"SELECT substring(s, 0, 2) FROM t", "substring(VARCHAR, INTEGER, INTEGER)"},
      {"SELECT list(a) FROM t", "list(BIGINT)"},
      {"SELECT random() FROM t", "random()"},
      {"SELECT string_agg(s, ',') FROM t", "string_agg(VARCHAR, VARCHAR)"},
      {"SELECT a FROM t QUALIFY row_number() OVER () = 1", "QUALIFY"},
      {"SELECT DISTINCT ON (s) a FROM t", "DISTINCT ON"},
      {"SELECT a FROM t GROUP BY ROLLUP (a)", "GROUPING SETS, ROLLUP or CUBE"},
      {"SELECT COLUMNS('a') FROM t", "COLUMNS(), or a star with RENAME"},
      {"SELECT a FROM range(3) r(a)", "a table function"},
      {"SELECT a FROM t USING SAMPLE 10%", "a sample"},
      {"WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT n FROM r",
       "WITH RECURSIVE"},
      {"SELECT a FROM t NATURAL JOIN later", "a natural join"},
      {"SELECT a FROM t, later", "the name a, which two columns have"},
      {"SELECT nope FROM t", "the name nope"},
      {"SELECT a FROM t LIMIT 10%", "a clause LIMIT_PERCENT_MODIFIER"},
  };
  for (const auto& [sql, expected] : cases) {
    EXPECT_EQ(
        translated(sql),
        "UNIMPLEMENTED: the cluster cannot run this statement as it is meant here: " + expected)
        << sql;
  }
}

TEST_F(TrinoSql, ParametersBecomeLiterals) {
  EXPECT_EQ(translated("SELECT $1, $2, $3, $4", value{"it's", 7, nullptr, true}),
            "SELECT 'it''s' AS c0, BIGINT '7' AS c1, NULL AS c2, true AS c3");
  EXPECT_EQ(translated("SELECT $name", object{{"NAME", 1.5}}), "SELECT DOUBLE '1.5' AS c0");
  EXPECT_EQ(translated("SELECT $1", boost::json::array{}),
            "INVALID_ARGUMENT: the parameter $1 has no value");
}

TEST(TrinoTypes, AColumnIsFaithfulIfNothingIsLost) {
  EXPECT_TRUE(trino::is_faithful("bigint", "HUGEINT"));
  EXPECT_TRUE(trino::is_faithful("decimal(38, 0)", "HUGEINT"));
  EXPECT_TRUE(trino::is_faithful("decimal(12,2)", "DECIMAL(38,2)"));
  EXPECT_TRUE(trino::is_faithful("date", "TIMESTAMP"));
  EXPECT_TRUE(trino::is_faithful("timestamp(6) with time zone", "TIMESTAMP WITH TIME ZONE"));
  EXPECT_TRUE(trino::is_faithful("varchar(3)", "VARCHAR"));
  EXPECT_FALSE(trino::is_faithful("decimal(12,3)", "DECIMAL(38,2)"));
  EXPECT_FALSE(trino::is_faithful("double", "BIGINT"));
  EXPECT_FALSE(trino::is_faithful("varchar", "BIGINT"));
  EXPECT_FALSE(trino::is_faithful("timestamp(6)", "DATE"));
}

}  // namespace
}  // namespace lakehouse::query
