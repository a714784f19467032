#include "gateway/http/cache_handlers.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "gateway/http/receipts.h"

namespace lakehouse::gateway::http {
namespace {

namespace json = boost::json;

constexpr std::string_view kPin = R"({
  "type":"object","additionalProperties":false,"required":["dataset"],"properties":{
  "dataset":{"type":"string"},
  "key":{"type":["array","null"],"items":{"type":"string"},"maxItems":16,
    "description":"Columns that rows are looked up by: they are sorted by them. The table's identifier fields if there are none here."},
  "wait":{"type":["boolean","null"],"default":true,
    "description":"Answer when the table is in memory; false: at once."}}})";
constexpr std::string_view kEvict = R"({
  "type":"object","additionalProperties":false,"required":["dataset"],"properties":{
  "dataset":{"type":"string"}}})";
constexpr std::string_view kTable = R"({
  "type":"object","required":["dataset","state","key","rows","bytes","parts","hits","pinned_by","pinned_at_ms"],
  "properties":{
  "dataset":{"type":"string"},
  "state":{"type":"string","enum":["loading","hot","evicted","failed"]},
  "problem":{"type":"string"},
  "key":{"type":"array","items":{"type":"string"}},
  "snapshot_id":{"type":"integer","description":"The last one that is in memory as a whole."},
  "rows":{"type":"integer"},"bytes":{"type":"integer"},
  "parts":{"type":"integer","description":"It lies in; commits add some, and they are merged."},
  "hits":{"type":"integer","description":"Scans that read from it."},
  "pinned_by":{"type":"string"},"pinned_at_ms":{"type":"integer"}}})";

std::string stats_schema() {
  return fmt::format(R"({{
  "type":"object","required":["tables","memory","results"],"properties":{{
  "tables":{{"type":"array","items":{}}},
  "memory":{{"type":"object",
    "required":["bytes","bytes_max","hits","partial_hits","misses","loads","files_loaded","evictions"],"properties":{{
    "bytes":{{"type":"integer"}},"bytes_max":{{"type":"integer"}},
    "hits":{{"type":"integer","description":"Scans from memory alone."}},
    "partial_hits":{{"type":"integer","description":"Scans from memory and, for what is new, from files."}},
    "misses":{{"type":"integer","description":"Scans of pinned tables from files alone."}},
    "loads":{{"type":"integer"}},"files_loaded":{{"type":"integer"}},"evictions":{{"type":"integer"}}}}}},
  "results":{{"type":"object","required":["bytes","bytes_max","entries","hits","misses"],"properties":{{
    "bytes":{{"type":"integer"}},"bytes_max":{{"type":"integer"}},"entries":{{"type":"integer"}},
    "hits":{{"type":"integer"}},"misses":{{"type":"integer"}}}}}}}}}})",
                     kTable);
}

ContentSpec content(std::string schema, std::string example = "") {
  return {
      .media_type = "application/json", .schema = std::move(schema), .example = std::move(example)};
}

json::object to_json(const query::HotTable& table) {
  json::object out{{"dataset", table.dataset}, {"state", to_string(table.state)}};
  if (!table.problem.empty()) {
    out["problem"] = table.problem;
  }
  out["key"] = json::array(table.key.begin(), table.key.end());
  if (table.snapshot_id) {
    out["snapshot_id"] = *table.snapshot_id;
  }
  out["rows"] = table.rows;
  out["bytes"] = table.bytes;
  out["parts"] = table.parts;
  out["hits"] = table.hits;
  out["pinned_by"] = table.principal;
  out["pinned_at_ms"] = table.pinned_at_ms;
  return out;
}

json::object to_json(const query::HotStats& hot, const query::ResultCacheStats& results) {
  json::array tables;
  for (const query::HotTable& table : hot.tables) {
    tables.push_back(to_json(table));
  }
  json::object memory{{"bytes", hot.bytes},
                      {"bytes_max", hot.bytes_max},
                      {"hits", hot.hits},
                      {"partial_hits", hot.partial_hits},
                      {"misses", hot.misses},
                      {"loads", hot.loads},
                      {"files_loaded", hot.files_loaded},
                      {"evictions", hot.evictions}};
  json::object kept{{"bytes", results.bytes},
                    {"bytes_max", results.bytes_max},
                    {"entries", results.entries},
                    {"hits", results.hits},
                    {"misses", results.misses}};
  return {
      {"tables", std::move(tables)}, {"memory", std::move(memory)}, {"results", std::move(kept)}};
}

ParameterSpec key_header() {
  return {.in = ParameterSpec::In::Header,
          .name = "Idempotency-Key",
          .description = "A repetition with the same key is answered as the first time."};
}

}  // namespace

void CacheHandlers::add_routes(Router& router) {
  router.add({.method = Method::Post,
              .path = "/query/cache/pin",
              .operation_id = "pinDataset",
              .summary = "Keep a dataset in the engine's memory",
              .tag = "Query",
              .description =
                  "From then on it stays there across commits and restarts, as long as there is "
                  "room: under query.cache_memory what was used last stays.",
              .parameters = {key_header()},
              .request = {content(std::string(kPin), R"({"dataset":"orders","key":["order_id"]})")},
              .responses = {{.status = 200,
                             .description = "It is in memory, or on its way there.",
                             .content = {content(std::string(kTable))}}},
              .errors = {404, 409, 413, 415, 422, 429, 504},
              .handler = [this](Request request) { return pin(std::move(request)); }});
  router.add({.method = Method::Post,
              .path = "/query/cache/evict",
              .operation_id = "evictDataset",
              .summary = "Take a dataset out of the engine's memory",
              .tag = "Query",
              .parameters = {key_header()},
              .request = {content(std::string(kEvict), R"({"dataset":"orders"})")},
              .responses = {{.status = 204, .description = "It is not pinned any more."}},
              .errors = {404, 413, 415, 422},
              .handler = [this](Request request) { return evict(std::move(request)); }});
  router.add({.method = Method::Get,
              .path = "/query/cache/stats",
              .operation_id = "queryCacheStats",
              .summary = "What is kept in memory for queries",
              .tag = "Query",
              .responses = {{.status = 200,
                             .description = "The pinned datasets, and counts since the start.",
                             .content = {content(stats_schema())}}},
              .handler = [this](Request request) { return stats(std::move(request)); }});
}

net::awaitable<Result<Response>> CacheHandlers::pin(Request request) {
  LH_ASSIGN_OR_CO_RETURN(std::string key, idempotency_key(request));
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  LH_ASSIGN_OR_CO_RETURN(std::string dataset, fields.require_string("dataset"));
  LH_ASSIGN_OR_CO_RETURN(const auto wait, fields.optional_bool("wait"));
  std::vector<std::string> columns;
  if (const json::value* given = fields.optional_value("key"); given && !given->is_null()) {
    LH_ASSIGN_OR_CO_RETURN(columns, fields.require_strings("key"));
  }
  LH_CO_RETURN_IF_ERROR(fields.refuse_unknown());
  auto work = [this, context = request.context, key = std::move(key),
               what = "POST /query/cache/pin\n" + json::serialize(body),
               dataset = std::move(dataset), columns = std::move(columns),
               waits = wait.value_or(true)]() -> Result<Response> {
    ReceiptKeeper receipts(catalog_, context, key, what);
    LH_ASSIGN_OR_RETURN(std::optional<Response> earlier, receipts.earlier());
    if (earlier) {
      return *std::move(earlier);
    }
    LH_ASSIGN_OR_RETURN(const query::HotTable table, hot_.pin(context, dataset, columns, waits));
    std::string text = json::serialize(to_json(table));
    receipts.keep_after(200, text);
    return json_text_response(200, std::move(text));
  };
  co_return co_await run_on(pools_.jobs, std::move(work));
}

net::awaitable<Result<Response>> CacheHandlers::evict(Request request) {
  LH_ASSIGN_OR_CO_RETURN(std::string key, idempotency_key(request));
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  LH_ASSIGN_OR_CO_RETURN(std::string dataset, fields.require_string("dataset"));
  LH_CO_RETURN_IF_ERROR(fields.refuse_unknown());
  auto work = [this, context = request.context, key = std::move(key),
               what = "POST /query/cache/evict\n" + dataset,
               dataset = std::move(dataset)]() -> Result<Response> {
    ReceiptKeeper receipts(catalog_, context, key, what);
    LH_ASSIGN_OR_RETURN(std::optional<Response> earlier, receipts.earlier());
    if (earlier) {
      return *std::move(earlier);
    }
    LH_RETURN_IF_ERROR(hot_.evict(context, dataset));
    receipts.keep_after(204, "");
    return empty_response(204);
  };
  co_return co_await run_on(pools_.storage, std::move(work));
}

net::awaitable<Result<Response>> CacheHandlers::stats(Request /*request*/) {
  const json::value answer = to_json(hot_.stats(), service_.result_cache_stats());
  co_return json_response(200, answer);
}

}  // namespace lakehouse::gateway::http
