#include "ai/testing/fake_models.h"

#include <array>

#include "base/testing/matchers.h"

namespace lakehouse::ai::testing {
namespace {

using ::lakehouse::testing::FailsWith;
using ::lakehouse::testing::IsOk;
using ::testing::ElementsAre;

float cosine(const Embeddings& rows, std::size_t a, std::size_t b) {
  float sum = 0;
  for (std::size_t i = 0; i < rows.dimensions; ++i) {
    sum += rows.row(a)[i] * rows.row(b)[i];
  }
  return sum;
}

TEST(FakeEmbedder, TextsThatShareWordsAreNear) {
  FakeEmbedder embedder;
  const std::array<std::string_view, 5> texts{"a welder in Ohio", "a welder from Ohio",
                                              "tax law for banks", "", "a welder in Ohio"};
  const auto rows = embedder.embed({}, texts);
  ASSERT_THAT(rows, IsOk());
  ASSERT_EQ(rows->size(), 5U);
  EXPECT_NEAR(cosine(*rows, 0, 0), 1, 1e-5);
  EXPECT_NEAR(cosine(*rows, 0, 4), 1, 1e-5);
  EXPECT_GT(cosine(*rows, 0, 1), cosine(*rows, 0, 2) + 0.2F);
  EXPECT_NEAR(cosine(*rows, 3, 3), 1, 1e-5);
}

TEST(FakeEmbedder, FailsAsOftenAsItIsTold) {
  FakeEmbedder embedder;
  embedder.fail_next(fail(ErrorCode::Unavailable, "gone").error());
  const std::array<std::string_view, 1> texts{"a"};
  EXPECT_THAT(embedder.embed({}, texts), FailsWith(ErrorCode::Unavailable));
  EXPECT_THAT(embedder.embed({}, texts), IsOk());
}

TEST(FakeGenerator, SaysItsAnswersInOrder) {
  FakeGenerator generator;
  generator.say("SELECT 1");
  std::vector<std::string> pieces;
  const auto said = generator.generate({}, {}, [&](std::string_view piece) -> Status {
    pieces.emplace_back(piece);
    return {};
  });
  ASSERT_THAT(said, IsOk());
  EXPECT_EQ(said->text, "SELECT 1");
  EXPECT_THAT(pieces, ElementsAre("SELECT ", "1"));
  EXPECT_EQ(generator.requests().size(), 1U);
}

}  // namespace
}  // namespace lakehouse::ai::testing
