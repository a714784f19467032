#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ai/testing/fake_models.h"
#include "answer/rag_service.h"
#include "base/testing/matchers.h"
#include "jobs/job_service.h"
#include "query/compaction.h"
#include "query/testing/fixed_policies.h"
#include "query/testing/lake_fixture.h"
#include "vector/vector_service.h"

namespace lakehouse::answer {
namespace {

using ::lakehouse::testing::FailsWith;
using ::lakehouse::testing::IsOk;
using query::testing::FixedPolicies;
using query::testing::TestLake;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

/// Answers over a real index, under policies.
class RagPoliciesTest : public ::testing::Test {
 protected:
  RagPoliciesTest()
      : lake_(options(policies_)),
        compactor_(lake_.catalog(), lake_.engine(), lake_.source(), lake_.writer(),
                   lake_.buckets()) {
    run("CREATE TABLE main.people AS SELECT * FROM (VALUES "
        "(1, 'Ana Silva is a welder in the old refinery.', 'open'),"
        "(2, 'Bob Ray is a welder in the secret laboratory.', 'closed'),"
        "(3, 'Chen Li is a welder in the northern shipyard.', 'open')) t(id, note, level)");
    jobs_ = jobs::make_job_service(lake_.metastore(), log_, metrics_, {});
    vectors_ =
        query::testing::value_or_throw(vector::make_vector_service({.catalog = lake_.catalog(),
                                                                    .metastore = lake_.metastore(),
                                                                    .buckets = lake_.buckets(),
                                                                    .engine = lake_.engine(),
                                                                    .query = lake_.service(),
                                                                    .writer = lake_.writer(),
                                                                    .compactor = compactor_,
                                                                    .jobs = *jobs_,
                                                                    .models = models_,
                                                                    .policies = &policies_,
                                                                    .log = log_,
                                                                    .metrics = metrics_},
                                                                   {.watches = false}));
    jobs_->run();
    service_ = make_rag_service({.vectors = *vectors_,
                                 .models = models_,
                                 .query = lake_.service(),
                                 .catalog = lake_.catalog(),
                                 .metastore = lake_.metastore(),
                                 .log = log_});
    vector::IndexSpec spec;
    spec.name = "people";
    spec.dataset = "main.people";
    spec.key = "id";
    spec.recipe.text_columns = {"note"};
    const auto job = query::testing::value_or_throw(vectors_->create_index(as("owner"), spec));
    EXPECT_THAT(jobs_->wait_over(as("owner"), job.id), IsOk());
    // A model that would tell everything if it knew it.
    models_.fake_generator().say(
        "Ana Silva is a welder in the old refinery [1]. Bob Ray is a welder in the secret "
        "laboratory [2]. Chen Li is a welder in the northern shipyard [3].");
  }
  ~RagPoliciesTest() override {
    jobs_->stop();
    vectors_->stop();
  }

  static query::QueryService::Options options(FixedPolicies& policies) {
    query::QueryService::Options options;
    options.planner.policies = &policies;
    return options;
  }
  static governance::TablePolicy open_rows() {
    governance::TablePolicy policy;
    policy.row_filter = "level = 'open'";
    return policy;
  }
  static RequestContext as(std::string principal) {
    RequestContext context = engine::testing::patient_context();
    context.principal = std::move(principal);
    return context;
  }
  void run(const std::string& sql) { ASSERT_THAT(lake_.rows(sql), IsOk()); }

  Result<RagAnswer> ask(const std::string& principal, const std::string& model = {}) {
    RagRequest request;
    request.question = "Who is a welder?";
    request.index = "people";
    request.model = model;
    return service_->answer(as(principal), request);
  }
  /// All that somebody is told or that is asked of a model.
  std::string all_of(const RagAnswer& answer) {
    std::string all = answer.answer;
    for (const Evidence& item : answer.evidence) {
      all += "\n" + item.text;
    }
    for (const AnswerSentence& sentence : answer.sentences) {
      for (const Citation& citation : sentence.citations) {
        all += "\n" + citation.quote;
      }
    }
    for (const auto& request : models_.fake_generator().requests()) {
      for (const ai::ChatMessage& message : request.messages) {
        all += "\n" + message.content;
      }
    }
    return all;
  }

  FixedPolicies policies_;
  Log log_{Log::Options{.file = "/dev/null"}};
  Metrics metrics_;
  TestLake lake_;
  query::Compactor compactor_;
  ai::testing::FakeModelService models_;
  std::unique_ptr<jobs::JobService> jobs_;
  std::unique_ptr<vector::VectorService> vectors_;
  std::unique_ptr<RagService> service_;
};

TEST_F(RagPoliciesTest, RowsThatAFilterHidesAreNowhereInAnAnswer) {
  policies_.set("carol", "main.people", open_rows());
  for (const std::string model : {"", "extractive"}) {
    const auto answer = ask("carol", model);
    ASSERT_THAT(answer, IsOk());
    EXPECT_FALSE(answer->abstained);
    EXPECT_THAT(answer->answer, HasSubstr("Ana Silva"));
    EXPECT_THAT(all_of(*answer), Not(HasSubstr("Bob"))) << model;
  }
  const auto owner = ask("owner");
  ASSERT_THAT(owner, IsOk());
  EXPECT_THAT(owner->answer, HasSubstr("Bob Ray"));
  policies_.deny("main.people");
  EXPECT_THAT(ask("carol"), FailsWith(ErrorCode::PermissionDenied));
}

TEST_F(RagPoliciesTest, MaskedCellsAreNowhereInAnAnswer) {
  governance::TablePolicy policy;
  policy.masks = {{.column = "note",
                   .kind = governance::ColumnMask::Kind::Expression,
                   .sql = "CASE WHEN level = 'open' THEN note ELSE 'A welder, withheld.' END"}};
  policies_.set("dave", "main.people", policy);
  const auto some = ask("dave");
  ASSERT_THAT(some, IsOk());
  EXPECT_THAT(some->answer, HasSubstr("Ana Silva"));
  EXPECT_THAT(all_of(*some), Not(HasSubstr("Bob")));
  policy.masks = {{.column = "note", .kind = governance::ColumnMask::Kind::Null}};
  policies_.set("erin", "main.people", policy);
  const auto none = ask("erin");
  ASSERT_THAT(none, IsOk());
  EXPECT_TRUE(none->abstained);
  EXPECT_TRUE(none->evidence.empty());
}

TEST_F(RagPoliciesTest, AReceiptIsReadAgainUnderThePoliciesOfNow) {
  const auto answer = ask("carol");
  ASSERT_THAT(answer, IsOk());
  ASSERT_THAT(answer->answer, HasSubstr("Bob Ray"));
  const auto whole = service_->replay(as("carol"), answer->receipt_id);
  ASSERT_THAT(whole, IsOk());
  EXPECT_TRUE(whole->is_complete);
  EXPECT_TRUE(whole->prompt_matches);
  EXPECT_THAT(service_->replay(as("owner"), answer->receipt_id), FailsWith(ErrorCode::NotFound));
  policies_.set("carol", "main.people", open_rows());
  const auto part = service_->replay(as("carol"), answer->receipt_id);
  ASSERT_THAT(part, IsOk());
  EXPECT_FALSE(part->is_complete);
  for (const Replay::Item& item : part->evidence) {
    EXPECT_THAT(item.evidence.text, Not(HasSubstr("Bob")));
    EXPECT_EQ(item.matches, item.evidence.key.to_number<int>() != 2);
  }
  policies_.deny("main.people");
  EXPECT_THAT(service_->replay(as("carol"), answer->receipt_id),
              FailsWith(ErrorCode::PermissionDenied));
}

}  // namespace
}  // namespace lakehouse::answer
