#include "gateway/http/query_log_handlers.h"

#include <string>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "gateway/http/paging.h"
#include "gateway/http/registry_json.h"

namespace lakehouse::gateway::http {
namespace {

namespace json = boost::json;
using query::LoggedQuery;

constexpr std::string_view kEntry = R"({
  "type":"object","required":["id","principal","sql","started","elapsed_ms","code","engine","lane",
    "cached","attempts","rows","bytes","scan_bytes","memory_peak_bytes","spill_peak_bytes",
    "snapshot_ids"],"properties":{
  "id":{"type":"string"},"principal":{"type":"string"},
  "sql":{"type":"string",
    "description":"Its first 2,000 bytes, as far as query.log_statements lets them be kept."},
  "started":{"type":"string","format":"date-time"},
  "elapsed_ms":{"type":"number","description":"Until its last row had left."},
  "code":{"type":"string","description":"OK, or the error's code."},
  "message":{"type":"string",
    "description":"Of the error; not there unless query.log_statements is full."},
  "engine":{"type":"string"},
  "lane":{"type":"string","enum":["light","heavy","file","none"]},
  "cached":{"type":"boolean"},
  "attempts":{"type":"integer","description":"How often it began to run."},
  "rows":{"type":"integer"},"bytes":{"type":"integer","description":"Of the answer."},
  "scan_bytes":{"type":"integer","description":"Of data files, as estimated before."},
  "memory_peak_bytes":{"type":"integer","description":"Of the engine while it ran; 0 for small statements."},
  "spill_peak_bytes":{"type":"integer"},
  "snapshot_ids":{"type":"object","additionalProperties":{"type":"integer"}}}})";

json::object entry_of(const LoggedQuery& query) {
  json::object snapshots;
  for (const auto& [dataset, id] : query.snapshot_ids) {
    snapshots[dataset] = id;
  }
  const bool ran = query.lane != engine::Lane::Auto;
  json::object entry{{"id", query.id},
                     {"principal", query.principal},
                     {"sql", query.sql},
                     {"started", time_text(query.started_at_ms)},
                     {"elapsed_ms", static_cast<double>(query.elapsed_us) / 1000},
                     {"code", query.code},
                     {"engine", query.engine},
                     {"lane", ran ? engine::to_string(query.lane) : "none"},
                     {"cached", query.cached},
                     {"attempts", query.attempts},
                     {"rows", query.rows},
                     {"bytes", query.bytes},
                     {"scan_bytes", query.scan_bytes},
                     {"memory_peak_bytes", query.memory_peak_bytes},
                     {"spill_peak_bytes", query.spill_peak_bytes},
                     {"snapshot_ids", std::move(snapshots)}};
  if (!query.message.empty()) {
    entry["message"] = query.message;
  }
  return entry;
}

ContentSpec content(std::string schema) {
  return {.media_type = "application/json", .schema = std::move(schema)};
}

}  // namespace

void QueryLogHandlers::add_routes(Router& router) {
  router.add(
      {.method = Method::Get,
       .path = "/query/log",
       .operation_id = "listQueryLog",
       .summary = "The statements that were run, the latest first",
       .tag = "Query",
       .description = "The last query.log_rows of them; an entry comes when its statement is over.",
       .parameters =
           with_page_parameters({{.name = "principal", .description = "Only this caller's."},
                                 {.name = "failed",
                                  .description = "true: only those that failed.",
                                  .schema = R"({"type":"boolean"})"}}),
       .responses = {{.status = 200,
                      .description = "One page.",
                      .content = {content(
                          fmt::format(R"({{"type":"object","required":["queries"],"properties":{{)"
                                      R"("queries":{{"type":"array","items":{}}},)"
                                      R"("next_page_token":{{"type":"string"}}}}}})",
                                      kEntry))}}},
       .handler = [this](Request request) { return list(std::move(request)); }});
  router.add({.method = Method::Get,
              .path = "/query/log/{id}",
              .operation_id = "getLoggedQuery",
              .summary = "One statement that was run",
              .tag = "Query",
              .responses = {{.status = 200,
                             .description = "It.",
                             .content = {content(std::string(kEntry))}}},
              .errors = {404},
              .handler = [this](Request request) { return show(std::move(request)); }});
  router.add(
      {.method = Method::Get,
       .path = "/query/log/{id}/plan",
       .operation_id = "explainLoggedQuery",
       .summary = "The plan of a SELECT in the log",
       .tag = "Query",
       .description = "As it would be run for the caller now, on the tables as they are.",
       .responses = {{.status = 200,
                      .description = "The plan.",
                      .content = {content(R"({"type":"object","required":["plan"],"properties":{)"
                                          R"("plan":{"type":"string"}}})")}}},
       .errors = {404, 409, 504},
       .handler = [this](Request request) { return plan(std::move(request)); }});
}

net::awaitable<Result<Response>> QueryLogHandlers::list(Request request) {
  LH_ASSIGN_OR_CO_RETURN(catalog::PageRequest page, page_of(request));
  query::QueryLog::Filter filter;
  filter.principal = request.query_param("principal").value_or("");
  const std::string failed = request.query_param("failed").value_or("false");
  if (failed != "true" && failed != "false") {
    co_return fail(ErrorCode::InvalidArgument, "failed is neither true nor false");
  }
  filter.failed_only = failed == "true";
  auto work = [this, context = request.context, filter = std::move(filter),
               page = std::move(page)]() -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const auto found, log_.list(context, filter, page));
    json::array queries;
    for (const LoggedQuery& query : found.items) {
      queries.push_back(entry_of(query));
    }
    json::object answer{{"queries", std::move(queries)}};
    if (!found.next_page_token.empty()) {
      answer["next_page_token"] = found.next_page_token;
    }
    return json_response(200, answer);
  };
  co_return co_await run_on(pools_.storage, std::move(work));
}

net::awaitable<Result<Response>> QueryLogHandlers::show(Request request) {
  auto work = [this, context = request.context,
               id = request.path_param("id")]() -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const LoggedQuery query, log_.find(context, id));
    return json_response(200, entry_of(query));
  };
  co_return co_await run_on(pools_.storage, std::move(work));
}

net::awaitable<Result<Response>> QueryLogHandlers::plan(Request request) {
  auto work = [this, context = request.context,
               id = request.path_param("id")]() -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const LoggedQuery query, log_.find(context, id));
    if (!query.sql_is_whole || !query.params_are_whole) {
      return fail(ErrorCode::FailedPrecondition,
                  "the statement or its parameters were not kept whole: they are too long, or "
                  "query.log_statements keeps literals out",
                  "Send it to POST /query/explain.");
    }
    query::SqlRequest sql;
    sql.sql = query.sql;
    sql.params = query.params;
    if (!query.as_of.empty()) {
      sql.as_of = query.as_of;
    }
    LH_ASSIGN_OR_RETURN(const std::string text, service_.explain(context, sql));
    return json_response(200, json::object{{"plan", text}});
  };
  co_return co_await run_on(pools_.engine, std::move(work));
}

}  // namespace lakehouse::gateway::http
