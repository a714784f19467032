#include "vector/searcher.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "vector/hybrid.h"
#include "vector/source_sql.h"

namespace lakehouse::vector {
namespace {

constexpr std::size_t kResultsMax = 1'000;
constexpr std::size_t kTextBytesMax = std::size_t{64} << 10U;
/// What is reranked: so many times k, within bounds.
constexpr std::size_t kRerankTimes = 5;
constexpr std::size_t kRerankMin = 30;
constexpr std::size_t kRerankMax = 200;
/// A row's chunks crowd each other out: so many times more are looked at, again and again.
constexpr std::size_t kWiden = 4;
constexpr std::size_t kCandidatesMax = 10'000;
constexpr std::size_t kRowsPerFeedback = 100;

constexpr std::array<std::pair<SearchMode, std::string_view>, 3> kModes = {
    {{SearchMode::Vector, "vector"}, {SearchMode::Text, "text"}, {SearchMode::Hybrid, "hybrid"}}};

std::unexpected<Error> wrong(std::string message, std::string hint = {}) {
  return fail(ErrorCode::InvalidArgument, std::move(message), std::move(hint));
}

}  // namespace

std::string_view to_string(SearchMode mode) {
  for (const auto& [one, name] : kModes) {
    if (one == mode) {
      return name;
    }
  }
  return "vector";
}

Result<SearchMode> search_mode_from(std::string_view name) {
  for (const auto& [mode, known] : kModes) {
    if (known == name) {
      return mode;
    }
  }
  return wrong(fmt::format("mode is '{}'", name.substr(0, 40)),
               "There are vector, text and hybrid.");
}

Status check(const SearchRequest& request) {
  if (request.k < 1 || request.k > kResultsMax) {
    return wrong("k must be 1 to 1,000");
  }
  if (request.text.size() > kTextBytesMax) {
    return wrong("the text is longer than 64 KiB");
  }
  if (request.text.empty() && request.vector.empty()) {
    return wrong("nothing to search for: give 'text' or 'vector'");
  }
  if (request.mode != SearchMode::Vector && request.text.empty()) {
    return wrong(fmt::format("mode {} needs 'text'", to_string(request.mode)));
  }
  if (!request.text.empty() && !request.vector.empty() && request.mode == SearchMode::Vector) {
    return wrong("both 'text' and 'vector' are given", "Give one, or mode hybrid.");
  }
  if (request.mode == SearchMode::Text && !request.vector.empty()) {
    return wrong("mode text has no use for a 'vector'");
  }
  if (request.rerank && request.text.empty()) {
    return wrong("rerank needs 'text'");
  }
  if (request.ef_search > IndexOptions::kEfMax) {
    return wrong("ef_search must be at most 4,096");
  }
  return {};
}

/// A row that was found, before it is a hit.
struct Searcher::Found {
  Row row = 0;
  double score = 0;
  std::optional<double> vector_score;
  std::optional<double> text_score;
};

/// One search on its way, with the index locked.
struct Searcher::Task {
  const SearchRequest& request;
  const IndexInfo& info;
  const Generation& generation;
  const LoadedIndex& loaded;
  std::span<const float> vector;
  const RowSet* allowed = nullptr;
};

Result<ai::Embeddings> Searcher::embed(const RequestContext& context, const Generation& generation,
                                       std::span<const std::string_view> texts) {
  LH_ASSIGN_OR_RETURN(const std::shared_ptr<ai::Embedder> embedder,
                      parts_.models.embedder(context, generation.recipe.model));
  const ai::ModelInfo& model = embedder->info();
  if (model.version != generation.model_version || model.dimensions != generation.dimensions) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("the model '{}' is not what the index was made with: its version was "
                            "{}, and is {}",
                            model.name, generation.model_version, model.version),
                "Build another generation of the index, search by mode text, or give a vector.");
  }
  LH_ASSIGN_OR_RETURN(ai::Embeddings embedded, embedder->embed(context, texts));
  if (embedded.size() != texts.size() || embedded.dimensions != generation.dimensions) {
    return fail(ErrorCode::Unavailable, fmt::format("the model '{}' gave vectors of {} dimensions",
                                                    model.name, embedded.dimensions));
  }
  return embedded;
}

Result<catalog::LoadedTable> Searcher::source_of(const RequestContext& context,
                                                 const IndexInfo& info) {
  LH_ASSIGN_OR_RETURN(const catalog::TableIdentifier identifier,
                      parts_.catalog.resolve_dataset(context, info.dataset));
  LH_ASSIGN_OR_RETURN(catalog::LoadedTable table, parts_.catalog.load_table(context, identifier));
  if (table.metadata->table_uuid != info.dataset_uuid) {
    return fail(
        ErrorCode::FailedPrecondition,
        fmt::format("{} is another table than index '{}' was made for", info.dataset, info.name),
        "Drop the index and create it anew.");
  }
  return table;
}

Result<std::shared_ptr<LoadedIndex>> Searcher::open(const RequestContext& context,
                                                    const IndexInfo& info,
                                                    const Generation& generation) {
  if (generation.embeddings_uuid.empty() || generation.dimensions == 0) {
    return fail(ErrorCode::Unavailable, fmt::format("index '{}' holds nothing yet", info.name),
                generation.error.empty() ? "Its first run has just begun: try again soon."
                                         : "Its last run failed: " + generation.error);
  }
  LH_ASSIGN_OR_RETURN(const catalog::TableIdentifier identifier,
                      catalog::Catalog::parse_dataset(generation.embeddings));
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable embeddings,
                      parts_.catalog.load_table(context, identifier));
  LH_ASSIGN_OR_RETURN(std::shared_ptr<LoadedIndex> loaded, cache_.get(context, info, generation));
  const std::uint64_t bytes = loaded->memory_bytes();
  LH_RETURN_IF_ERROR(loaded->sync(context, parts_.query, *embeddings.metadata));
  if (loaded->memory_bytes() > bytes) {
    cache_.trim();
  }
  return loaded;
}

Result<SearchResults> Searcher::search(const RequestContext& context, const IndexInfo& info,
                                       const SearchRequest& request,
                                       std::span<const float> vector) {
  const auto started = std::chrono::steady_clock::now();
  const Generation* generation =
      request.generation == 0 ? &info.current() : info.generation(request.generation);
  if (generation == nullptr) {
    return fail(ErrorCode::NotFound,
                fmt::format("index '{}' has no generation {}", info.name, request.generation));
  }
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable source, source_of(context, info));
  // Before anything of the text is computed: who may not know the dataset learns nothing.
  LH_RETURN_IF_ERROR(filter_.policy_of(context, info));
  LH_ASSIGN_OR_RETURN(const std::shared_ptr<LoadedIndex> loaded, open(context, info, *generation));
  ai::Embeddings embedded;
  if (vector.empty() && request.mode != SearchMode::Text) {
    const std::array<std::string_view, 1> texts = {request.text};
    LH_ASSIGN_OR_RETURN(embedded, embed(context, *generation, texts));
    vector = embedded.row(0);
  }
  if (!vector.empty() && vector.size() != generation->dimensions) {
    return wrong(fmt::format("the vector has {} numbers, and the index {}", vector.size(),
                             generation->dimensions));
  }
  SearchResults out;
  {
    const auto lock = loaded->lock_shared();
    LH_ASSIGN_OR_RETURN(
        const AllowedRows allowed,
        filter_.allowed(context, info, *generation, source, *loaded, request.filter));
    const Task task{request, info, *generation, *loaded, vector, allowed.rows.get()};
    LH_RETURN_IF_ERROR(find(context, task, &out));
    out.snapshot_id = allowed.snapshot_id;
    out.embeddings_snapshot_id = loaded->snapshot_id();
    out.chunks = loaded->alive().count();
    out.allowed = allowed.rows == nullptr ? out.chunks : allowed.rows->count();
  }
  // Without the lock: a model may take its time.
  if (request.rerank && !out.hits.empty()) {
    LH_RETURN_IF_ERROR(rerank(context, request, *generation, &out));
  }
  out.hits.resize(std::min(out.hits.size(), request.k));
  out.generation = generation->number;
  out.model = generation->recipe.model;
  out.model_version = generation->model_version;
  out.elapsed_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count();
  return out;
}

Status Searcher::find(const RequestContext& context, const Task& task, SearchResults* out) {
  const SearchRequest& request = task.request;
  const std::size_t wanted = request.rerank ? std::clamp(request.k * kRerankTimes, kRerankMin,
                                                         std::max(kRerankMax, request.k))
                                            : request.k;
  const bool is_text = task.loaded.shape().has_text_keys;
  std::size_t asked = wanted;
  while (true) {
    out->hits.clear();
    LH_ASSIGN_OR_RETURN(const std::vector<Found> found,
                        candidates(context, task, asked, &out->method));
    std::set<std::pair<std::string, std::uint32_t>> seen;
    for (const Found& one : found) {
      const ChunkView chunk = task.loaded.at(one.row);
      const std::string key =
          is_text ? std::string(chunk.key.text) : std::to_string(chunk.key.number);
      // A chunk may be there twice for a moment, while its row is embedded anew.
      if (out->hits.size() == wanted ||
          !seen.emplace(key, request.one_per_row ? 0 : chunk.chunk).second) {
        continue;
      }
      SearchHit& hit = out->hits.emplace_back();
      hit.key = key_json(chunk.key, is_text);
      hit.chunk = chunk.chunk;
      hit.score = one.score;
      hit.text = chunk.text;
      hit.start = chunk.start;
      hit.end = chunk.end;
      hit.vector_score = one.vector_score;
      hit.text_score = one.text_score;
    }
    if (out->hits.size() == wanted || found.size() < asked || asked >= kCandidatesMax) {
      break;
    }
    asked = std::min(kCandidatesMax, asked * kWiden);
  }
  return {};
}

Result<std::vector<Searcher::Found>> Searcher::candidates(const RequestContext& context,
                                                          const Task& task, std::size_t k,
                                                          std::string* method) {
  const SearchRequest& request = task.request;
  const auto ef = static_cast<std::uint32_t>(
      request.ef_search != 0 ? request.ef_search : task.generation.graph.ef_search);
  std::string vector_method;
  const auto nearest = [&](std::span<const float> query,
                           std::size_t count) -> Result<std::vector<Hit>> {
    LH_ASSIGN_OR_RETURN(
        LoadedIndex::Nearest answer,
        task.loaded.nearest(context, query,
                            static_cast<std::uint32_t>(std::min(count, kCandidatesMax)),
                            task.allowed, request.exact, ef));
    vector_method = std::move(answer.method);
    return std::move(answer.hits);
  };
  const auto by_words = [&](std::size_t count,
                            std::span<const Hit> feedback) -> Result<std::vector<Hit>> {
    return task.loaded.by_words(
        context, {.text = request.text, .k = count, .allowed = task.allowed, .feedback = feedback});
  };
  std::vector<Found> out;
  if (request.mode == SearchMode::Hybrid) {
    HybridOptions options;
    // The best of a few are not typical of what is asked for.
    const std::size_t rows =
        task.allowed == nullptr ? task.loaded.alive().count() : task.allowed->count();
    options.feedback_rows = std::min(options.feedback_rows, rows / kRowsPerFeedback);
    HybridSides sides;
    sides.nearest = nearest;
    sides.by_words = by_words;
    sides.vectors = [&](std::span<const Row> rows, std::span<float> to) {
      return task.loaded.read_vectors(context, rows, to);
    };
    LH_ASSIGN_OR_RETURN(const std::vector<HybridHit> hits,
                        hybrid_search(task.vector, k, sides, options));
    for (const HybridHit& hit : hits) {
      out.push_back({hit.row, hit.score, hit.vector_score, hit.text_score});
    }
    *method = fmt::format("hybrid({}; {}, bm25)", describe(options), vector_method);
    return out;
  }
  const bool by_text = request.mode == SearchMode::Text;
  LH_ASSIGN_OR_RETURN(const std::vector<Hit> hits,
                      by_text ? by_words(k, {}) : nearest(task.vector, k));
  for (const Hit& hit : hits) {
    const auto score = static_cast<double>(hit.score);
    Found& one = out.emplace_back(Found{hit.row, score, {}, {}});
    (by_text ? one.text_score : one.vector_score) = score;
  }
  *method = by_text ? "bm25" : vector_method;
  return out;
}

Status Searcher::rerank(const RequestContext& context, const SearchRequest& request,
                        const Generation& generation, SearchResults* out) {
  LH_ASSIGN_OR_RETURN(const std::shared_ptr<ai::Reranker> reranker,
                      parts_.models.reranker(context, ""));
  // Without a model for it vectors are compared. Searches that began with them have done so, and
  // scores stay: on Cranfield (bench/retrieval.py) the hybrid ranking's nDCG@10 is 0.472, that of
  // cosines 0.410, of late interaction (the best match of each of the question's tokens) 0.420,
  // and none of their mixtures comes to more than the hybrid ranking's.
  const bool has_model = reranker->info().version != generation.model_version;
  if (!has_model && request.mode != SearchMode::Text) {
    out->method += "+rerank(scores)";
    return {};
  }
  std::vector<std::string_view> texts;
  for (const SearchHit& hit : out->hits) {
    texts.push_back(hit.text);
  }
  LH_ASSIGN_OR_RETURN(const ai::Reranking ranking, reranker->rerank(context, request.text, texts));
  if (ranking.scores.size() != out->hits.size()) {
    return fail(ErrorCode::Unavailable, "the reranker gave another number of scores");
  }
  std::vector<Hit> order;
  for (std::size_t i = 0; i < out->hits.size(); ++i) {
    order.push_back({.row = static_cast<Row>(i), .score = ranking.scores[i]});
  }
  std::vector<Hit> words = order;
  std::ranges::sort(order, better);
  std::vector<SearchHit> sorted;
  if (has_model) {
    for (const Hit& hit : order) {
      sorted.push_back(std::move(out->hits[hit.row]));
      sorted.back().score = static_cast<double>(hit.score);
    }
  } else {
    for (const HybridHit& hit : fuse(order, words, order.size())) {
      sorted.push_back(std::move(out->hits[hit.row]));
      sorted.back().score = hit.score;
    }
  }
  out->hits = std::move(sorted);
  out->method += fmt::format("+rerank({}{})", ranking.method, has_model ? "" : ", rrf");
  return {};
}

}  // namespace lakehouse::vector
