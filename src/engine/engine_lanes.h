#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/engine_pool.h"
#include "engine/file_engines.h"

namespace lakehouse::engine {

/// How many engine children there are, and what each may take.
struct EngineLanesOptions {
  /// What they have in common. `memory_limit_bytes` is the light and the heavy lane's together, and
  /// each child spills into a folder of its own in `spill_directory`.
  EngineOptions engine;
  /// Of the light lane's memory, for tables that are kept in it.
  std::uint64_t held_bytes_max = 0;
  /// A statement that reads more begins in the heavy lane.
  std::uint64_t light_scan_bytes_max = std::uint64_t{64} << 20U;
  /// One that has no rows by then begins again in the heavy lane.
  std::chrono::milliseconds light_time{2'000};
  unsigned light_places = 0;  ///< Statements at once; 0: four for each core.
  unsigned heavy_places = 2;  ///< They share the heavy lane's memory.
  unsigned waiting_max = 64;  ///< Statements that wait for one lane; more are refused.
  unsigned file_places = 2;   ///< Uploaded files that are read at once.
  /// A child that holds this much more than its memory limit is too big: see EngineLanes.
  std::uint64_t excess_bytes_max = std::uint64_t{512} << 20U;
};

/// What is known of one lane, for metrics.
struct LaneMetrics {
  Lane lane = Lane::Light;
  EngineMetrics engine;
  unsigned running = 0;  ///< Places taken.
  unsigned waiting = 0;
  std::uint64_t refused = 0;       ///< Because too many waited.
  double waited_seconds = 0;       ///< By all statements ever.
  std::uint64_t outgrown = 0;      ///< Began again in a heavier lane.
  std::uint64_t retried = 0;       ///< Began again because the child had gone.
  std::uint64_t memory_kills = 0;  ///< Statements ended because the child was too big.
  std::uint64_t resident_bytes = 0;
};

/// The engines of a server: a light lane, a heavy lane that steps back for it, and children that
/// live for one uploaded file.
///
/// A statement goes where its estimate sends it, and waits there for a place, its caller's turn by
/// turn with others'. Until its first bytes have left, a statement that reads is begun again
/// inside: in the heavy lane, if it took more time or memory than the light one has for it; alone,
/// if it ran out of memory beside others; in the next child, if its own has gone. A place is given
/// back when the rows are there and their reader does not take them. A child that grows past its
/// limit loses its biggest statement, and if that does not help, its life.
///
/// Thread-safe. Streams must be destroyed before it.
class EngineLanes final : public Engine, public FileEngines {
 public:
  /// As EnginePool::start.
  static Result<std::unique_ptr<EngineLanes>> start(EngineLanesOptions options);
  ~EngineLanes() override;
  EngineLanes(const EngineLanes&) = delete;
  EngineLanes& operator=(const EngineLanes&) = delete;

  /// In the light lane.
  Result<std::vector<ParsedStatement>> parse(const RequestContext& context,
                                             std::string_view sql) override;
  Result<std::vector<Column>> describe(const RequestContext& context, Statement statement) override;
  Result<std::unique_ptr<ResultStream>> execute(const RequestContext& context,
                                                Statement statement) override;
  [[nodiscard]] std::uint64_t generation() const override;

  /// One is kept started, so that the next file need not wait for that. What these give must be
  /// destroyed before the lanes.
  Result<std::unique_ptr<Engine>> file_engine(const RequestContext& context,
                                              EngineGrant grant) override;

  /// The child of a lane; for looking at it only.
  [[nodiscard]] EnginePool& pool(Lane lane);
  /// Of light, heavy and file lane: see LaneMetrics.
  [[nodiscard]] std::vector<LaneMetrics> metrics() const;
  /// Until light and heavy lane answer.
  Status wait_ready(const RequestContext& context);

  /// As EnginePool::stop, and nobody waits for a place any more.
  void stop(std::chrono::milliseconds grace = std::chrono::milliseconds(0));

 private:
  class Impl;
  explicit EngineLanes(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lakehouse::engine
