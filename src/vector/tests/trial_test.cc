#include "vector/trial.h"

#include <filesystem>
#include <fstream>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ai/testing/fake_models.h"
#include "base/id.h"
#include "base/json.h"
#include "base/testing/matchers.h"
#include "vector/testing/fake_vector_service.h"
#include "vector/trial_service.h"

namespace lakehouse::vector {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
namespace json = boost::json;

constexpr std::size_t kRows = 400;

/// Texts of random words, embedded by the fake model.
class Texts final : public PinnedEmbeddings {
 public:
  Texts(IndexInfo info, ai::ModelService& models) : info_(std::move(info)) {
    std::mt19937 dice(7);
    for (std::size_t i = 0; i < kRows; ++i) {
      std::string text;
      for (int w = 0; w < 12; ++w) {
        text += (w == 0 ? "w" : " w") + std::to_string(dice() % 300);
      }
      texts_.push_back(text);
    }
    const std::vector<std::string_view> views(texts_.begin(), texts_.end());
    const auto embedder = models.embedder({}, "").value();
    vectors_ = embedder->embed({}, views).value();
  }
  [[nodiscard]] std::size_t size() const override { return texts_.size(); }
  [[nodiscard]] std::uint32_t dimensions() const override {
    return static_cast<std::uint32_t>(vectors_.dimensions);
  }
  [[nodiscard]] std::span<const float> vectors() const override { return vectors_.values; }
  [[nodiscard]] json::value key(std::size_t row) const override {
    return static_cast<std::int64_t>(row) + 1000;
  }
  [[nodiscard]] std::uint32_t chunk(std::size_t) const override { return 0; }
  [[nodiscard]] std::string_view text(std::size_t row) const override { return texts_[row]; }
  [[nodiscard]] std::int64_t embeddings_snapshot_id() const override { return 5; }
  [[nodiscard]] std::int64_t source_snapshot_id() const override { return 4; }
  [[nodiscard]] const IndexInfo& info() const override { return info_; }

 private:
  IndexInfo info_;
  std::vector<std::string> texts_;
  ai::Embeddings vectors_;
};

/// One index, "docs", over these texts.
class OneIndex final : public testing::FakeVectorService {
 public:
  explicit OneIndex(ai::ModelService& models) : models_(models) {
    info.id = "1";
    info.name = "docs";
    info.generations.resize(1);
    info.generations[0].embeddings = "main.docs";
    info.generations[0].state = GenerationState::Ready;
    info.generations[0].embeddings_snapshot_id = 5;
  }

  IndexInfo info;
  int pins = 0;
  std::optional<GraphSettings> promoted;
  Quality quality;

  Result<IndexInfo> get(const RequestContext&, std::string_view name) override {
    return name == info.name ? Result<IndexInfo>(info)
                             : lakehouse::fail(ErrorCode::NotFound, "there is no such index");
  }
  Result<std::shared_ptr<const PinnedEmbeddings>> pin_embeddings(const RequestContext&,
                                                                 std::string_view) override {
    ++pins;
    return std::make_shared<Texts>(info, models_);
  }
  Result<jobs::Job> promote(const RequestContext&, std::string_view,
                            const GraphSettings& graph) override {
    promoted = graph;
    return jobs::Job{};
  }
  Result<SearchResults> search(const RequestContext&, const SearchRequest& request) override {
    // Finds what begins so; the second generation finds nothing.
    SearchResults found;
    const Texts texts(info, models_);
    for (std::size_t i = 0; i < texts.size() && request.generation != 2; ++i) {
      if (texts.text(i).contains(request.text)) {
        found.hits.emplace_back().key = texts.key(i);
      }
    }
    return found;
  }
  void set_quality(Quality asked) override { quality = std::move(asked); }

 private:
  ai::ModelService& models_;
};

iceberg::Schema one_column() {
  iceberg::Schema schema;
  iceberg::NestedField field;
  field.id = 1;
  field.name = "key";
  field.type = iceberg::primitive(iceberg::TypeKind::Long);
  schema.fields.push_back(std::move(field));
  return schema;
}

class TrialsTest : public ::testing::Test {
 protected:
  TrialsTest() {
    std::filesystem::create_directories(folder_ / "bucket");
    buckets_ =
        storage::Buckets::open({{"primary", "local", (folder_ / "bucket").string()}}).value();
    metastore_ = metastore::open_sqlite((folder_ / "metastore.db").string()).value();
    catalog_ = catalog::Catalog::open(*buckets_, *metastore_, {}).value();
    catalog::CreateTable table;
    table.identifier = {.name_space = {"main"}, .name = "docs"};
    table.schema = one_column();
    EXPECT_THAT(catalog_->create_table(context_, table), IsOk());
    log_.emplace(*metastore_, query::QueryLog::Options{});
    open();
    context_.principal = "alice";
    context_.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  }
  ~TrialsTest() override {
    jobs_->stop();
    trials_.reset();
    jobs_.reset();
    log_.reset();
    catalog_.reset();
    metastore_.reset();
    std::filesystem::remove_all(folder_);
  }

  void open() {
    if (jobs_ != nullptr) {
      jobs_->stop();
    }
    trials_.reset();
    jobs_ = jobs::make_job_service(*metastore_, server_log_, metrics_, {});
    trials_.emplace(TrialService::Parts{.vectors = vectors_,
                                        .jobs = *jobs_,
                                        .models = models_,
                                        .metastore = *metastore_,
                                        .catalog = *catalog_,
                                        .buckets = *buckets_,
                                        .query_log = *log_});
    jobs_->run();
  }

  static TrialSpec spec() {
    TrialSpec spec;
    spec.index = "docs";
    spec.eval_set = "words";
    spec.k = 5;
    spec.threads = 1;
    spec.grid = {.m = {4, 16}, .ef_construction = {40}, .ef_search = {5, 200}};
    return spec;
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("trials-" + new_token(8));
  RequestContext context_;
  Log server_log_{{.level = LogLevel::Error, .format = LogFormat::Text, .file = {}}};
  Metrics metrics_;
  ai::testing::FakeModelService models_;
  OneIndex vectors_{models_};
  std::unique_ptr<storage::Buckets> buckets_;
  std::unique_ptr<metastore::Metastore> metastore_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::optional<query::QueryLog> log_;
  std::unique_ptr<jobs::JobService> jobs_;
  std::optional<TrialService> trials_;
};

TEST_F(TrialsTest, AGridIsTriedKeptAndItsBestPromoted) {
  const auto set = trials_->autogen(context_, "words", "docs", 40, 3);
  ASSERT_THAT(set, IsOk());
  EXPECT_THAT(set->queries, SizeIs(40));
  EXPECT_EQ(set->with_truth(), 40U);
  const auto started = trials_->start(context_, spec());
  ASSERT_THAT(started, IsOk());
  const auto over = jobs_->wait_over(context_, started->job.id);
  ASSERT_THAT(over, IsOk());
  ASSERT_EQ(over->state, jobs::JobState::Done) << over->error->message;
  EXPECT_EQ(over->result.at("trials"), 4);
  const auto trials = trials_->trials(context_, "docs");
  ASSERT_THAT(trials, IsOk());
  ASSERT_THAT(*trials, SizeIs(4));
  for (const Trial& trial : *trials) {
    EXPECT_GT(trial.latency_us, 0);
    EXPECT_GT(trial.memory_bytes, 0U);
    EXPECT_EQ(trial.rows, static_cast<std::int64_t>(kRows));
    ASSERT_TRUE(trial.relevance);
    EXPECT_GT(*trial.relevance, 0.5);
    EXPECT_EQ(trial.principal, "alice");
    EXPECT_EQ(trial.job_id, started->job.id);
  }
  const auto best = trials_->best(context_, "docs", {});
  ASSERT_THAT(best, IsOk());
  ASSERT_THAT(*best, SizeIs(1));
  EXPECT_GE(best->front().recall, 0.999);
  EXPECT_EQ(best->front().graph.ef_search, 200U);
  EXPECT_GE(best->front().relevance, 0.9);  // Half of a text's words find it.
  EXPECT_THAT(trials_->promote(context_, "docs", "", {}), IsOk());
  EXPECT_EQ(vectors_.promoted, best->front().graph);
  EXPECT_THAT(trials_->promote(context_, "docs", trials->front().id, {}), IsOk());
  EXPECT_EQ(vectors_.promoted, trials->front().graph);
  EXPECT_THAT(trials_->promote(context_, "docs", "none", {}), FailsWith(ErrorCode::NotFound));
  EXPECT_EQ(vectors_.pins, 1);  // Pinned once, for autogen and all trials.
  EXPECT_EQ(trials_->cache_stats().pinned, 1U);
  EXPECT_EQ(trials_->cache_stats().rows, kRows);
}

TEST_F(TrialsTest, AnotherServerGoesOnAfterTheGraphsThatAreKept) {
  ASSERT_THAT(trials_->autogen(context_, "words", "docs", 20, 3), IsOk());
  TrialSpec large = spec();
  large.grid.m = {4, 6, 8, 10, 12, 14, 16, 18};
  const auto started = trials_->start(context_, large);
  ASSERT_THAT(started, IsOk());
  // Stopped once something is kept.
  std::int64_t revision = 0;
  for (;;) {
    const auto job = jobs_->wait(context_, started->job.id, revision);
    ASSERT_THAT(job, IsOk());
    if (jobs::is_over(job->state) || job->done > 100) {
      break;
    }
    revision = job->revision;
  }
  open();
  const auto over = jobs_->wait_over(context_, started->job.id);
  ASSERT_THAT(over, IsOk());
  ASSERT_EQ(over->state, jobs::JobState::Done);
  const auto trials = trials_->trials(context_, "docs");
  ASSERT_THAT(trials, IsOk());
  EXPECT_THAT(*trials, SizeIs(16));
}

TEST_F(TrialsTest, WhatCannotBeTriedIsRefusedBefore) {
  EXPECT_THAT(trials_->start(context_, spec()), FailsWith(ErrorCode::NotFound));
  ASSERT_THAT(trials_->autogen(context_, "words", "docs", 5, 1), IsOk());
  TrialSpec wrong = spec();
  wrong.index = "none";
  EXPECT_THAT(trials_->start(context_, wrong), FailsWith(ErrorCode::NotFound));
  wrong = spec();
  wrong.grid.m = {1};
  EXPECT_THAT(trials_->start(context_, wrong), FailsWith(ErrorCode::InvalidArgument));
  wrong = spec();
  wrong.grid.seed.assign(65, 1);
  EXPECT_THAT(trials_->start(context_, wrong), FailsWith(ErrorCode::InvalidArgument));
  wrong = spec();
  wrong.grid.quantization = {"int3"};
  EXPECT_THAT(trials_->start(context_, wrong), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(trials_->best(context_, "docs", {}), FailsWith(ErrorCode::NotFound));
}

TEST_F(TrialsTest, EvalSetsBelongToWhoMadeThem) {
  EvalSet set{.name = "mine", .index = "docs"};
  set.queries = {{.name = "a", .text = "w1 w2", .truth = {{.key = 1001, .chunk = {}}}}};
  ASSERT_THAT(trials_->put_eval(context_, set), IsOk());
  RequestContext bob = context_;
  bob.principal = "bob";
  EXPECT_THAT(trials_->put_eval(bob, set), FailsWith(ErrorCode::AlreadyExists));
  EXPECT_THAT(trials_->drop_eval(bob, "mine"), FailsWith(ErrorCode::PermissionDenied));
  const auto read = trials_->get_eval(context_, "mine");
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->made_by, "hand");
  EXPECT_EQ(read->queries.front().truth.front().key, 1001);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "bucket/_hnsw_trials/evals/mine.json"));
  EXPECT_THAT(*trials_->list_evals(context_), SizeIs(1));
  EXPECT_EQ(trials_->drop_eval(context_, "mine"), true);
  EXPECT_EQ(trials_->drop_eval(context_, "mine"), false);
  EXPECT_THAT(trials_->get_eval(context_, "mine"), FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(trials_->get_eval(context_, "../x"), FailsWith(ErrorCode::InvalidArgument));
}

TEST_F(TrialsTest, SearchesBecomeAnEvalSet) {
  EXPECT_THAT(trials_->from_log(context_, "asked", "docs", 10, false),
              FailsWith(ErrorCode::FailedPrecondition));
  for (int i = 0; i < 3; ++i) {
    trials_->note_search("docs", "often", "alice");
  }
  trials_->note_search("docs", "once", "alice");
  trials_->note_search("docs", "theirs", "bob");
  trials_->note_search("other", "elsewhere", "alice");
  query::LoggedQuery statement;
  statement.id = new_uuid();
  statement.principal = "alice";
  statement.sql = "SELECT * FROM vector_search('docs', 'in sql', 5)";
  log_->add(statement);
  const auto mine = trials_->from_log(context_, "asked", "docs", 10, false);
  ASSERT_THAT(mine, IsOk());
  std::vector<std::string> texts;
  for (const EvalQuery& query : mine->queries) {
    texts.push_back(query.text);
  }
  EXPECT_THAT(texts, ElementsAre("often", "once", "in sql"));
  const auto all = trials_->from_log(context_, "all", "docs", 10, true);
  ASSERT_THAT(all, IsOk());
  EXPECT_THAT(all->queries, SizeIs(4));
}

TEST_F(TrialsTest, QualityIsTheShareOfTruthsThatAreFound) {
  EXPECT_EQ(vectors_.quality(context_, vectors_.info, 1).value(), std::nullopt);
  ASSERT_THAT(trials_->autogen(context_, "words", "docs", 10, 1), IsOk());
  EXPECT_EQ(vectors_.quality(context_, vectors_.info, 1).value(), 1.0);
  EXPECT_EQ(vectors_.quality(context_, vectors_.info, 2).value(), 0.0);
}

TEST_F(TrialsTest, TheJournalGrowsByLinesOrBySegments) {
  Trial trial;
  trial.index = "docs";
  trial.k = 5;
  trial.dimensions = 8;
  for (const bool may_append : {true, false}) {
    TrialJournal journal(*buckets_, may_append);
    trial.id = may_append ? "a-1" : "b-1";
    Trial second = trial;
    second.id += "x";
    ASSERT_THAT(journal.append(context_, "primary", {trial}), IsOk());
    ASSERT_THAT(journal.append(context_, "primary", {trial, second}), IsOk());
  }
  const std::filesystem::path folder = folder_ / "bucket/_hnsw_trials";
  EXPECT_TRUE(std::filesystem::exists(folder / "docs.00000001.jsonl"));
  EXPECT_TRUE(std::filesystem::exists(folder / "docs.00000002.jsonl"));
  {
    std::ofstream cut(folder / "docs.jsonl", std::ios::app);
    cut << R"({"id":"cut by a cra)";
  }
  TrialJournal journal(*buckets_);
  trial.id = "after";
  ASSERT_THAT(journal.append(context_, "primary", {trial}), IsOk());
  const auto all = journal.read(context_, "primary", "docs");
  ASSERT_THAT(all, IsOk());
  std::vector<std::string> ids;
  for (const Trial& one : *all) {
    ids.push_back(one.id);
  }
  EXPECT_THAT(ids, ElementsAre("a-1", "a-1x", "after", "b-1", "b-1x"));
  EXPECT_THAT(*journal.read(context_, "primary", "doc"), IsEmpty());
}

TEST(TrialTest, TheBestAreTheFrontOfRecallAndLatency) {
  const auto trial = [](double recall, double latency) {
    Trial made;
    made.recall = recall;
    made.latency_us = latency;
    return made;
  };
  const std::vector<Trial> all = {trial(0.9, 10), trial(0.99, 30), trial(0.95, 40),
                                  trial(0.5, 9),  trial(0.99, 25), trial(0.4, 50)};
  const auto pareto = best_of(all, BestBy::Pareto, 0);
  ASSERT_THAT(pareto, SizeIs(3));
  EXPECT_EQ(pareto[0].recall, 0.5);
  EXPECT_EQ(pareto[1].recall, 0.9);
  EXPECT_EQ(pareto[2].latency_us, 25);
  EXPECT_EQ(best_of(all, BestBy::Recall, 0).front().latency_us, 25);
  EXPECT_EQ(best_of(all, BestBy::Latency, 0.85).front().latency_us, 10);
  EXPECT_THAT(best_of(all, BestBy::Latency, 0.999), IsEmpty());
  EXPECT_THAT(best_of({}, BestBy::Pareto, 0), IsEmpty());
}

TEST(EvalSetTest, QueriesAreChecked) {
  const auto queries = [](std::string_view text) {
    return eval_queries_from_json(parse_json(text, "it").value().as_array());
  };
  const auto good =
      queries(R"([{"text":"a","truth":["k",{"key":7,"chunk":2},7]},{"vector":[1,2.5]}])");
  ASSERT_THAT(good, IsOk());
  EXPECT_EQ((*good)[0].name, "q1");
  EXPECT_EQ((*good)[0].truth[1].chunk, 2U);
  EXPECT_EQ((*good)[1].vector, (std::vector<float>{1, 2.5}));
  for (const std::string_view bad :
       {R"([{"text":"a","truth":[1.5]}])", R"([{"vector":["x"]}])", R"([{"vector":[1e999]}])",
        R"([{"text":"a","what":1}])", R"([5])", R"([{"text":"a","truth":[{"chunk":1}]}])"}) {
    EXPECT_THAT(queries(bad), FailsWith(ErrorCode::InvalidArgument)) << bad;
  }
  EvalSet set{.name = "s", .index = "i"};
  set.queries = {{.name = "a"}};
  EXPECT_THAT(check(set), FailsWith(ErrorCode::InvalidArgument));
  set.queries = {{.name = "a", .text = "x"}, {.name = "a", .text = "y"}};
  EXPECT_THAT(check(set), FailsWith(ErrorCode::InvalidArgument));
}

TEST(EvalSetTest, SearchesAreFoundInStatements) {
  EXPECT_THAT(searches_in("SELECT * FROM Vector_Search ( 'docs' , 'it''s', 5), "
                          "hybrid_search('docs','b') JOIN vector_search('other', 'c') "
                          "WHERE x = 'vector_search' AND vector_search('docs', $1) AND "
                          "vector_search('docs', 'open",
                          "docs"),
              ElementsAre("it's", "b"));
}

TEST(EvalSetTest, AQuestionIsSomeWordsOfItsText) {
  const std::string text = "one two three four five six seven eight nine ten eleven twelve";
  const std::string question = question_from(text, 1);
  EXPECT_THAT(text, HasSubstr(question));
  EXPECT_EQ(question, question_from(text, 1));
  EXPECT_EQ(question_from(" \n", 1), "");
  EXPECT_EQ(question_from("word", 1), "word");
}

}  // namespace
}  // namespace lakehouse::vector
