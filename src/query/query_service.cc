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
#include "query/column_names.h"
#include "query/constant_stream.h"
#include "query/ddl.h"
#include "query/planner.h"
#include "query/sql_excerpt.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};

std::unexpected<Error> at_position(Error error, std::size_t position) {
  if (!error.position_bytes) {
    error.position_bytes = position;
  }
  return std::unexpected(std::move(error));
}

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

/// The column's exact name, by the rules of names.
Result<std::string> exact_column(const iceberg::Schema& schema, const std::string& name) {
  if (const iceberg::NestedField* found = find_column(schema.fields, name)) {
    return found->name;
  }
  std::vector<std::string> names;
  names.reserve(schema.fields.size());
  for (const iceberg::NestedField& field : schema.fields) {
    names.push_back(field.name);
  }
  return fail(ErrorCode::InvalidArgument, fmt::format("the table has no column '{}'", name),
              did_you_mean(name, names));
}

}  // namespace

struct QueryService::Parsed {
  SqlStatement statement;
  /// What json_serialize_sql gave for the SELECT in it; null if there is none.
  json::value tree;
};

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
    : catalog_(catalog),
      engine_(engine),
      source_(source),
      writer_(writer),
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
  QueryAnswer answer;
  answer.query_id = active->info.id;
  answer.context = context;
  answer.started = active->started;
  std::unique_ptr<engine::ResultStream> stream;
  const auto* explain = std::get_if<ExplainStatement>(&parsed->statement);
  if (explain != nullptr || std::holds_alternative<SelectStatement>(parsed->statement)) {
    LH_ASSIGN_OR_RETURN(Plan planned, plan(context, parsed, request));
    answer.snapshot_ids = std::move(planned.snapshot_ids);
    registry_->set_state(active, "running");
    const std::string_view around =
        explain == nullptr ? "" : (explain->analyze ? "EXPLAIN ANALYZE {}" : "EXPLAIN {}");
    LH_ASSIGN_OR_RETURN(stream, execute(context, std::move(planned), request, around));
  } else {
    registry_->set_state(active, "writing");
    LH_ASSIGN_OR_RETURN(const Outcome outcome, write(context, parsed, request));
    answer.snapshot_ids = outcome.snapshot_ids;
    LH_ASSIGN_OR_RETURN(stream, stream_of(context, outcome, request.encoding));
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
  LH_ASSIGN_OR_RETURN(Plan planned, plan(context, parsed, request));
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

Result<std::shared_ptr<const QueryService::Parsed>> QueryService::parse(
    const RequestContext& context, const std::string& sql) {
  {
    const std::lock_guard lock(parsed_mutex_);
    if (const auto found = parsed_by_text_.find(sql); found != parsed_by_text_.end()) {
      parsed_.splice(parsed_.begin(), parsed_, found->second);
      return found->second->second;
    }
  }
  auto parsed = std::make_shared<Parsed>();
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

void QueryService::keep(const std::string& sql, const std::shared_ptr<const Parsed>& parsed) {
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

Result<QueryService::Plan> QueryService::plan(const RequestContext& context,
                                              std::shared_ptr<const Parsed> parsed,
                                              const SqlRequest& request) {
  std::optional<std::int64_t> as_of_ms;
  if (request.as_of) {
    LH_ASSIGN_OR_RETURN(as_of_ms, parse_timestamp_ms(*request.as_of));
  }
  json::value tree = parsed->tree;
  LH_ASSIGN_OR_RETURN(PlannedSelect planned,
                      plan_select(context, catalog_, source_, tree.as_object(), as_of_ms));
  Plan out;
  out.statement.text = json::serialize(tree);
  out.statement.is_tree = true;
  out.statement.variables = std::move(planned.variables);
  out.statement.parameters = request.params;
  out.snapshot_ids = std::move(planned.snapshot_ids);
  out.inputs = std::move(planned.inputs);
  out.parsed = std::move(parsed);
  return out;
}

Result<std::unique_ptr<engine::ResultStream>> QueryService::execute(const RequestContext& context,
                                                                    Plan plan,
                                                                    const SqlRequest& request,
                                                                    std::string_view around) {
  plan.statement.around_tree = around;
  plan.statement.encoding = request.encoding;
  plan.statement.rows_max = request.limit;
  if (options_.row_limit > 0) {
    plan.statement.rows_max = std::min(request.limit.value_or(UINT64_MAX), options_.row_limit);
  }
  auto stream = engine_.execute(context, std::move(plan.statement));
  if (!stream && stream.error().code == ErrorCode::InvalidArgument &&
      !stream.error().position_bytes) {
    stream.error().position_bytes = find_position(plan.parsed->tree, stream.error().message);
  }
  return stream;
}

Result<std::unique_ptr<engine::ResultStream>> QueryService::stream_of(const RequestContext& context,
                                                                      const Outcome& outcome,
                                                                      engine::Encoding encoding) {
  if (encoding != engine::Encoding::ArrowStream) {
    return constant_stream(outcome.column, outcome.value, encoding);
  }
  engine::Statement statement;
  statement.text = fmt::format("SELECT {}::{} AS {}", json::serialize(outcome.value),
                               outcome.value.is_bool() ? "BOOLEAN" : "BIGINT",
                               quote_sql_identifier(outcome.column));
  statement.encoding = encoding;
  return engine_.execute(context, std::move(statement));
}

// --- Writing.

Result<QueryService::Outcome> QueryService::write(const RequestContext& context,
                                                  const std::shared_ptr<const Parsed>& parsed,
                                                  const SqlRequest& request) {
  if (request.idempotency_key.empty()) {
    return write_once(context, parsed, request);
  }
  LH_ASSIGN_OR_RETURN(auto before, repeated(context, request));
  if (before) {
    return *std::move(before);
  }
  auto outcome = write_once(context, parsed, request);
  if (!outcome && outcome.error().code == ErrorCode::AlreadyExists) {
    // A twin of this request may have won while this one worked.
    LH_ASSIGN_OR_RETURN(before, repeated(context, request));
    if (before) {
      return *std::move(before);
    }
  }
  return outcome;
}

Result<std::optional<QueryService::Outcome>> QueryService::repeated(const RequestContext& context,
                                                                    const SqlRequest& request) {
  LH_ASSIGN_OR_RETURN(const auto receipt, catalog_.find_receipt(context, request.idempotency_key));
  if (!receipt) {
    return std::nullopt;
  }
  if (receipt->fingerprint != request.fingerprint) {
    auto error = fail(ErrorCode::AlreadyExists, "the Idempotency-Key was used for another request",
                      "Use a new key for a new request.");
    error.error().details_json = R"({"idempotency_key_reused":true})";
    return error;
  }
  LH_ASSIGN_OR_RETURN(const json::value body, parse_json(receipt->body, "a receipt"));
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(body, "a receipt"));
  Outcome outcome;
  LH_ASSIGN_OR_RETURN(outcome.column, fields.require_string("column"));
  if (const json::value* value = fields.optional_value("value")) {
    outcome.value = *value;
  }
  return outcome;
}

namespace {

catalog::LineageRun lineage_of(std::string job, std::vector<catalog::LineageInput> inputs,
                               const SqlRequest& request) {
  catalog::LineageRun run;
  run.job = std::move(job);
  // What reads no table holds the rows themselves, which are not to be kept here.
  if (!inputs.empty()) {
    run.detail_json = json::serialize(json::object{{"sql", sql_excerpt(request.sql)}});
  }
  run.inputs = std::move(inputs);
  return run;
}

catalog::Receipt receipt_of(const RequestContext& context, const SqlRequest& request,
                            const std::string& column, const json::value& value,
                            std::int64_t now_ms) {
  return {request.idempotency_key,
          context.principal,
          request.fingerprint,
          200,
          json::serialize(json::object{{"column", column}, {"value", value}}),
          now_ms};
}

}  // namespace

Status QueryService::keep_receipt(const RequestContext& context, const SqlRequest& request,
                                  const Outcome& outcome) {
  if (request.idempotency_key.empty()) {
    return {};
  }
  return catalog_.store_receipt(
      context, receipt_of(context, request, outcome.column, outcome.value, catalog_.now_ms()));
}

Result<QueryService::Outcome> QueryService::write_once(const RequestContext& context,
                                                       const std::shared_ptr<const Parsed>& parsed,
                                                       const SqlRequest& request) {
  const SqlStatement& statement = parsed->statement;
  if (const auto* insert_into = std::get_if<InsertStatement>(&statement)) {
    return insert(context, *insert_into, parsed, request);
  }
  if (const auto* create = std::get_if<CreateTableStatement>(&statement)) {
    return create_table(context, *create, parsed, request);
  }
  if (const auto* alter = std::get_if<AlterTableStatement>(&statement)) {
    return alter_table(context, *alter, request);
  }
  LH_ASSIGN_OR_RETURN(Outcome outcome, other_ddl(context, statement));
  LH_RETURN_IF_ERROR(keep_receipt(context, request, outcome));
  return outcome;
}

Result<QueryService::Outcome> QueryService::append(const RequestContext& context,
                                                   AppendRequest append,
                                                   const SqlRequest& request) {
  auto rows = std::make_shared<std::int64_t>(0);
  append.before_commit = [rows](std::int64_t count) -> Status {
    *rows = count;
    return {};
  };
  if (!request.idempotency_key.empty()) {
    append.also = [this, &context, &request, rows](metastore::Transaction& transaction,
                                                   const std::vector<catalog::LoadedTable>&) {
      return catalog::Catalog::put_receipt(
          transaction, receipt_of(context, request, "Count", *rows, catalog_.now_ms()));
    };
  }
  LH_ASSIGN_OR_RETURN(const Appended done, writer_.append(context, std::move(append)));
  Outcome outcome{"Count", done.rows, {}};
  if (done.snapshot_id) {
    outcome.snapshot_ids.emplace_back(catalog::to_string(done.table.identifier), *done.snapshot_id);
  } else if (done.rows == 0) {
    LH_RETURN_IF_ERROR(keep_receipt(context, request, outcome));
  }
  return outcome;
}

Result<QueryService::Outcome> QueryService::insert(const RequestContext& context,
                                                   const InsertStatement& statement,
                                                   const std::shared_ptr<const Parsed>& parsed,
                                                   const SqlRequest& request) {
  AppendRequest append_request;
  auto table = resolve_table(context, catalog_, statement.table.parts);
  if (!table) {
    return at_position(std::move(table).error(), statement.table.position);
  }
  append_request.table = *std::move(table);
  LH_ASSIGN_OR_RETURN(const auto loaded, catalog_.load_table(context, append_request.table));
  LH_ASSIGN_OR_RETURN(Plan planned, plan(context, parsed, request));
  std::vector<std::string> names = statement.columns;
  if (statement.by_name) {
    LH_ASSIGN_OR_RETURN(const auto columns, engine_.describe(context, planned.statement));
    for (const engine::Column& column : columns) {
      names.push_back(column.name);
    }
  }
  for (const std::string& name : names) {
    auto exact = exact_column(*loaded.metadata->current_schema(), name);
    if (!exact) {
      return at_position(std::move(exact).error(), statement.table.position);
    }
    append_request.columns.push_back(*std::move(exact));
  }
  append_request.lineage = lineage_of("insert", std::move(planned.inputs), request);
  append_request.source = std::move(planned.statement);
  append_request.mode = WriteMode::Append;
  auto outcome = append(context, std::move(append_request), request);
  if (!outcome && outcome.error().code == ErrorCode::InvalidArgument &&
      !outcome.error().position_bytes) {
    outcome.error().position_bytes = find_position(parsed->tree, outcome.error().message);
  }
  return outcome;
}

Result<QueryService::Outcome> QueryService::create_table(
    const RequestContext& context, const CreateTableStatement& statement,
    const std::shared_ptr<const Parsed>& parsed, const SqlRequest& request) {
  auto table = new_table(statement.table.parts);
  if (!table) {
    return at_position(std::move(table).error(), statement.table.position);
  }
  TableDefinition definition = statement.definition;
  if (!definition.columns.empty()) {
    std::vector<std::string> types;
    types.reserve(definition.columns.size());
    for (const ColumnDefinition& column : definition.columns) {
      types.push_back(column.type);
    }
    LH_ASSIGN_OR_RETURN(types, canonical_types(context, types));
    for (std::size_t i = 0; i < types.size(); ++i) {
      definition.columns[i].type = types[i];
    }
  }
  if (!statement.source) {
    CommitHook also;
    if (!request.idempotency_key.empty()) {
      also = [this, &context, &request](metastore::Transaction& transaction,
                                        const std::vector<catalog::LoadedTable>&) {
        return catalog::Catalog::put_receipt(
            transaction, receipt_of(context, request, "Success", true, catalog_.now_ms()));
      };
    }
    LH_RETURN_IF_ERROR(
        writer_.create_table(context, *table, definition, statement.if_exists, also));
    return Outcome{"Success", true, {}};
  }
  if (statement.if_exists == IfExists::Keep) {
    LH_ASSIGN_OR_RETURN(const bool exists, catalog_.table_exists(context, *table));
    if (exists) {
      Outcome outcome{"Count", std::int64_t{0}, {}};
      LH_RETURN_IF_ERROR(keep_receipt(context, request, outcome));
      return outcome;
    }
  }
  LH_ASSIGN_OR_RETURN(Plan planned, plan(context, parsed, request));
  AppendRequest append_request;
  append_request.table = *std::move(table);
  append_request.lineage = lineage_of("create_table_as", std::move(planned.inputs), request);
  append_request.source = std::move(planned.statement);
  append_request.mode =
      statement.if_exists == IfExists::Replace ? WriteMode::CreateOrReplace : WriteMode::Create;
  append_request.definition = std::move(definition);
  auto outcome = append(context, std::move(append_request), request);
  if (!outcome && !outcome.error().position_bytes &&
      outcome.error().code == ErrorCode::InvalidArgument) {
    outcome.error().position_bytes = find_position(parsed->tree, outcome.error().message);
  }
  return outcome;
}

Result<QueryService::Outcome> QueryService::alter_table(const RequestContext& context,
                                                        const AlterTableStatement& statement,
                                                        const SqlRequest& request) {
  Outcome outcome{"Success", true, {}};
  auto table = resolve_table(context, catalog_, statement.table.parts);
  if (!table) {
    if (statement.if_exists && table.error().code == ErrorCode::NotFound) {
      LH_RETURN_IF_ERROR(keep_receipt(context, request, outcome));
      return outcome;
    }
    return at_position(std::move(table).error(), statement.table.position);
  }
  AlterAction action = statement.action;
  std::string* type = nullptr;
  if (auto* add = std::get_if<AddColumn>(&action)) {
    type = &add->column.type;
  } else if (auto* change = std::get_if<ChangeColumnType>(&action)) {
    type = &change->type;
  }
  if (type != nullptr) {
    LH_ASSIGN_OR_RETURN(auto types, canonical_types(context, {*type}));
    *type = std::move(types.front());
  }
  bool kept = false;
  CommitHook also;
  if (!request.idempotency_key.empty()) {
    also = [&](metastore::Transaction& transaction, const std::vector<catalog::LoadedTable>&) {
      kept = true;
      return catalog::Catalog::put_receipt(
          transaction, receipt_of(context, request, "Success", true, catalog_.now_ms()));
    };
  }
  LH_RETURN_IF_ERROR(writer_.alter_table(context, *table, {action}, also));
  if (!kept) {
    LH_RETURN_IF_ERROR(keep_receipt(context, request, outcome));
  }
  return outcome;
}

Result<QueryService::Outcome> QueryService::other_ddl(const RequestContext& context,
                                                      const SqlStatement& statement) {
  Outcome success{"Success", true, {}};
  if (const auto* drop = std::get_if<DropTableStatement>(&statement)) {
    auto table = resolve_table(context, catalog_, drop->table.parts);
    if (!table) {
      if (drop->if_exists && table.error().code == ErrorCode::NotFound) {
        return success;
      }
      return at_position(std::move(table).error(), drop->table.position);
    }
    LH_RETURN_IF_ERROR(writer_.drop_table(context, *table, drop->if_exists, false));
    return success;
  }
  const auto levels = [](const NamePath& name) {
    // "a.b" in quotes is two levels, as in the rest of the API.
    std::vector<std::string> out;
    const std::string text = name.dotted();
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find('.', begin), text.size());
      out.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
    return out;
  };
  if (const auto* create = std::get_if<CreateSchemaStatement>(&statement)) {
    LH_RETURN_IF_ERROR(writer_.create_schema(context, levels(create->name), create->if_not_exists));
    return success;
  }
  if (const auto* drop = std::get_if<DropSchemaStatement>(&statement)) {
    LH_RETURN_IF_ERROR(
        writer_.drop_schema(context, levels(drop->name), drop->if_exists, drop->cascade));
    return success;
  }
  return fail(ErrorCode::Internal, "a statement has no one to run it");
}

/// The engine knows all spellings of a type: INT, TEXT, DOUBLE PRECISION, NUMERIC(9, 2).
Result<std::vector<std::string>> QueryService::canonical_types(
    const RequestContext& context, const std::vector<std::string>& types) {
  engine::Statement statement;
  for (const std::string& type : types) {
    // The parser has let only names, numbers and balanced brackets through.
    statement.text.append(statement.text.empty() ? "SELECT " : ", ");
    statement.text.append(fmt::format("CAST(NULL AS {})", type));
  }
  auto columns = engine_.describe(context, std::move(statement));
  if (!columns) {
    Error error = std::move(columns).error();
    error.position_bytes.reset();
    return std::unexpected(std::move(error).with_context("the columns' types"));
  }
  std::vector<std::string> out;
  out.reserve(columns->size());
  for (const engine::Column& column : *columns) {
    out.push_back(column.type);
  }
  return out;
}

}  // namespace lakehouse::query
