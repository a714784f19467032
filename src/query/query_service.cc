#include "query/query_service.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/id.h"
#include "base/json.h"
#include "base/text.h"
#include "query/cluster_route.h"
#include "query/explain_plan.h"
#include "query/rewrite.h"
#include "query/statement_plan.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;

constexpr std::size_t kLoggedParamsBytesMax = 4'096;

}  // namespace

struct QueryService::Active {
  RunningQuery info;
  std::stop_source stop;
  RequestContext context;
  std::chrono::steady_clock::time_point started;
  std::shared_ptr<engine::StatementMonitor> monitor = std::make_shared<engine::StatementMonitor>();
  LoggedQuery logged;  ///< As far as it is known; of the thread that runs the query.
  /// Passes the caller's own stop on.
  std::optional<std::stop_callback<std::function<void()>>> on_caller_stop;
  bool is_logged = true;
};

struct QueryService::Registry {
  mutable std::mutex mutex;
  std::map<std::string, std::shared_ptr<Active>, std::less<>> active;
  QueryLog* log = nullptr;
  LogText log_text = LogText::Full;

  void set_state(const std::shared_ptr<Active>& one, std::string state) {
    const std::lock_guard lock(mutex);
    one->info.state = std::move(state);
  }
  /// It is over: off the list, and into the log.
  void finish(const std::shared_ptr<Active>& one, const Status& how) {
    if (log != nullptr && one->is_logged) {
      complete(*one, how);
      log->add(std::move(one->logged));
    }
    remove(one->info.id);
  }

 private:
  void complete(Active& one, const Status& how) const {
    LoggedQuery& logged = one.logged;
    logged.elapsed_us = std::chrono::duration_cast<std::chrono::microseconds>(
                            std::chrono::steady_clock::now() - one.started)
                            .count();
    if (!how) {
      logged.code = to_string(how.error().code);
      // A message may quote the statement, or a cell.
      logged.message = log_text == LogText::Full ? how.error().message : std::string();
    }
    const engine::StatementMonitor::View view = one.monitor->view();
    logged.lane = view.lane;
    logged.attempts = view.attempts;
    logged.scan_bytes = static_cast<std::int64_t>(view.scan_bytes);
    logged.memory_peak_bytes = static_cast<std::int64_t>(view.memory_peak_bytes);
    logged.spill_peak_bytes = static_cast<std::int64_t>(view.spill_peak_bytes);
  }
  void remove(const std::string& id) {
    std::shared_ptr<Active> last;  // Destroyed outside of the lock: its stop callback may run.
    const std::lock_guard lock(mutex);
    if (const auto found = active.find(id); found != active.end()) {
      last = std::move(found->second);
      active.erase(found);
    }
  }
};

/// A stream that takes its query off the list when it goes.
class QueryService::Tracked final : public engine::ResultStream {
 public:
  Tracked(std::unique_ptr<engine::ResultStream> inner, std::shared_ptr<Registry> registry,
          std::shared_ptr<Active> active)
      : inner_(std::move(inner)), registry_(std::move(registry)), active_(std::move(active)) {}
  ~Tracked() override {
    inner_.reset();
    if (!finished_) {
      finish(fail(ErrorCode::Cancelled, "its reader left before the end"));
    }
  }
  Tracked(const Tracked&) = delete;
  Tracked& operator=(const Tracked&) = delete;

  [[nodiscard]] const std::vector<engine::Column>& columns() const override {
    return inner_->columns();
  }
  Result<std::optional<std::string>> next(const RequestContext& context) override {
    auto bytes = inner_->next(context);
    if (bytes) {
      note(*bytes);
    } else {
      finish(std::unexpected(bytes.error()));
    }
    return bytes;
  }
  [[nodiscard]] int fd() const override { return inner_->fd(); }
  Result<Poll> try_next() override {
    auto poll = inner_->try_next();
    if (!poll) {
      finish(std::unexpected(poll.error()));
    } else if (poll->ready) {
      note(poll->bytes);
    }
    return poll;
  }
  [[nodiscard]] const engine::ResultEnd& end() const override { return inner_->end(); }

 private:
  void note(const std::optional<std::string>& bytes) {
    if (bytes) {
      active_->logged.bytes += static_cast<std::int64_t>(bytes->size());
      return;
    }
    active_->logged.rows = static_cast<std::int64_t>(inner_->end().row_count);
    finish({});
  }
  void finish(const Status& how) {
    if (!std::exchange(finished_, true)) {
      registry_->finish(active_, how);
    }
  }

  std::unique_ptr<engine::ResultStream> inner_;
  std::shared_ptr<Registry> registry_;
  std::shared_ptr<Active> active_;
  bool finished_ = false;
};

QueryService::QueryService(catalog::Catalog& catalog, engine::Engine& engine, TableSource& source,
                           TableWriter& writer, Options options)
    : engine_(engine),
      planner_(catalog, engine, source, options.planner),
      writer_(catalog, engine, planner_, source, writer),
      options_(options),
      plans_(options.plan_bytes_max),
      results_(options.result_bytes_max),
      registry_(std::make_shared<Registry>()) {
  registry_->log = options_.log;
  registry_->log_text = options_.log_text;
}

QueryService::~QueryService() = default;

// --- Running.

std::shared_ptr<QueryService::Active> QueryService::begin(const RequestContext& context,
                                                          const SqlRequest& request) {
  auto active = std::make_shared<Active>();
  active->started = std::chrono::steady_clock::now();
  active->is_logged = !request.is_own;
  active->info = {new_uuid(), "", context.principal, std::chrono::system_clock::now(), "planning"};
  LoggedQuery& logged = active->logged;
  logged.id = active->info.id;
  logged.principal = context.principal;
  logged.params_are_whole =
      request.params.is_null() || (options_.log_text == LogText::Full &&
                                   to_json(request.params).size() <= kLoggedParamsBytesMax);
  if (logged.params_are_whole) {
    logged.params = request.params;
  }
  logged.as_of = request.as_of.value_or("");
  logged.started_at_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(active->info.started.time_since_epoch())
          .count();
  active->context = context;
  active->context.stop = active->stop.get_token();
  // A write gets the caller's time: cut short, its outcome would be hard to know.
  const auto timeout =
      request.timeout ? std::min(*request.timeout, options_.timeout) : options_.timeout;
  active->context.deadline = std::min(context.deadline, active->started + timeout);
  active->on_caller_stop.emplace(context.stop,
                                 [stop = active->stop]() mutable { stop.request_stop(); });
  note_text(active, request.sql, LogStage::Sent);
  const std::lock_guard lock(registry_->mutex);
  registry_->active.emplace(active->info.id, active);
  return active;
}

void QueryService::note_text(const std::shared_ptr<Active>& active, std::string_view sql,
                             LogStage stage) {
  if (stage != LogStage::Sent && options_.log_text != LogText::Masked) {
    return;  // It stays what it is.
  }
  std::string text = log_text(options_.log_text, stage, sql);
  active->logged.sql = text;
  active->logged.sql_is_whole = text == sql;
  const std::lock_guard lock(registry_->mutex);
  active->info.sql = options_.log_text == LogText::Full ? std::string(sql) : std::move(text);
}

Result<QueryAnswer> QueryService::run(const RequestContext& context, const SqlRequest& request) {
  if (request.sql.size() > options_.sql_bytes_max) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the statement has {} bytes, more than {}", request.sql.size(),
                            options_.sql_bytes_max),
                "Load rows by ingesting a file.");
  }
  if (!request.params.is_null() && !request.params.is_array() && !request.params.is_object()) {
    return fail(ErrorCode::InvalidArgument, "params must be an array or an object");
  }
  const std::shared_ptr<Active> active = begin(context, request);
  SqlRequest watched = request;
  watched.monitor = active->monitor;
  auto answer = run_active(active, watched);
  if (!answer) {
    registry_->finish(active, std::unexpected(answer.error()));
  }
  return answer;
}

namespace {

Status check_reads_only(const SqlRequest& request, const ParsedStatement& parsed) {
  return request.reads_only && !std::holds_alternative<SelectStatement>(parsed.statement)
             ? fail(ErrorCode::InvalidArgument,
                    "this is no SELECT, and only reading is allowed here",
                    "Send one SELECT statement.")
             : Status();
}

bool writes_rows(const SqlStatement& statement) {
  return std::holds_alternative<InsertStatement>(statement) ||
         std::holds_alternative<ChangeStatement>(statement);
}

}  // namespace

Result<QueryAnswer> QueryService::run_active(const std::shared_ptr<Active>& active,
                                             SqlRequest& request) {
  const RequestContext& context = active->context;
  LH_ASSIGN_OR_RETURN(const auto parsed, parse(context, request.sql));
  if (!std::holds_alternative<TransactionStatement>(parsed->statement)) {
    note_text(active, request.sql, LogStage::Parsed);  // Those in a transaction are parsed later.
  }
  if (request.engine == EngineChoice::Cluster &&
      !std::holds_alternative<SelectStatement>(parsed->statement)) {
    return fail(ErrorCode::InvalidArgument, "engine trino: only a SELECT runs on the cluster",
                "Leave engine out, or say auto or local.");
  }
  LH_RETURN_IF_ERROR(check_reads_only(request, *parsed));
  QueryAnswer answer;
  answer.query_id = active->info.id;
  answer.context = context;
  answer.started = active->started;
  std::unique_ptr<engine::ResultStream> stream;
  if (std::holds_alternative<SelectStatement>(parsed->statement)) {
    LH_RETURN_IF_ERROR(run_select(context, parsed, request, answer));
    if (answer.is_unchanged) {
      note_text(active, request.sql, LogStage::Bound);
      active->logged.cached = true;
      registry_->finish(active, {});
      return answer;
    }
    stream = std::move(answer.stream);
  } else if (std::holds_alternative<ExplainStatement>(parsed->statement)) {
    LH_ASSIGN_OR_RETURN(stream, run_explain(active, parsed, request, answer));
  } else {
    registry_->set_state(active, "writing");
    request.kept_sql = log_text(options_.log_text, LogStage::Bound, request.sql);
    LH_ASSIGN_OR_RETURN(WriteAnswer written, writer_.run(context, parsed, request));
    answer.snapshot_ids = std::move(written.snapshot_ids);
    stream = std::move(written.stream);
  }
  note_text(active, request.sql, LogStage::Bound);
  registry_->set_state(active, "streaming");
  active->logged.cached = answer.is_cached;
  active->logged.snapshot_ids = answer.snapshot_ids;
  answer.stream = std::make_unique<Tracked>(std::move(stream), registry_, active);
  return answer;
}

Result<std::unique_ptr<engine::ResultStream>> QueryService::run_explain(
    const std::shared_ptr<Active>& active, const std::shared_ptr<const ParsedStatement>& parsed,
    const SqlRequest& request, QueryAnswer& answer) {
  const RequestContext& context = active->context;
  const auto& explain = std::get<ExplainStatement>(parsed->statement);
  if (!explain.write.empty()) {
    LH_ASSIGN_OR_RETURN(const auto inner, parse(context, explain.write));
    registry_->set_state(active, "running");
    LH_ASSIGN_OR_RETURN(const ExplainedWrite write, writer_.explain(context, inner, request));
    engine::Statement rows = explain_rows(write.plan, write.effect);
    prepare(rows, request);
    return engine_.execute(context, std::move(rows));
  }
  LH_ASSIGN_OR_RETURN(
      StatementPlan planned,
      plan_statement(context, planner_, parsed, request,
                     explain.analyze ? PlanPurpose::ExplainAnalyze : PlanPurpose::Explain));
  answer.snapshot_ids = std::move(planned.snapshot_ids);
  registry_->set_state(active, "running");
  return execute(context, std::move(planned), request,
                 explain.analyze ? "EXPLAIN ANALYZE {}" : "EXPLAIN {}");
}

Result<std::string> QueryService::explain(const RequestContext& context,
                                          const SqlRequest& request) {
  LH_ASSIGN_OR_RETURN(const auto parsed, parse(context, request.sql));
  LH_RETURN_IF_ERROR(check_reads_only(request, *parsed));
  const SqlStatement& statement = parsed->statement;
  if (writes_rows(statement)) {
    LH_ASSIGN_OR_RETURN(const ExplainedWrite write, writer_.explain(context, parsed, request));
    return fmt::format("{}\n{}\n", write.plan, write.effect);
  }
  // Of what makes a table or a view of a SELECT, it is that one's plan.
  if (parsed->tree.is_null() || std::holds_alternative<ExplainStatement>(statement)) {
    return fail(ErrorCode::InvalidArgument, "what does not read has no plan to explain",
                "Send the SELECT itself.");
  }
  LH_ASSIGN_OR_RETURN(StatementPlan planned,
                      plan_statement(context, planner_, parsed, request, PlanPurpose::Explain));
  return plan_text(context, engine_, std::move(planned.statement));
}

Result<SeenPart> QueryService::seen_part(const RequestContext& context, const std::string& source) {
  SqlRequest request;
  request.sql = "SELECT * FROM " + source;
  LH_ASSIGN_OR_RETURN(const auto parsed, parse(context, request.sql));
  LH_ASSIGN_OR_RETURN(const auto kept, plan_select(context, parsed, request, false));
  SeenPart out;
  if (kept->plan.policy_versions.empty()) {
    return out;
  }
  out.is_whole = false;
  out.digest = kept->plan.is_volatile ? "" : kept->digest;
  LH_ASSIGN_OR_RETURN(out.columns, engine_.describe(context, kept->plan.statement));
  return out;
}

std::vector<RunningQuery> QueryService::running() const {
  const std::lock_guard lock(registry_->mutex);
  std::vector<RunningQuery> out;
  for (const auto& [id, active] : registry_->active) {
    RunningQuery& one = out.emplace_back(active->info);
    one.engine = active->monitor->view();
    if (one.engine.waiting) {
      one.state = "waiting";
    } else if (one.engine.attempts > 0 && one.state == "planning") {
      one.state = "running";
    }
  }
  return out;
}

bool QueryService::cancel(std::string_view query_id) {
  std::shared_ptr<Active> active;
  {
    const std::lock_guard lock(registry_->mutex);
    const auto found = registry_->active.find(query_id);
    if (found == registry_->active.end()) {
      return false;
    }
    active = found->second;
  }
  active->stop.request_stop();
  return true;
}

// --- Parsing and planning.

Result<std::shared_ptr<const ParsedStatement>> QueryService::parse(const RequestContext& context,
                                                                   const std::string& sql) {
  {
    const std::lock_guard lock(parsed_mutex_);
    if (const auto found = parsed_by_text_.find(sql); found != parsed_by_text_.end()) {
      parsed_.splice(parsed_.begin(), parsed_, found->second);
      return found->second->second;
    }
  }
  LH_ASSIGN_OR_RETURN(auto parsed, parse_whole(context, engine_, sql));
  keep(sql, parsed);
  return parsed;
}

void QueryService::keep(const std::string& sql,
                        const std::shared_ptr<const ParsedStatement>& parsed) {
  const std::lock_guard lock(parsed_mutex_);
  if (sql.size() > options_.parsed_bytes_max / 16 || parsed_by_text_.contains(sql)) {
    return;
  }
  parsed_.emplace_front(sql, parsed);
  parsed_by_text_.emplace(parsed_.front().first, parsed_.begin());
  parsed_bytes_ += sql.size();
  while (parsed_.size() > options_.parsed_max || parsed_bytes_ > options_.parsed_bytes_max) {
    parsed_bytes_ -= parsed_.back().first.size();
    parsed_by_text_.erase(parsed_.back().first);
    parsed_.pop_back();
  }
}

void QueryService::prepare(engine::Statement& statement, const SqlRequest& request) const {
  statement.monitor = request.monitor;
  statement.encoding = request.encoding;
  statement.rows_max = request.limit;
  if (options_.row_limit > 0 && !request.is_own) {
    statement.rows_max = std::min(request.limit.value_or(UINT64_MAX), options_.row_limit);
  }
}

Result<std::shared_ptr<const KeptPlan>> QueryService::plan_select(
    const RequestContext& context, const std::shared_ptr<const ParsedStatement>& parsed,
    const SqlRequest& request, bool may_be_held) {
  const HotTables* hot = options_.planner.hot;
  const std::string key = fmt::format("{}{}{}{}{}{}", may_be_held, context.principal, '\0',
                                      request.as_of.value_or(""), '\0', request.sql);
  // Asked before the plan is made: what changes meanwhile makes it an old one.
  const std::uint64_t epoch = hot == nullptr ? 0 : hot->epoch();
  if (auto kept = plans_.find(key); kept != nullptr && kept->hot_epoch == epoch) {
    LH_ASSIGN_OR_RETURN(const bool holds, planner_.still_holds(context, kept->basis));
    if (holds) {
      if (kept->plan.statement.held_generation != 0) {
        for (const catalog::LineageInput& input : kept->plan.inputs) {
          options_.planner.hot->note_use(input.id);
        }
      }
      return kept;
    }
  }
  LH_ASSIGN_OR_RETURN(StatementPlan plan, plan_statement(context, planner_, parsed, request,
                                                         PlanPurpose::Run, may_be_held));
  PlanBasis basis = std::move(plan.basis);
  const bool is_whole = basis.is_whole;
  auto made = make_kept_plan(std::move(plan), std::move(basis), epoch);
  if (is_whole) {
    plans_.put(key, made);
  }
  return made;
}

Status QueryService::run_select(const RequestContext& context,
                                const std::shared_ptr<const ParsedStatement>& parsed,
                                const SqlRequest& request, QueryAnswer& answer) {
  // The second time is for what was in memory and has gone, or turned out too much for that lane.
  for (const bool may_be_held : {true, false}) {
    if (may_be_held && request.engine == EngineChoice::Cluster) {
      continue;
    }
    LH_ASSIGN_OR_RETURN(const auto kept, plan_select(context, parsed, request, may_be_held));
    answer.snapshot_ids = kept->plan.snapshot_ids;
    std::optional<StatementPlan> plan = kept->for_run();
    if (!plan && may_be_held) {
      continue;
    }
    if (kept->basis.is_whole) {
      plan->statement.parameters = request.params;
    }
    plan->statement.monitor = request.monitor;
    prepare(plan->statement, request);
    std::string key;
    if (!kept->plan.is_volatile && request.engine != EngineChoice::Cluster) {
      key = ResultCache::key_of(kept->digest, plan->statement);
      answer.tag = key;
      answer.is_unchanged = request.knows_tag && request.knows_tag(key);
      answer.stream = answer.is_unchanged ? nullptr : results_.find(key);
      answer.is_cached = answer.stream != nullptr;
      if (answer.is_unchanged || answer.is_cached) {
        return {};
      }
    }
    LH_ASSIGN_OR_RETURN(auto elsewhere, route_to_cluster(context, options_.cluster, engine_, *plan,
                                                         request.engine));
    answer.engine = elsewhere == nullptr ? "local" : "trino";
    auto stream = elsewhere == nullptr
                      ? execute(context, *std::move(plan), request, "")
                      : Result<std::unique_ptr<engine::ResultStream>>(std::move(elsewhere));
    if (stream) {
      answer.stream = key.empty() ? *std::move(stream) : results_.keep(key, *std::move(stream));
      return {};
    }
    if (!may_be_held || !engine::is_held_gone(stream.error())) {
      return std::unexpected(std::move(stream).error());
    }
  }
  return {};
}

Result<std::unique_ptr<engine::ResultStream>> QueryService::execute(const RequestContext& context,
                                                                    StatementPlan plan,
                                                                    const SqlRequest& request,
                                                                    std::string_view around) {
  plan.statement.around_tree = around;
  prepare(plan.statement, request);
  auto stream = engine_.execute(context, std::move(plan.statement));
  if (!stream && stream.error().code == ErrorCode::InvalidArgument &&
      !stream.error().position_bytes) {
    stream.error().position_bytes = find_position(plan.parsed->tree, stream.error().message);
  }
  return stream;
}

}  // namespace lakehouse::query
