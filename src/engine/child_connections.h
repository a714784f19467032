#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "base/unique_fd.h"
#include "engine/child_options.h"
#include "engine/client/supervisor.h"

namespace lakehouse::engine {

/// One child, kept running, and the connections to it. Thread-safe. Made by std::make_shared:
/// shared by its owner and what runs, which gives its connection back when it ends, also when the
/// owner has begun to stop.
///
/// A child that ends by itself is started again, at once the first time and with growing pauses (up
/// to 5 s) while it keeps failing. It dies with this process. Both talk over socket pairs, so there
/// is no socket file that anybody else could open.
class ChildConnections : public std::enable_shared_from_this<ChildConnections> {
 public:
  explicit ChildConnections(ChildOptions options);

  /// One running request's right to its connection; returned when it goes.
  class Lease {
   public:
    Lease(std::shared_ptr<ChildConnections> owner, UniqueFd fd, std::uint64_t generation)
        : owner_(std::move(owner)), fd_(std::move(fd)), generation_(generation) {}
    ~Lease();
    Lease(Lease&&) = delete;

    [[nodiscard]] int fd() const { return fd_.get(); }
    /// Of the child at the other end.
    [[nodiscard]] std::uint64_t generation() const { return generation_; }
    /// The connection is between two requests and may be used again; otherwise it is closed, which
    /// cancels what runs on it.
    void keep() { reusable_ = true; }
    /// The other side closed it.
    void lost() {
      lost_ = true;
      owner_->supervisor_.await_loss(generation_);
    }
    [[nodiscard]] bool was_lost() const { return lost_; }

   private:
    std::shared_ptr<ChildConnections> owner_;
    UniqueFd fd_;
    std::uint64_t generation_;
    bool reusable_ = false;
    bool lost_ = false;
  };

  /// A connection to a ready child; ResourceExhausted if too many requests run.
  Result<std::unique_ptr<Lease>> acquire(const RequestContext& context);

  Status wait_ready(const RequestContext& context) { return supervisor_.wait_ready(context); }
  [[nodiscard]] std::uint64_t generation() const { return supervisor_.generation(); }
  [[nodiscard]] ChildState state() const { return supervisor_.state(); }
  /// Requests ever begun.
  [[nodiscard]] std::uint64_t requests() const;
  [[nodiscard]] std::uint64_t running() const;
  /// New requests are Unavailable from now on; those that run get `grace`, then the child ends.
  void stop(std::chrono::milliseconds grace);
  /// Ends the child as a crash would.
  void kill() { supervisor_.kill(); }
  /// Sent to this child and each later one as the first request on its control connection.
  void give(std::string request) { supervisor_.give(std::move(request)); }

 private:
  struct Idle {
    UniqueFd fd;
    std::uint64_t generation = 0;
  };

  UniqueFd take_idle(std::uint64_t& generation);
  void give_back(UniqueFd fd, std::uint64_t generation, bool reusable);

  const std::string name_;
  const unsigned requests_max_;
  mutable std::mutex mutex_;
  std::condition_variable all_ended_;
  std::vector<Idle> idle_;  // Guarded by mutex_, as what follows.
  std::uint64_t running_ = 0;
  std::uint64_t requests_ = 0;
  bool stopping_ = false;
  Supervisor supervisor_;
};

}  // namespace lakehouse::engine
