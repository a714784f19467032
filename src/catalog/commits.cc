#include <algorithm>
#include <array>
#include <functional>
#include <set>

#include <fmt/format.h>

#include "base/id.h"
#include "catalog/catalog.h"
#include "catalog/detail/added_files.h"
#include "catalog/detail/commit_queue.h"
#include "catalog/detail/folder_notes.h"
#include "catalog/detail/locations.h"
#include "catalog/detail/metadata_files.h"
#include "catalog/detail/rows.h"

// A commit: check the requirements, apply the updates, write the new metadata files, swap the
// pointers in one transaction. Until that transaction has committed nothing is changed; after it
// nothing can fail.

namespace lakehouse::catalog {
namespace {

using iceberg::TableMetadata;
using iceberg::TableUpdate;
using metastore::Transaction;

bool asserts_create(const TableCommit& commit) {
  return std::ranges::any_of(commit.requirements, [](const auto& requirement) {
    return std::holds_alternative<iceberg::AssertCreate>(requirement);
  });
}

// A snapshot that was made for an older state of the table: its number was given to another one
// meanwhile. The client must make it again, so this is a lost race and not a wrong request.
Status check_snapshot_is_next(const TableMetadata& base, const iceberg::Snapshot& snapshot) {
  const bool old_number = base.format_version > 1 && snapshot.parent_snapshot_id &&
                          snapshot.sequence_number <= base.last_sequence_number;
  const bool old_rows =
      base.format_version > 2 && snapshot.first_row_id && *snapshot.first_row_id < base.next_row_id;
  if (old_number || old_rows) {
    return fail(
        ErrorCode::Aborted,
        fmt::format("snapshot {} was made for an older state of the table: its sequence "
                    "number is {}, and the table's last is {}",
                    snapshot.snapshot_id, snapshot.sequence_number, base.last_sequence_number));
  }
  return {};
}

// The requirement's words, and not a plain conflict: the client's create has failed for good.
std::unexpected<Error> created_meanwhile(const TableIdentifier& table) {
  return fail(ErrorCode::AlreadyExists,
              fmt::format("Requirement failed: table already exists: {}", to_string(table)));
}

// That a table has the name is the requirement's to say.
Status check_no_view(Transaction& transaction, const TableIdentifier& table) {
  LH_ASSIGN_OR_RETURN(const detail::Kind kind, detail::kind_of(transaction, table));
  return kind == detail::Kind::View
             ? detail::check_new_name(transaction, table, detail::Kind::Table)
             : Status();
}

// True if the file lies in the table's folder, however the two are spelled.
bool is_in_table(const storage::Buckets& buckets, const std::string& table_location,
                 const std::string& file) {
  const auto table = buckets.resolve(table_location);
  const auto at = buckets.resolve(file);
  return table && at && at->bucket == table->bucket && at->key.starts_with(table->key + "/");
}

// Where the client wants the table to lie; empty if it does not say.
std::string requested_location(const std::vector<TableUpdate>& updates) {
  std::string requested;
  for (const TableUpdate& update : updates) {
    if (const auto* location = std::get_if<iceberg::SetLocation>(&update)) {
      requested = location->location;
    }
  }
  while (requested.size() > 1 && requested.ends_with('/')) {
    requested.pop_back();
  }
  return requested;
}

// A snapshot's manifest list must lie in the table's folder. Except that a client which asks for
// another location in the same commit has written there before it can learn that we override it;
// such files are never read here (planning refuses them), but the client's commit stands.
Status check_manifest_lists(const storage::Buckets& buckets, const std::string& table_location,
                            const std::vector<TableUpdate>& updates) {
  const std::string requested = requested_location(updates);
  for (const TableUpdate& update : updates) {
    const auto* added = std::get_if<iceberg::AddSnapshot>(&update);
    if (added == nullptr || added->snapshot.manifest_list.empty()) {
      continue;
    }
    const std::string& file = added->snapshot.manifest_list;
    const bool as_requested = !requested.empty() && file.starts_with(requested + "/");
    if (!as_requested && !is_in_table(buckets, table_location, file)) {
      return fail(
          ErrorCode::InvalidArgument,
          fmt::format("file '{}' lies outside the table's location '{}'", file, table_location));
    }
  }
  return {};
}

}  // namespace

/// One table of a commit, from its base to what it becomes.
struct Catalog::Prepared {
  TableIdentifier identifier;
  std::optional<LoadedTable> base;  ///< Nothing: the commit creates the table.
  MetadataFiles::Content next;      ///< Its text only when it is rendered.
  std::string next_location;        ///< The base's, if nothing changes.
  std::vector<iceberg::MetadataLogEntry> dropped_from_log;
  bool written = false;

  [[nodiscard]] bool changes() const { return !base || next.metadata != base->metadata; }
  [[nodiscard]] LoadedTable after() const {
    return {.identifier = identifier,
            .metadata_location = next_location,
            .metadata = next.metadata,
            .metadata_json = next.json};
  }
};

// The metadata of a table that a commit creates: a staged one that is finished, as a rule.
Result<TableMetadata> Catalog::create_from(const TableCommit& commit) {
  LH_RETURN_IF_ERROR(metastore_.read({}, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const bool has_namespace,
                        detail::namespace_is_there(transaction, commit.identifier.name_space));
    return has_namespace ? check_no_view(transaction, commit.identifier)
                         : detail::no_namespace(commit.identifier.name_space);
  }));
  std::string uuid = new_uuid();
  std::string requested;
  std::vector<TableUpdate> updates;
  for (const TableUpdate& update : commit.updates) {
    if (const auto* location = std::get_if<iceberg::SetLocation>(&update)) {
      requested = location->location;
      continue;
    }
    if (const auto* assign = std::get_if<iceberg::AssignUuid>(&update)) {
      uuid = assign->uuid;
    }
    updates.push_back(update);
  }
  // The location that staging gave, whichever the bucket, and no other.
  LH_ASSIGN_OR_RETURN(std::string location, new_location(commit.identifier, uuid, ""));
  for (const storage::BucketConfig& bucket : buckets_.list()) {
    LH_ASSIGN_OR_RETURN(const std::string staged,
                        new_location(commit.identifier, uuid, bucket.name));
    if (requested == staged) {
      location = staged;
    }
  }
  updates.emplace_back(iceberg::SetLocation{location});
  return iceberg::metadata_from_updates(updates, uuid, now_ms());
}

// Beside the table's folder, where files may lie is the location that the client asks for in the
// same commit, if it is nobody else's: it has written there before it can learn that we override
// it.
Status Catalog::check_files(const RequestContext& context, const TableCommit& commit) {
  const auto adds_files = [](const TableUpdate& update) {
    return std::holds_alternative<iceberg::AddSnapshot>(update) ||
           std::holds_alternative<iceberg::SetStatistics>(update) ||
           std::holds_alternative<iceberg::SetPartitionStatistics>(update);
  };
  if (std::ranges::none_of(commit.updates, adds_files)) {
    return {};
  }
  LH_ASSIGN_OR_RETURN(const auto base, load_if_exists(context, commit.identifier));
  std::vector<std::string> folders;
  if (base) {
    folders.push_back(base->metadata->location);
  }
  std::string requested = requested_location(commit.updates);
  if (const auto at = buckets_.resolve(requested); !requested.empty() && at) {
    LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
      LH_ASSIGN_OR_RETURN(const std::string ours, buckets_.location(at->bucket, at->key));
      LH_ASSIGN_OR_RETURN(auto others, detail::datasets_at(transaction, ours));
      std::erase(others, commit.identifier);
      if (!others.empty()) {
        return fail(ErrorCode::InvalidArgument, fmt::format("the location '{}' is that of {}",
                                                            requested, to_string(others.front())));
      }
      return {};
    }));
    folders.push_back(std::exchange(requested, {}));
  }
  return detail::check_added_files(context, buckets_, folders, requested,
                                   base ? base->metadata.get() : nullptr, commit.updates);
}

Result<Catalog::Prepared> Catalog::load_base(const RequestContext& context,
                                             const TableIdentifier& table) {
  Prepared prepared;
  prepared.identifier = table;
  LH_ASSIGN_OR_RETURN(prepared.base, load_if_exists(context, table));
  if (prepared.base) {
    prepared.next = {.metadata = prepared.base->metadata, .json = prepared.base->metadata_json};
    prepared.next_location = prepared.base->metadata_location;
  }
  return prepared;
}

Status Catalog::apply(const TableCommit& commit, Prepared* prepared) {
  const TableMetadata* const current = prepared->next.metadata.get();
  if (asserts_create(commit)) {
    if (current != nullptr) {
      return created_meanwhile(commit.identifier);
    }
  } else if (current == nullptr) {
    return detail::no_table(commit.identifier);
  }
  LH_RETURN_IF_ERROR(iceberg::check_requirements(commit.requirements, current));
  if (current != nullptr && commit.updates.empty()) {
    return {};
  }
  TableMetadata next;
  if (current == nullptr) {
    LH_ASSIGN_OR_RETURN(next, create_from(commit));
  } else {
    std::vector<TableUpdate> updates;
    for (const TableUpdate& update : commit.updates) {
      if (const auto* added = std::get_if<iceberg::AddSnapshot>(&update)) {
        LH_RETURN_IF_ERROR(check_snapshot_is_next(*current, added->snapshot));
      }
      if (!std::holds_alternative<iceberg::SetLocation>(update)) {
        updates.push_back(update);
      }
    }
    LH_ASSIGN_OR_RETURN(next, iceberg::apply_updates(*current, updates, now_ms()));
  }
  LH_RETURN_IF_ERROR(check_manifest_lists(buckets_, next.location, commit.updates));
  prepared->next.metadata = std::make_shared<const TableMetadata>(std::move(next));
  return {};
}

void Catalog::render(Prepared* prepared) {
  if (!prepared->changes()) {
    return;
  }
  TableMetadata next = *prepared->next.metadata;
  std::string previous;
  if (prepared->base) {
    previous = prepared->base->metadata_location;
    prepared->dropped_from_log =
        iceberg::append_metadata_log(next, previous, prepared->base->metadata->last_updated_ms);
  }
  prepared->next_location = MetadataFiles::next_name(next.location, previous);
  prepared->next = MetadataFiles::render(std::move(next));
}

Status Catalog::write_prepared(const RequestContext& context, std::vector<Prepared>& prepared) {
  for (Prepared& table : prepared) {
    if (!table.changes()) {
      continue;
    }
    if (!table.base) {
      LH_RETURN_IF_ERROR(make_table_folders(context, table.next.metadata->location));
    }
    table.written = true;  // Perhaps, if this fails: to be removed either way.
    LH_RETURN_IF_ERROR(files_->write(context, table.next_location, table.next));
  }
  return {};
}

Status Catalog::swap_pointers(Transaction& transaction, const std::vector<Prepared>& prepared,
                              bool* lost_race) const {
  for (const Prepared& table : prepared) {
    const std::string path = detail::path_of(table.identifier.name_space);
    const std::string& name = table.identifier.name;
    if (!table.base) {
      const TableMetadata& metadata = *table.next.metadata;
      LH_ASSIGN_OR_RETURN(const bool has_namespace,
                          detail::namespace_is_there(transaction, table.identifier.name_space));
      if (!has_namespace) {
        return detail::no_namespace(table.identifier.name_space);
      }
      LH_RETURN_IF_ERROR(check_no_view(transaction, table.identifier));
      auto made = transaction.execute(
          "INSERT INTO tables (namespace, name, uuid, metadata_location, location, created_at_ms, "
          "updated_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $6)",
          {path, name, metadata.table_uuid, table.next_location, metadata.location, now_ms()});
      if (!made && made.error().code == ErrorCode::AlreadyExists) {
        return created_meanwhile(table.identifier);
      }
      LH_RETURN_IF_ERROR(made);
      continue;
    }
    LH_ASSIGN_OR_RETURN(
        const std::int64_t swapped,
        transaction.execute("UPDATE tables SET metadata_location = $1, updated_at_ms = $2, "
                            "uuid = $3 WHERE namespace = $4 AND name = $5 AND "
                            "metadata_location = $6",
                            {table.next_location, now_ms(), table.next.metadata->table_uuid, path,
                             name, table.base->metadata_location}));
    if (swapped == 0) {
      *lost_race = true;
      return fail(ErrorCode::Aborted,
                  fmt::format("table {} has changed", to_string(table.identifier)));
    }
  }
  return {};
}

void Catalog::discard(const std::vector<Prepared>& prepared) {
  for (const Prepared& table : prepared) {
    if (table.written && table.base) {
      files_->remove({}, table.next_location);
    } else if (table.written) {
      // A staged table's folder stays if its data files are in it: the commit may come again.
      remove_made_table(table.next.metadata->location, table.next_location);
    }
  }
}

void Catalog::finish(const RequestContext& context, const std::vector<Prepared>& prepared) {
  for (const Prepared& table : prepared) {
    if (!table.changes()) {
      continue;
    }
    files_->remember(table.next_location, table.next);
    if (!table.base) {
      const TableMetadata& made = *table.next.metadata;
      detail::note_name(buckets_, made.location, made.table_uuid, detail::Kind::Table,
                        table.identifier);
    }
    const std::string* delete_old =
        table.next.metadata->property("write.metadata.delete-after-commit.enabled");
    if (delete_old == nullptr || *delete_old != "true") {
      continue;
    }
    for (const iceberg::MetadataLogEntry& old : table.dropped_from_log) {
      if (is_in_table(buckets_, table.next.metadata->location, old.metadata_file)) {
        files_->remove(context, old.metadata_file);
      }
    }
  }
}

Status Catalog::publish(const RequestContext& context, std::vector<Prepared>& prepared,
                        const std::function<Status(Transaction&)>& also, bool* lost_race) {
  Status done = write_prepared(context, prepared);
  if (done) {
    done = metastore_.write(context, [&](Transaction& transaction) -> Status {
      LH_RETURN_IF_ERROR(swap_pointers(transaction, prepared, lost_race));
      return also(transaction);
    });
  }
  if (done) {
    finish(context, prepared);
  } else if (done.error().code != ErrorCode::CommitStateUnknown) {
    discard(prepared);
  }
  return done;
}

Result<std::vector<LoadedTable>> Catalog::commit_alone(const CommitEntry& entry) {
  for (int attempt = 1;; ++attempt) {
    LH_RETURN_IF_ERROR(entry.context.check());
    std::vector<Prepared> prepared;
    std::vector<LoadedTable> after;
    for (const TableCommit& commit : entry.commits) {
      LH_ASSIGN_OR_RETURN(Prepared table, load_base(entry.context, commit.identifier));
      LH_RETURN_IF_ERROR(apply(commit, &table));
      render(&table);
      after.push_back(table.after());
      prepared.push_back(std::move(table));
    }
    bool lost_race = false;
    const auto also = [&](Transaction& transaction) {
      return entry.options.also ? entry.options.also(transaction, after) : Status();
    };
    Status done = publish(entry.context, prepared, also, &lost_race);
    if (done) {
      return after;
    }
    if (!lost_race || attempt >= options_.commit_tries_max) {
      return std::unexpected(std::move(done).error());
    }
  }
}

Status Catalog::try_together(CommitTurn& turn, bool* lost_race,
                             std::optional<std::size_t>* refused) {
  const RequestContext nobody;  // No single caller may cut short what all of them wait for.
  const auto entries = turn.entries();
  LH_ASSIGN_OR_RETURN(Prepared table,
                      load_base(nobody, entries.front()->commits.front().identifier));
  std::vector<std::pair<std::size_t, LoadedTable>> states;  // Each as its commit leaves the table.
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (turn.is_decided(i)) {
      continue;
    }
    if (Status applied = apply(entries[i]->commits.front(), &table); !applied) {
      turn.decide(i, std::unexpected(std::move(applied).error()));
      continue;
    }
    states.emplace_back(i, table.after());
  }
  if (states.empty()) {
    return {};
  }
  render(&table);
  std::vector<Prepared> prepared;
  prepared.push_back(std::move(table));
  const auto also = [&](Transaction& transaction) -> Status {
    refused->reset();
    for (auto& [i, state] : states) {
      state.metadata_location = prepared.front().next_location;
      state.metadata_json.reset();
      if (!entries[i]->options.also) {
        continue;
      }
      if (Status done = entries[i]->options.also(transaction, {state}); !done) {
        *refused = i;
        return done;
      }
    }
    return {};
  };
  LH_RETURN_IF_ERROR(publish(nobody, prepared, also, lost_race));
  for (const auto& [i, state] : states) {
    turn.decide(i, std::vector{prepared.front().after()});
  }
  return {};
}

void Catalog::commit_together(CommitTurn& turn) {
  for (int lost_races = 0;;) {
    bool lost_race = false;
    std::optional<std::size_t> refused;
    Status done = try_together(turn, &lost_race, &refused);
    if (done) {
      return;
    }
    // First, since a store that runs the transaction again may have left `refused` from before.
    if (lost_race && ++lost_races < options_.commit_tries_max) {
      continue;
    }
    if (refused && !lost_race) {
      // The others are to be done without it.
      turn.decide(*refused, std::unexpected(std::move(done).error()));
      continue;
    }
    for (std::size_t i = 0; i < turn.entries().size(); ++i) {
      if (!turn.is_decided(i)) {
        turn.decide(i, std::unexpected(done.error()));
      }
    }
    return;
  }
}

Result<std::vector<LoadedTable>> Catalog::commit_transaction(
    const RequestContext& context, const std::vector<TableCommit>& commits,
    const CommitOptions& options) {
  std::set<TableIdentifier> named;
  for (const TableCommit& commit : commits) {
    LH_RETURN_IF_ERROR(check_identifier(commit.identifier));
    if (!named.insert(commit.identifier).second) {
      return fail(ErrorCode::InvalidArgument, fmt::format("table {} is in the transaction twice",
                                                          to_string(commit.identifier)));
    }
  }
  if (options.checks_files) {
    for (const TableCommit& commit : commits) {
      LH_RETURN_IF_ERROR(check_files(context, commit));
    }
  }
  CommitEntry entry{.context = context, .commits = commits, .options = options, .outcome = {}};
  {
    LH_ASSIGN_OR_RETURN(const auto turn, queue_->wait_for_turn(entry));
    if (turn->entries().size() == 1) {
      turn->decide(0, commit_alone(entry));
    } else if (!turn->entries().empty()) {
      commit_together(*turn);
    }
  }
  if (entry.outcome) {
    return *std::move(entry.outcome);
  }
  return fail(ErrorCode::Internal, "a commit's turn ended without an outcome");
}

Result<LoadedTable> Catalog::commit_table(const RequestContext& context,
                                          const TableIdentifier& table,
                                          std::vector<iceberg::TableRequirement> requirements,
                                          std::vector<TableUpdate> updates,
                                          const CommitOptions& options) {
  std::vector<TableCommit> commits;
  commits.push_back({.identifier = table,
                     .requirements = std::move(requirements),
                     .updates = std::move(updates)});
  LH_ASSIGN_OR_RETURN(auto after, commit_transaction(context, commits, options));
  return std::move(after.front());
}

}  // namespace lakehouse::catalog
