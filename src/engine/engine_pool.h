#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/engine_grant.h"

namespace lakehouse::engine {

/// How an engine child is started and what it may use.
struct EngineOptions {
  /// Started as `<executable> <arguments>... --option ...`; by default this program's own file.
  std::filesystem::path executable = "/proc/self/exe";
  std::vector<std::string> arguments = {"engine"};
  /// Where DuckDB spills; a folder of the child's own is made in it, and emptied at each start.
  std::filesystem::path spill_directory = {};
  std::uint64_t memory_limit_bytes = 0;  ///< 0: 60 % of the machine's memory.
  std::uint64_t spill_bytes_max = 0;     ///< 0: nine tenths of what is free at the start.
  unsigned threads = 0;                  ///< 0: as many as the machine has cores.
  unsigned statements_max = 128;         ///< Running at once; more are ResourceExhausted.
  EngineGrant grant = {};                ///< Beside the spill directory.
  /// Started before it is known what it may touch: the child waits for EnginePool::give, which
  /// names the files; extensions and port are still those of `grant`.
  bool grant_later = false;
  EngineLimits limits = {};
  SandboxMode sandbox = SandboxMode::BestEffort;
  /// How long a call waits for the child to come up when its own deadline is later.
  std::chrono::milliseconds ready_wait_max{10'000};
  /// Told each line that the child writes to its standard error, and each start and end of it.
  /// Called from the supervisor's thread. Empty: lines go to this process's standard error.
  std::function<void(std::string_view line)> on_log = {};
};

/// Counters since the start, for metrics.
struct EngineMetrics {
  bool ready = false;
  std::uint64_t starts = 0;      ///< Of the child; the first is one.
  std::uint64_t crashes = 0;     ///< Ends of the child that nobody asked for.
  std::uint64_t statements = 0;  ///< Ever sent to it.
  std::uint64_t running = 0;     ///< Now.
  int pid = 0;                   ///< Of the child; 0 while none runs.
  /// As the last child that came up told it; empty before.
  std::vector<SandboxLayer> sandbox = {};
};

/// InvalidArgument for what DuckDB must not be given.
Status check_statement_text(std::string_view sql);

class ChildConnections;

/// Starts one engine child, keeps it running, and runs statements in it.
///
/// Thread-safe. A child that ends by itself is started again, at once the first time and with
/// growing pauses (up to 5 s) while it keeps failing; what ran in it fails with Unavailable. The
/// child dies with this process. Both talk over socket pairs, so there is no socket file that
/// anybody else could open. Streams given by `execute` must be destroyed before the pool.
class EnginePool final : public Engine {
 public:
  /// Returns at once and starts the child beside; calls wait until it is ready. Unavailable if
  /// the spill directory cannot be made.
  static Result<std::unique_ptr<EnginePool>> start(EngineOptions options);
  /// Stops as `stop` does, without a grace period.
  ~EnginePool() override;

  EnginePool(const EnginePool&) = delete;
  EnginePool& operator=(const EnginePool&) = delete;

  Result<std::vector<ParsedStatement>> parse(const RequestContext& context,
                                             std::string_view sql) override;
  Result<std::unique_ptr<ResultStream>> execute(const RequestContext& context,
                                                Statement statement) override;
  Result<std::vector<Column>> describe(const RequestContext& context, Statement statement) override;
  [[nodiscard]] std::uint64_t generation() const override;

  /// Waits until the child answers; Unavailable or DeadlineExceeded if it does not.
  Status wait_ready(const RequestContext& context);

  [[nodiscard]] EngineMetrics metrics() const;

  /// New calls are Unavailable from now on; running statements get `grace` to end, then the child
  /// is stopped. Safe to call twice.
  void stop(std::chrono::milliseconds grace = std::chrono::milliseconds(0));

  /// For `grant_later`: the child is ready soon after, and so is every later one. Once only.
  void give(EngineGrant grant);

  /// Ends the child as a crash would: it is started again, and what ran in it fails.
  void kill();

 private:
  friend class LaneEngine;
  class Impl;
  ChildConnections& connections();
  explicit EnginePool(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lakehouse::engine
