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

#include "engine/child_link.h"
#include "engine/frame.h"

namespace lakehouse::engine {
namespace {

constexpr std::chrono::milliseconds kPauseFirst{50};
constexpr std::chrono::milliseconds kPauseMax{5'000};
// A child that lived this long was well; its end is not the next of a row.
constexpr std::chrono::seconds kWell{2};
constexpr std::size_t kLogLineBytesMax = 4'096;
// The system's default holds no frame of rows; it may allow less than we ask for.
constexpr int kSocketBufferBytes = 4 << 20;

Status send_fd(int control, int fd, std::string_view name) {
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
    return fail(ErrorCode::Unavailable, fmt::format("the {} has just ended", name),
                "It restarts by itself; retry in a moment.");
  }
  return {};
}

}  // namespace

Supervisor::Supervisor(ChildOptions options)
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
  arguments.insert(arguments.end(), {"--parent", std::to_string(::getpid())});
  return arguments;
}

void Supervisor::clean_up() const {
  if (options_.clean_up) {
    options_.clean_up();
  }
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
    log(fmt::format("the {} ended: {}; starting it again in {} ms", options_.name, how,
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

void Supervisor::give(std::string request) {
  const std::lock_guard lock(mutex_);
  given_ = std::move(request);
  send_given();
}

void Supervisor::send_given() const {
  if (given_ && control_) {
    // A child that has just ended takes nothing; the next one is given it when it starts.
    static_cast<void>(FrameWriter(control_.get())
                          .send(FrameType::Request, *given_,
                                std::chrono::steady_clock::now() + std::chrono::seconds(5)));
  }
}

std::string Supervisor::run_child() {
  clean_up();
  auto child = start_child(options_.name, options_.executable, child_arguments());
  if (!child) {
    return child.error().message;
  }
  {
    const std::lock_guard lock(mutex_);
    control_ = std::move(child->control);
    pid_ = child->pid;
    ++generation_;
    send_given();
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
  clean_up();
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
    log(fmt::format("the {} does not start: {}", options_.name, problem.message));
    if (problem.code == ErrorCode::FailedPrecondition) {
      const std::lock_guard lock(mutex_);
      refused_ = problem;
    }
    changed_.notify_all();
    return false;
  }
  auto greeting = decode_greeting(frame->payload);
  if (!greeting || greeting->protocol != kProtocolVersion) {
    log(fmt::format("the {} is of another version than this program", options_.name));
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
    return std::unexpected(Error(*refused_).with_context("start the " + options_.name));
  }
  LH_RETURN_IF_ERROR(context.check());
  return fail(ErrorCode::Unavailable,
              last_problem_.empty()
                  ? fmt::format("the {} is still starting", options_.name)
                  : fmt::format("the {} does not start: {}", options_.name, last_problem_),
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
                fmt::format("no connection to the {}: {}", options_.name, std::strerror(errno)));
  }
  UniqueFd ours(pair[0]);
  const UniqueFd theirs(pair[1]);
  for (const int fd : pair) {
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSocketBufferBytes, sizeof kSocketBufferBytes);
  }
  std::unique_lock lock(mutex_);
  LH_RETURN_IF_ERROR(wait_locked(lock, context));
  LH_RETURN_IF_ERROR(send_fd(control_.get(), theirs.get(), options_.name));
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

ChildState Supervisor::state() const {
  const std::lock_guard lock(mutex_);
  return {.ready = ready_,
          .starts = generation_,
          .crashes = crashes_,
          .pid = pid_,
          .sandbox = sandbox_};
}

}  // namespace lakehouse::engine
