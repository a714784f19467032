#include "engine/client/supervisor.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/wire/frame.h"
#include "engine/wire/messages.h"

namespace lakehouse::engine {
namespace {

constexpr std::chrono::milliseconds kPauseFirst{50};
constexpr std::chrono::milliseconds kPauseMax{5'000};
// A child that lived this long was well; its end is not the next of a row.
constexpr std::chrono::seconds kWell{2};
constexpr std::size_t kLogLineBytesMax = 4'096;
// The system's default holds no frame of rows; it may allow less than we ask for.
constexpr int kSocketBufferBytes = 4 << 20;

Status send_fd(int control, int fd) {
  char byte = 'c';
  iovec data{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> space{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = space.data();
  message.msg_controllen = space.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  if (::sendmsg(control, &message, MSG_NOSIGNAL) != 1) {
    return fail(ErrorCode::Unavailable, "the query engine has just ended",
                "It restarts by itself; retry in a moment.");
  }
  return {};
}

}  // namespace

Supervisor::Supervisor(EngineOptions options)
    : options_(std::move(options)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  thread_ = std::thread([this] { run(); });
}

Supervisor::~Supervisor() {
  stop();
}

void Supervisor::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  ::eventfd_write(wake_.get(), 1);
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Supervisor::log(std::string_view line) const {
  if (options_.on_log) {
    options_.on_log(line);
  } else {
    fmt::print(stderr, "{}\n", line);
  }
}

std::vector<std::string> Supervisor::child_arguments() const {
  std::vector<std::string> arguments = options_.arguments;
  const auto add = [&](std::string name, std::string value) {
    arguments.push_back(std::move(name));
    arguments.push_back(std::move(value));
  };
  add("--memory-limit-bytes", std::to_string(options_.memory_limit_bytes));
  add("--spill-bytes-max", std::to_string(options_.spill_bytes_max));
  add("--threads", std::to_string(options_.threads));
  add("--spill", (options_.spill_directory / "engine-spill").string());
  // Room for connections that are idle, or whose other end has just gone.
  add("--connections-max", std::to_string(options_.statements_max + 64));
  add("--parent", std::to_string(::getpid()));
  for (const auto& path : options_.grant.readable) {
    add("--readable", path.string());
  }
  for (const auto& path : options_.grant.writable) {
    add("--writable", path.string());
  }
  for (const auto& path : options_.grant.extensions) {
    add("--extension", path.string());
  }
  if (options_.grant.loopback_port) {
    add("--loopback-port", std::to_string(*options_.grant.loopback_port));
  }
  add("--data-bytes-max", std::to_string(options_.limits.data_bytes_max));
  add("--nice", std::to_string(options_.limits.nice));
  add("--grant-later", options_.grant_later ? "1" : "0");
  add("--sandbox", std::to_string(static_cast<int>(options_.sandbox)));
  return arguments;
}

void Supervisor::empty_spill() const {
  std::error_code ignored;
  std::filesystem::remove_all(options_.spill_directory / "engine-spill", ignored);
}

void Supervisor::run() {
  std::chrono::milliseconds pause{0};
  while (true) {
    const auto began = std::chrono::steady_clock::now();
    const std::string how = run_child();
    std::unique_lock lock(mutex_);
    if (stopping_ || refused_) {
      return;
    }
    ++crashes_;
    last_problem_ = how;
    const bool was_well = std::chrono::steady_clock::now() - began > kWell;
    lock.unlock();
    log(fmt::format("the query engine ended: {}; starting it again in {} ms", how,
                    was_well ? 0 : pause.count()));
    lock.lock();
    if (!was_well) {
      changed_.wait_for(lock, pause, [this] { return stopping_; });
    }
    pause = was_well ? std::chrono::milliseconds(0) : std::clamp(pause * 2, kPauseFirst, kPauseMax);
    if (stopping_) {
      return;
    }
  }
}

void Supervisor::give(EngineGrant grant) {
  const std::lock_guard lock(mutex_);
  given_ = std::move(grant);
  send_grant();
}

void Supervisor::send_grant() const {
  if (given_ && control_) {
    // A child that has just ended takes no grant; the next one is given it when it starts.
    static_cast<void>(FrameWriter(control_.get())
                          .send(FrameType::Request, encode_grant(*given_),
                                std::chrono::steady_clock::now() + std::chrono::seconds(5)));
  }
}

std::string Supervisor::run_child() {
  empty_spill();
  auto child = start_child(options_.executable, child_arguments());
  if (!child) {
    return child.error().message;
  }
  {
    const std::lock_guard lock(mutex_);
    control_ = std::move(child->control);
    pid_ = child->pid;
    ++generation_;
    send_grant();
  }
  watch(*child);
  {
    const std::lock_guard lock(mutex_);
    ready_ = false;
    pid_ = 0;
    control_.reset();
  }
  std::string how = reap_child(child->pid);
  std::string rest;
  while (take_log(child->log.get(), rest)) {
  }
  empty_spill();
  return how;
}

// Returns once the child has ended or must end.
void Supervisor::watch(const ChildProcess& child) {
  std::string partial_line;
  int log_fd = child.log.get();
  while (true) {
    std::array<pollfd, 3> polled{{{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                                  {.fd = control_.get(), .events = POLLIN, .revents = 0},
                                  {.fd = log_fd, .events = POLLIN, .revents = 0}}};
    if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) {
      return;
    }
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) {
        return;
      }
    }
    if (polled[2].revents != 0 && !take_log(log_fd, partial_line)) {
      log_fd = (polled[2].revents & POLLHUP) != 0 ? -1 : log_fd;
    }
    if (polled[1].revents != 0 && !take_hello()) {
      return;
    }
  }
}

// False if there is nothing more to read at the moment.
bool Supervisor::take_log(int fd, std::string& partial) {
  std::array<char, 4'096> bytes{};
  const ssize_t got = ::read(fd, bytes.data(), bytes.size());
  if (got <= 0) {
    return false;
  }
  partial.append(bytes.data(), static_cast<std::size_t>(got));
  std::size_t begin = 0;
  for (auto end = partial.find('\n'); end != std::string::npos; end = partial.find('\n', begin)) {
    log(std::string_view(partial).substr(begin, end - begin));
    begin = end + 1;
  }
  partial.erase(0, begin);
  if (partial.size() > kLogLineBytesMax) {
    log(partial);
    partial.clear();
  }
  return true;
}

// The child's first and only words on the control connection; false at its end.
bool Supervisor::take_hello() {
  FrameReader reader(control_.get());
  const auto frame = reader.read(std::chrono::steady_clock::now() + std::chrono::seconds(5));
  if (!frame) {
    return false;
  }
  if (frame->type == FrameType::Error) {
    const Error problem = decode_error(frame->payload);
    log("the query engine does not start: " + problem.message);
    if (problem.code == ErrorCode::FailedPrecondition) {
      const std::lock_guard lock(mutex_);
      refused_ = problem;
    }
    changed_.notify_all();
    return false;
  }
  auto greeting = decode_greeting(frame->payload);
  if (!greeting || greeting->protocol != kProtocolVersion) {
    log("the query engine is of another version than this program");
    return false;
  }
  {
    const std::lock_guard lock(mutex_);
    ready_ = true;
    sandbox_ = std::move(greeting->sandbox);
  }
  changed_.notify_all();
  return true;
}

// The control connection of a child that has ended is closed before the supervisor's thread comes
// to notice it.
bool Supervisor::is_up() const {
  pollfd polled{.fd = control_.get(), .events = POLLRDHUP, .revents = 0};
  return ready_ && ::poll(&polled, 1, 0) == 0;
}

Status Supervisor::wait_locked(std::unique_lock<std::mutex>& lock, const RequestContext& context) {
  const auto patience = std::chrono::steady_clock::now() + options_.ready_wait_max;
  const auto until = std::min(context.deadline, patience);
  bool up = false;  // As it was found while waiting: a child may die between two looks.
  changed_.wait_until(lock, context.stop, until, [&] {
    up = is_up();
    return up || stopping_ || refused_;
  });
  if (stopping_) {
    return fail(ErrorCode::Unavailable, "the server is stopping");
  }
  if (up) {
    return {};
  }
  if (refused_) {
    return std::unexpected(Error(*refused_).with_context("start the query engine"));
  }
  LH_RETURN_IF_ERROR(context.check());
  return fail(ErrorCode::Unavailable,
              last_problem_.empty()
                  ? "the query engine is still starting"
                  : fmt::format("the query engine does not start: {}", last_problem_),
              "Retry in a moment.");
}

Status Supervisor::wait_ready(const RequestContext& context) {
  std::unique_lock lock(mutex_);
  return wait_locked(lock, context);
}

Result<UniqueFd> Supervisor::connect(const RequestContext& context, std::uint64_t& generation) {
  std::array<int, 2> pair{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    return fail(ErrorCode::ResourceExhausted,
                fmt::format("no connection to the query engine: {}", std::strerror(errno)));
  }
  UniqueFd ours(pair[0]);
  const UniqueFd theirs(pair[1]);
  for (const int fd : pair) {
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSocketBufferBytes, sizeof kSocketBufferBytes);
  }
  std::unique_lock lock(mutex_);
  LH_RETURN_IF_ERROR(wait_locked(lock, context));
  LH_RETURN_IF_ERROR(send_fd(control_.get(), theirs.get()));
  generation = generation_;
  return ours;
}

void Supervisor::await_loss(std::uint64_t generation) {
  // The kernel closes a dying process's descriptors one after the other, in microseconds.
  constexpr int kTries = 20;
  constexpr std::chrono::milliseconds kPause{5};
  for (int i = 0; i < kTries; ++i) {
    std::unique_lock lock(mutex_);
    if (generation_ != generation || stopping_ || !is_up()) {
      return;
    }
    changed_.wait_for(lock, kPause);
  }
}

void Supervisor::kill() {
  // With the lock: a child that has been reaped has no number any more.
  const std::lock_guard lock(mutex_);
  if (pid_ != 0) {
    ::kill(pid_, SIGKILL);
  }
}

void Supervisor::fill(EngineMetrics& metrics) const {
  const std::lock_guard lock(mutex_);
  metrics.ready = ready_;
  metrics.pid = pid_;
  metrics.starts = generation_;
  metrics.crashes = crashes_;
  metrics.sandbox = sandbox_;
}

}  // namespace lakehouse::engine
