#include "vector/trial.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "vector/vector_index.h"

namespace lakehouse::vector {
namespace {

namespace json = boost::json;

constexpr std::uint32_t kKMax = 1'000;
constexpr std::uint32_t kThreadsMax = 64;
constexpr std::size_t kValuesMax = 64;  // Of one setting.

std::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::InvalidArgument, std::move(message));
}

template <class T>
Status read_numbers(JsonFields& fields, std::string_view name, std::vector<T>* numbers) {
  LH_ASSIGN_OR_RETURN(const json::array* array, fields.optional_array(name));
  if (array == nullptr) {
    return {};
  }
  numbers->clear();
  for (const json::value& value : *array) {
    if (!value.is_int64() || value.get_int64() < 0 || value.get_int64() > 0xFFFFFFFF) {
      return invalid(fmt::format("'{}' is a list of whole numbers", name));
    }
    numbers->push_back(static_cast<T>(value.get_int64()));
  }
  return {};
}

Result<TrialGrid> grid_of(const json::object& object) {
  TrialGrid grid;
  JsonFields fields(object, "the grid");
  LH_RETURN_IF_ERROR(read_numbers(fields, "m", &grid.m));
  LH_RETURN_IF_ERROR(read_numbers(fields, "ef_construction", &grid.ef_construction));
  LH_RETURN_IF_ERROR(read_numbers(fields, "ef_search", &grid.ef_search));
  LH_RETURN_IF_ERROR(read_numbers(fields, "seed", &grid.seed));
  LH_ASSIGN_OR_RETURN(const json::array* quantizations, fields.optional_array("quantization"));
  if (quantizations != nullptr) {
    LH_ASSIGN_OR_RETURN(grid.quantization, fields.require_strings("quantization"));
  }
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  return grid;
}

Result<std::uint32_t> small_number(JsonFields& fields, std::string_view name,
                                   std::uint32_t otherwise, std::uint32_t min, std::uint32_t max) {
  LH_ASSIGN_OR_RETURN(const auto number, fields.optional_int64(name));
  if (number && (*number < min || *number > max)) {
    return invalid(fmt::format("{} must be {} to {}", name, min, max));
  }
  return number ? static_cast<std::uint32_t>(*number) : otherwise;
}

template <class T>
json::array array_of(const std::vector<T>& values) {
  json::array array;
  for (const T& value : values) {
    array.emplace_back(value);
  }
  return array;
}

json::object graph_json(const GraphSettings& graph) {
  return {{"m", graph.m},
          {"ef_construction", graph.ef_construction},
          {"ef_search", graph.ef_search},
          {"quantization", graph.quantization},
          {"seed", graph.seed}};
}

double number(JsonFields& fields, std::string_view name, Status* status) {
  const auto value = fields.optional_double(name);
  if (!value || !*value) {
    *status = value ? invalid(fmt::format("a trial has no {}", name))
                    : Status(std::unexpected(value.error()));
    return 0;
  }
  return **value;
}

}  // namespace

std::vector<GraphSettings> TrialGrid::builds() const {
  std::vector<GraphSettings> all;
  for (const std::string& kind : quantization) {
    for (const std::uint64_t dice : seed) {
      for (const std::uint32_t links : m) {
        for (const std::uint32_t width : ef_construction) {
          all.push_back({.m = links,
                         .ef_construction = width,
                         .ef_search = ef_search.empty() ? 1 : ef_search.front(),
                         .quantization = kind,
                         .seed = dice});
        }
      }
    }
  }
  return all;
}

Status check(const TrialSpec& spec) {
  const TrialGrid& grid = spec.grid;
  for (const auto& [name, count] : std::array<std::pair<std::string_view, std::size_t>, 5>{
           {{"m", grid.m.size()},
            {"ef_construction", grid.ef_construction.size()},
            {"ef_search", grid.ef_search.size()},
            {"quantization", grid.quantization.size()},
            {"seed", grid.seed.size()}}}) {
    if (count == 0 || count > kValuesMax) {
      return invalid(fmt::format("the grid needs 1 to {} values of {}", kValuesMax, name));
    }
  }
  const std::vector<GraphSettings> builds = grid.builds();
  if (builds.size() > TrialGrid::kBuildsMax ||
      builds.size() * grid.ef_search.size() > TrialGrid::kTrialsMax) {
    return invalid(fmt::format("the grid has {} graphs and {} trials; {} and {} is the most",
                               builds.size(), builds.size() * grid.ef_search.size(),
                               TrialGrid::kBuildsMax, TrialGrid::kTrialsMax));
  }
  for (GraphSettings build : builds) {
    for (const std::uint32_t ef : grid.ef_search) {
      build.ef_search = ef;
      LH_RETURN_IF_ERROR(check(build));
    }
  }
  if (spec.k == 0 || spec.k > kKMax || spec.threads > kThreadsMax) {
    return invalid(fmt::format("k must be 1 to {}, threads 0 to {}", kKMax, kThreadsMax));
  }
  return {};
}

json::object to_json(const TrialSpec& spec) {
  return {{"index", spec.index},
          {"eval_set", spec.eval_set},
          {"k", spec.k},
          {"grid", json::object{{"m", array_of(spec.grid.m)},
                                {"ef_construction", array_of(spec.grid.ef_construction)},
                                {"ef_search", array_of(spec.grid.ef_search)},
                                {"quantization", array_of(spec.grid.quantization)},
                                {"seed", array_of(spec.grid.seed)}}},
          {"threads", spec.threads}};
}

Result<TrialSpec> trial_spec_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "the trial"));
  TrialSpec spec;
  LH_ASSIGN_OR_RETURN(spec.index, fields.require_string("index"));
  LH_ASSIGN_OR_RETURN(spec.eval_set, fields.require_string("eval_set"));
  LH_ASSIGN_OR_RETURN(spec.k, small_number(fields, "k", spec.k, 1, kKMax));
  LH_ASSIGN_OR_RETURN(spec.threads, small_number(fields, "threads", 0, 0, kThreadsMax));
  LH_ASSIGN_OR_RETURN(const json::object* grid, fields.optional_object("grid"));
  if (grid != nullptr) {
    LH_ASSIGN_OR_RETURN(spec.grid, grid_of(*grid));
  }
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  LH_RETURN_IF_ERROR(check(spec));
  return spec;
}

json::object to_json(const Trial& trial) {
  return {{"id", trial.id},
          {"job_id", trial.job_id},
          {"principal", trial.principal},
          {"at_ms", trial.at_ms},
          {"index", trial.index},
          {"generation", trial.generation},
          {"embeddings_snapshot_id", trial.embeddings_snapshot_id},
          {"eval_set", trial.eval_set},
          {"k", trial.k},
          {"graph", graph_json(trial.graph)},
          {"queries", trial.queries},
          {"rows", trial.rows},
          {"dimensions", trial.dimensions},
          {"recall", trial.recall},
          {"recall_min", trial.recall_min},
          {"relevance", trial.relevance ? json::value(*trial.relevance) : json::value()},
          {"latency_us", trial.latency_us},
          {"latency_p95_us", trial.latency_p95_us},
          {"searches_per_s", trial.searches_per_s},
          {"build_s", trial.build_s},
          {"memory_bytes", trial.memory_bytes}};
}

Result<Trial> trial_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a trial"));
  Trial trial;
  for (const auto& [name, text] :
       std::array<std::pair<std::string_view, std::string*>, 5>{{{"id", &trial.id},
                                                                 {"job_id", &trial.job_id},
                                                                 {"principal", &trial.principal},
                                                                 {"index", &trial.index},
                                                                 {"eval_set", &trial.eval_set}}}) {
    LH_ASSIGN_OR_RETURN(*text, fields.require_string(name));
  }
  for (const auto& [name, whole] : std::array<std::pair<std::string_view, std::int64_t*>, 5>{
           {{"at_ms", &trial.at_ms},
            {"generation", &trial.generation},
            {"embeddings_snapshot_id", &trial.embeddings_snapshot_id},
            {"queries", &trial.queries},
            {"rows", &trial.rows}}}) {
    LH_ASSIGN_OR_RETURN(*whole, fields.require_int64(name));
  }
  Status status;
  for (const auto& [name, real] : std::array<std::pair<std::string_view, double*>, 6>{
           {{"recall", &trial.recall},
            {"recall_min", &trial.recall_min},
            {"latency_us", &trial.latency_us},
            {"latency_p95_us", &trial.latency_p95_us},
            {"searches_per_s", &trial.searches_per_s},
            {"build_s", &trial.build_s}}}) {
    *real = number(fields, name, &status);
  }
  LH_RETURN_IF_ERROR(status);
  LH_ASSIGN_OR_RETURN(trial.relevance, fields.optional_double("relevance"));
  LH_ASSIGN_OR_RETURN(trial.k, small_number(fields, "k", 0, 1, kKMax));
  LH_ASSIGN_OR_RETURN(trial.dimensions, small_number(fields, "dimensions", 0, 1, 65'536));
  LH_ASSIGN_OR_RETURN(const std::int64_t memory, fields.require_int64("memory_bytes"));
  trial.memory_bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(memory, 0));
  LH_ASSIGN_OR_RETURN(const json::object* graph, fields.require_object("graph"));
  JsonFields settings(*graph, "a trial's graph");
  LH_ASSIGN_OR_RETURN(trial.graph.m, small_number(settings, "m", 16, 2, 128));
  LH_ASSIGN_OR_RETURN(trial.graph.ef_construction,
                      small_number(settings, "ef_construction", 200, 1, 4096));
  LH_ASSIGN_OR_RETURN(trial.graph.ef_search, small_number(settings, "ef_search", 64, 1, 4096));
  LH_ASSIGN_OR_RETURN(trial.graph.quantization, settings.require_string("quantization"));
  LH_ASSIGN_OR_RETURN(const std::int64_t seed, settings.require_int64("seed"));
  trial.graph.seed = static_cast<std::uint64_t>(seed);
  return trial;
}

Result<BestBy> best_by_from(std::string_view name) {
  if (name == "recall") {
    return BestBy::Recall;
  }
  if (name == "latency") {
    return BestBy::Latency;
  }
  if (name == "pareto") {
    return BestBy::Pareto;
  }
  return fail(ErrorCode::InvalidArgument, "there is no such metric",
              "There are recall, latency and pareto.");
}

std::vector<Trial> best_of(const std::vector<Trial>& trials, BestBy by, double recall_min) {
  std::vector<Trial> sorted = trials;
  // The most recall first, of equals the fastest; so each that is faster than all before it is on
  // the front.
  std::ranges::sort(sorted, [](const Trial& a, const Trial& b) {
    return std::tuple(-a.recall, a.latency_us, a.id) < std::tuple(-b.recall, b.latency_us, b.id);
  });
  std::vector<Trial> front;
  for (Trial& trial : sorted) {
    if (front.empty() || trial.latency_us < front.back().latency_us) {
      front.push_back(std::move(trial));
    }
  }
  if (front.empty()) {
    return front;
  }
  switch (by) {
    case BestBy::Recall: return {front.front()};
    case BestBy::Latency: {
      std::erase_if(front, [&](const Trial& trial) { return trial.recall < recall_min; });
      return front.empty() ? front : std::vector<Trial>{front.back()};
    }
    case BestBy::Pareto: break;
  }
  std::ranges::reverse(front);
  return front;
}

}  // namespace lakehouse::vector
