#include "gateway/http/registry_handlers.h"

#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "gateway/http/paging.h"
#include "gateway/http/receipts.h"
#include "gateway/http/registry_json.h"

namespace lakehouse::gateway::http {

namespace {

namespace json = boost::json;
using catalog::LoadedTable;
using catalog::TableIdentifier;

constexpr std::int64_t kDepthDefault = 10;
constexpr std::int64_t kDepthMax = 100;

constexpr std::string_view kMetadataPath = "/catalog/datasets/by-name/{name}/metadata";
constexpr std::string_view kLineagePath = "/catalog/datasets/by-name/{name}/lineage";

constexpr std::string_view kRollback = R"({
  "type":"object","additionalProperties":false,"required":["snapshot_id"],"properties":{
  "snapshot_id":{"type":"integer","description":"One that the table has."}}})";

constexpr std::string_view kRolledBack = R"({
  "type":"object","required":["dataset","snapshot_id"],"properties":{
  "dataset":{"type":"string"},
  "snapshot_id":{"type":"integer","description":"The current one now."}}})";

ContentSpec content(std::string_view schema) {
  return {.media_type = "application/json", .schema = std::string(schema)};
}

std::string page_schema(std::string_view list, std::string_view item) {
  return fmt::format(R"({{"type":"object","required":["dataset","{0}","next_page_token"],)"
                     R"("properties":{{"dataset":{{"type":"string"}},)"
                     R"("{0}":{{"type":"array","items":{1}}},)"
                     R"("next_page_token":{{"type":["string","null"]}}}}}})",
                     list, item);
}

template <class T, class Encode>
Response page_response(const TableIdentifier& table, std::string_view list,
                       const catalog::Page<T>& page, Encode encode) {
  json::array items;
  for (const T& item : page.items) {
    items.push_back(encode(item));
  }
  json::object out;
  out["dataset"] = to_string(table);
  out[list] = std::move(items);
  out["next_page_token"] =
      page.next_page_token.empty() ? json::value() : json::value(page.next_page_token);
  return json_response(200, json::value(std::move(out)));
}

Response metadata_response(const LoadedTable& table, std::int64_t now_ms) {
  const catalog::RegistryEntry entry = catalog::registry_entry(*table.metadata);
  return json_response(200, metadata_to_json(to_string(table.identifier), entry,
                                             freshness(*table.metadata, entry, now_ms)));
}

Result<catalog::LineageOptions> lineage_options(const Request& request) {
  catalog::LineageOptions options;
  const std::string direction = request.query_param("direction").value_or("both");
  if (direction != "both" && direction != "up" && direction != "down") {
    return fail(ErrorCode::InvalidArgument, "direction is none of up, down and both");
  }
  options.upstream = direction != "down";
  options.downstream = direction != "up";
  LH_ASSIGN_OR_RETURN(const auto depth, request.query_int("depth", 1, kDepthMax));
  options.depth = static_cast<int>(depth.value_or(kDepthDefault));
  return options;
}

}  // namespace

void RegistryHandlers::add_routes(Router& router) {
  router.add_schema("DatasetMetadata", metadata_schema());
  const std::string reference = R"({"$ref":"#/components/schemas/DatasetMetadata"})";
  router.add({.method = Method::Get,
              .path = std::string(kMetadataPath),
              .operation_id = "getDatasetMetadata",
              .summary = "What is known about a dataset: owner, sensitivity, freshness",
              .tag = "registry",
              .responses = {{.status = 200, .description = "It.", .content = {content(reference)}}},
              .errors = {404},
              .handler = [this](Request request) { return show(std::move(request)); }});
  router.add({.method = Method::Patch,
              .path = std::string(kMetadataPath),
              .operation_id = "patchDatasetMetadata",
              .summary = "Change what is known about a dataset",
              .tag = "registry",
              .description =
                  "Members that are left out stay as they are, null removes, lists are replaced. A "
                  "column's sensitivity or category that is set here is a person's decision, which "
                  "no detector overwrites.",
              .request = {content(kPatchSchema)},
              .responses = {{.status = 200,
                             .description = "The metadata as it is now.",
                             .content = {content(reference)}}},
              .errors = {404, 409, 413, 415, 504},
              .handler = [this](Request request) { return patch(std::move(request)); }});
  router.add({.method = Method::Get,
              .path = std::string(kMetadataPath) + "/history",
              .operation_id = "listDatasetMetadataHistory",
              .summary = "Who changed what is known about a dataset, newest first",
              .tag = "registry",
              .parameters = page_parameters(),
              .responses = {{.status = 200,
                             .description = "One page of changes.",
                             .content = {content(page_schema("changes", kChangeSchema))}}},
              .errors = {404},
              .handler = [this](Request request) { return list_history(std::move(request)); }});
  add_lineage_routes(router);
  add_rollback_route(router);
}

void RegistryHandlers::add_lineage_routes(Router& router) {
  router.add(
      {.method = Method::Get,
       .path = std::string(kLineagePath),
       .operation_id = "getDatasetLineage",
       .summary = "Where a dataset comes from and what is made of it, as a graph",
       .tag = "registry",
       .parameters = {{.in = ParameterSpec::In::Query,
                       .name = "direction",
                       .description = "Which way from the dataset.",
                       .schema = R"({"enum":["up","down","both"],"default":"both"})"},
                      {.in = ParameterSpec::In::Query,
                       .name = "depth",
                       .description = "How many jobs away at most.",
                       .schema = R"({"type":"integer","minimum":1,"maximum":100,"default":10})"}},
       .responses = {{.status = 200,
                      .description = "The graph; edges go the way the rows go.",
                      .content = {content(kGraphSchema)}}},
       .errors = {404},
       .handler = [this](Request request) { return show_lineage(std::move(request)); }});
  router.add({.method = Method::Get,
              .path = std::string(kLineagePath) + "/runs",
              .operation_id = "listDatasetRuns",
              .summary = "What has written to a dataset, newest first",
              .tag = "registry",
              .parameters = page_parameters(),
              .responses = {{.status = 200,
                             .description = "One page of runs; the last 1000 are kept.",
                             .content = {content(page_schema("runs", kRunSchema))}}},
              .errors = {404},
              .handler = [this](Request request) { return list_runs(std::move(request)); }});
}

void RegistryHandlers::add_rollback_route(Router& router) {
  router.add({.method = Method::Post,
              .path = "/catalog/datasets/by-name/{name}/rollback",
              .operation_id = "rollbackDataset",
              .summary = "Make another snapshot of a dataset the current one",
              .tag = "registry",
              .description =
                  "Nothing is deleted, so it may be taken back the same way. Files whose "
                  "rows are gone by it may be ingested again.",
              .parameters = {{.in = ParameterSpec::In::Header,
                              .name = "Idempotency-Key",
                              .description = "A repetition with the same key does nothing."}},
              .request = {content(kRollback)},
              .responses = {{.status = 200,
                             .description = "It is the current one.",
                             .content = {content(kRolledBack)}}},
              .errors = {404, 409, 413, 415, 422, 504},
              .handler = [this](Request request) { return rollback(std::move(request)); }});
}

net::awaitable<Result<Response>> RegistryHandlers::show(Request request) {
  auto work = [this, context = request.context,
               name = request.path_param("name")]() -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const TableIdentifier table, catalog_.resolve_dataset(context, name));
    LH_ASSIGN_OR_RETURN(const LoadedTable loaded, catalog_.load_table(context, table));
    return metadata_response(loaded, catalog_.now_ms());
  };
  co_return co_await run_on(pools_.storage, std::move(work));
}

net::awaitable<Result<Response>> RegistryHandlers::patch(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(catalog::RegistryPatch changes, patch_from_json(body));
  auto work = [this, context = request.context, name = request.path_param("name"),
               changes = std::move(changes)]() -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const TableIdentifier table, catalog_.resolve_dataset(context, name));
    LH_ASSIGN_OR_RETURN(const LoadedTable after, registry_.patch(context, table, changes));
    return metadata_response(after, catalog_.now_ms());
  };
  co_return co_await run_on(pools_.storage, std::move(work));
}

net::awaitable<Result<Response>> RegistryHandlers::list_history(Request request) {
  LH_ASSIGN_OR_CO_RETURN(catalog::PageRequest page, page_of(request));
  auto work = [this, context = request.context, name = request.path_param("name"),
               page = std::move(page)]() -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const TableIdentifier table, catalog_.resolve_dataset(context, name));
    LH_ASSIGN_OR_RETURN(const auto changes, registry_.history(context, table, page));
    return page_response(table, "changes", changes, change_to_json);
  };
  co_return co_await run_on(pools_.storage, std::move(work));
}

net::awaitable<Result<Response>> RegistryHandlers::show_lineage(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const catalog::LineageOptions options, lineage_options(request));
  auto work = [this, context = request.context, name = request.path_param("name"),
               options]() -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const TableIdentifier table, dataset_or_view(context, name));
    // Without an engine to read their SQL, views are as they were known before.
    if (const Status views = views_.refresh(context);
        !views && views.error().code != ErrorCode::Unavailable) {
      return std::unexpected(views.error());
    }
    LH_ASSIGN_OR_RETURN(const catalog::LineageGraph graph,
                        registry_.lineage(context, table, options));
    return json_response(200, graph_to_json(graph));
  };
  co_return co_await run_on(pools_.engine, std::move(work));
}

Result<TableIdentifier> RegistryHandlers::dataset_or_view(const RequestContext& context,
                                                          const std::string& name) {
  auto dataset = catalog_.resolve_dataset(context, name);
  if (!dataset && dataset.error().code == ErrorCode::NotFound) {
    const auto view = catalog::Catalog::parse_dataset(name);
    if (view && catalog_.view_exists(context, *view).value_or(false)) {
      return view;
    }
  }
  return dataset;
}

net::awaitable<Result<Response>> RegistryHandlers::list_runs(Request request) {
  LH_ASSIGN_OR_CO_RETURN(catalog::PageRequest page, page_of(request));
  auto work = [this, context = request.context, name = request.path_param("name"),
               page = std::move(page)]() -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const TableIdentifier table, catalog_.resolve_dataset(context, name));
    LH_ASSIGN_OR_RETURN(const auto runs, registry_.runs(context, table, page));
    return page_response(table, "runs", runs, run_to_json);
  };
  co_return co_await run_on(pools_.storage, std::move(work));
}

net::awaitable<Result<Response>> RegistryHandlers::rollback(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const std::string key, idempotency_key(request));
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  LH_ASSIGN_OR_CO_RETURN(const std::int64_t snapshot_id, fields.require_int64("snapshot_id"));
  LH_CO_RETURN_IF_ERROR(fields.refuse_unknown());
  auto work = [this, context = request.context, name = request.path_param("name"), snapshot_id,
               key] { return rollback_now(context, name, snapshot_id, key); };
  co_return co_await run_on(pools_.storage, std::move(work));
}

Result<Response> RegistryHandlers::rollback_now(const RequestContext& context,
                                                const std::string& name, std::int64_t snapshot_id,
                                                const std::string& key) {
  LH_ASSIGN_OR_RETURN(const TableIdentifier table, catalog_.resolve_dataset(context, name));
  ReceiptKeeper receipts(catalog_, context, key,
                         fmt::format("POST rollback {}\n{}", to_string(table), snapshot_id));
  LH_ASSIGN_OR_RETURN(std::optional<Response> earlier, receipts.earlier());
  if (earlier) {
    return *std::move(earlier);
  }
  const std::string body =
      json::serialize(json::object{{"dataset", to_string(table)}, {"snapshot_id", snapshot_id}});
  bool kept = false;
  const catalog::CommitOptions options{
      .also = [&](metastore::Transaction& transaction, const std::vector<LoadedTable>&) {
        kept = true;
        return receipts.keep(transaction, 200, body);
      }};
  const auto done = registry_.rollback(context, table, snapshot_id, options);
  if (!done) {
    LH_ASSIGN_OR_RETURN(std::optional<Response> twin, receipts.earlier());
    return twin ? Result<Response>(*std::move(twin)) : std::unexpected(done.error());
  }
  if (!kept) {
    receipts.keep_after(200, body);
  }
  return json_text_response(200, body);
}

}  // namespace lakehouse::gateway::http
