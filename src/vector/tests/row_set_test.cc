#include "vector/row_set.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/roaring.h"
#include "base/testing/matchers.h"

namespace lakehouse::vector {
namespace {

using ::testing::ElementsAre;
using testing::FailsWith;
using testing::IsOkAnd;

RowSet set_of(std::uint32_t size, const std::set<Row>& rows) {
  RowSet set(size);
  for (const Row row : rows) {
    set.add(row);
  }
  return set;
}

std::set<Row> some_rows(std::uint32_t size) {
  const auto rows =
      *rc::gen::container<std::set<Row>>(rc::gen::inRange<Row>(0, std::max(size, 1U)));
  return size == 0 ? std::set<Row>{} : rows;
}

TEST(RowSetTest, KnowsItsRowsAndTheirNumber) {
  RowSet set(130);
  set.add(0);
  set.add(129);
  set.add(129);
  set.add(64);
  EXPECT_THAT(set.rows(), ElementsAre(0, 64, 129));
  EXPECT_EQ(set.count(), 3U);
  set.remove(64);
  set.remove(64);
  EXPECT_THAT(set.rows(), ElementsAre(0, 129));
  EXPECT_FALSE(set.contains(130));
  EXPECT_FALSE(set.contains(4'000'000'000U));
}

TEST(RowSetTest, AllHasNoRowBeyondItsSize) {
  for (const std::uint32_t size : {0U, 1U, 63U, 64U, 65U, 1000U}) {
    SCOPED_TRACE(size);
    EXPECT_EQ(RowSet::all(size).count(), size);
    RowSet none = RowSet::all(size);
    none.invert();
    EXPECT_EQ(none, RowSet(size));
  }
}

TEST(RowSetTest, OfLeavesOutWhatTheIndexDoesNotHave) {
  const std::vector<Row> rows = {7, 3, 7, 10, 11, 4'294'967'295U};
  EXPECT_THAT(RowSet::of(11, rows).rows(), ElementsAre(3, 7, 10));
}

TEST(RowSetTest, CombinesLikeSets) {
  rc::check([] {
    const auto size_a = *rc::gen::inRange(0U, 200U);
    const auto size_b = *rc::gen::inRange(0U, 200U);
    const std::set<Row> a = some_rows(size_a);
    const std::set<Row> b = some_rows(size_b);
    std::set<Row> both;
    std::set<Row> either = a;
    std::set<Row> rest;
    for (const Row row : a) {
      (b.contains(row) ? both : rest).insert(row);
    }
    either.insert(b.begin(), b.end());
    RowSet set = set_of(size_a, a);
    set.intersect(set_of(size_b, b));
    RC_ASSERT(set == set_of(size_a, both));
    set = set_of(size_a, a);
    set.unite(set_of(size_b, b));
    RC_ASSERT(set == set_of(std::max(size_a, size_b), either));
    set = set_of(size_a, a);
    set.subtract(set_of(size_b, b));
    RC_ASSERT(set == set_of(size_a, rest));
  });
}

TEST(RowSetTest, SurvivesItsSerializedForm) {
  rc::check([] {
    const auto size = *rc::gen::inRange(1U, 100'000U);
    const RowSet set = set_of(size, some_rows(size));
    const Result<RowSet> parsed = RowSet::parse(set.serialize(), size);
    RC_ASSERT(parsed.has_value());
    RC_ASSERT(*parsed == set);
  });
}

TEST(RowSetTest, RefusesASetOfAnotherIndex) {
  RoaringSet roaring;
  roaring.add(99);
  EXPECT_THAT(RowSet::parse(roaring.serialize(), 99), FailsWith(ErrorCode::DataLoss));
  EXPECT_THAT(RowSet::parse(roaring.serialize(), 100), IsOkAnd(::testing::_));
  EXPECT_THAT(RowSet::parse("nonsense", 100), FailsWith(ErrorCode::DataLoss));
}

}  // namespace
}  // namespace lakehouse::vector
