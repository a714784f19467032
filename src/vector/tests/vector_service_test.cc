#include "vector/vector_service.h"

#include <filesystem>
#include <memory>
#include <set>
#include <thread>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ai/testing/fake_models.h"
#include "base/testing/matchers.h"
#include "query/testing/fixed_policies.h"
#include "query/testing/lake_fixture.h"

namespace lakehouse::vector {
namespace {

using ai::testing::FakeEmbedder;
using ai::testing::FakeModelService;
using engine::testing::patient_context;
using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using query::testing::FixedPolicies;
using query::testing::TestLake;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

/// A lakehouse with jobs, models that cost nothing, and indexes.
class World {
 public:
  World() : lake_(options()) { start(); }

  static query::QueryService::Options options() {
    query::QueryService::Options out;
    out.planner.policies = &policies();
    return out;
  }
  static FixedPolicies& policies() {
    static FixedPolicies all;
    return all;
  }

  /// As a server that starts anew.
  void start() {
    if (jobs_ != nullptr) {
      jobs_->stop();  // Its jobs call the service.
    }
    service_.reset();
    jobs_.reset();
    jobs_ = jobs::make_job_service(lake_.metastore(), log_, metrics_, {});
    VectorService::Options options;
    options.batch_chunks = 16;
    options.watch_every = std::chrono::milliseconds(20);
    service_ = query::testing::value_or_throw(make_vector_service({.catalog = lake_.catalog(),
                                                                   .metastore = lake_.metastore(),
                                                                   .buckets = lake_.buckets(),
                                                                   .engine = lake_.engine(),
                                                                   .query = lake_.service(),
                                                                   .writer = lake_.writer(),
                                                                   .compactor = compactor_,
                                                                   .jobs = *jobs_,
                                                                   .models = models_,
                                                                   .policies = &policies(),
                                                                   .log = log_,
                                                                   .metrics = metrics_},
                                                                  options));
    jobs_->run();
    service_->run();
  }
  ~World() {
    jobs_->stop();
    service_->stop();
    policies().clear();
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  TestLake& lake() { return lake_; }
  VectorService& service() { return *service_; }
  jobs::JobService& jobs() { return *jobs_; }
  FakeModelService& models() { return models_; }
  void sql(const std::string& text) { EXPECT_THAT(lake_.rows(text), IsOk()); }

  static IndexSpec spec(std::string name = "docs") {
    IndexSpec out;
    out.name = std::move(name);
    out.dataset = "main.notes";
    out.key = "id";
    out.recipe.text_columns = {"title", "body"};
    return out;
  }
  /// `count` rows: "title 7", "body of number 7 animal<7 % 5>".
  void make_notes(int count) {
    sql(
        fmt::format("CREATE TABLE main.notes AS SELECT i::INTEGER AS id, 'title ' || i AS title, "
                    "'body of number' || i || ' animal' || (i % 5) AS body, i % 10 AS shelf "
                    "FROM range(1, {}) t(i)",
                    count + 1));
  }
  jobs::Job finish(const jobs::Job& job) {
    return query::testing::value_or_throw(jobs_->wait_over(patient_context(), job.id));
  }
  jobs::Job make_index(const IndexSpec& spec = World::spec()) {
    return finish(query::testing::value_or_throw(service_->create_index(patient_context(), spec)));
  }
  jobs::Job refresh() {
    const auto started =
        query::testing::value_or_throw(service_->refresh(patient_context(), "main.notes"));
    return finish(started.at(0));
  }

  Result<SearchResults> search(SearchRequest request, const std::string& principal = "") {
    request.index = request.index.empty() ? "docs" : request.index;
    RequestContext context = patient_context();
    context.principal = principal;
    return service_->search(context, request);
  }
  /// The keys that are found, the best first; or the error.
  std::string keys(SearchRequest request, const std::string& principal = "") {
    const auto found = search(std::move(request), principal);
    if (!found) {
      return std::string(to_string(found.error().code)) + ": " + found.error().message;
    }
    std::string out;
    for (const SearchHit& hit : found->hits) {
      out += (out.empty() ? "" : " ") + boost::json::serialize(hit.key);
    }
    return out;
  }

 private:
  Log log_{Log::Options{.file = "/dev/null"}};
  Metrics metrics_;
  TestLake lake_;
  FakeModelService models_;
  query::Compactor compactor_{lake_.catalog(), lake_.engine(), lake_.source(), lake_.writer(),
                              lake_.buckets()};
  std::unique_ptr<jobs::JobService> jobs_;
  std::unique_ptr<VectorService> service_;
};

TEST(VectorServiceTest, AnIndexIsMadeAndSearched) {
  World world;
  world.make_notes(100);
  const jobs::Job job = world.make_index();
  ASSERT_EQ(job.state, jobs::JobState::Done) << (job.error ? job.error->message : "");
  EXPECT_EQ(job.done, 100);
  EXPECT_EQ(job.total, 100);

  const auto info = world.service().get(patient_context(), "docs");
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->key_type, KeyType::Int32);
  EXPECT_EQ(info->current().state, GenerationState::Ready);
  EXPECT_EQ(info->current().chunks, 100);
  EXPECT_EQ(info->current().rows, 100);
  EXPECT_EQ(info->current().dimensions, 64U);
  EXPECT_FALSE(info->current().file.empty());

  const auto found = world.search({.text = "number42", .k = 3});
  ASSERT_THAT(found, IsOk());
  ASSERT_THAT(found->hits, SizeIs(3));
  EXPECT_EQ(found->hits[0].key, boost::json::value(42));
  EXPECT_EQ(found->hits[0].text, "title 42\nbody of number42 animal2");
  EXPECT_EQ(found->chunks, 100U);
  EXPECT_EQ(found->allowed, 100U);

  // The embeddings are a dataset like any other.
  EXPECT_EQ(world.lake().text("SELECT count(*), count(DISTINCT key), min(len(vector)), "
                              "min(model), min(dimensions) FROM vectors.docs"),
            R"([[100,100,64,"fake",64]])");
  EXPECT_EQ(world.keys({.text = "number42", .k = 1, .mode = SearchMode::Text}), "42");
  EXPECT_EQ(world.keys({.text = "number42", .k = 1, .mode = SearchMode::Hybrid}), "42");
  EXPECT_EQ(world.keys({.text = "number42", .k = 1, .rerank = true}), "42");
  // Without a model for it there is nothing to compare but vectors.
  for (const auto& [mode, method] : {std::pair(SearchMode::Vector, "+rerank(scores)"),
                                     std::pair(SearchMode::Hybrid, "+rerank(scores)"),
                                     std::pair(SearchMode::Text, "bm25+rerank(embedding, rrf)")}) {
    const auto reranked = world.search({.text = "number42", .k = 1, .mode = mode, .rerank = true});
    ASSERT_THAT(reranked, IsOk());
    EXPECT_THAT(reranked->method, HasSubstr(method));
    EXPECT_EQ(reranked->hits.at(0).key.to_number<int>(), 42);
  }
}

TEST(VectorServiceTest, KeysOfEachTypeAreFound) {
  World world;
  world.sql(
      "CREATE TABLE main.keyed AS SELECT 'k' || i AS s, i::INTEGER AS i4, "
      "(i + 10000000000)::BIGINT AS i8, "
      "('00000000-0000-0000-0000-00000000000' || i)::UUID AS u, 'word' || i AS body "
      "FROM range(1, 9) t(i)");
  for (const auto& [column, expected] : {std::pair<std::string, std::string>{"s", "\"k3\""},
                                         {"i4", "3"},
                                         {"i8", "10000000003"},
                                         {"u", "\"00000000-0000-0000-0000-000000000003\""}}) {
    SCOPED_TRACE(column);
    IndexSpec spec = World::spec("by_" + column);
    spec.dataset = "keyed";
    spec.key = column;
    spec.recipe.text_columns = {"body"};
    const jobs::Job job = world.make_index(spec);
    ASSERT_EQ(job.state, jobs::JobState::Done) << (job.error ? job.error->message : "");
    EXPECT_EQ(world.keys({.index = spec.name, .text = "word3", .k = 1}), expected);
    EXPECT_EQ(world.keys({.index = spec.name, .text = "word3", .k = 9, .filter = "i4 > 6"}).size(),
              expected.size() * 2 + 1);
  }
}

TEST(VectorServiceTest, FiltersAreSqlAndNothingElse) {
  World world;
  world.make_notes(100);
  ASSERT_EQ(world.make_index().state, jobs::JobState::Done);
  EXPECT_EQ(
      world.keys({.text = "number42", .k = 2, .filter = "shelf = 2 AND id < 60"}).substr(0, 2),
      "42");
  EXPECT_EQ(world.keys({.text = "number42", .k = 10, .filter = "id = 7 -- only this"}), "7");
  EXPECT_EQ(world.keys({.text = "number42", .k = 10, .filter = "false"}), "");
  const auto found = world.search({.text = "number42", .k = 50, .filter = "shelf = 2"});
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->hits.size(), 10U);
  EXPECT_EQ(found->allowed, 10U);
  for (const std::string filter :
       {"true) UNION ALL SELECT 1 WHERE (true", "id = 1); SELECT (1", "", "1=1 ORDER BY 1"}) {
    if (!filter.empty()) {
      SCOPED_TRACE(filter);
      EXPECT_THAT(world.search({.text = "x", .filter = filter}),
                  FailsWith(ErrorCode::InvalidArgument));
    }
  }
  EXPECT_THAT(world.keys({.text = "x", .filter = "nothing = 1"}), HasSubstr("nothing"));
  EXPECT_THAT(world.keys({.text = "x", .filter = "id ="}), HasSubstr("the filter"));
  // Kept, and found again while nothing changes.
  const IndexCacheStats before = world.service().cache_stats();
  EXPECT_THAT(world.search({.text = "other", .k = 5, .filter = "shelf = 2"}), IsOk());
  EXPECT_GT(world.service().cache_stats().row_set_hits, before.row_set_hits);
}

TEST(VectorServiceTest, DeletedAndChangedRowsAreNotReturnedAndNewOnesAreAfterRefresh) {
  World world;
  world.make_notes(50);
  ASSERT_EQ(world.make_index().state, jobs::JobState::Done);
  world.sql("DELETE FROM main.notes WHERE id = 42");
  EXPECT_NE(world.keys({.text = "number42", .k = 1}), "42");
  world.sql("UPDATE main.notes SET body = 'quite another text' WHERE id = 7");
  EXPECT_NE(world.keys({.text = "number7", .k = 1}), "7");
  world.sql("INSERT INTO main.notes VALUES (60, 'title 60', 'body of number60', 1)");
  EXPECT_EQ(world.search({.text = "x", .k = 100})->hits.size(), 48U);
  const auto stale = world.service().stale(patient_context());
  ASSERT_THAT(stale, IsOk());
  ASSERT_THAT(*stale, SizeIs(1));
  EXPECT_EQ(stale->at(0).commits_behind, 3);

  const std::size_t embedded = world.models().fake_embedder().texts_embedded();
  const jobs::Job job = world.refresh();
  ASSERT_EQ(job.state, jobs::JobState::Done) << (job.error ? job.error->message : "");
  // The query's texts of these lines are embedded, too.
  EXPECT_EQ(world.models().fake_embedder().texts_embedded() - embedded, 2U);
  EXPECT_EQ(job.result.at("rows_removed"), boost::json::value(2));
  EXPECT_EQ(world.keys({.text = "quite another text", .k = 1}), "7");
  EXPECT_EQ(world.keys({.text = "number60", .k = 1}), "60");
  EXPECT_EQ(world.search({.text = "x", .k = 100})->hits.size(), 50U);
  EXPECT_EQ(world.lake().text("SELECT count(*) FROM vectors.docs"), "[[50]]");
  EXPECT_THAT(*world.service().stale(patient_context()), SizeIs(0));
}

TEST(VectorServiceTest, ARowThatComesBackIsFoundOnce) {
  World world;
  world.make_notes(20);
  ASSERT_EQ(world.make_index().state, jobs::JobState::Done);
  world.sql("DELETE FROM main.notes WHERE id = 5");
  ASSERT_EQ(world.refresh().state, jobs::JobState::Done);
  world.sql("INSERT INTO main.notes VALUES (5, 'title 5', 'body of number5 animal0', 5)");
  ASSERT_EQ(world.refresh().state, jobs::JobState::Done);
  EXPECT_EQ(world.keys({.text = "number5", .k = 1}), "5");
  EXPECT_EQ(world.search({.text = "number5", .k = 100})->hits.size(), 20U);
}

TEST(VectorServiceTest, RowsThatAPolicyHidesAreNotFound) {
  World world;
  world.make_notes(50);
  ASSERT_EQ(world.make_index().state, jobs::JobState::Done);
  World::policies().set(
      "ann", "main.notes",
      {.row_filter = "shelf = 3", .masks = {}, .hidden_columns = {}, .version = ""});
  const auto found = world.search({.text = "number42", .k = 50}, "ann");
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->hits.size(), 5U);
  EXPECT_EQ(world.search({.text = "number42", .k = 50, .filter = "id > 40"}, "ann")->hits.size(),
            1U);
  EXPECT_EQ(
      world.search({.text = "number42", .k = 50, .mode = SearchMode::Text}, "ann")->hits.size(),
      0U);
  EXPECT_EQ(world.search({.text = "number42", .k = 50}, "bob")->hits.size(), 50U);
  // A text that is masked is not the text that was embedded.
  World::policies().set("eve", "main.notes",
                        {.row_filter = "",
                         .masks = {{.column = "body", .kind = governance::ColumnMask::Kind::Null}},
                         .hidden_columns = {},
                         .version = ""});
  EXPECT_EQ(world.search({.text = "number42", .k = 50}, "eve")->hits.size(), 0U);
  World::policies().set("joe", "main.notes",
                        {.row_filter = "", .masks = {}, .hidden_columns = {"body"}, .version = ""});
  EXPECT_THAT(world.search({.text = "number42", .k = 50}, "joe"),
              FailsWith(ErrorCode::PermissionDenied));
  EXPECT_THAT(world.service().pin_embeddings(
                  [] {
                    RequestContext context = patient_context();
                    context.principal = "ann";
                    return context;
                  }(),
                  "docs"),
              FailsWith(ErrorCode::PermissionDenied));
}

TEST(VectorServiceTest, BadRowsAreSetAsideWithTheReason) {
  World world;
  world.sql(
      "CREATE TABLE main.notes AS SELECT * FROM (VALUES (1, 'one', 'good'), (NULL, 'x', 'y'), "
      "(2, 'two', 'cursed'), (3, NULL, NULL), (4, 'four', 'a'), (4, 'four', 'b'), "
      "(5, 'five', 'good')) t(id, title, body)");
  world.models().fake_embedder().refuse_texts_with("cursed");
  const jobs::Job job = world.make_index();
  ASSERT_EQ(job.state, jobs::JobState::Done) << (job.error ? job.error->message : "");
  EXPECT_EQ(job.result.at("bad_rows"), boost::json::value(4));
  const auto info = world.service().get(patient_context(), "docs");
  EXPECT_EQ(info->current().rows, 2);
  EXPECT_EQ(info->current().chunks, 2);
  const auto bytes = world.lake().buckets().read(patient_context(), info->current().bad_rows_file);
  ASSERT_THAT(bytes, IsOk());
  const std::string text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  EXPECT_THAT(text, HasSubstr(R"({"key":null,"reason":"the key is NULL"})"));
  EXPECT_THAT(text, HasSubstr(R"({"key":4,"reason":"several rows have this key"})"));
  EXPECT_THAT(text, HasSubstr(R"({"key":3,"reason":"there is no text"})"));
  EXPECT_THAT(text, HasSubstr(R"({"key":2,"reason":"the model refuses it)"));
  EXPECT_EQ(world.search({.text = "good", .k = 10})->hits.size(), 2U);
}

TEST(VectorServiceTest, ARunThatFailsGoesOnWhereItWas) {
  World world;
  world.make_notes(100);
  world.models().fake_embedder().refuse_texts_with("never");
  const auto started = world.service().create_index(patient_context(), World::spec());
  ASSERT_THAT(started, IsOk());
  // Stopped with its server somewhere on the way, and again.
  for (int i = 0; i < 3; ++i) {
    world.start();
  }
  ASSERT_EQ(world.finish(*started).state, jobs::JobState::Done);
  EXPECT_EQ(world.lake().text("SELECT count(*), count(DISTINCT key) FROM vectors.docs"),
            "[[100,100]]");
  // Each stop costs a batch or two that were on their way.
  EXPECT_LE(world.models().fake_embedder().texts_embedded(), 100U + 3U * 4U * 16U);
}

TEST(VectorServiceTest, AModelThatIsDownForAMomentCostsNothing) {
  World world;
  world.make_notes(30);
  world.models().fake_embedder().fail_next(Error{.code = ErrorCode::Unavailable,
                                                 .message = "down",
                                                 .hint = {},
                                                 .position_bytes = {},
                                                 .details_json = {}},
                                           2);
  EXPECT_EQ(world.make_index().state, jobs::JobState::Done);
}

TEST(VectorServiceTest, OnAppendFollowsByItself) {
  World world;
  world.make_notes(20);
  IndexSpec spec = World::spec();
  spec.refresh.policy = RefreshPolicy::OnAppend;
  ASSERT_EQ(world.make_index(spec).state, jobs::JobState::Done);
  world.sql("INSERT INTO main.notes VALUES (77, 'title 77', 'body of number77', 1)");
  const RequestContext context = patient_context();
  while (world.keys({.text = "number77", .k = 1}) != "77") {
    ASSERT_THAT(context.check(), IsOk());
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

TEST(VectorServiceTest, AnotherGenerationTakesOverAndCanBeLeftAgain) {
  World world;
  world.make_notes(40);
  ASSERT_EQ(world.make_index().state, jobs::JobState::Done);
  world.models().add_embedder(std::make_shared<FakeEmbedder>("wide", 96, "7"));
  VectorService& service = world.service();
  std::map<std::int64_t, double> quality = {{1, 0.9}, {2, 0.8}};
  service.set_quality([&](const RequestContext&, const IndexInfo&,
                          std::int64_t generation) -> Result<std::optional<double>> {
    return quality[generation];
  });
  Recipe recipe;
  recipe.model = "wide";
  const auto job = service.build_beside(patient_context(), "docs", recipe, {});
  ASSERT_THAT(job, IsOk());
  EXPECT_THAT(service.build_beside(patient_context(), "docs", recipe, {}),
              FailsWith(ErrorCode::AlreadyExists));
  ASSERT_EQ(world.finish(*job).state, jobs::JobState::Done);
  // Worse, so it waits beside.
  EXPECT_EQ(service.get(patient_context(), "docs")->active, 1);
  EXPECT_THAT(service.switch_to(patient_context(), "docs", 2, false),
              FailsWith(ErrorCode::FailedPrecondition));
  EXPECT_EQ(world.search({.text = "number7", .k = 1, .generation = 2})->model, "wide");
  quality[2] = 0.95;
  ASSERT_THAT(service.switch_to(patient_context(), "docs", 2, false), IsOk());
  EXPECT_EQ(world.search({.text = "number7", .k = 1})->model, "wide");
  EXPECT_EQ(world.keys({.text = "number7", .k = 1}), "7");
  EXPECT_THAT(service.drop_generation(patient_context(), "docs", 2),
              FailsWith(ErrorCode::FailedPrecondition));
  ASSERT_THAT(service.switch_to(patient_context(), "docs", 1, false), IsOk());
  EXPECT_EQ(world.search({.text = "number7", .k = 1})->model, "fake");
  ASSERT_THAT(service.drop_generation(patient_context(), "docs", 2), IsOk());
  EXPECT_THAT(world.lake().text("SELECT 1 FROM vectors.docs__2"), HasSubstr("NOT_FOUND"));
}

TEST(VectorServiceTest, AModelThatHasChangedIsNotMixedIn) {
  World world;
  world.make_notes(10);
  ASSERT_EQ(world.make_index().state, jobs::JobState::Done);
  world.models().add_embedder(std::make_shared<FakeEmbedder>("fake", 64, "2"));
  EXPECT_THAT(world.search({.text = "x"}), FailsWith(ErrorCode::FailedPrecondition));
  EXPECT_THAT(world.search({.text = "number3", .mode = SearchMode::Text}), IsOk());
  EXPECT_EQ(world.refresh().state, jobs::JobState::Failed);
}

TEST(VectorServiceTest, SearchesSurviveARestartAndADamagedFile) {
  World world;
  world.make_notes(60);
  ASSERT_EQ(world.make_index().state, jobs::JobState::Done);
  world.start();
  EXPECT_EQ(world.keys({.text = "number33", .k = 1}), "33");
  EXPECT_EQ(world.service().cache_stats().loads, 1U);
  const auto info = world.service().get(patient_context(), "docs");
  const std::string folder = info->current().file.substr(std::string("file://").size());
  ASSERT_TRUE(std::filesystem::exists(folder + "/chunks.lhc"));
  std::filesystem::resize_file(folder + "/chunks.lhc", 100);
  world.start();
  EXPECT_EQ(world.keys({.text = "number33", .k = 1}), "33");
}

TEST(VectorServiceTest, ADropLeavesNothing) {
  World world;
  world.make_notes(10);
  ASSERT_EQ(world.make_index().state, jobs::JobState::Done);
  EXPECT_THAT(world.service().create_index(patient_context(), World::spec()),
              FailsWith(ErrorCode::AlreadyExists));
  EXPECT_TRUE(*world.service().drop(patient_context(), "docs"));
  EXPECT_FALSE(*world.service().drop(patient_context(), "docs"));
  EXPECT_THAT(world.search({.text = "x"}), FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(world.lake().text("SELECT 1 FROM vectors.docs"), HasSubstr("NOT_FOUND"));
  EXPECT_EQ(world.make_index().state, jobs::JobState::Done);
}

TEST(VectorServiceTest, WhatIsWrongIsSaid) {
  World world;
  world.make_notes(5);
  const auto refused = [&](const std::function<void(IndexSpec&)>& change) {
    IndexSpec spec = World::spec();
    change(spec);
    const auto made = world.service().create_index(patient_context(), spec);
    return made ? "ok" : std::string(to_string(made.error().code)) + ": " + made.error().message;
  };
  EXPECT_THAT(refused([](IndexSpec& s) { s.name = "A b"; }), HasSubstr("name"));
  EXPECT_THAT(refused([](IndexSpec& s) { s.dataset = "main.nodes"; }), HasSubstr("NOT_FOUND"));
  EXPECT_THAT(refused([](IndexSpec& s) { s.key = "idd"; }), HasSubstr("no column 'idd'"));
  EXPECT_THAT(refused([](IndexSpec& s) { s.recipe.text_columns = {"tittle"}; }),
              HasSubstr("tittle"));
  EXPECT_THAT(refused([](IndexSpec& s) { s.recipe.text_columns = {}; }), HasSubstr("template"));
  EXPECT_THAT(refused([](IndexSpec& s) { s.recipe.model = "gpt-9"; }), HasSubstr("NOT_FOUND"));
  EXPECT_THAT(refused([](IndexSpec& s) { s.graph.m = 1; }), HasSubstr("m"));
  EXPECT_THAT(refused([](IndexSpec& s) {
                s.recipe.text_columns = {};
                s.recipe.text_template = "{title}: {body";
              }),
              HasSubstr("not closed"));
  ASSERT_EQ(world.make_index().state, jobs::JobState::Done);
  EXPECT_THAT(world.search({.text = "x", .k = 0}), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(world.search({.vector = {1, 2, 3}}), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(world.search({}), FailsWith(ErrorCode::InvalidArgument));
}

TEST(VectorServiceTest, LongTextsAreSeveralChunksOfWhichTheBestStands) {
  World world;
  world.sql(
      "CREATE TABLE main.notes AS SELECT 1 AS id, 'T' AS title, repeat('filler words here. ', 200) "
      "|| 'needle stands alone. ' || repeat('more filler words. ', 200) AS body UNION ALL "
      "SELECT 2, 'U', 'something short'");
  IndexSpec spec = World::spec();
  spec.recipe.chunk.size = 200;
  spec.recipe.chunk.overlap = 20;
  ASSERT_EQ(world.make_index(spec).state, jobs::JobState::Done);
  const auto best = world.search({.text = "needle stands alone", .k = 5, .mode = SearchMode::Text});
  ASSERT_THAT(best, IsOk());
  ASSERT_FALSE(best->hits.empty());
  EXPECT_THAT(best->hits[0].text, HasSubstr("needle"));
  EXPECT_EQ(best->hits[0].end - best->hits[0].start, best->hits[0].text.size());
  const auto rows = world.search({.text = "filler words", .k = 5, .one_per_row = true});
  EXPECT_EQ(rows->hits.size(), 2U);
}

}  // namespace
}  // namespace lakehouse::vector
