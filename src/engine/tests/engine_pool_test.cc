#include "engine/engine_pool.h"

#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "base/testing/matchers.h"
#include "engine/testing/engine_fixture.h"

namespace lakehouse::engine {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::patient_context;
using ::testing::SizeIs;
using testing::TestEngine;

Statement sql(std::string text, Encoding encoding = Encoding::Json) {
  Statement statement;
  statement.text = std::move(text);
  statement.encoding = encoding;
  return statement;
}

Result<std::string> drain(ResultStream& stream, const RequestContext& context) {
  std::string all;
  while (true) {
    LH_ASSIGN_OR_RETURN(const auto bytes, stream.next(context));
    if (!bytes) {
      return all;
    }
    all += *bytes;
  }
}

/// One child for the cases that leave it as it was.
class Engine : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { shared_ = std::make_unique<TestEngine>(); }
  static void TearDownTestSuite() { shared_.reset(); }

  static EnginePool& pool() { return shared_->pool(); }
  static const std::filesystem::path& folder() { return shared_->folder(); }

  static Result<std::string> run(Statement statement) {
    const RequestContext context = patient_context();
    LH_ASSIGN_OR_RETURN(const auto stream, pool().execute(context, std::move(statement)));
    return drain(*stream, context);
  }

  static std::string text(Statement statement) {
    const auto all = run(std::move(statement));
    EXPECT_THAT(all, IsOk());
    return all.value_or("");
  }

  static Error error_of(Statement statement) {
    const auto all = run(std::move(statement));
    EXPECT_FALSE(all.has_value());
    return all ? Error{} : all.error();
  }

  static std::string tree_of(std::string_view select) {
    const auto parsed = pool().parse(patient_context(), select);
    EXPECT_THAT(parsed, IsOk());
    return parsed && parsed->size() == 1 ? to_json(parsed->at(0).tree) : "";
  }

 private:
  static std::unique_ptr<TestEngine> shared_;
};

std::unique_ptr<TestEngine> Engine::shared_;

TEST_F(Engine, ParseTellsStatementsApart) {
  const std::string all =
      "/* a; b */ SELECT ';' AS x, $$;$$; insert into t values (1) ; \n"
      "with a as (select 1) delete from t where x in (select * from a); -- end;\n";
  const auto parsed = pool().parse(patient_context(), all);
  ASSERT_THAT(parsed, IsOk());
  ASSERT_THAT(*parsed, SizeIs(3));
  EXPECT_EQ(parsed->at(0).kind, "SELECT");
  EXPECT_EQ(parsed->at(0).text, "SELECT ';' AS x, $$;$$");
  EXPECT_EQ(parsed->at(0).offset_bytes, 11U);
  EXPECT_TRUE(parsed->at(0).tree.is_object());
  EXPECT_EQ(parsed->at(1).kind, "INSERT");
  EXPECT_EQ(parsed->at(1).text, "insert into t values (1)");
  EXPECT_TRUE(parsed->at(1).tree.is_null());
  EXPECT_EQ(parsed->at(2).kind, "DELETE");
}

TEST_F(Engine, ParseNamesTheKindOfWhatHasNoTree) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"create table t (a int)", "CREATE"},
      {"EXPLAIN SELECT 1", "EXPLAIN"},
      {"copy t to 'x'", "COPY"},
      {"alter table t add column b int", "ALTER"},
      {"merge into t using s on (t.a = s.a) when matched then delete", "MERGE"},
      {"pragma show_tables", "PRAGMA"},
      {"set memory_limit = '1GB'", "SET"},
      {"attach 'x.db'", "ATTACH"},
      {"show tables", "SELECT"},
      {"describe t", "SELECT"},
      {"(select 1) union all from x", "SELECT"},
  };
  for (const auto& [statement, kind] : cases) {
    SCOPED_TRACE(statement);
    const auto parsed = pool().parse(patient_context(), statement);
    ASSERT_THAT(parsed, IsOk());
    ASSERT_THAT(*parsed, SizeIs(1));
    EXPECT_EQ(parsed->at(0).kind, kind);
    EXPECT_EQ(parsed->at(0).text, statement);
  }
  const auto pivot = pool().parse(patient_context(), "pivot t on x using sum(y)");
  ASSERT_THAT(pivot, IsOk());
  EXPECT_EQ(pivot->at(0).kind, "SELECT");
  EXPECT_THAT(pivot->at(0).tree_problem, HasSubstr("PIVOT"));
}

TEST_F(Engine, ANumberThatIsNoneIsRefusedWhereItStands) {
  const auto parsed = pool().parse(patient_context(), "SELECT 1e308, -1e400");
  ASSERT_THAT(parsed, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_EQ(parsed.error().position_bytes, 14U);
  EXPECT_THAT(pool().parse(patient_context(), R"(SELECT '"value":Infinity}', 'inf'::DOUBLE)"),
              IsOk());
}

TEST_F(Engine, ParseOfNothingIsNothing) {
  for (const std::string_view empty : {"", "  ", ";;", "-- a comment", "/* one */;"}) {
    const auto parsed = pool().parse(patient_context(), empty);
    ASSERT_THAT(parsed, IsOk());
    EXPECT_THAT(*parsed, SizeIs(0));
  }
}

TEST_F(Engine, SyntaxErrorsHaveTheirPlaceInBytes) {
  const auto parsed = pool().parse(patient_context(), "SELECT 'é', é FROM FROM t");
  ASSERT_THAT(parsed, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_EQ(parsed.error().message, "syntax error at or near \"FROM\"");
  EXPECT_EQ(parsed.error().position_bytes, 21U);
  const auto second = pool().parse(patient_context(), "select 1; selct 2");
  ASSERT_THAT(second, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_EQ(second.error().position_bytes, 10U);
}

TEST_F(Engine, BadTextIsRefused) {
  EXPECT_THAT(pool().parse(patient_context(), "select '\xFF'"),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(pool().parse(patient_context(), std::string_view("select 1\0;", 10)),
              FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(Engine, ExecutesSqlAndTrees) {
  EXPECT_EQ(text(sql("SELECT 1, 'a', NULL")), "[1,\"a\",null]");
  Statement tree = sql(tree_of("SELECT i * 2 AS x FROM range(3) t(i) ORDER BY 1 DESC"));
  tree.is_tree = true;
  EXPECT_EQ(text(tree), "[4],\n[2],\n[0]");
}

TEST_F(Engine, ColumnsComeBeforeRows) {
  const auto stream =
      pool().execute(patient_context(),
                     sql("SELECT 1::DECIMAL(9,2) d, {'a': [1], 'b c': 'x'} s, MAP {'k': 1} m, "
                         "'a'::ENUM('a','b') e, "
                         "[1,2]::INT[2] r, '{}'::JSON j, TIMESTAMPTZ '2024-01-01' z WHERE false"));
  ASSERT_THAT(stream, IsOk());
  EXPECT_THAT((*stream)->columns(),
              ElementsAre(Column{"d", "DECIMAL(9,2)"},
                          Column{"s", R"(STRUCT("a" INTEGER[], "b c" VARCHAR))"},
                          Column{"m", "MAP(VARCHAR, INTEGER)"}, Column{"e", "ENUM('a', 'b')"},
                          Column{"r", "INTEGER[2]"}, Column{"j", "JSON"},
                          Column{"z", "TIMESTAMP WITH TIME ZONE"}));
  EXPECT_EQ(drain(**stream, patient_context()).value(), "");
  EXPECT_EQ((*stream)->end().row_count, 0U);
}

TEST_F(Engine, RowsPastTheLimitAreCutAndToldOf) {
  Statement statement = sql("SELECT i FROM range(5000) t(i)");
  for (const auto& [rows_max, truncated] : {std::pair{3000U, true}, {5000U, false}, {0U, true}}) {
    SCOPED_TRACE(rows_max);
    statement.rows_max = rows_max;
    const auto context = patient_context();
    const auto stream = pool().execute(context, statement);
    ASSERT_THAT(stream, IsOk());
    ASSERT_THAT(drain(**stream, context), IsOk());
    EXPECT_EQ((*stream)->end().row_count, rows_max);
    EXPECT_EQ((*stream)->end().truncated, truncated);
  }
}

TEST_F(Engine, ParametersBindByPositionAndName) {
  Statement statement = sql("SELECT $1 + 1, $2, ?3");
  statement.text = "SELECT $1 + 1, upper($2), $3, $4, $5";
  statement.parameters = {41, "a'b", nullptr, true, {1.5, 2}};
  EXPECT_EQ(text(statement), R"([42,"A'B",null,true,[1.5,2.0]])");
  statement.text = "SELECT ? || ?";
  statement.parameters = {"a", "b"};
  EXPECT_EQ(text(statement), R"(["ab"])");
  statement.text = "SELECT $who, $N";
  statement.parameters = {{"who", "x"}, {"n", 7}};
  EXPECT_EQ(text(statement), R"(["x",7])");
  Statement tree = sql(tree_of("SELECT a FROM range(9) t(a) WHERE a > $low AND a < $high"));
  tree.is_tree = true;
  tree.parameters = {{"low", 3}, {"high", 5}};
  EXPECT_EQ(text(tree), "[4]");
}

TEST_F(Engine, MissingAndExtraParametersAreNamed) {
  Statement statement = sql("SELECT $1, $2, $3");
  statement.parameters = boost::json::array{1};
  EXPECT_EQ(error_of(statement).message, "no value is given for $2, $3");
  statement.text = "SELECT 1";
  EXPECT_EQ(error_of(statement).message, "the statement has no parameter $1");
  statement.text = "SELECT $a";
  statement.parameters = {{"a", 1}, {"b", 2}};
  EXPECT_EQ(error_of(statement).message, "the statement has no parameter $b");
  statement.parameters = {{"a", boost::json::object{}}};
  EXPECT_EQ(error_of(statement).code, ErrorCode::InvalidArgument);
}

TEST_F(Engine, VariablesArePassedWithoutQuoting) {
  Statement statement = sql("SELECT getvariable('files'), getvariable('n'), getvariable('none')");
  statement.variables = {{"files", {"a'; DROP", "b\n"}}, {"n", 3}, {"none", boost::json::array{}}};
  EXPECT_EQ(text(statement), R"([["a'; DROP","b\n"],3,[]])");
}

TEST_F(Engine, NothingOfAStatementIsSeenByTheNext) {
  Statement first = sql("SELECT a, getvariable('v') FROM temp.mine");
  first.before = {"CREATE TEMP TABLE mine AS SELECT 1 AS a", "SET schema = 'information_schema'"};
  first.variables = {{"v", "x"}};
  EXPECT_EQ(text(first), R"([1,"x"])");
  EXPECT_EQ(text(sql("SELECT getvariable('v')")), "[null]");
  EXPECT_EQ(error_of(sql("FROM mine")).code, ErrorCode::InvalidArgument);
}

TEST_F(Engine, StatementsAfterRunBeforeTheEnd) {
  const auto file = folder() / "after.csv";
  Statement statement = sql("SELECT 1");
  statement.before = {"CREATE TEMP TABLE kept AS SELECT 42 AS a"};
  statement.after = {fmt::format("COPY kept TO '{}'", file.string())};
  EXPECT_EQ(text(statement), "[1]");
  EXPECT_TRUE(std::filesystem::exists(file));
}

TEST_F(Engine, AroundATreeItsSqlIsPut) {
  const auto file = folder() / "copy.parquet";
  Statement copy = sql(tree_of("SELECT i, 'x' || i AS s FROM range(10) t(i)"));
  copy.is_tree = true;
  copy.around_tree =
      fmt::format("COPY ({{}}) TO '{}' (FORMAT parquet, RETURN_STATS)", file.string());
  const auto rows = pool().query_rows(patient_context(), copy);
  ASSERT_THAT(rows, IsOk());
  ASSERT_THAT(rows->rows, SizeIs(1));
  EXPECT_EQ(rows->rows[0][1].to_number<int>(), 10);
  EXPECT_EQ(
      text(sql(fmt::format("SELECT count(*), max(s) FROM read_parquet('{}')", file.string()))),
      R"([10,"x9"])");
}

TEST_F(Engine, DescribeRunsNothing) {
  Statement statement = sql("SELECT $1::INT AS a, sum(i) AS total FROM range(1000000000000) t(i)");
  EXPECT_THAT(pool().describe(patient_context(), statement).value(),
              ElementsAre(Column{"a", "INTEGER"}, Column{"total", "HUGEINT"}));
  EXPECT_THAT(pool().describe(patient_context(), sql("SELECT nope")),
              FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(Engine, DescribeTakesTheTypesOfBoundParameters) {
  Statement statement = sql("SELECT ? AS a, i, ? || 'x' AS b FROM range(3) t(i)");
  statement.parameters = boost::json::array{7, "text"};
  const auto columns = pool().describe(patient_context(), statement);
  ASSERT_THAT(columns, IsOk());
  EXPECT_THAT(*columns,
              ElementsAre(Column{"a", "BIGINT"}, Column{"i", "BIGINT"}, Column{"b", "VARCHAR"}));
}

TEST_F(Engine, BinderErrorsSayWhereAndWhat) {
  const Error error = error_of(sql("SELECT 'é', nme FROM (SELECT 1 AS name)"));
  EXPECT_EQ(error.code, ErrorCode::InvalidArgument);
  EXPECT_THAT(error.message, HasSubstr("\"nme\" not found"));
  EXPECT_THAT(error.hint, HasSubstr("name"));
  EXPECT_EQ(error.position_bytes, 13U);
  EXPECT_EQ(error.details_json, "");
  Statement tree = sql(tree_of("SELECT    nme FROM (SELECT 1 AS name)"));
  tree.is_tree = true;
  EXPECT_EQ(error_of(tree).position_bytes, 10U);
}

TEST_F(Engine, ErrorsHaveTheCodeOfTheirCause) {
  const std::vector<std::pair<std::string, ErrorCode>> cases{
      {"SELECT 'x'::INT", ErrorCode::InvalidArgument},
      {"SELECT * FROM nope", ErrorCode::InvalidArgument},
      {"SELECT nofunction(1)", ErrorCode::InvalidArgument},
      {"SELECT 1; SELECT 2", ErrorCode::InvalidArgument},
      {"SELECT error('mine')", ErrorCode::InvalidArgument},
      {"SELECT * FROM read_parquet('/secret/place/x.parquet')", ErrorCode::PermissionDenied},
      {fmt::format("FROM read_parquet('{}/x.parquet')", folder().string()), ErrorCode::NotFound},
      {"SELECT {'a': 1}::VARIANT", ErrorCode::Unimplemented},
  };
  for (const auto& [statement, code] : cases) {
    SCOPED_TRACE(statement);
    const Error error = error_of(sql(statement));
    EXPECT_EQ(error.code, code) << error.message;
    EXPECT_THAT(error.message, Not(HasSubstr("/secret")));
    EXPECT_THAT(error.message, Not(HasSubstr("LINE")));
    EXPECT_THAT(error.message, Not(HasSubstr("exception_type")));
  }
}

TEST_F(Engine, AnErrorAfterRowsComesInTheirPlace) {
  const auto context = patient_context();
  const auto stream = pool().execute(
      context, sql("SELECT CASE WHEN i = 900000 THEN error('late') ELSE i::VARCHAR END "
                   "FROM range(1000000) t(i)"));
  ASSERT_THAT(stream, IsOk());
  const auto all = drain(**stream, context);
  ASSERT_THAT(all, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(all.error().message, HasSubstr("late"));
  // The connection is whole again.
  EXPECT_EQ(text(sql("SELECT 1")), "[1]");
}

TEST_F(Engine, TooMuchMemoryIsSaidSo) {
  const Error error =
      error_of(sql("SELECT list(i::VARCHAR || repeat('x', 1000)) FROM range(3000000) t(i)"));
  EXPECT_EQ(error.code, ErrorCode::ResourceExhausted) << error.message;
  EXPECT_THAT(error.hint, Not(HasSubstr("SET ")));
}

constexpr const char* kEndless =
    "SELECT count(*) FROM range(10000000) a(i), range(10000000) b(j) WHERE (i * j) % 7 = 3";

TEST_F(Engine, TheDeadlineEndsAStatement) {
  RequestContext context = patient_context();
  context.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(150);
  EXPECT_THAT(pool().execute(context, sql(kEndless)), FailsWith(ErrorCode::DeadlineExceeded));
}

// True once no thread of the child computes any more.
bool becomes_idle(EnginePool& pool) {
  const auto cpu = [&] {
    std::ifstream stat(fmt::format("/proc/{}/stat", pool.metrics().pid));
    std::string word;
    long total = 0;
    for (int i = 1; i <= 15 && stat >> word; ++i) {
      total += i >= 14 ? std::stol(word) : 0;
    }
    return total;
  };
  for (int i = 0; i < 600; ++i) {
    const long before = cpu();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if (cpu() - before <= 1) {
      return true;
    }
  }
  return false;
}

TEST_F(Engine, StoppingTheRequestCancelsTheStatement) {
  std::stop_source source;
  RequestContext context = patient_context();
  context.stop = source.get_token();
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    source.request_stop();
  });
  EXPECT_THAT(pool().execute(context, sql(kEndless)), FailsWith(ErrorCode::Cancelled));
  EXPECT_TRUE(becomes_idle(pool()));
}

TEST_F(Engine, DestroyingAStreamCancelsItsStatement) {
  {
    const auto context = patient_context();
    auto stream =
        pool().execute(context, sql("SELECT i, j FROM range(10000000) a(i), range(10000000) b(j)"));
    ASSERT_THAT(stream, IsOk());
    ASSERT_THAT((*stream)->next(context), IsOk());
  }
  EXPECT_TRUE(becomes_idle(pool()));
  EXPECT_EQ(pool().metrics().running, 0U);
}

TEST_F(Engine, ASlowReaderHoldsTheStatementBackInLittleMemory) {
  const auto memory_kib = [&] {
    std::ifstream status(fmt::format("/proc/{}/status", pool().metrics().pid));
    std::string word;
    while (status >> word && word != "VmRSS:") {
    }
    long kib = 0;
    status >> kib;
    return kib;
  };
  const auto context = patient_context();
  const auto stream =
      pool().execute(context, sql("SELECT i, repeat('x', 200) FROM range(100000000) t(i)"));
  ASSERT_THAT(stream, IsOk());
  ASSERT_THAT((*stream)->next(context), IsOk());
  const long before = memory_kib();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  for (int i = 0; i < 100; ++i) {
    ASSERT_THAT((*stream)->next(context), IsOk());
  }
  EXPECT_LT(memory_kib() - before, 64 * 1024);
}

TEST_F(Engine, TheDeadlineHoldsForASlowReader) {
  RequestContext context = patient_context();
  Result<std::unique_ptr<ResultStream>> stream = fail(ErrorCode::Internal, "not run");
  // Enough to start the statement, also on a busy machine, and far too little to end it.
  for (int seconds = 1; !stream && seconds < 60; seconds *= 4) {
    context.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    stream = pool().execute(context, sql("SELECT i, repeat('x', 200) FROM range(1000000000) t(i)"));
  }
  ASSERT_THAT(stream, IsOk());
  std::this_thread::sleep_until(context.deadline + std::chrono::milliseconds(100));
  EXPECT_THAT(drain(**stream, context), FailsWith(ErrorCode::DeadlineExceeded));
  EXPECT_TRUE(becomes_idle(pool()));
}

TEST_F(Engine, AHundredAtOnceAllAnswer) {
  std::atomic<int> right = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 100; ++i) {
    threads.emplace_back([&, i] {
      const auto all = run(sql(fmt::format("SELECT count(*), {} FROM range({})", i, i * 1000)));
      right += all && *all == fmt::format("[{},{}]", i * 1000, i) ? 1 : 0;
    });
  }
  threads.clear();
  EXPECT_EQ(right, 100);
  EXPECT_EQ(pool().metrics().running, 0U);
}

TEST_F(Engine, PollingGivesTheSameAsWaiting) {
  const auto context = patient_context();
  const auto stream = pool().execute(context, sql("SELECT i FROM range(200000) t(i)"));
  ASSERT_THAT(stream, IsOk());
  std::string all;
  while (true) {
    auto poll = (*stream)->try_next();
    ASSERT_THAT(poll, IsOk());
    if (!poll->ready) {
      std::this_thread::yield();
    } else if (poll->bytes) {
      all += *poll->bytes;
    } else {
      break;
    }
  }
  EXPECT_EQ(all, text(sql("SELECT i FROM range(200000) t(i)")));
  EXPECT_EQ((*stream)->end().row_count, 200000U);
}

TEST_F(Engine, QueryRowsRefusesLargeResults) {
  EXPECT_THAT(pool().query_rows(patient_context(), sql("FROM range(100001)")),
              FailsWith(ErrorCode::ResourceExhausted));
}

TEST_F(Engine, TenThousandPathsGoInAsAVariable) {
  Statement statement = sql("SELECT len(getvariable('files'))");
  boost::json::array files;
  for (int i = 0; i < 10000; ++i) {
    files.emplace_back(
        fmt::format("file:///data/buckets/primary/main/t-12345678/data/{:08}.parquet", i));
  }
  statement.variables = {{"files", files}};
  EXPECT_EQ(text(statement), "[10000]");
}

TEST(EngineLife, AKilledChildFailsWhatRanAndComesBack) {
  TestEngine engine;
  ASSERT_THAT(engine.pool().wait_ready(patient_context()), IsOk());
  const int first = engine.pool().metrics().pid;
  std::jthread killer([&] {
    while (engine.pool().metrics().running == 0) {
      std::this_thread::yield();
    }
    ::kill(first, SIGKILL);
  });
  const auto failed = engine.pool().execute(patient_context(), sql(kEndless));
  ASSERT_THAT(failed, FailsWith(ErrorCode::Unavailable));
  EXPECT_THAT(failed.error().hint, HasSubstr("retry"));
  const auto rows = engine.pool().query_rows(patient_context(), sql("SELECT 1"));
  EXPECT_THAT(rows, IsOk());
  EXPECT_NE(engine.pool().metrics().pid, first);
  EXPECT_EQ(engine.pool().metrics().crashes, 1U);
}

TEST(EngineLife, AnswersAreRightOrUnavailableWhileTheChildKeepsDying) {
  TestEngine engine(EngineOptions{.on_log = [](std::string_view) {}});
  std::atomic<bool> done = false;
  std::atomic<int> right = 0;
  std::atomic<int> unavailable = 0;
  std::atomic<int> wrong = 0;
  const auto ask = [&] {
    while (!done) {
      const auto rows =
          engine.pool().query_rows(patient_context(), sql("SELECT sum(i) FROM range(200000) t(i)"));
      if (rows) {
        (rows->rows.at(0).at(0) == 19999900000 ? right : wrong)++;
      } else {
        (rows.error().code == ErrorCode::Unavailable ? unavailable : wrong)++;
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 6; ++i) {
      threads.emplace_back(ask);
    }
    for (int kills = 0; kills < 5; ++kills) {
      const int before = right;
      ASSERT_THAT(engine.pool().wait_ready(patient_context()), IsOk());
      while (right < before + 5) {
        std::this_thread::yield();
      }
      if (const int pid = engine.pool().metrics().pid; pid > 0) {
        ::kill(pid, SIGKILL);
      }
    }
    done = true;
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(unavailable, 1);
  EXPECT_THAT(engine.pool().query_rows(patient_context(), sql("SELECT 1")), IsOk());
  EXPECT_EQ(engine.pool().metrics().crashes, 5U);
}

TEST(EngineLife, TooManyStatementsAreRefused) {
  TestEngine engine(EngineOptions{.statements_max = 2});
  const auto context = patient_context();
  const auto first = engine.pool().execute(context, sql("FROM range(10)"));
  const auto second = engine.pool().execute(context, sql("FROM range(10)"));
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT(engine.pool().execute(context, sql("SELECT 1")),
              FailsWith(ErrorCode::ResourceExhausted));
}

TEST(EngineLife, AProgramThatIsNoEngineIsReported) {
  const auto folder = std::filesystem::temp_directory_path();
  const auto pool =
      EnginePool::start(EngineOptions{.executable = "/bin/false",
                                      .arguments = {},
                                      .spill_directory = folder,
                                      .ready_wait_max = std::chrono::milliseconds(200),
                                      .on_log = [](std::string_view) {}});
  ASSERT_THAT(pool, IsOk());
  const auto failed = (*pool)->parse(patient_context(), "select 1");
  ASSERT_THAT(failed, FailsWith(ErrorCode::Unavailable));
  EXPECT_THAT(failed.error().message, HasSubstr("exit code 1"));
}

TEST(EngineLife, StoppedPoolsRefuse) {
  TestEngine engine;
  ASSERT_THAT(engine.pool().wait_ready(patient_context()), IsOk());
  const int pid = engine.pool().metrics().pid;
  engine.pool().stop(std::chrono::milliseconds(10));
  EXPECT_THAT(engine.pool().parse(patient_context(), "select 1"),
              FailsWith(ErrorCode::Unavailable));
  EXPECT_NE(::kill(pid, 0), 0);
}

}  // namespace
}  // namespace lakehouse::engine
