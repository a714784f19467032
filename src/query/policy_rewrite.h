#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/error.h"
#include "base/request_context.h"
#include "governance/table_policy.h"
#include "iceberg/table_metadata.h"
#include "query/conditions.h"
#include "query/kept_trees.h"

/// \file
/// How a policy holds. The subquery that stands for a table becomes
///
///   SELECT CASE WHEN lh_ok THEN a END AS a, CASE WHEN lh_ok THEN mask(b) END AS b ...
///   FROM (SELECT *, filter AS lh_ok FROM source) WHERE lh_ok
///
/// so that whatever order the engine evaluates in, an expression of the caller never sees a cell
/// that is not shown: DuckDB moves conditions below each other, and one that fails would tell its
/// value. A policy's own expressions stand in TRY for the same reason.

namespace lakehouse::query {

/// What a policy is applied to.
struct PolicyTarget {
  std::string name;  ///< "namespace.table"
  const iceberg::TableMetadata& metadata;
  const iceberg::Schema& schema;  ///< Of the snapshot that is read. Policies name current columns.
};

/// A statement with the policy's expressions, to be analysed like any other: its filter, then the
/// masks that are expressions. FailedPrecondition, which does not tell the policy, if it does not
/// fit the table.
Result<boost::json::object> policy_statement(const RequestContext& context, KeptTrees& trees,
                                             const governance::TablePolicy& policy,
                                             const PolicyTarget& target);

/// The rows and columns of `source`, which has the columns of the target's schema and `extra` ones,
/// that may be seen. `statement` is what policy_statement gave.
boost::json::object restricted(const governance::TablePolicy& policy, const PolicyTarget& target,
                               boost::json::object statement, boost::json::object source,
                               const std::vector<std::string>& extra = {});

/// Those of `rows`, which has the columns of the target's current schema, of which the policy's row
/// filter is not true. The policy has one.
boost::json::object outside(const PolicyTarget& target, boost::json::object statement,
                            boost::json::object rows);

enum class ColumnAccess : std::uint8_t { Shown, Masked, Hidden };
ColumnAccess column_access(const governance::TablePolicy& policy, const PolicyTarget& target,
                           std::int32_t field_id);

/// A query node with the columns that may be seen and `extra` numbers, which reads nothing: for
/// plans that are shown.
boost::json::object stand_in(const governance::TablePolicy& policy, const PolicyTarget& target,
                             const std::vector<std::string>& extra = {});

/// What holds of every row that may be seen, as far as bounds tell; and those of `conditions` that
/// speak of columns as they are.
std::vector<Condition> conditions_under(const governance::TablePolicy& policy,
                                        const PolicyTarget& target,
                                        const boost::json::object& statement,
                                        std::vector<Condition> conditions);

/// What is told if a policy cannot be applied.
std::unexpected<Error> policy_unfit(std::string_view table);

}  // namespace lakehouse::query
