#include "vector/trial_run.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <thread>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace lakehouse::vector {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kRowsAtOnce = 8'192;
constexpr std::size_t kQueriesAtOnce = 128;
constexpr std::size_t kWarmUp = 32;
/// Few queries are asked again and again, so that a median means something.
constexpr std::size_t kTimedMin = 200;
constexpr std::chrono::seconds kTimedMax{10};
/// What rounding may take from a score: rows that lie equally near are equally good.
constexpr float kSame = 1e-6F;
constexpr std::int64_t kStepsOfBuild = 100;

double seconds_since(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

bool same_key(const json::value& a, const json::value& b) {
  if (a.is_number() && b.is_number()) {
    return a.to_number<std::int64_t>() == b.to_number<std::int64_t>();
  }
  return a == b;
}

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

double share_found(std::span<const EvalTruth> truth, std::span<const SearchHit> hits) {
  const auto found = std::ranges::count_if(truth, [&](const EvalTruth& wanted) {
    return std::ranges::any_of(hits, [&](const SearchHit& hit) {
      return same_key(hit.key, wanted.key) && (!wanted.chunk || *wanted.chunk == hit.chunk);
    });
  });
  const std::size_t possible = std::min(truth.size(), std::max<std::size_t>(hits.size(), 1));
  return std::min(1.0, static_cast<double>(found) / static_cast<double>(possible));
}

TrialRun::TrialRun(TrialSpec spec, const EvalSet& set,
                   std::shared_ptr<const PinnedEmbeddings> pinned, ai::ModelService& models,
                   Keep keep)
    : spec_(std::move(spec)),
      set_(set),
      pinned_(std::move(pinned)),
      models_(models),
      keep_(std::move(keep)) {}

std::span<const float> TrialRun::query(std::size_t i) const {
  return std::span(queries_).subspan(i * pinned_->dimensions(), pinned_->dimensions());
}

Result<json::value> TrialRun::run(jobs::JobContext& job) {
  if (pinned_->size() == 0) {
    return fail(ErrorCode::FailedPrecondition, fmt::format("the index '{}' is empty", spec_.index));
  }
  job.progress(0, 0, "embedding the queries");
  LH_RETURN_IF_ERROR(embed_queries(job.request()));
  const std::vector<GraphSettings> builds = spec_.grid.builds();
  const json::value& last = job.last_checkpoint();
  const std::size_t first =
      last.is_object() ? static_cast<std::size_t>(last.at("builds").to_number<std::int64_t>()) : 0;
  for (std::size_t i = first; i < builds.size(); ++i) {
    double build_s = 0;
    LH_ASSIGN_OR_RETURN(const Index index, build(job, builds[i], i, &build_s));
    LH_RETURN_IF_ERROR(find_truth(job.request(), *index));
    std::vector<Trial> trials;
    for (std::size_t e = 0; e < spec_.grid.ef_search.size(); ++e) {
      GraphSettings graph = builds[i];
      graph.ef_search = spec_.grid.ef_search[e];
      LH_ASSIGN_OR_RETURN(Trial trial, measure(job, *index, graph, build_s));
      trial.id = fmt::format("{}-{}", job.id(), i * spec_.grid.ef_search.size() + e + 1);
      trials.push_back(std::move(trial));
    }
    LH_RETURN_IF_ERROR(keep_(trials));
    LH_RETURN_IF_ERROR(job.checkpoint(json::object{{"builds", i + 1}}));
    std::ranges::move(trials, std::back_inserter(made_));
  }
  const auto total = static_cast<std::int64_t>(builds.size()) * kStepsOfBuild;
  job.progress(total, total, "done");
  json::array front;
  for (const Trial& trial : best_of(made_, BestBy::Pareto, 0)) {
    front.push_back(to_json(trial));
  }
  return json::object{{"trials", builds.size() * spec_.grid.ef_search.size()},
                      {"pareto", std::move(front)}};
}

Status TrialRun::embed_queries(const RequestContext& context) {
  const std::uint32_t dimensions = pinned_->dimensions();
  queries_.assign(set_.queries.size() * dimensions, 0);
  std::vector<std::string_view> texts;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < set_.queries.size(); ++i) {
    const EvalQuery& query = set_.queries[i];
    if (!query.text.empty()) {
      texts.push_back(query.text);
      places.push_back(i);
    } else if (query.vector.size() != dimensions) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("the vector of '{}' has {} dimensions, the index {}", query.name,
                              query.vector.size(), dimensions));
    } else {
      std::ranges::copy(query.vector,
                        queries_.begin() + static_cast<std::ptrdiff_t>(i * dimensions));
    }
  }
  if (texts.empty()) {
    return {};
  }
  LH_ASSIGN_OR_RETURN(const auto embedder,
                      models_.embedder(context, pinned_->info().current().recipe.model));
  for (std::size_t i = 0; i < texts.size(); i += kQueriesAtOnce) {
    const auto some = std::span(texts).subspan(i, std::min(kQueriesAtOnce, texts.size() - i));
    LH_ASSIGN_OR_RETURN(const ai::Embeddings vectors,
                        embedder->embed(context, some, ai::EmbedPriority::Bulk));
    if (vectors.dimensions != dimensions || vectors.size() != some.size()) {
      return fail(ErrorCode::FailedPrecondition,
                  fmt::format("the model gives {} dimensions, the index has {}", vectors.dimensions,
                              dimensions),
                  "Build the index anew with the model as it is now.");
    }
    for (std::size_t row = 0; row < some.size(); ++row) {
      std::ranges::copy(vectors.row(row), queries_.begin() + static_cast<std::ptrdiff_t>(
                                                                 places[i + row] * dimensions));
    }
  }
  return {};
}

Result<TrialRun::Index> TrialRun::build(jobs::JobContext& job, const GraphSettings& graph,
                                        std::size_t number, double* seconds) {
  const auto total = static_cast<std::int64_t>(spec_.grid.builds().size()) * kStepsOfBuild;
  const auto before = static_cast<std::int64_t>(number) * kStepsOfBuild;
  const std::string doing = fmt::format("building m={} ef_construction={} {} seed={}", graph.m,
                                        graph.ef_construction, graph.quantization, graph.seed);
  job.progress(before, total, doing);
  LH_ASSIGN_OR_RETURN(const Quantization quantization, quantization_named(graph.quantization));
  const auto begun = Clock::now();
  LH_ASSIGN_OR_RETURN(const auto builder,
                      VectorIndexBuilder::create({.dimensions = pinned_->dimensions(),
                                                  .m = graph.m,
                                                  .ef_construction = graph.ef_construction,
                                                  .quantization = quantization,
                                                  .seed = graph.seed}));
  const std::size_t row_floats = pinned_->dimensions();
  for (std::size_t row = 0; row < pinned_->size(); row += kRowsAtOnce) {
    LH_RETURN_IF_ERROR(job.request().check());
    const std::size_t count = std::min(kRowsAtOnce, pinned_->size() - row);
    LH_RETURN_IF_ERROR(
        builder->add(pinned_->vectors().subspan(row * row_floats, count * row_floats)));
  }
  const unsigned threads =
      spec_.threads != 0 ? spec_.threads : std::clamp(std::thread::hardware_concurrency(), 1U, 64U);
  auto index =
      builder->build(job.request(), {}, threads, [&](std::uint32_t done, std::uint32_t rows) {
        const std::int64_t part = rows == 0 ? 0 : done * (kStepsOfBuild - 10) / rows;
        job.progress(before + part, total, doing);
      });
  *seconds = seconds_since(begun);
  return index;
}

// What an exact search of the same vectors finds; the same for all graphs.
Status TrialRun::find_truth(const RequestContext& context, const VectorIndex& index) {
  if (!truth_.empty()) {
    return {};
  }
  std::vector<Truth> truth;
  for (std::size_t i = 0; i < set_.queries.size(); i += kQueriesAtOnce) {
    std::vector<ScanQuery> batch;
    for (std::size_t q = i; q < std::min(i + kQueriesAtOnce, set_.queries.size()); ++q) {
      batch.push_back({.vector = query(q), .k = spec_.k});
    }
    LH_ASSIGN_OR_RETURN(const auto answers, index.table().search(context, batch));
    for (const std::vector<Hit>& hits : answers) {
      truth.push_back({.least = hits.empty() ? 0 : hits.back().score, .count = hits.size()});
    }
  }
  truth_ = std::move(truth);
  return {};
}

double TrialRun::relevance_of(const EvalQuery& query, std::span<const Hit> hits) const {
  std::vector<SearchHit> found;
  for (const Hit& hit : hits) {
    SearchHit& one = found.emplace_back();
    one.key = pinned_->key(hit.row);
    one.chunk = pinned_->chunk(hit.row);
  }
  return share_found(query.truth, found);
}

Result<Trial> TrialRun::measure(jobs::JobContext& job, const VectorIndex& index,
                                const GraphSettings& graph, double build_s) {
  Trial trial{.job_id = job.id(),
              .principal = job.request().principal,
              .at_ms = now_ms(),
              .index = pinned_->info().name,
              .generation = pinned_->info().active,
              .embeddings_snapshot_id = pinned_->embeddings_snapshot_id(),
              .eval_set = set_.name,
              .k = spec_.k,
              .graph = graph,
              .queries = static_cast<std::int64_t>(set_.queries.size()),
              .rows = static_cast<std::int64_t>(pinned_->size()),
              .dimensions = pinned_->dimensions(),
              .build_s = build_s,
              .memory_bytes = index.memory_bytes()};
  const SearchOptions options{.k = spec_.k, .ef = graph.ef_search};
  for (std::size_t i = 0; i < std::min(kWarmUp, set_.queries.size()); ++i) {
    LH_RETURN_IF_ERROR(index.search(job.request(), query(i), options));
  }
  LH_RETURN_IF_ERROR(search_all(job.request(), index, options, &trial));
  return trial;
}

Status TrialRun::search_all(const RequestContext& context, const VectorIndex& index,
                            const SearchOptions& options, Trial* trial) {
  std::vector<double> times_us;
  double recall = 0;
  double relevance = 0;
  trial->recall_min = 1;
  const auto begun = Clock::now();
  const std::size_t count = set_.queries.size();
  for (std::size_t i = 0; i < std::max(count, kTimedMin); ++i) {
    if (i >= count && Clock::now() - begun > kTimedMax) {
      break;
    }
    const auto asked = Clock::now();
    LH_ASSIGN_OR_RETURN(const SearchAnswer answer,
                        index.search(context, query(i % count), options));
    times_us.push_back(seconds_since(asked) * 1e6);
    if (i >= count) {
      continue;
    }
    const Truth& truth = truth_[i];
    const auto right = std::ranges::count_if(
        answer.hits, [&](const Hit& hit) { return hit.score >= truth.least - kSame; });
    const double share =
        truth.count == 0
            ? 1
            : std::min(1.0, static_cast<double>(right) / static_cast<double>(truth.count));
    recall += share;
    trial->recall_min = std::min(trial->recall_min, share);
    if (!set_.queries[i].truth.empty()) {
      relevance += relevance_of(set_.queries[i], answer.hits);
    }
  }
  trial->recall = recall / static_cast<double>(count);
  if (const std::size_t judged = set_.with_truth(); judged > 0) {
    trial->relevance = relevance / static_cast<double>(judged);
  }
  std::ranges::sort(times_us);
  double sum_us = 0;
  for (const double time : times_us) {
    sum_us += time;
  }
  trial->latency_us = times_us[times_us.size() / 2];
  trial->latency_p95_us = times_us[times_us.size() * 95 / 100];
  trial->searches_per_s = static_cast<double>(times_us.size()) * 1e6 / std::max(sum_us, 1e-3);
  return {};
}

}  // namespace lakehouse::vector
