#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "engine/client/admission.h"
#include "engine/client/result_stream.h"
#include "engine/engine.h"
#include "engine/engine_lanes.h"
#include "engine/engine_pool.h"
#include "engine/statement_monitor.h"

namespace lakehouse::engine {

/// One statement that has its place in a lane, as the lane's watch sees it. Thread-safe.
class LaneStatement {
 public:
  using Clock = std::chrono::steady_clock;

  LaneStatement(std::uint64_t id, std::unique_ptr<Admission::Place> place,
                const Statement& statement)
      : id_(id),
        place_(std::move(place)),
        scan_bytes_(statement.scan_bytes.value_or(0)),
        monitor_(statement.monitor) {}

  [[nodiscard]] std::uint64_t id() const { return id_; }
  [[nodiscard]] std::uint64_t scan_bytes() const { return scan_bytes_; }
  [[nodiscard]] Clock::time_point began() const { return began_; }
  [[nodiscard]] const std::shared_ptr<StatementMonitor>& monitor() const { return monitor_; }
  void give_place_back() { place_->give_back(); }

  /// Whether others ran in the child while it did.
  [[nodiscard]] bool had_company() const { return had_company_; }
  void set_company() { had_company_ = true; }

  /// The reader has rows, or waits for them.
  void rows_offered() { offered_at_ = Clock::now().time_since_epoch().count(); }
  void rows_awaited() { offered_at_ = 0; }
  /// How long rows have been there for a reader who does not ask for more.
  [[nodiscard]] Clock::duration lying_since(Clock::time_point now) const;

  /// Its connection, for as long as that is open; -1 for none.
  void attach(int fd);
  /// Ends the statement, because its child is too big.
  void end_for_memory();
  [[nodiscard]] bool ended_for_memory() const { return ended_for_memory_; }

 private:
  const std::uint64_t id_;
  const std::unique_ptr<Admission::Place> place_;
  const std::uint64_t scan_bytes_;
  const std::shared_ptr<StatementMonitor> monitor_;  ///< Shared with whoever asks.
  const Clock::time_point began_ = Clock::now();
  std::atomic<bool> had_company_ = false;
  std::atomic<Clock::rep> offered_at_ = 0;  ///< 0: not.
  std::atomic<bool> ended_for_memory_ = false;
  std::mutex mutex_;
  int fd_ = -1;  ///< Guarded by mutex_.
};

/// How one try of a statement came out.
struct LaneAttempt {
  enum class Outcome : std::uint8_t { Started, Failed, TooSlow, OutOfMemory, ChildGone };
  Outcome outcome = Outcome::Failed;
  std::unique_ptr<ResultStream> stream;  ///< If it has started.
  Error error;                           ///< If not.
  bool had_company = false;
};

/// One child and its places. Thread-safe. Outlives its streams.
class LaneEngine {
 public:
  struct Options {
    Lane lane = Lane::Light;
    EngineOptions engine;
    Admission::Options admission;
    std::uint64_t resident_bytes_max = 0;
  };
  static Result<std::unique_ptr<LaneEngine>> start(Options options);
  LaneEngine(const LaneEngine&) = delete;
  LaneEngine& operator=(const LaneEngine&) = delete;

  /// Waits for a place and runs the statement up to its first bytes. It is TooSlow without any
  /// after `time`.
  LaneAttempt run(const RequestContext& context, Request& request,
                  std::optional<std::chrono::milliseconds> time, bool alone);

  /// A look at what runs: takes places back from readers that do not read, and statements out of a
  /// child that is too big. To be called a few times a second.
  void look();
  /// Tells monitors how far their statements are. May take as long as the child lets it.
  void ask_progress();
  /// The machine is out of memory, and this child is its biggest.
  void shrink();

  EnginePool& pool() { return *pool_; }
  [[nodiscard]] LaneMetrics metrics() const;
  [[nodiscard]] std::uint64_t resident_bytes() const { return resident_bytes_; }
  void count_outgrown() { ++outgrown_; }
  void count_retried() { ++retried_; }
  void stop(std::chrono::milliseconds grace);

 private:
  class Stream;

  explicit LaneEngine(Options options)
      : options_(std::move(options)), admission_(options_.admission) {}
  LaneAttempt run_here(const std::shared_ptr<LaneStatement>& statement,
                       const RequestContext& context, Request& request, Deadline until);
  static LaneAttempt failed(const LaneStatement& statement, Error error,
                            const RequestContext& context, Deadline until, bool lost);
  std::shared_ptr<LaneStatement> enter(std::unique_ptr<Admission::Place> place,
                                       const Statement& statement);
  void leave(std::uint64_t id);
  std::shared_ptr<LaneStatement> biggest() const;

  const Options options_;
  Admission admission_;
  std::unique_ptr<EnginePool> pool_;
  mutable std::mutex mutex_;
  /// Shared with the threads that run them. Guarded by mutex_, as next_id_.
  std::map<std::uint64_t, std::shared_ptr<LaneStatement>> statements_;
  std::uint64_t next_id_ = 1;
  std::atomic<std::uint64_t> outgrown_ = 0;
  std::atomic<std::uint64_t> retried_ = 0;
  std::atomic<std::uint64_t> memory_kills_ = 0;
  std::atomic<std::uint64_t> resident_bytes_ = 0;
  // Of the watch's thread alone.
  std::optional<LaneStatement::Clock::time_point> too_big_since_;
};

}  // namespace lakehouse::engine
