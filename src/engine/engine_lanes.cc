#include "engine/engine_lanes.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/machine.h"
#include "base/text.h"
#include "engine/client/lane.h"

namespace lakehouse::engine {
namespace {

using Outcome = LaneAttempt::Outcome;

constexpr std::chrono::milliseconds kLookEvery{250};
// One for the child that a statement met its end with, one for bad luck.
constexpr unsigned kChildrenGoneMax = 2;
// Two thirds of the weight: beside a light lane that never rests, a third of it let statements of a
// quarter of a minute meet their deadline of five.
constexpr int kHeavyNice = 2;
constexpr unsigned kLightPlacesPerCore = 4;

/// Whether the machine is about to run out of memory.
bool machine_is_short() {
  std::ifstream file("/proc/meminfo");
  constexpr std::string_view kName = "MemAvailable:";
  for (std::string name; file >> name;) {
    std::uint64_t kib = 0;
    if (name == kName && file >> kib) {
      return kib << 10U < std::min(memory_bytes_allowed() / 32, std::uint64_t{256} << 20U);
    }
  }
  return false;
}

/// The word that says what a statement does.
std::string leading_word(std::string_view sql) {
  const auto begin = sql.find_first_not_of(" \t\r\n(");
  if (begin == std::string_view::npos) {
    return {};
  }
  sql.remove_prefix(begin);
  const auto end =
      std::ranges::find_if(sql, [](unsigned char c) { return std::isalpha(c) == 0; }) - sql.begin();
  return to_lower(sql.substr(0, static_cast<std::size_t>(end)));
}

/// What it does, by the same word: a tree is a SELECT.
std::string kind_of(const Statement& statement) {
  if (!statement.around_tree.empty()) {
    return leading_word(statement.around_tree);
  }
  return statement.is_tree ? "select" : leading_word(statement.text);
}

/// True of a COPY that gives each file that it writes a name of its own: whoever asked for it knows
/// them by its answer, so those of a try that came to nothing count for nothing. Behind the options
/// no text of anybody's follows, which would end with a quote.
bool names_its_files(const Statement& statement) {
  constexpr std::string_view kOptions = ", FILENAME_PATTERN 'part_{uuid}', OVERWRITE_OR_IGNORE";
  const std::string_view text =
      statement.around_tree.empty() ? statement.text : statement.around_tree;
  const std::size_t at = text.rfind(kOptions);
  return at != std::string_view::npos &&
         text.find_first_of("'\"", at + kOptions.size()) == std::string_view::npos;
}

/// Run twice, it is as if it had run once.
bool is_repeatable(const Statement& statement, std::string_view kind) {
  static constexpr std::array kReading{"select",  "from",     "with", "values",
                                       "explain", "describe", "show", "summarize"};
  return statement.after.empty() && (std::ranges::find(kReading, kind) != kReading.end() ||
                                     (kind == "copy" && names_its_files(statement)));
}

/// A child of one file's, as long as it is needed.
class FileEngine final : public Engine {
 public:
  FileEngine(std::unique_ptr<Admission::Place> place, std::unique_ptr<EnginePool> pool,
             std::filesystem::path folder)
      : place_(std::move(place)), folder_(std::move(folder)), pool_(std::move(pool)) {}
  ~FileEngine() override {
    pool_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  FileEngine(const FileEngine&) = delete;
  FileEngine& operator=(const FileEngine&) = delete;

  Result<std::vector<ParsedStatement>> parse(const RequestContext& context,
                                             std::string_view sql) override {
    return pool_->parse(context, sql);
  }
  Result<std::unique_ptr<ResultStream>> execute(const RequestContext& context,
                                                Statement statement) override {
    return pool_->execute(context, std::move(statement));
  }
  Result<std::vector<Column>> describe(const RequestContext& context,
                                       Statement statement) override {
    return pool_->describe(context, std::move(statement));
  }

 private:
  std::unique_ptr<Admission::Place> place_;
  std::filesystem::path folder_;  ///< What it spills to.
  std::unique_ptr<EnginePool> pool_;
};

}  // namespace

class EngineLanes::Impl {
 public:
  explicit Impl(EngineLanesOptions options)
      : options_(std::move(options)),
        files_({.places = options_.file_places,
                .waiting_max = options_.waiting_max,
                .waiting_per_principal_max = options_.waiting_max}) {}
  ~Impl() { stop(std::chrono::milliseconds(0)); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Status start() {
    const unsigned cores = processors_allowed();
    std::uint64_t memory = options_.engine.memory_limit_bytes;
    if (memory == 0) {
      memory = memory_bytes_allowed() / 10 * 6;
    }
    const std::uint64_t light_memory =
        std::min(memory / 4 + options_.held_bytes_max, memory / 4 * 3);
    file_memory_ = std::max(memory / 4, std::uint64_t{256} << 20U);
    const unsigned light_places =
        options_.light_places == 0 ? kLightPlacesPerCore * cores : options_.light_places;
    LH_ASSIGN_OR_RETURN(light_, start_lane(Lane::Light, light_memory, light_places, 0));
    LH_ASSIGN_OR_RETURN(
        heavy_, start_lane(Lane::Heavy, memory - light_memory, options_.heavy_places, kHeavyNice));
    watch_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
    return {};
  }

  LaneEngine& lane(Lane which) { return which == Lane::Heavy ? *heavy_ : *light_; }
  [[nodiscard]] const LaneEngine& lane(Lane which) const {
    return which == Lane::Heavy ? *heavy_ : *light_;
  }

  Result<std::unique_ptr<ResultStream>> execute(const RequestContext& context, Statement statement);

  /// Runs `ask` again if its child has gone meanwhile.
  template <class Ask>
  auto ask_twice(const RequestContext& context, Ask ask) {
    auto answer = ask(light_->pool());
    if (!answer && answer.error().code == ErrorCode::Unavailable && context.check()) {
      light_->count_retried();
      answer = ask(light_->pool());
    }
    return answer;
  }

  Result<std::unique_ptr<Engine>> file_engine(const RequestContext& context, EngineGrant grant) {
    LH_ASSIGN_OR_RETURN(auto place, files_.enter(context));
    Spare spare;
    {
      const std::lock_guard lock(spare_mutex_);
      spare = std::move(spare_);
      spare_ = {};
    }
    if (spare.pool == nullptr) {
      LH_ASSIGN_OR_RETURN(spare, start_spare());
    }
    spare.pool->give(std::move(grant));
    return std::make_unique<FileEngine>(std::move(place), std::move(spare.pool), spare.folder);
  }

  [[nodiscard]] LaneMetrics file_metrics() const {
    const Admission::Counts counts = files_.counts();
    LaneMetrics metrics;
    metrics.lane = Lane::File;
    metrics.engine.ready = true;
    metrics.engine.starts = file_starts_;
    metrics.engine.running = counts.running;
    metrics.running = counts.running;
    metrics.waiting = counts.waiting;
    metrics.refused = counts.refused;
    metrics.waited_seconds = std::chrono::duration<double>(counts.waited).count();
    return metrics;
  }

  void stop(std::chrono::milliseconds grace) {
    files_.stop();
    if (watch_.joinable()) {
      watch_.request_stop();
      watch_.join();
    }
    {
      const std::lock_guard lock(spare_mutex_);
      spare_ = {};
    }
    for (LaneEngine* one : {light_.get(), heavy_.get()}) {
      if (one != nullptr) {
        one->stop(grace);
      }
    }
  }

 private:
  /// A child that waits for a file.
  struct Spare {
    std::unique_ptr<EnginePool> pool;
    std::filesystem::path folder;
  };

  Result<Spare> start_spare() {
    EngineOptions options = options_.engine;
    Spare spare;
    spare.folder = options.spill_directory / fmt::format("file-{}", ++file_starts_);
    options.spill_directory = spare.folder;
    options.memory_limit_bytes = file_memory_;
    options.limits.nice = kHeavyNice;
    options.grant = {};
    options.grant_later = true;
    name_log(options, Lane::File);
    LH_ASSIGN_OR_RETURN(spare.pool, EnginePool::start(std::move(options)));
    return spare;
  }

  static void name_log(EngineOptions& options, Lane which) {
    if (options.on_log) {
      options.on_log = [which, log = options.on_log](std::string_view line) {
        log(std::string(to_string(which)) + ": " + std::string(line));
      };
    }
  }

  /// Once the lanes have come up, which must not take longer for its sake.
  void keep_spare() {
    {
      const std::lock_guard lock(spare_mutex_);
      if (spare_.pool != nullptr || !light_->pool().metrics().ready ||
          !heavy_->pool().metrics().ready) {
        return;
      }
    }
    if (auto spare = start_spare()) {
      const std::lock_guard lock(spare_mutex_);
      spare_ = *std::move(spare);
    }
  }

  Result<std::unique_ptr<LaneEngine>> start_lane(Lane which, std::uint64_t memory_bytes,
                                                 unsigned places, int nice) {
    LaneEngine::Options options;
    options.lane = which;
    options.engine = options_.engine;
    options.engine.memory_limit_bytes = memory_bytes;
    options.engine.spill_directory /= to_string(which);
    options.engine.limits.nice = nice;
    name_log(options.engine, which);
    options.admission = {.places = places,
                         .waiting_max = options_.waiting_max,
                         .waiting_per_principal_max = options_.waiting_max};
    options.resident_bytes_max = memory_bytes + options_.excess_bytes_max;
    return LaneEngine::start(std::move(options));
  }

  [[nodiscard]] Lane first_lane(const Statement& statement, std::string_view kind) const;
  void watch(const std::stop_token& stop);

  const EngineLanesOptions options_;
  std::unique_ptr<LaneEngine> light_;
  std::unique_ptr<LaneEngine> heavy_;
  Admission files_;
  std::uint64_t file_memory_ = 0;
  std::atomic<std::uint64_t> file_starts_ = 0;
  std::mutex spare_mutex_;
  Spare spare_;  ///< Guarded by spare_mutex_.
  std::mutex watch_mutex_;
  std::condition_variable_any watch_wake_;
  std::jthread watch_;
};

Lane EngineLanes::Impl::first_lane(const Statement& statement, std::string_view kind) const {
  if (statement.held_generation != 0 || statement.lane == Lane::Light) {
    return Lane::Light;
  }
  if (statement.lane == Lane::Heavy) {
    return Lane::Heavy;
  }
  // What writes files may not be begun twice, so that it must be known to be small.
  const bool light = statement.scan_bytes ? *statement.scan_bytes <= options_.light_scan_bytes_max
                                          : kind != "copy";
  return light ? Lane::Light : Lane::Heavy;
}

Result<std::unique_ptr<ResultStream>> EngineLanes::Impl::execute(const RequestContext& context,
                                                                 Statement statement) {
  const std::string kind = kind_of(statement);
  const bool held = statement.held_generation != 0;
  const bool repeatable = !held && is_repeatable(statement, kind);
  // Who names a lane stays there; what is held would be made anew by whoever holds it.
  const bool may_outgrow = (repeatable || held) && statement.lane == Lane::Auto;
  Lane which = first_lane(statement, kind);
  bool alone = false;
  unsigned children_gone = 0;
  Request request{.operation = Operation::Execute,
                  .time_left = {},
                  .sql = {},
                  .statement = std::move(statement)};
  while (true) {
    const bool bounded = may_outgrow && which == Lane::Light;
    LaneAttempt attempt = lane(which).run(
        context, request, bounded ? std::optional(options_.light_time) : std::nullopt, alone);
    if (attempt.outcome == Outcome::Started) {
      return std::move(attempt.stream);
    }
    if (attempt.outcome == Outcome::Failed || !(repeatable || held)) {
      return std::unexpected(std::move(attempt.error));
    }
    if (held) {
      return std::unexpected(held_gone());
    }
    if (attempt.outcome == Outcome::ChildGone) {
      if (++children_gone > kChildrenGoneMax) {
        return std::unexpected(std::move(attempt.error));
      }
      // Somebody's statement may end its child each time: who is not alone in the end would fail
      // with it.
      alone = children_gone == kChildrenGoneMax;
      lane(which).count_retried();
    } else if (bounded) {
      light_->count_outgrown();
      which = Lane::Heavy;
    } else if (attempt.outcome == Outcome::OutOfMemory && attempt.had_company && !alone) {
      lane(which).count_outgrown();
      alone = true;
    } else {
      return std::unexpected(std::move(attempt.error));
    }
  }
}

void EngineLanes::Impl::watch(const std::stop_token& stop) {
  std::unique_lock lock(watch_mutex_);
  while (!watch_wake_.wait_for(lock, stop, kLookEvery, [&] { return stop.stop_requested(); })) {
    light_->look();
    heavy_->look();
    keep_spare();
    light_->ask_progress();
    heavy_->ask_progress();
    if (machine_is_short()) {
      LaneEngine& bigger = heavy_->resident_bytes() >= light_->resident_bytes() ? *heavy_ : *light_;
      bigger.shrink();
    }
  }
}

EngineLanes::EngineLanes(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EngineLanes::~EngineLanes() = default;

Result<std::unique_ptr<EngineLanes>> EngineLanes::start(EngineLanesOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  LH_RETURN_IF_ERROR(impl->start());
  return std::unique_ptr<EngineLanes>(new EngineLanes(std::move(impl)));
}

Result<std::vector<ParsedStatement>> EngineLanes::parse(const RequestContext& context,
                                                        std::string_view sql) {
  return impl_->ask_twice(context, [&](EnginePool& pool) { return pool.parse(context, sql); });
}

Result<std::vector<Column>> EngineLanes::describe(const RequestContext& context,
                                                  Statement statement) {
  return impl_->ask_twice(context,
                          [&](EnginePool& pool) { return pool.describe(context, statement); });
}

Result<std::unique_ptr<ResultStream>> EngineLanes::execute(const RequestContext& context,
                                                           Statement statement) {
  LH_RETURN_IF_ERROR(check_statement_text(statement.text));
  return impl_->execute(context, std::move(statement));
}

Result<std::unique_ptr<Engine>> EngineLanes::file_engine(const RequestContext& context,
                                                         EngineGrant grant) {
  return impl_->file_engine(context, std::move(grant));
}

std::uint64_t EngineLanes::generation() const {
  return impl_->lane(Lane::Light).pool().generation();
}

EnginePool& EngineLanes::pool(Lane lane) {
  return impl_->lane(lane).pool();
}

Status EngineLanes::wait_ready(const RequestContext& context) {
  LH_RETURN_IF_ERROR(pool(Lane::Light).wait_ready(context));
  return pool(Lane::Heavy).wait_ready(context);
}

std::vector<LaneMetrics> EngineLanes::metrics() const {
  return {impl_->lane(Lane::Light).metrics(), impl_->lane(Lane::Heavy).metrics(),
          impl_->file_metrics()};
}

void EngineLanes::stop(std::chrono::milliseconds grace) {
  impl_->stop(grace);
}

}  // namespace lakehouse::engine
