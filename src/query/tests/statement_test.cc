#include "query/statement.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "base/testing/matchers.h"

namespace lakehouse::query {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class T>
T parsed(const std::string& sql) {
  const auto statement = parse_statement(sql);
  EXPECT_THAT(statement, IsOk()) << sql;
  if (!statement || !std::holds_alternative<T>(*statement)) {
    ADD_FAILURE() << "another kind of statement: " << sql;
    return {};
  }
  return std::get<T>(*statement);
}

TEST(Statement, EveryFormOfASelectIsLeftToTheEngine) {
  for (const char* sql :
       {"SELECT 1", "select 1;", "(SELECT 1)", "WITH a AS (SELECT 1) SELECT * FROM a", "FROM t",
        "VALUES (1)", "TABLE t", "DESCRIBE t", "DESC t", "SUMMARIZE t", "SHOW TABLES",
        "PIVOT t ON a USING sum(b)", "UNPIVOT t ON a INTO NAME b VALUE c",
        "/* INSERT */ SELECT ';'", "WITH insert_x AS (SELECT 1) FROM insert_x;;"}) {
    SCOPED_TRACE(sql);
    const auto select = parsed<SelectStatement>(sql);
    EXPECT_THAT(std::string(sql), ::testing::StartsWith(select.sql));
  }
}

TEST(Statement, SeveralStatementsAreRefusedWithThePositionOfTheSecond) {
  const auto two = parse_statement("SELECT 1; DROP TABLE t");
  ASSERT_THAT(two, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_EQ(two.error().position_bytes, 8U);
  EXPECT_THAT(parse_statement(""), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(parse_statement(" ; "), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(parse_statement("-- nothing"), FailsWith(ErrorCode::InvalidArgument));
}

TEST(Statement, InsertKeepsThePositionsOfItsSource) {
  const auto insert = parsed<InsertStatement>("INSERT INTO a.\"b c\" (x, \"Y\") SELECT 1, 2;");
  EXPECT_THAT(insert.table.parts, ElementsAre("a", "b c"));
  EXPECT_EQ(insert.table.position, 12U);
  EXPECT_THAT(insert.columns, ElementsAre("x", "Y"));
  EXPECT_EQ(insert.source.sql, std::string(29, ' ') + "SELECT 1, 2");
}

TEST(Statement, InsertTakesEverySource) {
  EXPECT_TRUE(parsed<InsertStatement>("INSERT INTO t BY NAME SELECT 1 AS a").by_name);
  EXPECT_FALSE(parsed<InsertStatement>("INSERT INTO t BY POSITION FROM u").by_name);
  EXPECT_THAT(parsed<InsertStatement>("INSERT INTO t (SELECT 1)").columns, ElementsAre());
  EXPECT_THAT(parsed<InsertStatement>("INSERT INTO t ((SELECT 1))").columns, ElementsAre());
  EXPECT_THAT(parsed<InsertStatement>("INSERT INTO t (a) (VALUES (1))").columns, ElementsAre("a"));
  EXPECT_THAT(parsed<InsertStatement>("INSERT INTO t VALUES ((SELECT 1), ')')").columns,
              ElementsAre());
  const auto with = parsed<InsertStatement>("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a");
  EXPECT_EQ(with.source.sql, "WITH a AS (SELECT 1)               SELECT * FROM a");
  EXPECT_THAT(with.table.parts, ElementsAre("t"));
}

TEST(Statement, CreateTableReadsColumnsAndPartitions) {
  const auto create = parsed<CreateTableStatement>(
      "CREATE TABLE IF NOT EXISTS lake.s.t (id INTEGER NOT NULL, \"a b\" DECIMAL(10, 2), "
      "s STRUCT(a INT, b VARCHAR[])[] COMMENT 'why', d DOUBLE PRECISION NULL) "
      "PARTITIONED BY (id, bucket(16, id), truncate(\"a b\", 4), days(at)) WITH ('k' = 'v');");
  EXPECT_THAT(create.table.parts, ElementsAre("lake", "s", "t"));
  EXPECT_EQ(create.if_exists, IfExists::Keep);
  EXPECT_THAT(create.definition.columns,
              ElementsAre(ColumnDefinition{"id", "INTEGER", true, {}, {}},
                          ColumnDefinition{"a b", "DECIMAL(10, 2)", false, {}, {}},
                          ColumnDefinition{"s", "STRUCT(a INT, b VARCHAR[])[]", false, "why", {}},
                          ColumnDefinition{"d", "DOUBLE PRECISION", false, {}, {}}));
  EXPECT_THAT(create.definition.partition_by,
              ElementsAre(PartitionDefinition{"id", "identity", {}},
                          PartitionDefinition{"id", "bucket[16]", {}},
                          PartitionDefinition{"a b", "truncate[4]", {}},
                          PartitionDefinition{"at", "day", {}}));
  EXPECT_THAT(create.definition.properties, ElementsAre(std::pair("k", "v")));
  EXPECT_FALSE(create.source.has_value());
}

TEST(Statement, DefaultsAreConstants) {
  const auto create = parsed<CreateTableStatement>(
      "CREATE TABLE t (a INT DEFAULT -3 NOT NULL, b VARCHAR DEFAULT 'it''s', c DATE DEFAULT DATE "
      "'2024-01-31', d BOOLEAN DEFAULT TRUE, e INT DEFAULT NULL)");
  std::vector<std::optional<std::string>> defaults;
  for (const ColumnDefinition& column : create.definition.columns) {
    defaults.push_back(column.default_value);
  }
  EXPECT_THAT(defaults, ElementsAre("-3", "it's", "2024-01-31", "true", std::nullopt));
  EXPECT_TRUE(create.definition.columns[0].required);
  const auto set = parsed<AlterTableStatement>("ALTER TABLE t ALTER COLUMN a SET DEFAULT 1.5");
  EXPECT_EQ(std::get<SetColumnDefault>(set.action).value, "1.5");
  const auto drop = parsed<AlterTableStatement>("ALTER TABLE t ALTER a DROP DEFAULT");
  EXPECT_EQ(std::get<SetColumnDefault>(drop.action).value, std::nullopt);
}

TEST(Statement, CreateTableAsKeepsThePositionsOfItsSource) {
  const auto create =
      parsed<CreateTableStatement>("CREATE OR REPLACE TABLE t PARTITIONED BY (a) AS\nFROM u");
  EXPECT_EQ(create.if_exists, IfExists::Replace);
  ASSERT_TRUE(create.source.has_value());
  EXPECT_EQ(create.source->sql, std::string(47, ' ') + "\nFROM u");
  EXPECT_THAT(create.definition.partition_by,
              ElementsAre(PartitionDefinition{"a", "identity", {}}));
}

TEST(Statement, AlterTableReadsEachAction) {
  const auto add = parsed<AlterTableStatement>(
      "ALTER TABLE IF EXISTS t ADD COLUMN IF NOT EXISTS s.x INTEGER NOT NULL");
  EXPECT_TRUE(add.if_exists);
  const auto& column = std::get<AddColumn>(add.action);
  EXPECT_THAT(column.parent, ElementsAre("s"));
  EXPECT_EQ(column.column, (ColumnDefinition{"x", "INTEGER", true, {}, {}}));
  EXPECT_TRUE(column.if_not_exists);

  EXPECT_THAT(
      std::get<DropColumn>(parsed<AlterTableStatement>("ALTER TABLE t DROP a.b").action).path,
      ElementsAre("a", "b"));
  const auto rename =
      std::get<RenameColumn>(parsed<AlterTableStatement>("ALTER TABLE t RENAME a TO b").action);
  EXPECT_THAT(rename.path, ElementsAre("a"));
  EXPECT_EQ(rename.new_name, "b");
  EXPECT_EQ(std::get<RenameTable>(parsed<AlterTableStatement>("ALTER TABLE t RENAME TO u").action)
                .new_name,
            "u");
  for (const char* sql :
       {"ALTER TABLE t ALTER a TYPE BIGINT", "ALTER TABLE t ALTER COLUMN a SET DATA TYPE BIGINT",
        "ALTER TABLE t ALTER a SET TYPE BIGINT"}) {
    SCOPED_TRACE(sql);
    EXPECT_EQ(std::get<ChangeColumnType>(parsed<AlterTableStatement>(sql).action).type, "BIGINT");
  }
  EXPECT_TRUE(std::holds_alternative<SetNotNull>(
      parsed<AlterTableStatement>("ALTER TABLE t ALTER a SET NOT NULL").action));
  EXPECT_TRUE(std::holds_alternative<DropNotNull>(
      parsed<AlterTableStatement>("ALTER TABLE t ALTER a DROP NOT NULL").action));
  EXPECT_TRUE(std::holds_alternative<SetPartitioning>(
      parsed<AlterTableStatement>("ALTER TABLE t SET PARTITIONED BY (a)").action));
}

TEST(Statement, DropAndSchemasAndExplain) {
  EXPECT_TRUE(parsed<DropTableStatement>("DROP TABLE IF EXISTS a.b").if_exists);
  EXPECT_TRUE(parsed<CreateSchemaStatement>("CREATE SCHEMA IF NOT EXISTS a").if_not_exists);
  EXPECT_TRUE(parsed<DropSchemaStatement>("DROP SCHEMA a CASCADE").cascade);
  EXPECT_EQ(parsed<ExplainStatement>("EXPLAIN SELECT 1").select.sql, "        SELECT 1");
  EXPECT_TRUE(parsed<ExplainStatement>("EXPLAIN ANALYZE FROM t").analyze);
  EXPECT_EQ(parsed<ExplainStatement>("EXPLAIN INSERT INTO t SELECT 1").write,
            "        INSERT INTO t SELECT 1");
  EXPECT_EQ(parsed<ExplainStatement>("EXPLAIN WITH a AS (SELECT 1) DELETE FROM t;").write,
            "        WITH a AS (SELECT 1) DELETE FROM t");
  EXPECT_EQ(parsed<ExplainStatement>("EXPLAIN CREATE TABLE t AS FROM u").select.sql,
            "                          FROM u");
}

TEST(Statement, ChangesAreCutIntoExpressionsAndASource) {
  const auto update = parsed<ChangeStatement>(
      "WITH q AS (SELECT 1) UPDATE a.t AS x SET m = CASE WHEN b THEN ? END, x.n = DEFAULT, (o, p) "
      "= "
      "(1, f(2, 3)) FROM u, (SELECT 2) v WHERE x.a IS DISTINCT FROM ? RETURNING *, a");
  EXPECT_EQ(update.table.parts, (std::vector<std::string>{"a", "t"}));
  EXPECT_EQ(update.alias, "x");
  EXPECT_EQ(update.parts.sql,
            "WITH q AS (SELECT 1) SELECT (CASE WHEN b THEN $1  END), (1), (f(2, 3)), (x.a IS "
            "DISTINCT FROM $2 ) FROM u, (SELECT 2) v");
  EXPECT_EQ(update.expressions, 4U);
  EXPECT_EQ(update.condition, 3U);
  ASSERT_EQ(update.clauses.size(), 1U);
  ASSERT_EQ(update.clauses[0].assignments.size(), 4U);
  EXPECT_FALSE(update.clauses[0].assignments[1].expression);
  EXPECT_EQ(update.returning->sql, "SELECT *, a");
  const auto merge = parsed<ChangeStatement>(
      "MERGE INTO t USING u AS s ON t.a = s.a WHEN MATCHED AND CASE WHEN s.b THEN true END THEN "
      "UPDATE SET b = s.b WHEN NOT MATCHED BY TARGET THEN INSERT (a, b) VALUES (s.a, DEFAULT) WHEN "
      "NOT MATCHED BY SOURCE THEN DELETE WHEN MATCHED THEN ERROR 'x'");
  EXPECT_EQ(merge.parts.sql,
            "SELECT (t.a = s.a), (CASE WHEN s.b THEN true END), (s.b), (s.a), ('x') FROM u AS s");
  ASSERT_EQ(merge.clauses.size(), 4U);
  EXPECT_EQ(merge.clauses[1].when, ChangeClause::When::NotMatched);
  EXPECT_EQ(merge.clauses[2].when, ChangeClause::When::NotMatchedBySource);
  EXPECT_EQ(merge.clauses[3].message, 4U);
  // A place in what was put together is one in the statement.
  const std::string sql = "DELETE FROM t USING u WHERE broken";
  const auto remove = parsed<ChangeStatement>(sql);
  EXPECT_EQ(remove.parts.sql, "SELECT (broken) FROM u");
  EXPECT_EQ(remove.parts.position(8), sql.find("broken"));
  EXPECT_EQ(remove.parts.position(0), std::nullopt);
}

TEST(Statement, InsertsHaveATail) {
  const auto insert = parsed<InsertStatement>(
      "INSERT INTO t AS o (a, b) SELECT 1, 2 ON CONFLICT (a) DO UPDATE SET b = excluded.b WHERE "
      "o.b "
      "> 1 RETURNING a");
  EXPECT_EQ(insert.alias, "o");
  EXPECT_EQ(insert.source.sql, "                          SELECT 1, 2");
  EXPECT_EQ(insert.on_conflict->key, std::vector<std::string>{"a"});
  EXPECT_EQ(insert.on_conflict->parts.sql, "SELECT (excluded.b), (o.b > 1)");
  EXPECT_EQ(insert.returning->sql, "SELECT a");
  EXPECT_TRUE(parsed<InsertStatement>("INSERT OR REPLACE INTO t VALUES (1)").on_conflict->updates);
}

TEST(Statement, TransactionsKeepPositions) {
  const std::string sql =
      "BEGIN TRANSACTION; DELETE FROM t;; INSERT INTO t VALUES (';'); END WORK;";
  const auto transaction = parsed<TransactionStatement>(sql);
  EXPECT_TRUE(transaction.commits);
  ASSERT_EQ(transaction.statements.size(), 2U);
  EXPECT_EQ(transaction.statements[1].find("INSERT"), sql.find("INSERT"));
  EXPECT_FALSE(parsed<TransactionStatement>("START TRANSACTION; ROLLBACK").commits);
}

TEST(Statement, WhatIsNotSupportedIsRefusedByName) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"COPY t TO 'x'", "COPY"},
      {"ATTACH 'x'", "ATTACH"},
      {"PRAGMA version", "PRAGMA"},
      {"SET a = 1", "SET"},
      {"INSTALL x", "INSTALL"},
      {"LOAD x", "LOAD"},
      {"CALL x()", "CALL"},
      {"BEGIN", "COMMIT"},
      {"BEGIN; SELECT 1", "COMMIT"},
      {"BEGIN; BEGIN; COMMIT", "another"},
      {"BEGIN; SELECT 1; COMMIT; SELECT 2", "end of the statement"},
      {"BEGIN; DELETE FROM t WHERE a = ?; COMMIT", "parameters"},
      {"COMMIT", "no transaction"},
      {"DELETE t", "FROM"},
      {"DELETE FROM t WHERE", "condition"},
      {"UPDATE t", "SET"},
      {"UPDATE t SET a", "'='"},
      {"UPDATE t SET a.b.c = 1", "field"},
      {"UPDATE t SET (a, b) = (1)", "more columns"},
      {"UPDATE t SET (a, b) = (SELECT 1, 2)", "values in brackets"},
      {"UPDATE t SET a = 1, A = 2", "twice"},
      {"UPDATE t SET a = 1 RETURNING", "columns"},
      {"MERGE INTO t USING u", "ON"},
      {"MERGE INTO t USING u ON a = b", "WHEN"},
      {"MERGE INTO t USING u ON a = b WHEN MATCHED THEN INSERT", "NOT MATCHED"},
      {"MERGE INTO t USING u ON a = b WHEN NOT MATCHED THEN DELETE", "NOT MATCHED"},
      {"MERGE INTO t USING u ON a = b WHEN NOT MATCHED THEN INSERT (a) VALUES (1, 2)",
       "more values"},
      {"INSERT OR ABORT INTO t VALUES (1)", "REPLACE"},
      {"INSERT OR IGNORE INTO t VALUES (1) ON CONFLICT DO NOTHING", "exclude"},
      {"EXPORT DATABASE 'x'", "EXPORT"},
      {"PREPARE a AS SELECT 1", "PREPARE"},
      {"FROBNICATE", "FROBNICATE"},
      {"CREATE TEMP TABLE t AS SELECT 1", "TEMP"},
      {"CREATE SECRET s (TYPE s3)", "SECRET"},
      {"CREATE INDEX i ON t (a)", "INDEX"},
      {"CREATE OR REPLACE SCHEMA s", "SCHEMA"},
      {"CREATE TABLE t (a INT PRIMARY KEY)", "PRIMARY"},
      {"CREATE TABLE t (a INT, PRIMARY KEY (a))", "PRIMARY"},
      {"CREATE TABLE t (a INT UNIQUE)", "UNIQUE"},
      {"CREATE TABLE t (a INT CHECK (a > 0))", "CHECK"},
      {"CREATE TABLE t (a INT DEFAULT random())", "constant"},
      {"CREATE TABLE t (a INT DEFAULT (1 + 2))", "constant"},
      {"CREATE TABLE t (a INT DEFAULT - 'x')", "constant"},
      {"CREATE TABLE t (a INT, A INT)", "twice"},
      {"CREATE TABLE t (a INT) AS SELECT 1", "exclude"},
      {"CREATE TABLE t (a STRUCT(SELECT 1))", "SELECT"},
      {"CREATE TABLE t (a INT", "')'"},
      {"CREATE TABLE t", "columns"},
      {"CREATE TABLE 'x.parquet' (a INT)", "x.parquet"},
      {"INSERT INTO t DEFAULT VALUES", "DEFAULT"},
      {"INSERT INTO 'x.csv' VALUES (1)", "x.csv"},
      {"INSERT INTO t (a) BY NAME SELECT 1", "BY NAME"},
      {"INSERT INTO t", "SELECT"},
      {"ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)", "CONSTRAINT"},
      {"ALTER TABLE t ALTER a SET DEFAULT now()", "constant"},
      {"ALTER TABLE t ADD a INT, ADD b INT", "one change"},
      {"DROP TABLE a, b", "one table"},
      {"EXPLAIN ANALYZE INSERT INTO t VALUES (1)", "writes"},
      {"EXPLAIN DROP TABLE t", "plan"},
      {"EXPLAIN", "SELECT"},
  };
  for (const auto& [sql, word] : cases) {
    SCOPED_TRACE(sql);
    const auto statement = parse_statement(sql);
    ASSERT_THAT(statement, FailsWith(ErrorCode::InvalidArgument));
    EXPECT_THAT(statement.error().message, HasSubstr(word));
    EXPECT_TRUE(statement.error().position_bytes.has_value());
  }
}

TEST(Statement, KeywordsInQuotesAreNames) {
  EXPECT_THAT(parsed<InsertStatement>("INSERT INTO \"returning\" SELECT \"on\" FROM \"conflict\"")
                  .table.parts,
              ElementsAre("returning"));
  EXPECT_THAT(parsed<CreateTableStatement>("CREATE TABLE t (\"primary\" INT, \"check\" INT)")
                  .definition.columns,
              ::testing::SizeIs(2));
}

}  // namespace
}  // namespace lakehouse::query
