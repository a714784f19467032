#pragma once

#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "catalog/catalog.h"

namespace lakehouse::catalog {

/// One commit, on the stack of the thread that asks for it.
struct Catalog::CommitEntry {
  using Outcome = Result<std::vector<LoadedTable>>;

  const RequestContext& context;
  std::span<const TableCommit> commits;
  const CommitOptions& options;
  bool running = false;
  std::optional<Outcome> outcome;  ///< Set when its turn has ended.
};

/// The order in which this process's commits change tables: that of their arrival, so that no
/// commit writes metadata files in vain, and commits to different tables do not wait for each
/// other. Between processes the pointer's swap decides.
///
/// Commits to one table that arrive while another one is under way are done together, with one
/// metadata file and one transaction: what a commit waits for is the disk. Thread-safe.
class Catalog::CommitQueue {
 public:
  /// Waits for the entry's turn, or until another thread has done it. Fails as the entry's context
  /// does, and then the entry is not done.
  Result<std::unique_ptr<CommitTurn>> wait_for_turn(CommitEntry& entry);
  /// Gives the entries their outcomes, and lets those that waited go on.
  void end(CommitTurn& turn);

 private:
  [[nodiscard]] bool may_start(const CommitEntry& entry) const;
  std::vector<CommitEntry*> start(CommitEntry& entry);

  std::mutex mutex_;  // Guards what follows, and the entries' `running` and `outcome`.
  std::condition_variable changed_;
  std::list<CommitEntry*> queue_;  // Waiting and running, in the order of their arrival.
};

/// The turn of some entries, which ends with this object. All should be decided by then.
class Catalog::CommitTurn {
 public:
  CommitTurn(CommitQueue& queue, std::vector<CommitEntry*> entries)
      : queue_(queue), entries_(std::move(entries)), outcomes_(entries_.size()) {}
  ~CommitTurn() { queue_.end(*this); }
  CommitTurn(const CommitTurn&) = delete;
  CommitTurn& operator=(const CommitTurn&) = delete;

  /// What this thread must do: the entry that it waited with, and those that can be done with it.
  /// Empty: another thread has done it.
  [[nodiscard]] std::span<CommitEntry* const> entries() const { return entries_; }
  [[nodiscard]] bool is_decided(std::size_t i) const { return outcomes_[i].has_value(); }
  void decide(std::size_t i, CommitEntry::Outcome outcome) { outcomes_[i] = std::move(outcome); }
  [[nodiscard]] CommitEntry::Outcome take_outcome(std::size_t i) {
    std::optional<CommitEntry::Outcome>& outcome = outcomes_[i];
    return outcome ? *std::move(outcome)
                   : fail(ErrorCode::CommitStateUnknown, "the commit was cut short");
  }

 private:
  CommitQueue& queue_;
  std::vector<CommitEntry*> entries_;
  std::vector<std::optional<CommitEntry::Outcome>> outcomes_;
};

}  // namespace lakehouse::catalog
