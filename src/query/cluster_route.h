#pragma once

#include <memory>

#include "base/error.h"
#include "base/request_context.h"
#include "engine/engine.h"
#include "query/cluster.h"
#include "query/sql_request.h"
#include "query/statement_plan.h"

namespace lakehouse::query {

/// The rows of a planned SELECT from the cluster; null if it stays here.
///
/// With EngineChoice::Auto it goes there if its files are larger than the cluster's limit, and
/// stays here if it cannot: a part of it is not known to mean the same there, the principal sees a
/// part of a table only, or the cluster is full or down. With EngineChoice::Cluster each of these
/// is an error that says why. `cluster` may be null. `plan.statement` has the request's encoding
/// and limit.
Result<std::unique_ptr<engine::ResultStream>> route_to_cluster(const RequestContext& context,
                                                               Cluster* cluster,
                                                               engine::Engine& engine,
                                                               const StatementPlan& plan,
                                                               EngineChoice choice);

}  // namespace lakehouse::query
