#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "gateway/http/iceberg_planning.h"

// Scan planning's part of the route table, and its schemas in openapi.json.

namespace lakehouse::gateway::http {
namespace {

using In = ParameterSpec::In;

constexpr std::string_view kTable = "/iceberg/v1/namespaces/{namespace}/tables/{table}";

struct NamedSchema {
  std::string_view name;
  std::string_view schema;
};

constexpr std::array<NamedSchema, 6> kSchemas = {{
    {"IcebergExpression",
     R"({"type":["boolean","object"],"properties":{"type":{"type":"string","description":)"
     R"("and, or, not, true, false, eq, not-eq, lt, lt-eq, gt, gt-eq, in, not-in, starts-with, )"
     R"(not-starts-with, is-null, not-null, is-nan or not-nan"},
"left":{"$ref":"#/components/schemas/IcebergExpression"},
"right":{"$ref":"#/components/schemas/IcebergExpression"},
"child":{"$ref":"#/components/schemas/IcebergExpression"},
"term":{"type":["string","object"],"description":"A column's name, or a transform of one."},
"value":{},"values":{"type":"array","items":{}}}})"},
    {"IcebergPlanTableScan",
     R"({"type":"object","properties":{"snapshot-id":{"type":"integer","format":"int64",
"description":"Without it, the current one."},
"start-snapshot-id":{"type":"integer","format":"int64",
"description":"Only what appends brought after this one, up to end-snapshot-id."},
"end-snapshot-id":{"type":"integer","format":"int64"},
"select":{"type":"array","items":{"type":"string"},"description":"Not used: files are whole."},
"filter":{"$ref":"#/components/schemas/IcebergExpression"},
"min-rows-requested":{"type":"integer","format":"int64",
"description":"Files that surely hold as many matching rows are enough."},
"case-sensitive":{"type":"boolean","default":true},
"use-snapshot-schema":{"type":"boolean","default":false},
"stats-fields":{"type":"array","items":{"type":"string"},
"description":"Columns whose counts and bounds are sent."}}})"},
    {"IcebergContentFile",
     R"({"type":"object","required":["spec-id","partition","content","file-path","file-format",
"file-size-in-bytes","record-count"],"properties":{"spec-id":{"type":"integer"},
"content":{"type":"string","enum":["data","position-deletes","equality-deletes"]},
"partition":{"type":"array","items":{}},"file-path":{"type":"string"},
"file-format":{"type":"string","enum":["avro","orc","parquet","puffin"]},
"file-size-in-bytes":{"type":"integer"},"record-count":{"type":"integer"}}})"},
    {"IcebergScanTasks",
     R"({"type":"object","required":["file-scan-tasks"],"properties":{"file-scan-tasks":{
"type":"array","items":{"type":"object","required":["data-file"],"properties":{
"data-file":{"$ref":"#/components/schemas/IcebergContentFile"},
"delete-file-references":{"type":"array","items":{"type":"integer"}},
"residual-filter":{"$ref":"#/components/schemas/IcebergExpression"}}}},
"delete-files":{"type":"array","items":{"$ref":"#/components/schemas/IcebergContentFile"}},
"plan-tasks":{"type":"array","items":{"type":"string"}}}})"},
    {"IcebergPlanningResult",
     R"({"type":"object","required":["status"],"properties":{
"status":{"type":"string","enum":["completed","cancelled"]},"plan-id":{"type":"string"},
"file-scan-tasks":{"type":"array","items":{"type":"object"}},
"delete-files":{"type":"array","items":{"$ref":"#/components/schemas/IcebergContentFile"}},
"plan-tasks":{"type":"array","items":{"type":"string"}}}})"},
    {"IcebergFetchScanTasks",
     R"({"type":"object","required":["plan-task"],"properties":{"plan-task":{"type":"string"}}})"},
}};

ContentSpec json_of(std::string_view schema) {
  return {.media_type = "application/json",
          .schema = fmt::format(R"({{"$ref":"#/components/schemas/{}"}})", schema),
          .example = {}};
}

ParameterSpec path_parameter(std::string name, std::string description) {
  return {.in = In::Path,
          .name = std::move(name),
          .description = std::move(description),
          .schema = R"({"type":"string","minLength":1})",
          .required = true};
}

}  // namespace

Route PlanningHandlers::route(Method method, std::string path, std::string operation_id,
                              Operation operation) {
  Route route{.method = method,
              .path = std::string(kTable) + std::move(path),
              .operation_id = std::move(operation_id),
              .summary = {},
              .tag = "Iceberg REST catalog",
              .responses = {},
              .handler = {}};
  route.parameters = {
      path_parameter("namespace", "The namespace's levels, joined by the unit separator (%1F)."),
      path_parameter("table", "The table's name.")};
  if (route.path.contains("{plan-id}")) {
    route.parameters.push_back(path_parameter("plan-id", "Of an answer to planTableScan."));
  }
  route.errors = {404, 409, 504};
  if (method == Method::Post) {
    route.errors.insert(route.errors.end(), {406, 413, 415});
  }
  route.handler = [this, operation](Request request) { return run(std::move(request), operation); };
  return route;
}

void PlanningHandlers::add_routes(Router& router) {
  for (const NamedSchema& schema : kSchemas) {
    router.add_schema(std::string(schema.name), std::string(schema.schema));
  }
  Route plan =
      route(Method::Post, "/plan", "icebergPlanTableScan", &PlanningHandlers::plan_table_scan);
  plan.summary = "Plan a scan: its files, what is deleted in them, and what is left of the filter";
  plan.request = {json_of("IcebergPlanTableScan")};
  plan.responses = {{.status = 200,
                     .description = "Always completed. Large plans go on in plan tasks.",
                     .content = {json_of("IcebergPlanningResult")}}};
  router.add(std::move(plan));

  Route result = route(Method::Get, "/plan/{plan-id}", "icebergFetchPlanningResult",
                       &PlanningHandlers::fetch_planning_result);
  result.summary = "A plan once more";
  result.responses = {{.status = 200,
                       .description = "The plan, or that it was cancelled.",
                       .content = {json_of("IcebergPlanningResult")}}};
  router.add(std::move(result));

  Route cancel = route(Method::Delete, "/plan/{plan-id}", "icebergCancelPlanning",
                       &PlanningHandlers::cancel_planning);
  cancel.summary = "Forget a plan";
  cancel.responses = {{.status = 204, .description = "It is forgotten."}};
  router.add(std::move(cancel));

  Route tasks =
      route(Method::Post, "/tasks", "icebergFetchScanTasks", &PlanningHandlers::fetch_scan_tasks);
  tasks.summary = "The files of a plan task";
  tasks.request = {json_of("IcebergFetchScanTasks")};
  tasks.responses = {{.status = 200,
                      .description = "The files, and perhaps tasks for more.",
                      .content = {json_of("IcebergScanTasks")}}};
  router.add(std::move(tasks));
}

}  // namespace lakehouse::gateway::http
