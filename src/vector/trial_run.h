#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include <boost/json/value.hpp>

#include "ai/model_service.h"
#include "base/error.h"
#include "jobs/job_service.h"
#include "vector/eval_set.h"
#include "vector/trial.h"
#include "vector/vector_index.h"
#include "vector/vector_service.h"

namespace lakehouse::vector {

/// The share of a query's truths that are among `hits`; of as many as there could be.
[[nodiscard]] double share_found(std::span<const EvalTruth> truth, std::span<const SearchHit> hits);

/// One job's trials: a graph for each combination of the grid, built from the same vectors, and
/// searched with each width. A graph whose trials are kept is a checkpoint. Not thread-safe.
class TrialRun {
 public:
  /// Keeps trials in the journal, durably.
  using Keep = std::function<Status(const std::vector<Trial>&)>;

  TrialRun(TrialSpec spec, const EvalSet& set, std::shared_ptr<const PinnedEmbeddings> pinned,
           ai::ModelService& models, Keep keep);

  /// The job's result: how many trials, and the front of the best of them.
  Result<boost::json::value> run(jobs::JobContext& job);

 private:
  using Index = std::unique_ptr<VectorIndex>;

  Status embed_queries(const RequestContext& context);
  Status find_truth(const RequestContext& context, const VectorIndex& index);
  Result<Index> build(jobs::JobContext& job, const GraphSettings& graph, std::size_t number,
                      double* seconds);
  Result<Trial> measure(jobs::JobContext& job, const VectorIndex& index, const GraphSettings& graph,
                        double build_s);
  Status search_all(const RequestContext& context, const VectorIndex& index,
                    const SearchOptions& options, Trial* trial);
  [[nodiscard]] double relevance_of(const EvalQuery& query, std::span<const Hit> hits) const;
  [[nodiscard]] std::span<const float> query(std::size_t i) const;

  const TrialSpec spec_;
  const EvalSet& set_;
  const std::shared_ptr<const PinnedEmbeddings> pinned_;
  ai::ModelService& models_;
  const Keep keep_;
  std::vector<float> queries_;  ///< Row-major.
  /// The score of the last of the k that an exact search finds, and how many it finds.
  struct Truth {
    float least = 0;
    std::size_t count = 0;
  };
  std::vector<Truth> truth_;
  std::vector<Trial> made_;
};

}  // namespace lakehouse::vector
