#include "catalog/commit_policy.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <variant>

#include <fmt/format.h>

namespace lakehouse::catalog {
namespace {

bool decides_rows(const iceberg::TableUpdate& update) {
  return std::holds_alternative<iceberg::AddSnapshot>(update) ||
         std::holds_alternative<iceberg::SetSnapshotRef>(update) ||
         std::holds_alternative<iceberg::RemoveSnapshotRef>(update) ||
         std::holds_alternative<iceberg::RemoveSnapshots>(update);
}

/// PermissionDenied with `what` if the principal sees less than all of it.
Status check_whole(const RequestContext& context, governance::TablePolicies* policies,
                   const LoadedTable& table, std::string_view what, std::string_view hint) {
  if (policies == nullptr) {
    return {};
  }
  const std::string name = to_string(table.identifier);
  LH_ASSIGN_OR_RETURN(
      const governance::TablePolicy policy,
      policies->policy_for(context, {.uuid = table.metadata->table_uuid, .name = name}));
  return policy.restricts() ? fail(ErrorCode::PermissionDenied,
                                   fmt::format("you may see a part of {} only, and {}", name, what),
                                   std::string(hint))
                            : Status();
}

}  // namespace

Status check_may_commit(const RequestContext& context, Catalog& catalog,
                        governance::TablePolicies* policies, std::span<const TableCommit> commits) {
  for (const TableCommit& commit : commits) {
    if (std::ranges::any_of(commit.updates, decides_rows)) {
      LH_RETURN_IF_ERROR(check_may_replace(context, catalog, policies, commit.identifier));
    }
  }
  return {};
}

Status check_may_replace(const RequestContext& context, Catalog& catalog,
                         governance::TablePolicies* policies, const TableIdentifier& table) {
  if (policies == nullptr) {
    return {};
  }
  const auto loaded = catalog.load_table(context, table);
  if (!loaded && loaded.error().code == ErrorCode::NotFound) {
    return {};  // It is about to be made.
  }
  LH_RETURN_IF_ERROR(loaded);
  return check_whole(
      context, policies, *loaded, "not commit data files to it",
      "Write its rows by SQL or by ingesting a file: the server looks at them there.");
}

Status check_may_see_files(const RequestContext& context, governance::TablePolicies* policies,
                           const LoadedTable& table) {
  return check_whole(context, policies, table, "not what its files hold",
                     "Read it by SQL: what you may not see is left out there.");
}

}  // namespace lakehouse::catalog
