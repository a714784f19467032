#include "query/result_cache.h"

#include <cerrno>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <sys/eventfd.h>

#include "base/hash.h"
#include "base/unique_fd.h"

namespace lakehouse::query {
namespace {

/// Of what is kept beside an answer's bytes.
constexpr std::size_t kEntryOverheadBytes = 512;

struct Answer {
  std::vector<engine::Column> columns;
  std::vector<std::string> pieces;
  engine::ResultEnd end;
  std::size_t size_bytes = kEntryOverheadBytes;
};

}  // namespace

struct ResultCache::State {
  explicit State(std::size_t most) : bytes_max(most) {}

  using Entry = std::pair<std::string, std::shared_ptr<const Answer>>;
  const std::size_t bytes_max;
  mutable std::mutex mutex;
  std::list<Entry> recent;  ///< The last used first.
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key;
  std::size_t bytes = 0;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;

  [[nodiscard]] std::size_t answer_bytes_max() const { return bytes_max / 16; }

  void insert(std::string key, std::shared_ptr<const Answer> answer) {
    std::list<Entry> dropped;  // Freed outside of the lock.
    const std::lock_guard lock(mutex);
    if (by_key.contains(key)) {
      return;
    }
    bytes += answer->size_bytes;
    recent.emplace_front(std::move(key), std::move(answer));
    by_key.emplace(recent.front().first, recent.begin());
    while (bytes > bytes_max) {
      const auto last = std::prev(recent.end());
      bytes -= last->second->size_bytes;
      by_key.erase(last->first);
      dropped.splice(dropped.begin(), recent, last);
    }
  }
};

/// Passes on what comes, and remembers it while it is short enough.
class ResultCache::Recording final : public engine::ResultStream {
 public:
  Recording(std::shared_ptr<State> state, std::string key,
            std::unique_ptr<engine::ResultStream> inner)
      : state_(std::move(state)), key_(std::move(key)), inner_(std::move(inner)) {
    answer_.emplace();
    answer_->columns = inner_->columns();
    for (const engine::Column& column : answer_->columns) {
      answer_->size_bytes += column.name.size() + column.type.size() + sizeof(column);
    }
  }

  [[nodiscard]] const std::vector<engine::Column>& columns() const override {
    return inner_->columns();
  }
  Result<std::optional<std::string>> next(const RequestContext& context) override {
    auto bytes = inner_->next(context);
    note(bytes ? *bytes : std::nullopt, bytes.has_value());
    return bytes;
  }
  [[nodiscard]] int fd() const override { return inner_->fd(); }
  Result<Poll> try_next() override {
    auto poll = inner_->try_next();
    if (!poll || poll->ready) {
      note(poll ? poll->bytes : std::nullopt, poll.has_value());
    }
    return poll;
  }
  [[nodiscard]] const engine::ResultEnd& end() const override { return inner_->end(); }

 private:
  void note(const std::optional<std::string>& bytes, bool is_well) {
    if (!answer_) {
      return;
    }
    if (!is_well) {
      answer_.reset();
    } else if (!bytes) {
      answer_->end = inner_->end();
      state_->insert(std::move(key_), std::make_shared<const Answer>(*std::move(answer_)));
      answer_.reset();
    } else if (answer_->size_bytes + bytes->size() > state_->answer_bytes_max()) {
      answer_.reset();
    } else {
      answer_->size_bytes += bytes->size();
      answer_->pieces.push_back(*bytes);
    }
  }

  std::shared_ptr<State> state_;
  std::string key_;
  std::unique_ptr<engine::ResultStream> inner_;
  std::optional<Answer> answer_;  ///< Empty once it is too long, kept, or lost.
};

class ResultCache::Replay final : public engine::ResultStream {
 public:
  explicit Replay(std::shared_ptr<const Answer> answer) : answer_(std::move(answer)) {}

  [[nodiscard]] const std::vector<engine::Column>& columns() const override {
    return answer_->columns;
  }
  Result<std::optional<std::string>> next(const RequestContext& context) override {
    LH_RETURN_IF_ERROR(context.check());
    return piece();
  }
  /// Always readable; made when asked for, since who polls first never has to wait.
  [[nodiscard]] int fd() const override {
    if (!ready_) {
      ready_.reset(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
    }
    return ready_.get();
  }
  Result<Poll> try_next() override { return Poll{.ready = true, .bytes = piece()}; }
  [[nodiscard]] const engine::ResultEnd& end() const override { return answer_->end; }

 private:
  std::optional<std::string> piece() {
    return at_ < answer_->pieces.size() ? std::optional(answer_->pieces[at_++]) : std::nullopt;
  }

  std::shared_ptr<const Answer> answer_;
  std::size_t at_ = 0;
  mutable UniqueFd ready_;
};

ResultCache::ResultCache(std::size_t bytes_max) : state_(std::make_shared<State>(bytes_max)) {}
ResultCache::~ResultCache() = default;

std::string ResultCache::key_of(std::string_view plan_digest, const engine::Statement& statement) {
  return sha256_hex(
             fmt::format("{}\n{}\n{}\n{}\n{}", plan_digest, static_cast<int>(statement.encoding),
                         statement.rows_max ? std::to_string(*statement.rows_max) : "all",
                         statement.around_tree, boost::json::serialize(statement.parameters)))
      .substr(0, 40);
}

std::unique_ptr<engine::ResultStream> ResultCache::find(const std::string& key) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->by_key.find(key);
  if (found == state_->by_key.end()) {
    ++state_->misses;
    return nullptr;
  }
  ++state_->hits;
  state_->recent.splice(state_->recent.begin(), state_->recent, found->second);
  return std::make_unique<Replay>(found->second->second);
}

std::unique_ptr<engine::ResultStream> ResultCache::keep(
    std::string key, std::unique_ptr<engine::ResultStream> stream) {
  if (state_->bytes_max == 0) {
    return stream;
  }
  return std::make_unique<Recording>(state_, std::move(key), std::move(stream));
}

void ResultCache::clear() {
  std::list<State::Entry> dropped;
  const std::lock_guard lock(state_->mutex);
  state_->by_key.clear();
  dropped.swap(state_->recent);
  state_->bytes = 0;
}

ResultCacheStats ResultCache::stats() const {
  const std::lock_guard lock(state_->mutex);
  return {.bytes = state_->bytes,
          .bytes_max = state_->bytes_max,
          .entries = state_->recent.size(),
          .hits = state_->hits,
          .misses = state_->misses};
}

}  // namespace lakehouse::query
