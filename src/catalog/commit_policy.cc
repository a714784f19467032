#include "catalog/commit_policy.h"

#include <algorithm>
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
  const std::string name = to_string(table);
  LH_ASSIGN_OR_RETURN(
      const governance::TablePolicy policy,
      policies->policy_for(context, {.uuid = loaded->metadata->table_uuid, .name = name}));
  return policy.restricts()
             ? fail(ErrorCode::PermissionDenied,
                    fmt::format("you may see a part of {} only, and not commit data files to it",
                                name),
                    "Write its rows by SQL or by ingesting a file: the server looks at them there.")
             : Status();
}

}  // namespace lakehouse::catalog
