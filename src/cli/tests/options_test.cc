#include "cli/options.h"

#include <cstdlib>

#include <gmock/gmock.h>

#include "cli/ingest_command.h"
#include "cli/progress.h"
#include "cli/sql_client.h"

namespace lakehouse::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class T>
T parsed(std::vector<std::string> arguments) {
  Parsed result = parse_arguments(std::move(arguments));
  EXPECT_TRUE(result.options) << result.text;
  return std::get<T>(*result.options);
}

TEST(Options, ServeTakesItsOptions) {
  const auto serve = parsed<ServeOptions>(
      {"serve", "--config", "a.toml", "--data", "/d", "--listen", "127.0.0.1:0", "--insecure"});
  EXPECT_EQ(serve.config, "a.toml");
  EXPECT_EQ(serve.data, "/d");
  EXPECT_EQ(serve.listen, "127.0.0.1:0");
  EXPECT_TRUE(serve.insecure);
  EXPECT_FALSE(parsed<ServeOptions>({"serve"}).data);
}

TEST(Options, TheServerIsTheOptionElseTheVariableElseTheDefault) {
  ::unsetenv("LAKEHOUSE_SERVER");
  EXPECT_EQ(parsed<SqlOptions>({"sql", "SELECT 1"}).server.url, "http://127.0.0.1:3100");
  ::setenv("LAKEHOUSE_SERVER", "http://there:1", 1);
  EXPECT_EQ(parsed<SqlOptions>({"sql", "SELECT 1"}).server.url, "http://there:1");
  EXPECT_EQ(parsed<DatasetsOptions>({"datasets", "list", "--server", "http://x"}).server.url,
            "http://x");
  ::unsetenv("LAKEHOUSE_SERVER");
}

TEST(Options, TheTokenIsTheOptionElseTheVariable) {
  ::unsetenv("LAKEHOUSE_TOKEN");
  EXPECT_EQ(parsed<SqlOptions>({"sql", "SELECT 1"}).server.token, "");
  ::setenv("LAKEHOUSE_TOKEN", "a", 1);
  EXPECT_EQ(parsed<SqlOptions>({"sql", "SELECT 1"}).server.token, "a");
  EXPECT_EQ(parsed<IngestOptions>({"ingest", "f.csv", "--token", "b"}).server.token, "b");
  ::unsetenv("LAKEHOUSE_TOKEN");
  EXPECT_EQ(parsed<KeysOptions>({"keys", "new", "alice"}).name, "alice");
}

TEST(Options, SqlTakesParametersAndFormats) {
  const auto sql = parsed<SqlOptions>(
      {"sql", "--format", "csv", "--arg", "1", "--arg", "-x", "--limit", "7", "SELECT ?, ?"});
  EXPECT_EQ(sql.format, OutputFormat::Csv);
  EXPECT_THAT(sql.positional, ElementsAre("1", "-x"));
  EXPECT_EQ(sql.limit, 7U);
  EXPECT_EQ(sql.statement, "SELECT ?, ?");
  const auto named = parsed<SqlOptions>({"sql", "--param", "a=b=c", "SELECT $a"});
  EXPECT_THAT(named.named, ElementsAre(std::pair<std::string, std::string>("a", "b=c")));
}

TEST(Options, TheEnginesArgumentsPassUntouched) {
  EXPECT_THAT(parsed<EngineOptions>({"engine", "--fd", "3", "--help"}).arguments,
              ElementsAre("--fd", "3", "--help"));
}

TEST(Options, WrongUsageIsTwoAndHelpIsZero) {
  const std::vector<std::vector<std::string>> wrong = {{},
                                                       {"fly"},
                                                       {"ingest"},
                                                       {"ingest", "-"},
                                                       {"ingest", "a.csv", "--mode", "sideways"},
                                                       {"sql", "--format", "xml", "SELECT 1"},
                                                       {"sql", "--format", "parquet", "SELECT 1"},
                                                       {"sql", "-f", "x.sql", "SELECT 1"},
                                                       {"sql", "--param", "nothing", "SELECT 1"},
                                                       {"sql", "--limit", "many", "SELECT 1"},
                                                       {"config"},
                                                       {"datasets", "drop"}};
  for (const auto& arguments : wrong) {
    SCOPED_TRACE(::testing::PrintToString(arguments));
    const Parsed result = parse_arguments(arguments);
    EXPECT_FALSE(result.options);
    EXPECT_EQ(result.exit_code, kExitUsage);
    EXPECT_FALSE(result.text.empty());
  }
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"}, {"sql", "--help"}, {"--version"}}) {
    const Parsed result = parse_arguments(arguments);
    EXPECT_FALSE(result.options);
    EXPECT_EQ(result.exit_code, kExitOk);
  }
}

TEST(Ingest, TheDatasetIsTheFilesName) {
  EXPECT_EQ(dataset_of("candidates.csv"), "candidates");
  EXPECT_EQ(dataset_of("/a.b/Call Log-2024.ndjson.gz"), "call_log_2024");
  EXPECT_EQ(dataset_of("v1.2.parquet"), "v1_2");
  EXPECT_EQ(dataset_of("README"), "readme");
  EXPECT_EQ(dataset_of("Größe.csv"), "größe");
  EXPECT_EQ(dataset_of("---.csv"), "data");
}

TEST(Ingest, TheLineSaysWhatWasLoaded) {
  EXPECT_EQ(
      describe_ingest(
          "a.csv", {{"dataset", "main.a"}, {"rows", 1000}, {"bad_rows", 1}, {"duplicate", false}},
          0.5),
      "a.csv -> main.a: 1,000 rows in 500 ms (2,000 rows/s), 1 bad row kept aside");
  EXPECT_EQ(describe_ingest("a.csv", {{"dataset", "main.a"}, {"rows", 9}, {"duplicate", true}}, 1),
            "a.csv -> main.a: already there");
}

TEST(Ingest, TheProgressLineFitsAndSaysWhatIsLeft) {
  EXPECT_EQ(upload_line("a.csv", 50'000'000, 100'000'000, 1, 200),
            "a.csv  [############............]  50 %  50.0 MB/s  ETA 1.0 s");
  EXPECT_EQ(upload_line("a.csv", 100, 100, 3, 200), "a.csv  loading 3.0 s");
  EXPECT_EQ(upload_line("-", 2'000'000, 0, 1, 200), "-  2.0 MB  2.0 MB/s");
  EXPECT_EQ(upload_line("a.csv", 50, 100, 1, 10), "a.csv  [#…");
}

TEST(Sql, ParametersKeepTheirTypes) {
  SqlOptions options;
  options.positional = {"1", "1.5", "true", "null", "x", "[1]", "007"};
  EXPECT_EQ(request_body("S", options, 5),
            R"({"sql":"S","limit":5,"params":[1,1.5E0,true,null,"x","[1]","007"]})");
  options.positional.clear();
  options.named = {{"a", "x"}};
  options.timeout_ms = 9;
  options.engine = "trino";
  EXPECT_EQ(request_body("S", options, std::nullopt),
            R"({"sql":"S","timeout_ms":9,"engine":"trino","params":{"a":"x"}})");
}

}  // namespace
}  // namespace lakehouse::cli
