#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "ai/model_service.h"
#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "jobs/job_service.h"
#include "metastore/metastore.h"
#include "query/query_log.h"
#include "storage/buckets.h"
#include "vector/eval_search_log.h"
#include "vector/eval_store.h"
#include "vector/trial.h"
#include "vector/trial_journal.h"
#include "vector/vector_service.h"

namespace lakehouse::vector {

inline constexpr std::string_view kTrialJob = "vector.trial";

/// Embeddings that trials share.
struct TrialCacheStats {
  std::uint64_t pinned = 0;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
};

/// How good an index is, and with which settings it would be better: eval sets, trials, and the
/// winner's promotion. Who may read an index's whole source may try settings on it; what an eval
/// set holds is shown to who made it.
///
/// Thread-safe; calls block. Registers its kind of job, so it is made before JobService::run; the
/// JobService stops before it goes. Answers VectorService's question of quality.
class TrialService {
 public:
  struct Parts {
    VectorService& vectors;
    jobs::JobService& jobs;
    ai::ModelService& models;
    metastore::Metastore& metastore;
    catalog::Catalog& catalog;
    const storage::Buckets& buckets;
    query::QueryLog& query_log;
  };
  static constexpr std::size_t kAutogenMax = 10'000;

  explicit TrialService(Parts parts);
  TrialService(const TrialService&) = delete;
  TrialService& operator=(const TrialService&) = delete;

  // Eval sets.

  /// Made anew, or in the place of one that the caller made. AlreadyExists for another's.
  Result<EvalSet> put_eval(const RequestContext& context, EvalSet set);
  Result<EvalSet> get_eval(const RequestContext& context, std::string_view name);
  /// Without their queries; those over indexes that the caller may see.
  Result<std::vector<EvalSet>> list_evals(const RequestContext& context);
  /// False if there was none. PermissionDenied for another's.
  Result<bool> drop_eval(const RequestContext& context, std::string_view name);
  /// Questions out of the index's own texts: the chunk that one is from is its truth.
  Result<EvalSet> autogen(const RequestContext& context, std::string_view name,
                          std::string_view index, std::size_t queries, std::uint64_t seed);
  /// What the index was searched for, most often first: the caller's searches, or everybody's.
  /// FailedPrecondition if there were none.
  Result<EvalSet> from_log(const RequestContext& context, std::string_view name,
                           std::string_view index, std::size_t queries, bool everybody);
  /// To be told of every search for a text, so that there is a log.
  void note_search(std::string_view index, std::string_view text, std::string_view principal) {
    searches_.add(index, text, principal);
  }

  // Trials.

  /// The job that tries all of the grid. NotFound, PermissionDenied, InvalidArgument are found out
  /// before it begins.
  Result<jobs::Started> start(const RequestContext& context, const TrialSpec& spec);
  /// All that were made, in the order of their time.
  Result<std::vector<Trial>> trials(const RequestContext& context, std::string_view index);
  struct BestOf {
    BestBy by = BestBy::Recall;
    double recall_min = 0.95;
    std::string eval_set = {};  ///< Empty: the latest trial's.
  };
  /// Of the trials with the eval set, the generation and the k of the latest one with it.
  Result<std::vector<Trial>> best(const RequestContext& context, std::string_view index,
                                  const BestOf& of);
  /// Gives the index the settings of a trial, or those of the best. The job that does it.
  Result<jobs::Job> promote(const RequestContext& context, std::string_view index,
                            std::string_view trial_id, const BestOf& of);

  /// The share of their truths that the queries of the index's eval sets find; nothing if no set
  /// has any.
  Result<std::optional<double>> quality(const RequestContext& context, const IndexInfo& index,
                                        std::int64_t generation);

  [[nodiscard]] TrialCacheStats cache_stats() const;

 private:
  struct Pin {
    std::string key;
    std::shared_ptr<const PinnedEmbeddings> embeddings;
    std::chrono::steady_clock::time_point until;
  };
  using Pinned = std::shared_ptr<const PinnedEmbeddings>;

  void drop_old_pins() const;
  Result<std::string> bucket_of(const RequestContext& context, const IndexInfo& index);
  Result<Pinned> pin(const RequestContext& context, std::string_view index);
  Result<EvalSet> store_eval(const RequestContext& context, EvalSet set, const IndexInfo& index);
  Result<boost::json::value> run(jobs::JobContext& job);

  Parts parts_;
  EvalStore evals_;
  TrialJournal journal_;
  SearchLog searches_;
  mutable std::mutex mutex_;
  mutable std::vector<Pin> pins_;  ///< The latest used last. Guarded by mutex_, as what follows.
  std::uint64_t pin_hits_ = 0;
  std::uint64_t pin_misses_ = 0;
};

}  // namespace lakehouse::vector
