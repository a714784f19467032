#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/request_context.h"

namespace lakehouse::engine {

/// The places of one lane, given out fairly: a free one goes to whoever has fewest statements
/// there, and among those to the one that waits longest. A caller's own come in their order.
///
/// Thread-safe. Outlives its places.
class Admission {
 public:
  struct Options {
    unsigned places = 1;
    unsigned waiting_max = 64;                ///< More are refused,
    unsigned waiting_per_principal_max = 32;  ///< as are more of one caller's.
  };
  explicit Admission(Options options) : options_(options) {}
  ~Admission() = default;
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  /// The right to run, until it goes or is given back before that.
  class Place {
   public:
    Place(Admission& owner, std::string principal, unsigned count)
        : owner_(owner), principal_(std::move(principal)), count_(count) {}
    ~Place() { give_back(); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    /// Safe from any thread, and more than once.
    void give_back();

   private:
    Admission& owner_;
    std::string principal_;
    unsigned count_;  ///< Guarded by owner_.mutex_; 0 once given back.
  };

  /// Waits for a place; `alone`: until nobody else runs, and nobody else begins meanwhile.
  /// ResourceExhausted if too many wait; DeadlineExceeded, Cancelled or, once stopped, Unavailable.
  Result<std::unique_ptr<Place>> enter(const RequestContext& context, bool alone = false);

  struct Counts {
    unsigned running = 0;  ///< Places taken.
    unsigned waiting = 0;
    std::uint64_t admitted = 0;  ///< Ever, as what follows.
    std::uint64_t refused = 0;
    std::chrono::microseconds waited{0};  ///< By all that were admitted.
  };
  [[nodiscard]] Counts counts() const;

  /// Who waits gives up, and nobody enters any more.
  void stop();

 private:
  /// Lives on the stack of who waits.
  struct Waiter {
    const std::string& principal;
    unsigned count;
    bool admitted = false;  ///< Then it is on no list any more.
    std::condition_variable_any changed = {};
  };

  // All with mutex_ held.
  [[nodiscard]] bool fits(unsigned count) const { return running_ + count <= options_.places; }
  Status check_room(const std::string& principal);
  void take(const std::string& principal, unsigned count);
  std::list<Waiter*>::iterator next();
  void admit_waiting();

  const Options options_;
  mutable std::mutex mutex_;
  std::list<Waiter*> waiting_;  ///< In the order of their coming. Guarded, as what follows.
  std::map<std::string, unsigned> running_of_;
  unsigned running_ = 0;
  bool stopping_ = false;
  Counts totals_;
};

}  // namespace lakehouse::engine
