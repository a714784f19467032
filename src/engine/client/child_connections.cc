#include "engine/child_connections.h"

#include <fmt/format.h>
#include <sys/socket.h>

namespace lakehouse::engine {
namespace {

constexpr std::size_t kIdleMax = 16;

// An idle connection has nothing to say; readable means that the child has gone.
bool is_alive(int fd) {
  char byte = 0;
  return ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

}  // namespace

ChildConnections::ChildConnections(ChildOptions options)
    : name_(options.name), requests_max_(options.requests_max), supervisor_(std::move(options)) {}

ChildConnections::Lease::~Lease() {
  owner_->give_back(std::move(fd_), generation_, reusable_);
}

UniqueFd ChildConnections::take_idle(std::uint64_t& generation) {
  const std::lock_guard lock(mutex_);
  while (!idle_.empty()) {
    Idle last = std::move(idle_.back());
    idle_.pop_back();
    if (last.generation == supervisor_.generation() && is_alive(last.fd.get())) {
      generation = last.generation;
      return std::move(last.fd);
    }
  }
  return {};
}

Result<std::unique_ptr<ChildConnections::Lease>> ChildConnections::acquire(
    const RequestContext& context) {
  LH_RETURN_IF_ERROR(context.check());
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      return fail(ErrorCode::Unavailable, "the server is stopping");
    }
    if (running_ >= requests_max_) {
      return fail(ErrorCode::ResourceExhausted,
                  fmt::format("the {} does {} things at once already", name_, running_),
                  "Retry in a moment.");
    }
    ++running_;
    ++requests_;
  }
  std::uint64_t generation = 0;
  UniqueFd fd = take_idle(generation);
  if (!fd) {
    auto connected = supervisor_.connect(context, generation);
    if (!connected) {
      give_back({}, 0, false);
      return std::unexpected(std::move(connected).error());
    }
    fd = *std::move(connected);
  }
  return std::make_unique<Lease>(shared_from_this(), std::move(fd), generation);
}

void ChildConnections::give_back(UniqueFd fd, std::uint64_t generation, bool reusable) {
  const std::lock_guard lock(mutex_);
  --running_;
  if (running_ == 0) {
    all_ended_.notify_all();
  }
  if (reusable && !stopping_ && idle_.size() < kIdleMax) {
    idle_.push_back({.fd = std::move(fd), .generation = generation});
  }
}

std::uint64_t ChildConnections::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::uint64_t ChildConnections::running() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

void ChildConnections::stop(std::chrono::milliseconds grace) {
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    idle_.clear();
    all_ended_.wait_for(lock, grace, [this] { return running_ == 0; });
  }
  supervisor_.stop();
}

}  // namespace lakehouse::engine
