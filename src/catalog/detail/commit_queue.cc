#include "catalog/detail/commit_queue.h"

#include <algorithm>
#include <chrono>
#include <iterator>

namespace lakehouse::catalog {
namespace {

constexpr std::size_t kTogetherMax = 64;
constexpr std::chrono::milliseconds kWaitStep{20};  // How soon a waiter notices that it is stopped.

bool share_a_table(std::span<const TableCommit> a, std::span<const TableCommit> b) {
  return std::ranges::any_of(a, [&](const TableCommit& commit) {
    return std::ranges::any_of(
        b, [&](const TableCommit& other) { return other.identifier == commit.identifier; });
  });
}

// A commit to one table that exists.
bool can_be_together(std::span<const TableCommit> commits) {
  return commits.size() == 1 &&
         std::ranges::none_of(commits.front().requirements, [](const auto& requirement) {
           return std::holds_alternative<iceberg::AssertCreate>(requirement);
         });
}

}  // namespace

bool Catalog::CommitQueue::may_start(const CommitEntry& entry) const {
  for (const CommitEntry* earlier : queue_) {
    if (earlier == &entry) {
      return true;
    }
    if (share_a_table(earlier->commits, entry.commits)) {
      return false;
    }
  }
  return true;
}

std::vector<Catalog::CommitEntry*> Catalog::CommitQueue::start(CommitEntry& entry) {
  std::vector<CommitEntry*> entries{&entry};
  if (can_be_together(entry.commits)) {
    for (auto at = std::next(std::ranges::find(queue_, &entry)); at != queue_.end(); ++at) {
      if (!share_a_table((*at)->commits, entry.commits)) {
        continue;
      }
      if (entries.size() == kTogetherMax || !can_be_together((*at)->commits)) {
        break;
      }
      entries.push_back(*at);
    }
  }
  for (CommitEntry* started : entries) {
    started->running = true;
  }
  return entries;
}

Result<std::unique_ptr<Catalog::CommitTurn>> Catalog::CommitQueue::wait_for_turn(
    CommitEntry& entry) {
  std::unique_lock lock(mutex_);
  queue_.push_back(&entry);
  while (true) {
    if (entry.outcome) {
      return std::make_unique<CommitTurn>(*this, std::vector<CommitEntry*>());
    }
    if (!entry.running && may_start(entry)) {
      return std::make_unique<CommitTurn>(*this, start(entry));
    }
    changed_.wait_for(lock, kWaitStep);
    // Once another thread has taken it, only its outcome ends the wait.
    if (Status go_on = entry.context.check(); !go_on && !entry.running) {
      queue_.remove(&entry);
      changed_.notify_all();
      return std::unexpected(std::move(go_on).error());
    }
  }
}

void Catalog::CommitQueue::end(CommitTurn& turn) {
  if (turn.entries().empty()) {
    return;
  }
  {
    const std::scoped_lock lock(mutex_);
    for (std::size_t i = 0; i < turn.entries().size(); ++i) {
      CommitEntry* const entry = turn.entries()[i];
      queue_.remove(entry);
      entry->outcome = turn.take_outcome(i);
    }
  }
  changed_.notify_all();
}

}  // namespace lakehouse::catalog
