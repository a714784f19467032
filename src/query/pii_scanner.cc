#include "query/pii_scanner.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <span>
#include <utility>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "query/leaf_columns.h"
#include "query/small_answer.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;
using catalog::PiiColumn;
using catalog::PiiFinding;
using catalog::PiiType;
using iceberg::TypeKind;

constexpr std::size_t kColumnsMax = 1000;
/// Of all columns together, so that a wide table costs no more than a long one.
constexpr std::int64_t kCellsMax = 200'000;
constexpr std::int64_t kRowsDefault = 2000;
/// While somebody waits for an ingest.
constexpr std::int64_t kRowsAtIngest = 500;
constexpr std::int64_t kRowsMin = 100;
constexpr std::int64_t kRowsMax = 100'000;
/// More rows than that are not read for a sample of them; the first so many are.
constexpr std::int64_t kRowsReadMax = 2'000'000;
constexpr int kValueChars = 256;

PiiType pii_type(const iceberg::Type& type) {
  switch (type.kind) {
    case TypeKind::Boolean: return PiiType::Bool;
    case TypeKind::Int:
    case TypeKind::Long: return PiiType::Whole;
    case TypeKind::Float:
    case TypeKind::Double: return PiiType::Number;
    case TypeKind::Decimal: return type.scale == 0 ? PiiType::Whole : PiiType::Number;
    case TypeKind::Date:
    case TypeKind::Timestamp:
    case TypeKind::Timestamptz:
    case TypeKind::TimestampNs:
    case TypeKind::TimestamptzNs: return PiiType::Date;
    case TypeKind::String: return PiiType::Text;
    case TypeKind::Time:
    case TypeKind::Uuid:
    case TypeKind::Fixed:
    case TypeKind::Binary:
    case TypeKind::Unknown:
    case TypeKind::Variant:
    case TypeKind::Geometry:
    case TypeKind::Geography:
    case TypeKind::Struct:
    case TypeKind::List:
    case TypeKind::Map: return PiiType::Other;
  }
  return PiiType::Other;
}

std::vector<LeafColumn> readable_columns(const iceberg::Schema& schema) {
  std::vector<LeafColumn> columns = leaf_columns(schema, Lists::Inside, kColumnsMax);
  std::erase_if(columns,
                [](const LeafColumn& column) { return pii_type(*column.type) == PiiType::Other; });
  return columns;
}

std::int64_t rows_of_sample(std::int64_t wanted, std::size_t columns) {
  const std::int64_t fit =
      kCellsMax / std::max<std::int64_t>(1, static_cast<std::int64_t>(columns));
  return std::clamp(std::min(wanted, fit), kRowsMin, kRowsMax);
}

/// SELECT of the columns' values as text, from a sample of `source`.
std::string sample_sql(const std::vector<LeafColumn>& columns, std::string_view source,
                       std::int64_t source_rows, std::int64_t sample_rows) {
  std::string sql = "SELECT ";
  for (std::size_t i = 0; i < columns.size(); ++i) {
    sql += fmt::format("{}left(CAST({} AS VARCHAR), {}) AS c{}", i == 0 ? "" : ", ", columns[i].sql,
                       kValueChars, i);
  }
  sql += fmt::format(" FROM (SELECT * FROM {}", source);
  if (source_rows > kRowsReadMax) {
    sql += fmt::format(" LIMIT {}", kRowsReadMax);
  }
  return sql +
         fmt::format(") AS rows_read USING SAMPLE reservoir({} ROWS) REPEATABLE (7)", sample_rows);
}

std::vector<PiiColumn> to_pii_columns(const std::vector<LeafColumn>& columns,
                                      const std::vector<json::array>& rows) {
  std::vector<PiiColumn> out;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    PiiColumn column{.name = columns[i].path,
                     .field_id = columns[i].field_id,
                     .type = pii_type(*columns[i].type),
                     .values = {}};
    for (const json::array& row : rows) {
      if (i < row.size() && row[i].is_string() && !row[i].get_string().empty()) {
        column.values.emplace_back(row[i].get_string());
      }
    }
    out.push_back(std::move(column));
  }
  return out;
}

/// A column is what the surest finding says, and as sensitive as any of them.
std::vector<catalog::ColumnProposal> proposals_of(const iceberg::TableMetadata& metadata,
                                                  const std::vector<PiiFinding>& findings,
                                                  bool take_back) {
  std::map<std::string, catalog::ColumnProposal> by_column;
  for (const PiiFinding& finding : findings) {
    catalog::ColumnProposal& proposal = by_column[finding.column];
    if (!proposal.category) {
      proposal.column = finding.column;
      proposal.category = std::string(to_string(finding.kind));
    }
    proposal.sensitivity = std::max(proposal.sensitivity.value_or(catalog::Sensitivity::Public),
                                    sensitivity_of(finding.kind));
  }
  if (take_back) {
    for (const catalog::ColumnEntry& entry : catalog::registry_entry(metadata).columns) {
      const bool ours = entry.by == catalog::DecidedBy::Detector && entry.category &&
                        catalog::pii_kind_from(*entry.category);
      if (ours && !by_column.contains(entry.name)) {
        by_column[entry.name].column = entry.name;
      }
    }
  }
  std::vector<catalog::ColumnProposal> out;
  for (auto& [name, proposal] : by_column) {
    out.push_back(std::move(proposal));
  }
  return out;
}

}  // namespace

std::int64_t live_rows(const iceberg::TableMetadata& metadata) {
  const iceberg::Snapshot* snapshot = metadata.current_snapshot();
  if (snapshot == nullptr) {
    return 0;
  }
  const auto total = [&](std::string_view name) {
    std::int64_t value = 0;
    if (const auto found = snapshot->summary.find(name); found != snapshot->summary.end()) {
      std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
    }
    return value;
  };
  return std::max<std::int64_t>(0, total("total-records") - total("total-position-deletes"));
}

Result<std::vector<PiiFinding>> PiiScanner::look(const RequestContext& context,
                                                 const std::string& dataset, const Written& written,
                                                 std::int64_t* sampled_rows) {
  const std::vector<LeafColumn> columns = readable_columns(written.schema);
  if (columns.empty() || written.paths.empty()) {
    return std::vector<PiiFinding>();
  }
  json::array paths;
  for (const std::string& path : written.paths) {
    paths.emplace_back(path);
  }
  engine::Statement statement;
  statement.text = sample_sql(
      columns,
      "read_parquet(getvariable('lh_pii_files'), hive_partitioning = false, union_by_name = true)",
      written.rows, rows_of_sample(kRowsAtIngest, columns.size()));
  statement.variables.push_back({.name = "lh_pii_files", .value = std::move(paths)});
  LH_ASSIGN_OR_RETURN(const engine::Rows rows, engine_.query_rows(context, std::move(statement)));
  *sampled_rows = static_cast<std::int64_t>(rows.rows.size());
  return detect_pii(dataset, to_pii_columns(columns, rows.rows));
}

Result<bool> PiiScanner::is_due(const RequestContext& context, const catalog::LoadedTable& table) {
  LH_ASSIGN_OR_RETURN(const catalog::PiiReport report,
                      findings_.load(context, table.metadata->table_uuid));
  if (!report.scan || live_rows(*table.metadata) >= 2 * report.scan->table_rows) {
    return true;
  }
  const iceberg::Snapshot* now = table.metadata->current_snapshot();
  const iceberg::Snapshot* then = report.scan->snapshot_id
                                      ? table.metadata->snapshot_by_id(*report.scan->snapshot_id)
                                      : nullptr;
  return now != nullptr && then != nullptr && now->schema_id != then->schema_id;
}

Result<DatasetPii> PiiScanner::report_of(const RequestContext& context,
                                         catalog::LoadedTable table) {
  LH_ASSIGN_OR_RETURN(catalog::PiiReport report,
                      findings_.load(context, table.metadata->table_uuid));
  DatasetPii out;
  out.scan = report.scan;
  for (PiiFinding& finding : report.findings) {
    finding.column = table.metadata->current_schema()->path_of(finding.field_id);
    if (!finding.column.empty()) {  // Else the column was dropped.
      out.findings.push_back(std::move(finding));
    }
  }
  out.table = std::move(table);
  return out;
}

Result<catalog::LoadedTable> PiiScanner::propose(const RequestContext& context,
                                                 const catalog::LoadedTable& table) {
  LH_ASSIGN_OR_RETURN(const DatasetPii report, report_of(context, table));
  const auto proposals =
      proposals_of(*table.metadata, report.findings, report.scan && report.scan->on_demand);
  if (proposals.empty()) {
    return table;
  }
  return registry_.propose(context, table.identifier, proposals);
}

Result<DatasetPii> PiiScanner::show(const RequestContext& context, const std::string& dataset) {
  LH_ASSIGN_OR_RETURN(const catalog::TableIdentifier identifier,
                      catalog_.resolve_dataset(context, dataset));
  LH_ASSIGN_OR_RETURN(catalog::LoadedTable table, catalog_.load_table(context, identifier));
  return report_of(context, std::move(table));
}

Result<DatasetPii> PiiScanner::find(const RequestContext& context, catalog::LoadedTable table,
                                    std::optional<std::int64_t> sample_rows) {
  const iceberg::TableMetadata& metadata = *table.metadata;
  const std::string name = to_string(table.identifier);
  const iceberg::Snapshot* snapshot = metadata.current_snapshot();
  const std::vector<LeafColumn> columns = readable_columns(
      snapshot == nullptr ? *metadata.current_schema() : metadata.schema_of(*snapshot));
  catalog::PiiScan scan{.snapshot_id = metadata.current_snapshot_id,
                        .at_ms = catalog_.now_ms(),
                        .sampled_rows = 0,
                        .table_rows = live_rows(metadata),
                        .on_demand = true};
  std::vector<json::array> rows;
  if (snapshot != nullptr && !columns.empty()) {
    const std::string source =
        fmt::format("{} AT (VERSION => {})", quote_sql_identifier(name), snapshot->snapshot_id);
    SqlRequest request;
    request.sql = sample_sql(columns, source, scan.table_rows,
                             rows_of_sample(sample_rows.value_or(kRowsDefault), columns.size()));
    LH_ASSIGN_OR_RETURN(rows, rows_of(context, queries_, std::move(request)));
    scan.sampled_rows = static_cast<std::int64_t>(rows.size());
  }
  LH_RETURN_IF_ERROR(findings_.record(context, metadata.table_uuid, scan,
                                      detect_pii(name, to_pii_columns(columns, rows)), true));
  return report_of(context, std::move(table));
}

Result<DatasetPii> PiiScanner::scan(const RequestContext& context, const std::string& dataset,
                                    std::optional<std::int64_t> sample_rows) {
  LH_ASSIGN_OR_RETURN(const catalog::TableIdentifier identifier,
                      catalog_.resolve_dataset(context, dataset));
  LH_ASSIGN_OR_RETURN(catalog::LoadedTable table, catalog_.load_table(context, identifier));
  const std::string name = to_string(table.identifier);
  LH_ASSIGN_OR_RETURN(const SeenPart seen, queries_.seen_part(context, quote_sql_identifier(name)));
  if (!seen.is_whole) {
    // It would take the place of what was found in all of it.
    return fail(ErrorCode::PermissionDenied,
                fmt::format("you may see a part of {} only, and not look through all of it", name),
                "Ask who may see all of it.");
  }
  LH_ASSIGN_OR_RETURN(const DatasetPii found, find(context, std::move(table), sample_rows));
  LH_ASSIGN_OR_RETURN(catalog::LoadedTable after, propose(context, found.table));
  return report_of(context, std::move(after));
}

std::map<std::int32_t, std::string> PiiScanner::personal_columns(const DatasetPii& pii) {
  std::map<std::int32_t, std::string> out;
  for (const PiiFinding& finding : pii.findings) {
    out.emplace(finding.field_id, to_string(finding.kind));
  }
  for (const catalog::ColumnEntry& entry : catalog::registry_entry(*pii.table.metadata).columns) {
    if (!entry.sensitivity && !entry.category) {
      continue;
    }
    const bool is_personal =
        entry.category || *entry.sensitivity >= catalog::Sensitivity::Confidential;
    if (is_personal) {
      out[entry.field_id] = entry.category.value_or("");
    } else if (entry.by == catalog::DecidedBy::Person) {
      out.erase(entry.field_id);
    }
  }
  return out;
}

}  // namespace lakehouse::query
