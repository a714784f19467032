#include "gateway/http/metrics_handlers.h"

#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/json.h"
#include "gateway/http/paging.h"

namespace lakehouse::gateway::http {
namespace {

namespace json = boost::json;
using In = ParameterSpec::In;

constexpr std::string_view kSchema = R"({"type":"object",
"required":["dataset","reports","next_page_token"],"properties":{"dataset":{"type":"string"},
"next_page_token":{"type":["string","null"]},"reports":{"type":"array","items":{"type":"object",
"required":["id","report_type","snapshot_id","principal","received_at","report"],"properties":{
"id":{"type":"string"},"report_type":{"type":"string"},"snapshot_id":{"type":["integer","null"]},
"principal":{"type":"string"},"received_at":{"type":"string","format":"date-time"},
"report":{"type":"object","description":"As the client sent it."}}}}}})";

std::string time_text(std::int64_t at_ms) {
  return fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(at_ms / 1000)),
                     at_ms % 1000);
}

Result<json::object> to_object(const catalog::MetricsReport& report) {
  LH_ASSIGN_OR_RETURN(json::value body, parse_json(report.body, "a kept report"));
  return json::object{
      {"id", report.id},
      {"report_type", report.kind},
      {"snapshot_id", report.snapshot_id ? json::value(*report.snapshot_id) : json::value()},
      {"principal", report.principal},
      {"received_at", time_text(report.received_at_ms)},
      {"report", std::move(body)}};
}

}  // namespace

Result<Response> MetricsHandlers::list_now(const Request& request) {
  LH_ASSIGN_OR_RETURN(const catalog::PageRequest page, page_of(request));
  LH_ASSIGN_OR_RETURN(const auto table,
                      catalog_.resolve_dataset(request.context, request.path_param("name")));
  LH_ASSIGN_OR_RETURN(const auto reports,
                      catalog_.list_metrics(request.context, table,
                                            request.query_param("report_type").value_or(""), page));
  json::array items;
  for (const catalog::MetricsReport& report : reports.items) {
    LH_ASSIGN_OR_RETURN(json::object item, to_object(report));
    items.push_back(std::move(item));
  }
  const std::string& next = reports.next_page_token;
  return json_response(
      200, json::object{{"dataset", to_string(table)},
                        {"reports", std::move(items)},
                        {"next_page_token", next.empty() ? json::value() : json::value(next)}});
}

net::awaitable<Result<Response>> MetricsHandlers::list(Request request) {
  auto work = [this, &request] { return list_now(request); };
  Result<Response> response = co_await run_on(pools_.storage, std::move(work));
  co_return response;
}

void MetricsHandlers::add_routes(Router& router) {
  Route route;
  route.method = Method::Get;
  route.path = "/catalog/datasets/by-name/{name}/metrics";
  route.operation_id = "listDatasetMetrics";
  route.summary = "What clients reported about scans and commits, the newest first";
  route.description =
      "The last 200 reports of each dataset are kept, as the Iceberg REST clients sent them.";
  route.tag = "datasets";
  route.parameters = with_page_parameters(
      {{.in = In::Query, .name = "report_type", .description = "scan-report or commit-report."}});
  route.responses = {
      {.status = 200,
       .description = "The reports.",
       .content = {
           {.media_type = "application/json", .schema = std::string(kSchema), .example = {}}}}};
  route.errors = {404, 504};
  route.handler = [this](Request request) { return list(std::move(request)); };
  router.add(std::move(route));
}

}  // namespace lakehouse::gateway::http
