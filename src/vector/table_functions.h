#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "query/table_functions.h"
#include "vector/vector_service.h"

/// \file
/// Search in SQL: `SELECT * FROM vector_search('docs', 'wind tunnels', k := 5, filter := 'year >
/// 1950')`.

namespace lakehouse::vector {

/// vector_search, hybrid_search and text_search: (index, text or a list of numbers, k = 10) and by
/// name k, filter, exact, rerank, one_per_row. Columns: key (as the source has it), chunk, score,
/// text. They search as the caller, so they give nothing that the caller may not read.
///
/// Made before what it asks: the query service knows its functions from the start, and vectors are
/// found with the query service. Thread-safe.
class SearchFunctions final : public query::TableFunctionProvider {
 public:
  /// From now on calls are answered; until then they are Unavailable. Null takes it away again,
  /// before the service goes: calls that are running must have ended.
  void bind(VectorService* service) { service_.store(service); }

  [[nodiscard]] std::vector<std::string> names() const override;
  Result<query::TableFunctionResult> call(const RequestContext& context,
                                          const query::TableFunctionCall& call) override;

 private:
  std::atomic<VectorService*> service_ = nullptr;
  std::atomic<std::uint64_t> calls_ = 0;
};

}  // namespace lakehouse::vector
