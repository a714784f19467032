#include "catalog/rebuild.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "catalog/detail/folder_notes.h"
#include "catalog/detail/rows.h"
#include "catalog/lineage.h"
#include "iceberg/table_metadata.h"
#include "iceberg/view_metadata.h"

namespace lakehouse::catalog {
namespace {

using detail::Kind;
using metastore::text;
using metastore::Transaction;

constexpr std::size_t kListPage = 1000;
constexpr int kDepthMax = 100;
constexpr std::string_view kSuffix = ".metadata.json";

/// A dataset as its newest readable metadata file describes it.
struct Candidate {
  Kind kind = Kind::Table;
  std::string uuid;
  std::string metadata_location;
  std::string location;
  std::int64_t changed_at_ms = 0;
  Properties properties;  ///< Of a table.
  bool at_home = false;   ///< The file lies within the dataset's own folder.
  std::chrono::system_clock::time_point written_at;
};

/// The folder "a/b/" of a bucket: what lies in it, and the folders below it.
struct Folder {
  std::vector<storage::ObjectInfo> metadata_files;
  std::vector<std::string> folders;
};

// "00007-<uuid>.metadata.json", or "v7.metadata.json" of a table without a catalog.
std::int64_t version_of(std::string_view key) {
  std::string_view name = key.substr(key.rfind('/') + 1);
  name.remove_prefix(name.starts_with('v') ? 1 : 0);
  std::int64_t version = -1;
  std::from_chars(name.data(), name.data() + name.size(), version);
  return version;
}

// Folders of ours begin with '_', hidden ones with '.'.
bool is_private(std::string_view folder) {
  folder.remove_suffix(1);
  const std::string_view name = folder.substr(folder.rfind('/') + 1);
  return name.starts_with('_') || name.starts_with('.');
}

Result<Candidate> parse(std::string_view text) {
  Candidate candidate;
  auto table = iceberg::table_metadata_from_text(text);
  if (table) {
    candidate.uuid = table->table_uuid;
    candidate.location = table->location;
    candidate.changed_at_ms = table->last_updated_ms;
    candidate.properties = std::move(table->properties);
    return candidate;
  }
  const auto view = iceberg::view_metadata_from_text(text);
  if (!view) {
    return std::unexpected(std::move(table).error());
  }
  candidate.kind = Kind::View;
  candidate.uuid = view->view_uuid;
  candidate.location = view->location;
  candidate.changed_at_ms = view->current_version()->timestamp_ms;
  return candidate;
}

class Rebuilder {
 public:
  Rebuilder(const RequestContext& context, const storage::Buckets& buckets,
            metastore::Metastore& metastore, const RebuildOptions& options)
      : context_(context), buckets_(buckets), metastore_(metastore), options_(options) {}

  Result<RebuildReport> run() {
    for (const storage::BucketConfig& bucket : buckets_.list()) {
      LH_ASSIGN_OR_RETURN(storage::ObjectStore* const store, buckets_.find(bucket.name));
      LH_RETURN_IF_ERROR(walk(bucket.name, *store, "", 0));
    }
    std::vector<Candidate> found;
    for (auto& [uuid, candidate] : candidates_) {
      found.push_back(std::move(candidate));
    }
    // Of two that claim one name the one that changed last gets it.
    std::ranges::sort(found, std::ranges::greater(), [](const Candidate& candidate) {
      return std::pair(candidate.changed_at_ms, candidate.uuid);
    });
    for (const Candidate& candidate : found) {
      LH_RETURN_IF_ERROR(context_.check());
      LH_RETURN_IF_ERROR(place(candidate));
    }
    return std::move(report_);
  }

 private:
  void problem(const std::string& location, std::string reason) {
    report_.problems.push_back({.location = location, .reason = std::move(reason)});
  }

  Result<Folder> list(storage::ObjectStore& store, const std::string& prefix) {
    Folder folder;
    std::string after;
    do {
      LH_RETURN_IF_ERROR(context_.check());
      LH_ASSIGN_OR_RETURN(auto page, store.list_objects(context_, prefix, "/", after, kListPage));
      for (storage::ObjectInfo& object : page.objects) {
        if (object.key.ends_with(kSuffix)) {
          folder.metadata_files.push_back(std::move(object));
        }
      }
      std::ranges::move(page.common_prefixes, std::back_inserter(folder.folders));
      after = page.next_start_after;
    } while (!after.empty());
    return folder;
  }

  // A dataset's folder is not looked into any further: it may hold millions of files.
  Status walk(const std::string& bucket, storage::ObjectStore& store, const std::string& prefix,
              int depth) {
    if (depth > kDepthMax) {
      return {};
    }
    LH_ASSIGN_OR_RETURN(const Folder folder, list(store, prefix));
    LH_RETURN_IF_ERROR(examine(bucket, store, folder.metadata_files));
    const std::string metadata = prefix + "metadata/";
    if (std::ranges::find(folder.folders, metadata) != folder.folders.end()) {
      LH_ASSIGN_OR_RETURN(const Folder inner, list(store, metadata));
      if (!inner.metadata_files.empty()) {
        return examine(bucket, store, inner.metadata_files);
      }
    }
    for (const std::string& below : folder.folders) {
      if (!is_private(below)) {
        LH_RETURN_IF_ERROR(walk(bucket, store, below, depth + 1));
      }
    }
    return {};
  }

  // The metadata files of one folder: of one dataset, but for views that were told where to put
  // theirs. The highest version that can be read counts.
  Status examine(const std::string& bucket, storage::ObjectStore& store,
                 std::vector<storage::ObjectInfo> files) {
    std::ranges::sort(files, [](const auto& a, const auto& b) {
      return std::pair(version_of(a.key), a.modified_at) >
             std::pair(version_of(b.key), b.modified_at);
    });
    std::string damage;
    bool any = files.empty();
    for (const storage::ObjectInfo& file : files) {
      LH_RETURN_IF_ERROR(context_.check());
      LH_ASSIGN_OR_RETURN(const std::string location, buckets_.location(bucket, file.key));
      LH_ASSIGN_OR_RETURN(const storage::Bytes bytes,
                          store.get_object(context_, file.key, std::nullopt));
      // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): of a text.
      auto parsed = parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
      if (!parsed) {
        damage = fmt::format("'{}' cannot be read: {}", location, parsed.error().message);
        continue;
      }
      any = true;
      parsed->metadata_location = location;
      parsed->written_at = files.front().modified_at;
      const auto home = buckets_.resolve(parsed->location);
      parsed->at_home = home && home->bucket == bucket && file.key.starts_with(home->key + "/");
      keep(*std::move(parsed));
      if (home && file.key.starts_with(home->key + "/")) {
        break;
      }
    }
    if (!any) {
      const std::string& key = files.front().key;
      LH_ASSIGN_OR_RETURN(const std::string folder,
                          buckets_.location(bucket, key.substr(0, key.rfind('/'))));
      problem(folder, damage);
    }
    return {};
  }

  // A copy of a dataset's folder elsewhere must not win over the folder itself.
  void keep(Candidate candidate) {
    const auto [known, is_new] = candidates_.try_emplace(candidate.uuid, candidate);
    if (!is_new && candidate.at_home && !known->second.at_home) {
      known->second = std::move(candidate);
    }
  }

  // What the metastore knows of the dataset: its name and the file that it points to.
  struct Known {
    TableIdentifier identifier;
    std::string metadata_location;
  };

  Result<std::optional<Known>> find(Transaction& transaction, const Candidate& candidate) {
    LH_ASSIGN_OR_RETURN(
        const auto rows,
        transaction.query(
            candidate.kind == Kind::View
                ? "SELECT namespace, name, metadata_location FROM views WHERE uuid = $1"
                : "SELECT namespace, name, metadata_location FROM tables WHERE uuid = "
                  "$1",
            {candidate.uuid}));
    if (rows.empty()) {
      return std::nullopt;
    }
    return Known{.identifier = {.name_space = detail::namespace_of(text(rows[0][0])),
                                .name = text(rows[0][1])},
                 .metadata_location = text(rows[0][2])};
  }

  Status place(const Candidate& candidate) {
    std::optional<Known> known;
    LH_RETURN_IF_ERROR(metastore_.read(context_, [&](Transaction& transaction) -> Status {
      LH_ASSIGN_OR_RETURN(known, find(transaction, candidate));
      return {};
    }));
    if (known) {
      const auto at = buckets_.resolve(known->metadata_location);
      const auto is_there =
          at ? at->store->head_object(context_, at->key) : std::unexpected(at.error());
      if (is_there || is_there.error().code != ErrorCode::NotFound) {
        ++report_.kept;
        if (!options_.dry_run) {
          detail::note_name(buckets_, candidate.location, candidate.uuid, candidate.kind,
                            known->identifier);
        }
        return {};
      }
      return mend(candidate, *known);
    }
    if (!candidate.at_home && candidate.kind == Kind::Table) {
      problem(candidate.metadata_location,
              fmt::format("it says that the table lies at '{}', and not here", candidate.location));
      return {};
    }
    const auto note = detail::read_note(context_, buckets_, candidate.location);
    if (note && note->dropped) {
      ++report_.dropped;
      return {};
    }
    const auto written_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                                candidate.written_at.time_since_epoch())
                                .count();
    const std::int64_t settled_ms = std::chrono::milliseconds(options_.settled).count();
    if (settled_ms > 0 && written_ms > options_.now_ms - settled_ms) {
      problem(candidate.location, "it was written to just now, and may be about to be named");
      return {};
    }
    const auto at = buckets_.resolve(candidate.location);
    const std::optional<TableIdentifier> identifier =
        note ? std::optional(note->identifier)
             : (at ? detail::identifier_of_key(at->key, candidate.uuid) : std::nullopt);
    if (!identifier) {
      problem(candidate.location, fmt::format("nothing says its name; register it by its file '{}'",
                                              candidate.metadata_location));
      return {};
    }
    return add(candidate, *identifier);
  }

  Status mend(const Candidate& candidate, const Known& known) {
    if (!options_.dry_run) {
      LH_RETURN_IF_ERROR(metastore_.write(context_, [&](Transaction& transaction) -> Status {
        LH_RETURN_IF_ERROR(transaction.execute(
            candidate.kind == Kind::View
                ? "UPDATE views SET metadata_location = $1, updated_at_ms = $2 WHERE uuid = $3 AND "
                  "metadata_location = $4"
                : "UPDATE tables SET metadata_location = $1, updated_at_ms = $2 WHERE uuid = $3 "
                  "AND metadata_location = $4",
            {candidate.metadata_location, options_.now_ms, candidate.uuid,
             known.metadata_location}));
        return {};
      }));
    }
    report_.rebuilt.push_back({.is_view = candidate.kind == Kind::View,
                               .identifier = known.identifier,
                               .metadata_location = candidate.metadata_location,
                               .was_broken = true});
    return {};
  }

  Status add(const Candidate& candidate, const TableIdentifier& identifier) {
    std::string refused;
    const auto work = [&](Transaction& transaction) -> Status {
      refused.clear();
      LH_ASSIGN_OR_RETURN(refused, reason_against(transaction, candidate, identifier));
      if (!refused.empty() || options_.dry_run) {
        return {};
      }
      LH_RETURN_IF_ERROR(
          detail::make_namespaces(transaction, identifier.name_space, options_.now_ms));
      LH_RETURN_IF_ERROR(transaction.execute(
          candidate.kind == Kind::View
              ? "INSERT INTO views (namespace, name, uuid, metadata_location, location, "
                "created_at_ms, updated_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $6)"
              : "INSERT INTO tables (namespace, name, uuid, metadata_location, location, "
                "created_at_ms, updated_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $6)",
          {detail::path_of(identifier.name_space), identifier.name, candidate.uuid,
           candidate.metadata_location, candidate.location, options_.now_ms}));
      return candidate.kind == Kind::View
                 ? Status()
                 : restore_lineage(transaction, identifier, candidate.uuid, candidate.properties);
    };
    LH_RETURN_IF_ERROR(options_.dry_run ? metastore_.read(context_, work)
                                        : metastore_.write(context_, work));
    if (options_.dry_run && refused.empty() && !named_.insert(identifier).second) {
      refused = fmt::format("its name {} belongs to another dataset", to_string(identifier));
    }
    if (!refused.empty()) {
      problem(candidate.location, std::move(refused));
      return {};
    }
    report_.rebuilt.push_back({.is_view = candidate.kind == Kind::View,
                               .identifier = identifier,
                               .metadata_location = candidate.metadata_location});
    return {};
  }

  // Why the dataset cannot have the name; empty if it can.
  static Result<std::string> reason_against(Transaction& transaction, const Candidate& candidate,
                                            const TableIdentifier& identifier) {
    LH_ASSIGN_OR_RETURN(const Kind kind, detail::kind_of(transaction, identifier));
    if (kind != Kind::Nothing) {
      return fmt::format("its name {} belongs to another dataset", to_string(identifier));
    }
    LH_ASSIGN_OR_RETURN(const auto others, detail::datasets_at(transaction, candidate.location));
    if (!others.empty()) {
      return fmt::format("it shares its folder with {}", to_string(others.front()));
    }
    LH_ASSIGN_OR_RETURN(
        const auto purges,
        transaction.query("SELECT 1 FROM purges WHERE location = $1", {candidate.location}));
    return purges.empty() ? std::string() : "it was dropped, and its files are being deleted";
  }

  const RequestContext& context_;
  const storage::Buckets& buckets_;
  metastore::Metastore& metastore_;
  const RebuildOptions& options_;
  std::map<std::string, Candidate> candidates_;  // By UUID.
  std::set<TableIdentifier> named_;              // What a dry run would have named.
  RebuildReport report_;
};

}  // namespace

Result<RebuildReport> rebuild(const RequestContext& context, const storage::Buckets& buckets,
                              metastore::Metastore& metastore, const RebuildOptions& options) {
  return Rebuilder(context, buckets, metastore, options).run();
}

}  // namespace lakehouse::catalog
