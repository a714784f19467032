#include "vector/trial_service.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <random>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/id.h"
#include "base/text.h"
#include "iceberg/table_metadata.h"
#include "vector/trial_run.h"

namespace lakehouse::vector {
namespace {

namespace json = boost::json;

constexpr std::size_t kPinsMax = 2;
/// What is pinned takes memory, and who may have it is asked when it is pinned.
constexpr std::chrono::minutes kPinnedFor{10};
constexpr std::size_t kQualityQueriesMax = 200;
constexpr std::size_t kQualityK = 10;
constexpr std::size_t kLogLooked = 10'000;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

TrialService::TrialService(Parts parts)
    : parts_(parts), evals_(parts.buckets), journal_(parts.buckets), searches_(parts.metastore) {
  parts_.jobs.register_kind(std::string(kTrialJob), {},
                            [this](jobs::JobContext& job) { return run(job); });
  parts_.vectors.set_quality(
      [this](const RequestContext& context, const IndexInfo& index, std::int64_t generation) {
        return quality(context, index, generation);
      });
}

// Where the index's own files are.
Result<std::string> TrialService::bucket_of(const RequestContext& context, const IndexInfo& index) {
  const std::string& embeddings = index.current().embeddings;
  auto table = parts_.catalog.resolve_dataset(context, embeddings);
  if (!table) {
    return table.error().code == ErrorCode::NotFound
               ? fail(ErrorCode::FailedPrecondition,
                      fmt::format("the index '{}' holds nothing yet", index.name),
                      "Wait until its first run has written something: lakehouse jobs.")
               : std::unexpected(std::move(table).error());
  }
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable loaded,
                      parts_.catalog.load_table(context, *table));
  LH_ASSIGN_OR_RETURN(const auto at, parts_.buckets.resolve(loaded.metadata->location));
  return at.bucket;
}

// Kept for the caller that pinned it: whether another may have it, VectorService says.
Result<TrialService::Pinned> TrialService::pin(const RequestContext& context,
                                               std::string_view index) {
  LH_ASSIGN_OR_RETURN(const IndexInfo info, parts_.vectors.get(context, index));
  const Generation& now = info.current();
  const std::string key = fmt::format("{}/{}/{}/{}/{}", context.principal, info.id, now.number,
                                      now.embeddings_snapshot_id.value_or(0), now.chunks);
  {
    const std::lock_guard lock(mutex_);
    drop_old_pins();
    const auto found = std::ranges::find(pins_, key, &Pin::key);
    if (found != pins_.end() && now.state == GenerationState::Ready) {
      ++pin_hits_;
      std::rotate(found, found + 1, pins_.end());
      return pins_.back().embeddings;
    }
    ++pin_misses_;
  }
  LH_ASSIGN_OR_RETURN(Pinned pinned, parts_.vectors.pin_embeddings(context, index));
  const std::lock_guard lock(mutex_);
  std::erase_if(pins_, [&](const Pin& old) { return old.key == key; });
  pins_.push_back(
      {.key = key, .embeddings = pinned, .until = std::chrono::steady_clock::now() + kPinnedFor});
  if (pins_.size() > kPinsMax) {
    pins_.erase(pins_.begin());
  }
  return pinned;
}

void TrialService::drop_old_pins() const {
  std::erase_if(
      pins_, [now = std::chrono::steady_clock::now()](const Pin& pin) { return pin.until < now; });
}

TrialCacheStats TrialService::cache_stats() const {
  const std::lock_guard lock(mutex_);
  drop_old_pins();
  TrialCacheStats stats{.pinned = pins_.size(), .hits = pin_hits_, .misses = pin_misses_};
  for (const Pin& pin : pins_) {
    stats.rows += pin.embeddings->size();
    stats.bytes += pin.embeddings->vectors().size_bytes();
  }
  return stats;
}

Result<EvalSet> TrialService::put_eval(const RequestContext& context, EvalSet set) {
  LH_ASSIGN_OR_RETURN(const IndexInfo index, parts_.vectors.get(context, set.index));
  return store_eval(context, std::move(set), index);
}

Result<EvalSet> TrialService::store_eval(const RequestContext& context, EvalSet set,
                                         const IndexInfo& index) {
  set.index = index.name;
  set.principal = context.principal;
  set.created_at_ms = now_ms();
  LH_RETURN_IF_ERROR(check(set));
  const auto there = evals_.get(context, set.name);
  if (there && there->principal != context.principal) {
    return fail(ErrorCode::AlreadyExists, fmt::format("'{}' is another's eval set", set.name),
                "Take another name.");
  }
  if (!there && there.error().code != ErrorCode::NotFound &&
      there.error().code != ErrorCode::DataLoss) {
    return std::unexpected(there.error());
  }
  LH_ASSIGN_OR_RETURN(const std::string bucket, bucket_of(context, index));
  LH_RETURN_IF_ERROR(evals_.put(context, bucket, set));
  return set;
}

Result<EvalSet> TrialService::get_eval(const RequestContext& context, std::string_view name) {
  LH_ASSIGN_OR_RETURN(EvalSet set, evals_.get(context, name));
  const auto index = parts_.vectors.get(context, set.index);
  if (!index && set.principal != context.principal) {
    return fail(ErrorCode::NotFound, fmt::format("there is no eval set '{}'", name));
  }
  return set;
}

Result<std::vector<EvalSet>> TrialService::list_evals(const RequestContext& context) {
  LH_ASSIGN_OR_RETURN(const std::vector<std::string> names, evals_.names(context));
  std::vector<EvalSet> sets;
  for (const std::string& name : names) {
    LH_RETURN_IF_ERROR(context.check());
    auto set = get_eval(context, name);
    if (set) {
      sets.push_back(*std::move(set));
    }
  }
  return sets;
}

Result<bool> TrialService::drop_eval(const RequestContext& context, std::string_view name) {
  const auto set = evals_.get(context, name);
  if (set && set->principal != context.principal) {
    return fail(ErrorCode::PermissionDenied, fmt::format("'{}' is another's eval set", name));
  }
  return evals_.remove(context, name);
}

Result<EvalSet> TrialService::autogen(const RequestContext& context, std::string_view name,
                                      std::string_view index, std::size_t queries,
                                      std::uint64_t seed) {
  LH_RETURN_IF_ERROR(check_eval_name(name));
  LH_ASSIGN_OR_RETURN(const Pinned pinned, pin(context, index));
  if (pinned->size() == 0) {
    return fail(ErrorCode::FailedPrecondition, fmt::format("the index '{}' is empty", index));
  }
  EvalSet set{.name = std::string(name),
              .index = pinned->info().name,
              .description = fmt::format("words out of {} chunks, seed {}", queries, seed),
              .made_by = "autogen"};
  std::mt19937_64 dice(seed);
  std::set<std::size_t> taken;
  const std::size_t tries = queries * 4 + 16;
  for (std::size_t i = 0; i < tries && set.queries.size() < queries; ++i) {
    const std::size_t row = dice() % pinned->size();
    const std::uint64_t words_seed = dice();
    if (!taken.insert(row).second) {
      continue;
    }
    EvalQuery query{.name = fmt::format("q{}", set.queries.size() + 1),
                    .text = question_from(pinned->text(row), words_seed)};
    if (!query.text.empty() && is_valid_utf8(query.text)) {
      query.truth.push_back({.key = pinned->key(row), .chunk = pinned->chunk(row)});
      set.queries.push_back(std::move(query));
    }
  }
  return store_eval(context, std::move(set), pinned->info());
}

Result<EvalSet> TrialService::from_log(const RequestContext& context, std::string_view name,
                                       std::string_view index, std::size_t queries,
                                       bool everybody) {
  LH_RETURN_IF_ERROR(check_eval_name(name));
  LH_ASSIGN_OR_RETURN(const IndexInfo info, parts_.vectors.get(context, index));
  const std::string principal = everybody ? std::string() : context.principal;
  LH_ASSIGN_OR_RETURN(const auto searches, searches_.find(context, info.name, principal,
                                                          static_cast<std::int64_t>(queries)));
  std::vector<std::string> texts;
  for (const SearchLog::Search& search : searches) {
    texts.push_back(search.text);
  }
  // Then those of SQL statements, as long as there is room.
  query::QueryLog::Filter filter{.principal = principal};
  catalog::PageRequest page{.page_token = {}, .limit = 1000};
  for (std::size_t looked = 0; texts.size() < queries && looked < kLogLooked;) {
    LH_ASSIGN_OR_RETURN(const auto logged, parts_.query_log.list(context, filter, page));
    for (const query::LoggedQuery& statement : logged.items) {
      std::ranges::copy(searches_in(statement.sql, info.name), std::back_inserter(texts));
    }
    looked += logged.items.size();
    page.page_token = logged.next_page_token;
    if (page.page_token.empty()) {
      break;
    }
  }
  EvalSet set{.name = std::string(name),
              .index = info.name,
              .description = everybody ? "what was searched for" : "what its maker searched for",
              .made_by = "log"};
  std::set<std::string_view> known;
  for (const std::string& text : texts) {
    if (set.queries.size() < queries && known.insert(text).second) {
      set.queries.push_back({.name = fmt::format("q{}", set.queries.size() + 1), .text = text});
    }
  }
  if (set.queries.empty()) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("nobody has searched the index '{}' for a text (lately)", info.name));
  }
  return store_eval(context, std::move(set), info);
}

Result<jobs::Started> TrialService::start(const RequestContext& context, const TrialSpec& spec) {
  LH_RETURN_IF_ERROR(check(spec));
  LH_ASSIGN_OR_RETURN(const IndexInfo info, parts_.vectors.get(context, spec.index));
  LH_ASSIGN_OR_RETURN(const EvalSet set, get_eval(context, spec.eval_set));
  if (set.index != info.name) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the eval set '{}' is about the index '{}'", set.name, set.index));
  }
  LH_RETURN_IF_ERROR(bucket_of(context, info));
  return parts_.jobs.start(context, kTrialJob, to_json(spec), {.subject = info.name});
}

Result<std::vector<Trial>> TrialService::trials(const RequestContext& context,
                                                std::string_view index) {
  LH_ASSIGN_OR_RETURN(const IndexInfo info, parts_.vectors.get(context, index));
  LH_ASSIGN_OR_RETURN(const std::string bucket, bucket_of(context, info));
  return journal_.read(context, bucket, info.name);
}

Result<std::vector<Trial>> TrialService::best(const RequestContext& context, std::string_view index,
                                              const BestOf& of) {
  LH_ASSIGN_OR_RETURN(std::vector<Trial> all, trials(context, index));
  const auto latest = std::ranges::find_if(all.rbegin(), all.rend(), [&](const Trial& trial) {
    return of.eval_set.empty() || trial.eval_set == of.eval_set;
  });
  if (latest == all.rend()) {
    return fail(ErrorCode::NotFound,
                of.eval_set.empty()
                    ? fmt::format("no settings were tried on the index '{}'", index)
                    : fmt::format("no settings were tried on '{}' with the eval set '{}'", index,
                                  of.eval_set),
                "POST /vectors/hnsw/trial");
  }
  const Trial like = *latest;
  std::erase_if(all, [&](const Trial& trial) {
    return trial.eval_set != like.eval_set || trial.k != like.k ||
           trial.generation != like.generation;
  });
  return best_of(all, of.by, of.recall_min);
}

Result<jobs::Job> TrialService::promote(const RequestContext& context, std::string_view index,
                                        std::string_view trial_id, const BestOf& of) {
  std::vector<Trial> winners;
  if (trial_id.empty()) {
    LH_ASSIGN_OR_RETURN(winners, best(context, index, of));
    if (winners.empty()) {
      return fail(ErrorCode::FailedPrecondition,
                  fmt::format("no trial has a recall of {}", of.recall_min),
                  "Try larger settings, or ask for less.");
    }
  } else {
    LH_ASSIGN_OR_RETURN(winners, trials(context, index));
    std::erase_if(winners, [&](const Trial& trial) { return trial.id != trial_id; });
    if (winners.empty()) {
      return fail(ErrorCode::NotFound,
                  fmt::format("the index '{}' has no trial '{}'", index, as_utf8(trial_id)));
    }
  }
  return parts_.vectors.promote(context, index, winners.back().graph);
}

Result<std::optional<double>> TrialService::quality(const RequestContext& context,
                                                    const IndexInfo& index,
                                                    std::int64_t generation) {
  LH_ASSIGN_OR_RETURN(const std::vector<std::string> names, evals_.names(context));
  std::size_t asked = 0;
  double found = 0;
  for (const std::string& name : names) {
    const auto set = evals_.get(context, name);
    if (!set || set->index != index.name) {
      continue;
    }
    for (const EvalQuery& query : set->queries) {
      // Vectors of one model mean nothing to another.
      if (query.truth.empty() || query.text.empty() || asked == kQualityQueriesMax) {
        continue;
      }
      LH_ASSIGN_OR_RETURN(
          const SearchResults results,
          parts_.vectors.search(
              context,
              {.index = index.name, .text = query.text, .k = kQualityK, .generation = generation}));
      found += share_found(query.truth, results.hits);
      ++asked;
    }
  }
  return asked == 0 ? std::nullopt : std::optional(found / static_cast<double>(asked));
}

Result<json::value> TrialService::run(jobs::JobContext& job) {
  LH_ASSIGN_OR_RETURN(const TrialSpec spec, trial_spec_from_json(job.spec()));
  const RequestContext& context = job.request();
  job.progress(0, 0, "pinning the embeddings");
  LH_ASSIGN_OR_RETURN(const Pinned pinned, pin(context, spec.index));
  LH_ASSIGN_OR_RETURN(const EvalSet set, get_eval(context, spec.eval_set));
  LH_ASSIGN_OR_RETURN(const std::string bucket, bucket_of(context, pinned->info()));
  TrialRun trial(spec, set, pinned, parts_.models, [&](const std::vector<Trial>& trials) {
    return journal_.append(context, bucket, trials);
  });
  return trial.run(job);
}

}  // namespace lakehouse::vector
