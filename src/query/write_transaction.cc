#include "query/write_transaction.h"

#include <algorithm>
#include <iterator>
#include <memory>

namespace lakehouse::query {
namespace {

using catalog::LoadedTable;
using catalog::TableIdentifier;
using iceberg::TableMetadata;
using iceberg::TableRequirement;

/// The table is the one that was read, with the rows that it had then.
std::vector<TableRequirement> as_read(const TableMetadata& table) {
  std::optional<std::int64_t> snapshot;
  if (const iceberg::Snapshot* current = table.current_snapshot()) {
    snapshot = current->snapshot_id;
  }
  return {iceberg::AssertTableUuid{table.table_uuid},
          iceberg::AssertRefSnapshotId{std::string(iceberg::kMainBranch), snapshot}};
}

/// And files that were written for it fit.
std::vector<TableRequirement> as_written_for(const TableMetadata& table) {
  std::vector<TableRequirement> out = as_read(table);
  out.emplace_back(iceberg::AssertCurrentSchemaId{table.current_schema_id});
  out.emplace_back(iceberg::AssertDefaultSpecId{table.default_spec_id});
  return out;
}

template <class T>
Status status_of(Result<T> result) {
  return result ? Status() : std::unexpected(std::move(result).error());
}

}  // namespace

WriteTransaction::~WriteTransaction() {
  undo();
}

void WriteTransaction::undo() {
  // Cleaning up must work for a caller who has gone, too.
  const RequestContext patient;
  for (Produced& one : produced_) {
    one.producer.clean_up_after_failure(patient);
  }
  for (const std::string& location : owned_) {
    static_cast<void>(buckets_.remove(patient, location));
  }
  produced_.clear();
  owned_.clear();
}

Result<LoadedTable> WriteTransaction::load(const RequestContext& context,
                                           const TableIdentifier& table) {
  if (const auto known = states_.find(table); known != states_.end()) {
    return known->second;
  }
  LH_ASSIGN_OR_RETURN(LoadedTable loaded, catalog_.load_table(context, table));
  return states_.emplace(table, std::move(loaded)).first->second;
}

void WriteTransaction::note_read(const TableStates& tables) {
  states_.insert(tables.begin(), tables.end());
}

Result<std::int64_t> WriteTransaction::change(const RequestContext& context,
                                              const TableIdentifier& table,
                                              iceberg::SnapshotChange change,
                                              std::optional<catalog::LineageRun> run) {
  LH_ASSIGN_OR_RETURN(LoadedTable state, load(context, table));
  const TableMetadata& base = *state.metadata;
  Produced& made =
      produced_.emplace_back(iceberg::SnapshotProducer(buckets_, manifests_, std::move(change)),
                             iceberg::ProducedSnapshot());
  LH_ASSIGN_OR_RETURN(made.snapshot, made.producer.produce(context, base, catalog_.now_ms()));
  std::vector<iceberg::TableUpdate> updates = made.snapshot.updates;
  if (run) {
    run->output_id = base.table_uuid;
    run->output_name = catalog::to_string(table);
    run->at_ms = catalog_.now_ms();
    run->principal = context.principal;
    run->snapshot_id = made.snapshot.snapshot.snapshot_id;
    std::ranges::move(catalog::lineage_updates(&base, *run), std::back_inserter(updates));
    runs_.push_back(*std::move(run));
  }
  LH_ASSIGN_OR_RETURN(TableMetadata next, iceberg::apply_updates(base, updates, catalog_.now_ms()));
  Change& whole = changes_[table];
  if (whole.requirements.empty()) {
    whole.requirements = as_written_for(base);
  }
  std::ranges::move(updates, std::back_inserter(whole.updates));
  state.metadata = std::make_shared<const TableMetadata>(std::move(next));
  state.metadata_json.reset();
  states_.insert_or_assign(table, std::move(state));
  return made.snapshot.snapshot.snapshot_id;
}

Status WriteTransaction::commit(const RequestContext& context, const CommitHook& also) {
  if (!has_changes()) {
    return {};
  }
  std::vector<catalog::TableCommit> commits;
  for (const auto& [table, state] : states_) {
    if (const auto changed = changes_.find(table); changed != changes_.end()) {
      commits.push_back({table, changed->second.requirements, changed->second.updates});
    } else {
      commits.push_back({table, as_read(*state.metadata), {}});
    }
  }
  const CommitHook hook = [this, &also](metastore::Transaction& transaction,
                                        const std::vector<LoadedTable>& after) -> Status {
    for (const catalog::LineageRun& run : runs_) {
      LH_RETURN_IF_ERROR(catalog::record_lineage(transaction, run));
    }
    return also ? also(transaction, after) : Status();
  };
  Status done;
  if (commits.size() == 1) {
    const TableIdentifier table = commits.front().identifier;
    done = status_of(catalog_.commit_table(context, table, std::move(commits.front().requirements),
                                           std::move(commits.front().updates), {.also = hook}));
  } else {
    done = status_of(catalog_.commit_transaction(context, commits, {.also = hook}));
  }
  if (done) {
    for (Produced& one : produced_) {
      one.producer.clean_up_after_commit(context, one.snapshot);
    }
  }
  if (done || !certainly_not_committed(done.error().code)) {
    produced_.clear();
    owned_.clear();
  }
  return done;
}

}  // namespace lakehouse::query
