#include "gateway/http/iceberg_planning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/matchers.h"

namespace lakehouse::gateway::http {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;

PlanStore::Plan plan(std::string request) {
  return {.principal = "ann", .table_uuid = "t", .request = std::move(request)};
}

TEST(PlanStore, PlansAreTheirOwnersOnly) {
  PlanStore plans;
  const std::string id = plans.add(plan("r"));
  EXPECT_NE(plans.add(plan("r")), id);
  const auto found = plans.find(id, "ann", "t");
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->request, "r");
  EXPECT_THAT(plans.find(id, "bob", "t"), FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(plans.find(id, "ann", "u"), FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(plans.cancel(id, "bob", "t"), FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(plans.find("", "ann", "t"), FailsWith(ErrorCode::NotFound));
}

TEST(PlanStore, CancelledPlansAreKnownAsSuch) {
  PlanStore plans;
  const std::string id = plans.add(plan("r"));
  EXPECT_THAT(plans.cancel(id, "ann", "t"), IsOk());
  EXPECT_THAT(plans.cancel(id, "ann", "t"), IsOk());
  EXPECT_EQ(plans.find(id, "ann", "t")->request, "");
}

TEST(PlanStore, TheOldestGoFirst) {
  PlanStore few(2, 1000);
  const std::string a = few.add(plan("r"));
  const std::string b = few.add(plan("r"));
  const std::string c = few.add(plan("r"));
  EXPECT_THAT(few.find(a, "ann", "t"), FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(few.find(b, "ann", "t"), IsOk());
  EXPECT_THAT(few.find(c, "ann", "t"), IsOk());

  PlanStore small(100, 10);
  const std::string first = small.add(plan("123456"));
  const std::string second = small.add(plan("123456"));
  EXPECT_THAT(small.find(first, "ann", "t"), FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(small.find(second, "ann", "t"), IsOk());
  // One that is too long alone is still there to be fetched.
  const std::string long_one = small.add(plan("123456789012"));
  EXPECT_THAT(small.find(long_one, "ann", "t"), IsOk());
}

}  // namespace
}  // namespace lakehouse::gateway::http
