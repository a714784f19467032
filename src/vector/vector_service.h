#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "ai/model_service.h"
#include "base/error.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "governance/table_policy.h"
#include "jobs/job_service.h"
#include "metastore/metastore.h"
#include "query/compaction.h"
#include "query/query_service.h"
#include "query/table_writer.h"
#include "storage/buckets.h"
#include "vector/index_spec.h"

namespace lakehouse::vector {

class LanceEngine;

enum class SearchMode : std::uint8_t { Vector, Text, Hybrid };
std::string_view to_string(SearchMode mode);  ///< "vector".
Result<SearchMode> search_mode_from(std::string_view name);

struct SearchRequest {
  std::string index = {};
  std::string text = {};           ///< What is searched for; or else, in mode Vector:
  std::vector<float> vector = {};  ///< of the index's dimensions; need not be normalised.
  std::size_t k = 10;              ///< 1 to 1,000.
  /// A condition on the source's columns, in SQL: only rows for which the caller finds it true.
  std::string filter = {};
  SearchMode mode = SearchMode::Vector;
  /// The best are ranked again by the default reranking model. Without one those of mode Text are
  /// fused with what their vectors say, and others keep their scores.
  bool rerank = false;
  bool exact = false;           ///< No approximation: every allowed vector is scored.
  bool one_per_row = false;     ///< The best chunk of each row only.
  std::size_t ef_search = 0;    ///< 0: the index's own.
  std::int64_t generation = 0;  ///< 0: the one that answers.
};

/// A chunk that was found. It is as it is in the source's row now, as the caller may see it.
struct SearchHit {
  boost::json::value key;   ///< A string (also a UUID) or a number.
  std::uint32_t chunk = 0;  ///< 0 is the row's first.
  double score = 0;         ///< Higher is better: cosine; BM25; or what fusion or reranking gave.
  std::string text;         ///< The chunk's: bytes [start, end) of the row's text.
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::optional<double> vector_score;  ///< Cosine, where it was computed.
  std::optional<double> text_score;    ///< BM25, where the chunk holds a word of the query.
};

struct SearchResults {
  std::vector<SearchHit> hits;  ///< The best first; fewer than k only if there are no more.
  /// What was done: "hnsw", "exact", "filtered hnsw"..., "bm25", "hybrid(rrf: ...)",
  /// "+rerank(...)".
  std::string method;
  std::int64_t generation = 0;
  std::int64_t snapshot_id = 0;             ///< Of the source: the state that all hits are of.
  std::int64_t embeddings_snapshot_id = 0;  ///< Of vectors.<name>.
  std::string model;
  std::string model_version;
  std::uint64_t chunks = 0;   ///< Of the generation.
  std::uint64_t allowed = 0;  ///< Of these, what filter, policies and the source's state left.
  double elapsed_ms = 0;
};

/// A dataset with rows that an index of it has not seen.
struct StaleIndex {
  std::string dataset;
  std::string index = {};
  RefreshPolicy policy = RefreshPolicy::Manual;
  std::int64_t snapshot_id = 0;                  ///< The source's now.
  std::optional<std::int64_t> indexed_snapshot;  ///< What the index has; nothing: none yet.
  std::optional<std::int64_t> stale_since_ms;    ///< The first commit that it has not seen.
  std::int64_t commits_behind = 0;
};

/// All vectors of a generation as they were at one moment, for trials and measurements: shared by
/// all that use them, on the disk once. Immutable, thread-safe; stays valid whatever becomes of
/// the index.
class PinnedEmbeddings {
 public:
  virtual ~PinnedEmbeddings() = default;
  [[nodiscard]] virtual std::size_t size() const = 0;
  [[nodiscard]] virtual std::uint32_t dimensions() const = 0;
  /// Row-major, normalised, size() * dimensions().
  [[nodiscard]] virtual std::span<const float> vectors() const = 0;
  [[nodiscard]] virtual boost::json::value key(std::size_t row) const = 0;
  [[nodiscard]] virtual std::uint32_t chunk(std::size_t row) const = 0;
  [[nodiscard]] virtual std::string_view text(std::size_t row) const = 0;
  [[nodiscard]] virtual std::int64_t embeddings_snapshot_id() const = 0;
  [[nodiscard]] virtual std::int64_t source_snapshot_id() const = 0;
  [[nodiscard]] virtual const IndexInfo& info() const = 0;
};

/// What the index caches hold.
struct IndexCacheStats {
  std::uint64_t indexes = 0;
  std::uint64_t bytes = 0;  ///< Mapped files and what is in memory beside them.
  std::uint64_t bytes_max = 0;
  std::uint64_t hits = 0;
  std::uint64_t loads = 0;
  std::uint64_t evictions = 0;
  std::uint64_t row_sets = 0;  ///< Kept sets of allowed rows.
  std::uint64_t row_set_hits = 0;
  std::uint64_t row_set_misses = 0;
};

/// Vector indexes over datasets: made by jobs, kept in step, searched as the caller may.
///
/// An index's chunks and vectors are an Iceberg dataset, `vectors.<name>`, which is the truth; its
/// files beside it only make search quick. A search answers from the source's current snapshot:
/// rows that are gone or whose text has changed since, and rows that the caller may not read, are
/// never returned; vectors that no file covers yet are scanned exactly.
///
/// Thread-safe; calls block. What it refers to outlives it, and the JobService stops before it.
class VectorService {
 public:
  struct Parts {
    catalog::Catalog& catalog;
    metastore::Metastore& metastore;
    storage::Buckets& buckets;
    engine::Engine& engine;
    query::QueryService& query;
    query::TableWriter& writer;
    query::Compactor& compactor;
    jobs::JobService& jobs;
    ai::ModelService& models;
    LanceEngine* lance = nullptr;                   ///< Null: no index is kept by Lance.
    governance::TablePolicies* policies = nullptr;  ///< The planner's; null: all see everything.
    Log& log;
    Metrics& metrics;
  };
  struct Options {
    std::uint64_t memory_max = std::uint64_t{2} << 30U;  ///< Of loaded indexes, mapped parts too.
    std::chrono::milliseconds watch_every{1'000};        ///< How often datasets are looked at.
    std::size_t batch_chunks = 512;                      ///< Embedded and committed together.
    bool watches = true;                                 ///< False: no refresh by itself (tests).
  };

  /// Runs in the transaction that keeps the job: for the receipt of a request.
  using AlsoStart = std::function<Status(metastore::Transaction&, const jobs::Job&)>;

  virtual ~VectorService() = default;

  /// A new index, and the job that fills it, in one transaction. AlreadyExists; NotFound for the
  /// dataset, a column or a model, with the nearest names; InvalidArgument.
  virtual Result<jobs::Job> create_index(const RequestContext& context, const IndexSpec& spec,
                                         const AlsoStart& also = {}) = 0;

  /// Of those whose dataset the caller may read. In order of names.
  virtual Result<catalog::Page<IndexInfo>> list(const RequestContext& context,
                                                const catalog::PageRequest& page) = 0;
  /// NotFound, with the nearest names.
  virtual Result<IndexInfo> get(const RequestContext& context, std::string_view name) = 0;
  /// With its embeddings and files; a running job is cancelled. False if there is none.
  virtual Result<bool> drop(const RequestContext& context, std::string_view name) = 0;
  virtual Result<IndexInfo> set_refresh(const RequestContext& context, std::string_view name,
                                        const Refresh& refresh) = 0;

  /// The k chunks nearest to what is asked for that the caller may read. NotFound for an index
  /// that is not there or a dataset that may not be known; Unavailable, with a hint, while the
  /// index holds nothing yet and its first run goes on.
  virtual Result<SearchResults> search(const RequestContext& context,
                                       const SearchRequest& request) = 0;
  /// Many at once over one index: filters, embeddings and scans are shared. Each answer stands for
  /// the request at its place; the first failure is the answer.
  virtual Result<std::vector<SearchResults>> search_all(
      const RequestContext& context, std::span<const SearchRequest> requests) = 0;

  /// A job for each index of the dataset (or the one index of that name) that embeds what is new
  /// or changed and removes what is gone. NotFound if it has none.
  virtual Result<std::vector<jobs::Job>> refresh(const RequestContext& context,
                                                 std::string_view dataset_or_index) = 0;
  virtual Result<std::vector<StaleIndex>> stale(const RequestContext& context) = 0;

  /// Builds a second generation beside the one that answers, by a recipe or graph settings of its
  /// own. AlreadyExists if one is being built.
  virtual Result<jobs::Job> build_beside(const RequestContext& context, std::string_view name,
                                         const Recipe& recipe, const GraphSettings& graph) = 0;
  /// Makes a generation the one that answers: a newer one if it is complete and, on the index's
  /// eval set, not worse (or `force`d), an older one as a way back. FailedPrecondition says why
  /// not.
  virtual Result<IndexInfo> switch_to(const RequestContext& context, std::string_view name,
                                      std::int64_t generation, bool force) = 0;
  /// Removes a generation that does not answer.
  virtual Result<IndexInfo> drop_generation(const RequestContext& context, std::string_view name,
                                            std::int64_t generation) = 0;

  /// For trials. Vectors and texts as the index's owner saw them: whoever passes them on asks
  /// first who may have them. PermissionDenied for a caller who may not read the source whole.
  virtual Result<std::shared_ptr<const PinnedEmbeddings>> pin_embeddings(
      const RequestContext& context, std::string_view name) = 0;
  /// Gives the answering generation other graph settings: its file is made anew by a job.
  virtual Result<jobs::Job> promote(const RequestContext& context, std::string_view name,
                                    const GraphSettings& graph) = 0;
  /// How good a generation is on the index's eval set, 0 to 1; nothing if there is no eval set. Set
  /// by whoever has eval sets; asked before a switch, without locks held.
  using Quality = std::function<Result<std::optional<double>>(
      const RequestContext& context, const IndexInfo& index, std::int64_t generation)>;
  virtual void set_quality(Quality quality) = 0;

  [[nodiscard]] virtual IndexCacheStats cache_stats() const = 0;

  /// Begins to watch datasets. Once, after the JobService runs.
  virtual void run() = 0;
  virtual void stop() = 0;
};

/// Registers its kinds of jobs, so before JobService::run.
Result<std::unique_ptr<VectorService>> make_vector_service(VectorService::Parts parts,
                                                           VectorService::Options options);

}  // namespace lakehouse::vector
