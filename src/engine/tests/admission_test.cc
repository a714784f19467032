#include "engine/client/admission.h"

#include <future>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/matchers.h"
#include "engine/testing/engine_fixture.h"

namespace lakehouse::engine {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using ::testing::ElementsAre;
using testing::patient_context;

using Entered = Result<std::unique_ptr<Admission::Place>>;

RequestContext context_of(std::string principal) {
  RequestContext context = patient_context();
  context.principal = std::move(principal);
  return context;
}

void await_waiting(const Admission& admission, unsigned count) {
  while (admission.counts().waiting != count) {
    std::this_thread::yield();
  }
}

/// Waiters that write down in which order they get their place, and give it back at once.
class Queue {
 public:
  explicit Queue(Admission& admission) : admission_(admission) {}

  void add(const std::string& principal, bool alone = false) {
    const unsigned before = admission_.counts().waiting;
    threads_.emplace_back([this, principal, alone] {
      const Entered place = admission_.enter(context_of(principal), alone);
      ASSERT_THAT(place, IsOk());
      const std::lock_guard lock(mutex_);
      order_.push_back(principal);
    });
    await_waiting(admission_, before + 1);
  }
  std::vector<std::string> order() {
    threads_.clear();
    return order_;
  }

 private:
  Admission& admission_;
  std::mutex mutex_;
  std::vector<std::string> order_;
  std::vector<std::jthread> threads_;
};

TEST(AdmissionTest, GivesAFreePlaceToTheCallerWithFewestStatements) {
  Admission admission({.places = 2});
  Entered first = admission.enter(context_of("alice"));
  Entered second = admission.enter(context_of("alice"));
  Queue queue(admission);
  queue.add("alice");
  queue.add("alice");
  queue.add("bob");
  (*first)->give_back();  // One of alice's still runs, so bob comes first.
  EXPECT_THAT(queue.order(), ElementsAre("bob", "alice", "alice"));
  EXPECT_EQ(admission.counts().running, 1U);
}

TEST(AdmissionTest, KeepsTheOrderOfOneCaller) {
  Admission admission({.places = 1});
  Entered first = admission.enter(context_of("x"));
  std::vector<int> order;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 5; ++i) {
    threads.emplace_back([&, i] {
      const Entered place = admission.enter(context_of("x"));
      order.push_back(i);  // One place: nobody else is here.
    });
    await_waiting(admission, static_cast<unsigned>(i) + 1);
  }
  first->reset();
  threads.clear();
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4));
}

TEST(AdmissionTest, WhoMustBeAloneIsNotOvertaken) {
  Admission admission({.places = 2});
  Entered first = admission.enter(context_of("a"));
  Queue queue(admission);
  queue.add("alone", true);
  queue.add("b");  // There is a place, and yet it waits.
  EXPECT_EQ(admission.counts().running, 1U);
  first->reset();
  EXPECT_THAT(queue.order(), ElementsAre("alone", "b"));
}

TEST(AdmissionTest, RefusesWhenTooManyWait) {
  Admission admission({.places = 1, .waiting_max = 2, .waiting_per_principal_max = 1});
  Entered first = admission.enter(context_of("a"));
  Queue queue(admission);
  queue.add("a");
  EXPECT_THAT(admission.enter(context_of("a")), FailsWith(ErrorCode::ResourceExhausted));
  queue.add("b");
  EXPECT_THAT(admission.enter(context_of("c")), FailsWith(ErrorCode::ResourceExhausted));
  EXPECT_EQ(admission.counts().refused, 2U);
  first->reset();
  EXPECT_EQ(queue.order().size(), 2U);
}

TEST(AdmissionTest, WhoGivesUpLeavesTheQueue) {
  Admission admission({.places = 2});
  Entered first = admission.enter(context_of("a"));
  RequestContext impatient = context_of("alone");
  impatient.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  EXPECT_THAT(admission.enter(impatient, true), FailsWith(ErrorCode::DeadlineExceeded));
  // Nobody waits for being alone any more.
  EXPECT_THAT(admission.enter(context_of("b")), IsOk());

  Entered second = admission.enter(context_of("b"));
  std::stop_source source;
  RequestContext cancelled = context_of("c");
  cancelled.stop = source.get_token();
  auto waits = std::async(std::launch::async, [&] { return admission.enter(cancelled); });
  await_waiting(admission, 1);
  source.request_stop();
  EXPECT_THAT(waits.get(), FailsWith(ErrorCode::Cancelled));
  EXPECT_EQ(admission.counts().waiting, 0U);
}

TEST(AdmissionTest, StoppingEndsTheWaiting) {
  Admission admission({.places = 1});
  Entered first = admission.enter(context_of("a"));
  auto waits = std::async(std::launch::async, [&] { return admission.enter(context_of("b")); });
  await_waiting(admission, 1);
  admission.stop();
  EXPECT_THAT(waits.get(), FailsWith(ErrorCode::Unavailable));
  EXPECT_THAT(admission.enter(context_of("b")), FailsWith(ErrorCode::Unavailable));
}

}  // namespace
}  // namespace lakehouse::engine
