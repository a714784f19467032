#pragma once

#include "base/error.h"
#include "base/request_context.h"
#include "engine/engine.h"
#include "query/rewrite.h"

namespace lakehouse::query {

/// Looks up which values a PIVOT's column has and lists them in the tree, in their order, as
/// DuckDB would. The tables around it are scans by now, with the variables given: so the values are
/// those of the rows that the statement itself reads. InvalidArgument for more than 5,000, and if
/// the question cannot stand alone.
Status list_pivot_values(const RequestContext& context, engine::Engine& engine,
                         const PivotReference& pivot,
                         const std::vector<engine::Variable>& variables,
                         const boost::json::value& parameters);

}  // namespace lakehouse::query
