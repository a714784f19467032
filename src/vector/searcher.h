#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "vector/index_cache.h"
#include "vector/row_filter.h"
#include "vector/vector_service.h"

namespace lakehouse::vector {

/// Searches: from a question to chunks that the caller may read. Thread-safe.
class Searcher {
 public:
  Searcher(const VectorService::Parts& parts, IndexCache& cache, RowFilter& filter)
      : parts_(parts), cache_(cache), filter_(filter) {}

  /// `vectors` holds the question's vector, if it was computed already.
  Result<SearchResults> search(const RequestContext& context, const IndexInfo& info,
                               const SearchRequest& request, std::span<const float> vector);
  /// The vectors of texts by the generation's model. FailedPrecondition if that has changed.
  Result<ai::Embeddings> embed(const RequestContext& context, const Generation& generation,
                               std::span<const std::string_view> texts);

  /// The generation's chunks as its embeddings are now. Unavailable if there are none yet.
  Result<std::shared_ptr<LoadedIndex>> open(const RequestContext& context, const IndexInfo& info,
                                            const Generation& generation);
  /// The table that the index is of. NotFound if it is gone.
  Result<catalog::LoadedTable> source_of(const RequestContext& context, const IndexInfo& info);

 private:
  struct Found;
  struct Task;
  Status find(const RequestContext& context, const Task& task, SearchResults* out);
  Result<std::vector<Found>> candidates(const RequestContext& context, const Task& task,
                                        std::size_t k, std::string* method);
  Status rerank(const RequestContext& context, const SearchRequest& request,
                const Generation& generation, SearchResults* out);

  const VectorService::Parts& parts_;
  IndexCache& cache_;
  RowFilter& filter_;
};

/// InvalidArgument, naming what is wrong.
Status check(const SearchRequest& request);

}  // namespace lakehouse::vector
