#include "engine/client/admission.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace lakehouse::engine {
namespace {

std::unexpected<Error> stopping() {
  return fail(ErrorCode::Unavailable, "the server is stopping");
}

}  // namespace

void Admission::Place::give_back() {
  const std::lock_guard lock(owner_.mutex_);
  if (count_ == 0) {
    return;
  }
  owner_.running_ -= count_;
  const auto of = owner_.running_of_.find(principal_);
  of->second -= std::exchange(count_, 0);
  if (of->second == 0) {
    owner_.running_of_.erase(of);
  }
  owner_.admit_waiting();
}

Status Admission::check_room(const std::string& principal) {
  const auto mine = std::ranges::count_if(
      waiting_, [&](const Waiter* waiter) { return waiter->principal == principal; });
  const bool full = waiting_.size() >= options_.waiting_max;
  if (!full && std::cmp_less(mine, options_.waiting_per_principal_max)) {
    return {};
  }
  ++totals_.refused;
  return fail(ErrorCode::ResourceExhausted,
              fmt::format("{} statements{} wait for the query engine already",
                          full ? waiting_.size() : static_cast<std::size_t>(mine),
                          full ? "" : " of the same caller"),
              "Retry in a moment.");
}

void Admission::take(const std::string& principal, unsigned count) {
  running_ += count;
  running_of_[principal] += count;
  ++totals_.admitted;
}

std::list<Admission::Waiter*>::iterator Admission::next() {
  // Who must be alone would wait for ever if others kept passing.
  const auto alone =
      std::ranges::find_if(waiting_, [](const Waiter* waiter) { return waiter->count > 1; });
  return alone != waiting_.end()
             ? alone
             : std::ranges::min_element(waiting_, {}, [&](const Waiter* waiter) {
                 const auto of = running_of_.find(waiter->principal);
                 return of == running_of_.end() ? 0U : of->second;
               });
}

void Admission::admit_waiting() {
  while (!waiting_.empty()) {
    const auto first = next();
    Waiter& waiter = **first;
    if (!fits(waiter.count)) {
      return;
    }
    take(waiter.principal, waiter.count);
    waiter.admitted = true;
    waiting_.erase(first);
    waiter.changed.notify_one();
  }
}

Result<std::unique_ptr<Admission::Place>> Admission::enter(const RequestContext& context,
                                                           bool alone) {
  LH_RETURN_IF_ERROR(context.check());
  const unsigned count = alone ? options_.places : 1;
  std::unique_lock lock(mutex_);
  if (stopping_) {
    return stopping();
  }
  if (waiting_.empty() && fits(count)) {
    take(context.principal, count);
    return std::make_unique<Place>(*this, context.principal, count);
  }
  LH_RETURN_IF_ERROR(check_room(context.principal));
  const auto began = std::chrono::steady_clock::now();
  Waiter waiter{.principal = context.principal, .count = count};
  waiting_.push_back(&waiter);
  const auto done = [&] { return waiter.admitted || stopping_; };
  if (context.deadline == std::chrono::steady_clock::time_point::max()) {
    waiter.changed.wait(lock, context.stop, done);
  } else {
    waiter.changed.wait_until(lock, context.stop, context.deadline, done);
  }
  totals_.waited += std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - began);
  if (waiter.admitted) {
    return std::make_unique<Place>(*this, context.principal, count);
  }
  waiting_.remove(&waiter);
  if (stopping_) {
    return stopping();
  }
  admit_waiting();  // It may have been what kept others back.
  LH_RETURN_IF_ERROR(context.check());
  return fail(ErrorCode::DeadlineExceeded, "the request's deadline has passed");
}

Admission::Counts Admission::counts() const {
  const std::lock_guard lock(mutex_);
  Counts now = totals_;
  now.running = running_;
  now.waiting = static_cast<unsigned>(waiting_.size());
  return now;
}

void Admission::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  for (Waiter* waiter : waiting_) {
    waiter->changed.notify_one();
  }
}

}  // namespace lakehouse::engine
