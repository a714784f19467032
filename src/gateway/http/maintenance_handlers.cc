#include "gateway/http/maintenance_handlers.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "gateway/http/receipts.h"

namespace lakehouse::gateway::http {

namespace net = boost::asio;

namespace {

namespace json = boost::json;

constexpr std::int64_t kSettledSecondsMax = 86'400;
constexpr std::size_t kListedMax = 10'000;  // Of each kind, in one answer.

constexpr std::string_view kRebuild = R"({
  "type":"object","additionalProperties":false,"properties":{
  "dry_run":{"type":"boolean","default":false,"description":"Only say what would be done."},
  "settled_seconds":{"type":"integer","minimum":0,"maximum":86400,"default":60,
    "description":"What was written to in this time is left alone: its pointer may be about to come."}}})";

constexpr std::string_view kRebuilt = R"({
  "type":"object",
  "required":["dry_run","kept","rebuilt","rebuilt_count","problems","problem_count","dropped"],
  "properties":{
  "dry_run":{"type":"boolean"},
  "kept":{"type":"integer","description":"Pointers that were right."},
  "rebuilt_count":{"type":"integer"},
  "rebuilt":{"type":"array","description":"The first 10,000.","items":{"type":"object",
    "required":["dataset","kind","metadata_location","was_broken"],"properties":{
    "dataset":{"type":"string"},"kind":{"type":"string","enum":["table","view"]},
    "metadata_location":{"type":"string"},
    "was_broken":{"type":"boolean","description":"It had a pointer, to a file that is not there."}}}},
  "problem_count":{"type":"integer"},
  "problems":{"type":"array","description":"What looks like a dataset and got no pointer; the first 10,000.",
    "items":{"type":"object","required":["location","reason"],"properties":{
    "location":{"type":"string"},"reason":{"type":"string"}}}},
  "dropped":{"type":"integer","description":"Folders of datasets that were dropped without their files."}}})";

constexpr std::string_view kResync = R"({
  "type":"object","additionalProperties":false,"properties":{
  "verify":{"type":"boolean","default":false,
    "description":"Look into datasets that say their counts, too."}}})";

constexpr std::string_view kResynced = R"({
  "type":"object","required":["checked","right","repaired","problems"],"properties":{
  "checked":{"type":"integer"},
  "right":{"type":"integer","description":"Datasets that were left as they were."},
  "repaired":{"type":"array","items":{"type":"object",
    "required":["dataset","snapshot_id","rows","files","size_bytes"],"properties":{
    "dataset":{"type":"string"},"snapshot_id":{"type":"integer"},
    "rows":{"type":"integer","description":"Without those that are deleted by position."},
    "files":{"type":"integer"},"size_bytes":{"type":"integer"}}}},
  "problems":{"type":"array","description":"What cannot be repaired here.",
    "items":{"type":"object","required":["dataset","reason"],"properties":{
    "dataset":{"type":"string"},"reason":{"type":"string"}}}}}})";

ContentSpec content(std::string_view schema) {
  return {.media_type = "application/json", .schema = std::string(schema)};
}

std::string to_text(const catalog::RebuildReport& report, bool dry_run) {
  json::array rebuilt;
  for (const catalog::RebuiltDataset& dataset : report.rebuilt) {
    if (rebuilt.size() == kListedMax) {
      break;
    }
    rebuilt.push_back(json::object{{"dataset", to_string(dataset.identifier)},
                                   {"kind", dataset.is_view ? "view" : "table"},
                                   {"metadata_location", dataset.metadata_location},
                                   {"was_broken", dataset.was_broken}});
  }
  json::array problems;
  for (const catalog::RebuildProblem& problem : report.problems) {
    if (problems.size() == kListedMax) {
      break;
    }
    problems.push_back(json::object{{"location", problem.location}, {"reason", problem.reason}});
  }
  json::object text;
  text["dry_run"] = dry_run;
  text["kept"] = report.kept;
  text["rebuilt_count"] = report.rebuilt.size();
  text["rebuilt"] = std::move(rebuilt);
  text["problem_count"] = report.problems.size();
  text["problems"] = std::move(problems);
  text["dropped"] = report.dropped;
  return json::serialize(text);
}

std::string to_text(const query::ResyncReport& report) {
  json::array repaired;
  for (const query::ResyncedDataset& dataset : report.repaired) {
    const query::SnapshotTotals& totals = dataset.totals;
    const std::int64_t rows = std::max<std::int64_t>(0, totals.records - totals.position_deletes);
    repaired.push_back(json::object{{"dataset", to_string(dataset.table)},
                                    {"snapshot_id", dataset.snapshot_id},
                                    {"rows", rows},
                                    {"files", totals.data_files},
                                    {"size_bytes", totals.bytes}});
  }
  json::array problems;
  for (const query::ResyncProblem& problem : report.problems) {
    problems.push_back(
        json::object{{"dataset", to_string(problem.table)}, {"reason", problem.reason}});
  }
  return json::serialize(json::object{{"checked", report.checked},
                                      {"right", report.right},
                                      {"repaired", std::move(repaired)},
                                      {"problems", std::move(problems)}});
}

}  // namespace

void MaintenanceHandlers::add_resync_route(Router& router) {
  router.add({.method = Method::Post,
              .path = "/catalog/resync-missing",
              .operation_id = "resyncMissing",
              .summary = "Repair the counts of datasets that do not say them",
              .tag = "catalog",
              .description =
                  "Other programs may commit snapshots that do not say how many rows and files the "
                  "dataset has. They are counted by the files' footers and put into a new "
                  "snapshot with the same files.",
              .parameters = {{.in = ParameterSpec::In::Header,
                              .name = "Idempotency-Key",
                              .description = "A repetition with the same key does nothing."}},
              .request = {content(kResync)},
              .responses = {{.status = 200,
                             .description = "What was repaired, and what could not be.",
                             .content = {content(kResynced)}}},
              .errors = {413, 415, 422, 504},
              .handler = [this](Request request) { return resync(std::move(request)); }});
}

net::awaitable<Result<Response>> MaintenanceHandlers::resync(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const std::string key, idempotency_key(request));
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  LH_ASSIGN_OR_CO_RETURN(const auto verify, fields.optional_bool("verify"));
  LH_CO_RETURN_IF_ERROR(fields.refuse_unknown());
  auto work = [this, context = request.context, all = verify.value_or(false), key] {
    return resync_now(context, all, key);
  };
  co_return co_await run_on(pools_.jobs, std::move(work));
}

Result<Response> MaintenanceHandlers::resync_now(const RequestContext& context, bool verify,
                                                 const std::string& key) {
  ReceiptKeeper receipts(catalog_, context, key,
                         fmt::format("POST /catalog/resync-missing\n{}", verify));
  LH_ASSIGN_OR_RETURN(std::optional<Response> earlier, receipts.earlier());
  if (earlier) {
    return *std::move(earlier);
  }
  LH_ASSIGN_OR_RETURN(const query::ResyncReport report, sizes_.run(context, verify));
  std::string body = to_text(report);
  receipts.keep_after(200, body);
  return json_text_response(200, std::move(body));
}

void MaintenanceHandlers::add_routes(Router& router) {
  add_resync_route(router);
  router.add({.method = Method::Post,
              .path = "/catalog/rebuild",
              .operation_id = "rebuildCatalog",
              .summary = "Remake lost pointers from what the buckets hold",
              .tag = "catalog",
              .description =
                  "Tables and views that lie in a bucket and that the catalog does not know come "
                  "back by the name that their folder says, and those whose metadata file is lost "
                  "go back to the newest one that can be read. What the catalog knows and finds "
                  "stays as it is; nothing is removed.",
              .parameters = {{.in = ParameterSpec::In::Header,
                              .name = "Idempotency-Key",
                              .description = "A repetition with the same key does nothing."}},
              .request = {content(kRebuild)},
              .responses = {{.status = 200,
                             .description = "What was remade, and what could not be.",
                             .content = {content(kRebuilt)}}},
              .errors = {413, 415, 422, 504},
              .handler = [this](Request request) { return rebuild(std::move(request)); }});
}

net::awaitable<Result<Response>> MaintenanceHandlers::rebuild(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const std::string key, idempotency_key(request));
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  LH_ASSIGN_OR_CO_RETURN(const auto dry_run, fields.optional_bool("dry_run"));
  LH_ASSIGN_OR_CO_RETURN(const auto settled, fields.optional_int64("settled_seconds"));
  LH_CO_RETURN_IF_ERROR(fields.refuse_unknown());
  catalog::RebuildOptions options;
  options.dry_run = dry_run.value_or(false);
  options.settled = std::chrono::seconds(settled.value_or(options.settled.count()));
  if (options.settled.count() < 0 || options.settled.count() > kSettledSecondsMax) {
    co_return fail(ErrorCode::InvalidArgument,
                   fmt::format("settled_seconds must be 0 to {}", kSettledSecondsMax));
  }
  auto work = [this, context = request.context, options, key] {
    return rebuild_now(context, options, key);
  };
  co_return co_await run_on(pools_.jobs, std::move(work));
}

Result<Response> MaintenanceHandlers::rebuild_now(const RequestContext& context,
                                                  const catalog::RebuildOptions& options,
                                                  const std::string& key) {
  ReceiptKeeper receipts(
      catalog_, context, key,
      fmt::format("POST /catalog/rebuild\n{} {}", options.dry_run, options.settled.count()));
  LH_ASSIGN_OR_RETURN(std::optional<Response> earlier, receipts.earlier());
  if (earlier) {
    return *std::move(earlier);
  }
  catalog::RebuildOptions now = options;
  now.now_ms = catalog_.now_ms();
  LH_ASSIGN_OR_RETURN(const catalog::RebuildReport report,
                      catalog::rebuild(context, catalog_.buckets(), metastore_, now));
  std::string body = to_text(report, options.dry_run);
  receipts.keep_after(200, body);
  return json_text_response(200, std::move(body));
}

}  // namespace lakehouse::gateway::http
