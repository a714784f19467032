#include "ai/model_child.h"

#include <csignal>
#include <mutex>
#include <thread>

#include "ai/testing/model_fixture.h"
#include "base/testing/matchers.h"

namespace lakehouse::ai {
namespace {

using ::lakehouse::testing::FailsWith;
using ::lakehouse::testing::IsOk;
using ::testing::Each;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::patient_context;
using testing::test_model_options;

TEST(ModelChild, StartsWithTheFirstRequest) {
  ModelChild child(test_model_options());
  EXPECT_EQ(child.state().starts, 0U);
  EXPECT_THAT(child.call(patient_context(), {{"op", "juggle"}}, {}),
              FailsWith(ErrorCode::Unimplemented));
  const engine::ChildState state = child.state();
  EXPECT_EQ(state.starts, 1U);
  EXPECT_THAT(state.sandbox, Not(IsEmpty()));
}

TEST(ModelChild, IsStartedAgainWhenItEnds) {
  ModelChild child(test_model_options());
  const RequestContext context = patient_context();
  EXPECT_THAT(child.call(context, {{"op", "juggle"}}, {}), FailsWith(ErrorCode::Unimplemented));
  child.kill();
  EXPECT_THAT(child.call(context, {{"op", "juggle"}}, {}), FailsWith(ErrorCode::Unimplemented));
  EXPECT_EQ(child.state().starts, 2U);
}

TEST(ModelChild, AfterStopNothingStarts) {
  ModelChild child(test_model_options());
  child.stop();
  EXPECT_THAT(child.call(patient_context(), {{"op", "juggle"}}, {}),
              FailsWith(ErrorCode::Unavailable));
  EXPECT_EQ(child.state().starts, 0U);
}

}  // namespace
}  // namespace lakehouse::ai
