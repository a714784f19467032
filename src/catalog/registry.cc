#include "catalog/registry.h"

#include <functional>
#include <set>

#include <fmt/format.h>

#include "base/json.h"
#include "catalog/detail/registry_properties.h"
#include "catalog/detail/rows.h"

namespace lakehouse::catalog {
namespace {

namespace json = boost::json;
using iceberg::TableMetadata;
using metastore::integer;
using metastore::text;
using metastore::Transaction;

constexpr int kTriesMax = 20;
constexpr std::size_t kAncestorsMax = 100'000;

Result<std::int64_t> last_version(Transaction& transaction, const std::string& uuid) {
  LH_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query(
          "SELECT COALESCE(MAX(version), 0) FROM registry_history WHERE table_uuid = $1", {uuid}));
  return integer(rows.front()[0]);
}

struct HistoryRow {
  std::string uuid;
  std::int64_t version = 0;
  std::int64_t at_ms = 0;
  std::string principal;
  DecidedBy by = DecidedBy::Person;
  std::string changes_json;
};

Status insert_history(Transaction& transaction, const HistoryRow& row) {
  LH_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO registry_history (table_uuid, version, at_ms, principal, decided_by, changes) "
      "VALUES ($1, $2, $3, $4, $5, $6)",
      {row.uuid, row.version, row.at_ms, row.principal, std::string(to_string(row.by)),
       row.changes_json}));
  return {};
}

/// A snapshot and those before it, as far as they are kept.
std::vector<const iceberg::Snapshot*> ancestry(const TableMetadata& metadata,
                                               const iceberg::Snapshot* snapshot) {
  std::map<std::int64_t, const iceberg::Snapshot*> by_id;
  for (const iceberg::SnapshotPtr& one : metadata.snapshots) {
    by_id.emplace(one->snapshot_id, one.get());
  }
  std::vector<const iceberg::Snapshot*> out;
  while (snapshot != nullptr && out.size() < kAncestorsMax) {
    out.push_back(snapshot);
    const auto parent =
        snapshot->parent_snapshot_id ? by_id.find(*snapshot->parent_snapshot_id) : by_id.end();
    snapshot = parent == by_id.end() ? nullptr : parent->second;
  }
  return out;
}

std::int64_t added_rows(const iceberg::Snapshot& snapshot) {
  const auto found = snapshot.summary.find("added-records");
  return found == snapshot.summary.end() ? 0 : std::strtoll(found->second.c_str(), nullptr, 10);
}

/// The files that count as ingested are those that brought the rows of the snapshot.
Status take_ingested_files_back(Transaction& transaction, const TableMetadata& metadata,
                                const iceberg::Snapshot& to) {
  const auto kept = ancestry(metadata, &to);
  std::set<std::int64_t> kept_ids;
  for (const iceberg::Snapshot* snapshot : kept) {
    kept_ids.insert(snapshot->snapshot_id);
  }
  const auto taken_back = ancestry(metadata, metadata.current_snapshot());
  for (const iceberg::Snapshot* snapshot : taken_back) {
    if (!kept_ids.contains(snapshot->snapshot_id)) {
      LH_RETURN_IF_ERROR(transaction.execute(
          "DELETE FROM ingested_files WHERE table_uuid = $1 AND snapshot_id = $2",
          {metadata.table_uuid, snapshot->snapshot_id}));
    }
  }
  // The other way: what an earlier rollback, or a replacement since, has made forgotten.
  for (const iceberg::Snapshot* snapshot : kept) {
    const auto sha256 = snapshot->summary.find("lakehouse.ingest.sha256");
    if (sha256 != snapshot->summary.end()) {
      const auto name = snapshot->summary.find("lakehouse.ingest.file");
      LH_RETURN_IF_ERROR(transaction.execute(
          "INSERT INTO ingested_files (table_uuid, sha256, snapshot_id, row_count, bad_row_count, "
          "file_name, ingested_at_ms) VALUES ($1, $2, $3, $4, 0, $5, $6) "
          "ON CONFLICT (table_uuid, sha256) DO NOTHING",
          {metadata.table_uuid, sha256->second, snapshot->snapshot_id, added_rows(*snapshot),
           name == snapshot->summary.end() ? std::string() : name->second,
           snapshot->timestamp_ms}));
    }
    if (snapshot->operation() == "overwrite") {
      break;  // The rows before it are not among these.
    }
  }
  return {};
}

}  // namespace

Result<LoadedTable> Registry::edit(const RequestContext& context, const TableIdentifier& table,
                                   DecidedBy by, const Planner& plan) {
  for (int tries = 1;; ++tries) {
    LH_RETURN_IF_ERROR(context.check());
    // The version is read before the state that the edit is planned for: whoever edits in between
    // takes the next version first, and this edit is planned again.
    LH_ASSIGN_OR_RETURN(const LoadedTable found, catalog_.load_table(context, table));
    const std::string& uuid = found.metadata->table_uuid;
    std::int64_t version = 0;
    LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
      LH_ASSIGN_OR_RETURN(version, last_version(transaction, uuid));
      return {};
    }));
    LH_ASSIGN_OR_RETURN(LoadedTable base, catalog_.load_table(context, table));
    LH_ASSIGN_OR_RETURN(const Edit edit, plan(*base.metadata));
    if (edit.updates.empty()) {
      return base;
    }
    std::vector<iceberg::TableRequirement> requirements = edit.requirements;
    requirements.emplace_back(iceberg::AssertTableUuid{uuid});
    CommitOptions options;
    options.also = [&](Transaction& transaction, const std::vector<LoadedTable>& after) -> Status {
      LH_ASSIGN_OR_RETURN(const std::int64_t now, last_version(transaction, uuid));
      if (now != version) {
        return fail(ErrorCode::Aborted, "the dataset's entry has changed");
      }
      LH_RETURN_IF_ERROR(insert_history(transaction, {.uuid = uuid,
                                                      .version = version + 1,
                                                      .at_ms = catalog_.now_ms(),
                                                      .principal = context.principal,
                                                      .by = by,
                                                      .changes_json = edit.changes_json}));
      return edit.also ? edit.also(transaction, after) : Status();
    };
    Result<LoadedTable> after =
        catalog_.commit_table(context, table, std::move(requirements), edit.updates, options);
    if (after || after.error().code != ErrorCode::Aborted || tries == kTriesMax) {
      return after;
    }
  }
}

Result<LoadedTable> Registry::patch(const RequestContext& context, const TableIdentifier& table,
                                    const RegistryPatch& patch) {
  return edit(context, table, DecidedBy::Person,
              [&](const TableMetadata& metadata) -> Result<Edit> {
                LH_ASSIGN_OR_RETURN(const auto planned, detail::plan_patch(metadata, patch));
                return Edit{.updates = planned.updates(),
                            .requirements = {},
                            .changes_json = to_json(planned.changes),
                            .also = {}};
              });
}

Result<LoadedTable> Registry::propose(const RequestContext& context, const TableIdentifier& table,
                                      std::span<const ColumnProposal> proposals) {
  return edit(context, table, DecidedBy::Detector,
              [&](const TableMetadata& metadata) -> Result<Edit> {
                const auto planned = detail::plan_proposals(metadata, proposals);
                return Edit{.updates = planned.updates(),
                            .requirements = {},
                            .changes_json = to_json(planned.changes),
                            .also = {}};
              });
}

Result<Page<RegistryChange>> Registry::history(const RequestContext& context,
                                               const TableIdentifier& table,
                                               const PageRequest& page) {
  LH_ASSIGN_OR_RETURN(const LoadedTable loaded, catalog_.load_table(context, table));
  LH_ASSIGN_OR_RETURN(const std::int64_t before, detail::number_of_token(page.page_token));
  Page<RegistryChange> out;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(
        const auto rows,
        transaction.query("SELECT version, at_ms, principal, decided_by, changes "
                          "FROM registry_history WHERE table_uuid = $1 AND version < $2 "
                          "ORDER BY version DESC LIMIT $3",
                          {loaded.metadata->table_uuid, before, detail::fetch_limit(page)}));
    for (const auto& row : rows) {
      if (page.limit > 0 && out.items.size() == page.limit) {
        out.next_page_token = std::to_string(out.items.back().version);
        break;
      }
      out.items.push_back(
          {.version = integer(row[0]),
           .at_ms = integer(row[1]),
           .principal = text(row[2]),
           .by = text(row[3]) == "detector" ? DecidedBy::Detector : DecidedBy::Person,
           .changes_json = text(row[4])});
    }
    return {};
  }));
  return out;
}

Result<LoadedTable> Registry::rollback(const RequestContext& context, const TableIdentifier& table,
                                       std::int64_t snapshot_id, const CommitOptions& options) {
  return edit(
      context, table, DecidedBy::Person, [&](const TableMetadata& metadata) -> Result<Edit> {
        const iceberg::Snapshot* to = metadata.snapshot_by_id(snapshot_id);
        if (to == nullptr) {
          return fail(ErrorCode::NotFound,
                      fmt::format("{} has no snapshot {}", to_string(table), snapshot_id),
                      "See the dataset's snapshots for those there are.");
        }
        Edit edit;
        if (metadata.current_snapshot_id == snapshot_id) {
          return edit;
        }
        iceberg::SnapshotRef ref;
        if (const auto main = metadata.refs.find(iceberg::kMainBranch);
            main != metadata.refs.end()) {
          ref = main->second;
        }
        ref.snapshot_id = snapshot_id;
        const std::string branch(iceberg::kMainBranch);
        edit.updates.emplace_back(iceberg::SetSnapshotRef{.name = branch, .ref = std::move(ref)});
        edit.requirements.emplace_back(iceberg::AssertRefSnapshotId{
            .ref = branch, .snapshot_id = metadata.current_snapshot_id});
        const json::object change{
            {"from", metadata.current_snapshot_id ? json::value(*metadata.current_snapshot_id)
                                                  : json::value()},
            {"to", snapshot_id}};
        edit.changes_json = to_json(json::object{{"snapshot_id", change}});
        edit.also = [&metadata, to, &options](Transaction& transaction,
                                              const std::vector<LoadedTable>& after) -> Status {
          LH_RETURN_IF_ERROR(take_ingested_files_back(transaction, metadata, *to));
          return options.also ? options.also(transaction, after) : Status();
        };
        return edit;
      });
}

}  // namespace lakehouse::catalog
