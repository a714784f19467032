#include "jobs/detail/watchers.h"

#include <chrono>
#include <utility>

namespace lakehouse::jobs::detail {
namespace {

constexpr std::chrono::milliseconds kBetween{100};
constexpr std::chrono::milliseconds kPollEvery{1'000};

}  // namespace

class Watchers::Ticket final : public Subscription {
 public:
  Ticket(std::shared_ptr<Shared> shared, std::string id, std::shared_ptr<Watcher> watcher)
      : shared_(std::move(shared)), id_(std::move(id)), watcher_(std::move(watcher)) {}

  ~Ticket() override {
    {
      const std::lock_guard lock(shared_->mutex);
      const auto [begin, end] = shared_->watchers.equal_range(id_);
      for (auto at = begin; at != end; ++at) {
        if (at->second == watcher_) {
          shared_->watchers.erase(at);
          break;
        }
      }
      shared_->count = shared_->watchers.size();
    }
    const std::lock_guard lock(watcher_->mutex);  // A call that is under way ends first.
    watcher_->call = nullptr;
  }

 private:
  const std::shared_ptr<Shared> shared_;
  const std::string id_;
  const std::shared_ptr<Watcher> watcher_;
};

Watchers::Watchers(Fetch fetch, bool poll)
    : fetch_(std::move(fetch)),
      poll_(poll),
      shared_(std::make_shared<Shared>()),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

std::unique_ptr<Subscription> Watchers::add(std::string_view id,
                                            std::function<void(const Job&)> call,
                                            const std::function<Result<Job>()>& now,
                                            Status* outcome) {
  const auto watcher = std::make_shared<Watcher>();
  // Held from before it is known until it has heard how things are: what changes in between is
  // told after that.
  const std::lock_guard first(watcher->mutex);
  watcher->call = std::move(call);
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->watchers.emplace(id, watcher);
    shared_->count = shared_->watchers.size();
  }
  auto job = now();
  if (!job) {
    *outcome = std::unexpected(std::move(job).error());
    const std::lock_guard lock(shared_->mutex);
    std::erase_if(shared_->watchers, [&](const auto& entry) { return entry.second == watcher; });
    shared_->count = shared_->watchers.size();
    return nullptr;
  }
  watcher->revision = job->revision;
  watcher->call(*job);
  if (is_over(job->state)) {
    watcher->call = nullptr;
  }
  return std::make_unique<Ticket>(shared_, std::string(id), watcher);
}

void Watchers::changed(const std::string& id) {
  if (shared_->count.load() == 0) {
    return;
  }
  const std::lock_guard lock(shared_->mutex);
  if (shared_->watchers.contains(id) && shared_->changed.insert(id).second) {
    shared_->wake.notify_one();
  }
}

void Watchers::run(const std::stop_token& stop) {
  auto polled = std::chrono::steady_clock::now();
  std::unique_lock lock(shared_->mutex);
  while (!stop.stop_requested()) {
    const auto has_news = [&] { return !shared_->changed.empty(); };
    if (poll_ && !shared_->watchers.empty()) {
      shared_->wake.wait_until(lock, stop, polled + kPollEvery, has_news);
    } else {
      shared_->wake.wait_for(lock, stop, kPollEvery, has_news);
    }
    std::set<std::string> told = std::exchange(shared_->changed, {});
    if (poll_ && std::chrono::steady_clock::now() - polled >= kPollEvery) {
      polled = std::chrono::steady_clock::now();
      for (const auto& [id, watcher] : shared_->watchers) {
        told.insert(id);
      }
    }
    lock.unlock();
    for (const std::string& id : told) {
      tell(id);
    }
    lock.lock();
    if (!told.empty()) {
      // What comes within this time is told together.
      shared_->wake.wait_for(lock, stop, kBetween, [] { return false; });
    }
  }
}

void Watchers::tell(const std::string& id) {
  const std::optional<Job> job = fetch_(id);
  if (!job) {
    return;
  }
  std::vector<std::shared_ptr<Watcher>> watchers;
  {
    const std::lock_guard lock(shared_->mutex);
    const auto [begin, end] = shared_->watchers.equal_range(id);
    for (auto at = begin; at != end; ++at) {
      watchers.push_back(at->second);
    }
  }
  for (const auto& watcher : watchers) {
    const std::lock_guard lock(watcher->mutex);
    if (watcher->call && watcher->revision != job->revision) {
      watcher->revision = job->revision;
      watcher->call(*job);
      if (is_over(job->state)) {
        watcher->call = nullptr;
      }
    }
  }
}

}  // namespace lakehouse::jobs::detail
