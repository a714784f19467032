#include "gateway/http/dataset_handlers.h"

#include <algorithm>
#include <charconv>
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
#include "iceberg/partition_spec.h"
#include "iceberg/type_mapping.h"

namespace lakehouse::gateway::http {

namespace {

namespace json = boost::json;
using ingest::Dataset;
using ingest::DatasetSummary;

/// Up to where the registry's members stand.
constexpr std::string_view kSummary = R"({
  "type":"object","required":["name","bucket","rows","files","size_bytes","column_count",
    "snapshot_id","updated_at","schema_fingerprint","description","owner","sensitivity",
    "sensitivity_from","tags",
    "freshness"],"properties":{
  "name":{"type":"string"},"bucket":{"type":"string"},"rows":{"type":"integer"},
  "files":{"type":"integer"},"size_bytes":{"type":"integer"},"column_count":{"type":"integer"},
  "snapshot_id":{"type":["integer","null"]},
  "updated_at":{"type":"string","format":"date-time"},
  "schema_fingerprint":{"type":"string",
    "description":"Equal for equal names, types, nullability and nesting."},)";

/// Up to where the members of a column stand that are the registry's.
constexpr std::string_view kDataset = R"({
  "allOf":[{"$ref":"#/components/schemas/DatasetSummary"},{"type":"object",
  "required":["uuid","location","format_version","sequence_number","columns","partition_by",
    "properties"],"properties":{
  "uuid":{"type":"string"},"location":{"type":"string"},"format_version":{"type":"integer"},
  "sequence_number":{"type":"integer"},
  "columns":{"type":"array","items":{"type":"object","required":["id","name","type","sql_type",
    "required"],"properties":{"id":{"type":"integer"},"name":{"type":"string"},
    "type":{"type":"string","description":"As Iceberg calls it."},
    "sql_type":{"type":"string","description":"As SQL calls it."},
    "required":{"type":"boolean"},"doc":{"type":"string"},)";
constexpr std::string_view kDatasetEnd = R"(}}},
  "partition_by":{"type":"array","items":{"type":"object","required":["column","transform","name"],
    "properties":{"column":{"type":"string"},"transform":{"type":"string"},
    "name":{"type":"string"}}}},
  "properties":{"type":"object","additionalProperties":{"type":"string"}}}}]})";

constexpr std::string_view kNewDataset = R"({
  "type":"object","additionalProperties":false,"required":["name","columns"],"properties":{
  "name":{"type":"string","minLength":1,"description":"namespace.table, or a table of main."},
  "columns":{"type":"array","minItems":1,"items":{"type":"object","additionalProperties":false,
    "required":["name","type"],"properties":{"name":{"type":"string","minLength":1},
    "type":{"type":"string","description":"As SQL calls it: BIGINT, DECIMAL(18,2), VARCHAR[]."},
    "required":{"type":["boolean","null"]},"doc":{"type":["string","null"]}}}},
  "properties":{"type":["object","null"],"additionalProperties":{"type":"string"}},
  "partition_by":{"type":["array","null"],"items":{"type":"object","additionalProperties":false,
    "required":["column"],"properties":{"column":{"type":"string"},
    "transform":{"type":["string","null"],
      "description":"identity (default), year, month, day, hour, bucket[N], truncate[W]."},
    "name":{"type":["string","null"]}}}},
  "bucket":{"type":["string","null"]}}})";

constexpr std::string_view kSnapshots = R"({
  "type":"object","required":["dataset","current_snapshot_id","snapshots","next_page_token"],
  "properties":{"dataset":{"type":"string"},"current_snapshot_id":{"type":["integer","null"]},
  "next_page_token":{"type":["string","null"]},
  "snapshots":{"type":"array","items":{"type":"object",
    "required":["snapshot_id","parent_snapshot_id","sequence_number","committed_at","operation",
      "schema_id","summary"],"properties":{
    "snapshot_id":{"type":"integer"},"parent_snapshot_id":{"type":["integer","null"]},
    "sequence_number":{"type":"integer"},"committed_at":{"type":"string","format":"date-time"},
    "operation":{"type":"string"},"schema_id":{"type":["integer","null"]},
    "summary":{"type":"object","additionalProperties":{"type":"string"}}}}}}})";

template <class T>
json::value or_null(const std::optional<T>& value) {
  return value ? json::value(*value) : json::value();
}

json::object to_object(const DatasetSummary& summary) {
  json::object out;
  out["name"] = summary.name;
  out["bucket"] = summary.bucket;
  out["rows"] = summary.rows;
  out["files"] = summary.files;
  out["size_bytes"] = summary.size_bytes;
  out["column_count"] = summary.column_count;
  out["snapshot_id"] = or_null(summary.snapshot_id);
  out["updated_at"] = time_text(summary.updated_at_ms);
  out["schema_fingerprint"] = summary.schema_fingerprint;
  put_registry(out, summary.entry, summary.freshness);
  return out;
}

json::object to_object(const iceberg::Properties& properties) {
  json::object out;
  for (const auto& [name, value] : properties) {
    out[name] = value;
  }
  return out;
}

json::object to_object(const Dataset& dataset) {
  const iceberg::TableMetadata& metadata = *dataset.table.metadata;
  const iceberg::Schema& schema = *metadata.current_schema();
  json::object out = to_object(dataset.summary);
  out["uuid"] = metadata.table_uuid;
  out["location"] = metadata.location;
  out["format_version"] = metadata.format_version;
  out["sequence_number"] = metadata.last_sequence_number;
  json::array columns;
  for (const iceberg::NestedField& field : schema.fields) {
    json::object column{{"id", field.id},
                        {"name", field.name},
                        {"type", to_string(*field.type)},
                        {"sql_type", iceberg::duckdb_type(*field.type)},
                        {"required", field.required}};
    if (field.doc) {
      column["doc"] = *field.doc;
    }
    if (const catalog::ColumnEntry* known = dataset.summary.entry.column(field.name)) {
      put_column(column, *known);
    }
    columns.push_back(std::move(column));
  }
  out["columns"] = std::move(columns);
  json::array partitions;
  for (const iceberg::PartitionField& field : metadata.default_spec()->fields) {
    partitions.push_back(json::object{{"column", schema.path_of(field.source_id)},
                                      {"transform", to_string(field.transform)},
                                      {"name", field.name}});
  }
  out["partition_by"] = std::move(partitions);
  out["properties"] = to_object(metadata.properties);
  return out;
}

Result<query::ColumnDefinition> decode_column(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a column"));
  query::ColumnDefinition column;
  LH_ASSIGN_OR_RETURN(column.name, fields.require_string("name"));
  LH_ASSIGN_OR_RETURN(column.type, fields.require_string("type"));
  LH_ASSIGN_OR_RETURN(const std::optional<bool> required, fields.optional_bool("required"));
  column.required = required.value_or(false);
  LH_ASSIGN_OR_RETURN(column.doc, fields.optional_string("doc"));
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  return column;
}

Result<query::PartitionDefinition> decode_partition(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a partition field"));
  query::PartitionDefinition partition;
  LH_ASSIGN_OR_RETURN(partition.column, fields.require_string("column"));
  LH_ASSIGN_OR_RETURN(std::optional<std::string> transform, fields.optional_string("transform"));
  partition.transform = std::move(transform).value_or("identity");
  LH_ASSIGN_OR_RETURN(std::optional<std::string> name, fields.optional_string("name"));
  partition.name = std::move(name).value_or("");
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  return partition;
}

Result<ingest::NewDataset> decode(const json::value& body) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  ingest::NewDataset dataset;
  LH_ASSIGN_OR_RETURN(dataset.name, fields.require_string("name"));
  LH_ASSIGN_OR_RETURN(const json::array* columns, fields.require_array("columns"));
  for (const json::value& column : *columns) {
    LH_ASSIGN_OR_RETURN(query::ColumnDefinition definition, decode_column(column));
    dataset.definition.columns.push_back(std::move(definition));
  }
  LH_ASSIGN_OR_RETURN(const json::array* partitions, fields.optional_array("partition_by"));
  if (partitions != nullptr) {
    for (const json::value& partition : *partitions) {
      LH_ASSIGN_OR_RETURN(query::PartitionDefinition definition, decode_partition(partition));
      dataset.definition.partition_by.push_back(std::move(definition));
    }
  }
  LH_ASSIGN_OR_RETURN(dataset.definition.properties, fields.optional_string_map("properties"));
  LH_ASSIGN_OR_RETURN(std::optional<std::string> bucket, fields.optional_string("bucket"));
  dataset.definition.bucket = std::move(bucket).value_or("");
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  return dataset;
}

/// One page, newest first; the token is how many came before.
Result<json::object> snapshots_page(const Dataset& dataset, const std::string& page_token,
                                    std::size_t limit) {
  const iceberg::TableMetadata& metadata = *dataset.table.metadata;
  std::vector<iceberg::SnapshotPtr> all = metadata.snapshots;
  std::ranges::sort(all, [](const auto& a, const auto& b) {
    return a->sequence_number != b->sequence_number ? a->sequence_number > b->sequence_number
                                                    : a->timestamp_ms > b->timestamp_ms;
  });
  std::size_t at = 0;
  if (!page_token.empty()) {
    const char* end = page_token.data() + page_token.size();
    const auto [stop, problem] = std::from_chars(page_token.data(), end, at);
    if (problem != std::errc() || stop != end) {
      return fail(ErrorCode::InvalidArgument, "page_token is none that a page gave");
    }
  }
  json::array snapshots;
  for (; at < all.size() && snapshots.size() < limit; ++at) {
    const iceberg::Snapshot& one = *all[at];
    json::object item;
    item["snapshot_id"] = one.snapshot_id;
    item["parent_snapshot_id"] = or_null(one.parent_snapshot_id);
    item["sequence_number"] = one.sequence_number;
    item["committed_at"] = time_text(one.timestamp_ms);
    item["operation"] = std::string(one.operation());
    item["schema_id"] = or_null(one.schema_id);
    item["summary"] = to_object(one.summary);
    snapshots.push_back(std::move(item));
  }
  json::object out;
  out["dataset"] = dataset.summary.name;
  out["current_snapshot_id"] = or_null(dataset.summary.snapshot_id);
  out["snapshots"] = std::move(snapshots);
  out["next_page_token"] = at < all.size() ? json::value(std::to_string(at)) : json::value();
  return out;
}

ContentSpec content(std::string_view schema) {
  return {.media_type = "application/json", .schema = std::string(schema)};
}

std::vector<ParameterSpec> list_parameters() {
  std::vector<ParameterSpec> parameters = page_parameters();
  parameters.push_back({.in = ParameterSpec::In::Query,
                        .name = "owner",
                        .description = "Only datasets of this owner."});
  parameters.push_back({.in = ParameterSpec::In::Query,
                        .name = "tag",
                        .description = "Only datasets with this tag."});
  parameters.push_back({.in = ParameterSpec::In::Query,
                        .name = "sensitivity",
                        .description = "Only datasets as sensitive as this.",
                        .schema = R"({"enum":["public","internal","confidential","restricted"]})"});
  parameters.push_back(
      {.in = ParameterSpec::In::Query,
       .name = "stale",
       .description = "Only datasets that are, or are not, older than they may be.",
       .schema = R"({"type":"boolean"})"});
  return parameters;
}

Result<ingest::DatasetFilter> filter_of(const Request& request) {
  ingest::DatasetFilter filter;
  filter.owner = request.query_param("owner").value_or("");
  filter.tag = request.query_param("tag").value_or("");
  if (const auto level = request.query_param("sensitivity")) {
    LH_ASSIGN_OR_RETURN(filter.sensitivity, catalog::sensitivity_from(*level));
  }
  LH_ASSIGN_OR_RETURN(filter.is_stale, request.query_bool("stale"));
  return filter;
}

constexpr std::string_view kRef = R"({"$ref":"#/components/schemas/Dataset"})";

Route show_route(std::string path, std::string operation_id, Handler handler) {
  return {.method = Method::Get,
          .path = std::move(path),
          .operation_id = std::move(operation_id),
          .summary = "One dataset: its columns, size and current snapshot",
          .tag = "datasets",
          .responses = {{.status = 200, .description = "It.", .content = {content(kRef)}}},
          .errors = {404},
          .handler = std::move(handler)};
}

}  // namespace

void DatasetHandlers::add_routes(Router& router) {
  router.add_schema("DatasetSummary", fmt::format("{}{}}}}}", kSummary, kRegistryMembers));
  router.add_schema("Dataset", fmt::format("{}{}{}", kDataset, kColumnMembers, kDatasetEnd));
  const auto show_one = [this](Request request) { return show(std::move(request)); };
  router.add(show_route("/datasets/{name}", "getDataset", show_one));
  router.add(show_route("/datasets/by-name/{name}", "getDatasetByName", show_one));
  router.add({.method = Method::Get,
              .path = "/datasets",
              .operation_id = "listDatasets",
              .summary = "The datasets, by name",
              .tag = "datasets",
              .parameters = list_parameters(),
              .responses = {{.status = 200,
                             .description = "One page of them.",
                             .content = {content(R"({"type":"object",
                                 "required":["datasets","next_page_token"],"properties":{
                                 "datasets":{"type":"array","items":{
                                   "$ref":"#/components/schemas/DatasetSummary"}},
                                 "unreadable":{"type":"array","items":{"type":"object",
                                   "required":["name","problem"],"properties":{
                                   "name":{"type":"string"},"problem":{"type":"string"}}}},
                                 "next_page_token":{"type":["string","null"]}}})")}}},
              .handler = [this](Request request) { return list(std::move(request)); }});
  router.add({.method = Method::Post,
              .path = "/datasets",
              .operation_id = "createDataset",
              .summary = "Make an empty dataset",
              .tag = "datasets",
              .parameters = {{.in = ParameterSpec::In::Header,
                              .name = "Idempotency-Key",
                              .description = "A repetition with the same key does nothing."}},
              .request = {content(kNewDataset)},
              .responses = {{.status = 201, .description = "It.", .content = {content(kRef)}}},
              .errors = {404, 409, 413, 415, 422, 504},
              .handler = [this](Request request) { return create(std::move(request)); }});
  router.add({.method = Method::Delete,
              .path = "/datasets/{name}",
              .operation_id = "dropDataset",
              .summary = "Drop a dataset",
              .tag = "datasets",
              .parameters = {{.in = ParameterSpec::In::Query,
                              .name = "purge",
                              .description = "Whether its files go, too.",
                              .schema = R"({"type":"boolean","default":false})"}},
              .responses = {{.status = 204, .description = "There is none of that name now."}},
              .errors = {409, 504},
              .handler = [this](Request request) { return drop(std::move(request)); }});
  router.add({.method = Method::Get,
              .path = "/catalog/datasets/by-name/{name}/snapshots",
              .operation_id = "listSnapshots",
              .summary = "A dataset's snapshots, newest first",
              .tag = "datasets",
              .parameters = list_parameters(),
              .responses = {{.status = 200,
                             .description = "One page of them.",
                             .content = {content(kSnapshots)}}},
              .errors = {404},
              .handler = [this](Request request) { return list_snapshots(std::move(request)); }});
}

net::awaitable<Result<Response>> DatasetHandlers::list(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const catalog::PageRequest wanted, page_of(request));
  LH_ASSIGN_OR_CO_RETURN(ingest::DatasetFilter filter, filter_of(request));
  auto work = [this, context = request.context, wanted, filter = std::move(filter)] {
    return service_.list(context, wanted.page_token, wanted.limit, filter);
  };
  LH_ASSIGN_OR_CO_RETURN(const ingest::DatasetPage page,
                         co_await run_on(pools_.storage, std::move(work)));
  json::array datasets;
  for (const DatasetSummary& summary : page.datasets) {
    datasets.push_back(to_object(summary));
  }
  json::object body;
  body["datasets"] = std::move(datasets);
  json::array unreadable;
  for (const auto& [name, problem] : page.unreadable) {
    unreadable.push_back(json::object{{"name", name}, {"problem", problem}});
  }
  body["unreadable"] = std::move(unreadable);
  body["next_page_token"] =
      page.next_page_token.empty() ? json::value() : json::value(page.next_page_token);
  const json::value answer(std::move(body));
  co_return json_response(200, answer);
}

net::awaitable<Result<Response>> DatasetHandlers::create(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const std::string key, idempotency_key(request));
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(ingest::NewDataset dataset, decode(body));
  std::string what = "POST /datasets\n" + json::serialize(body);
  auto work = [this, context = request.context, dataset = std::move(dataset), key,
               what = std::move(what)] { return create_now(context, dataset, key, what); };
  co_return co_await run_on(pools_.storage, std::move(work));
}

Result<Response> DatasetHandlers::create_now(const RequestContext& context,
                                             const ingest::NewDataset& dataset,
                                             const std::string& key, const std::string& what) {
  ReceiptKeeper receipts(catalog_, context, key, what);
  LH_ASSIGN_OR_RETURN(std::optional<Response> earlier, receipts.earlier());
  if (earlier) {
    return *std::move(earlier);
  }
  const query::CommitHook also = [&](metastore::Transaction& transaction,
                                     const std::vector<catalog::LoadedTable>& after) {
    return receipts.keep(transaction, 201,
                         json::serialize(to_object(service_.describe(after.front()))));
  };
  const Result<Dataset> created = service_.create(context, dataset, also);
  if (!created) {
    LH_ASSIGN_OR_RETURN(std::optional<Response> twin, receipts.earlier());
    return twin ? Result<Response>(*std::move(twin)) : std::unexpected(created.error());
  }
  return json_text_response(201, json::serialize(to_object(*created)));
}

net::awaitable<Result<Response>> DatasetHandlers::show(Request request) {
  auto work = [this, context = request.context, name = request.path_param("name")] {
    return service_.load(context, name);
  };
  LH_ASSIGN_OR_CO_RETURN(const Dataset dataset, co_await run_on(pools_.storage, std::move(work)));
  const json::value answer(to_object(dataset));
  co_return json_response(200, answer);
}

net::awaitable<Result<Response>> DatasetHandlers::drop(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const auto purge, request.query_bool("purge"));
  auto work = [this, context = request.context, name = request.path_param("name"), purge] {
    return service_.drop(context, name, purge.value_or(false));
  };
  LH_CO_RETURN_IF_ERROR(co_await run_on(pools_.storage, std::move(work)));
  co_return empty_response(204);
}

net::awaitable<Result<Response>> DatasetHandlers::list_snapshots(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const catalog::PageRequest wanted, page_of(request));
  auto work = [this, context = request.context, name = request.path_param("name")] {
    return service_.load(context, name);
  };
  LH_ASSIGN_OR_CO_RETURN(const Dataset dataset, co_await run_on(pools_.storage, std::move(work)));
  LH_ASSIGN_OR_CO_RETURN(json::object page,
                         snapshots_page(dataset, wanted.page_token, wanted.limit));
  const json::value answer(std::move(page));
  co_return json_response(200, answer);
}

}  // namespace lakehouse::gateway::http
