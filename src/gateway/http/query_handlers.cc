#include "gateway/http/query_handlers.h"

#include <array>
#include <chrono>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/hash.h"
#include "base/json.h"
#include "gateway/http/body_sources.h"
#include "gateway/http/storage_handlers.h"

namespace lakehouse::gateway::http {
namespace {

namespace json = boost::json;
using query::QueryAnswer;
using query::SqlRequest;

constexpr std::size_t kSqlBodyBytesMax = std::size_t{8} << 20U;
constexpr std::size_t kKeyBytesMax = 256;

struct Offer {
  std::string_view media_type;
  engine::Encoding encoding;
  std::string_view content_type;
};
constexpr std::array kOffers = std::to_array<Offer>({
    {"application/json", engine::Encoding::Json, "application/json"},
    {"application/x-ndjson", engine::Encoding::Ndjson, "application/x-ndjson"},
    {"text/csv", engine::Encoding::Csv, "text/csv; charset=utf-8; header=present"},
    {"application/vnd.apache.arrow.stream", engine::Encoding::ArrowStream,
     "application/vnd.apache.arrow.stream"},
});

Result<const Offer*> negotiate(const Request& request) {
  std::array<std::string_view, kOffers.size()> names;
  for (std::size_t i = 0; i < kOffers.size(); ++i) {
    names[i] = kOffers[i].media_type;
  }
  const auto accepted = request.accepted(names);
  for (const Offer& offer : kOffers) {
    if (accepted && offer.media_type == *accepted) {
      return &offer;
    }
  }
  Error error{.code = ErrorCode::InvalidArgument,
              .message = "none of the accepted media types can be given",
              .hint =
                  "There are application/json, application/x-ndjson, text/csv and "
                  "application/vnd.apache.arrow.stream.",
              .position_bytes = std::nullopt,
              .details_json = {}};
  return std::unexpected(with_http_status(std::move(error), 406));
}

Status read_options(JsonFields& fields, SqlRequest& out) {
  if (const json::value* params = fields.optional_value("params")) {
    out.params = *params;
  }
  LH_ASSIGN_OR_RETURN(const auto limit, fields.optional_int64("limit"));
  if (limit && *limit < 0) {
    return fail(ErrorCode::InvalidArgument, "limit must not be negative");
  }
  if (limit) {
    out.limit = static_cast<std::uint64_t>(*limit);
  }
  LH_ASSIGN_OR_RETURN(const auto timeout_ms, fields.optional_int64("timeout_ms"));
  if (timeout_ms && *timeout_ms < 1) {
    return fail(ErrorCode::InvalidArgument, "timeout_ms must be at least 1");
  }
  if (timeout_ms) {
    // A day is for ever here; more would overflow what clocks count in.
    out.timeout = std::chrono::milliseconds(std::min<std::int64_t>(*timeout_ms, 86'400'000));
  }
  LH_ASSIGN_OR_RETURN(out.as_of, fields.optional_string("as_of"));
  LH_ASSIGN_OR_RETURN(const auto engine_name, fields.optional_string("engine"));
  if (engine_name == "trino") {
    out.engine = query::EngineChoice::Cluster;
  } else if (engine_name == "local") {
    out.engine = query::EngineChoice::Local;
  } else if (engine_name && engine_name != "auto") {
    return fail(ErrorCode::InvalidArgument, fmt::format("engine '{}' is not known", *engine_name),
                "There are auto, local and trino.");
  }
  return fields.refuse_unknown();
}

Result<SqlRequest> decode(const json::value& body) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  SqlRequest out;
  LH_ASSIGN_OR_RETURN(out.sql, fields.require_string("sql"));
  LH_RETURN_IF_ERROR(read_options(fields, out));
  return out;
}

std::int64_t elapsed_ms(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               since)
      .count();
}

std::string time_text(std::chrono::system_clock::time_point at) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch());
  return fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(at)),
                     ms.count() % 1000);
}

/// {"columns": ..., "rows": [ what the engine writes ], and what is known at the end.
Envelope json_envelope(const QueryAnswer& answer) {
  json::array columns;
  for (const engine::Column& column : answer.stream->columns()) {
    columns.push_back(json::object{{"name", column.name}, {"type", column.type}});
  }
  json::object snapshots;
  for (const auto& [dataset, id] : answer.snapshot_ids) {
    snapshots[dataset] = id;
  }
  Envelope envelope;
  envelope.prefix = fmt::format(R"({{"columns":{},"rows":[)", json::serialize(columns));
  envelope.suffix = [id = answer.query_id, started = answer.started,
                     snapshots = json::serialize(snapshots), cached = answer.is_cached,
                     engine = answer.engine](const engine::ResultEnd& end) {
    return fmt::format(
        R"(],"row_count":{},"truncated":{},"query_id":"{}","elapsed_ms":{},"snapshot_ids":{},)"
        R"("cached":{},"engine":"{}"}})",
        end.row_count, end.truncated, id, elapsed_ms(started), snapshots, cached, engine);
  };
  return envelope;
}

Error with_status(Error error, bool has_timeout) {
  if (error.details_json.contains("idempotency_key_reused")) {
    return with_http_status(std::move(error), 422);
  }
  // The caller's own limit is no fault of the server's.
  if (error.code == ErrorCode::DeadlineExceeded && has_timeout) {
    return with_http_status(std::move(error), 408);
  }
  return error;
}

// --- The routes' descriptions.

constexpr std::string_view kSqlRequest = R"({
  "type":"object","additionalProperties":false,"required":["sql"],"properties":{
  "sql":{"type":"string","description":"One statement."},
  "params":{"description":"For $1, ? (an array) or $name (an object).","anyOf":[
    {"type":"array","items":{}},{"type":"object"},{"type":"null"}]},
  "engine":{"type":["string","null"],"enum":["auto","local","trino",null],
    "description":"Where a SELECT runs; auto: what reads much, on the cluster if there is one."},
  "limit":{"type":["integer","null"],"minimum":0,"description":"Rows after that are cut."},
  "timeout_ms":{"type":["integer","null"],"minimum":1},
  "as_of":{"type":["string","null"],
    "description":"All tables as they were then: 2024-01-31T12:00:00Z."}}})";
constexpr std::string_view kSqlAnswer = R"({
  "type":"object","required":["columns","rows","row_count","truncated","query_id","elapsed_ms",
    "snapshot_ids","cached","engine"],"properties":{
  "columns":{"type":"array","items":{"type":"object","required":["name","type"],
    "properties":{"name":{"type":"string"},"type":{"type":"string"}}}},
  "rows":{"type":"array","items":{"type":"array","items":{}}},
  "row_count":{"type":"integer"},"truncated":{"type":"boolean"},"query_id":{"type":"string"},
  "elapsed_ms":{"type":"integer"},"cached":{"type":"boolean"},"engine":{"type":"string"},
  "snapshot_ids":{"type":"object","additionalProperties":{"type":"integer"},
    "description":"What was read or written: dataset and snapshot."}}})";
constexpr std::string_view kRunning = R"({
  "type":"object","required":["queries"],"properties":{"queries":{"type":"array","items":{
  "type":"object","required":["id","sql","principal","started","elapsed_ms","state","lane",
    "attempts"],"properties":{
  "id":{"type":"string"},"principal":{"type":"string"},
  "sql":{"type":"string","description":"As far as query.log_statements lets it be shown."},
  "started":{"type":"string","format":"date-time"},"elapsed_ms":{"type":"integer"},
  "state":{"type":"string","enum":["planning","waiting","running","writing","streaming"]},
  "lane":{"type":"string","enum":["light","heavy","file","none"]},
  "attempts":{"type":"integer","description":"How often it has begun to run."},
  "progress":{"type":"number","description":"From 0 to 1, where the engine can tell."}}}}}})";
constexpr std::string_view kExplain = R"({
  "type":"object","required":["plan"],"properties":{"plan":{"type":"string"}}})";

ContentSpec content(std::string_view media_type, std::string schema) {
  return {.media_type = std::string(media_type), .schema = std::move(schema)};
}

Route sql_route() {
  Route route{.method = Method::Post,
              .path = "/query/sql",
              .operation_id = "runSql",
              .summary = "Run one SQL statement",
              .tag = "Query",
              .description =
                  "SELECT in all its forms, INSERT, CREATE TABLE [AS], ALTER TABLE, DROP, CREATE "
                  "SCHEMA, DESCRIBE, SUMMARIZE, SHOW TABLES and EXPLAIN. A write answers with one "
                  "row. The rows come in the accepted encoding; only JSON tells about cut rows.",
              .request = {content("application/json", std::string(kSqlRequest))},
              .responses = {},
              .errors = {404, 406, 408, 409, 413, 415, 422, 504},
              .handler = {}};
  route.request.front().example = R"({"sql":"SELECT 1 AS one"})";
  ResponseSpec rows{.status = 200, .description = "The rows."};
  rows.content = {content(kOffers[0].media_type, std::string(kSqlAnswer)),
                  content(kOffers[1].media_type, R"({"type":"string"})"),
                  content(kOffers[2].media_type, R"({"type":"string"})"),
                  content(kOffers[3].media_type, R"({"type":"string","format":"binary"})")};
  rows.headers = {{.in = ParameterSpec::In::Header,
                   .name = "X-Lakehouse-Query-Id",
                   .description = "What DELETE /query/{id} takes."},
                  {.in = ParameterSpec::In::Header,
                   .name = "X-Lakehouse-Engine",
                   .description = "Where it runs: local or trino."},
                  {.in = ParameterSpec::In::Header,
                   .name = "ETag",
                   .description = "Of a SELECT that gives the same as long as its tables do not "
                                  "change: another answer has another tag."}};
  route.responses = {
      std::move(rows),
      {.status = 304, .description = "The rows are those of the tag that was sent."}};
  route.parameters = {{.in = ParameterSpec::In::Header,
                       .name = "Idempotency-Key",
                       .description = "For writes: a repetition is answered as the first time."},
                      {.in = ParameterSpec::In::Header,
                       .name = "If-None-Match",
                       .description = "For SELECTs: 304, without running it, if the answer would "
                                      "have this tag."}};
  return route;
}

}  // namespace

void QueryHandlers::add_routes(Router& router) {
  Route sql = sql_route();
  sql.handler = [this](Request request) { return run_sql(std::move(request)); };
  router.add(std::move(sql));

  Route plan{.method = Method::Post,
             .path = "/query/explain",
             .operation_id = "explainSql",
             .summary = "The plan of a SELECT, as text",
             .tag = "Query",
             .request = {content("application/json", std::string(kSqlRequest))},
             .responses = {{.status = 200,
                            .description = "The plan.",
                            .content = {content("application/json", std::string(kExplain))}}},
             .errors = {404, 408, 413, 415, 504},
             .handler = [this](Request request) { return explain(std::move(request)); }};
  plan.request.front().example = R"({"sql":"SELECT 1 AS one"})";
  router.add(std::move(plan));

  router.add({.method = Method::Get,
              .path = "/query/running",
              .operation_id = "listRunningQueries",
              .summary = "The statements that run now",
              .tag = "Query",
              .responses = {{.status = 200,
                             .description = "They, in the order of their start.",
                             .content = {content("application/json", std::string(kRunning))}}},
              .handler = [this](Request request) { return list_running(std::move(request)); }});

  router.add({.method = Method::Delete,
              .path = "/query/{id}",
              .operation_id = "cancelQuery",
              .summary = "Cancel a running statement",
              .tag = "Query",
              .responses = {{.status = 204, .description = "It does not run any more."}},
              .handler = [this](Request request) { return cancel(std::move(request)); }});
}

net::awaitable<Result<Response>> QueryHandlers::run_sql(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const Offer* offer, negotiate(request));
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json(kSqlBodyBytesMax));
  LH_ASSIGN_OR_CO_RETURN(SqlRequest sql, decode(body));
  sql.encoding = offer->encoding;
  sql.idempotency_key = std::string(request.header("Idempotency-Key"));
  if (sql.idempotency_key.size() > kKeyBytesMax) {
    co_return fail(ErrorCode::InvalidArgument,
                   fmt::format("the Idempotency-Key is longer than {} bytes", kKeyBytesMax));
  }
  if (!sql.idempotency_key.empty()) {
    sql.fingerprint = sha256_hex("POST /query/sql\n" + json::serialize(body));
  }
  if (request.headers.has("If-None-Match")) {
    sql.knows_tag = [tags = std::string(request.header("If-None-Match"))](std::string_view tag) {
      return names_etag(tags, fmt::format("\"{}\"", tag));
    };
  }
  const bool has_timeout = sql.timeout.has_value();
  auto work = [this, context = request.context, sql = std::move(sql)] {
    return service_.run(context, sql);
  };
  auto answer = co_await run_on(pools_.engine, std::move(work));
  if (!answer) {
    co_return std::unexpected(with_status(std::move(answer).error(), has_timeout));
  }
  Response response;
  response.headers.add("X-Lakehouse-Query-Id", answer->query_id);
  response.headers.add("X-Lakehouse-Engine", std::string(answer->engine));
  response.headers.add("Vary", "Accept");
  if (!answer->tag.empty()) {
    // Weak: the rows are the same, what stands around them is not.
    response.headers.add("ETag", fmt::format("W/\"{}\"", answer->tag));
    response.headers.add("Cache-Control", "private, no-cache");
  }
  if (answer->is_unchanged) {
    response.status = 304;
    co_return response;
  }
  Envelope envelope;
  if (offer->encoding == engine::Encoding::Json) {
    envelope = json_envelope(*answer);
  }
  envelope.map_error = [has_timeout](Error error) {
    return with_status(std::move(error), has_timeout);
  };
  response.headers.add("Content-Type", std::string(offer->content_type));
  response.body =
      engine_body(std::move(answer->stream), std::move(envelope), std::move(answer->context));
  co_return response;
}

net::awaitable<Result<Response>> QueryHandlers::explain(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json(kSqlBodyBytesMax));
  LH_ASSIGN_OR_CO_RETURN(SqlRequest sql, decode(body));
  const bool has_timeout = sql.timeout.has_value();
  auto work = [this, context = request.context, sql = std::move(sql)] {
    return service_.explain(context, sql);
  };
  auto plan = co_await run_on(pools_.engine, std::move(work));
  if (!plan) {
    co_return std::unexpected(with_status(std::move(plan).error(), has_timeout));
  }
  const json::value answer = json::object{{"plan", *plan}};
  co_return json_response(200, answer);
}

net::awaitable<Result<Response>> QueryHandlers::list_running(Request /*request*/) {
  json::array queries;
  for (const query::RunningQuery& one : service_.running()) {
    const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now() - one.started);
    json::object query{
        {"id", one.id},
        {"sql", one.sql},
        {"principal", one.principal},
        {"started", time_text(one.started)},
        {"elapsed_ms", std::max<std::int64_t>(elapsed.count(), 0)},
        {"state", one.state},
        {"lane",
         one.engine.lane == engine::Lane::Auto ? "none" : engine::to_string(one.engine.lane)},
        {"attempts", one.engine.attempts}};
    if (one.engine.progress >= 0) {
      query["progress"] = one.engine.progress;
    }
    queries.push_back(std::move(query));
  }
  const json::value answer = json::object{{"queries", std::move(queries)}};
  co_return json_response(200, answer);
}

net::awaitable<Result<Response>> QueryHandlers::cancel(Request request) {
  service_.cancel(request.path_param("id"));
  co_return empty_response(204);
}

}  // namespace lakehouse::gateway::http
