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
#include "query/column_names.h"
#include "query/rewrite.h"
#include "query/statement_plan.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};

/// The SELECT in a statement, or nothing.
const SelectStatement* select_in(const SqlStatement& statement) {
  return std::visit(Overloaded{
                        [](const SelectStatement& select) { return &select; },
                        [](const ExplainStatement& explain) { return &explain.select; },
                        [](const InsertStatement& insert) { return &insert.source; },
                        [](const CreateTableStatement& create) -> const SelectStatement* {
                          return create.source ? &*create.source : nullptr;
                        },
                        [](const auto&) -> const SelectStatement* { return nullptr; },
                    },
                    statement);
}

/// The engine parses what follows the blanks before a SELECT: its positions become the statement's.
void shift_locations(json::value& at, std::size_t by) {
  if (json::array* list = at.if_array()) {
    for (json::value& entry : *list) {
      shift_locations(entry, by);
    }
  } else if (json::object* node = at.if_object()) {
    for (auto& field : *node) {
      if (field.key() == "query_location" && field.value().is_int64()) {
        field.value() = field.value().get_int64() + static_cast<std::int64_t>(by);
      } else {
        shift_locations(field.value(), by);
      }
    }
  }
}

}  // namespace

struct QueryService::Active {
  RunningQuery info;
  std::stop_source stop;
  RequestContext context;
  std::chrono::steady_clock::time_point started;
  /// Passes the caller's own stop on.
  std::optional<std::stop_callback<std::function<void()>>> on_caller_stop;
};

struct QueryService::Registry {
  mutable std::mutex mutex;
  std::map<std::string, std::shared_ptr<Active>, std::less<>> active;

  void set_state(const std::shared_ptr<Active>& one, std::string state) {
    const std::lock_guard lock(mutex);
    one->info.state = std::move(state);
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
    registry_->remove(active_->info.id);
  }
  Tracked(const Tracked&) = delete;
  Tracked& operator=(const Tracked&) = delete;

  [[nodiscard]] const std::vector<engine::Column>& columns() const override {
    return inner_->columns();
  }
  Result<std::optional<std::string>> next(const RequestContext& context) override {
    return inner_->next(context);
  }
  [[nodiscard]] int fd() const override { return inner_->fd(); }
  Result<Poll> try_next() override { return inner_->try_next(); }
  [[nodiscard]] const engine::ResultEnd& end() const override { return inner_->end(); }

 private:
  std::unique_ptr<engine::ResultStream> inner_;
  std::shared_ptr<Registry> registry_;
  std::shared_ptr<Active> active_;
};

QueryService::QueryService(catalog::Catalog& catalog, engine::Engine& engine, TableSource& source,
                           TableWriter& writer, Options options)
    : engine_(engine),
      planner_(catalog, engine, source, options.planner),
      writer_(catalog, engine, planner_, writer),
      options_(options),
      registry_(std::make_shared<Registry>()) {}

QueryService::~QueryService() = default;

// --- Running.

std::shared_ptr<QueryService::Active> QueryService::begin(const RequestContext& context,
                                                          const SqlRequest& request) {
  auto active = std::make_shared<Active>();
  active->started = std::chrono::steady_clock::now();
  active->info = {new_uuid(), request.sql, context.principal, std::chrono::system_clock::now(),
                  "planning"};
  active->context = context;
  active->context.stop = active->stop.get_token();
  // A write gets the caller's time: cut short, its outcome would be hard to know.
  const auto timeout =
      request.timeout ? std::min(*request.timeout, options_.timeout) : options_.timeout;
  active->context.deadline = std::min(context.deadline, active->started + timeout);
  active->on_caller_stop.emplace(context.stop,
                                 [stop = active->stop]() mutable { stop.request_stop(); });
  const std::lock_guard lock(registry_->mutex);
  registry_->active.emplace(active->info.id, active);
  return active;
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
  auto answer = run_active(active, request);
  if (!answer) {
    registry_->remove(active->info.id);
  }
  return answer;
}

Result<QueryAnswer> QueryService::run_active(const std::shared_ptr<Active>& active,
                                             const SqlRequest& request) {
  const RequestContext& context = active->context;
  LH_ASSIGN_OR_RETURN(const auto parsed, parse(context, request.sql));
  if (request.engine == EngineChoice::Cluster &&
      !std::holds_alternative<SelectStatement>(parsed->statement)) {
    return fail(ErrorCode::InvalidArgument, "engine trino: only a SELECT runs on the cluster",
                "Leave engine out, or say auto or local.");
  }
  QueryAnswer answer;
  answer.query_id = active->info.id;
  answer.context = context;
  answer.started = active->started;
  std::unique_ptr<engine::ResultStream> stream;
  const auto* explain = std::get_if<ExplainStatement>(&parsed->statement);
  if (explain != nullptr || std::holds_alternative<SelectStatement>(parsed->statement)) {
    LH_ASSIGN_OR_RETURN(StatementPlan planned, plan_statement(context, planner_, parsed, request));
    answer.snapshot_ids = std::move(planned.snapshot_ids);
    registry_->set_state(active, "running");
    const std::string_view around =
        explain == nullptr ? "" : (explain->analyze ? "EXPLAIN ANALYZE {}" : "EXPLAIN {}");
    LH_ASSIGN_OR_RETURN(stream,
                        execute(context, std::move(planned), request, around, answer.engine));
  } else {
    registry_->set_state(active, "writing");
    LH_ASSIGN_OR_RETURN(WriteAnswer written, writer_.run(context, parsed, request));
    answer.snapshot_ids = std::move(written.snapshot_ids);
    stream = std::move(written.stream);
  }
  registry_->set_state(active, "streaming");
  answer.stream = std::make_unique<Tracked>(std::move(stream), registry_, active);
  return answer;
}

Result<std::string> QueryService::explain(const RequestContext& context,
                                          const SqlRequest& request) {
  LH_ASSIGN_OR_RETURN(const auto parsed, parse(context, request.sql));
  if (!std::holds_alternative<SelectStatement>(parsed->statement)) {
    return fail(ErrorCode::InvalidArgument, "only a SELECT can be explained");
  }
  LH_ASSIGN_OR_RETURN(StatementPlan planned, plan_statement(context, planner_, parsed, request));
  planned.statement.around_tree = "EXPLAIN {}";
  planned.statement.parameters = request.params;
  LH_ASSIGN_OR_RETURN(const auto rows, engine_.query_rows(context, std::move(planned.statement)));
  std::string text;
  for (const json::array& row : rows.rows) {
    if (!row.empty() && row.back().is_string()) {
      text.append(row.back().get_string());
    }
  }
  return text;
}

std::vector<RunningQuery> QueryService::running() const {
  const std::lock_guard lock(registry_->mutex);
  std::vector<RunningQuery> out;
  for (const auto& [id, active] : registry_->active) {
    out.push_back(active->info);
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
  auto parsed = std::make_shared<ParsedStatement>();
  LH_ASSIGN_OR_RETURN(parsed->statement, parse_statement(sql));
  if (const SelectStatement* select = select_in(parsed->statement)) {
    LH_ASSIGN_OR_RETURN(auto statements, engine_.parse(context, select->sql));
    if (statements.size() != 1) {
      return fail(ErrorCode::InvalidArgument, "a request holds one statement",
                  "Send the statements one by one.");
    }
    if (!statements[0].tree.is_object()) {
      const bool is_select = statements[0].kind == "SELECT";
      return fail(
          ErrorCode::InvalidArgument,
          is_select ? fmt::format("the statement is not supported: {}", statements[0].tree_problem)
                    : fmt::format("{} is not supported here", statements[0].kind),
          is_select ? "A PIVOT needs the list of its values: PIVOT t ON c IN ('a', 'b')." : "");
    }
    parsed->tree = std::move(statements[0].tree);
    if (statements[0].offset_bytes > 0) {
      shift_locations(parsed->tree, statements[0].offset_bytes);
    }
    LH_RETURN_IF_ERROR(keep_column_names(context, engine_, parsed->tree));
  }
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

Result<std::unique_ptr<engine::ResultStream>> QueryService::execute(const RequestContext& context,
                                                                    StatementPlan plan,
                                                                    const SqlRequest& request,
                                                                    std::string_view around,
                                                                    std::string_view& engine) {
  plan.statement.around_tree = around;
  plan.statement.encoding = request.encoding;
  plan.statement.rows_max = request.limit;
  if (options_.row_limit > 0) {
    plan.statement.rows_max = std::min(request.limit.value_or(UINT64_MAX), options_.row_limit);
  }
  if (around.empty()) {
    LH_ASSIGN_OR_RETURN(auto elsewhere,
                        route_to_cluster(context, options_.cluster, engine_, plan, request.engine));
    if (elsewhere != nullptr) {
      engine = "trino";
      return elsewhere;
    }
  }
  auto stream = engine_.execute(context, std::move(plan.statement));
  if (!stream && stream.error().code == ErrorCode::InvalidArgument &&
      !stream.error().position_bytes) {
    stream.error().position_bytes = find_position(plan.parsed->tree, stream.error().message);
  }
  return stream;
}

}  // namespace lakehouse::query
