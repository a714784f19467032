#include "ai/model_registry.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ai/testing/fake_models.h"
#include "ai/tests/stub_provider.h"
#include "base/id.h"
#include "base/testing/matchers.h"

namespace lakehouse::ai {
namespace {

namespace fs = std::filesystem;
using ::lakehouse::testing::FailsWith;
using ::lakehouse::testing::IsOk;
using ::testing::HasSubstr;
using testing::StubAnswer;
using testing::StubProvider;
using testing::StubRequest;

/// Says which model it was asked for.
class FakeRunner final : public ModelRunner {
 public:
  class EchoGenerator final : public Generator {
   public:
    EchoGenerator(ModelFiles files, FakeRunner& runner)
        : files_(std::move(files)), runner_(runner) {
      info_.name = files_.name;
      info_.kind = ModelKind::Generation;
    }
    [[nodiscard]] const ModelInfo& info() const override { return info_; }
    Result<Generation> generate(const RequestContext& context, const GenerateRequest&,
                                const OnPiece& on_piece) override {
      LH_RETURN_IF_ERROR(context.check());
      if (on_piece && runner_.writes_before_failing) {
        LH_RETURN_IF_ERROR(on_piece("I"));
      }
      if (runner_.fails) {
        return fail(ErrorCode::Unavailable, "the runner is down");
      }
      Generation generation;
      generation.text = files_.name;
      return generation;
    }

   private:
    ModelFiles files_;
    FakeRunner& runner_;
    ModelInfo info_;
  };

  Result<std::shared_ptr<Embedder>> embedder(const RequestContext&,
                                             const ModelFiles& model) override {
    return std::make_shared<testing::FakeEmbedder>(model.name);
  }
  Result<std::shared_ptr<Generator>> generator(const RequestContext&,
                                               const ModelFiles& model) override {
    return std::make_shared<EchoGenerator>(model, *this);
  }
  Result<std::shared_ptr<Reranker>> reranker(const RequestContext&, const ModelFiles&) override {
    return fail(ErrorCode::Unimplemented, "no reranking");
  }

  bool fails = false;
  bool writes_before_failing = false;
};

class ModelRegistryTest : public ::testing::Test {
 protected:
  ModelRegistryTest() { fs::create_directories(data_ / "builtin" / "minilm"); }
  ~ModelRegistryTest() override { fs::remove_all(data_); }

  void configure(const std::string& toml) {
    const auto loaded = load_config_text(toml, "lakehouse.toml");
    ASSERT_THAT(loaded, IsOk());
    auto opened = ModelRegistry::open(
        loaded->config,
        {.data = data_, .builtin = data_ / "builtin", .runner = &runner_, .metrics = &metrics_});
    ASSERT_THAT(opened, IsOk());
    registry_ = *std::move(opened);
  }
  void install(const std::string& name) {
    ModelFolder::Addition addition;
    addition.name = name;
    addition.path = LH_TINY_MODEL;
    ASSERT_THAT(ModelFolder(data_ / "models").add(addition, {}), IsOk());
  }
  std::string who_writes(std::string_view name) {
    auto generator = registry_->generator({}, name);
    if (!generator) {
      return generator.error().message + " " + generator.error().hint;
    }
    GenerateRequest request;
    request.prompt = "x";
    const auto answer = (*generator)->generate({}, request, {});
    return answer ? answer->text : answer.error().message;
  }

  const fs::path data_ = fs::temp_directory_path() / ("lh-registry-" + new_token(6));
  FakeRunner runner_;
  Metrics metrics_;
  std::unique_ptr<ModelRegistry> registry_;
};

TEST_F(ModelRegistryTest, BringsTheEmbeddingModelOfTheProgram) {
  configure("");
  const auto embedder = registry_->embedder({}, "");
  ASSERT_THAT(embedder, IsOk());
  EXPECT_EQ((*embedder)->info().name, "minilm");
  ASSERT_EQ(registry_->models().size(), 1U);
  EXPECT_TRUE(registry_->models()[0].is_default);
  EXPECT_EQ(registry_->models()[0].dimensions, 64U);
  EXPECT_THAT(who_writes(""), HasSubstr("lakehouse model pull"));
  EXPECT_THAT(registry_->generator({}, "minilm"), FailsWith(ErrorCode::FailedPrecondition));
  EXPECT_THAT(who_writes("qwen-coder-0.5b"), HasSubstr("pull qwen-coder-0.5b"));
}

TEST_F(ModelRegistryTest, SeesModelsComeAndGo) {
  configure("");
  install("other");
  EXPECT_EQ(who_writes(""), "other");
  install("qwen-coder-0.5b");
  EXPECT_EQ(who_writes(""), "qwen-coder-0.5b");  // A known one is the better guess.
  ASSERT_THAT(ModelFolder(data_ / "models").remove("qwen-coder-0.5b"), IsOk());
  EXPECT_EQ(who_writes(""), "other");
  EXPECT_THAT(who_writes("othr"), HasSubstr("Did you mean 'other'"));
}

TEST_F(ModelRegistryTest, WhatIsConfiguredComesFirst) {
  install("writer");
  install("pulled");
  configure("[[ai.models]]\nname=\"mine\"\nkind=\"generation\"\npath=\"x.gguf\"\n");
  EXPECT_EQ(who_writes(""), "mine");
  configure("[ai]\ngenerate=\"pulled\"\n");
  EXPECT_EQ(who_writes(""), "pulled");
}

TEST_F(ModelRegistryTest, FallsBackWhileAModelIsDown) {
  StubProvider stub([](const StubRequest&) -> StubAnswer {
    return {.body = "data: {\"choices\":[{\"delta\":{\"content\":\"remote\"}}]}\n\ndata: [DONE]\n"};
  });
  configure(fmt::format(R"(
[[ai.providers]]
name = "stub"
type = "openai"
url = "{}"
[[ai.models]]
name = "local"
kind = "generation"
path = "x.gguf"
fallback = ["far"]
[[ai.models]]
name = "far"
kind = "generation"
provider = "stub"
)",
                        stub.url()));
  EXPECT_EQ(who_writes("local"), "local");
  EXPECT_EQ(stub.requests().size(), 0U);
  runner_.fails = true;
  EXPECT_EQ(who_writes("local"), "remote");
  EXPECT_THAT(metrics_.text(), HasSubstr("lakehouse_model_fallbacks_total{model=\"local\"} 1"));
  // Not after it has begun to answer.
  runner_.writes_before_failing = true;
  EXPECT_EQ(who_writes("local"), "the runner is down");
}

TEST_F(ModelRegistryTest, AModelThatCannotEvenBeOpenedHasItsFallback) {
  constexpr std::string_view kAway = R"(
[[ai.providers]]
name = "gone"
type = "ollama"
url = "http://127.0.0.1:1"
retries = 0
[[ai.models]]
name = "far"
kind = "generation"
provider = "gone"
fallback = ["far2"{}]
[[ai.models]]
name = "far2"
kind = "generation"
provider = "gone"
fallback = ["far"]
[[ai.models]]
name = "near"
kind = "generation"
path = "x.gguf"
)";
  configure(fmt::format(kAway, ""));
  EXPECT_THAT(registry_->generator({}, "far"), FailsWith(ErrorCode::Unavailable));
  configure(fmt::format(kAway, ", \"near\""));
  EXPECT_EQ(who_writes("far"), "near");
}

TEST_F(ModelRegistryTest, TwoThatStandInForEachOtherAreEachAskedOnce) {
  configure(R"(
[[ai.models]]
name = "a"
kind = "generation"
path = "a.gguf"
fallback = ["b"]
[[ai.models]]
name = "b"
kind = "generation"
path = "b.gguf"
fallback = ["a"]
)");
  runner_.fails = true;
  EXPECT_EQ(who_writes("a"), "the runner is down");
}

TEST_F(ModelRegistryTest, HoldsModelsToTheirLimits) {
  configure("[[ai.models]]\nname=\"m\"\nkind=\"generation\"\npath=\"x\"\nmax_tokens=10\n");
  const auto generator = registry_->generator({}, "m");
  ASSERT_THAT(generator, IsOk());
  GenerateRequest request;
  request.prompt = "x";
  request.max_tokens = 11;
  EXPECT_THAT((*generator)->generate({}, request, {}), FailsWith(ErrorCode::InvalidArgument));
  request.max_tokens = 10;
  EXPECT_THAT((*generator)->generate({}, request, {}), IsOk());
}

TEST_F(ModelRegistryTest, ReranksByEmbeddingsWithoutAModelForIt) {
  configure("");
  const auto reranker = registry_->reranker({}, "");
  ASSERT_THAT(reranker, IsOk());
  const std::vector<std::string_view> texts = {"a red fish", "the blue boat"};
  const auto ranking = (*reranker)->rerank({}, "blue boat", texts);
  ASSERT_THAT(ranking, IsOk());
  EXPECT_EQ(ranking->method, "embedding");
  EXPECT_LT(ranking->scores[0], ranking->scores[1]);
  EXPECT_THAT(registry_->reranker({}, "nobody"), FailsWith(ErrorCode::NotFound));
}

TEST_F(ModelRegistryTest, TakesKeysFromTheSecrets) {
  std::ofstream(data_ / "secrets.toml") << "far = \"k3y\"\n";
  StubProvider stub([](const StubRequest&) -> StubAnswer {
    return {.body = R"({"data":[{"index":0,"embedding":[1,0]}]})"};
  });
  configure(
      fmt::format("[secrets]\nfile=\"{}\"\n[[ai.providers]]\nname=\"p\"\ntype=\"openai\"\n"
                  "url=\"{}\"\nkey=\"secret://far\"\n[[ai.models]]\nname=\"e\"\n"
                  "kind=\"embedding\"\nprovider=\"p\"\n",
                  (data_ / "secrets.toml").string(), stub.url()));
  ASSERT_THAT(registry_->embedder({}, "e"), IsOk());
  EXPECT_THAT(stub.last().headers, HasSubstr("bearer k3y"));
  const auto loaded = load_config_text(
      "[[ai.providers]]\nname=\"p\"\ntype=\"openai\"\nurl=\"https://h\"\nkey=\"secret://far\"\n",
      "lakehouse.toml");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_THAT(ModelRegistry::open(loaded->config, {.data = data_}),
              FailsWith(ErrorCode::InvalidArgument));
}

}  // namespace
}  // namespace lakehouse::ai
