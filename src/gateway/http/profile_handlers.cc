#include "gateway/http/profile_handlers.h"

#include <charconv>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "gateway/http/paging.h"
#include "gateway/http/receipts.h"
#include "gateway/http/registry_json.h"

namespace lakehouse::gateway::http {

namespace {

namespace json = boost::json;
using query::DatasetPii;

constexpr std::int64_t kSampleRowsMin = 100;
constexpr std::int64_t kSampleRowsMax = 100'000;

constexpr std::string_view kPii = R"({
  "type":"object","required":["dataset","sensitivity","scanned","findings","next_page_token"],
  "properties":{"dataset":{"type":"string"},
  "sensitivity":{"type":["string","null"],"description":"Of the dataset, as the registry has it."},
  "scanned":{"type":["object","null"],"description":"The last time; null: never yet.",
    "required":["at","snapshot_id","sampled_rows","rows","on_demand"],"properties":{
    "at":{"type":"string","format":"date-time"},"snapshot_id":{"type":["integer","null"]},
    "sampled_rows":{"type":"integer"},"rows":{"type":"integer","description":"There were then."},
    "on_demand":{"type":"boolean","description":"Else at an ingest, of the rows that came."}}},
  "findings":{"type":"array","items":{"type":"object","required":["column","field_id","kind",
    "confidence","reason","sample_size","inside_texts","sensitivity","decided_by"],"properties":{
    "column":{"type":"string"},"field_id":{"type":"integer"},
    "kind":{"type":"string","enum":["email","phone","ssn","salary","address","medical","card",
      "bank_account","person_name","birth_date"]},
    "confidence":{"type":"number","minimum":0,"maximum":1},"reason":{"type":"string"},
    "sample_size":{"type":"integer","description":"Values that were looked at."},
    "inside_texts":{"type":"boolean","description":"Some texts mention it; they are not it."},
    "sensitivity":{"type":"string","description":"Of the column, as the registry has it."},
    "decided_by":{"type":"string","enum":["detector","person"]}}}},
  "next_page_token":{"type":["string","null"]}}})";

constexpr std::string_view kProfile = R"({
  "type":"object","required":["dataset","snapshot_id","computed_at","rows","columns"],"properties":{
  "dataset":{"type":"string"},"snapshot_id":{"type":["integer","null"]},
  "computed_at":{"type":"string","format":"date-time"},"rows":{"type":"integer"},
  "columns":{"type":"array","items":{"type":"object","required":["name","id","type","count",
    "nulls"],"properties":{"name":{"type":"string"},"id":{"type":"integer"},
    "type":{"type":"string"},"count":{"type":"integer","description":"Values that are not NULL."},
    "nulls":{"type":"integer"},
    "distinct":{"type":"integer","description":"Different values; above 10000 an estimate."},
    "personal":{"type":"string",
      "description":"The kind of personal data: its single values are not shown."},
    "min":{},"max":{},
    "quantiles":{"type":"object","description":"By share: 0.05, 0.25, 0.5, 0.75, 0.95."},
    "top_values":{"type":"array","items":{"type":"object","required":["value","count"],
      "properties":{"value":{"type":"string"},"count":{"type":"integer"}}}},
    "histogram":{"type":"array","items":{"type":"object","required":["from","to","count"],
      "properties":{"from":{},"to":{},"count":{"type":"integer"}}}}}}}}})";

ContentSpec reference(std::string_view name) {
  return {.media_type = "application/json",
          .schema = fmt::format(R"({{"$ref":"#/components/schemas/{}"}})", name)};
}

json::object finding_to_json(const catalog::PiiFinding& finding,
                             const catalog::RegistryEntry& entry) {
  const catalog::ColumnEntry* known = entry.column(finding.column);
  const bool decided = known != nullptr && (known->sensitivity || known->category);
  const auto sensitivity =
      decided && known->sensitivity ? *known->sensitivity : catalog::sensitivity_of(finding.kind);
  const auto by = decided ? known->by : catalog::DecidedBy::Detector;
  json::object out;
  out["column"] = finding.column;
  out["field_id"] = finding.field_id;
  out["kind"] = std::string(to_string(finding.kind));
  out["confidence"] = finding.confidence;
  out["reason"] = finding.reason;
  out["sample_size"] = finding.sample_size;
  out["inside_texts"] = finding.inside_texts;
  out["sensitivity"] = std::string(to_string(sensitivity));
  out["decided_by"] = std::string(to_string(by));
  return out;
}

/// One page; the token is how many findings came before.
json::object pii_to_json(const DatasetPii& pii, std::size_t from, std::size_t limit) {
  const catalog::RegistryEntry entry = catalog::registry_entry(*pii.table.metadata);
  json::array findings;
  std::size_t at = from;
  for (; at < pii.findings.size() && findings.size() < limit; ++at) {
    findings.push_back(finding_to_json(pii.findings[at], entry));
  }
  json::object out;
  out["dataset"] = to_string(pii.table.identifier);
  const auto sensitivity = entry.sensitivity();
  out["sensitivity"] =
      sensitivity ? json::value(std::string(to_string(*sensitivity))) : json::value();
  out["scanned"] = json::value();
  if (pii.scan) {
    json::object scan;
    scan["at"] = time_text(pii.scan->at_ms);
    scan["snapshot_id"] =
        pii.scan->snapshot_id ? json::value(*pii.scan->snapshot_id) : json::value();
    scan["sampled_rows"] = pii.scan->sampled_rows;
    scan["rows"] = pii.scan->table_rows;
    scan["on_demand"] = pii.scan->on_demand;
    out["scanned"] = std::move(scan);
  }
  out["findings"] = std::move(findings);
  out["next_page_token"] =
      at < pii.findings.size() ? json::value(std::to_string(at)) : json::value();
  return out;
}

Result<std::size_t> offset_of(const std::string& page_token) {
  std::size_t at = 0;
  const char* end = page_token.data() + page_token.size();
  const auto [stop, problem] = std::from_chars(page_token.data(), end, at);
  if (!page_token.empty() && (problem != std::errc() || stop != end)) {
    return fail(ErrorCode::InvalidArgument, "page_token is none that a page gave");
  }
  return at;
}

}  // namespace

void ProfileHandlers::add_routes(Router& router) {
  router.add_schema("DatasetPii", std::string(kPii));
  router.add_schema("DatasetProfile", std::string(kProfile));
  router.add({.method = Method::Get,
              .path = "/catalog/datasets/by-name/{name}/profile",
              .operation_id = "getDatasetProfile",
              .summary = "What a dataset's columns hold, in numbers",
              .tag = "registry",
              .description = "Of all rows of a snapshot. Computed when it is first asked for, and "
                             "kept: the first answer may take as long as reading the dataset.",
              .parameters = {{.in = ParameterSpec::In::Query,
                              .name = "snapshot_id",
                              .description = "The current one if it is left out.",
                              .schema = R"({"type":"integer"})"}},
              .responses = {{.status = 200,
                             .description = "It.",
                             .content = {reference("DatasetProfile")}}},
              .errors = {404, 501, 504},
              .handler = [this](Request request) { return profile(std::move(request)); }});
  router.add({.method = Method::Get,
              .path = "/catalog/datasets/by-name/{name}/pii",
              .operation_id = "getDatasetPii",
              .summary = "Personal data that was found in a dataset",
              .tag = "registry",
              .parameters = page_parameters(),
              .responses = {{.status = 200,
                             .description = "One page of findings.",
                             .content = {reference("DatasetPii")}}},
              .errors = {404},
              .handler = [this](Request request) { return show_pii(std::move(request)); }});
  router.add({.method = Method::Post,
              .path = "/catalog/datasets/by-name/{name}/pii/scan",
              .operation_id = "scanDatasetPii",
              .summary = "Look for personal data in a sample of the whole dataset",
              .tag = "registry",
              .description = "What is found replaces what was. Columns become as sensitive as that "
                             "says, except where a person has decided.",
              .parameters = {{.in = ParameterSpec::In::Query,
                              .name = "sample_rows",
                              .description = "How many rows to look at, at most.",
                              .schema = R"({"type":"integer","minimum":100,"maximum":100000,)"
                                        R"("default":2000})"},
                             {.in = ParameterSpec::In::Header,
                              .name = "Idempotency-Key",
                              .description = "A repetition with the same key is answered the same "
                                             "and does nothing."}},
              .responses = {{.status = 200,
                             .description = "What was found; the first page of it.",
                             .content = {reference("DatasetPii")}}},
              .errors = {404, 409, 422, 501, 504},
              .handler = [this](Request request) { return scan_pii(std::move(request)); }});
}

net::awaitable<Result<Response>> ProfileHandlers::profile(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const auto snapshot_id,
                         request.query_int("snapshot_id", INT64_MIN, INT64_MAX));
  auto work = [this, context = request.context, name = request.path_param("name"), snapshot_id] {
    return profiler_.profile(context, name, snapshot_id);
  };
  LH_ASSIGN_OR_CO_RETURN(json::object body, co_await run_on(pools_.engine, std::move(work)));
  body["computed_at"] = time_text(body["computed_at_ms"].to_number<std::int64_t>());
  body.erase("computed_at_ms");
  const json::value answer(std::move(body));
  co_return json_response(200, answer);
}

net::awaitable<Result<Response>> ProfileHandlers::show_pii(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const catalog::PageRequest wanted, page_of(request));
  LH_ASSIGN_OR_CO_RETURN(const std::size_t from, offset_of(wanted.page_token));
  auto work = [this, context = request.context, name = request.path_param("name")] {
    return pii_.show(context, name);
  };
  LH_ASSIGN_OR_CO_RETURN(const DatasetPii pii, co_await run_on(pools_.storage, std::move(work)));
  const json::value answer(pii_to_json(pii, from, wanted.limit));
  co_return json_response(200, answer);
}

net::awaitable<Result<Response>> ProfileHandlers::scan_pii(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const std::string key, idempotency_key(request));
  LH_ASSIGN_OR_CO_RETURN(const auto sample_rows,
                         request.query_int("sample_rows", kSampleRowsMin, kSampleRowsMax));
  std::string what = fmt::format("POST pii/scan {}", request.target);
  auto work = [this, context = request.context, name = request.path_param("name"), sample_rows, key,
               what = std::move(what)] { return scan_now(context, name, sample_rows, key, what); };
  co_return co_await run_on(pools_.engine, std::move(work));
}

Result<Response> ProfileHandlers::scan_now(const RequestContext& context,
                                           const std::string& dataset,
                                           std::optional<std::int64_t> sample_rows,
                                           const std::string& key, const std::string& what) {
  ReceiptKeeper receipts(catalog_, context, key, what);
  LH_ASSIGN_OR_RETURN(std::optional<Response> earlier, receipts.earlier());
  if (earlier) {
    return *std::move(earlier);
  }
  LH_ASSIGN_OR_RETURN(const DatasetPii pii, pii_.scan(context, dataset, sample_rows));
  std::string body = json::serialize(pii_to_json(pii, 0, kPageMax));
  receipts.keep_after(200, body);
  return json_text_response(200, std::move(body));
}

}  // namespace lakehouse::gateway::http
