#include "engine/child/watcher.h"

#include <algorithm>
#include <array>

#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace lakehouse::engine {
namespace {

// DuckDB forgets an interrupt that comes before a statement's next step begins, so it is repeated.
constexpr int kRepeatMs = 5;

}  // namespace

Result<std::unique_ptr<Watcher>> Watcher::start() {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  epoll_event event{.events = EPOLLIN, .data = {.u64 = 0}};
  if (!epoll || !wake || ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return fail(ErrorCode::Internal, "the system gives no epoll");
  }
  return std::unique_ptr<Watcher>(new Watcher(std::move(epoll), std::move(wake)));
}

Watcher::Watcher(UniqueFd epoll, UniqueFd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {
  thread_ = std::thread([this] { run(); });
}

Watcher::~Watcher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
  thread_.join();
}

void Watcher::wake() const {
  ::eventfd_write(wake_.get(), 1);
}

Watcher::Guard Watcher::watch(int fd, duckdb_connection connection, Deadline deadline,
                              std::uint64_t statement) {
  std::uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    id = next_id_++;
    entries_.emplace(id, Entry{.fd = fd,
                               .connection = connection,
                               .deadline = deadline,
                               .id = statement,
                               .reason = std::nullopt});
    // The caller sends nothing while its statement runs: only its going is an event.
    epoll_event event{.events = EPOLLRDHUP | EPOLLONESHOT, .data = {.u64 = id}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  }
  if (deadline != Deadline::max()) {
    wake();
  }
  return {*this, id};
}

std::vector<StatementProgress> Watcher::progress() {
  std::vector<StatementProgress> out;
  const std::lock_guard lock(mutex_);
  for (const auto& [number, entry] : entries_) {
    if (entry.id != 0) {
      const double percentage = duckdb_query_progress(entry.connection).percentage;
      out.push_back({.id = entry.id, .done = percentage < 0 ? -1 : percentage / 100});
    }
  }
  return out;
}

Watcher::Guard::~Guard() {
  const std::lock_guard lock(watcher_.mutex_);
  const auto entry = watcher_.entries_.find(id_);
  ::epoll_ctl(watcher_.epoll_.get(), EPOLL_CTL_DEL, entry->second.fd, nullptr);
  watcher_.entries_.erase(entry);
}

std::optional<ErrorCode> Watcher::Guard::reason() const {
  const std::lock_guard lock(watcher_.mutex_);
  const Entry& entry = watcher_.entries_.at(id_);
  if (!entry.reason && std::chrono::steady_clock::now() >= entry.deadline) {
    return ErrorCode::DeadlineExceeded;
  }
  return entry.reason;
}

int Watcher::wait_ms() {
  const std::lock_guard lock(mutex_);
  Deadline first = Deadline::max();
  for (const auto& [id, entry] : entries_) {
    if (entry.reason) {
      return kRepeatMs;
    }
    first = std::min(first, entry.deadline);
  }
  return poll_timeout_ms(first);
}

void Watcher::interrupt_due() {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  for (auto& [id, entry] : entries_) {
    if (!entry.reason && now >= entry.deadline) {
      entry.reason = ErrorCode::DeadlineExceeded;
    }
    if (entry.reason) {
      duckdb_interrupt(entry.connection);
    }
  }
}

void Watcher::run() {
  std::array<epoll_event, 32> events{};
  while (true) {
    const int count =
        ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), wait_ms());
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) {
        return;
      }
      for (int i = 0; i < count; ++i) {
        const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;
        if (id == 0) {
          eventfd_t ignored = 0;
          ::eventfd_read(wake_.get(), &ignored);
        } else if (const auto entry = entries_.find(id); entry != entries_.end()) {
          entry->second.reason = ErrorCode::Cancelled;
        }
      }
    }
    interrupt_due();
  }
}

}  // namespace lakehouse::engine
