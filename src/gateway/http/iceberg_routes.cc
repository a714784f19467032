#include <array>
#include <utility>

#include <fmt/format.h>

#include "gateway/http/iceberg_call.h"
#include "gateway/http/iceberg_warehouses.h"

// The Iceberg part of the route table, and its schemas in openapi.json.

namespace lakehouse::gateway::http {
namespace {

using In = ParameterSpec::In;

constexpr std::string_view kTag = "Iceberg REST catalog";
constexpr std::string_view kNamespaces = "/iceberg/v1/namespaces";
constexpr std::string_view kNamespace = "/iceberg/v1/namespaces/{namespace}";
constexpr std::string_view kTables = "/iceberg/v1/namespaces/{namespace}/tables";
constexpr std::string_view kViews = "/iceberg/v1/namespaces/{namespace}/views";
constexpr std::string_view kView = "/iceberg/v1/namespaces/{namespace}/views/{view}";
constexpr std::string_view kTable = "/iceberg/v1/namespaces/{namespace}/tables/{table}";

// As clients look them up: the specification's paths with its {prefix}, though ours is empty.
constexpr std::array<std::string_view, 30> kEndpoints = {
    "GET /v1/{prefix}/namespaces",
    "POST /v1/{prefix}/namespaces",
    "GET /v1/{prefix}/namespaces/{namespace}",
    "HEAD /v1/{prefix}/namespaces/{namespace}",
    "DELETE /v1/{prefix}/namespaces/{namespace}",
    "POST /v1/{prefix}/namespaces/{namespace}/properties",
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "POST /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/credentials",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics",
    "POST /v1/{prefix}/namespaces/{namespace}/register",
    "POST /v1/{prefix}/tables/rename",
    "POST /v1/{prefix}/transactions/commit",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/plan",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/plan/{plan-id}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}/plan/{plan-id}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/tasks",
    "GET /v1/{prefix}/namespaces/{namespace}/views",
    "POST /v1/{prefix}/namespaces/{namespace}/views",
    "GET /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "POST /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "POST /v1/{prefix}/namespaces/{namespace}/register-view",
    "POST /v1/{prefix}/views/rename",
    "GET /v1/config",
};

struct NamedSchema {
  std::string_view name;
  std::string_view schema;
};

constexpr std::array<NamedSchema, 24> kSchemas = {{
    {"IcebergError",
     R"({"type":"object","required":["error"],"properties":{"error":{"type":"object",
"required":["message","type","code"],"properties":{"message":{"type":"string"},
"type":{"type":"string"},"code":{"type":"integer","minimum":400,"maximum":599}}}}})"},
    {"IcebergNamespace",
     R"({"type":"array","items":{"type":"string"},"description":"Levels, outermost first."})"},
    {"IcebergProperties", R"({"type":"object","additionalProperties":{"type":"string"}})"},
    {"IcebergTableIdentifier",
     R"({"type":"object","required":["namespace","name"],"properties":{
"namespace":{"$ref":"#/components/schemas/IcebergNamespace"},"name":{"type":"string"}}})"},
    {"IcebergConfig",
     R"({"type":"object","required":["defaults","overrides","endpoints"],"properties":{
"defaults":{"$ref":"#/components/schemas/IcebergProperties"},
"overrides":{"$ref":"#/components/schemas/IcebergProperties"},
"endpoints":{"type":"array","items":{"type":"string"}},
"idempotency-key-lifetime":{"type":"string"}}})"},
    {"IcebergNamespaceList",
     R"({"type":"object","required":["namespaces"],"properties":{
"namespaces":{"type":"array","items":{"$ref":"#/components/schemas/IcebergNamespace"}},
"next-page-token":{"type":["string","null"]}}})"},
    {"IcebergNamespaceWithProperties",
     R"({"type":"object","required":["namespace"],"properties":{
"namespace":{"$ref":"#/components/schemas/IcebergNamespace"},
"properties":{"$ref":"#/components/schemas/IcebergProperties"}}})"},
    {"IcebergUpdateProperties",
     R"({"type":"object","properties":{"removals":{"type":"array","items":{"type":"string"}},
"updates":{"$ref":"#/components/schemas/IcebergProperties"}}})"},
    {"IcebergPropertiesUpdated",
     R"({"type":"object","required":["updated","removed","missing"],"properties":{
"updated":{"type":"array","items":{"type":"string"}},
"removed":{"type":"array","items":{"type":"string"}},
"missing":{"type":"array","items":{"type":"string"}}}})"},
    {"IcebergTableList",
     R"({"type":"object","required":["identifiers"],"properties":{
"identifiers":{"type":"array","items":{"$ref":"#/components/schemas/IcebergTableIdentifier"}},
"next-page-token":{"type":["string","null"]}}})"},
    {"IcebergSchema",
     R"({"type":"object","required":["type","fields"],"properties":{"type":{"const":"struct"},
"schema-id":{"type":"integer"},"identifier-field-ids":{"type":"array","items":{"type":"integer"}},
"fields":{"type":"array","items":{"type":"object","required":["id","name","type","required"],
"properties":{"id":{"type":"integer"},"name":{"type":"string"},"required":{"type":"boolean"},
"doc":{"type":"string"},"type":{}}}}}})"},
    {"IcebergCreateTable",
     R"({"type":"object","required":["name","schema"],"properties":{"name":{"type":"string"},
"location":{"type":"string","description":"Ignored: tables lie where the server puts them."},
"schema":{"$ref":"#/components/schemas/IcebergSchema"},"partition-spec":{"type":"object"},
"write-order":{"type":"object"},"stage-create":{"type":"boolean"},
"properties":{"$ref":"#/components/schemas/IcebergProperties"}}})"},
    {"IcebergRegisterTable",
     R"({"type":"object","required":["name","metadata-location"],"properties":{
"name":{"type":"string"},"metadata-location":{"type":"string"},"overwrite":{"type":"boolean"}}})"},
    {"IcebergLoadTableResult",
     R"({"type":"object","required":["metadata"],"properties":{
"metadata-location":{"type":"string"},"metadata":{"type":"object",
"required":["format-version","table-uuid"]},
"config":{"$ref":"#/components/schemas/IcebergProperties"}}})"},
    {"IcebergCommitTable",
     R"({"type":"object","required":["requirements","updates"],"properties":{
"identifier":{"$ref":"#/components/schemas/IcebergTableIdentifier"},
"requirements":{"type":"array","items":{"type":"object","required":["type"],
"properties":{"type":{"type":"string"}}}},
"updates":{"type":"array","items":{"type":"object","required":["action"],
"properties":{"action":{"type":"string"}}}}}})"},
    {"IcebergCommitTransaction",
     R"({"type":"object","required":["table-changes"],"properties":{"table-changes":{"type":"array",
"items":{"allOf":[{"$ref":"#/components/schemas/IcebergCommitTable"},{"required":["identifier"]}]}}}})"},
    {"IcebergRenameTable",
     R"({"type":"object","required":["source","destination"],"properties":{
"source":{"$ref":"#/components/schemas/IcebergTableIdentifier"},
"destination":{"$ref":"#/components/schemas/IcebergTableIdentifier"}}})"},
    {"IcebergMetricsReport",
     R"({"type":"object","required":["report-type"],"properties":{
"report-type":{"type":"string"}}})"},
    {"IcebergViewVersion",
     R"({"type":"object","required":["version-id","timestamp-ms","schema-id","summary",
"representations","default-namespace"],"properties":{"version-id":{"type":"integer"},
"timestamp-ms":{"type":"integer"},"schema-id":{"type":"integer"},
"summary":{"$ref":"#/components/schemas/IcebergProperties"},
"representations":{"type":"array","items":{"type":"object","required":["type"],"properties":{
"type":{"type":"string"},"sql":{"type":"string"},"dialect":{"type":"string"}}}},
"default-catalog":{"type":"string"},
"default-namespace":{"$ref":"#/components/schemas/IcebergNamespace"}}})"},
    {"IcebergCreateView",
     R"({"type":"object","required":["name","schema","view-version"],"properties":{
"name":{"type":"string"},
"location":{"type":"string","description":"Ignored: views lie where the server puts them."},
"schema":{"$ref":"#/components/schemas/IcebergSchema"},
"view-version":{"$ref":"#/components/schemas/IcebergViewVersion"},
"properties":{"$ref":"#/components/schemas/IcebergProperties"}}})"},
    {"IcebergRegisterView",
     R"({"type":"object","required":["name","metadata-location"],"properties":{
"name":{"type":"string"},"metadata-location":{"type":"string"}}})"},
    {"IcebergLoadViewResult",
     R"({"type":"object","required":["metadata-location","metadata"],"properties":{
"metadata-location":{"type":"string"},"metadata":{"type":"object","required":["view-uuid",
"format-version","location","schemas","current-version-id","versions","version-log"]},
"config":{"$ref":"#/components/schemas/IcebergProperties"}}})"},
    {"IcebergCommitView",
     R"({"type":"object","required":["updates"],"properties":{
"identifier":{"$ref":"#/components/schemas/IcebergTableIdentifier"},
"requirements":{"type":"array","items":{"type":"object","required":["type"],
"properties":{"type":{"type":"string"}}}},
"updates":{"type":"array","items":{"type":"object","required":["action"],
"properties":{"action":{"type":"string"}}}}}})"},
    {"IcebergCredentials",
     R"({"type":"object","required":["storage-credentials"],"properties":{
"storage-credentials":{"type":"array","items":{"type":"object"}}}})"},
}};

std::string ref(std::string_view schema) {
  return fmt::format(R"({{"$ref":"#/components/schemas/{}"}})", schema);
}

ContentSpec json_of(std::string_view schema) {
  return {.media_type = "application/json", .schema = ref(schema), .example = {}};
}

ResponseSpec answer(int status, std::string description, std::string_view schema) {
  return {.status = status, .description = std::move(description), .content = {json_of(schema)}};
}

ResponseSpec nothing(int status, std::string description) {
  return {.status = status, .description = std::move(description)};
}

ParameterSpec namespace_parameter() {
  return {.in = In::Path,
          .name = "namespace",
          .description = "The namespace's levels, joined by the unit separator (%1F).",
          .schema = R"({"type":"string","minLength":1})",
          .required = true};
}

ParameterSpec table_parameter() {
  return {.in = In::Path,
          .name = "table",
          .description = "The table's name.",
          .schema = R"({"type":"string","minLength":1})",
          .required = true};
}

ParameterSpec view_parameter() {
  return {.in = In::Path,
          .name = "view",
          .description = "The view's name.",
          .schema = R"({"type":"string","minLength":1})",
          .required = true};
}

ParameterSpec idempotency_parameter() {
  return {.in = In::Header,
          .name = "Idempotency-Key",
          .description = "Makes a repetition of the request be answered as the first one was."};
}

std::vector<ParameterSpec> page_parameters() {
  return {{.in = In::Query,
           .name = "pageToken",
           .description = "The page before's next-page-token; empty for the first page."},
          {.in = In::Query,
           .name = "pageSize",
           .description = "How many at most; without it, all.",
           .schema = R"({"type":"integer","minimum":1})"}};
}

std::vector<ParameterSpec> operator+(std::vector<ParameterSpec> a, ParameterSpec b) {
  a.push_back(std::move(b));
  return a;
}

}  // namespace

Route IcebergHandlers::route(Method method, std::string path, std::string operation_id,
                             Operation operation) {
  Route route{.method = method,
              .path = std::move(path),
              .operation_id = std::move(operation_id),
              .summary = {},
              .tag = std::string(kTag),
              .responses = {},
              .handler = {}};
  if (route.path.contains("{namespace}")) {
    route.parameters.push_back(namespace_parameter());
    route.errors.push_back(404);
  }
  if (route.path.contains("{table}")) {
    route.parameters.push_back(table_parameter());
  }
  if (route.path.contains("{view}")) {
    route.parameters.push_back(view_parameter());
  }
  if (method == Method::Post) {
    route.errors.insert(route.errors.end(), {406, 413, 415});
  }
  if (method == Method::Post || method == Method::Delete) {
    route.parameters.push_back(idempotency_parameter());
    route.errors.insert(route.errors.end(), {409, 422});
  }
  route.errors.push_back(504);
  route.handler = [this, operation](Request request) { return run(std::move(request), operation); };
  return route;
}

Result<Response> IcebergHandlers::get_config(const Call& call) {
  LH_ASSIGN_OR_RETURN(
      const std::string bucket,
      warehouse_bucket(catalog_.buckets(), call.request.query_param("warehouse").value_or("")));
  boost::json::object overrides;
  if (!bucket.empty()) {
    overrides["prefix"] = bucket;
  }
  boost::json::array endpoints;
  for (const std::string_view endpoint : kEndpoints) {
    endpoints.emplace_back(endpoint);
  }
  return json_response(200, {{"defaults", boost::json::object()},
                             {"overrides", std::move(overrides)},
                             {"endpoints", std::move(endpoints)},
                             {"idempotency-key-lifetime", "PT24H"}});
}

void IcebergHandlers::add_namespace_routes(Router& router) {
  const std::string one(kNamespace);
  Route list = route(Method::Get, std::string(kNamespaces), "icebergListNamespaces",
                     &IcebergHandlers::list_namespaces);
  list.summary = "List the namespaces below one";
  list.parameters = page_parameters() + ParameterSpec{.in = In::Query,
                                                      .name = "parent",
                                                      .description =
                                                          "Whose children; absent: the "
                                                          "outermost ones."};
  list.errors.push_back(404);
  list.responses = {answer(200, "The namespaces.", "IcebergNamespaceList")};
  router.add(std::move(list));

  Route create = route(Method::Post, std::string(kNamespaces), "icebergCreateNamespace",
                       &IcebergHandlers::create_namespace);
  create.summary = "Create a namespace";
  create.request = {json_of("IcebergNamespaceWithProperties")};
  create.responses = {answer(200, "The namespace.", "IcebergNamespaceWithProperties")};
  router.add(std::move(create));

  Route load =
      route(Method::Get, one, "icebergLoadNamespaceMetadata", &IcebergHandlers::load_namespace);
  load.summary = "A namespace's properties";
  load.responses = {answer(200, "The namespace.", "IcebergNamespaceWithProperties")};
  router.add(std::move(load));

  Route exists =
      route(Method::Head, one, "icebergNamespaceExists", &IcebergHandlers::namespace_exists);
  exists.summary = "Whether a namespace exists";
  exists.responses = {nothing(204, "It exists.")};
  router.add(std::move(exists));

  Route drop = route(Method::Delete, one, "icebergDropNamespace", &IcebergHandlers::drop_namespace);
  drop.summary = "Drop an empty namespace";
  drop.responses = {nothing(204, "It is gone.")};
  router.add(std::move(drop));

  Route update = route(Method::Post, one + "/properties", "icebergUpdateProperties",
                       &IcebergHandlers::update_properties);
  update.summary = "Set and remove a namespace's properties";
  update.request = {json_of("IcebergUpdateProperties")};
  update.responses = {answer(200, "What was done.", "IcebergPropertiesUpdated")};
  router.add(std::move(update));
}

void IcebergHandlers::add_table_routes(Router& router) {
  Route list =
      route(Method::Get, std::string(kTables), "icebergListTables", &IcebergHandlers::list_tables);
  list.summary = "List a namespace's tables";
  list.parameters = page_parameters() + namespace_parameter();
  list.responses = {answer(200, "The tables.", "IcebergTableList")};
  router.add(std::move(list));

  Route create = route(Method::Post, std::string(kTables), "icebergCreateTable",
                       &IcebergHandlers::create_table);
  create.summary = "Create a table, or stage its creation";
  create.request = {json_of("IcebergCreateTable")};
  create.responses = {answer(200, "The table.", "IcebergLoadTableResult")};
  router.add(std::move(create));

  Route load =
      route(Method::Get, std::string(kTable), "icebergLoadTable", &IcebergHandlers::load_table);
  load.summary = "A table's metadata";
  load.parameters.push_back({.in = In::Query,
                             .name = "snapshots",
                             .description = "refs: only those that a branch or tag names.",
                             .schema = R"({"type":"string","enum":["all","refs"]})"});
  load.parameters.push_back({.in = In::Header,
                             .name = "If-None-Match",
                             .description = "The ETag of an answer that is known."});
  load.responses = {answer(200, "The table.", "IcebergLoadTableResult"),
                    nothing(304, "It is as it was.")};
  router.add(std::move(load));

  Route exists = route(Method::Head, std::string(kTable), "icebergTableExists",
                       &IcebergHandlers::table_exists);
  exists.summary = "Whether a table exists";
  exists.responses = {nothing(204, "It exists.")};
  router.add(std::move(exists));

  Route drop =
      route(Method::Delete, std::string(kTable), "icebergDropTable", &IcebergHandlers::drop_table);
  drop.summary = "Drop a table";
  drop.parameters.push_back({.in = In::Query,
                             .name = "purgeRequested",
                             .description = "Whether its files go, too.",
                             .schema = R"({"type":"boolean"})"});
  drop.responses = {nothing(204, "It is gone.")};
  router.add(std::move(drop));

  Route credentials = route(Method::Get, std::string(kTable) + "/credentials",
                            "icebergLoadCredentials", &IcebergHandlers::load_credentials);
  credentials.summary = "Credentials for a table's files: local files need none";
  credentials.responses = {answer(200, "An empty list.", "IcebergCredentials")};
  router.add(std::move(credentials));

  Route metrics = route(Method::Post, std::string(kTable) + "/metrics", "icebergReportMetrics",
                        &IcebergHandlers::report_metrics);
  metrics.summary = "Take a client's report about a scan or a commit";
  metrics.request = {json_of("IcebergMetricsReport")};
  metrics.responses = {nothing(204, "Taken.")};
  router.add(std::move(metrics));
}

void IcebergHandlers::add_commit_routes(Router& router) {
  Route commit = route(Method::Post, std::string(kTable), "icebergUpdateTable",
                       &IcebergHandlers::update_table);
  commit.summary = "Commit updates to a table";
  commit.request = {json_of("IcebergCommitTable")};
  commit.responses = {answer(200, "The table after the commit.", "IcebergLoadTableResult")};
  router.add(std::move(commit));

  Route registered = route(Method::Post, std::string(kNamespace) + "/register",
                           "icebergRegisterTable", &IcebergHandlers::register_table);
  registered.summary = "Register a table by its metadata file";
  registered.request = {json_of("IcebergRegisterTable")};
  registered.responses = {answer(200, "The table.", "IcebergLoadTableResult")};
  router.add(std::move(registered));

  Route rename = route(Method::Post, "/iceberg/v1/tables/rename", "icebergRenameTable",
                       &IcebergHandlers::rename_table);
  rename.summary = "Rename a table";
  rename.request = {json_of("IcebergRenameTable")};
  rename.responses = {nothing(204, "Renamed.")};
  rename.errors.push_back(404);
  router.add(std::move(rename));

  Route transaction = route(Method::Post, "/iceberg/v1/transactions/commit",
                            "icebergCommitTransaction", &IcebergHandlers::commit_transaction);
  transaction.summary = "Commit updates to several tables, all or none";
  transaction.request = {json_of("IcebergCommitTransaction")};
  transaction.responses = {nothing(204, "Committed.")};
  transaction.errors.push_back(404);
  router.add(std::move(transaction));
}

void IcebergHandlers::add_view_routes(Router& router) {
  Route list =
      route(Method::Get, std::string(kViews), "icebergListViews", &IcebergHandlers::list_views);
  list.summary = "List a namespace's views";
  list.parameters = page_parameters() + namespace_parameter();
  list.responses = {answer(200, "The views.", "IcebergTableList")};
  router.add(std::move(list));

  Route create =
      route(Method::Post, std::string(kViews), "icebergCreateView", &IcebergHandlers::create_view);
  create.summary = "Create a view";
  create.request = {json_of("IcebergCreateView")};
  create.responses = {answer(200, "The view.", "IcebergLoadViewResult")};
  router.add(std::move(create));

  Route load =
      route(Method::Get, std::string(kView), "icebergLoadView", &IcebergHandlers::load_view);
  load.summary = "A view's metadata";
  load.responses = {answer(200, "The view.", "IcebergLoadViewResult")};
  router.add(std::move(load));

  Route exists =
      route(Method::Head, std::string(kView), "icebergViewExists", &IcebergHandlers::view_exists);
  exists.summary = "Whether a view exists";
  exists.responses = {nothing(204, "It exists.")};
  router.add(std::move(exists));

  Route replace =
      route(Method::Post, std::string(kView), "icebergReplaceView", &IcebergHandlers::replace_view);
  replace.summary = "Commit updates to a view";
  replace.request = {json_of("IcebergCommitView")};
  replace.responses = {answer(200, "The view after the commit.", "IcebergLoadViewResult")};
  router.add(std::move(replace));

  Route drop =
      route(Method::Delete, std::string(kView), "icebergDropView", &IcebergHandlers::drop_view);
  drop.summary = "Drop a view";
  drop.responses = {nothing(204, "It is gone.")};
  router.add(std::move(drop));

  Route registered = route(Method::Post, std::string(kNamespace) + "/register-view",
                           "icebergRegisterView", &IcebergHandlers::register_view);
  registered.summary = "Register a view by its metadata file";
  registered.request = {json_of("IcebergRegisterView")};
  registered.responses = {answer(200, "The view.", "IcebergLoadViewResult")};
  router.add(std::move(registered));

  Route rename = route(Method::Post, "/iceberg/v1/views/rename", "icebergRenameView",
                       &IcebergHandlers::rename_view);
  rename.summary = "Rename a view";
  rename.request = {json_of("IcebergRenameTable")};
  rename.responses = {nothing(204, "Renamed.")};
  rename.errors.push_back(404);
  router.add(std::move(rename));
}

void IcebergHandlers::add_routes(Router& router) {
  for (const NamedSchema& schema : kSchemas) {
    router.add_schema(std::string(schema.name), std::string(schema.schema));
  }
  router.render_errors_under("/iceberg/", &iceberg_error_response, json_of("IcebergError"));

  Route config =
      route(Method::Get, "/iceberg/v1/config", "icebergGetConfig", &IcebergHandlers::get_config);
  config.summary = "What a client must know to use the catalog";
  config.parameters = {
      {.in = In::Query,
       .name = "warehouse",
       .description = "A bucket, by name or location: new tables go there. The answer's override "
                      "`prefix` then leads to it."}};
  config.errors.push_back(404);
  config.responses = {answer(200, "The configuration.", "IcebergConfig")};
  router.add(std::move(config));

  add_namespace_routes(router);
  add_table_routes(router);
  add_commit_routes(router);
  add_view_routes(router);
}

}  // namespace lakehouse::gateway::http
