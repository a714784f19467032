#include "vector/exact_scan.h"

#include <atomic>
#include <cmath>
#include <limits>
#include <random>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/matchers.h"
#include "vector/batcher.h"
#include "vector/tests/some_vectors.h"

namespace lakehouse::vector {
namespace {

using testing::FailsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::IsOkAnd;
using ::testing::SizeIs;

const RequestContext kContext;

std::span<const float> row_of(const std::vector<float>& rows, std::size_t dimensions,
                              std::size_t row) {
  return std::span(rows).subspan(row * dimensions, dimensions);
}

/// The scores of all rows that are allowed, in double, best first.
std::vector<Hit> truth(const VectorTable& table, std::span<const float> query,
                       const RowSet* filter) {
  double length = 0;
  for (const float value : query) {
    length += double{value} * double{value};
  }
  std::vector<Hit> hits;
  for (Row row = 0; row < table.size(); ++row) {
    if (filter == nullptr || filter->contains(row)) {
      double sum = 0;
      for (std::size_t i = 0; i < query.size(); ++i) {
        sum += double{query[i]} * double{table.vector(row)[i]};
      }
      hits.push_back({row, static_cast<float>(sum / std::sqrt(length))});
    }
  }
  std::sort(hits.begin(), hits.end(), better);
  return hits;
}

/// The same scores; rows may change places where scores differ by rounding only.
void expect_best(const std::vector<Hit>& hits, const std::vector<Hit>& all, std::size_t k) {
  ASSERT_EQ(hits.size(), std::min(k, all.size()));
  for (std::size_t i = 0; i < hits.size(); ++i) {
    ASSERT_NEAR(hits[i].score, all[i].score, 2e-6) << i;
    const auto at = std::find_if(all.begin(), all.end(),
                                 [&](const Hit& hit) { return hit.row == hits[i].row; });
    ASSERT_NE(at, all.end()) << "a row that is not allowed";
    ASSERT_NEAR(at->score, hits[i].score, 2e-6) << i;
  }
}

TEST(VectorTableTest, FindsTheBestOfAnyShape) {
  struct Case {
    std::uint32_t dimensions;
    std::size_t rows;
    std::uint32_t k;
  };
  for (const auto& [dimensions, rows, k] :
       {Case{1, 3, 5}, Case{2, 50, 10}, Case{3, 100, 100}, Case{64, 1, 1}, Case{65, 500, 10},
        Case{100, 4100, 20}, Case{384, 9000, 10}, Case{1536, 300, 10}, Case{4096, 70, 3}}) {
    SCOPED_TRACE(dimensions);
    VectorTable table(dimensions);
    ASSERT_THAT(table.add(some_vectors(rows, dimensions)), IsOk());
    const std::vector<float> queries = some_vectors(5, dimensions, 2);
    for (std::size_t i = 0; i < 5; ++i) {
      const auto query = row_of(queries, dimensions, i);
      const auto hits = table.search(kContext, ScanQuery{.vector = query, .k = k});
      ASSERT_THAT(hits, IsOk());
      expect_best(*hits, truth(table, query, nullptr), k);
    }
  }
}

TEST(VectorTableTest, IsExactOnRowsThatHardlyDiffer) {
  constexpr std::uint32_t kDimensions = 96;
  std::mt19937 dice(4);
  std::normal_distribution<float> normal;
  const std::vector<float> one = some_vectors(1, kDimensions);
  std::vector<float> rows;
  for (int i = 0; i < 6000; ++i) {
    for (const float value : one) {
      rows.push_back(value + 1e-3F * normal(dice));
    }
  }
  VectorTable table(kDimensions);
  ASSERT_THAT(table.add(rows), IsOk());
  const auto hits = table.search(kContext, ScanQuery{.vector = one, .k = 10});
  ASSERT_THAT(hits, IsOk());
  expect_best(*hits, truth(table, one, nullptr), 10);
}

TEST(VectorTableTest, AllowsOnlyWhatTheFilterHas) {
  constexpr std::uint32_t kDimensions = 48;
  constexpr std::size_t kRows = 9000;
  VectorTable table(kDimensions);
  ASSERT_THAT(table.add(some_vectors(kRows, kDimensions)), IsOk());
  const std::vector<float> query = some_vectors(1, kDimensions, 3);
  std::mt19937 dice(1);
  for (const std::uint32_t share : {0U, 1U, 10U, 300U, 500U, 1000U}) {
    SCOPED_TRACE(share);
    // Larger than the table: it may have been made for one that has grown meanwhile.
    RowSet filter(kRows + 500);
    for (Row row = 0; row < filter.size(); ++row) {
      if (dice() % 1000 < share) {
        filter.add(row);
      }
    }
    const ScanQuery asked{.vector = query, .k = 12, .filter = &filter};
    const auto hits = table.search(kContext, asked);
    ASSERT_THAT(hits, IsOk());
    expect_best(*hits, truth(table, query, &filter), 12);
    const std::vector<ScanQuery> many(20, asked);
    const auto batch = table.search(kContext, many);
    ASSERT_THAT(batch, IsOkAnd(SizeIs(20)));
    EXPECT_THAT(*batch, ::testing::Each(*hits));
  }
}

TEST(VectorTableTest, ABatchAnswersAsOneByOne) {
  constexpr std::uint32_t kDimensions = 70;
  VectorTable table(kDimensions);
  ASSERT_THAT(table.add(some_vectors(5003, kDimensions)), IsOk());
  const std::vector<float> queries = some_vectors(100, kDimensions, 9);
  for (const std::size_t count : {0U, 1U, 2U, 13U, 14U, 64U, 100U}) {
    SCOPED_TRACE(count);
    std::vector<ScanQuery> batch;
    for (std::size_t i = 0; i < count; ++i) {
      batch.push_back(
          {.vector = row_of(queries, kDimensions, i), .k = static_cast<std::uint32_t>(i % 15 + 1)});
    }
    const auto answers = table.search(kContext, batch);
    ASSERT_THAT(answers, IsOkAnd(SizeIs(count)));
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ((*answers)[i], *table.search(kContext, batch[i]));
    }
  }
}

TEST(VectorTableTest, RefusesWhatHasNoDirection) {
  VectorTable table(2);
  ASSERT_THAT(table.add(std::vector<float>{1, 2, 3, 4}), IsOk());
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinite = std::numeric_limits<float>::infinity();
  for (const float bad : {0.0F, nan, infinite, -infinite}) {
    const Status added = table.add(std::vector<float>{5, 6, bad, bad == 0 ? 0.0F : 1.0F});
    ASSERT_THAT(added, FailsWith(ErrorCode::InvalidArgument));
    EXPECT_THAT(added.error().message, HasSubstr("vector 1 "));
    EXPECT_EQ(table.size(), 2U);
    const std::vector<float> query = {bad, bad};
    EXPECT_THAT(table.search(kContext, ScanQuery{.vector = query}),
                FailsWith(ErrorCode::InvalidArgument));
  }
  EXPECT_THAT(table.add(std::vector<float>{1, 2, 3}), FailsWith(ErrorCode::InvalidArgument));
  const std::vector<float> longer = {1, 2, 3};
  EXPECT_THAT(table.search(kContext, ScanQuery{.vector = longer}),
              FailsWith(ErrorCode::InvalidArgument));
  const std::vector<float> query = {1, 1};
  for (const std::uint32_t k : {0U, VectorTable::kResultsMax + 1}) {
    EXPECT_THAT(table.search(kContext, ScanQuery{.vector = query, .k = k}),
                FailsWith(ErrorCode::InvalidArgument));
  }
}

TEST(VectorTableTest, TakesVectorsOfAnyLength) {
  VectorTable table(3);
  ASSERT_THAT(table.add(std::vector<float>{1e-30F, 0, 0, 0, 1e30F, 0}), IsOk());
  const std::vector<float> query = {3e20F, 4e20F, 0};
  const auto hits = table.search(kContext, ScanQuery{.vector = query});
  ASSERT_THAT(hits, IsOkAnd(SizeIs(2)));
  EXPECT_EQ((*hits)[0].row, 1U);
  EXPECT_NEAR((*hits)[0].score, 0.8F, 1e-6);
}

TEST(VectorTableTest, AnEmptyOneHasNoHits) {
  const VectorTable table(8);
  const std::vector<float> query(8, 1.0F);
  EXPECT_THAT(table.search(kContext, ScanQuery{.vector = query}), IsOkAnd(IsEmpty()));
}

TEST(VectorTableTest, StopsWhenTheCallerHasGone) {
  VectorTable table(8);
  ASSERT_THAT(table.add(some_vectors(10, 8)), IsOk());
  std::stop_source stop;
  stop.request_stop();
  RequestContext gone;
  gone.stop = stop.get_token();
  const std::vector<float> query(8, 1.0F);
  EXPECT_THAT(table.search(gone, ScanQuery{.vector = query}), FailsWith(ErrorCode::Cancelled));
}

TEST(SearchBatcherTest, AnswersManyThreadsAsTheTableDoes) {
  constexpr std::uint32_t kDimensions = 32;
  VectorTable table(kDimensions);
  ASSERT_THAT(table.add(some_vectors(4000, kDimensions)), IsOk());
  const std::vector<float> queries = some_vectors(40, kDimensions, 7);
  SearchBatcher batcher(table);
  RowSet odd(4000);
  for (Row row = 1; row < 4000; row += 2) {
    odd.add(row);
  }
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (std::size_t thread = 0; thread < 8; ++thread) {
      threads.emplace_back([&, thread] {
        for (std::size_t i = 0; i < 40; ++i) {
          const ScanQuery query{.vector = row_of(queries, kDimensions, (i + thread) % 40),
                                .k = 5,
                                .filter = i % 2 == 0 ? &odd : nullptr};
          const auto hits = batcher.search(kContext, query);
          wrong += !hits || *hits != *table.search(kContext, query) ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0);
}

TEST(SearchBatcherTest, OneWrongQuestionDoesNotSpoilTheOthers) {
  constexpr std::uint32_t kDimensions = 16;
  VectorTable table(kDimensions);
  ASSERT_THAT(table.add(some_vectors(2000, kDimensions)), IsOk());
  const std::vector<float> query = some_vectors(1, kDimensions, 7);
  const std::vector<float> wrong_query(3, 1.0F);
  SearchBatcher batcher(table);
  std::atomic<int> right{0};
  std::atomic<int> refused{0};
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 8; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < 50; ++i) {
          const bool bad = (i + thread) % 4 == 0;
          const auto hits = batcher.search(kContext, {.vector = bad ? wrong_query : query, .k = 3});
          right += !bad && hits ? 1 : 0;
          refused += bad && !hits && hits.error().code == ErrorCode::InvalidArgument ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(right, 300);
  EXPECT_EQ(refused, 100);
}

}  // namespace
}  // namespace lakehouse::vector
