#include "vector/index_spec.h"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "vector/vector_index.h"

namespace lakehouse::vector {
namespace {

namespace json = boost::json;

constexpr std::size_t kNameMax = 64;
constexpr std::size_t kTemplateBytesMax = 10'000;
constexpr std::size_t kTextColumnsMax = 100;

template <class E, std::size_t N>
using Names = std::array<std::pair<E, std::string_view>, N>;

constexpr Names<KeyType, 4> kKeyTypes = {{{KeyType::String, "string"},
                                          {KeyType::Int32, "int32"},
                                          {KeyType::Int64, "int64"},
                                          {KeyType::Uuid, "uuid"}}};
constexpr Names<RefreshPolicy, 3> kPolicies = {{{RefreshPolicy::Manual, "manual"},
                                                {RefreshPolicy::OnAppend, "on_append"},
                                                {RefreshPolicy::Scheduled, "scheduled"}}};
constexpr Names<Backend, 2> kBackends = {{{Backend::Hnsw, "hnsw"}, {Backend::Lance, "lance"}}};
constexpr Names<GenerationState, 3> kStates = {{{GenerationState::Building, "building"},
                                                {GenerationState::Ready, "ready"},
                                                {GenerationState::Failed, "failed"}}};

template <class E, std::size_t N>
std::string_view name_of(const Names<E, N>& names, E value) {
  for (const auto& [one, name] : names) {
    if (one == value) {
      return name;
    }
  }
  return names.front().second;
}

template <class E, std::size_t N>
Result<E> value_of(const Names<E, N>& names, std::string_view what, std::string_view wanted) {
  std::string known;
  for (const auto& [one, name] : names) {
    if (name == wanted) {
      return one;
    }
    known += known.empty() ? "" : ", ";
    known += name;
  }
  return fail(ErrorCode::InvalidArgument, fmt::format("{} is '{}'", what, wanted.substr(0, 40)),
              fmt::format("There are {}.", known));
}

json::value or_null(const std::optional<std::int64_t>& value) {
  return value ? json::value(*value) : json::value();
}

json::object recipe_json(const Recipe& recipe) {
  json::object chunk{{"size", recipe.chunk.size},
                     {"overlap", recipe.chunk.overlap},
                     {"sentences", recipe.chunk.sentences},
                     {"chunks_max", recipe.chunk.chunks_max}};
  return {{"text", json::array(recipe.text_columns.begin(), recipe.text_columns.end())},
          {"template", recipe.text_template},
          {"chunk", std::move(chunk)},
          {"model", recipe.model}};
}

std::uint32_t narrow(std::int64_t value) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(value, 0, UINT32_MAX));
}

Result<Recipe> recipe_from(const json::object& object) {
  JsonFields fields(object, "a recipe");
  Recipe recipe;
  LH_ASSIGN_OR_RETURN(recipe.text_columns, fields.require_strings("text"));
  LH_ASSIGN_OR_RETURN(recipe.text_template, fields.require_string("template"));
  LH_ASSIGN_OR_RETURN(recipe.model, fields.require_string("model"));
  LH_ASSIGN_OR_RETURN(const json::object* chunk, fields.require_object("chunk"));
  JsonFields chunks(*chunk, "chunk");
  LH_ASSIGN_OR_RETURN(const std::int64_t size, chunks.require_int64("size"));
  LH_ASSIGN_OR_RETURN(const std::int64_t overlap, chunks.require_int64("overlap"));
  LH_ASSIGN_OR_RETURN(recipe.chunk.sentences, chunks.require_bool("sentences"));
  LH_ASSIGN_OR_RETURN(const std::int64_t most, chunks.require_int64("chunks_max"));
  recipe.chunk.size = narrow(size);
  recipe.chunk.overlap = narrow(overlap);
  recipe.chunk.chunks_max = narrow(most);
  return recipe;
}

json::object graph_json(const GraphSettings& graph) {
  return {{"m", graph.m},
          {"ef_construction", graph.ef_construction},
          {"ef_search", graph.ef_search},
          {"quantization", graph.quantization},
          {"seed", graph.seed}};
}

Result<GraphSettings> graph_from(const json::object& object) {
  JsonFields fields(object, "graph");
  GraphSettings graph;
  LH_ASSIGN_OR_RETURN(const std::int64_t m, fields.require_int64("m"));
  LH_ASSIGN_OR_RETURN(const std::int64_t construction, fields.require_int64("ef_construction"));
  LH_ASSIGN_OR_RETURN(const std::int64_t search, fields.require_int64("ef_search"));
  LH_ASSIGN_OR_RETURN(graph.quantization, fields.require_string("quantization"));
  const json::value* seed = fields.optional_value("seed");
  graph.m = narrow(m);
  graph.ef_construction = narrow(construction);
  graph.ef_search = narrow(search);
  graph.seed = seed != nullptr && seed->is_number() ? seed->to_number<std::uint64_t>() : 1;
  return graph;
}

Result<Generation> generation_from(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a generation"));
  Generation out;
  LH_ASSIGN_OR_RETURN(out.number, fields.require_int64("number"));
  LH_ASSIGN_OR_RETURN(const json::object* recipe, fields.require_object("recipe"));
  LH_ASSIGN_OR_RETURN(out.recipe, recipe_from(*recipe));
  LH_ASSIGN_OR_RETURN(const json::object* graph, fields.require_object("graph"));
  LH_ASSIGN_OR_RETURN(out.graph, graph_from(*graph));
  LH_ASSIGN_OR_RETURN(const std::string state, fields.require_string("state"));
  LH_ASSIGN_OR_RETURN(out.state, value_of(kStates, "state", state));
  LH_ASSIGN_OR_RETURN(out.embeddings, fields.require_string("embeddings"));
  LH_ASSIGN_OR_RETURN(out.embeddings_uuid, fields.require_string("embeddings_uuid"));
  LH_ASSIGN_OR_RETURN(out.model_version, fields.require_string("model_version"));
  LH_ASSIGN_OR_RETURN(const std::int64_t dimensions, fields.require_int64("dimensions"));
  out.dimensions = narrow(dimensions);
  LH_ASSIGN_OR_RETURN(out.source_snapshot_id, fields.optional_int64("source_snapshot_id"));
  LH_ASSIGN_OR_RETURN(out.floor_snapshot_id, fields.optional_int64("floor_snapshot_id"));
  LH_ASSIGN_OR_RETURN(out.embeddings_snapshot_id, fields.optional_int64("embeddings_snapshot_id"));
  LH_ASSIGN_OR_RETURN(out.file, fields.require_string("file"));
  LH_ASSIGN_OR_RETURN(out.file_snapshot_id, fields.optional_int64("file_snapshot_id"));
  LH_ASSIGN_OR_RETURN(out.rows, fields.require_int64("rows"));
  LH_ASSIGN_OR_RETURN(out.rows_total, fields.require_int64("rows_total"));
  LH_ASSIGN_OR_RETURN(out.chunks, fields.require_int64("chunks"));
  LH_ASSIGN_OR_RETURN(out.bad_rows, fields.require_int64("bad_rows"));
  LH_ASSIGN_OR_RETURN(out.bad_rows_file, fields.require_string("bad_rows_file"));
  LH_ASSIGN_OR_RETURN(out.updated_at_ms, fields.require_int64("updated_at_ms"));
  LH_ASSIGN_OR_RETURN(out.job_id, fields.require_string("job_id"));
  LH_ASSIGN_OR_RETURN(out.error, fields.require_string("error"));
  LH_ASSIGN_OR_RETURN(out.quality, fields.optional_double("quality"));
  return out;
}

std::unexpected<Error> wrong(std::string message, std::string hint = {}) {
  return fail(ErrorCode::InvalidArgument, std::move(message), std::move(hint));
}

Status check(const ChunkOptions& chunk) {
  if (chunk.size < 50 || chunk.size > 100'000) {
    return wrong("chunk.size must be 50 to 100,000 characters");
  }
  if (chunk.overlap >= chunk.size / 2) {
    return wrong("chunk.overlap must be less than half of chunk.size");
  }
  if (chunk.chunks_max < 1 || chunk.chunks_max > 100'000) {
    return wrong("chunk.chunks_max must be 1 to 100,000");
  }
  return {};
}

}  // namespace

std::string_view to_string(KeyType type) {
  return name_of(kKeyTypes, type);
}
Result<KeyType> key_type_from(std::string_view name) {
  return value_of(kKeyTypes, "key_type", name);
}
std::string_view to_string(RefreshPolicy policy) {
  return name_of(kPolicies, policy);
}
Result<RefreshPolicy> refresh_policy_from(std::string_view name) {
  return value_of(kPolicies, "the refresh policy", name);
}
std::string_view to_string(Backend backend) {
  return name_of(kBackends, backend);
}
Result<Backend> backend_from(std::string_view name) {
  return value_of(kBackends, "backend", name);
}
std::string_view to_string(GenerationState state) {
  return name_of(kStates, state);
}

const Generation* IndexInfo::generation(std::int64_t number) const {
  const auto found = std::ranges::find(generations, number, &Generation::number);
  return found == generations.end() ? nullptr : &*found;
}

Generation* IndexInfo::generation(std::int64_t number) {
  return const_cast<Generation*>(std::as_const(*this).generation(number));
}

const Generation& IndexInfo::current() const {
  const Generation* active_one = generation(active);
  return active_one == nullptr ? generations.back() : *active_one;
}

json::object to_json(const Generation& generation) {
  return {{"number", generation.number},
          {"recipe", recipe_json(generation.recipe)},
          {"graph", graph_json(generation.graph)},
          {"state", to_string(generation.state)},
          {"embeddings", generation.embeddings},
          {"embeddings_uuid", generation.embeddings_uuid},
          {"model_version", generation.model_version},
          {"dimensions", generation.dimensions},
          {"source_snapshot_id", or_null(generation.source_snapshot_id)},
          {"floor_snapshot_id", or_null(generation.floor_snapshot_id)},
          {"embeddings_snapshot_id", or_null(generation.embeddings_snapshot_id)},
          {"file", generation.file},
          {"file_snapshot_id", or_null(generation.file_snapshot_id)},
          {"rows", generation.rows},
          {"rows_total", generation.rows_total},
          {"chunks", generation.chunks},
          {"bad_rows", generation.bad_rows},
          {"bad_rows_file", generation.bad_rows_file},
          {"updated_at_ms", generation.updated_at_ms},
          {"job_id", generation.job_id},
          {"error", generation.error},
          {"quality", generation.quality ? json::value(*generation.quality) : json::value()}};
}

json::object to_json(const IndexInfo& info) {
  json::array generations;
  for (const Generation& one : info.generations) {
    generations.push_back(to_json(one));
  }
  return {{"id", info.id},
          {"name", info.name},
          {"dataset", info.dataset},
          {"dataset_uuid", info.dataset_uuid},
          {"key", info.key},
          {"key_type", to_string(info.key_type)},
          {"backend", to_string(info.backend)},
          {"refresh", to_string(info.refresh.policy)},
          {"refresh_every_s", info.refresh.every.count()},
          {"principal", info.principal},
          {"created_at_ms", info.created_at_ms},
          {"version", info.version},
          {"active", info.active},
          {"next", info.next},
          {"generations", std::move(generations)}};
}

Result<IndexInfo> info_from_json(const json::object& object) {
  JsonFields fields(object, "an index");
  IndexInfo info;
  LH_ASSIGN_OR_RETURN(info.id, fields.require_string("id"));
  LH_ASSIGN_OR_RETURN(info.name, fields.require_string("name"));
  LH_ASSIGN_OR_RETURN(info.dataset, fields.require_string("dataset"));
  LH_ASSIGN_OR_RETURN(info.dataset_uuid, fields.require_string("dataset_uuid"));
  LH_ASSIGN_OR_RETURN(info.key, fields.require_string("key"));
  LH_ASSIGN_OR_RETURN(const std::string key_type, fields.require_string("key_type"));
  LH_ASSIGN_OR_RETURN(info.key_type, key_type_from(key_type));
  LH_ASSIGN_OR_RETURN(const std::string backend, fields.require_string("backend"));
  LH_ASSIGN_OR_RETURN(info.backend, backend_from(backend));
  LH_ASSIGN_OR_RETURN(const std::string policy, fields.require_string("refresh"));
  LH_ASSIGN_OR_RETURN(info.refresh.policy, refresh_policy_from(policy));
  LH_ASSIGN_OR_RETURN(const std::int64_t every, fields.require_int64("refresh_every_s"));
  info.refresh.every = std::chrono::seconds(every);
  LH_ASSIGN_OR_RETURN(info.principal, fields.require_string("principal"));
  LH_ASSIGN_OR_RETURN(info.created_at_ms, fields.require_int64("created_at_ms"));
  LH_ASSIGN_OR_RETURN(info.version, fields.require_int64("version"));
  LH_ASSIGN_OR_RETURN(info.active, fields.require_int64("active"));
  LH_ASSIGN_OR_RETURN(info.next, fields.require_int64("next"));
  LH_ASSIGN_OR_RETURN(const json::array* generations, fields.require_array("generations"));
  for (const json::value& one : *generations) {
    LH_ASSIGN_OR_RETURN(Generation generation, generation_from(one));
    info.generations.push_back(std::move(generation));
  }
  if (info.generations.empty()) {
    return fail(ErrorCode::DataLoss, fmt::format("index '{}' has no generation", info.name));
  }
  return info;
}

Status check(const Refresh& refresh) {
  constexpr std::chrono::seconds kEveryMin{10};
  constexpr std::chrono::seconds kEveryMax{std::chrono::hours(24 * 366)};
  const bool is_scheduled = refresh.policy == RefreshPolicy::Scheduled;
  if (is_scheduled ? refresh.every < kEveryMin || refresh.every > kEveryMax
                   : refresh.every.count() != 0) {
    return wrong(is_scheduled ? "refresh.every_s must be 10 s to a year"
                              : "refresh.every_s is for the policy 'scheduled' only");
  }
  return {};
}

Status check(const GraphSettings& graph) {
  LH_ASSIGN_OR_RETURN(const Quantization quantization, quantization_named(graph.quantization));
  IndexOptions options;
  options.dimensions = 1;
  options.m = graph.m;
  options.ef_construction = graph.ef_construction;
  options.quantization = quantization;
  LH_RETURN_IF_ERROR(options.check());
  if (graph.ef_search < 1 || graph.ef_search > IndexOptions::kEfMax) {
    return wrong("ef_search must be 1 to 4,096");
  }
  return {};
}

Status check(const Recipe& recipe) {
  if (recipe.text_columns.empty() == recipe.text_template.empty()) {
    return wrong("give the columns in 'text', or a 'template'",
                 R"(For instance "text": ["title", "body"], or "template": "{title}: {body}".)");
  }
  if (recipe.text_columns.size() > kTextColumnsMax) {
    return wrong("'text' names more than 100 columns");
  }
  if (recipe.text_template.size() > kTemplateBytesMax) {
    return wrong("'template' is longer than 10,000 bytes");
  }
  return check(recipe.chunk);
}

Status check(const IndexSpec& spec) {
  const auto may_be_in_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  if (spec.name.empty() || spec.name.size() > kNameMax ||
      !std::ranges::all_of(spec.name, may_be_in_name)) {
    return wrong("the index's name must be 1 to 64 of a-z, 0-9, _ and -");
  }
  if (spec.dataset.empty() || spec.key.empty()) {
    return wrong("give the 'dataset' and its 'key' column");
  }
  LH_RETURN_IF_ERROR(check(spec.recipe));
  LH_RETURN_IF_ERROR(check(spec.refresh));
  return check(spec.graph);
}

}  // namespace lakehouse::vector
