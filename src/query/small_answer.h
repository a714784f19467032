#pragma once

#include <vector>

#include <boost/json/array.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "query/query_service.h"

namespace lakehouse::query {

/// All rows of a statement that gives few, each cell as JSON: for our own questions about datasets.
/// What people ask is streamed. ResourceExhausted past 64 MiB.
Result<std::vector<boost::json::array>> rows_of(const RequestContext& context,
                                                QueryService& queries, SqlRequest request);

}  // namespace lakehouse::query
