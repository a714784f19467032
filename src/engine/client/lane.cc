#include "engine/client/lane.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/socket.h>

namespace lakehouse::engine {
namespace {

using Clock = LaneStatement::Clock;

// Rows that begin to flow are passed on after this, even if they do not fill a first frame.
constexpr std::chrono::seconds kFirstRowsWait{10};
constexpr std::chrono::seconds kLyingMax{1};
// Light statements that read less are over before anybody asks how they are.
constexpr std::uint64_t kObservedBytesMin = std::uint64_t{4} << 20U;
constexpr std::chrono::milliseconds kObservedAfter{300};
constexpr std::chrono::seconds kProgressWait{2};
// A child that has lost its biggest statement gets this long to give its memory back.
constexpr std::chrono::seconds kShrinkTime{3};

Error out_of_memory() {
  return Error{.code = ErrorCode::ResourceExhausted,
               .message = "the statement was ended because the query engine ran out of memory",
               .hint =
                   "Ask for less at once, or give the engine more memory "
                   "(engine.memory_limit).",
               .position_bytes = std::nullopt,
               .details_json = {}};
}

/// What a process has of its own in memory; 0 if it has gone.
std::uint64_t own_memory_bytes(int pid) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  constexpr std::string_view kName = "RssAnon:";
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(kName)) {
      const auto digit = line.find_first_of("0123456789");
      std::uint64_t kib = 0;
      if (digit != std::string::npos) {
        std::from_chars(line.data() + digit, line.data() + line.size(), kib);
      }
      return kib << 10U;
    }
  }
  return 0;
}

}  // namespace

Clock::duration LaneStatement::lying_since(Clock::time_point now) const {
  const Clock::rep at = offered_at_;
  return at == 0 ? Clock::duration(0) : now - Clock::time_point(Clock::duration(at));
}

void LaneStatement::attach(int fd) {
  const std::lock_guard lock(mutex_);
  fd_ = fd;
}

void LaneStatement::end_for_memory() {
  ended_for_memory_ = true;
  const std::lock_guard lock(mutex_);
  if (fd_ >= 0) {
    ::shutdown(fd_, SHUT_RDWR);
  }
}

/// A stream that tells the lane whether its reader reads, and leaves the lane when it goes.
class LaneEngine::Stream final : public ResultStream {
 public:
  Stream(LaneEngine& lane, std::shared_ptr<LaneStatement> statement,
         std::unique_ptr<SocketStream> inner)
      : lane_(lane), statement_(std::move(statement)), inner_(std::move(inner)) {
    statement_->rows_offered();
  }
  ~Stream() override {
    statement_->attach(-1);
    inner_.reset();
    lane_.leave(statement_->id());
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  [[nodiscard]] const std::vector<Column>& columns() const override { return inner_->columns(); }
  [[nodiscard]] int fd() const override { return inner_->fd(); }
  [[nodiscard]] const ResultEnd& end() const override { return inner_->end(); }

  Result<std::optional<std::string>> next(const RequestContext& context) override {
    statement_->rows_awaited();
    auto bytes = inner_->next(context);
    if (!bytes) {
      return std::unexpected(explain(std::move(bytes).error()));
    }
    note(bytes->has_value());
    return bytes;
  }

  Result<Poll> try_next() override {
    auto poll = inner_->try_next();
    if (!poll) {
      return std::unexpected(explain(std::move(poll).error()));
    }
    if (poll->ready) {
      note(poll->bytes.has_value());
    } else {
      statement_->rows_awaited();
    }
    return poll;
  }

 private:
  void note(bool more) {
    if (more) {
      statement_->rows_offered();
      return;
    }
    statement_->give_place_back();
    if (const auto& monitor = statement_->monitor()) {
      monitor->update([&](StatementMonitor::View& view) {
        view.progress = 1;
        view.memory_peak_bytes = std::max(view.memory_peak_bytes, end().memory_peak_bytes);
        view.spill_peak_bytes = std::max(view.spill_peak_bytes, end().spill_peak_bytes);
      });
    }
  }
  Error explain(Error error) {
    statement_->give_place_back();
    return statement_->ended_for_memory() ? out_of_memory() : std::move(error);
  }

  LaneEngine& lane_;
  std::shared_ptr<LaneStatement> statement_;
  std::unique_ptr<SocketStream> inner_;
};

Result<std::unique_ptr<LaneEngine>> LaneEngine::start(Options options) {
  std::unique_ptr<LaneEngine> lane(new LaneEngine(std::move(options)));
  LH_ASSIGN_OR_RETURN(lane->pool_, EnginePool::start(lane->options_.engine));
  return lane;
}

std::shared_ptr<LaneStatement> LaneEngine::enter(std::unique_ptr<Admission::Place> place,
                                                 const Statement& statement) {
  const std::lock_guard lock(mutex_);
  const auto entered = std::make_shared<LaneStatement>(next_id_++, std::move(place), statement);
  if (!statements_.empty()) {
    entered->set_company();
    for (const auto& [id, other] : statements_) {
      other->set_company();
    }
  }
  statements_.emplace(entered->id(), entered);
  return entered;
}

void LaneEngine::leave(std::uint64_t id) {
  std::shared_ptr<LaneStatement> last;  // Its place is given back outside of the lock.
  const std::lock_guard lock(mutex_);
  if (const auto found = statements_.find(id); found != statements_.end()) {
    last = std::move(found->second);
    statements_.erase(found);
  }
}

LaneAttempt LaneEngine::failed(const LaneStatement& statement, Error error,
                               const RequestContext& context, Deadline until, bool lost) {
  using Outcome = LaneAttempt::Outcome;
  LaneAttempt attempt{.outcome = Outcome::Failed,
                      .stream = nullptr,
                      .error = std::move(error),
                      .had_company = statement.had_company()};
  if (!context.check()) {
    return attempt;
  }
  if (statement.ended_for_memory()) {
    attempt.outcome = Outcome::OutOfMemory;
    attempt.error = out_of_memory();
  } else if (lost) {
    attempt.outcome = Outcome::ChildGone;
  } else if (attempt.error.code == ErrorCode::DeadlineExceeded && Clock::now() >= until) {
    attempt.outcome = Outcome::TooSlow;
  } else if (attempt.error.code == ErrorCode::ResourceExhausted) {
    attempt.outcome = Outcome::OutOfMemory;
  }
  return attempt;
}

LaneAttempt LaneEngine::run_here(const std::shared_ptr<LaneStatement>& statement,
                                 const RequestContext& context, Request& request, Deadline until) {
  auto lease = pool_->connections().acquire(context);
  if (!lease) {
    return failed(*statement, std::move(lease).error(), context, until, false);
  }
  statement->attach((*lease)->fd());
  request.id = options_.lane != Lane::Light || statement->scan_bytes() > kObservedBytesMin
                   ? statement->id()
                   : 0;
  auto stream = begin_statement(*lease, context, until, request);
  if (!stream) {
    statement->attach(-1);
    return failed(*statement, std::move(stream).error(), context, until, (*lease)->was_lost());
  }
  const bool bounded = until != Deadline::max();
  auto first = (*stream)->wait_first(context, bounded ? until : Clock::now() + kFirstRowsWait);
  if (!first || (!*first && bounded)) {
    statement->attach(-1);
    Error error = first ? Error{.code = ErrorCode::DeadlineExceeded,
                                .message = "the statement takes long",
                                .hint = {},
                                .position_bytes = std::nullopt,
                                .details_json = {}}
                        : std::move(first).error();
    return failed(*statement, std::move(error), context, until, (*stream)->lost());
  }
  return {.outcome = LaneAttempt::Outcome::Started,
          .stream = std::make_unique<Stream>(*this, statement, *std::move(stream)),
          .error = {},
          .had_company = false};
}

LaneAttempt LaneEngine::run(const RequestContext& context, Request& request,
                            std::optional<std::chrono::milliseconds> time, bool alone) {
  const auto tell = [&](bool waiting) {
    if (const auto& monitor = request.statement.monitor) {
      monitor->update([&](StatementMonitor::View& view) {
        view.lane = options_.lane;
        view.waiting = waiting;
        view.attempts += waiting ? 0 : 1;
        view.scan_bytes = request.statement.scan_bytes.value_or(0);
        view.progress = -1;
      });
    }
  };
  tell(true);
  auto place = admission_.enter(context, alone);
  if (!place) {
    return {.outcome = LaneAttempt::Outcome::Failed,
            .stream = nullptr,
            .error = std::move(place).error(),
            .had_company = false};
  }
  tell(false);
  const auto statement = enter(*std::move(place), request.statement);
  const Deadline until = time ? Clock::now() + *time : Deadline::max();
  LaneAttempt attempt = run_here(statement, context, request, until);
  if (attempt.outcome != LaneAttempt::Outcome::Started) {
    leave(statement->id());
  }
  return attempt;
}

std::shared_ptr<LaneStatement> LaneEngine::biggest() const {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<LaneStatement> out;
  for (const auto& [id, statement] : statements_) {
    // What a statement itself holds is not known: the one that reads most is the likeliest, and
    // among equals the latest, which has lost least.
    if (!statement->ended_for_memory() &&
        (out == nullptr || statement->scan_bytes() >= out->scan_bytes())) {
      out = statement;
    }
  }
  return out;
}

void LaneEngine::shrink() {
  const auto now = Clock::now();
  if (!too_big_since_) {
    too_big_since_ = now;
    if (const auto statement = biggest()) {
      ++memory_kills_;
      statement->end_for_memory();
    }
  } else if (now - *too_big_since_ > kShrinkTime) {
    ++memory_kills_;
    pool_->kill();
    too_big_since_.reset();
  }
}

void LaneEngine::look() {
  const auto now = Clock::now();
  std::vector<std::shared_ptr<LaneStatement>> lying;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, statement] : statements_) {
      if (statement->lying_since(now) > kLyingMax) {
        lying.push_back(statement);
      }
    }
  }
  for (const auto& statement : lying) {
    statement->give_place_back();
  }
  const int pid = pool_->metrics().pid;
  resident_bytes_ = pid == 0 ? 0 : own_memory_bytes(pid);
  if (options_.resident_bytes_max > 0 && resident_bytes_ > options_.resident_bytes_max) {
    shrink();
  } else {
    too_big_since_.reset();
  }
}

void LaneEngine::ask_progress() {
  std::map<std::uint64_t, std::shared_ptr<StatementMonitor>> asked;
  {
    const auto now = Clock::now();
    const std::lock_guard lock(mutex_);
    for (const auto& [id, statement] : statements_) {
      if (statement->monitor() != nullptr && now - statement->began() > kObservedAfter) {
        asked.emplace(id, statement->monitor());
      }
    }
  }
  if (asked.empty()) {
    return;
  }
  RequestContext context;
  context.deadline = Clock::now() + kProgressWait;
  Request request{
      .operation = Operation::Progress, .time_left = {}, .sql = {}, .statement = {}, .id = 0};
  const auto answer = ask_value(pool_->connections(), context, request);
  if (!answer) {
    return;
  }
  const auto progress = decode_progress(*answer);
  for (const StatementProgress& one : progress.value_or(std::vector<StatementProgress>())) {
    if (const auto monitor = asked.find(one.id); monitor != asked.end() && one.done >= 0) {
      monitor->second->update([&](StatementMonitor::View& view) { view.progress = one.done; });
    }
  }
}

LaneMetrics LaneEngine::metrics() const {
  const Admission::Counts counts = admission_.counts();
  return {.lane = options_.lane,
          .engine = pool_->metrics(),
          .running = counts.running,
          .waiting = counts.waiting,
          .refused = counts.refused,
          .waited_seconds = std::chrono::duration<double>(counts.waited).count(),
          .outgrown = outgrown_,
          .retried = retried_,
          .memory_kills = memory_kills_,
          .resident_bytes = resident_bytes_};
}

void LaneEngine::stop(std::chrono::milliseconds grace) {
  admission_.stop();
  pool_->stop(grace);
}

}  // namespace lakehouse::engine
