#include "vector/vector_service.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "base/id.h"
#include "base/text.h"
#include "vector/embed_job.h"
#include "vector/index_cache.h"
#include "vector/index_registry.h"
#include "vector/lance_engine.h"
#include "vector/pinned_embeddings.h"
#include "vector/row_filter.h"
#include "vector/searcher.h"
#include "vector/source_sql.h"

namespace lakehouse::vector {
namespace {

namespace json = boost::json;

constexpr std::string_view kNamespace = "vectors";
constexpr std::size_t kGenerationsMax = 3;
constexpr std::size_t kSearchesMax = 1'000;
constexpr std::int64_t kCommitsCounted = 10'000;

std::string subject_of(const IndexInfo& info, std::int64_t generation) {
  return fmt::format("{}:{}", info.id, generation);
}

json::value spec_of(const IndexInfo& info, std::int64_t generation, bool rebuild = false) {
  json::object spec{{"id", info.id}, {"generation", generation}, {"index", info.name}};
  if (rebuild) {
    spec["rebuild"] = true;
  }
  return spec;
}

/// What the source has that the generation has not; nothing if that is nothing.
std::optional<StaleIndex> staleness(const IndexInfo& info, const Generation& generation,
                                    const iceberg::TableMetadata& source) {
  const iceberg::Snapshot* current = source.current_snapshot();
  if (current == nullptr && !generation.source_snapshot_id) {
    return std::nullopt;
  }
  if (current != nullptr && generation.source_snapshot_id == current->snapshot_id) {
    return std::nullopt;
  }
  StaleIndex out;
  out.dataset = info.dataset;
  out.index = info.name;
  out.policy = info.refresh.policy;
  out.snapshot_id = current == nullptr ? 0 : current->snapshot_id;
  out.indexed_snapshot = generation.source_snapshot_id;
  const iceberg::Snapshot* at = current;
  for (std::int64_t i = 0; at != nullptr && i < kCommitsCounted; ++i) {
    if (generation.source_snapshot_id == at->snapshot_id) {
      break;
    }
    // Files that were put together hold the same rows.
    if (at->operation() != "replace") {
      ++out.commits_behind;
      out.stale_since_ms = at->timestamp_ms;
    }
    at = at->parent_snapshot_id ? source.snapshot_by_id(*at->parent_snapshot_id) : nullptr;
  }
  // A branch that was rolled back has commits less: that is a change as well.
  if (at == nullptr && out.commits_behind == 0) {
    out.commits_behind = 1;
  }
  return out.commits_behind == 0 ? std::nullopt : std::optional(out);
}

class Service final : public VectorService {
 public:
  Service(Parts parts, Options options)
      : parts_(parts),
        options_(options),
        registry_(parts.metastore),
        cache_(parts.buckets, parts.lance, parts.log, options.memory_max),
        filter_(parts.catalog, parts.engine, parts.query, parts.policies),
        searcher_(parts_, cache_, filter_) {
    jobs::KindOptions kind;
    kind.running_max = 2;
    parts_.jobs.register_kind(std::string(kIndexJob), kind,
                              [this](jobs::JobContext& job) { return run_job(job); });
  }
  ~Service() override { stop(); }
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  Result<jobs::Job> create_index(const RequestContext& context, const IndexSpec& spec,
                                 const AlsoStart& also) override;
  Result<catalog::Page<IndexInfo>> list(const RequestContext& context,
                                        const catalog::PageRequest& page) override;
  Result<IndexInfo> get(const RequestContext& context, std::string_view name) override;
  Result<bool> drop(const RequestContext& context, std::string_view name) override;
  Result<IndexInfo> set_refresh(const RequestContext& context, std::string_view name,
                                const Refresh& refresh) override;
  Result<SearchResults> search(const RequestContext& context,
                               const SearchRequest& request) override;
  Result<std::vector<SearchResults>> search_all(const RequestContext& context,
                                                std::span<const SearchRequest> requests) override;
  Result<std::vector<jobs::Job>> refresh(const RequestContext& context,
                                         std::string_view dataset_or_index) override;
  Result<std::vector<StaleIndex>> stale(const RequestContext& context) override;
  Result<jobs::Job> build_beside(const RequestContext& context, std::string_view name,
                                 const Recipe& recipe, const GraphSettings& graph) override;
  Result<IndexInfo> switch_to(const RequestContext& context, std::string_view name,
                              std::int64_t generation, bool force) override;
  Result<IndexInfo> drop_generation(const RequestContext& context, std::string_view name,
                                    std::int64_t generation) override;
  Result<std::shared_ptr<const PinnedEmbeddings>> pin_embeddings(const RequestContext& context,
                                                                 std::string_view name) override;
  Result<jobs::Job> promote(const RequestContext& context, std::string_view name,
                            const GraphSettings& graph) override;
  void set_quality(Quality quality) override {
    const std::lock_guard lock(mutex_);
    quality_ = std::move(quality);
  }
  [[nodiscard]] IndexCacheStats cache_stats() const override;
  void run() override;
  void stop() override;

 private:
  Result<json::value> run_job(jobs::JobContext& job);
  Result<jobs::Job> start_job(const RequestContext& context, const IndexInfo& info,
                              std::int64_t generation, bool rebuild = false);
  Status cancel_jobs(const RequestContext& context, const IndexInfo& info,
                     std::optional<std::int64_t> generation);
  Status drop_embeddings(const RequestContext& context, const IndexInfo& info,
                         const Generation& generation);
  /// Whether the caller may know of it: reads its dataset at least in part.
  bool may_see(const RequestContext& context, const IndexInfo& info) {
    return filter_.policy_of(context, info).has_value();
  }
  Result<IndexInfo> info_for(const RequestContext& context, std::string_view name);
  Status may_switch(const RequestContext& context, const IndexInfo& info,
                    const Generation& generation);
  Result<std::optional<double>> quality_of(const RequestContext& context, const IndexInfo& info,
                                           std::int64_t generation);
  void watch(const std::stop_token& stop);
  void look(const RequestContext& context, const IndexInfo& info);
  [[nodiscard]] Histogram& seconds_of(SearchMode mode) {
    return mode == SearchMode::Vector ? vector_seconds_
           : mode == SearchMode::Text ? text_seconds_
                                      : hybrid_seconds_;
  }
  [[nodiscard]] Histogram& seconds_named(std::string mode) {
    return parts_.metrics.histogram("lakehouse_vector_search_seconds",
                                    "Searches that were answered, by mode.",
                                    {{"mode", std::move(mode)}});
  }

  Parts parts_;
  Options options_;
  IndexRegistry registry_;
  IndexCache cache_;
  RowFilter filter_;
  Searcher searcher_;
  Histogram& vector_seconds_ = seconds_named("vector");
  Histogram& text_seconds_ = seconds_named("text");
  Histogram& hybrid_seconds_ = seconds_named("hybrid");
  std::mutex mutex_;
  std::condition_variable_any wake_;
  Quality quality_;
  /// The source's snapshot that a refresh by itself was last started for, by index.
  std::map<std::string, std::int64_t> refreshed_;
  std::jthread watcher_;
};

// --- Making and dropping.

Result<IndexInfo> Service::info_for(const RequestContext& context, std::string_view name) {
  LH_ASSIGN_OR_RETURN(IndexInfo info, registry_.find(context, name));
  LH_RETURN_IF_ERROR(filter_.policy_of(context, info));
  return info;
}

Result<jobs::Job> Service::start_job(const RequestContext& context, const IndexInfo& info,
                                     std::int64_t generation, bool rebuild) {
  jobs::StartOptions options;
  options.subject = subject_of(info, generation);
  options.if_live = jobs::IfLive::Follow;
  LH_ASSIGN_OR_RETURN(jobs::Started started,
                      parts_.jobs.start(context, kIndexJob, spec_of(info, generation, rebuild),
                                        std::move(options)));
  return std::move(started.job);
}

Result<jobs::Job> Service::create_index(const RequestContext& context, const IndexSpec& spec,
                                        const AlsoStart& also) {
  LH_RETURN_IF_ERROR(check(spec));
  if (spec.backend == Backend::Lance) {
    LH_RETURN_IF_ERROR(check_lance(parts_.lance));
  }
  LH_ASSIGN_OR_RETURN(const catalog::TableIdentifier identifier,
                      parts_.catalog.resolve_dataset(context, spec.dataset));
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable source,
                      parts_.catalog.load_table(context, identifier));
  IndexInfo info;
  info.id = new_uuid();
  info.name = spec.name;
  info.dataset = catalog::to_string(identifier);
  info.dataset_uuid = source.metadata->table_uuid;
  LH_RETURN_IF_ERROR(filter_.policy_of(context, info));
  info.key = spec.key;
  const iceberg::Schema& schema = *source.metadata->current_schema();
  LH_ASSIGN_OR_RETURN(info.key_type, key_type_of(schema, spec.key));
  LH_RETURN_IF_ERROR(text_sql(schema, spec.recipe));
  info.backend = spec.backend;
  info.refresh = spec.refresh;
  info.principal = context.principal;
  info.created_at_ms = parts_.catalog.now_ms();
  info.version = 1;
  Generation generation;
  generation.recipe = spec.recipe;
  generation.graph = spec.graph;
  generation.embeddings = fmt::format("{}.{}", kNamespace, spec.name);
  if (generation.recipe.model.empty()) {
    // By its name from now on: the default may become another one.
    LH_ASSIGN_OR_RETURN(const auto embedder, parts_.models.embedder(context, ""));
    generation.recipe.model = embedder->info().name;
  } else {
    LH_RETURN_IF_ERROR(parts_.models.embedder(context, generation.recipe.model));
  }
  LH_ASSIGN_OR_RETURN(const catalog::TableIdentifier embeddings,
                      catalog::Catalog::parse_dataset(generation.embeddings));
  const auto exists = parts_.catalog.table_exists(context, embeddings);
  if (exists && *exists) {
    return fail(ErrorCode::AlreadyExists,
                fmt::format("there is a dataset {} already", generation.embeddings),
                "Choose another name for the index, or drop the dataset.");
  }
  info.generations.push_back(std::move(generation));
  jobs::Job job;
  LH_RETURN_IF_ERROR(
      parts_.metastore.write(context, [&](metastore::Transaction& transaction) -> Status {
        LH_RETURN_IF_ERROR(IndexRegistry::insert(transaction, info));
        jobs::StartOptions options;
        options.subject = subject_of(info, 1);
        LH_ASSIGN_OR_RETURN(jobs::Started started,
                            parts_.jobs.start_in(transaction, context, kIndexJob, spec_of(info, 1),
                                                 std::move(options)));
        job = std::move(started.job);
        return also ? also(transaction, job) : Status();
      }));
  parts_.jobs.wake();
  return job;
}

Result<catalog::Page<IndexInfo>> Service::list(const RequestContext& context,
                                               const catalog::PageRequest& page) {
  LH_ASSIGN_OR_RETURN(std::vector<IndexInfo> all, registry_.list(context));
  catalog::Page<IndexInfo> out;
  for (IndexInfo& info : all) {
    if (info.name <= page.page_token || !may_see(context, info)) {
      continue;
    }
    if (page.limit > 0 && out.items.size() == page.limit) {
      out.next_page_token = out.items.back().name;
      break;
    }
    out.items.push_back(std::move(info));
  }
  return out;
}

Result<IndexInfo> Service::get(const RequestContext& context, std::string_view name) {
  return info_for(context, name);
}

Status Service::cancel_jobs(const RequestContext& context, const IndexInfo& info,
                            std::optional<std::int64_t> generation) {
  constexpr std::int64_t kJobs = 100;
  for (const Generation& one : info.generations) {
    if (generation && one.number != *generation) {
      continue;
    }
    jobs::JobFilter filter;
    filter.kind = kIndexJob;
    filter.subject = subject_of(info, one.number);
    filter.states = {jobs::JobState::Queued, jobs::JobState::Running};
    LH_ASSIGN_OR_RETURN(const jobs::JobPage live, parts_.jobs.list(context, filter, kJobs, ""));
    for (const jobs::Job& job : live.items) {
      const auto cancelled = parts_.jobs.cancel(context, job.id);
      if (!cancelled && cancelled.error().code != ErrorCode::NotFound) {
        return std::unexpected(cancelled.error());
      }
    }
  }
  return {};
}

Status Service::drop_embeddings(const RequestContext& context, const IndexInfo& info,
                                const Generation& generation) {
  if (generation.embeddings_uuid.empty()) {
    return {};
  }
  LH_ASSIGN_OR_RETURN(const catalog::TableIdentifier table,
                      catalog::Catalog::parse_dataset(generation.embeddings));
  const auto loaded = parts_.catalog.load_table(context, table);
  if (!loaded || loaded->metadata->table_uuid != generation.embeddings_uuid) {
    return {};  // Gone, or somebody else's by now.
  }
  cache_.forget(info.id);
  const auto dropped = parts_.writer.drop_table(context, table, true, true);
  return dropped ? Status() : std::unexpected(dropped.error());
}

Result<bool> Service::drop(const RequestContext& context, std::string_view name) {
  const auto found = info_for(context, name);
  if (!found && found.error().code == ErrorCode::NotFound) {
    return false;
  }
  LH_RETURN_IF_ERROR(found);
  // First, so that a job that runs finds it gone and nobody starts another.
  LH_ASSIGN_OR_RETURN(const bool removed, registry_.remove(context, found->id));
  LH_RETURN_IF_ERROR(cancel_jobs(context, *found, std::nullopt));
  cache_.forget(found->id);
  for (const Generation& generation : found->generations) {
    LH_RETURN_IF_ERROR(drop_embeddings(context, *found, generation));
  }
  return removed;
}

Result<IndexInfo> Service::set_refresh(const RequestContext& context, std::string_view name,
                                       const Refresh& refresh) {
  LH_RETURN_IF_ERROR(check(refresh));
  LH_ASSIGN_OR_RETURN(const IndexInfo info, info_for(context, name));
  return registry_.update(context, info.id, [&](IndexInfo& changed) -> Status {
    changed.refresh = refresh;
    return {};
  });
}

// --- Searching.

Result<SearchResults> Service::search(const RequestContext& context, const SearchRequest& request) {
  LH_RETURN_IF_ERROR(check(request));
  LH_ASSIGN_OR_RETURN(const IndexInfo info, registry_.find(context, request.index));
  auto found = searcher_.search(context, info, request, request.vector);
  if (found) {
    constexpr double kMsInSecond = 1'000;
    seconds_of(request.mode).observe(found->elapsed_ms / kMsInSecond);
  }
  return found;
}

Result<std::vector<SearchResults>> Service::search_all(const RequestContext& context,
                                                       std::span<const SearchRequest> requests) {
  if (requests.size() > kSearchesMax) {
    return fail(ErrorCode::InvalidArgument, "more than 1,000 searches at once");
  }
  std::vector<SearchResults> out;
  std::map<std::string, IndexInfo, std::less<>> infos;
  std::map<std::pair<std::string, std::int64_t>, std::vector<std::size_t>> to_embed;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const SearchRequest& request = requests[i];
    LH_RETURN_IF_ERROR(check(request));
    auto at = infos.find(request.index);
    if (at == infos.end()) {
      LH_ASSIGN_OR_RETURN(IndexInfo info, info_for(context, request.index));
      at = infos.emplace(request.index, std::move(info)).first;
    }
    if (request.vector.empty() && request.mode != SearchMode::Text) {
      const std::int64_t generation =
          request.generation == 0 ? at->second.active : request.generation;
      to_embed[{request.index, generation}].push_back(i);
    }
  }
  std::vector<std::vector<float>> vectors(requests.size());
  for (const auto& [which, places] : to_embed) {
    const Generation* generation = infos.at(which.first).generation(which.second);
    if (generation == nullptr) {
      return fail(ErrorCode::NotFound,
                  fmt::format("index '{}' has no generation {}", which.first, which.second));
    }
    std::vector<std::string_view> texts;
    for (const std::size_t i : places) {
      texts.push_back(requests[i].text);
    }
    LH_ASSIGN_OR_RETURN(const ai::Embeddings embedded,
                        searcher_.embed(context, *generation, texts));
    for (std::size_t n = 0; n < places.size(); ++n) {
      const auto row = embedded.row(n);
      vectors[places[n]].assign(row.begin(), row.end());
    }
  }
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const SearchRequest& request = requests[i];
    LH_ASSIGN_OR_RETURN(
        SearchResults one,
        searcher_.search(context, infos.at(request.index), request,
                         request.vector.empty() ? std::span<const float>(vectors[i])
                                                : std::span<const float>(request.vector)));
    out.push_back(std::move(one));
  }
  return out;
}

IndexCacheStats Service::cache_stats() const {
  const IndexCache::Stats cache = cache_.stats();
  const RowFilter::Stats rows = filter_.stats();
  IndexCacheStats out;
  out.indexes = cache.indexes;
  out.bytes = cache.bytes;
  out.bytes_max = options_.memory_max;
  out.hits = cache.hits;
  out.loads = cache.loads;
  out.evictions = cache.evictions;
  out.row_sets = rows.kept;
  out.row_set_hits = rows.hits;
  out.row_set_misses = rows.misses;
  return out;
}

// --- Following the source.

Result<std::vector<jobs::Job>> Service::refresh(const RequestContext& context,
                                                std::string_view dataset_or_index) {
  std::vector<IndexInfo> wanted;
  if (auto by_name = registry_.find(context, dataset_or_index)) {
    wanted.push_back(*std::move(by_name));
  } else {
    LH_ASSIGN_OR_RETURN(const catalog::TableIdentifier identifier,
                        parts_.catalog.resolve_dataset(context, dataset_or_index));
    LH_ASSIGN_OR_RETURN(const catalog::LoadedTable table,
                        parts_.catalog.load_table(context, identifier));
    LH_ASSIGN_OR_RETURN(std::vector<IndexInfo> all, registry_.list(context));
    for (IndexInfo& info : all) {
      if (info.dataset_uuid == table.metadata->table_uuid) {
        wanted.push_back(std::move(info));
      }
    }
    if (wanted.empty()) {
      return fail(ErrorCode::NotFound,
                  fmt::format("{} has no index", catalog::to_string(identifier)),
                  "POST /vectors/index makes one.");
    }
  }
  std::vector<jobs::Job> out;
  for (const IndexInfo& info : wanted) {
    LH_RETURN_IF_ERROR(filter_.policy_of(context, info));
    LH_ASSIGN_OR_RETURN(jobs::Job job, start_job(context, info, info.active));
    out.push_back(std::move(job));
    if (info.next != 0) {
      LH_ASSIGN_OR_RETURN(jobs::Job beside, start_job(context, info, info.next));
      out.push_back(std::move(beside));
    }
  }
  return out;
}

Result<std::vector<StaleIndex>> Service::stale(const RequestContext& context) {
  LH_ASSIGN_OR_RETURN(const std::vector<IndexInfo> all, registry_.list(context));
  std::vector<StaleIndex> out;
  for (const IndexInfo& info : all) {
    LH_RETURN_IF_ERROR(context.check());
    const auto source = may_see(context, info)
                            ? searcher_.source_of(context, info)
                            : Result<catalog::LoadedTable>(fail(ErrorCode::NotFound, ""));
    if (!source) {
      continue;
    }
    if (auto one = staleness(info, info.current(), *source->metadata)) {
      out.push_back(std::move(*one));
    }
  }
  return out;
}

Result<json::value> Service::run_job(jobs::JobContext& job) {
  EmbedParts embed{.parts = parts_,
                   .registry = registry_,
                   .batch_chunks = options_.batch_chunks,
                   .on_files = {}};
  embed.on_files = [&](const IndexInfo& info, const Generation& generation) {
    cache_.follow(job.request(), info, generation);
  };
  LH_ASSIGN_OR_RETURN(json::value result, run_embed_job(embed, job));
  // One that was built to take over does so now, unless it is worse.
  const json::object& spec = job.spec().get_object();
  const json::value* id = spec.if_contains("id");
  const json::value* number = spec.if_contains("generation");
  if (id != nullptr && id->is_string() && number != nullptr && number->is_int64()) {
    const auto info = registry_.find_by_id(job.request(), id->get_string());
    if (info && info->next == number->get_int64()) {
      const auto switched = switch_to(job.request(), info->name, info->next, false);
      if (!switched) {
        parts_.log.write(LogLevel::Info, "vector",
                         fmt::format("generation {} of index '{}' does not take over: {}",
                                     info->next, info->name, switched.error().message));
      }
      result.get_object()["switched"] = switched.has_value();
    }
  }
  return result;
}

void Service::run() {
  if (options_.watches) {
    watcher_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
  }
}

void Service::stop() {
  watcher_.request_stop();
  wake_.notify_all();
  if (watcher_.joinable()) {
    watcher_.join();
  }
}

void Service::watch(const std::stop_token& stop) {
  RequestContext context;
  context.stop = stop;
  while (!stop.stop_requested()) {
    if (const auto all = registry_.list(context)) {
      for (const IndexInfo& info : *all) {
        if (stop.stop_requested()) {
          return;
        }
        look(context, info);
      }
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, options_.watch_every, [] { return false; });
  }
}

void Service::look(const RequestContext& context, const IndexInfo& info) {
  RequestContext own = context;
  own.principal = info.principal;
  // Files that another server made.
  cache_.follow(own, info, info.current());
  if (info.refresh.policy == RefreshPolicy::Manual) {
    return;
  }
  const auto source = searcher_.source_of(own, info);
  if (!source) {
    return;
  }
  const Generation& generation = info.current();
  const auto behind = staleness(info, generation, *source->metadata);
  if (!behind || generation.state == GenerationState::Building) {
    return;
  }
  if (info.refresh.policy == RefreshPolicy::Scheduled) {
    const std::int64_t every_ms = std::chrono::milliseconds(info.refresh.every).count();
    if (parts_.catalog.now_ms() - generation.updated_at_ms < every_ms) {
      return;
    }
  }
  {
    const std::lock_guard lock(mutex_);
    std::int64_t& last = refreshed_[info.id];
    if (last == behind->snapshot_id) {
      return;  // A run that failed is not begun again for the same rows.
    }
    last = behind->snapshot_id;
  }
  const auto started = start_job(own, info, info.active);
  if (!started) {
    parts_.log.write(LogLevel::Warn, "vector",
                     fmt::format("refresh of index '{}' does not start: {}", info.name,
                                 started.error().message));
    const std::lock_guard lock(mutex_);
    refreshed_.erase(info.id);
  }
}

// --- Generations.

Result<jobs::Job> Service::build_beside(const RequestContext& context, std::string_view name,
                                        const Recipe& recipe, const GraphSettings& graph) {
  LH_ASSIGN_OR_RETURN(const IndexInfo info, info_for(context, name));
  Recipe wanted = recipe;
  if (wanted.text_columns.empty() && wanted.text_template.empty()) {
    wanted.text_columns = info.current().recipe.text_columns;
    wanted.text_template = info.current().recipe.text_template;
  }
  if (wanted.model.empty()) {
    wanted.model = info.current().recipe.model;
  }
  LH_RETURN_IF_ERROR(check(wanted));
  LH_RETURN_IF_ERROR(check(graph));
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable source, searcher_.source_of(context, info));
  LH_RETURN_IF_ERROR(text_sql(*source.metadata->current_schema(), wanted));
  LH_RETURN_IF_ERROR(parts_.models.embedder(context, wanted.model));
  std::int64_t number = 0;
  LH_ASSIGN_OR_RETURN(
      const IndexInfo changed, registry_.update(context, info.id, [&](IndexInfo& now) -> Status {
        if (now.next != 0) {
          return fail(ErrorCode::AlreadyExists,
                      fmt::format("generation {} is being built beside already", now.next),
                      "Wait for it, or drop it.");
        }
        if (now.generations.size() >= kGenerationsMax) {
          return fail(
              ErrorCode::FailedPrecondition,
              fmt::format("index '{}' has {} generations", now.name, now.generations.size()),
              "Drop one that does not answer.");
        }
        number = now.generations.back().number + 1;
        Generation made;
        made.number = number;
        made.recipe = wanted;
        made.graph = graph;
        made.embeddings = fmt::format("{}.{}__{}", kNamespace, now.name, number);
        now.generations.push_back(std::move(made));
        now.next = number;
        return {};
      }));
  return start_job(context, changed, number);
}

Result<std::optional<double>> Service::quality_of(const RequestContext& context,
                                                  const IndexInfo& info, std::int64_t generation) {
  Quality quality;
  {
    const std::lock_guard lock(mutex_);
    quality = quality_;
  }
  if (!quality) {
    return std::nullopt;
  }
  return quality(context, info, generation);
}

Status Service::may_switch(const RequestContext& context, const IndexInfo& info,
                           const Generation& generation) {
  // An older one has answered before: that is the way back.
  if (generation.number < info.active) {
    return {};
  }
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable source, searcher_.source_of(context, info));
  if (generation.state != GenerationState::Ready || !generation.source_snapshot_id) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("generation {} is not complete: {} of {} rows are embedded",
                            generation.number, generation.rows, generation.rows_total),
                "Wait for its job.");
  }
  if (staleness(info, generation, *source.metadata) &&
      generation.source_snapshot_id != info.current().source_snapshot_id) {
    return fail(
        ErrorCode::FailedPrecondition,
        fmt::format("{} has rows that generation {} has not", info.dataset, generation.number),
        "Refresh it first.");
  }
  LH_ASSIGN_OR_RETURN(const auto now, quality_of(context, info, info.active));
  LH_ASSIGN_OR_RETURN(const auto then, quality_of(context, info, generation.number));
  constexpr double kNoise = 1e-9;
  if (now && then && *then + kNoise < *now) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("generation {} is worse on the eval set: {:.4f}, where there is {:.4f}",
                            generation.number, *then, *now),
                "Say 'force' to switch all the same.");
  }
  return {};
}

Result<IndexInfo> Service::switch_to(const RequestContext& context, std::string_view name,
                                     std::int64_t generation, bool force) {
  LH_ASSIGN_OR_RETURN(const IndexInfo info, info_for(context, name));
  const Generation* wanted = info.generation(generation);
  if (wanted == nullptr) {
    return fail(ErrorCode::NotFound,
                fmt::format("index '{}' has no generation {}", info.name, generation));
  }
  if (generation != info.active && !force) {
    LH_RETURN_IF_ERROR(may_switch(context, info, *wanted));
  }
  return registry_.update(context, info.id, [&](IndexInfo& now) -> Status {
    if (now.generation(generation) == nullptr) {
      return fail(ErrorCode::Aborted, "the generation was dropped meanwhile");
    }
    now.active = generation;
    if (now.next == generation) {
      now.next = 0;
    }
    return {};
  });
}

Result<IndexInfo> Service::drop_generation(const RequestContext& context, std::string_view name,
                                           std::int64_t generation) {
  LH_ASSIGN_OR_RETURN(const IndexInfo info, info_for(context, name));
  std::optional<Generation> dropped;
  LH_ASSIGN_OR_RETURN(
      IndexInfo changed, registry_.update(context, info.id, [&](IndexInfo& now) -> Status {
        const Generation* found = now.generation(generation);
        if (found == nullptr) {
          return fail(ErrorCode::NotFound,
                      fmt::format("index '{}' has no generation {}", now.name, generation));
        }
        if (generation == now.active) {
          return fail(ErrorCode::FailedPrecondition,
                      fmt::format("generation {} is the one that answers", generation),
                      "Switch to another one first, or drop the index.");
        }
        dropped = *found;
        std::erase_if(now.generations,
                      [&](const Generation& one) { return one.number == generation; });
        if (now.next == generation) {
          now.next = 0;
        }
        return {};
      }));
  LH_RETURN_IF_ERROR(cancel_jobs(context, info, generation));
  LH_RETURN_IF_ERROR(drop_embeddings(context, info, *dropped));
  return changed;
}

// --- Trials.

Result<std::shared_ptr<const PinnedEmbeddings>> Service::pin_embeddings(
    const RequestContext& context, std::string_view name) {
  LH_ASSIGN_OR_RETURN(const IndexInfo info, registry_.find(context, name));
  LH_ASSIGN_OR_RETURN(const governance::TablePolicy policy, filter_.policy_of(context, info));
  if (policy.restricts()) {
    return fail(ErrorCode::PermissionDenied,
                fmt::format("you may read a part of {} only", info.dataset));
  }
  LH_ASSIGN_OR_RETURN(std::shared_ptr<LoadedIndex> loaded,
                      searcher_.open(context, info, info.current()));
  return pin(context, info, std::move(loaded));
}

Result<jobs::Job> Service::promote(const RequestContext& context, std::string_view name,
                                   const GraphSettings& graph) {
  LH_RETURN_IF_ERROR(check(graph));
  LH_ASSIGN_OR_RETURN(const IndexInfo info, info_for(context, name));
  if (info.backend != Backend::Hnsw) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("index '{}' is kept by {}: trials are of graphs of our own", info.name,
                            to_string(info.backend)));
  }
  LH_ASSIGN_OR_RETURN(const IndexInfo changed,
                      registry_.update(context, info.id, [&](IndexInfo& now) -> Status {
                        now.generation(now.active)->graph = graph;
                        return {};
                      }));
  return start_job(context, changed, changed.active, true);
}

}  // namespace

Result<std::unique_ptr<VectorService>> make_vector_service(VectorService::Parts parts,
                                                           VectorService::Options options) {
  return std::make_unique<Service>(parts, options);
}

}  // namespace lakehouse::vector
