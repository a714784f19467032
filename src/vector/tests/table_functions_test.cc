#include "vector/table_functions.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "base/testing/matchers.h"
#include "query/testing/lake_fixture.h"
#include "vector/testing/fake_vector_service.h"

namespace lakehouse::vector {
namespace {

using ::lakehouse::testing::IsOk;
using ::testing::HasSubstr;

class SearchFunctionsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    functions_ = new SearchFunctions();
    query::QueryService::Options options;
    options.planner.table_functions = {functions_};
    lake_ = new query::testing::TestLake(options);
    ASSERT_THAT(lake_->rows("CREATE TABLE main.docs AS SELECT * FROM (VALUES (7, 'seven'), "
                            "(9, 'nine')) t(id, name)"),
                IsOk());
  }
  static void TearDownTestSuite() {
    delete lake_;
    delete functions_;
  }
  void SetUp() override {
    service_.index.key_type = KeyType::Int64;
    const auto hit = [](std::int64_t key, double score, std::string text) {
      SearchHit made;
      made.key = key;
      made.score = score;
      made.text = std::move(text);
      return made;
    };
    service_.results.hits = {hit(9, 0.75, "it's nine"), hit(7, 0.5, "seven \"x\" {}")};
    functions_->bind(&service_);
  }
  void TearDown() override { functions_->bind(nullptr); }
  static std::string text(const std::string& sql) { return lake_->text(sql); }

  testing::FakeVectorService service_;
  static SearchFunctions* functions_;

 private:
  static query::testing::TestLake* lake_;
};
SearchFunctions* SearchFunctionsTest::functions_ = nullptr;
query::testing::TestLake* SearchFunctionsTest::lake_ = nullptr;

TEST_F(SearchFunctionsTest, HitsAreRowsThatJoinWithTheirSource) {
  EXPECT_EQ(text("SELECT key, chunk, score::VARCHAR, text FROM vector_search('docs', 'numbers')"),
            R"([[9,0,"0.75","it's nine"],[7,0,"0.5","seven \"x\" {}"]])");
  EXPECT_EQ(text("SELECT d.name, s.score > 0.7 FROM hybrid_search('docs', 'numbers', k := 1) s "
                 "JOIN docs d ON d.id = s.key"),
            R"([["nine",true]])");
  EXPECT_EQ(text("SELECT a.key, b.text FROM text_search('docs', 'a', 1) a, "
                 "text_search('docs', 'b', 1) b"),
            R"([[9,"it's nine"]])");
  EXPECT_EQ(text("SELECT typeof(key), typeof(score) FROM vector_search('docs', 'a', 1)"),
            R"([["BIGINT","DOUBLE"]])");
  ASSERT_EQ(service_.requests.size(), 5U);
  EXPECT_EQ(service_.requests[0].k, 10U);
  EXPECT_EQ(service_.requests[1].mode, SearchMode::Hybrid);
  EXPECT_EQ(service_.requests[2].mode, SearchMode::Text);
}

TEST_F(SearchFunctionsTest, ArgumentsReachTheSearch) {
  service_.results.hits.clear();
  EXPECT_EQ(text("SELECT * FROM vector_search('docs', [0.5, 1], k := 3, filter := 'id > 4', "
                 "exact := true, one_per_row := true)"),
            "[]");
  ASSERT_EQ(service_.requests.size(), 1U);
  EXPECT_EQ(service_.requests[0].index, "docs");
  EXPECT_EQ(service_.requests[0].vector, (std::vector<float>{0.5F, 1}));
  EXPECT_EQ(service_.requests[0].k, 3U);
  EXPECT_EQ(service_.requests[0].filter, "id > 4");
  EXPECT_TRUE(service_.requests[0].exact);
  EXPECT_TRUE(service_.requests[0].one_per_row);
}

TEST_F(SearchFunctionsTest, WhatIsWrongIsSaid) {
  EXPECT_THAT(text("SELECT * FROM vector_search('docs')"), HasSubstr("vector_search"));
  EXPECT_THAT(text("SELECT * FROM vector_search('docs', 'x', k := 0)"), HasSubstr("above 0"));
  EXPECT_THAT(text("SELECT * FROM vector_search('docs', 'x', filtr := 'a')"),
              HasSubstr("there is no argument filtr"));
  EXPECT_THAT(text("SELECT * FROM text_search('docs', [1, 2])"), HasSubstr("must be a text"));
  EXPECT_THAT(text("SELECT * FROM vector_search('docs', name) , docs"), HasSubstr("vector_search"));
  EXPECT_TRUE(service_.requests.empty());
  functions_->bind(nullptr);
  EXPECT_THAT(text("SELECT * FROM vector_search('docs', 'x')"), HasSubstr("not started"));
}

}  // namespace
}  // namespace lakehouse::vector
