#include "query/query_log.h"

#include <algorithm>
#include <iterator>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "base/json.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kWriteTime{30};
/// Rows are removed in batches: as often as this part of the log has been added.
constexpr std::int64_t kPruneParts = 20;

json::object body_of(const LoggedQuery& query) {
  json::object snapshots;
  for (const auto& [dataset, id] : query.snapshot_ids) {
    snapshots[dataset] = id;
  }
  return json::object{{"sql", query.sql},
                      {"sql_is_whole", query.sql_is_whole},
                      {"params", query.params},
                      {"params_are_whole", query.params_are_whole},
                      {"as_of", query.as_of},
                      {"started_at_ms", query.started_at_ms},
                      {"elapsed_us", query.elapsed_us},
                      {"code", query.code},
                      {"message", query.message},
                      {"lane", static_cast<std::int64_t>(query.lane)},
                      {"engine", query.engine},
                      {"cached", query.cached},
                      {"attempts", query.attempts},
                      {"rows", query.rows},
                      {"bytes", query.bytes},
                      {"scan_bytes", query.scan_bytes},
                      {"memory_peak_bytes", query.memory_peak_bytes},
                      {"spill_peak_bytes", query.spill_peak_bytes},
                      {"snapshot_ids", std::move(snapshots)}};
}

Result<LoggedQuery> query_of(const metastore::Row& row) {
  LoggedQuery query;
  query.id = metastore::text(row[0]);
  query.principal = metastore::text(row[1]);
  LH_ASSIGN_OR_RETURN(const json::value body, parse_json(metastore::text(row[2]), "the query log"));
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(body, "the query log"));
  LH_ASSIGN_OR_RETURN(query.sql, fields.require_string("sql"));
  LH_ASSIGN_OR_RETURN(query.sql_is_whole, fields.require_bool("sql_is_whole"));
  if (const json::value* params = fields.optional_value("params")) {
    query.params = *params;
  }
  LH_ASSIGN_OR_RETURN(query.params_are_whole, fields.require_bool("params_are_whole"));
  LH_ASSIGN_OR_RETURN(query.as_of, fields.require_string("as_of"));
  LH_ASSIGN_OR_RETURN(query.code, fields.require_string("code"));
  LH_ASSIGN_OR_RETURN(query.message, fields.require_string("message"));
  LH_ASSIGN_OR_RETURN(query.engine, fields.require_string("engine"));
  LH_ASSIGN_OR_RETURN(query.cached, fields.require_bool("cached"));
  LH_ASSIGN_OR_RETURN(const std::int64_t lane, fields.require_int64("lane"));
  query.lane = static_cast<engine::Lane>(lane);
  const std::pair<std::string_view, std::int64_t*> numbers[] = {
      {"started_at_ms", &query.started_at_ms},
      {"elapsed_us", &query.elapsed_us},
      {"attempts", &query.attempts},
      {"rows", &query.rows},
      {"bytes", &query.bytes},
      {"scan_bytes", &query.scan_bytes},
      {"memory_peak_bytes", &query.memory_peak_bytes},
      {"spill_peak_bytes", &query.spill_peak_bytes}};
  for (const auto& [name, number] : numbers) {
    LH_ASSIGN_OR_RETURN(*number, fields.require_int64(name));
  }
  LH_ASSIGN_OR_RETURN(const json::object* snapshots, fields.require_object("snapshot_ids"));
  for (const auto& snapshot : *snapshots) {
    query.snapshot_ids.emplace_back(snapshot.key(), snapshot.value().to_number<std::int64_t>());
  }
  return query;
}

RequestContext own_context() {
  RequestContext context;
  context.principal = "lakehouse";
  context.deadline = std::chrono::steady_clock::now() + kWriteTime;
  return context;
}

}  // namespace

QueryLog::QueryLog(metastore::Metastore& metastore, Options options)
    : metastore_(metastore), options_(options) {
  if (options_.rows_max > 0) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
}

QueryLog::~QueryLog() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
    flush(own_context());
  }
}

void QueryLog::add(LoggedQuery query) {
  if (options_.rows_max <= 0) {
    return;
  }
  const std::lock_guard lock(mutex_);
  if (pending_.size() >= options_.pending_max) {
    pending_.pop_front();
    ++lost_;
  }
  pending_.push_back(std::move(query));
  if (pending_.size() == 1) {
    wake_.notify_one();
  }
}

void QueryLog::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, stop, [&] { return !pending_.empty(); });
      // What else comes now goes with it.
      wake_.wait_for(lock, stop, options_.flush_every, [] { return false; });
    }
    flush(own_context());
  }
}

void QueryLog::flush(const RequestContext& context) {
  const std::lock_guard turn(flushing_);
  std::vector<LoggedQuery> batch;
  {
    const std::lock_guard lock(mutex_);
    std::ranges::move(pending_, std::back_inserter(batch));
    pending_.clear();
  }
  if (batch.empty()) {
    return;
  }
  const bool prune = since_pruned_ + std::ssize(batch) >=
                     std::max(options_.rows_max / kPruneParts, std::int64_t{1});
  const Status written =
      metastore_.write(context, [&](metastore::Transaction& transaction) -> Status {
        for (const LoggedQuery& query : batch) {
          LH_RETURN_IF_ERROR(transaction.execute(
              "INSERT INTO query_log (id, principal, failed, body) VALUES ($1, $2, $3, $4)",
              {query.id, query.principal, std::int64_t{query.code == "OK" ? 0 : 1},
               json::serialize(body_of(query))}));
        }
        if (prune) {
          LH_RETURN_IF_ERROR(
              transaction.execute("DELETE FROM query_log WHERE id <= "
                                  "(SELECT id FROM query_log ORDER BY id DESC LIMIT 1 OFFSET $1)",
                                  {options_.rows_max}));
        }
        return {};
      });
  if (written) {
    since_pruned_ = prune ? 0 : since_pruned_ + std::ssize(batch);
    return;
  }
  // Not tried again: where the outcome is not known they may be there.
  const std::lock_guard lock(mutex_);
  lost_ += batch.size();
}

Result<catalog::Page<LoggedQuery>> QueryLog::list(const RequestContext& context,
                                                  const Filter& filter,
                                                  const catalog::PageRequest& page) {
  flush(context);
  catalog::Page<LoggedQuery> out;
  // An id's characters come before '~'.
  const std::string before = page.page_token.empty() ? "~" : page.page_token;
  const std::int64_t limit =
      page.limit == 0 ? options_.rows_max : static_cast<std::int64_t>(page.limit);
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](metastore::Transaction& transaction) -> Status {
    out = {};
    const std::int64_t least = filter.failed_only ? 1 : 0;
    const auto found = filter.principal.empty()
                           ? transaction.query(
                                 "SELECT id, principal, body FROM query_log WHERE id < $1 AND "
                                 "failed >= $2 ORDER BY id DESC LIMIT $3",
                                 {before, least, limit + 1})
                           : transaction.query(
                                 "SELECT id, principal, body FROM query_log WHERE id < $1 AND "
                                 "failed >= $2 AND principal = $4 ORDER BY id DESC LIMIT $3",
                                 {before, least, limit + 1, filter.principal});
    if (!found) {
      return std::unexpected(found.error());
    }
    for (const metastore::Row& row : *found) {
      if (std::cmp_equal(out.items.size(), limit)) {
        out.next_page_token = out.items.back().id;
        break;
      }
      LH_ASSIGN_OR_RETURN(LoggedQuery query, query_of(row));
      out.items.push_back(std::move(query));
    }
    return {};
  }));
  return out;
}

Result<LoggedQuery> QueryLog::find(const RequestContext& context, std::string_view id) {
  flush(context);
  std::optional<LoggedQuery> out;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](metastore::Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query("SELECT id, principal, body FROM query_log WHERE id = $1",
                                          {std::string(id)}));
    if (!rows.empty()) {
      LH_ASSIGN_OR_RETURN(out, query_of(rows.front()));
    }
    return {};
  }));
  if (!out) {
    return fail(ErrorCode::NotFound, "the query log has no such query (any more)");
  }
  return *std::move(out);
}

std::uint64_t QueryLog::lost() const {
  const std::lock_guard lock(mutex_);
  return lost_;
}

}  // namespace lakehouse::query
