#include "vector/eval_search_log.h"

#include <chrono>
#include <set>
#include <utility>

#include "base/hash.h"
#include "base/text.h"

namespace lakehouse::vector {
namespace {

using metastore::Transaction;

constexpr std::size_t kPendingMax = 10'000;
constexpr std::size_t kTextMax = 4'096;  // Longer ones are no questions.
constexpr std::chrono::seconds kFlushEvery{2};
constexpr std::chrono::seconds kWriteTime{30};

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

RequestContext own_context() {
  RequestContext context;
  context.request_id = "search-log";
  context.deadline = std::chrono::steady_clock::now() + kWriteTime;
  return context;
}

Status put(Transaction& transaction, const std::string& index, const std::string& principal,
           const std::string& text, std::int64_t times, std::int64_t at_ms) {
  const std::string hash = sha256_hex(text);
  LH_ASSIGN_OR_RETURN(
      const std::int64_t changed,
      transaction.execute("UPDATE vector_searches SET times = times + $4, last_at_ms = $5 WHERE "
                          "index_name = $1 AND principal = $2 AND text_hash = $3",
                          {index, principal, hash, times, at_ms}));
  if (changed == 0) {
    LH_RETURN_IF_ERROR(transaction.execute(
        "INSERT INTO vector_searches (index_name, principal, text_hash, body, times, last_at_ms) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        {index, principal, hash, text, times, at_ms}));
  }
  return {};
}

}  // namespace

SearchLog::SearchLog(metastore::Metastore& metastore)
    : metastore_(metastore), thread_([this](const std::stop_token& stop) { run(stop); }) {}

SearchLog::~SearchLog() {
  thread_.request_stop();
  thread_.join();
  flush(own_context());
}

void SearchLog::add(std::string_view index, std::string_view text, std::string_view principal) {
  if (text.empty() || text.size() > kTextMax || !is_valid_utf8(text)) {
    return;
  }
  const std::lock_guard lock(mutex_);
  if (pending_.size() < kPendingMax) {
    ++pending_[Key(index, principal, text)];
  }
}

void SearchLog::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, kFlushEvery, [] { return false; });
    }
    flush(own_context());
  }
}

void SearchLog::flush(const RequestContext& context) {
  const std::lock_guard flushing(flushing_);
  std::map<Key, std::int64_t> pending;
  {
    const std::lock_guard lock(mutex_);
    pending = std::exchange(pending_, {});
  }
  if (pending.empty()) {
    return;
  }
  const std::int64_t at_ms = now_ms();
  // If it fails they are lost: nobody waits for them.
  static_cast<void>(metastore_.write(context, [&](Transaction& transaction) -> Status {
    std::set<std::string> indexes;
    for (const auto& [key, times] : pending) {
      const auto& [index, principal, text] = key;
      LH_RETURN_IF_ERROR(put(transaction, index, principal, text, times, at_ms));
      indexes.insert(index);
    }
    for (const std::string& index : indexes) {
      LH_RETURN_IF_ERROR(transaction.execute(
          "DELETE FROM vector_searches WHERE index_name = $1 AND last_at_ms < (SELECT "
          "COALESCE(MIN(last_at_ms), 0) FROM (SELECT last_at_ms FROM vector_searches WHERE "
          "index_name = $1 ORDER BY last_at_ms DESC LIMIT $2) AS latest)",
          {index, kKept}));
    }
    return {};
  }));
}

Result<std::vector<SearchLog::Search>> SearchLog::find(const RequestContext& context,
                                                       std::string_view index,
                                                       std::string_view principal,
                                                       std::int64_t limit) {
  flush(context);
  std::vector<Search> searches;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(
        const auto rows,
        transaction.query("SELECT body, CAST(SUM(times) AS BIGINT) AS often, MAX(last_at_ms) AS "
                          "latest FROM vector_searches WHERE index_name = $1 AND ($2 = '' OR "
                          "principal = $2) GROUP BY text_hash, body ORDER BY often DESC, latest "
                          "DESC, text_hash LIMIT $3",
                          {std::string(index), std::string(principal), limit}));
    for (const metastore::Row& row : rows) {
      searches.push_back({.text = metastore::text(row[0]), .times = metastore::integer(row[1])});
    }
    return {};
  }));
  return searches;
}

}  // namespace lakehouse::vector
