#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ai/client/embedded_encoder.h"
#include "ai/testing/model_fixture.h"
#include "base/testing/matchers.h"

namespace lakehouse::ai {
namespace {

namespace fs = std::filesystem;
using ::lakehouse::testing::FailsWith;
using ::lakehouse::testing::IsOk;
using ::testing::HasSubstr;
using testing::patient_context;
using testing::test_model_options;

float cosine(std::span<const float> a, std::span<const float> b) {
  float sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

/// The model that comes with the program, in a process that all tests share; and a folder for
/// variants of it.
class Embedding : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string name = (fs::temp_directory_path() / "lh-models-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    child_ = std::make_unique<ModelChild>(test_model_options({folder_}));
    auto made = make_embedded_embedder(patient_context(), *child_, minilm());
    ASSERT_THAT(made, IsOk());
    embedder_ = *std::move(made);
  }
  static void TearDownTestSuite() {
    embedder_.reset();
    child_.reset();
    fs::remove_all(folder_);
  }

  static ModelFiles minilm() {
    ModelFiles files;
    files.name = "minilm";
    files.path = *find_models_folder() / "minilm";
    return files;
  }

  /// The same model with its file changed.
  template <class Change>
  static ModelFiles variant(const std::string& name, Change change) {
    const fs::path from = minilm().path;
    const fs::path to = folder_ / name;
    fs::create_directories(to);
    fs::copy_file(from / "tokenizer.json", to / "tokenizer.json");
    std::ifstream file(from / "model.onnx", std::ios::binary);
    std::string bytes(std::istreambuf_iterator<char>(file), {});
    change(bytes);
    std::ofstream(to / "model.onnx", std::ios::binary) << bytes;
    ModelFiles files;
    files.name = name;
    files.path = to;
    return files;
  }

  static fs::path folder_;
  static std::unique_ptr<ModelChild> child_;
  static std::shared_ptr<Embedder> embedder_;
};

fs::path Embedding::folder_;
std::unique_ptr<ModelChild> Embedding::child_;
std::shared_ptr<Embedder> Embedding::embedder_;

constexpr std::array<std::string_view, 4> kTexts{
    "a welder in Ohio", "someone who joins metal near Cleveland", "the law of taxes for banks", ""};

TEST_F(Embedding, SaysWhatItIs) {
  const ModelInfo& info = embedder_->info();
  EXPECT_EQ(info.name, "minilm");
  EXPECT_EQ(info.provider, "embedded");
  EXPECT_EQ(info.dimensions, 384U);
  EXPECT_EQ(info.max_tokens, 256U);
  EXPECT_EQ(info.version.size(), 64U);
}

TEST_F(Embedding, NearTextsHaveNearVectorsOfLengthOne) {
  const auto rows = embedder_->embed(patient_context(), kTexts);
  ASSERT_THAT(rows, IsOk());
  ASSERT_EQ(rows->size(), kTexts.size());
  for (std::size_t i = 0; i < rows->size(); ++i) {
    EXPECT_NEAR(cosine(rows->row(i), rows->row(i)), 1, 1e-4);
  }
  EXPECT_GT(cosine(rows->row(0), rows->row(1)), cosine(rows->row(0), rows->row(2)) + 0.2F);
}

TEST_F(Embedding, ManyTextsOfAllLengthsComeInTheirOrder) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < 100; ++i) {
    texts.emplace_back();
    for (std::size_t k = 0; k < i * 7 % 90; ++k) {
      texts.back() += "word" + std::to_string(i) + " ";
    }
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const auto rows = embedder_->embed(patient_context(), views, EmbedPriority::Bulk);
  ASSERT_THAT(rows, IsOk());
  for (const std::size_t i : {0U, 13U, 57U, 99U}) {
    const auto alone = embedder_->embed(patient_context(), std::span(views).subspan(i, 1));
    ASSERT_THAT(alone, IsOk());
    EXPECT_GT(cosine(alone->row(0), rows->row(i)), 0.9999F) << i;
  }
}

TEST_F(Embedding, AnyBytesAreText) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) {
    all.push_back(static_cast<char>(byte));
  }
  const std::string long_text(1U << 20U, 'a');
  const std::array<std::string_view, 4> texts{all, "\xff", "\xe2\x82", long_text};
  EXPECT_THAT(embedder_->embed(patient_context(), texts), IsOk());
}

TEST_F(Embedding, LimitsAreErrors) {
  const std::vector<std::string_view> many(Embedder::kTextsMax + 1, "x");
  EXPECT_THAT(embedder_->embed(patient_context(), many), FailsWith(ErrorCode::InvalidArgument));
  const std::string huge(Embedder::kBytesMax, 'x');
  const std::array<std::string_view, 2> texts{huge, "x"};
  EXPECT_THAT(embedder_->embed(patient_context(), texts), FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(embedder_->embed(patient_context(), {}), IsOk());
}

TEST_F(Embedding, WhoGivesUpIsNotKeptWaiting) {
  std::string text;
  for (int i = 0; i < 300; ++i) {
    text += "many words ";
  }
  const std::vector<std::string_view> texts(2'000, text);
  RequestContext context = patient_context();
  std::stop_source stop;
  context.stop = stop.get_token();
  std::jthread giver([&] {
    while (child_->running() == 0) {
      std::this_thread::yield();
    }
    stop.request_stop();
  });
  EXPECT_THAT(embedder_->embed(context, texts, EmbedPriority::Bulk),
              FailsWith(ErrorCode::Cancelled));
  context = patient_context();
  context.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  EXPECT_THAT(embedder_->embed(context, texts, EmbedPriority::Bulk),
              FailsWith(ErrorCode::DeadlineExceeded));
  // And the process has turned to others.
  EXPECT_THAT(embedder_->embed(patient_context(), kTexts), IsOk());
}

TEST_F(Embedding, ACrashCostsNoRequest) {
  const std::vector<std::string_view> texts(200, "a text among many others in this test");
  const std::uint64_t starts = child_->state().starts;
  std::jthread killer([&] {
    while (child_->running() == 0) {
      std::this_thread::yield();
    }
    child_->kill();
  });
  const auto rows = embedder_->embed(patient_context(), texts);
  ASSERT_THAT(rows, IsOk());
  EXPECT_EQ(rows->size(), texts.size());
  killer.join();
  EXPECT_THAT(embedder_->embed(patient_context(), kTexts), IsOk());
  EXPECT_GT(child_->state().starts, starts);
}

// Names that our kernels do not know leave the model to OpenVINO.
TEST_F(Embedding, KernelsAndLibraryAgree) {
  const ModelFiles other = variant("other", [](std::string& bytes) {
    const std::string from = "attention.self.query.bias";
    const std::string to = "attention.self.quark.bias";
    for (auto at = bytes.find(from); at != std::string::npos; at = bytes.find(from, at)) {
      bytes.replace(at, from.size(), to);
    }
  });
  const auto library = make_embedded_embedder(patient_context(), *child_, other);
  ASSERT_THAT(library, IsOk());
  EXPECT_NE((*library)->info().version, embedder_->info().version);
  const auto exact = (*library)->embed(patient_context(), kTexts);
  const auto ours = embedder_->embed(patient_context(), kTexts);
  ASSERT_THAT(exact, IsOk());
  ASSERT_THAT(ours, IsOk());
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    // No words at all is where rounding shows most.
    EXPECT_GT(cosine(exact->row(i), ours->row(i)), kTexts[i].empty() ? 0.998F : 0.999F) << i;
  }
}

TEST_F(Embedding, AModelThatIsNotKnownIsCheckedAndRun) {
  // An empty field more: the same model with another hash.
  const ModelFiles same = variant("same", [](std::string& bytes) { bytes += "\x1a\x01x"; });
  const auto checked = make_embedded_embedder(patient_context(), *child_, same);
  ASSERT_THAT(checked, IsOk());
  const auto rows = (*checked)->embed(patient_context(), kTexts);
  const auto ours = embedder_->embed(patient_context(), kTexts);
  ASSERT_THAT(rows, IsOk());
  EXPECT_GT(cosine(rows->row(0), ours->row(0)), 0.9999F);
}

TEST_F(Embedding, FilesThatAreNoModelSayWhy) {
  const ModelFiles cut = variant("cut", [](std::string& bytes) { bytes.resize(1'000'000); });
  EXPECT_THAT(make_embedded_embedder(patient_context(), *child_, cut),
              FailsWith(ErrorCode::InvalidArgument));
  ModelFiles missing;
  missing.name = "missing";
  missing.path = folder_ / "missing";
  const auto none = make_embedded_embedder(patient_context(), *child_, missing);
  ASSERT_THAT(none, FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(none.error().message, HasSubstr("tokenizer.json"));
  const auto scores = make_embedded_reranker(patient_context(), *child_, minilm());
  EXPECT_THAT(scores, FailsWith(ErrorCode::FailedPrecondition));
  EXPECT_THAT(embedder_->embed(patient_context(), kTexts), IsOk());
}

}  // namespace
}  // namespace lakehouse::ai
