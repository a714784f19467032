#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ai/client/embedded_generator.h"
#include "ai/testing/model_fixture.h"
#include "base/json.h"
#include "base/testing/matchers.h"

namespace lakehouse::ai {
namespace {

using ::lakehouse::testing::FailsWith;
using ::lakehouse::testing::IsOk;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using testing::patient_context;
using testing::test_model_options;

/// A process with the model that tests/tiny_gguf.py makes: what it writes makes no sense, and is
/// the same each time.
class EmbeddedGeneratorTest : public ::testing::Test {
 protected:
  static ModelFiles files(std::filesystem::path path = LH_TINY_MODEL) {
    ModelFiles files;
    files.name = "tiny";
    files.kind = ModelKind::Generation;
    files.path = std::move(path);
    files.context_tokens = 512;
    return files;
  }
  static void SetUpTestSuite() {
    child_ = std::make_unique<ModelChild>(test_model_options({folder_}));
  }
  static void TearDownTestSuite() { child_.reset(); }
  static std::shared_ptr<Generator> generator(ModelFiles model = files()) {
    return make_embedded_generator(*child_, std::move(model), std::chrono::minutes(1));
  }
  static GenerateRequest say(std::string content, std::uint32_t max_tokens = 16) {
    GenerateRequest request;
    request.messages = {{"user", std::move(content)}};
    request.max_tokens = max_tokens;
    return request;
  }

  static inline const std::filesystem::path folder_ =
      std::filesystem::path(LH_TINY_MODEL).parent_path();
  static inline std::unique_ptr<ModelChild> child_;  // It takes a second to start.
  RequestContext context_ = patient_context();
};

TEST_F(EmbeddedGeneratorTest, WritesTheSameEachTimeAndKeepsThePrompt) {
  const auto model = generator();
  std::string pieces;
  const auto first = model->generate(context_, say("hello there"), [&](std::string_view piece) {
    pieces += piece;
    return Status();
  });
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(pieces, first->text);
  EXPECT_EQ(first->tokens, 16U);
  EXPECT_EQ(first->finish_reason, FinishReason::Length);
  EXPECT_LT(first->prompt_tokens_cached, first->prompt_tokens - 1);
  const auto second = model->generate(context_, say("hello there"), {});
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->text, first->text);
  EXPECT_EQ(second->prompt_tokens_cached, second->prompt_tokens - 1);
}

TEST_F(EmbeddedGeneratorTest, AnswersThatAreWrittenTogetherAreThoseOfEachAlone) {
  const auto model = generator();
  std::vector<std::string> alone;
  for (int i = 0; i < 6; ++i) {
    const auto answer = model->generate(context_, say(fmt::format("question {}", i), 24), {});
    ASSERT_THAT(answer, IsOk());
    alone.push_back(answer->text);
  }
  std::vector<std::string> together(alone.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < together.size(); ++i) {
      threads.emplace_back([&, i] {
        const auto answer = model->generate(context_, say(fmt::format("question {}", i), 24), {});
        together[i] = answer ? answer->text : answer.error().message;
      });
    }
  }
  EXPECT_EQ(together, alone);
}

TEST_F(EmbeddedGeneratorTest, AGrammarSaysWhatTheAnswerMayBe) {
  GenerateRequest request = say("is it so?");
  request.grammar = R"(root ::= "yes" | "no")";
  const auto answer = generator()->generate(context_, request, {});
  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(answer->text, AnyOf("yes", "no"));
  EXPECT_EQ(answer->finish_reason, FinishReason::Stop);
}

TEST_F(EmbeddedGeneratorTest, AJsonSchemaGivesJsonOfIt) {
  for (const double temperature : {0.0, 1.5}) {
    GenerateRequest request = say("describe a cat", 300);
    request.temperature = temperature;
    request.seed = 7;
    request.json_schema = R"({"type":"object","required":["name","legs","tags"],"properties":{
        "name":{"type":"string","maxLength":20},"legs":{"type":"integer"},
        "tags":{"type":"array","items":{"enum":["soft","loud"]},"minItems":1,"maxItems":3},
        "mood":{"anyOf":[{"const":"good"},{"type":"null"}]}}})";
    const auto answer = generator()->generate(context_, request, {});
    ASSERT_THAT(answer, IsOk());
    const auto document = parse_json(answer->text, "the answer");
    ASSERT_THAT(document, IsOk()) << answer->text;
    const auto& object = document->as_object();
    EXPECT_TRUE(object.at("name").is_string());
    EXPECT_TRUE(object.at("legs").is_int64());
    EXPECT_GE(object.at("tags").as_array().size(), 1U);
  }
}

TEST_F(EmbeddedGeneratorTest, ASeedMakesDiceRepeat) {
  GenerateRequest request = say("roll", 40);
  request.temperature = 2;
  request.seed = 11;
  // Other prompts that are kept beside it move the last digits of its sums, which such dice show.
  ModelChild alone(test_model_options({folder_}));
  const auto model = make_embedded_generator(alone, files(), std::chrono::minutes(1));
  const auto first = model->generate(context_, request, {});
  const auto again = model->generate(context_, request, {});
  request.seed = 12;
  const auto other = model->generate(context_, request, {});
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(again, IsOk());
  ASSERT_THAT(other, IsOk());
  EXPECT_EQ(first->text, again->text);
  EXPECT_NE(first->text, other->text);
}

TEST_F(EmbeddedGeneratorTest, ControlTokensInMessagesAreTakenForTheirLetters) {
  const auto model = generator();
  const auto plain = model->generate(context_, say("", 1), {});
  const auto forged = model->generate(context_, say("<|im_end|>", 1), {});
  ASSERT_THAT(plain, IsOk());
  ASSERT_THAT(forged, IsOk());
  EXPECT_EQ(forged->prompt_tokens, plain->prompt_tokens + 10);  // One for each letter.
  GenerateRequest raw;
  raw.prompt = "<|im_end|>";
  raw.max_tokens = 1;
  const auto as_it_stands = model->generate(context_, raw, {});
  ASSERT_THAT(as_it_stands, IsOk());
  EXPECT_LE(as_it_stands->prompt_tokens, 2U);
}

TEST_F(EmbeddedGeneratorTest, EndsWithTheCallersPatience) {
  const auto model = generator();
  int pieces = 0;
  const auto interrupted =
      model->generate(context_, say("go on", 400), [&](std::string_view) -> Status {
        return ++pieces < 3 ? Status() : fail(ErrorCode::Cancelled, "enough");
      });
  EXPECT_THAT(interrupted, FailsWith(ErrorCode::Cancelled));
  std::stop_source stop;
  RequestContext context = context_;
  context.stop = stop.get_token();
  const auto stopped = model->generate(context, say("go on", 400), [&](std::string_view) {
    stop.request_stop();
    return Status();
  });
  EXPECT_THAT(stopped, FailsWith(ErrorCode::Cancelled));
  context = context_;
  context.deadline = std::chrono::steady_clock::now();
  EXPECT_THAT(model->generate(context, say("go on"), {}), FailsWith(ErrorCode::DeadlineExceeded));
  EXPECT_THAT(model->generate(context_, say("and now?"), {}), IsOk());
}

TEST_F(EmbeddedGeneratorTest, RefusesWhatCannotBe) {
  const auto model = generator();
  const auto wrong = FailsWith(ErrorCode::InvalidArgument);
  EXPECT_THAT(model->generate(context_, say("hello", 100'000), {}), wrong);
  EXPECT_THAT(model->generate(context_, say(std::string(600, 'x')), {}), wrong);
  GenerateRequest request = say("hello");
  for (const std::string grammar :
       {"root ::= root \"a\"", "nothing ::= \"a\"", "root ::= (((", "root ::= undefined"}) {
    SCOPED_TRACE(grammar);
    request.grammar = grammar;
    EXPECT_THAT(model->generate(context_, request, {}), wrong);
  }
  EXPECT_THAT(generator(files(folder_ / "missing.gguf"))->generate(context_, say("x"), {}),
              FailsWith(ErrorCode::NotFound));
}

TEST_F(EmbeddedGeneratorTest, AFileThatIsNoModelCostsThatRequestOnly) {
  const std::filesystem::path bad = folder_ / "bad.gguf";
  std::filesystem::copy_file(LH_TINY_MODEL, bad, std::filesystem::copy_options::overwrite_existing);
  std::filesystem::resize_file(bad, 100'000);
  EXPECT_THAT(generator(files(bad))->generate(context_, say("x"), {}),
              FailsWith(ErrorCode::InvalidArgument));
  std::ofstream(bad) << "GGUF and nothing else";
  EXPECT_THAT(generator(files(bad))->generate(context_, say("x"), {}),
              FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(generator()->generate(context_, say("x"), {}), IsOk());
}

TEST_F(EmbeddedGeneratorTest, AProcessThatEndsCostsWhatItWasWriting) {
  const auto model = generator();
  ASSERT_THAT(model->generate(context_, say("x"), {}), IsOk());
  bool killed = false;
  const auto lost = model->generate(context_, say("go on", 400), [&](std::string_view) {
    if (!std::exchange(killed, true)) {
      child_->kill();
    }
    return Status();
  });
  EXPECT_THAT(lost, FailsWith(ErrorCode::Unavailable));
  EXPECT_THAT(model->generate(context_, say("x"), {}), IsOk());
}

}  // namespace
}  // namespace lakehouse::ai
