#include "ai/embedding_cache.h"

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "ai/testing/fake_models.h"
#include "base/testing/matchers.h"

namespace lakehouse::ai {
namespace {

using ::lakehouse::testing::FailsWith;
using ::lakehouse::testing::IsOk;
using testing::FakeEmbedder;

constexpr std::array<std::string_view, 3> kTexts{"one", "two", "one"};

TEST(EmbeddingCache, WhatWasAskedBeforeIsNotEmbeddedAgain) {
  EmbeddingCache cache(1U << 20U);
  const auto behind = std::make_shared<FakeEmbedder>();
  const auto embedder = cache.in_front_of(behind);
  const auto plain = behind->embed({}, kTexts);
  const auto first = embedder->embed({}, kTexts);
  const std::size_t asked = behind->texts_embedded();
  const auto second = embedder->embed({}, kTexts);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(*first, *plain);
  EXPECT_EQ(*second, *plain);
  EXPECT_EQ(behind->texts_embedded(), asked);
  EXPECT_EQ(cache.metrics().hits, 3U);
  EXPECT_EQ(cache.metrics().entries, 2U);
}

TEST(EmbeddingCache, OfAnotherVersionIsAnotherVector) {
  EmbeddingCache cache(1U << 20U);
  const auto behind = std::make_shared<FakeEmbedder>("fake", 8, "2");
  ASSERT_THAT(cache.in_front_of(std::make_shared<FakeEmbedder>("fake", 8, "1"))->embed({}, kTexts),
              IsOk());
  ASSERT_THAT(cache.in_front_of(behind)->embed({}, kTexts), IsOk());
  EXPECT_EQ(behind->texts_embedded(), 3U);
}

TEST(EmbeddingCache, WhatAJobEmbedsIsNotKept) {
  EmbeddingCache cache(1U << 20U);
  const auto embedder = cache.in_front_of(std::make_shared<FakeEmbedder>());
  ASSERT_THAT(embedder->embed({}, kTexts, EmbedPriority::Bulk), IsOk());
  EXPECT_EQ(cache.metrics().entries, 0U);
}

TEST(EmbeddingCache, NeverHoldsMoreThanItMay) {
  constexpr std::uint64_t kBytes = 20'000;
  EmbeddingCache cache(kBytes);
  const auto behind = std::make_shared<FakeEmbedder>();
  const auto embedder = cache.in_front_of(behind);
  for (int i = 0; i < 200; ++i) {
    const std::string text = std::to_string(i);
    const std::array<std::string_view, 2> texts{"always", text};
    ASSERT_THAT(embedder->embed({}, texts), IsOk());
    EXPECT_LE(cache.metrics().bytes, kBytes);
  }
  // The one that is used all the time stays.
  EXPECT_EQ(behind->texts_embedded(), 201U);
  EXPECT_GT(cache.metrics().entries, 10U);
}

TEST(EmbeddingCache, AFailureIsNotKept) {
  EmbeddingCache cache(1U << 20U);
  const auto behind = std::make_shared<FakeEmbedder>();
  const auto embedder = cache.in_front_of(behind);
  behind->fail_next(fail(ErrorCode::Unavailable, "gone").error());
  EXPECT_THAT(embedder->embed({}, kTexts), FailsWith(ErrorCode::Unavailable));
  EXPECT_THAT(embedder->embed({}, kTexts), IsOk());
}

}  // namespace
}  // namespace lakehouse::ai
