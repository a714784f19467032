#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "base/unique_fd.h"
#include "engine/client/supervisor.h"

namespace lakehouse::engine {

/// The connections to one child, and how many statements run. Thread-safe.
///
/// Shared by the pool and its streams: a stream that ends gives its connection back, also when the
/// pool has begun to stop.
class Connections : public std::enable_shared_from_this<Connections> {
 public:
  explicit Connections(EngineOptions options);

  /// One running statement's right to its connection; returned when it goes.
  class Lease {
   public:
    Lease(std::shared_ptr<Connections> owner, UniqueFd fd, std::uint64_t generation)
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
    std::shared_ptr<Connections> owner_;
    UniqueFd fd_;
    std::uint64_t generation_;
    bool reusable_ = false;
    bool lost_ = false;
  };

  /// A connection to a ready child; ResourceExhausted if too many statements run.
  Result<std::unique_ptr<Lease>> acquire(const RequestContext& context);

  Status wait_ready(const RequestContext& context) { return supervisor_.wait_ready(context); }
  [[nodiscard]] std::uint64_t generation() const { return supervisor_.generation(); }
  [[nodiscard]] EngineMetrics metrics() const;
  void stop(std::chrono::milliseconds grace);
  void kill() { supervisor_.kill(); }
  void give(EngineGrant grant) { supervisor_.give(std::move(grant)); }

 private:
  struct Idle {
    UniqueFd fd;
    std::uint64_t generation = 0;
  };

  UniqueFd take_idle(std::uint64_t& generation);
  void give_back(UniqueFd fd, std::uint64_t generation, bool reusable);

  const unsigned statements_max_;
  mutable std::mutex mutex_;
  std::condition_variable all_ended_;
  std::vector<Idle> idle_;  // Guarded by mutex_, as what follows.
  std::uint64_t running_ = 0;
  std::uint64_t statements_ = 0;
  bool stopping_ = false;
  Supervisor supervisor_;
};

}  // namespace lakehouse::engine
