#include "vector/hybrid.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/matchers.h"

namespace lakehouse::vector {
namespace {

using ::lakehouse::testing::FailsWith;
using ::lakehouse::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::SizeIs;

std::vector<Row> rows_of(const std::vector<HybridHit>& hits) {
  std::vector<Row> rows;
  for (const HybridHit& hit : hits) {
    rows.push_back(hit.row);
  }
  return rows;
}

TEST(HybridTest, FusionAddsReciprocalRanks) {
  const std::vector<Hit> nearest = {{.row = 1, .score = 0.9F}, {.row = 2, .score = 0.8F}};
  const std::vector<Hit> by_words = {{.row = 2, .score = 7}, {.row = 3, .score = 5}};
  const auto fused = fuse(nearest, by_words, 10);
  EXPECT_THAT(rows_of(fused), ElementsAre(2, 1, 3));
  EXPECT_NEAR(fused[0].score, 1 / 62.0 + 1 / 61.0, 1e-12);
  EXPECT_EQ(fused[0].vector_score, 0.8F);
  EXPECT_EQ(fused[0].text_score, 7.0F);
  EXPECT_FALSE(fused[2].vector_score);
  EXPECT_THAT(fuse(nearest, by_words, 1), SizeIs(1));
  // Equals by their number.
  EXPECT_THAT(rows_of(fuse({}, std::vector<Hit>{}, 3)), ElementsAre());
}

/// Rows on a circle; words that find what the test says.
struct Circle {
  std::vector<std::vector<float>> rows;
  std::vector<std::vector<float>> queries;
  std::vector<std::vector<Row>> feedbacks;
  std::vector<Hit> words;

  explicit Circle(int count) {
    for (int i = 0; i < count; ++i) {
      const float angle = 6.2831853F * static_cast<float>(i) / static_cast<float>(count);
      rows.push_back({std::cos(angle), std::sin(angle)});
    }
  }
  HybridSides sides() {
    HybridSides made;
    made.nearest = [this](std::span<const float> query, std::size_t k) -> Result<std::vector<Hit>> {
      queries.emplace_back(query.begin(), query.end());
      std::vector<Hit> hits;
      for (Row row = 0; row < rows.size(); ++row) {
        hits.push_back({.row = row, .score = query[0] * rows[row][0] + query[1] * rows[row][1]});
      }
      std::ranges::sort(hits, better);
      hits.resize(std::min(k, hits.size()));
      return hits;
    };
    made.by_words = [this](std::size_t, std::span<const Hit> feedback) -> Result<std::vector<Hit>> {
      std::vector<Row>& learned = feedbacks.emplace_back();
      for (const Hit& hit : feedback) {
        learned.push_back(hit.row);
      }
      return words;
    };
    made.vectors = [this](std::span<const Row> wanted, std::span<float> out) -> Status {
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        std::ranges::copy(rows[wanted[i]], out.subspan(i * 2).begin());
      }
      return {};
    };
    return made;
  }
};

TEST(HybridTest, TheSecondRoundLearnsFromTheBestOfTheFirst) {
  Circle circle(8);
  circle.words = {{.row = 2, .score = 3}};
  const std::vector<float> query = {10, 0};
  const auto hits = hybrid_search(query, 3, circle.sides(), {.feedback_rows = 2});
  ASSERT_THAT(hits, IsOk());
  ASSERT_THAT(*hits, SizeIs(3));
  ASSERT_THAT(circle.queries, SizeIs(2));
  // Towards row 2, which lies above, and of length 1.
  EXPECT_GT(circle.queries[1][1], 0);
  EXPECT_NEAR(std::hypot(circle.queries[1][0], circle.queries[1][1]), 1, 1e-5);
  EXPECT_THAT(circle.feedbacks[0], ElementsAre());
  EXPECT_THAT(circle.feedbacks[1], ElementsAre(2, 0));
  const auto once = hybrid_search(query, 3, circle.sides(), {.feedback_rows = 0});
  ASSERT_THAT(once, IsOk());
  EXPECT_THAT(circle.queries, SizeIs(3));
}

TEST(HybridTest, AnswersWithOneSideAloneAndPassesErrorsOn) {
  Circle none(0);
  const std::vector<float> query = {1, 0};
  const auto nothing = hybrid_search(query, 3, none.sides());
  ASSERT_THAT(nothing, IsOk());
  EXPECT_THAT(*nothing, SizeIs(0));
  Circle circle(4);
  HybridSides sides = circle.sides();
  sides.by_words = [](std::size_t, std::span<const Hit>) -> Result<std::vector<Hit>> {
    return fail(ErrorCode::Cancelled, "gone");
  };
  EXPECT_THAT(hybrid_search(query, 3, sides), FailsWith(ErrorCode::Cancelled));
}

}  // namespace
}  // namespace lakehouse::vector
