#include "gateway/http/service_handlers.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace lakehouse::gateway::http {
namespace {

namespace json = boost::json;

constexpr std::chrono::milliseconds kReadyWait{5000};

constexpr std::string_view kPage = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>lakehouse</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}
code{background:#8882;padding:.1em .3em;border-radius:.2em}</style>
</head>
<body>
<h1>lakehouse</h1>
<p>Files go in, open tables come out, SQL answers. This server is running.</p>
<ul>
<li><a href="/openapi.json">/openapi.json</a>: every operation of this server</li>
<li><code>POST /ingest/file</code>: a file into a dataset, or <code>lakehouse ingest FILE</code></li>
<li><code>POST /query/sql</code>: a question in SQL, or <code>lakehouse sql</code></li>
<li><a href="/datasets">/datasets</a>: what is here</li>
<li><a href="/iceberg/v1/config">/iceberg/v1/config</a>: the Iceberg REST catalog, for DuckDB, PyIceberg, Spark and Trino</li>
<li><a href="/ready">/ready</a>, <a href="/metrics">/metrics</a>, <a href="/version">/version</a>: its state</li>
</ul>
</body>
</html>
)";

// What must answer whoever asks: probes have no keys, and people begin at the page.
constexpr std::array<std::string_view, 3> kOpenPaths = {"/", "/health", "/ready"};

Route service_route(std::string path, std::string id, std::string summary, ResponseSpec answer,
                    Handler handler) {
  Route route;
  route.method = Method::Get;
  route.open = std::ranges::find(kOpenPaths, path) != kOpenPaths.end();
  route.path = std::move(path);
  route.operation_id = std::move(id);
  route.summary = std::move(summary);
  route.tag = "Service";
  route.responses.push_back(std::move(answer));
  route.handler = std::move(handler);
  return route;
}

}  // namespace

net::awaitable<Result<Response>> ServiceHandlers::ready(Request request) {
  RequestContext context = request.context;
  context.deadline = std::min(context.deadline, std::chrono::steady_clock::now() + kReadyWait);
  auto ask = [this, context]() -> Result<Response> {
    json::object checks;
    bool all = true;
    for (const ReadyCheck& check : checks_) {
      const Status status = check.check(context);
      all = all && status.has_value();
      checks[check.name] = status ? "ok" : status.error().message;
    }
    return json_response(all ? 200 : 503,
                         json::object{{"ready", all}, {"checks", std::move(checks)}});
  };
  co_return co_await run_on(pools_.storage, std::move(ask));
}

net::awaitable<Result<Response>> ServiceHandlers::version(Request) {
  json::array layers;
  for (const engine::SandboxLayer& layer :
       sandbox_ ? sandbox_() : std::vector<engine::SandboxLayer>()) {
    layers.push_back(
        json::object{{"name", layer.name}, {"in_force", layer.in_force}, {"detail", layer.detail}});
  }
  const json::object body{
      {"name", "lakehouse"}, {"version", version_}, {"sandbox", std::move(layers)}};
  co_return json_response(200, body);
}

net::awaitable<Result<Response>> ServiceHandlers::metrics(Request) {
  co_return text_response(200, "text/plain; version=0.0.4; charset=utf-8", metrics_.text());
}

net::awaitable<Result<Response>> ServiceHandlers::openapi(Request) {
  co_return json_text_response(200, openapi_);
}

void ServiceHandlers::add_routes(Router& router) {
  const ContentSpec ready_body{
      .media_type = "application/json",
      .schema = R"({"type":"object","required":["ready","checks"],"properties":{
        "ready":{"type":"boolean"},
        "checks":{"type":"object","additionalProperties":{"type":"string"}}}})",
      .example = R"({"ready":true,"checks":{"engine":"ok","metastore":"ok"}})"};
  router.add(service_route("/health", "getHealth", "Whether the process is up",
                           {.status = 200,
                            .description = "It is.",
                            .content = {{.media_type = "application/json",
                                         .schema = R"({"type":"object","required":["status"],
                      "properties":{"status":{"type":"string","const":"ok"}}})",
                                         .example = R"({"status":"ok"})"}},
                            .headers = {}},
                           [](Request) -> net::awaitable<Result<Response>> {
                             co_return json_text_response(200, R"({"status":"ok"})");
                           }));
  Route ready_route = service_route(
      "/ready", "getReady", "Whether requests can be answered",
      {.status = 200, .description = "All parts work.", .content = {ready_body}, .headers = {}},
      [this](Request request) { return ready(std::move(request)); });
  ready_route.responses.push_back({.status = 503,
                                   .description = "A part does not work, or not yet.",
                                   .content = {ready_body},
                                   .headers = {}});
  router.add(std::move(ready_route));
  router.add(service_route(
      "/version", "getVersion", "Which version this is, and how its engines are locked in",
      {.status = 200,
       .description = "The server's version.",
       .content = {{.media_type = "application/json",
                    .schema = R"({"type":"object","required":["name","version","sandbox"],
                      "properties":{"name":{"type":"string"},"version":{"type":"string"},
                      "sandbox":{"type":"array","description":"The layers around the engines; empty until one has started.",
                      "items":{"type":"object","required":["name","in_force","detail"],"properties":{
                      "name":{"type":"string"},"in_force":{"type":"boolean"},"detail":{"type":"string"}}}}}})",
                    .example = R"({"name":"lakehouse","version":"0.1.0","sandbox":[
                      {"name":"files","in_force":true,"detail":"Landlock, version 4"}]})"}},
       .headers = {}},
      [this](Request request) { return version(std::move(request)); }));
  add_document_routes(router);
}

void ServiceHandlers::add_document_routes(Router& router) {
  router.add(service_route(
      "/metrics", "getMetrics", "Counters and timings, for Prometheus",
      {.status = 200,
       .description = "Prometheus' text format.",
       .content = {{.media_type = "text/plain", .schema = R"({"type":"string"})", .example = {}}},
       .headers = {}},
      [this](Request request) { return metrics(std::move(request)); }));
  router.add(service_route("/openapi.json", "getOpenApi", "This description",
                           {.status = 200,
                            .description = "An OpenAPI 3.1 document.",
                            .content = {{.media_type = "application/json",
                                         .schema = R"({"type":"object"})",
                                         .example = {}}},
                            .headers = {}},
                           [this](Request request) { return openapi(std::move(request)); }));
  router.add(service_route(
      "/", "getPage", "A page that says what is here",
      {.status = 200,
       .description = "HTML.",
       .content = {{.media_type = "text/html", .schema = R"({"type":"string"})", .example = {}}},
       .headers = {}},
      [](Request) -> net::awaitable<Result<Response>> {
        Response response = text_response(200, "text/html; charset=utf-8", std::string(kPage));
        response.headers.add(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
        co_return response;
      }));
}

void ServiceHandlers::finish(const Router& router) {
  openapi_ = json::serialize(router.openapi(version_));
}

}  // namespace lakehouse::gateway::http
