#include "base/worker_pool.h"

#include <atomic>
#include <latch>

#include <gtest/gtest.h>

#include "base/testing/matchers.h"

namespace lakehouse {
namespace {

using testing::FailsWith;
using testing::IsOk;

TEST(WorkerPool, RunsWhatItTookBeforeItEnds) {
  std::atomic<int> done = 0;
  {
    WorkerPool pool("test", 3, 1000);
    for (int i = 0; i < 500; ++i) {
      ASSERT_THAT(pool.submit([&done] { ++done; }), IsOk());
    }
  }
  EXPECT_EQ(done, 500);
}

TEST(WorkerPool, RefusesWhatIsTooMuch) {
  std::latch go(1);
  WorkerPool pool("test", 2, 3);
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(pool.submit([&go] { go.wait(); }), IsOk()) << i;
  }
  EXPECT_THAT(pool.submit([] {}), FailsWith(ErrorCode::ResourceExhausted));
  go.count_down();
}

}  // namespace
}  // namespace lakehouse
