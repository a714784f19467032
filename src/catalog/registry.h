#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "catalog/lineage.h"
#include "iceberg/table_metadata.h"
#include "metastore/metastore.h"

/// \file
/// What is known about a dataset that Iceberg has no place for. An entry is kept in the table's own
/// properties (`comment`, `lakehouse.owner`, `lakehouse.column.<field id>`...), so that it moves
/// with the table's files, survives the metastore and is seen by other engines; the metastore keeps
/// its history and the lineage.

namespace lakehouse::catalog {

/// Who may be hurt if the data gets out, from nobody on. Ordered.
enum class Sensitivity : std::uint8_t { Public, Internal, Confidential, Restricted };
std::string_view to_string(Sensitivity level);  ///< "public".
/// InvalidArgument, with the levels there are.
Result<Sensitivity> sensitivity_from(std::string_view name);

/// Whose word it is. A detector never overwrites a person's.
enum class DecidedBy : std::uint8_t { Detector, Person };
std::string_view to_string(DecidedBy by);  ///< "detector".

/// What is known about one column. Follows the column's field id, so it survives a rename.
struct ColumnEntry {
  std::int32_t field_id = 0;
  std::string name;  ///< The dotted path as it is now.
  std::optional<std::string> note;
  std::optional<Sensitivity> sensitivity;
  std::optional<std::string> category;  ///< What kind of personal data: "email", "iban"...
  DecidedBy by = DecidedBy::Person;     ///< Of sensitivity and category.
  friend bool operator==(const ColumnEntry&, const ColumnEntry&) = default;
};

/// What is known about a dataset.
struct RegistryEntry {
  std::optional<std::string> description;
  std::optional<std::string> owner;
  /// A person's word; nothing: it follows from the columns.
  std::optional<Sensitivity> decided_sensitivity;
  std::vector<std::string> tags;  ///< In byte order, each once.
  std::optional<std::int64_t> freshness_sla_s;
  std::vector<ColumnEntry> columns;  ///< Those that something is known about, in schema order.

  /// The decided one, else the highest of the columns'.
  [[nodiscard]] std::optional<Sensitivity> sensitivity() const;
  [[nodiscard]] const ColumnEntry* column(std::string_view name) const;
  friend bool operator==(const RegistryEntry&, const RegistryEntry&) = default;
};

/// Pure and cheap: reads the properties. What is malformed there is left out.
RegistryEntry registry_entry(const iceberg::TableMetadata& metadata);

/// What a table holds now, as far as its current snapshot's summary tells.
struct DatasetSize {
  std::int64_t rows = 0;  ///< Deleted ones left out.
  std::int64_t files = 0;
  std::int64_t bytes = 0;
};
DatasetSize dataset_size(const iceberg::TableMetadata& metadata);

struct Freshness {
  std::optional<std::int64_t> last_write_ms;  ///< Rewrites of the same rows do not count.
  std::optional<std::int64_t> sla_s;
  bool is_stale = false;                       ///< Older than the SLA, or never written.
  std::optional<std::int64_t> stale_since_ms;  ///< Nothing if it was never written.
};
Freshness freshness(const iceberg::TableMetadata& metadata, const RegistryEntry& entry,
                    std::int64_t now_ms);

/// Outer absent: leave it; inner absent: remove it, written as `std::optional<T>()`.
template <class T>
using Change = std::optional<std::optional<T>>;

struct ColumnPatch {
  Change<std::string> note;
  Change<Sensitivity> sensitivity;
  Change<std::string> category;
};

/// A person's changes.
struct RegistryPatch {
  Change<std::string> description;
  Change<std::string> owner;
  Change<Sensitivity> sensitivity;
  Change<std::vector<std::string>> tags;
  Change<std::int64_t> freshness_sla_s;
  /// By the column's dotted path; nothing: forget all that is known about it.
  std::map<std::string, std::optional<ColumnPatch>> columns;
};

/// A detector's word on a column; without both it takes its earlier word back.
struct ColumnProposal {
  std::string column;  ///< Dotted path.
  std::optional<Sensitivity> sensitivity;
  std::optional<std::string> category;
};

/// One change of an entry, as it was made.
struct RegistryChange {
  std::int64_t version = 0;  ///< 1, 2, 3...
  std::int64_t at_ms = 0;
  std::string principal;
  DecidedBy by = DecidedBy::Person;
  /// {"owner": {"from": null, "to": "bob"}, "columns.email.sensitivity": ...}, as JSON.
  std::string changes_json;
};

/// The dataset registry: entries, their history, and lineage. Thread-safe; calls block. Refers to
/// what it is made with, which outlives it.
class Registry {
 public:
  Registry(Catalog& catalog, metastore::Metastore& metastore)
      : catalog_(catalog), metastore_(metastore) {}

  /// Merges a person's changes into the entry, in one commit of the table and its history. The
  /// table as it is then; nothing is committed if nothing changes. InvalidArgument names what is
  /// wrong: an unknown column, a text too long, too many tags.
  Result<LoadedTable> patch(const RequestContext& context, const TableIdentifier& table,
                            const RegistryPatch& patch);

  /// Notes what a detector found, except where a person has decided. Columns that are not there
  /// (any more) are passed over.
  Result<LoadedTable> propose(const RequestContext& context, const TableIdentifier& table,
                              std::span<const ColumnProposal> proposals);

  /// The newest changes first. The token is a page's `next_page_token`, or empty.
  Result<Page<RegistryChange>> history(const RequestContext& context, const TableIdentifier& table,
                                       const PageRequest& page);

  /// The graph around a dataset or a view.
  Result<LineageGraph> lineage(const RequestContext& context, const TableIdentifier& table,
                               const LineageOptions& options);
  /// Records a run by itself, unless the output's last one has the same detail: for what is not
  /// written by a commit of a table, such as a view.
  Status record_if_new(const RequestContext& context, const LineageRun& run);
  /// What has written to a dataset, newest first.
  Result<Page<LineageRun>> runs(const RequestContext& context, const TableIdentifier& table,
                                const PageRequest& page);

  /// Makes a snapshot that the table has the current one. Files that were ingested after it count
  /// as not ingested, so that they may come again. NotFound for an unknown snapshot.
  Result<LoadedTable> rollback(const RequestContext& context, const TableIdentifier& table,
                               std::int64_t snapshot_id, const CommitOptions& options = {});

 private:
  /// One commit to a table with its line in the history.
  struct Edit {
    std::vector<iceberg::TableUpdate> updates;  ///< None: nothing changes.
    std::vector<iceberg::TableRequirement> requirements;
    std::string changes_json;
    std::function<Status(metastore::Transaction&, const std::vector<LoadedTable>&)> also;
  };
  /// May be asked again, when others edit the entry meanwhile.
  using Planner = std::function<Result<Edit>(const iceberg::TableMetadata&)>;

  Result<LoadedTable> edit(const RequestContext& context, const TableIdentifier& table,
                           DecidedBy by, const Planner& plan);

  Catalog& catalog_;
  metastore::Metastore& metastore_;
};

}  // namespace lakehouse::catalog
