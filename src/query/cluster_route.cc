#include "query/cluster_route.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/json.h"
#include "query/trino_sql.h"

namespace lakehouse::query {
namespace {

/// Why the statement must not go to the cluster, whatever its size.
Status check_route(const StatementPlan& plan) {
  constexpr const char* kHint = "Leave `engine` out, or say local.";
  if (!plan.policy_versions.empty()) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("of {} you see a part only, and the cluster does not know which",
                            plan.policy_versions.front().first),
                kHint);
  }
  if (plan.is_volatile) {
    return fail(ErrorCode::Unimplemented,
                "the cluster's clock and random numbers are not those of this server", kHint);
  }
  return {};
}

Result<std::unique_ptr<engine::ResultStream>> run_there(const RequestContext& context,
                                                        Cluster& cluster, engine::Engine& engine,
                                                        const StatementPlan& plan) {
  LH_RETURN_IF_ERROR(check_route(plan));
  ClusterStatement statement;
  // What is wrong with the statement is found here, and said as it is without a cluster.
  engine::Statement ours = plan.statement;
  ours.monitor = nullptr;
  LH_ASSIGN_OR_RETURN(statement.columns, engine.describe(context, std::move(ours)));
  auto tree = parse_json(plan.statement.text, "the statement");
  if (!tree || !tree->is_object()) {
    return fail(ErrorCode::Unimplemented, "the statement is nested too deep for the cluster");
  }
  LH_ASSIGN_OR_RETURN(statement.sql,
                      translate_to_trino(tree->get_object(), plan.pinned, plan.statement.parameters,
                                         cluster.options().catalog));
  statement.encoding = plan.statement.encoding;
  statement.rows_max = plan.statement.rows_max;
  statement.monitor = plan.statement.monitor;
  return cluster.run(context, std::move(statement));
}

/// Of a failure there, whether it may be tried here.
bool may_stay(const Error& error) {
  switch (error.code) {
    case ErrorCode::Cancelled:
    case ErrorCode::DeadlineExceeded: return false;
    // Either end would say the same.
    case ErrorCode::NotFound:
    case ErrorCode::PermissionDenied: return false;
    case ErrorCode::InvalidArgument:
    case ErrorCode::OutOfRange:
    case ErrorCode::AlreadyExists:
    case ErrorCode::FailedPrecondition:
    case ErrorCode::Aborted:
    case ErrorCode::Unauthenticated:
    case ErrorCode::ResourceExhausted:
    case ErrorCode::Unavailable:
    case ErrorCode::CommitStateUnknown:
    case ErrorCode::DataLoss:
    case ErrorCode::Unimplemented:
    case ErrorCode::Internal: return true;
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<engine::ResultStream>> route_to_cluster(const RequestContext& context,
                                                               Cluster* cluster,
                                                               engine::Engine& engine,
                                                               const StatementPlan& plan,
                                                               EngineChoice choice) {
  const bool is_told = choice == EngineChoice::Cluster;
  if (cluster == nullptr && is_told) {
    return fail(ErrorCode::InvalidArgument, "engine trino: no cluster is configured",
                "Leave engine out, or say auto or local; cluster.trino_url names a cluster.");
  }
  const bool is_big =
      cluster != nullptr && plan.statement.scan_bytes.value_or(0) > cluster->options().above_bytes;
  if (cluster == nullptr || choice == EngineChoice::Local || (!is_told && !is_big)) {
    return nullptr;
  }
  auto stream = run_there(context, *cluster, engine, plan);
  if (!stream && !is_told && may_stay(stream.error())) {
    return nullptr;
  }
  return stream;
}

}  // namespace lakehouse::query
