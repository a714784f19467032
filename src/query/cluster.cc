#include "query/cluster.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <utility>

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "engine/statement_monitor.h"
#include "query/trino_rows.h"

namespace lakehouse::query {
namespace {

/// What waits for a slow reader: then the pages stop.
constexpr std::size_t kWaitingBytesMax = std::size_t{4} << 20U;
/// How often a reader looks if it is still wanted.
constexpr auto kLook = std::chrono::milliseconds(100);

/// Between the thread that fetches and whoever reads. Thread-safe.
class Pipe {
 public:
  explicit Pipe(UniqueFd ready) : ready_(std::move(ready)) {}

  // --- The fetching side.

  /// Waits while too much is unread. Cancelled once nobody reads any more.
  Status push(std::string bytes) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_ended_ || waiting_bytes_ < kWaitingBytesMax; });
    if (is_ended_) {
      return fail(ErrorCode::Cancelled, "the caller gave up");
    }
    has_begun_ = true;
    if (!bytes.empty()) {
      waiting_bytes_ += bytes.size();
      chunks_.push_back(std::move(bytes));
    }
    signal();
    return {};
  }
  /// The end, with an error or without; the first one counts.
  void finish(Status status, engine::ResultEnd end = {}) {
    const std::lock_guard lock(mutex_);
    if (!is_ended_) {
      is_ended_ = true;
      has_begun_ = true;
      status_ = std::move(status);
      end_ = end;
    }
    if (!status_) {
      stop_.request_stop();
    }
    signal();
  }
  std::stop_token stop_token() { return stop_.get_token(); }

  // --- The reading side.

  /// Waits for the first rows or the end; the error if it failed before.
  Status wait_for_begin(const RequestContext& context) {
    std::unique_lock lock(mutex_);
    while (!has_begun_) {
      LH_RETURN_IF_ERROR(context.check());
      changed_.wait_for(lock, kLook);
    }
    return chunks_.empty() ? status_ : Status();
  }
  Result<std::optional<std::string>> next(const RequestContext& context) {
    std::unique_lock lock(mutex_);
    while (chunks_.empty() && !is_ended_) {
      LH_RETURN_IF_ERROR(context.check());
      changed_.wait_for(lock, kLook);
    }
    return take();
  }
  Result<engine::ResultStream::Poll> try_next() {
    const std::lock_guard lock(mutex_);
    if (chunks_.empty() && !is_ended_) {
      return engine::ResultStream::Poll{};
    }
    LH_ASSIGN_OR_RETURN(auto bytes, take());
    return engine::ResultStream::Poll{true, std::move(bytes)};
  }
  [[nodiscard]] int fd() const { return ready_.get(); }
  [[nodiscard]] const engine::ResultEnd& end() const { return end_; }

 private:
  void signal() {
    changed_.notify_all();
    const std::uint64_t one = 1;
    std::ignore = ::write(ready_.get(), &one, sizeof(one));
  }
  /// The next bytes; what was fetched before a failure is given first.
  Result<std::optional<std::string>> take() {
    if (chunks_.empty()) {
      LH_RETURN_IF_ERROR(status_);
      return std::nullopt;
    }
    std::string bytes = std::move(chunks_.front());
    chunks_.pop_front();
    waiting_bytes_ -= bytes.size();
    if (chunks_.empty() && !is_ended_) {
      std::uint64_t count = 0;
      std::ignore = ::read(ready_.get(), &count, sizeof(count));
    }
    changed_.notify_all();
    return bytes;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  UniqueFd ready_;  ///< Readable while there is something to take.
  std::stop_source stop_;
  std::deque<std::string> chunks_;
  std::size_t waiting_bytes_ = 0;
  bool has_begun_ = false;
  bool is_ended_ = false;
  Status status_;
  engine::ResultEnd end_;
};

class ClusterStream final : public engine::ResultStream {
 public:
  ClusterStream(std::shared_ptr<Pipe> pipe, std::vector<engine::Column> columns,
                const std::stop_token& stop)
      : pipe_(std::move(pipe)), columns_(std::move(columns)), on_stop_(stop, [pipe = pipe_] {
          pipe->finish(fail(ErrorCode::Cancelled, "the caller gave up"));
        }) {}
  ~ClusterStream() override { pipe_->finish(fail(ErrorCode::Cancelled, "the caller gave up")); }
  ClusterStream(const ClusterStream&) = delete;
  ClusterStream& operator=(const ClusterStream&) = delete;

  Status wait_for_begin(const RequestContext& context) { return pipe_->wait_for_begin(context); }

  [[nodiscard]] const std::vector<engine::Column>& columns() const override { return columns_; }
  Result<std::optional<std::string>> next(const RequestContext& context) override {
    return pipe_->next(context);
  }
  [[nodiscard]] int fd() const override { return pipe_->fd(); }
  Result<Poll> try_next() override { return pipe_->try_next(); }
  [[nodiscard]] const engine::ResultEnd& end() const override { return pipe_->end(); }

 private:
  std::shared_ptr<Pipe> pipe_;
  std::vector<engine::Column> columns_;
  std::stop_callback<std::function<void()>> on_stop_;
};

/// Page after page from Trino into the pipe.
class Fetch {
 public:
  Fetch(engine::Engine& engine, const TrinoAccess& access, ClusterStatement statement, Pipe& pipe)
      : engine_(engine), access_(access), statement_(std::move(statement)), pipe_(pipe) {}

  Result<engine::ResultEnd> run(const RequestContext& context) {
    LH_ASSIGN_OR_RETURN(const auto trino, TrinoStatement::start(context, access_, statement_.sql));
    while (!trino->is_done() && !end_.truncated) {
      LH_ASSIGN_OR_RETURN(TrinoPage page, trino->next(context));
      tell(page.progress);
      LH_RETURN_IF_ERROR(take(context, std::move(page)));
    }
    if (!rows_) {
      return fail(ErrorCode::Unavailable, "the cluster: an answer without columns");
    }
    LH_RETURN_IF_ERROR(pipe_.push(waiting_ + rows_->suffix()));
    return end_;
  }

 private:
  Status take(const RequestContext& context, TrinoPage page) {
    if (!rows_ && !page.columns.empty()) {
      LH_ASSIGN_OR_RETURN(rows_, TrinoRows::open(context, engine_, statement_.columns, page.columns,
                                                 statement_.encoding));
      waiting_ = rows_->prefix();
    }
    if (page.rows.empty()) {
      return {};
    }
    if (!rows_) {
      return fail(ErrorCode::Unavailable, "the cluster: rows without columns");
    }
    const std::uint64_t left = statement_.rows_max.value_or(UINT64_MAX) - end_.row_count;
    if (page.rows.size() > left) {
      page.rows.resize(left);
      end_.truncated = true;
    }
    end_.row_count += page.rows.size();
    LH_ASSIGN_OR_RETURN(std::string bytes, rows_->encode(context, std::move(page.rows)));
    return pipe_.push(std::exchange(waiting_, std::string()) + bytes);
  }

  void tell(double progress) {
    if (statement_.monitor != nullptr && progress >= 0) {
      statement_.monitor->update([progress](engine::StatementMonitor::View& view) {
        view.attempts = 1;
        view.progress = std::min(progress, 1.0);
      });
    }
  }

  engine::Engine& engine_;
  const TrinoAccess& access_;
  ClusterStatement statement_;
  Pipe& pipe_;
  std::optional<TrinoRows> rows_;
  std::string waiting_;  ///< Goes before the first rows.
  engine::ResultEnd end_;
};

}  // namespace

Result<std::unique_ptr<Cluster>> Cluster::open(engine::Engine& engine, Options options) {
  while (options.access.url.ends_with('/')) {
    options.access.url.pop_back();
  }
  LH_RETURN_IF_ERROR(check_access(options.access));
  if (options.catalog.empty()) {
    return fail(ErrorCode::InvalidArgument, "cluster.catalog is empty",
                "It is what Trino calls this server: the name of a file in its etc/catalog.");
  }
  return std::unique_ptr<Cluster>(new Cluster(engine, std::move(options)));
}

Cluster::Cluster(engine::Engine& engine, Options options)
    : engine_(engine),
      options_(std::move(options)),
      workers_("cluster", options_.statements_max, 0) {}

Result<std::unique_ptr<engine::ResultStream>> Cluster::run(const RequestContext& context,
                                                           ClusterStatement statement) {
  UniqueFd ready(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (ready.get() < 0) {
    return fail(ErrorCode::ResourceExhausted,
                fmt::format("no descriptor is left: errno {}", errno));
  }
  auto pipe = std::make_shared<Pipe>(std::move(ready));
  auto stream = std::make_unique<ClusterStream>(pipe, statement.columns, context.stop);
  RequestContext inner = context;
  inner.stop = pipe->stop_token();
  LH_RETURN_IF_ERROR(workers_.submit(
      [this, pipe, inner = std::move(inner), statement = std::move(statement)]() mutable {
        auto end = Fetch(engine_, options_.access, std::move(statement), *pipe).run(inner);
        if (end) {
          pipe->finish({}, *end);
        } else {
          pipe->finish(std::unexpected(std::move(end).error()));
        }
      }));
  LH_RETURN_IF_ERROR(stream->wait_for_begin(context));
  return stream;
}

}  // namespace lakehouse::query
