#include "query/size_resync.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <unordered_map>
#include <utility>

#include <boost/json/array.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "iceberg/snapshot_producer.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;
using catalog::LoadedTable;
using catalog::TableIdentifier;
using iceberg::DataFile;
using iceberg::TableMetadata;

constexpr std::size_t kFilesPerQuestion = 2000;
constexpr int kTriesMax = 5;
constexpr std::size_t kNamesMax = 20;  // In one message.

constexpr std::string_view kRowsQuestion =
    "SELECT file_name, num_rows FROM parquet_file_metadata(getvariable('lh_files'))";
/// The columns of the files: leaves by name, and all by field id.
constexpr std::string_view kColumnsQuestion =
    "SELECT DISTINCT name, field_id FROM parquet_schema(getvariable('lh_files')) "
    "WHERE field_id IS NOT NULL OR (coalesce(num_children, 0) = 0 AND name NOT IN "
    "('element', 'item', 'key', 'value', 'array'))";

using Numbers = std::array<std::pair<const char*, std::int64_t>, 6>;

Numbers named(const SnapshotTotals& totals) {
  return {{{"total-records", totals.records},
           {"total-data-files", totals.data_files},
           {"total-delete-files", totals.delete_files},
           {"total-position-deletes", totals.position_deletes},
           {"total-equality-deletes", totals.equality_deletes},
           {"total-files-size", totals.bytes}}};
}

// What the summary says; nothing if it is no number.
std::optional<std::int64_t> said(const iceberg::Properties& summary, std::string_view name) {
  const auto found = summary.find(name);
  std::int64_t number = 0;
  if (found == summary.end()) {
    return std::nullopt;
  }
  const char* const end = found->second.data() + found->second.size();
  const auto parsed = std::from_chars(found->second.data(), end, number);
  return parsed.ec == std::errc() && parsed.ptr == end && number >= 0 ? std::optional(number)
                                                                      : std::nullopt;
}

bool says_its_size(const iceberg::Properties& summary) {
  return said(summary, "total-records") && said(summary, "total-data-files") &&
         said(summary, "total-files-size");
}

// Those of deletes may be left out where there are none.
bool is_right(const iceberg::Properties& summary, const SnapshotTotals& totals) {
  return says_its_size(summary) && std::ranges::all_of(named(totals), [&](const auto& total) {
           return said(summary, total.first).value_or(0) == total.second;
         });
}

void collect(const std::vector<iceberg::NestedField>& fields, std::set<std::int32_t>* ids,
             std::set<std::string, std::less<>>* names) {
  for (const iceberg::NestedField& field : fields) {
    ids->insert(field.id);
    names->insert(field.name);
    if (field.type != nullptr) {
      collect(field.type->fields, ids, names);
    }
  }
}

}  // namespace

/// The live files of a snapshot.
struct SizeResync::Files {
  SnapshotTotals totals;
  std::unordered_map<std::string, std::int64_t> parquet_rows;  ///< By path on this machine.
  std::string problem;
};

Result<ResyncReport> SizeResync::run(const RequestContext& context, bool verify) {
  ResyncReport report;
  LH_ASSIGN_OR_RETURN(const auto tables, catalog_.list_all_tables(context));
  for (const TableIdentifier& table : tables) {
    LH_RETURN_IF_ERROR(context.check());
    ++report.checked;
    Status done;
    for (int tries = 1; tries <= kTriesMax; ++tries) {
      done = resync(context, table, verify, &report);
      if (done || done.error().code != ErrorCode::Aborted) {
        break;  // Else it has changed meanwhile: it is looked at anew.
      }
    }
    if (!done) {
      LH_ASSIGN_OR_RETURN(const bool is_there, catalog_.table_exists(context, table));
      if (is_there) {  // Else it was dropped meanwhile.
        report.problems.push_back({.table = table, .reason = done.error().message});
      }
    }
  }
  return report;
}

Status SizeResync::resync(const RequestContext& context, const TableIdentifier& table, bool verify,
                          ResyncReport* report) {
  LH_ASSIGN_OR_RETURN(const LoadedTable loaded, catalog_.load_table(context, table));
  const iceberg::Snapshot* const snapshot = loaded.metadata->current_snapshot();
  if (snapshot == nullptr || (!verify && says_its_size(snapshot->summary))) {
    ++report->right;
    return {};
  }
  LH_ASSIGN_OR_RETURN(Files files, files_of(context, *loaded.metadata, *snapshot));
  LH_RETURN_IF_ERROR(read_footers(context, *loaded.metadata, &files));
  if (is_right(snapshot->summary, files.totals)) {
    ++report->right;
  } else {
    LH_ASSIGN_OR_RETURN(const LoadedTable after, commit(context, loaded, files.totals));
    report->repaired.push_back({.table = table,
                                .snapshot_id = after.metadata->current_snapshot_id.value_or(0),
                                .totals = files.totals});
  }
  if (!files.problem.empty()) {
    report->problems.push_back({.table = table, .reason = std::move(files.problem)});
  }
  return {};
}

Result<SizeResync::Files> SizeResync::files_of(const RequestContext& context,
                                               const TableMetadata& metadata,
                                               const iceberg::Snapshot& snapshot) {
  Files files;
  SnapshotTotals& totals = files.totals;
  LH_ASSIGN_OR_RETURN(const auto manifests,
                      manifests_.manifests(context, buckets_, metadata, snapshot));
  std::set<std::string> delete_paths;  // A Puffin file holds the deletes of several data files.
  for (const iceberg::ManifestFile& manifest : *manifests) {
    LH_RETURN_IF_ERROR(context.check());
    LH_ASSIGN_OR_RETURN(const auto entries,
                        manifests_.entries(context, buckets_, metadata, manifest));
    for (const iceberg::ManifestEntry& entry : *entries) {
      if (!entry.is_live()) {
        continue;
      }
      const DataFile& file = *entry.file;
      LH_RETURN_IF_ERROR(iceberg::check_inside_table(metadata, file.file_path, "file"));
      totals.bytes += file.is_deletion_vector()
                          ? file.content_size_in_bytes.value_or(file.file_size_in_bytes)
                          : file.file_size_in_bytes;
      if (file.content != iceberg::FileContent::Data) {
        ++totals.delete_files;
        (file.content == iceberg::FileContent::PositionDeletes ? totals.position_deletes
                                                               : totals.equality_deletes) +=
            file.record_count;
        continue;
      }
      ++totals.data_files;
      totals.records += file.record_count;
      LH_ASSIGN_OR_RETURN(const auto at, buckets_.resolve(file.file_path));
      const auto path = at.store->local_path(at.key);
      if (path && file.file_format == iceberg::FileFormat::Parquet) {
        files.parquet_rows.emplace(*path, file.record_count);
      }
    }
  }
  return files;
}

// The footers have the last word on how many rows there are.
Status SizeResync::read_footers(const RequestContext& context, const TableMetadata& metadata,
                                Files* files) {
  std::set<std::int32_t> ids;
  std::set<std::string, std::less<>> names;
  for (const iceberg::Schema& schema : metadata.schemas) {
    collect(schema.fields, &ids, &names);
  }
  std::set<std::string> miscounted;
  std::set<std::string> unknown;
  for (auto next = files->parquet_rows.begin(); next != files->parquet_rows.end();) {
    json::array paths;
    for (; next != files->parquet_rows.end() && paths.size() < kFilesPerQuestion; ++next) {
      paths.emplace_back(next->first);
    }
    engine::Statement question;
    question.variables.push_back({.name = "lh_files", .value = std::move(paths)});
    question.text = kRowsQuestion;
    LH_ASSIGN_OR_RETURN(const engine::Rows rows, engine_.query_rows(context, question));
    for (const json::array& row : rows.rows) {
      const std::string path(row.at(0).as_string());
      const std::int64_t count = row.at(1).to_number<std::int64_t>();
      const std::int64_t counted = files->parquet_rows[path];
      if (count != counted) {
        files->totals.records += count - counted;
        miscounted.insert(path.substr(path.rfind('/') + 1));
      }
    }
    question.text = kColumnsQuestion;
    LH_ASSIGN_OR_RETURN(const engine::Rows columns, engine_.query_rows(context, question));
    for (const json::array& row : columns.rows) {
      const std::string name(row.at(0).as_string());
      const bool is_known = row.at(1).is_null() ? names.contains(name)
                                                : ids.contains(row.at(1).to_number<std::int32_t>());
      if (!is_known && unknown.size() < kNamesMax) {
        unknown.insert(name);
      }
    }
  }
  if (!unknown.empty()) {
    files->problem = fmt::format("its files have columns that no schema of it has: {}",
                                 fmt::join(unknown, ", "));
  }
  if (!miscounted.empty()) {
    files->problem += fmt::format(
        "{}the manifests of {} files, such as {}, count other rows than "
        "their footers",
        files->problem.empty() ? "" : "; ", miscounted.size(), *miscounted.begin());
  }
  return {};
}

Result<LoadedTable> SizeResync::commit(const RequestContext& context, const LoadedTable& table,
                                       const SnapshotTotals& totals) {
  iceberg::SnapshotChange same_files;
  same_files.operation = "replace";
  iceberg::SnapshotProducer producer(buckets_, manifests_, std::move(same_files));
  auto produced = producer.produce(context, *table.metadata, catalog_.now_ms());
  if (!produced) {
    producer.clean_up_after_failure(context);
    return std::unexpected(std::move(produced).error());
  }
  for (iceberg::TableUpdate& update : produced->updates) {
    if (auto* added = std::get_if<iceberg::AddSnapshot>(&update)) {
      for (const auto& [name, value] : named(totals)) {
        added->snapshot.summary[name] = std::to_string(value);
      }
    }
  }
  auto after =
      catalog_.commit_table(context, table.identifier, produced->requirements, produced->updates);
  if (after) {
    producer.clean_up_after_commit(context, *produced);
  } else if (after.error().code != ErrorCode::CommitStateUnknown) {
    producer.clean_up_after_failure(context);
  }
  return after;
}

}  // namespace lakehouse::query
