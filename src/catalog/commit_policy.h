#pragma once

#include <span>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "governance/table_policy.h"

/// \file
/// Policies at the doors where other programs read and commit files themselves. Nobody looks at
/// what is in them there, so who sees a part of a table only has no business with its files.

namespace lakehouse::catalog {

/// PermissionDenied if one of the commits brings or drops snapshots of a table that `policies`
/// (null: there are none) restricts for the principal, or moves its branches and tags. Other
/// changes of metadata are not looked at.
Status check_may_commit(const RequestContext& context, Catalog& catalog,
                        governance::TablePolicies* policies, std::span<const TableCommit> commits);

/// The same before a table's pointer is replaced as a whole. OK if there is no such table.
Status check_may_replace(const RequestContext& context, Catalog& catalog,
                         governance::TablePolicies* policies, const TableIdentifier& table);

/// The same before anything is told of a table's files: their bounds are cells, and which of them
/// match a filter tells of rows.
Status check_may_see_files(const RequestContext& context, governance::TablePolicies* policies,
                           const LoadedTable& table);

}  // namespace lakehouse::catalog
