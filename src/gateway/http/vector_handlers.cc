#include "gateway/http/vector_handlers.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "gateway/http/jobs_handlers.h"
#include "gateway/http/paging.h"
#include "gateway/http/receipts.h"

namespace lakehouse::gateway::http {

namespace {

namespace json = boost::json;
using vector::IndexInfo;
using vector::IndexSpec;

constexpr std::string_view kChunk = R"({
  "type":["object","null"],"additionalProperties":false,"properties":{
  "size":{"type":["integer","null"],"minimum":50,"maximum":100000,"default":1200,
    "description":"Characters at most."},
  "overlap":{"type":["integer","null"],"minimum":0,"maximum":49999,"default":150,
    "description":"Less than half of the size."},
  "sentences":{"type":["boolean","null"],"default":true,
    "description":"Chunks end behind a paragraph, a sentence or a word, if they can."},
  "chunks_max":{"type":["integer","null"],"minimum":1,"maximum":100000,"default":1000,
    "description":"Of one row: what is longer is set aside."}}})";

constexpr std::string_view kGraph = R"({
  "type":["object","null"],"additionalProperties":false,"properties":{
  "m":{"type":["integer","null"],"minimum":2,"maximum":128,"default":16},
  "ef_construction":{"type":["integer","null"],"minimum":1,"maximum":4096,"default":200},
  "ef_search":{"type":["integer","null"],"minimum":1,"maximum":4096,"default":64},
  "quantization":{"type":["string","null"],"enum":["int8","none",null]},
  "seed":{"type":["integer","null"],"minimum":0}}})";

constexpr std::string_view kIndexRequest = R"({
  "type":"object","additionalProperties":false,"required":["name","dataset","key"],
  "description":"What is embedded: 'text', the columns, or 'template'.","properties":{
  "name":{"type":"string","pattern":"^[a-z0-9_-]{1,64}$",
    "description":"Its embeddings are the dataset vectors.<name>."},
  "dataset":{"type":"string","minLength":1},
  "key":{"type":"string","minLength":1,
    "description":"A column of strings, int32, int64 or UUIDs that differ from row to row."},
  "text":{"type":["array","null"],"items":{"type":"string"},"maxItems":100},
  "template":{"type":["string","null"],"maxLength":10000,
    "description":"Columns in braces: {title}: {body}"},
  "chunk":{"$ref":"#/components/schemas/VectorChunk"},
  "model":{"type":["string","null"],"description":"Left out: the default embedding model."},
  "backend":{"type":["string","null"],"enum":["hnsw","lance",null]},
  "refresh":{"type":["string","null"],"enum":["manual","on_append","scheduled",null]},
  "refresh_every_s":{"type":["integer","null"],"minimum":10,"maximum":31622400,
    "description":"Of scheduled."},
  "graph":{"$ref":"#/components/schemas/VectorGraph"}}})";

constexpr std::string_view kGeneration = R"({
  "type":"object","required":["number","state","model","model_version","dimensions","embeddings",
    "rows","rows_total","coverage","chunks","bad_rows"],"properties":{
  "number":{"type":"integer"},
  "state":{"type":"string","enum":["building","ready","failed"]},
  "text":{"type":"array","items":{"type":"string"}},"template":{"type":"string"},
  "chunk":{"type":"object"},"graph":{"type":"object"},
  "model":{"type":"string"},"model_version":{"type":"string"},"dimensions":{"type":"integer"},
  "embeddings":{"type":"string","description":"The dataset of its chunks and vectors."},
  "source_snapshot_id":{"type":["integer","null"],"description":"What of the dataset it has."},
  "embeddings_snapshot_id":{"type":["integer","null"]},
  "file":{"type":["string","null"]},
  "file_snapshot_id":{"type":["integer","null"],
    "description":"The embeddings that its files cover; later ones are scanned."},
  "rows":{"type":"integer"},"rows_total":{"type":"integer"},
  "coverage":{"type":"number","description":"Of the rows that have a text and a key."},
  "chunks":{"type":"integer"},"bad_rows":{"type":"integer"},
  "bad_rows_file":{"type":["string","null"],"description":"Their keys and reasons."},
  "updated_at":{"type":["integer","null"],"description":"Milliseconds since 1970."},
  "job_id":{"type":["string","null"]},"error":{"type":["string","null"]},
  "quality":{"type":["number","null"]}}})";

constexpr std::string_view kIndex = R"({
  "type":"object","required":["id","name","dataset","key","key_type","backend","refresh","principal",
    "active","generations"],"properties":{
  "id":{"type":"string"},"name":{"type":"string"},"dataset":{"type":"string"},
  "key":{"type":"string"},"key_type":{"type":"string","enum":["string","int32","int64","uuid"]},
  "backend":{"type":"string"},"refresh":{"type":"string"},
  "refresh_every_s":{"type":["integer","null"]},"principal":{"type":"string"},
  "created_at":{"type":"integer","description":"Milliseconds since 1970."},
  "active":{"type":"integer","description":"The generation that answers."},
  "next":{"type":["integer","null"],"description":"One that takes over when it is complete and not worse."},
  "generations":{"type":"array","items":{"$ref":"#/components/schemas/VectorGeneration"}}}})";

constexpr std::string_view kIndexPage = R"({
  "type":"object","required":["indexes","next_page_token"],"properties":{
  "indexes":{"type":"array","items":{"$ref":"#/components/schemas/VectorIndex"}},
  "next_page_token":{"type":["string","null"]}}})";

constexpr std::string_view kChange = R"({
  "type":"object","additionalProperties":false,"required":["refresh"],"properties":{
  "refresh":{"type":"string","enum":["manual","on_append","scheduled"]},
  "refresh_every_s":{"type":["integer","null"],"minimum":10,"maximum":31622400}}})";

constexpr std::string_view kSearch = R"({
  "type":"object","additionalProperties":false,"required":["index"],
  "description":"What is searched for: 'text', or 'vector'.","properties":{
  "index":{"type":"string","minLength":1},
  "text":{"type":["string","null"],"maxLength":65536},
  "vector":{"type":["array","null"],"items":{"type":"number"},"maxItems":4096},
  "k":{"type":["integer","null"],"minimum":1,"maximum":1000,"default":10},
  "filter":{"type":["string","null"],
    "description":"A condition on the dataset's columns, in SQL."},
  "mode":{"type":["string","null"],"enum":["vector","text","hybrid",null]},
  "rerank":{"type":["boolean","null"]},
  "exact":{"type":["boolean","null"],"description":"Every allowed vector is scored."},
  "one_per_row":{"type":["boolean","null"],"description":"The best chunk of each row only."},
  "ef_search":{"type":["integer","null"],"minimum":1,"maximum":4096},
  "generation":{"type":["integer","null"],"minimum":1}}})";

constexpr std::string_view kFound = R"({
  "type":"object","required":["results","method","index","generation","snapshot_id",
    "embeddings_snapshot_id","model","model_version","chunks","allowed","elapsed_ms"],"properties":{
  "results":{"type":"array","items":{"type":"object",
    "required":["key","chunk","score","text","start","end"],"properties":{
    "key":{"type":["string","integer"]},"chunk":{"type":"integer"},
    "score":{"type":"number","description":"Higher is better."},"text":{"type":"string"},
    "start":{"type":"integer","description":"In the row's text, in bytes."},
    "end":{"type":"integer"},
    "vector_score":{"type":["number","null"]},"text_score":{"type":["number","null"]}}}},
  "method":{"type":"string"},"index":{"type":"string"},"generation":{"type":"integer"},
  "snapshot_id":{"type":"integer","description":"The dataset's: all results are of that state."},
  "embeddings_snapshot_id":{"type":"integer"},
  "model":{"type":"string"},"model_version":{"type":"string"},
  "chunks":{"type":"integer"},"allowed":{"type":"integer"},"elapsed_ms":{"type":"number"}}})";

constexpr std::string_view kRefreshed = R"({
  "type":"object","required":["job_id","job_ids"],"properties":{"job_id":{"type":"string"},
  "job_ids":{"type":"array","items":{"type":"string"},"description":"One for each index."}}})";

constexpr std::string_view kStalePage = R"({
  "type":"object","required":["stale","next_page_token"],"properties":{
  "stale":{"type":"array","items":{"type":"object",
    "required":["dataset","index","refresh","snapshot_id","indexed_snapshot_id","commits_behind"],
    "properties":{"dataset":{"type":"string"},"index":{"type":"string"},
    "refresh":{"type":"string"},"snapshot_id":{"type":"integer"},
    "indexed_snapshot_id":{"type":["integer","null"]},
    "stale_since":{"type":["integer","null"],"description":"Milliseconds since 1970."},
    "commits_behind":{"type":"integer"}}}},
  "next_page_token":{"type":["string","null"]}}})";

constexpr std::string_view kBeside = R"({
  "type":"object","additionalProperties":false,"properties":{
  "model":{"type":["string","null"]},
  "text":{"type":["array","null"],"items":{"type":"string"},"maxItems":100},
  "template":{"type":["string","null"],"maxLength":10000},
  "chunk":{"$ref":"#/components/schemas/VectorChunk"},
  "graph":{"$ref":"#/components/schemas/VectorGraph"}}})";

constexpr std::string_view kSwitch = R"({
  "type":"object","additionalProperties":false,"required":["generation"],"properties":{
  "generation":{"type":"integer","minimum":1},
  "force":{"type":["boolean","null"],"description":"Even if it is incomplete or worse."}}})";

constexpr std::string_view kStats = R"({
  "type":"object","required":["indexes","bytes","bytes_max","hits","loads","evictions","row_sets",
    "row_set_hits","row_set_misses"],"properties":{
  "indexes":{"type":"integer"},"bytes":{"type":"integer"},"bytes_max":{"type":"integer"},
  "hits":{"type":"integer"},"loads":{"type":"integer"},"evictions":{"type":"integer"},
  "row_sets":{"type":"integer","description":"Kept sets of rows that filters and policies allow."},
  "row_set_hits":{"type":"integer"},"row_set_misses":{"type":"integer"}}})";

constexpr std::string_view kIndexExample = R"({"name":"sample_words","dataset":"main.sample",
  "key":"id","text":["name"],"refresh":"manual"})";
constexpr std::string_view kSearchExample =
    R"({"index":"sample_words","text":"somebody","k":3,"mode":"hybrid"})";

ContentSpec content(std::string_view schema, std::string_view example = {}) {
  return {.media_type = "application/json",
          .schema = std::string(schema),
          .example = std::string(example)};
}

ResponseSpec answers(std::string_view schema, std::string description) {
  return {.status = 200, .description = std::move(description), .content = {content(schema)}};
}

ParameterSpec path_parameter(std::string name, std::string description) {
  return {.in = ParameterSpec::In::Path,
          .name = std::move(name),
          .description = std::move(description),
          .required = true};
}

ParameterSpec idempotency_parameter() {
  return {.in = ParameterSpec::In::Header,
          .name = "Idempotency-Key",
          .description = "A repetition with the same key is answered as the first time."};
}

json::value or_null(const std::optional<std::int64_t>& value) {
  return value ? json::value(*value) : json::value();
}
json::value or_null(const std::optional<double>& value) {
  return value ? json::value(*value) : json::value();
}
json::value or_null(const std::string& value) {
  return value.empty() ? json::value() : json::value(value);
}

json::object shown(const vector::Generation& generation) {
  json::object out = to_json(generation);
  json::object recipe = std::move(out["recipe"].as_object());
  out.erase("recipe");
  out.erase("floor_snapshot_id");
  out.erase("embeddings_uuid");
  for (auto& member : recipe) {
    out[member.key()] = std::move(member.value());
  }
  out["file"] = or_null(generation.file);
  out["bad_rows_file"] = or_null(generation.bad_rows_file);
  out["job_id"] = or_null(generation.job_id);
  out["error"] = or_null(generation.error);
  out.erase("updated_at_ms");
  out["updated_at"] =
      generation.updated_at_ms == 0 ? json::value() : json::value(generation.updated_at_ms);
  const auto can_be = static_cast<double>(generation.rows_total - generation.bad_rows);
  out["coverage"] = generation.source_snapshot_id && can_be > 0
                        ? std::min(1.0, static_cast<double>(generation.rows) / can_be)
                        : (generation.source_snapshot_id ? 1.0 : 0.0);
  return out;
}

json::object shown(const IndexInfo& info) {
  json::object out = to_json(info);
  json::array generations;
  for (const vector::Generation& one : info.generations) {
    generations.push_back(shown(one));
  }
  out["generations"] = std::move(generations);
  out["next"] = info.next == 0 ? json::value() : json::value(info.next);
  out["refresh_every_s"] =
      info.refresh.every.count() == 0 ? json::value() : json::value(info.refresh.every.count());
  out.erase("created_at_ms");
  out["created_at"] = info.created_at_ms;
  out.erase("version");
  out.erase("dataset_uuid");
  return out;
}

std::string accepted_body(const jobs::Job& job) {
  return json::serialize(json::object{{"job_id", job.id}});
}

Response accepted(const jobs::Job& job) {
  return job_accepted({.job = job, .is_new = true});
}

Result<std::uint32_t> small(JsonFields& fields, std::string_view name, std::uint32_t otherwise) {
  LH_ASSIGN_OR_RETURN(const auto value, fields.optional_int64(name));
  return value ? static_cast<std::uint32_t>(std::clamp<std::int64_t>(*value, 0, UINT32_MAX))
               : otherwise;
}

Result<vector::ChunkOptions> decode_chunk(const json::object* object,
                                          vector::ChunkOptions options = {}) {
  if (object == nullptr) {
    return options;
  }
  JsonFields fields(*object, "chunk");
  LH_ASSIGN_OR_RETURN(options.size, small(fields, "size", options.size));
  LH_ASSIGN_OR_RETURN(options.overlap,
                      small(fields, "overlap", std::min(options.overlap, options.size / 8)));
  LH_ASSIGN_OR_RETURN(const auto sentences, fields.optional_bool("sentences"));
  options.sentences = sentences.value_or(true);
  LH_ASSIGN_OR_RETURN(options.chunks_max, small(fields, "chunks_max", options.chunks_max));
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  return options;
}

Result<vector::GraphSettings> decode_graph(const json::object* object) {
  vector::GraphSettings graph;
  if (object == nullptr) {
    return graph;
  }
  JsonFields fields(*object, "graph");
  LH_ASSIGN_OR_RETURN(graph.m, small(fields, "m", graph.m));
  LH_ASSIGN_OR_RETURN(graph.ef_construction,
                      small(fields, "ef_construction", graph.ef_construction));
  LH_ASSIGN_OR_RETURN(graph.ef_search, small(fields, "ef_search", graph.ef_search));
  LH_ASSIGN_OR_RETURN(auto quantization, fields.optional_string("quantization"));
  graph.quantization = std::move(quantization).value_or(graph.quantization);
  LH_ASSIGN_OR_RETURN(const auto seed, fields.optional_int64("seed"));
  graph.seed = static_cast<std::uint64_t>(std::max<std::int64_t>(seed.value_or(1), 0));
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  return graph;
}

Result<vector::Recipe> decode_recipe(JsonFields& fields) {
  vector::Recipe recipe;
  LH_ASSIGN_OR_RETURN(const json::array* text, fields.optional_array("text"));
  for (const json::value& one : text == nullptr ? json::array{} : *text) {
    if (!one.is_string()) {
      return fail(ErrorCode::InvalidArgument, "'text' must be a list of columns' names");
    }
    recipe.text_columns.emplace_back(one.get_string());
  }
  LH_ASSIGN_OR_RETURN(auto text_template, fields.optional_string("template"));
  recipe.text_template = std::move(text_template).value_or("");
  LH_ASSIGN_OR_RETURN(const json::object* chunk, fields.optional_object("chunk"));
  LH_ASSIGN_OR_RETURN(recipe.chunk, decode_chunk(chunk));
  LH_ASSIGN_OR_RETURN(auto model, fields.optional_string("model"));
  recipe.model = std::move(model).value_or("");
  return recipe;
}

Result<vector::Refresh> decode_refresh(JsonFields& fields) {
  vector::Refresh refresh;
  LH_ASSIGN_OR_RETURN(const auto policy, fields.optional_string("refresh"));
  LH_ASSIGN_OR_RETURN(refresh.policy, vector::refresh_policy_from(policy.value_or("manual")));
  LH_ASSIGN_OR_RETURN(const auto every, fields.optional_int64("refresh_every_s"));
  refresh.every = std::chrono::seconds(every.value_or(0));
  return refresh;
}

Result<IndexSpec> decode_spec(const json::value& body) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  IndexSpec spec;
  LH_ASSIGN_OR_RETURN(spec.name, fields.require_string("name"));
  LH_ASSIGN_OR_RETURN(spec.dataset, fields.require_string("dataset"));
  LH_ASSIGN_OR_RETURN(spec.key, fields.require_string("key"));
  LH_ASSIGN_OR_RETURN(spec.recipe, decode_recipe(fields));
  LH_ASSIGN_OR_RETURN(const auto backend, fields.optional_string("backend"));
  LH_ASSIGN_OR_RETURN(spec.backend, vector::backend_from(backend.value_or("hnsw")));
  LH_ASSIGN_OR_RETURN(spec.refresh, decode_refresh(fields));
  LH_ASSIGN_OR_RETURN(const json::object* graph, fields.optional_object("graph"));
  LH_ASSIGN_OR_RETURN(spec.graph, decode_graph(graph));
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  return spec;
}

Result<std::vector<float>> decode_vector(const json::array* values) {
  std::vector<float> out;
  if (values == nullptr) {
    return out;
  }
  constexpr std::size_t kDimensionsMax = 4'096;
  if (values->size() > kDimensionsMax) {
    return fail(ErrorCode::InvalidArgument, "'vector' has more than 4,096 numbers");
  }
  out.reserve(values->size());
  for (const json::value& value : *values) {
    const double number = value.is_number() ? value.to_number<double>() : NAN;
    if (!std::isfinite(static_cast<float>(number))) {
      return fail(ErrorCode::InvalidArgument, "'vector' must be a list of numbers");
    }
    out.push_back(static_cast<float>(number));
  }
  return out;
}

Result<vector::SearchRequest> decode_search(const json::value& body) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  vector::SearchRequest search;
  LH_ASSIGN_OR_RETURN(search.index, fields.require_string("index"));
  LH_ASSIGN_OR_RETURN(auto text, fields.optional_string("text"));
  search.text = std::move(text).value_or("");
  LH_ASSIGN_OR_RETURN(const json::array* vector, fields.optional_array("vector"));
  LH_ASSIGN_OR_RETURN(search.vector, decode_vector(vector));
  LH_ASSIGN_OR_RETURN(const auto k, small(fields, "k", 10));
  search.k = k;
  LH_ASSIGN_OR_RETURN(auto filter, fields.optional_string("filter"));
  search.filter = std::move(filter).value_or("");
  LH_ASSIGN_OR_RETURN(const auto mode, fields.optional_string("mode"));
  LH_ASSIGN_OR_RETURN(search.mode, vector::search_mode_from(mode.value_or("vector")));
  LH_ASSIGN_OR_RETURN(const auto rerank, fields.optional_bool("rerank"));
  search.rerank = rerank.value_or(false);
  LH_ASSIGN_OR_RETURN(const auto exact, fields.optional_bool("exact"));
  search.exact = exact.value_or(false);
  LH_ASSIGN_OR_RETURN(const auto one_per_row, fields.optional_bool("one_per_row"));
  search.one_per_row = one_per_row.value_or(false);
  LH_ASSIGN_OR_RETURN(const auto ef, small(fields, "ef_search", 0));
  search.ef_search = ef;
  LH_ASSIGN_OR_RETURN(const auto generation, fields.optional_int64("generation"));
  search.generation = generation.value_or(0);
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  return search;
}

std::string found_body(const std::string& index, const vector::SearchResults& found) {
  json::array results;
  for (const vector::SearchHit& hit : found.hits) {
    results.push_back(json::object{{"key", hit.key},
                                   {"chunk", hit.chunk},
                                   {"score", hit.score},
                                   {"text", hit.text},
                                   {"start", hit.start},
                                   {"end", hit.end},
                                   {"vector_score", or_null(hit.vector_score)},
                                   {"text_score", or_null(hit.text_score)}});
  }
  return json::serialize(json::object{{"results", std::move(results)},
                                      {"method", found.method},
                                      {"index", index},
                                      {"generation", found.generation},
                                      {"snapshot_id", found.snapshot_id},
                                      {"embeddings_snapshot_id", found.embeddings_snapshot_id},
                                      {"model", found.model},
                                      {"model_version", found.model_version},
                                      {"chunks", found.chunks},
                                      {"allowed", found.allowed},
                                      {"elapsed_ms", found.elapsed_ms}});
}

json::object shown(const vector::StaleIndex& one) {
  return {{"dataset", one.dataset},
          {"index", one.index},
          {"refresh", vector::to_string(one.policy)},
          {"snapshot_id", one.snapshot_id},
          {"indexed_snapshot_id", or_null(one.indexed_snapshot)},
          {"stale_since", or_null(one.stale_since_ms)},
          {"commits_behind", one.commits_behind}};
}

Result<std::int64_t> generation_of(const Request& request) {
  const std::string& text = request.path_param("number");
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size()) {
    return fail(ErrorCode::InvalidArgument, "a generation is a number");
  }
  return number;
}

}  // namespace

void VectorHandlers::add_routes(Router& router) {
  router.add_schema("VectorChunk", std::string(kChunk));
  router.add_schema("VectorGraph", std::string(kGraph));
  router.add_schema("VectorGeneration", std::string(kGeneration));
  router.add_schema("VectorIndex", std::string(kIndex));
  add_index_routes(router);
  add_generation_routes(router);
  router.add({.method = Method::Post,
              .path = "/vectors/search",
              .operation_id = "searchVectors",
              .summary = "The chunks nearest to a text or a vector that the caller may read",
              .tag = "vectors",
              .description =
                  "By meaning, by words or by both. Rows that are gone or have changed since they "
                  "were embedded, and rows that the caller may not read, are not found.",
              .request = {content(kSearch, kSearchExample)},
              .responses = {answers(kFound, "The best first.")},
              .errors = {404, 409, 413, 415, 504},
              .handler = [this](Request request) { return search(std::move(request)); }});
  router.add({.method = Method::Post,
              .path = "/vectors/refresh/{dataset}",
              .operation_id = "refreshVectors",
              .summary = "Embed what is new or changed in a dataset, for all of its indexes",
              .tag = "vectors",
              .parameters = {path_parameter("dataset", "A dataset, or the name of one index."),
                             idempotency_parameter()},
              .responses = {{.status = 202,
                             .description = "Jobs do it.",
                             .content = {content(kRefreshed)}}},
              .errors = {404, 422},
              .handler = [this](Request request) { return refresh(std::move(request)); }});
  router.add({.method = Method::Get,
              .path = "/vectors/stale",
              .operation_id = "listStaleIndexes",
              .summary = "Indexes whose dataset has changed since",
              .tag = "vectors",
              .parameters = page_parameters(),
              .responses = {answers(kStalePage, "One page of them.")},
              .handler = [this](Request request) { return stale(std::move(request)); }});
  router.add({.method = Method::Get,
              .path = "/vectors/hnsw/cache/stats",
              .operation_id = "vectorCacheStats",
              .summary = "What of the indexes is in memory",
              .tag = "vectors",
              .responses = {answers(kStats, "Counted since the start.")},
              .handler = [this](Request request) { return cache_stats(std::move(request)); }});
}

void VectorHandlers::add_index_routes(Router& router) {
  router.add({.method = Method::Post,
              .path = "/vectors/index",
              .operation_id = "createIndex",
              .summary = "Make an index of a dataset's texts",
              .tag = "vectors",
              .parameters = {idempotency_parameter()},
              .request = {content(kIndexRequest, kIndexExample)},
              .responses = {job_accepted_spec()},
              .errors = {404, 409, 413, 415, 422, 501, 504},
              .handler = [this](Request request) { return create(std::move(request)); }});
  router.add({.method = Method::Get,
              .path = "/vectors/indexes",
              .operation_id = "listIndexes",
              .summary = "The indexes of datasets that the caller may read",
              .tag = "vectors",
              .parameters = page_parameters(),
              .responses = {answers(kIndexPage, "One page of them.")},
              .handler = [this](Request request) { return list(std::move(request)); }});
  router.add({.method = Method::Get,
              .path = "/vectors/indexes/{name}",
              .operation_id = "showIndex",
              .summary = "What is known about an index",
              .tag = "vectors",
              .parameters = {path_parameter("name", "The index.")},
              .responses = {answers(R"({"$ref":"#/components/schemas/VectorIndex"})", "It.")},
              .errors = {404},
              .handler = [this](Request request) { return show(std::move(request)); }});
  router.add(
      {.method = Method::Patch,
       .path = "/vectors/indexes/{name}",
       .operation_id = "changeIndex",
       .summary = "Say when an index follows its dataset",
       .tag = "vectors",
       .parameters = {path_parameter("name", "The index.")},
       .request = {content(kChange)},
       .responses = {answers(R"({"$ref":"#/components/schemas/VectorIndex"})", "As it is now.")},
       .errors = {404, 413, 415},
       .handler = [this](Request request) { return change(std::move(request)); }});
  router.add({.method = Method::Delete,
              .path = "/vectors/indexes/{name}",
              .operation_id = "dropIndex",
              .summary = "Drop an index with its embeddings and files",
              .tag = "vectors",
              .parameters = {path_parameter("name", "The index.")},
              .responses = {{.status = 204, .description = "There is none of that name now."}},
              .errors = {409},
              .handler = [this](Request request) { return drop(std::move(request)); }});
}

void VectorHandlers::add_generation_routes(Router& router) {
  router.add({.method = Method::Post,
              .path = "/vectors/indexes/{name}/generations",
              .operation_id = "buildGeneration",
              .summary = "Build an index anew beside the one that answers",
              .tag = "vectors",
              .description = "With another model, other chunks or texts, or another graph. What "
                             "is left out stays as it is. It takes over once it is complete and, "
                             "on the index's eval set, not worse.",
              .parameters = {path_parameter("name", "The index."), idempotency_parameter()},
              .request = {content(kBeside)},
              .responses = {job_accepted_spec()},
              .errors = {404, 409, 413, 415, 422, 501, 504},
              .handler = [this](Request request) { return build_beside(std::move(request)); }});
  router.add(
      {.method = Method::Post,
       .path = "/vectors/indexes/{name}/switch",
       .operation_id = "switchGeneration",
       .summary = "Let another generation answer: a newer one, or an older one again",
       .tag = "vectors",
       .parameters = {path_parameter("name", "The index.")},
       .request = {content(kSwitch)},
       .responses = {answers(R"({"$ref":"#/components/schemas/VectorIndex"})", "As it is now.")},
       .errors = {404, 409, 413, 415},
       .handler = [this](Request request) { return switch_to(std::move(request)); }});
  router.add({.method = Method::Delete,
              .path = "/vectors/indexes/{name}/generations/{number}",
              .operation_id = "dropGeneration",
              .summary = "Drop a generation that does not answer",
              .tag = "vectors",
              .parameters = {path_parameter("name", "The index."),
                             path_parameter("number", "The generation.")},
              .responses = {{.status = 204, .description = "There is none of that number now."}},
              .errors = {404, 409},
              .handler = [this](Request request) { return drop_generation(std::move(request)); }});
}

net::awaitable<Result<Response>> VectorHandlers::create(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const std::string key, idempotency_key(request));
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(IndexSpec spec, decode_spec(body));
  std::string what = "POST /vectors/index\n" + json::serialize(body);
  auto work = [this, context = request.context, spec = std::move(spec), key,
               what = std::move(what)] { return create_now(context, spec, key, what); };
  co_return co_await run_on(pools_.storage, std::move(work));
}

Result<Response> VectorHandlers::create_now(const RequestContext& context, const IndexSpec& spec,
                                            const std::string& key, const std::string& what) {
  ReceiptKeeper receipts(catalog_, context, key, what);
  LH_ASSIGN_OR_RETURN(std::optional<Response> earlier, receipts.earlier());
  if (earlier) {
    return *std::move(earlier);
  }
  const auto also = [&](metastore::Transaction& transaction, const jobs::Job& job) {
    return receipts.keep(transaction, 202, accepted_body(job));
  };
  const auto job = service_.create_index(context, spec, also);
  if (!job) {
    LH_ASSIGN_OR_RETURN(std::optional<Response> twin, receipts.earlier());
    return twin ? Result<Response>(*std::move(twin)) : std::unexpected(job.error());
  }
  return accepted(*job);
}

net::awaitable<Result<Response>> VectorHandlers::list(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const catalog::PageRequest wanted, page_of(request));
  auto work = [this, context = request.context, wanted] { return service_.list(context, wanted); };
  LH_ASSIGN_OR_CO_RETURN(const catalog::Page<IndexInfo> page,
                         co_await run_on(pools_.storage, std::move(work)));
  json::array indexes;
  for (const IndexInfo& info : page.items) {
    indexes.push_back(shown(info));
  }
  json::object body;
  body["indexes"] = std::move(indexes);
  body["next_page_token"] = or_null(page.next_page_token);
  const json::value answer(std::move(body));
  co_return json_response(200, answer);
}

net::awaitable<Result<Response>> VectorHandlers::show(Request request) {
  auto work = [this, context = request.context, name = request.path_param("name")] {
    return service_.get(context, name);
  };
  LH_ASSIGN_OR_CO_RETURN(const IndexInfo info, co_await run_on(pools_.storage, std::move(work)));
  const json::value answer(shown(info));
  co_return json_response(200, answer);
}

net::awaitable<Result<Response>> VectorHandlers::change(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  LH_CO_RETURN_IF_ERROR(fields.require_string("refresh"));
  LH_ASSIGN_OR_CO_RETURN(const vector::Refresh refresh, decode_refresh(fields));
  LH_CO_RETURN_IF_ERROR(fields.refuse_unknown());
  auto work = [this, context = request.context, name = request.path_param("name"), refresh] {
    return service_.set_refresh(context, name, refresh);
  };
  LH_ASSIGN_OR_CO_RETURN(const IndexInfo info, co_await run_on(pools_.storage, std::move(work)));
  const json::value answer(shown(info));
  co_return json_response(200, answer);
}

net::awaitable<Result<Response>> VectorHandlers::drop(Request request) {
  auto work = [this, context = request.context, name = request.path_param("name")] {
    return service_.drop(context, name);
  };
  LH_CO_RETURN_IF_ERROR(co_await run_on(pools_.storage, std::move(work)));
  co_return empty_response(204);
}

net::awaitable<Result<Response>> VectorHandlers::search(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(vector::SearchRequest wanted, decode_search(body));
  auto work = [this, context = request.context,
               wanted = std::move(wanted)]() -> Result<std::string> {
    LH_ASSIGN_OR_RETURN(const vector::SearchResults found, service_.search(context, wanted));
    if (on_search_) {
      on_search_(context, wanted);
    }
    return found_body(wanted.index, found);
  };
  LH_ASSIGN_OR_CO_RETURN(std::string answer, co_await run_on(pools_.engine, std::move(work)));
  co_return json_text_response(200, std::move(answer));
}

net::awaitable<Result<Response>> VectorHandlers::refresh(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const std::string key, idempotency_key(request));
  auto work = [this, context = request.context, dataset = request.path_param("dataset"),
               key]() -> Result<Response> {
    ReceiptKeeper receipts(catalog_, context, key, "POST /vectors/refresh/" + dataset);
    LH_ASSIGN_OR_RETURN(std::optional<Response> earlier, receipts.earlier());
    if (earlier) {
      return *std::move(earlier);
    }
    LH_ASSIGN_OR_RETURN(const std::vector<jobs::Job> started, service_.refresh(context, dataset));
    json::array ids;
    for (const jobs::Job& job : started) {
      ids.emplace_back(job.id);
    }
    std::string body =
        json::serialize(json::object{{"job_id", started.front().id}, {"job_ids", std::move(ids)}});
    receipts.keep_after(202, body);
    return json_text_response(202, std::move(body));
  };
  co_return co_await run_on(pools_.storage, std::move(work));
}

net::awaitable<Result<Response>> VectorHandlers::stale(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const catalog::PageRequest wanted, page_of(request));
  auto work = [this, context = request.context] { return service_.stale(context); };
  LH_ASSIGN_OR_CO_RETURN(const std::vector<vector::StaleIndex> all,
                         co_await run_on(pools_.storage, std::move(work)));
  json::array out;
  json::value next;
  for (const vector::StaleIndex& one : all) {
    if (one.index <= wanted.page_token) {
      continue;
    }
    if (out.size() == wanted.limit) {
      next = out.back().as_object().at("index");
      break;
    }
    out.push_back(shown(one));
  }
  json::object body;
  body["stale"] = std::move(out);
  body["next_page_token"] = std::move(next);
  const json::value answer(std::move(body));
  co_return json_response(200, answer);
}

net::awaitable<Result<Response>> VectorHandlers::build_beside(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const std::string key, idempotency_key(request));
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  LH_ASSIGN_OR_CO_RETURN(vector::Recipe recipe, decode_recipe(fields));
  LH_ASSIGN_OR_CO_RETURN(const json::object* graph, fields.optional_object("graph"));
  LH_ASSIGN_OR_CO_RETURN(const vector::GraphSettings settings, decode_graph(graph));
  LH_CO_RETURN_IF_ERROR(fields.refuse_unknown());
  const std::string name = request.path_param("name");
  std::string what = "POST /vectors/indexes/" + name + "/generations\n" + json::serialize(body);
  auto work = [this, context = request.context, name, recipe = std::move(recipe), settings, key,
               what = std::move(what)]() -> Result<Response> {
    ReceiptKeeper receipts(catalog_, context, key, what);
    LH_ASSIGN_OR_RETURN(std::optional<Response> earlier, receipts.earlier());
    if (earlier) {
      return *std::move(earlier);
    }
    LH_ASSIGN_OR_RETURN(const jobs::Job job,
                        service_.build_beside(context, name, recipe, settings));
    receipts.keep_after(202, accepted_body(job));
    return accepted(job);
  };
  co_return co_await run_on(pools_.storage, std::move(work));
}

net::awaitable<Result<Response>> VectorHandlers::switch_to(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  LH_ASSIGN_OR_CO_RETURN(const std::int64_t generation, fields.require_int64("generation"));
  LH_ASSIGN_OR_CO_RETURN(const std::optional<bool> force, fields.optional_bool("force"));
  LH_CO_RETURN_IF_ERROR(fields.refuse_unknown());
  auto work = [this, context = request.context, name = request.path_param("name"), generation,
               force] {
    return service_.switch_to(context, name, generation, force.value_or(false));
  };
  LH_ASSIGN_OR_CO_RETURN(const IndexInfo info, co_await run_on(pools_.engine, std::move(work)));
  const json::value answer(shown(info));
  co_return json_response(200, answer);
}

net::awaitable<Result<Response>> VectorHandlers::drop_generation(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const std::int64_t generation, generation_of(request));
  auto work = [this, context = request.context, name = request.path_param("name"), generation] {
    return service_.drop_generation(context, name, generation);
  };
  const auto dropped = co_await run_on(pools_.storage, std::move(work));
  if (!dropped && dropped.error().code != ErrorCode::NotFound) {
    co_return std::unexpected(dropped.error());
  }
  co_return empty_response(204);
}

net::awaitable<Result<Response>> VectorHandlers::cache_stats(Request /*request*/) {
  const vector::IndexCacheStats stats = service_.cache_stats();
  json::object body{{"indexes", stats.indexes},
                    {"bytes", stats.bytes},
                    {"bytes_max", stats.bytes_max},
                    {"hits", stats.hits},
                    {"loads", stats.loads},
                    {"evictions", stats.evictions},
                    {"row_sets", stats.row_sets},
                    {"row_set_hits", stats.row_set_hits},
                    {"row_set_misses", stats.row_set_misses}};
  const json::value answer(std::move(body));
  co_return json_response(200, answer);
}

}  // namespace lakehouse::gateway::http
