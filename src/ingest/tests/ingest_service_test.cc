#include "ingest/ingest_service.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <rapidcheck.h>

#include "base/testing/matchers.h"
#include "ingest/dataset_service.h"
#include "query/row_check.h"
#include "query/testing/fixed_policies.h"
#include "query/testing/lake_fixture.h"

namespace lakehouse::ingest {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

/// One lake for all cases: each makes datasets of its own.
class IngestServiceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    policies_ = new query::testing::FixedPolicies();
    query::QueryService::Options options;
    options.planner.policies = policies_;
    lake_ = new query::testing::TestLake(options);
  }
  static void TearDownTestSuite() {
    delete lake_;
    lake_ = nullptr;
    delete policies_;
  }
  void TearDown() override { policies_->clear(); }
  static query::testing::TestLake& lake() { return *lake_; }

  static IngestOptions options(std::string dataset) {
    IngestOptions out;
    out.dataset = std::move(dataset);
    return out;
  }
  static Result<IngestResult> ingest(std::string_view content, IngestOptions what) {
    const RequestContext context = engine::testing::patient_context();
    query::Planner::Options planner;
    planner.policies = policies_;
    query::RowGuard guard(lake().catalog(), lake().engine(), lake().source(), planner);
    IngestService service(lake().catalog(), lake().engine(), lake().buckets(), lake().writer(),
                          nullptr, nullptr, nullptr, &guard);
    LH_ASSIGN_OR_RETURN(const std::unique_ptr<Upload> upload, service.stage({}));
    // In uneven pieces, as they come from a network.
    for (std::size_t at = 0, step = 1; at < content.size(); at += step, step = step * 3 + 1) {
      LH_RETURN_IF_ERROR(upload->write(content.substr(at, step)));
    }
    LH_RETURN_IF_ERROR(upload->finish(what.file_name));
    return service.ingest(context, *upload, what);
  }
  static Result<IngestResult> ingest(std::string_view content, const std::string& dataset,
                                     std::string file_name = {}) {
    IngestOptions what = options(dataset);
    what.file_name = std::move(file_name);
    return ingest(content, std::move(what));
  }
  static std::string text(const std::string& sql) { return lake().text(sql); }

  static query::testing::FixedPolicies* policies_;

 private:
  static query::testing::TestLake* lake_;
};
query::testing::FixedPolicies* IngestServiceTest::policies_ = nullptr;
query::testing::TestLake* IngestServiceTest::lake_ = nullptr;

TEST_F(IngestServiceTest, NobodyIngestsRowsThatHeMayNotRead) {
  ASSERT_THAT(ingest("id,region\n1,EU\n2,US\n", "guarded.rows"), IsOk());
  const auto as_test = [](governance::TablePolicy policy) {
    policies_->set("test", "guarded.rows", std::move(policy));
  };
  as_test(query::testing::rows_where("region = 'EU'"));
  EXPECT_THAT(ingest("id,region\n3,EU\n", "guarded.rows"), IsOk());
  EXPECT_THAT(ingest("id,region,more\n4,EU,x\n", "guarded.rows"), IsOk()) << "a new column";
  for (const char* content : {"id,region\n5,EU\n6,US\n", "id,region\n7,\n", "id\n8\n"}) {
    EXPECT_THAT(ingest(content, "guarded.rows"), FailsWith(ErrorCode::PermissionDenied)) << content;
  }
  IngestOptions replace = options("guarded.rows");
  replace.mode = IngestMode::Replace;
  EXPECT_THAT(ingest("id,region\n9,EU\n", replace), FailsWith(ErrorCode::PermissionDenied));
  governance::TablePolicy hiding;
  hiding.hidden_columns = {"more"};
  as_test(hiding);
  EXPECT_THAT(ingest("id,region\n9,EU\n", replace), FailsWith(ErrorCode::PermissionDenied));
  EXPECT_THAT(ingest("id,region\n10,US\n", "guarded.rows"), IsOk()) << "all rows may be seen";
  policies_->clear();
  EXPECT_EQ(text("SELECT id FROM guarded.rows ORDER BY id"), "[[1],[2],[3],[4],[10]]");
  EXPECT_THAT(ingest("id,region\n9,EU\n", replace), IsOk());
  EXPECT_EQ(text("SELECT id FROM guarded.rows"), "[[9]]");
}

TEST_F(IngestServiceTest, EveryDialectGivesTheSameRows) {
  using namespace std::string_literals;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"comma", "a,b\n1,x\n2,y\n"},
      {"semicolon", "a;b\n1;x\n2;y\n"},
      {"tab", "a\tb\n1\tx\n2\ty\n"},
      {"pipe", "a|b\n1|x\n2|y\n"},
      {"crlf", "a,b\r\n1,x\r\n2,y\r\n"},
      {"mixed line ends", "a,b\r\n1,x\n2,y\r\n"},
      {"no last line end", "a,b\n1,x\n2,y"},
      {"quoted", "\"a\",\"b\"\n\"1\",\"x\"\n\"2\",\"y\"\n"},
      {"mark",
       "\xEF\xBB\xBF"
       "a,b\n1,x\n2,y\n"},
      {"utf-16",
       "\xFF\xFE"
       "a\0,\0b\0\n\0"
       "1\0,\0x\0\n\0"
       "2\0,\0y\0\n\0"s},
      {"array", R"([{"a":1,"b":"x"},{"a":2,"b":"y"}])"},
      {"pretty array",
       "[\n  {\n    \"a\": 1,\n    \"b\": \"x\"\n  },\n  {\"a\": 2, \"b\": \"y\"}\n]\n"},
      {"lines", "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\"}\n"},
      {"lines with a mark and gaps", "\xEF\xBB\xBF{\"a\":1,\"b\":\"x\"}\n\n{\"a\":2,\"b\":\"y\"}"},
      {"objects one after the other", "{\n\"a\":1,\n\"b\":\"x\"}\n{\n\"a\":2,\"b\":\"y\"\n}\n"},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(cases[i].first);
    const std::string dataset = fmt::format("dialects.d{}", i);
    const auto done = ingest(cases[i].second, dataset);
    ASSERT_THAT(done, IsOk());
    EXPECT_EQ(done->rows, 2);
    EXPECT_EQ(done->bad_rows, 0);
    EXPECT_TRUE(done->created);
    EXPECT_EQ(text("SELECT a, b FROM " + dataset + " ORDER BY a"), R"([[1,"x"],[2,"y"]])");
  }
}

TEST_F(IngestServiceTest, WhatCannotBeATableIsRefusedClearly) {
  using namespace std::string_literals;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"empty", ""},
      {"white space", "  \n \n"},
      {"zip", "PK\x03\x04 and more"},
      {"pdf", "%PDF-1.7 and more"},
      {"cut gzip", "\x1F\x8B\x08\0\0\0"s},
      {"nonsense zstd", "\x28\xB5\x2F\xFD nonsense"},
      {"broken array", R"([{"a":1},{"a":)"},
      {"array of numbers", "[1,2,3]"},
      {"empty array", "[]"},
      {"objects without keys", "{}\n{}\n"},
      {"nonsense parquet", "PAR1 nonsense PAR1"},
      {"short parquet", "PAR1"},
      {"too many columns", std::string(20'000, ',') + "\n"},
  };
  for (const auto& [name, content] : cases) {
    SCOPED_TRACE(name);
    const auto done = ingest(content, "refused.t");
    ASSERT_THAT(done, FailsWith(ErrorCode::InvalidArgument));
    EXPECT_THAT(done.error().message, Not(AnyOf(HasSubstr("_staging"), HasSubstr("upload"))));
    EXPECT_THAT(done.error().message, Not(HasSubstr("\n")));
  }
  EXPECT_THAT(text("FROM refused.t"), HasSubstr("NOT_FOUND"));
}

TEST_F(IngestServiceTest, OddFilesBehave) {
  EXPECT_EQ(ingest("a,b\n", "odd.header_only")->rows, 0);
  EXPECT_EQ(text("SELECT count(*) FROM odd.header_only"), "[[0]]");
  EXPECT_EQ(ingest("a\n1\n2\n", "odd.one_column")->rows, 2);
  EXPECT_EQ(text("SELECT sum(a) FROM odd.one_column"), "[[3]]");
  ASSERT_THAT(ingest("a,A,a,\n1,2,3,4\n", "odd.twice"), IsOk());
  EXPECT_EQ(text("SELECT a, a_2, a_3, column_4 FROM odd.twice"), "[[1,2,3,4]]");
  IngestOptions bare = options("odd.bare");
  bare.reader.header = false;
  ASSERT_THAT(ingest("1,x\n2,y\n", bare), IsOk());
  ASSERT_THAT(ingest("3,z\n", bare), IsOk());
  EXPECT_EQ(text("SELECT sum(column_1), max(column_2) FROM odd.bare"), R"([[6,"z"]])");
  ASSERT_THAT(ingest("select,order,from\n1,2,3\n", "odd.reserved"), IsOk());
  EXPECT_EQ(text("SELECT \"select\" + \"order\" FROM odd.reserved"), "[[3]]");
  ASSERT_THAT(ingest("zip,n\n01234,1\n00001,2\n", "odd.zeros"), IsOk());
  EXPECT_EQ(text("SELECT zip FROM odd.zeros ORDER BY n"), R"([["01234"],["00001"]])");
  const auto latin = ingest("a,b\n1,M\xFCller\n2,\x93q\x94\n", "odd.latin");
  ASSERT_THAT(latin, IsOk());
  EXPECT_THAT(latin->warnings, Contains(HasSubstr("Windows-1252")));
  EXPECT_EQ(text("SELECT b FROM odd.latin ORDER BY a"), R"([["Müller"],["“q”"]])");
  const auto wide = ingest("a,b\n1," + std::string(5U << 20U, 'x') + "\n2,y\n", "odd.long_line");
  ASSERT_THAT(wide, IsOk());
  EXPECT_EQ(text("SELECT sum(length(b)) FROM odd.long_line"),
            fmt::format("[[{}]]", (5U << 20U) + 1));
  const std::string nul("a,b\n1,x\0y\n2,z\n", 14);
  ASSERT_THAT(ingest(nul, "odd.nul"), IsOk());
  EXPECT_EQ(text("SELECT sum(length(b)) FROM odd.nul"), "[[4]]");
}

TEST_F(IngestServiceTest, BadRowsAreCountedNamedAndKept) {
  std::string csv = "id,name\n";
  for (int i = 0; i < 1000; ++i) {
    csv += i == 100   ? "100,\"two\nlines\"\n"
           : i == 500 ? "500,too,many\n"
           : i == 600 ? "600\n"
                      : fmt::format("{},name{}\n", i, i);
  }
  const auto done = ingest(csv, "bad.few");
  ASSERT_THAT(done, IsOk());
  EXPECT_EQ(done->rows, 998);
  EXPECT_EQ(done->bad_rows, 2);
  // The quoted line end counts.
  EXPECT_THAT(done->warnings,
              Contains(HasSubstr("line 503: Expected Number of Columns: 2 Found: 3")));
  EXPECT_THAT(done->warnings, Contains(HasSubstr("line 603")));
  const auto place = lake().buckets().resolve(done->bad_rows_object);
  ASSERT_THAT(place, IsOk());
  EXPECT_THAT(place->key, ::testing::StartsWith("_rejects/bad.few/"));
  std::ifstream kept(place->store->local_path(place->key).value());
  const std::string lines((std::istreambuf_iterator<char>(kept)), {});
  EXPECT_THAT(lines, HasSubstr(R"("text":"500,too,many")"));

  IngestOptions strict = options("bad.none");
  strict.bad_rows_max = *parse_bad_row_limit("1");
  const auto refused = ingest(csv, strict);
  ASSERT_THAT(refused, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(refused.error().message, HasSubstr("line 503"));
  EXPECT_THAT(refused.error().details_json, HasSubstr("500,too,many"));
  EXPECT_THAT(text("FROM bad.none"), HasSubstr("NOT_FOUND"));
}

TEST_F(IngestServiceTest, BadLinesOfJsonAreCountedNamedAndKept) {
  std::string lines;
  for (int i = 0; i < 300; ++i) {
    lines += i == 7     ? "{\"a\":\n"
             : i == 50  ? "5\n"
             : i == 60  ? "{\"a\":1,\"a\":2}\n"
             : i == 200 ? "{\"a\":1} {\"a\":2}\n"
                        : fmt::format("{{\"a\":{},\"b\":{{\"c\":\"x\"}}}}\n", i);
  }
  IngestOptions what = options("bad.json");
  what.bad_rows_max = *parse_bad_row_limit("2%");
  const auto done = ingest(lines, what);
  ASSERT_THAT(done, IsOk());
  EXPECT_EQ(done->rows, 296);
  EXPECT_EQ(done->bad_rows, 4);
  for (const char* line :
       {"line 8: ", "line 51: not a JSON object", "line 61: the key 'a' is there twice",
        "line 201: more than one value"}) {
    EXPECT_THAT(done->warnings, Contains(HasSubstr(line)));
  }
}

TEST_F(IngestServiceTest, WhatComesLateWidensItsColumn) {
  std::string csv = "i,d,day,flag\n";
  for (int i = 0; i < 30'000; ++i) {
    csv += fmt::format("{},{}.5,2024-01-01,true\n", i, i);
  }
  const auto with = [&](const std::string& last, const std::string& dataset) {
    const auto done = ingest(csv + last + "\n", dataset);
    EXPECT_THAT(done, IsOk()) << last;
    if (done) {
      EXPECT_EQ(done->rows, 30'001) << last;
    }
  };
  with("1.5,2.5,2024-01-01,true", "late.fraction");
  EXPECT_EQ(text("SELECT typeof(i), max(i)::BIGINT FROM late.fraction GROUP BY 1"),
            R"([["DOUBLE",29999]])");
  EXPECT_EQ(text("SELECT i::VARCHAR FROM late.fraction WHERE i = 1.5"), R"([["1.5"]])");
  with("1,2.5,2024-01-01 12:30:00,true", "late.instant");
  EXPECT_EQ(text("SELECT max(day) FROM late.instant"), R"([["2024-01-01T12:30:00"]])");
  with("x,2.5,2024-01-01,maybe", "late.words");
  EXPECT_EQ(text("SELECT i, flag FROM late.words WHERE i = 'x'"), R"([["x","maybe"]])");

  std::string lines;
  for (int i = 0; i < 30'000; ++i) {
    lines += fmt::format("{{\"a\":{},\"n\":{{\"x\":{}}}}}\n", i, i);
  }
  const auto fraction = ingest(lines + "{\"a\":1.5,\"n\":{\"x\":1}}\n", "late.json_fraction");
  ASSERT_THAT(fraction, IsOk());
  EXPECT_EQ(text("SELECT a::VARCHAR FROM late.json_fraction WHERE a = 1.5"), R"([["1.5"]])");
  const auto key = ingest(lines + "{\"a\":1,\"new\":\"k\"}\n", "late.json_key");
  ASSERT_THAT(key, IsOk());
  EXPECT_EQ(text("SELECT count(new) FROM late.json_key"), "[[1]]");
  const auto word = ingest(lines + "{\"a\":\"word\"}\n", "late.json_word");
  ASSERT_THAT(word, IsOk());
  EXPECT_EQ(text("SELECT a FROM late.json_word WHERE a = 'word'"), R"([["word"]])");
}

TEST_F(IngestServiceTest, TheSameFileIsThereOnce) {
  const std::string csv = "a,b\n1,x\n";
  const auto first = ingest(csv, "same.t", "one.csv");
  ASSERT_THAT(first, IsOk());
  const auto again = ingest(csv, "same.t", "two.csv");
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(again->duplicate);
  EXPECT_EQ(again->snapshot_id, first->snapshot_id);
  EXPECT_EQ(again->rows, 1);
  EXPECT_EQ(text("SELECT count(*) FROM same.t"), "[[1]]");
  EXPECT_FALSE(ingest(csv, "same.other")->duplicate);
  // Rows that were replaced may come again.
  IngestOptions replace = options("same.t");
  replace.mode = IngestMode::Replace;
  ASSERT_THAT(ingest("a,b\n9,z\n", replace), IsOk());
  EXPECT_FALSE(ingest(csv, "same.t")->duplicate);
  EXPECT_EQ(text("SELECT a FROM same.t ORDER BY a"), "[[1],[9]]");
}

TEST_F(IngestServiceTest, TwinsAtTheSameTimeLandOnce) {
  for (int round = 0; round < 3; ++round) {
    const std::string dataset = fmt::format("twins.t{}", round);
    const std::string csv = fmt::format("a\n{}\n", round);
    std::vector<Result<IngestResult>> done(4);
    {
      std::vector<std::jthread> threads;
      for (auto& slot : done) {
        threads.emplace_back([&slot, &csv, &dataset] { slot = ingest(csv, dataset); });
      }
    }
    int fresh = 0;
    for (const auto& one : done) {
      ASSERT_THAT(one, IsOk());
      fresh += one->duplicate ? 0 : 1;
    }
    EXPECT_EQ(fresh, 1);
    EXPECT_EQ(text("SELECT count(*) FROM " + dataset), "[[1]]");
  }
}

TEST_F(IngestServiceTest, ModesDoWhatTheySay) {
  IngestOptions what = options("modes.t");
  what.mode = IngestMode::Create;
  ASSERT_THAT(ingest("a\n1\n", what), IsOk());
  EXPECT_THAT(ingest("a\n2\n", what), FailsWith(ErrorCode::AlreadyExists));
  what.mode = IngestMode::Replace;
  ASSERT_THAT(ingest("a,b\n3,x\n4,y\n", what), IsOk());
  EXPECT_EQ(text("SELECT a, b FROM modes.t ORDER BY a"), R"([[3,"x"],[4,"y"]])");
  what.dataset = "modes.fresh";
  EXPECT_THAT(ingest("a\n2\n", what), IsOk());
  EXPECT_THAT(ingest("a\n1\n", options("a.b.c/../d")),
              AnyOf(IsOk(), FailsWith(ErrorCode::InvalidArgument)));
  EXPECT_THAT(ingest("a\n1\n", options("")), FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(IngestServiceTest, ColumnsAreAddedWidenedOrRefused) {
  ASSERT_THAT(ingest("id,pay\n1,5\n", "grow.t"), IsOk());
  ASSERT_THAT(ingest("ID,pay,City Name\n2,7,Bonn\n", "grow.t"), IsOk());
  ASSERT_THAT(ingest("city_name\nUlm\n", "grow.t"), IsOk());
  EXPECT_EQ(text("SELECT id, pay, city_name FROM grow.t ORDER BY id"),
            R"([[1,5,null],[2,7,"Bonn"],[null,null,"Ulm"]])");
  const auto lossy = ingest("id,pay\n3,5.5\n", "grow.t");
  ASSERT_THAT(lossy, FailsWith(ErrorCode::FailedPrecondition));
  EXPECT_THAT(lossy.error().details_json,
              HasSubstr(R"("column":"pay","table_type":"BIGINT","file_type":"DOUBLE")"));
  const auto words = ingest("id,pay\nabc,x\n", "grow.t");
  ASSERT_THAT(words, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(words.error().message, HasSubstr("id"));
  EXPECT_EQ(text("SELECT count(*) FROM grow.t"), "[[3]]");

  ASSERT_THAT(
      lake().rows("CREATE TABLE grow.narrow (i INTEGER, f FLOAT, s VARCHAR, at TIMESTAMP, d DATE)"),
      IsOk());
  ASSERT_THAT(ingest("i,f,s,at,d\n1,1.5,007,2024-01-31,2024-01-31\n", "grow.narrow"), IsOk());
  EXPECT_EQ(text("SELECT i, f::VARCHAR, s, \"at\", d FROM grow.narrow"),
            R"([[1,"1.5","007","2024-01-31T00:00:00","2024-01-31"]])");
  ASSERT_THAT(ingest("i\n5000000000\n", "grow.narrow"), IsOk());
  EXPECT_EQ(text("SELECT typeof(i), max(i) FROM grow.narrow GROUP BY 1"),
            R"([["BIGINT",5000000000]])");
  EXPECT_THAT(ingest("d\n2024-01-31 12:00:00\n", "grow.narrow"),
              FailsWith(ErrorCode::FailedPrecondition));
  ASSERT_THAT(ingest("{\"s\": 12, \"i\": 3}\n", "grow.narrow"), IsOk());
  EXPECT_EQ(text("SELECT s FROM grow.narrow WHERE i = 3"), R"([["12"]])");
  EXPECT_THAT(ingest("{\"i\": 1.5}\n", "grow.narrow"), FailsWith(ErrorCode::FailedPrecondition));
  EXPECT_THAT(ingest("{\"i\": \"word\"}\n", "grow.narrow"), FailsWith(ErrorCode::InvalidArgument));

  ASSERT_THAT(lake().rows("CREATE TABLE grow.needy (id INTEGER NOT NULL, s VARCHAR)"), IsOk());
  EXPECT_THAT(ingest("s\nx\n", "grow.needy"), FailsWith(ErrorCode::FailedPrecondition));
  const auto null = ingest("id,s\n1,x\n,y\n", "grow.needy");
  ASSERT_THAT(null, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(null.error().message, HasSubstr("id"));
}

TEST_F(IngestServiceTest, NestedObjectsAreFlattenedOrKept) {
  const std::string line =
      R"({"id":1,"who":{"firstName":"Ann","at":{"city":"Bonn"}},"tags":["a","b"],"mixed":[1,"x"],"none":null})"
      "\n";
  ASSERT_THAT(ingest(line, "nested.flat"), IsOk());
  EXPECT_EQ(
      text(R"(SELECT id, "who.first_name", "who.at.city", tags, mixed, "none" FROM nested.flat)"),
      R"([[1,"Ann","Bonn",["a","b"],["1","x"],null]])");
  IngestOptions what = options("nested.kept");
  what.reader.flatten = false;
  ASSERT_THAT(ingest(line, what), IsOk());
  EXPECT_EQ(text("SELECT who.at.city FROM nested.kept"), R"([["Bonn"]])");
  ASSERT_THAT(ingest(R"({"id":2,"who":{"firstName":"Bob","age":7}})", what), IsOk());
  EXPECT_EQ(text("SELECT who.age, who.firstName, who.at.city FROM nested.kept ORDER BY id"),
            R"([[null,"Ann","Bonn"],[7,"Bob",null]])");
  std::string sparse;
  for (int i = 0; i < 250; ++i) {
    sparse += fmt::format("{{\"id\":{},\"k{}\":true}}\n", i, i);
  }
  ASSERT_THAT(ingest(sparse, "nested.sparse"), IsOk());
  EXPECT_EQ(text("SELECT k249 FROM nested.sparse WHERE id = 249"), "[[true]]");
}

TEST_F(IngestServiceTest, QuotesThatComeLateAreUnderstood) {
  std::string csv = "id,text\n";
  for (int i = 0; i < 30'000; ++i) {
    csv += fmt::format("{},t{}\n", i, i);
  }
  const auto quoted = ingest(csv + "30000,\"a, b\"\n", "quotes.late");
  ASSERT_THAT(quoted, IsOk());
  EXPECT_EQ(quoted->bad_rows, 0);
  EXPECT_EQ(text("SELECT text FROM quotes.late WHERE id = 30000"), R"([["a, b"]])");
  const auto inches = ingest(csv + "30000,\"\n30001,x\n", "quotes.inches");
  ASSERT_THAT(inches, IsOk());
  EXPECT_EQ(inches->rows, 30'002);
}

TEST_F(IngestServiceTest, DatasetsAreListedPageByPageAndDropped) {
  const RequestContext context = engine::testing::patient_context();
  DatasetService datasets(lake().catalog(), lake().writer(), lake().buckets());
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(ingest(fmt::format("a\n{}\n", i), fmt::format("paged.t{}", i)), IsOk());
  }
  std::vector<std::string> names;
  std::string token;
  do {
    const auto page = datasets.list(context, token, 2);
    ASSERT_THAT(page, IsOk());
    EXPECT_LE(page->datasets.size(), 2U);
    for (const DatasetSummary& one : page->datasets) {
      if (one.name.starts_with("paged.")) {
        names.push_back(one.name);
        EXPECT_EQ(one.rows, 1);
        EXPECT_EQ(one.bucket, "primary");
      }
    }
    token = page->next_page_token;
  } while (!token.empty());
  EXPECT_THAT(names,
              ::testing::ElementsAre("paged.t0", "paged.t1", "paged.t2", "paged.t3", "paged.t4"));
  EXPECT_THAT(datasets.list(context, "nonsense", 2), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(datasets.load(context, "paged.T1"), IsOk());
  EXPECT_THAT(datasets.drop(context, "paged.t1", true), IsOk());
  EXPECT_THAT(datasets.drop(context, "paged.t1", true), IsOk());
  EXPECT_THAT(datasets.load(context, "paged.t1"), FailsWith(ErrorCode::NotFound));
  const auto made = datasets.create(
      context, {.name = "newspace.t", .definition = {.columns = {{.name = "a", .type = "BIGINT"}}}},
      {});
  ASSERT_THAT(made, IsOk());
  EXPECT_FALSE(made->summary.snapshot_id);
}

TEST_F(IngestServiceTest, NoUploadStaysInStaging) {
  const std::filesystem::path staging = lake().folder() / "buckets" / "primary" / "_staging";
  EXPECT_TRUE(!std::filesystem::exists(staging) || std::filesystem::is_empty(staging));
}

/// A cell as CSV writes it, and whether it is quoted.
std::string csv_cell(const std::string& value) {
  std::string out = "\"";
  for (const char c : value) {
    out += c == '"' ? "\"\"" : std::string(1, c);
  }
  return out + "\"";
}

TEST_F(IngestServiceTest, RowsInAreRowsOutAndBadRows) {
  int round = 0;
  EXPECT_TRUE(rc::check([&] {
    const std::string dataset = fmt::format("law.t{}", round++);
    const auto count = *rc::gen::inRange<int>(1, 40);
    std::string csv = "id,text,n\n";
    int bad = 0;
    for (int i = 0; i < count; ++i) {
      const auto kind = *rc::gen::inRange<int>(0, 10);
      const auto value = *rc::gen::container<std::string>(
          rc::gen::elementOf(std::string("abc ,;\"'\n|\t0123456789-")));
      // The first rows tell the dialect.
      if (i > 2 && kind == 0) {
        csv += fmt::format("{},{}\n", i, csv_cell(value));
        ++bad;
      } else if (i > 2 && kind == 1) {
        csv += fmt::format("{},{},1,2\n", i, csv_cell(value));
        ++bad;
      } else {
        csv += fmt::format("{},{},{}\n", i, csv_cell("v" + value), i);
      }
    }
    IngestOptions what = options(dataset);
    what.bad_rows_max = *parse_bad_row_limit("100%");
    what.reader.delimiter = ",";
    what.reader.header = true;
    const auto done = ingest(csv, what);
    RC_ASSERT(done.has_value());
    RC_ASSERT(done->rows + done->bad_rows == count);
    RC_ASSERT(done->bad_rows == bad);
    RC_ASSERT(text("SELECT count(*) FROM " + dataset) == fmt::format("[[{}]]", count - bad));
  }));
}

}  // namespace
}  // namespace lakehouse::ingest
