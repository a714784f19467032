#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/identifier.h"
#include "iceberg/partition_spec.h"
#include "iceberg/schema.h"
#include "iceberg/sort_order.h"
#include "iceberg/table_metadata.h"
#include "iceberg/table_requirement.h"
#include "iceberg/table_update.h"
#include "iceberg/view_metadata.h"
#include "metastore/metastore.h"
#include "storage/buckets.h"
#include "storage/outside_folders.h"

namespace lakehouse::catalog {

using Properties = iceberg::Properties;

/// The namespace of a dataset that is named without one. It always exists.
inline constexpr std::string_view kDefaultNamespace = "main";

/// A table as one metadata file describes it. A value: cheap to copy, never changes.
struct LoadedTable {
  TableIdentifier identifier;
  std::string metadata_location;  ///< Empty for a staged table, which has no file yet.
  /// Shared with the catalog's cache.
  std::shared_ptr<const iceberg::TableMetadata> metadata;
  /// The file's text, for doors that pass it on as it is. Never null, except when staged.
  std::shared_ptr<const std::string> metadata_json;
};

struct NamespaceInfo {
  Namespace name_space;
  Properties properties;
};

/// Which part of a list is wanted. The token is opaque: a page's `next_page_token`, or empty.
struct PageRequest {
  std::string page_token;
  std::size_t limit = 0;  ///< 0: all of it.
};

template <class T>
struct Page {
  std::vector<T> items;         ///< In byte order.
  std::string next_page_token;  ///< Empty on the last page.
};

struct PropertiesUpdate {
  std::vector<std::string> updated;
  std::vector<std::string> removed;
  std::vector<std::string> missing;  ///< To be removed, but not there.
};

struct CreateTable {
  TableIdentifier identifier;
  iceberg::Schema schema;
  std::optional<iceberg::PartitionSpec> spec;  ///< Absent: unpartitioned.
  std::optional<iceberg::SortOrder> order;     ///< Absent: unsorted.
  Properties properties;
  int format_version = 2;
  /// Only prepares the table: nothing exists until it is committed with the requirement
  /// assert-create and the updates that make it.
  bool stage = false;
  std::string bucket;  ///< Empty: the primary one.
};

struct TableCommit {
  TableIdentifier identifier;
  std::vector<iceberg::TableRequirement> requirements;
  std::vector<iceberg::TableUpdate> updates;
};

/// What a write may take along into the metastore transaction that makes it visible.
struct CommitOptions {
  /// Runs in that transaction, after the change; `after` holds the tables as committed, in the
  /// order of the request (empty for drops and namespaces) and without their text. If it fails,
  /// nothing is committed and its error is the answer. May run more than once, when the commit is
  /// tried again, and on another thread than the caller's.
  std::function<Status(metastore::Transaction&, const std::vector<LoadedTable>& after)> also;
  /// Another program made the snapshots of this commit: their manifests are read, and
  /// InvalidArgument is the answer if they name files outside the table.
  bool checks_files = false;
};

/// A view as one metadata file describes it. A value: cheap to copy, never changes.
struct LoadedView {
  TableIdentifier identifier;
  std::string metadata_location;
  std::shared_ptr<const iceberg::ViewMetadata> metadata;
  std::shared_ptr<const std::string> metadata_json;  ///< The file's text. Never null.
};

struct CreateView {
  TableIdentifier identifier;
  iceberg::Schema schema;
  iceberg::ViewVersion version;  ///< Its ids are assigned anew.
  Properties properties;
  std::string bucket;  ///< Empty: the primary one.
};

/// CommitOptions for writes that leave a view behind.
struct ViewCommitOptions {
  std::function<Status(metastore::Transaction&, const LoadedView& after)> also;
};

/// The answer to a request with an Idempotency-Key, kept to answer its repetition.
struct Receipt {
  std::string key;
  std::string principal;
  std::string fingerprint;  ///< Of the request, so that the key's use for another one is noticed.
  int status = 0;
  std::string body;
  std::int64_t created_at_ms = 0;
};

/// What a client says about a scan or a commit that it made.
struct MetricsReport {
  std::string id;    ///< Given when it is kept; sorts by time.
  std::string kind;  ///< Iceberg's "scan-report" or "commit-report".
  std::optional<std::int64_t> snapshot_id;
  std::string principal;
  std::int64_t received_at_ms = 0;
  std::string body;  ///< The report, as JSON.
};

/// A file that was ingested into a table, known by its content.
struct IngestedFile {
  std::string table_uuid;
  std::string sha256;
  std::int64_t snapshot_id = 0;
  std::int64_t rows = 0;
  std::int64_t bad_rows = 0;
  std::string file_name;
  std::int64_t at_ms = 0;
};

/// True if what was NotFound is the namespace, and not a table in it.
[[nodiscard]] bool is_no_namespace(const Error& error);

/// Namespaces and Iceberg tables by name, and the one place where a table's pointer moves. The
/// operations carry the names of the REST spec's operationIds.
///
/// A table's metadata files are immutable, and what the metastore holds is only where the current
/// one is. A commit writes a new file first and then swaps that pointer in one transaction, so a
/// table is always as it was before or after a commit.
///
/// Thread-safe. Calls block. Refers to `buckets` and `metastore`, which outlive it.
class Catalog {
 public:
  struct Options {
    std::size_t metadata_cache_bytes_max = std::size_t{128} << 20U;
    std::function<std::int64_t()> now_ms;  ///< Empty: the system's clock.
    int commit_tries_max = 100;            ///< Of one commit that always loses the race.
    /// Where else than in the buckets a view may ask for its metadata files.
    std::vector<std::string> view_metadata_folders;
  };

  /// Makes the default namespace if it is missing, and finishes purges that a crash cut short.
  static Result<std::unique_ptr<Catalog>> open(storage::Buckets& buckets,
                                               metastore::Metastore& metastore, Options options);
  ~Catalog();
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

  /// Namespaces.
  ///
  /// Parents need not be made first: making a.b makes a. AlreadyExists if it is there.
  Result<NamespaceInfo> create_namespace(const RequestContext& context, const Namespace& name_space,
                                         const Properties& properties,
                                         const CommitOptions& options = {});
  /// Its properties hold a `location` in any case, without which Trino makes no tables: the one
  /// that was set, or where the primary bucket has its tables.
  Result<NamespaceInfo> load_namespace(const RequestContext& context, const Namespace& name_space);
  Result<bool> namespace_exists(const RequestContext& context, const Namespace& name_space);
  /// The direct children of `parent` (empty: of the root). NotFound if there is no such parent.
  Result<Page<Namespace>> list_namespaces(const RequestContext& context, const Namespace& parent,
                                          const PageRequest& page);
  /// FailedPrecondition if it holds tables or namespaces, or is the default one.
  Status drop_namespace(const RequestContext& context, const Namespace& name_space,
                        const CommitOptions& options = {});
  /// InvalidArgument if a key is in both lists.
  Result<PropertiesUpdate> update_namespace_properties(const RequestContext& context,
                                                       const Namespace& name_space,
                                                       const std::vector<std::string>& removals,
                                                       const Properties& updates,
                                                       const CommitOptions& options = {});

  /// Tables.
  ///
  /// Creates the table, with fresh field ids, at a location of our choice. AlreadyExists; NotFound
  /// if there is no such namespace or bucket.
  Result<LoadedTable> create_table(const RequestContext& context, CreateTable request,
                                   const CommitOptions& options = {});
  Result<LoadedTable> load_table(const RequestContext& context, const TableIdentifier& table);
  /// The same if the answer is in memory and known to be current, without waiting for anything:
  /// for event loops. Nothing otherwise, also for what cannot be loaded.
  std::optional<LoadedTable> load_table_if_cached(const TableIdentifier& table);
  /// The table as a metadata file of it describes it, current or not: what a commit once answered.
  Result<LoadedTable> load_table_at(const RequestContext& context, const TableIdentifier& table,
                                    const std::string& metadata_location);
  /// The metadata's text without the snapshots that no branch or tag names, and with the last 32
  /// entries of the snapshot log only: what `snapshots=refs` of the REST specification asks for. It
  /// costs as little for a table with a long history as for a new one.
  std::shared_ptr<const std::string> referenced_metadata_json(const LoadedTable& table);
  /// Where the current metadata file is, without reading it.
  Result<std::string> metadata_location(const RequestContext& context,
                                        const TableIdentifier& table);
  Result<bool> table_exists(const RequestContext& context, const TableIdentifier& table);
  /// True if the location is that of a table, or lies within it.
  Result<bool> location_in_use(const RequestContext& context, const std::string& location);
  Result<Page<TableIdentifier>> list_tables(const RequestContext& context,
                                            const Namespace& name_space, const PageRequest& page);
  Result<std::vector<TableIdentifier>> list_all_tables(const RequestContext& context);
  /// With `purge` its files go too: after the pointer, and again at the next start if need be.
  Status drop_table(const RequestContext& context, const TableIdentifier& table, bool purge,
                    const CommitOptions& options = {});
  /// Also into another namespace, which must exist. Files stay where they are.
  Status rename_table(const RequestContext& context, const TableIdentifier& from,
                      const TableIdentifier& to, const CommitOptions& options = {});
  /// Names a table whose metadata file lies in one of our buckets, as the table itself must.
  /// `overwrite` lets it replace a table's pointer instead of being AlreadyExists.
  Result<LoadedTable> register_table(const RequestContext& context, const TableIdentifier& table,
                                     const std::string& metadata_location, bool overwrite,
                                     const CommitOptions& options = {});

  /// Applies the updates to the table if the requirements hold for its current state. What commits
  /// at the same time may share a metadata file with it, and be in what it answers. Retried here
  /// when the table moved meanwhile and they still hold; Aborted when they do not: load it again
  /// and decide anew. CommitStateUnknown if it may or may not have landed. A requested location is
  /// ignored: tables stay where they are.
  Result<LoadedTable> commit_table(const RequestContext& context, const TableIdentifier& table,
                                   std::vector<iceberg::TableRequirement> requirements,
                                   std::vector<iceberg::TableUpdate> updates,
                                   const CommitOptions& options = {});
  /// The same for several tables: all or none. A table may be named once only.
  Result<std::vector<LoadedTable>> commit_transaction(const RequestContext& context,
                                                      const std::vector<TableCommit>& commits,
                                                      const CommitOptions& options = {});

  /// Views. They share their names with tables: a namespace has one of either by a name, and what
  /// takes a name that the other kind has is AlreadyExists. NotFound if there is no such view.
  ///
  /// At a location of our choice, except that the property write.metadata.path may name another
  /// folder for metadata files, if it lies in one of our buckets and in no table, or in one of
  /// Options::view_metadata_folders.
  Result<LoadedView> create_view(const RequestContext& context, CreateView request,
                                 const ViewCommitOptions& options = {});
  Result<LoadedView> load_view(const RequestContext& context, const TableIdentifier& view);
  /// The view as a metadata file of it describes it, current or not.
  Result<LoadedView> load_view_at(const RequestContext& context, const TableIdentifier& view,
                                  const std::string& metadata_location);
  Result<bool> view_exists(const RequestContext& context, const TableIdentifier& view);
  Result<Page<TableIdentifier>> list_views(const RequestContext& context,
                                           const Namespace& name_space, const PageRequest& page);
  Result<std::vector<TableIdentifier>> list_all_views(const RequestContext& context);
  /// Applies the updates if the requirements hold, as commit_table does. A requested location is
  /// ignored.
  Result<LoadedView> replace_view(const RequestContext& context, const TableIdentifier& view,
                                  const std::vector<iceberg::AssertViewUuid>& requirements,
                                  const std::vector<iceberg::ViewUpdate>& updates,
                                  const ViewCommitOptions& options = {});
  /// Its metadata files go too, if they lie where this catalog put them, unless the view's property
  /// gc.enabled is false.
  Status drop_view(const RequestContext& context, const TableIdentifier& view,
                   const CommitOptions& options = {});
  Status rename_view(const RequestContext& context, const TableIdentifier& from,
                     const TableIdentifier& to, const CommitOptions& options = {});
  /// Names a view whose metadata file lies in one of our buckets.
  Result<LoadedView> register_view(const RequestContext& context, const TableIdentifier& view,
                                   const std::string& metadata_location,
                                   const ViewCommitOptions& options = {});

  /// The table that a person means by "ns.table" or "table" (in the default namespace): the exact
  /// name, else one that differs in case only. InvalidArgument if several do; NotFound with the
  /// nearest names if none does.
  Result<TableIdentifier> resolve_dataset(const RequestContext& context, std::string_view dataset);
  /// The identifier that `dataset` would get if it were created: the last dot splits. For names of
  /// new tables; does not look whether it exists.
  static Result<TableIdentifier> parse_dataset(std::string_view dataset);

  /// Receipts, kept for at least 24 hours.
  Result<std::optional<Receipt>> find_receipt(const RequestContext& context, std::string_view key);
  /// AlreadyExists if the principal has used the key: a concurrent twin won.
  static Status put_receipt(metastore::Transaction& transaction, const Receipt& receipt);
  /// The same in a transaction of its own, for requests that write nothing else.
  Status store_receipt(const RequestContext& context, const Receipt& receipt);

  /// Files that were ingested. `record_ingested_file` is for CommitOptions::also; AlreadyExists if
  /// the table holds the content: a concurrent twin won.
  Result<std::optional<IngestedFile>> find_ingested_file(const RequestContext& context,
                                                         std::string_view table_uuid,
                                                         std::string_view sha256);
  static Status record_ingested_file(metastore::Transaction& transaction, const IngestedFile& file);
  /// Forgets them: the table's rows were replaced. For CommitOptions::also.
  static Status forget_ingested_files(metastore::Transaction& transaction,
                                      std::string_view table_uuid);

  /// Keeps a client's report: of each table the last 200, of all the last 20,000. InvalidArgument
  /// if it is longer than 64 KiB.
  Status report_metrics(const RequestContext& context, const TableIdentifier& table,
                        const MetricsReport& report, const CommitOptions& options = {});
  /// The newest first; `kind` empty: of each.
  Result<Page<MetricsReport>> list_metrics(const RequestContext& context,
                                           const TableIdentifier& table, std::string_view kind,
                                           const PageRequest& page);

  /// Where the tables lie.
  [[nodiscard]] const storage::Buckets& buckets() const { return buckets_; }

  /// Milliseconds since 1970 by the catalog's clock, for snapshots and receipts.
  [[nodiscard]] std::int64_t now_ms() const;

 private:
  class MetadataFiles;
  class PointerCache;
  struct Pointer;
  struct Prepared;
  class CommitQueue;
  struct CommitEntry;
  class CommitTurn;

  Catalog(storage::Buckets& buckets, metastore::Metastore& metastore, Options options);

  Result<std::optional<Pointer>> find_pointer(const RequestContext& context,
                                              const TableIdentifier& table);
  Result<std::optional<LoadedTable>> load_if_exists(const RequestContext& context,
                                                    const TableIdentifier& table);
  Result<std::string> new_location(const TableIdentifier& table, std::string_view uuid,
                                   std::string_view bucket) const;
  Status make_table_folders(const RequestContext& context, const std::string& location) const;
  void remove_made_table(const std::string& location, const std::string& metadata_file) const;
  Result<Prepared> load_base(const RequestContext& context, const TableIdentifier& table);
  /// The commit on top of what `prepared` holds; if it fails, that stays as it was.
  Status apply(const TableCommit& commit, Prepared* prepared);
  static void render(Prepared* prepared);
  Result<iceberg::TableMetadata> create_from(const TableCommit& commit);
  Status check_files(const RequestContext& context, const TableCommit& commit);
  Status write_prepared(const RequestContext& context, std::vector<Prepared>& prepared);
  Status swap_pointers(metastore::Transaction& transaction, const std::vector<Prepared>& prepared,
                       bool* lost_race) const;
  Status publish(const RequestContext& context, std::vector<Prepared>& prepared,
                 const std::function<Status(metastore::Transaction&)>& also, bool* lost_race);
  Result<std::vector<LoadedTable>> commit_alone(const CommitEntry& entry);
  /// One try for all that are not decided: one metadata file, one transaction. `refused` is the one
  /// whose `also` failed.
  Status try_together(CommitTurn& turn, bool* lost_race, std::optional<std::size_t>* refused);
  void commit_together(CommitTurn& turn);
  void discard(const std::vector<Prepared>& prepared);
  void finish(const RequestContext& context, const std::vector<Prepared>& prepared);
  Status finish_purges(const RequestContext& context);
  Status write_view_file(const RequestContext& context, const LoadedView& view) const;
  void remove_view_file(const std::string& location) const;
  Result<std::string> next_view_file(const RequestContext& context,
                                     const iceberg::ViewMetadata& view, std::string_view previous);

  storage::Buckets& buckets_;
  metastore::Metastore& metastore_;
  Options options_;
  storage::OutsideFolders view_folders_;
  std::unique_ptr<PointerCache> pointers_;
  std::unique_ptr<MetadataFiles> files_;
  std::unique_ptr<CommitQueue> queue_;
};

}  // namespace lakehouse::catalog
