#include "catalog/pii_findings.h"

#include <cmath>

namespace lakehouse::catalog {
namespace {

using metastore::integer;
using metastore::is_null;
using metastore::text;
using metastore::Transaction;
using metastore::Value;

constexpr std::int64_t kProfilesKept = 20;
constexpr double kPercent = 100;

Status record_finding(Transaction& transaction, std::string_view table_uuid,
                      const PiiFinding& finding, std::int64_t at_ms) {
  const auto percent = static_cast<std::int64_t>(std::lround(finding.confidence * kPercent));
  LH_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO pii_findings (table_uuid, field_id, kind, confidence_percent, reason, "
      "sample_size, inside_texts, found_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
      "ON CONFLICT (table_uuid, field_id, kind) DO UPDATE SET "
      "confidence_percent = excluded.confidence_percent, reason = excluded.reason, "
      "sample_size = excluded.sample_size, inside_texts = excluded.inside_texts, "
      "found_at_ms = excluded.found_at_ms "
      "WHERE excluded.confidence_percent >= pii_findings.confidence_percent",
      {std::string(table_uuid), std::int64_t{finding.field_id},
       std::string(to_string(finding.kind)), percent, finding.reason, finding.sample_size,
       std::int64_t{finding.inside_texts ? 1 : 0}, at_ms}));
  return {};
}

}  // namespace

Result<PiiReport> PiiFindings::load(const RequestContext& context, std::string_view table_uuid) {
  PiiReport report;
  const std::string uuid(table_uuid);
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const auto scans,
                        transaction.query("SELECT snapshot_id, at_ms, sampled_rows, table_rows, "
                                          "on_demand FROM pii_scans WHERE table_uuid = $1",
                                          {uuid}));
    if (!scans.empty()) {
      const auto& row = scans.front();
      report.scan =
          PiiScan{.snapshot_id = is_null(row[0]) ? std::nullopt : std::optional(integer(row[0])),
                  .at_ms = integer(row[1]),
                  .sampled_rows = integer(row[2]),
                  .table_rows = integer(row[3]),
                  .on_demand = integer(row[4]) != 0};
    }
    LH_ASSIGN_OR_RETURN(
        const auto rows,
        transaction.query("SELECT field_id, kind, confidence_percent, reason, sample_size, "
                          "inside_texts FROM pii_findings WHERE table_uuid = $1 "
                          "ORDER BY field_id, confidence_percent DESC, kind",
                          {uuid}));
    for (const auto& row : rows) {
      const std::optional<PiiKind> kind = pii_kind_from(text(row[1]));
      if (kind) {  // Else a newer version's.
        report.findings.push_back({.column = {},
                                   .field_id = static_cast<std::int32_t>(integer(row[0])),
                                   .kind = *kind,
                                   .confidence = static_cast<double>(integer(row[2])) / kPercent,
                                   .reason = text(row[3]),
                                   .sample_size = integer(row[4]),
                                   .inside_texts = integer(row[5]) != 0});
      }
    }
    return {};
  }));
  return report;
}

Status PiiFindings::record(Transaction& transaction, std::string_view table_uuid,
                           const PiiScan& scan, const std::vector<PiiFinding>& findings,
                           bool whole) {
  const std::string uuid(table_uuid);
  if (whole) {
    LH_RETURN_IF_ERROR(
        transaction.execute("DELETE FROM pii_findings WHERE table_uuid = $1", {uuid}));
  }
  LH_RETURN_IF_ERROR(transaction.execute("DELETE FROM pii_scans WHERE table_uuid = $1", {uuid}));
  LH_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO pii_scans (table_uuid, snapshot_id, at_ms, sampled_rows, table_rows, on_demand) "
      "VALUES ($1, $2, $3, $4, $5, $6)",
      {uuid, scan.snapshot_id ? Value(*scan.snapshot_id) : Value(), scan.at_ms, scan.sampled_rows,
       scan.table_rows, std::int64_t{scan.on_demand ? 1 : 0}}));
  for (const PiiFinding& finding : findings) {
    LH_RETURN_IF_ERROR(record_finding(transaction, table_uuid, finding, scan.at_ms));
  }
  return {};
}

Status PiiFindings::record(const RequestContext& context, std::string_view table_uuid,
                           const PiiScan& scan, const std::vector<PiiFinding>& findings,
                           bool whole) {
  return metastore_.write(context, [&](Transaction& transaction) {
    return record(transaction, table_uuid, scan, findings, whole);
  });
}

Result<std::optional<std::string>> Profiles::find(const RequestContext& context,
                                                  std::string_view table_uuid,
                                                  std::int64_t snapshot_id,
                                                  std::string_view variant) {
  std::optional<std::string> body;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(
        const auto rows,
        transaction.query("SELECT body FROM dataset_profiles WHERE table_uuid = $1 AND "
                          "snapshot_id = $2 AND variant = $3",
                          {std::string(table_uuid), snapshot_id, std::string(variant)}));
    if (!rows.empty()) {
      body = text(rows.front()[0]);
    }
    return {};
  }));
  return body;
}

Status Profiles::put(const RequestContext& context, std::string_view table_uuid,
                     std::int64_t snapshot_id, std::string_view variant, std::int64_t now_ms,
                     std::string_view body) {
  const std::string uuid(table_uuid);
  return metastore_.write(context, [&](Transaction& transaction) -> Status {
    LH_RETURN_IF_ERROR(transaction.execute(
        "INSERT INTO dataset_profiles (table_uuid, snapshot_id, variant, made_at_ms, body) "
        "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (table_uuid, snapshot_id, variant) DO UPDATE SET "
        "made_at_ms = excluded.made_at_ms, body = excluded.body",
        {uuid, snapshot_id, std::string(variant), now_ms, std::string(body)}));
    LH_RETURN_IF_ERROR(
        transaction.execute("DELETE FROM dataset_profiles WHERE table_uuid = $1 AND made_at_ms < "
                            "(SELECT min(made_at_ms) FROM (SELECT made_at_ms FROM dataset_profiles "
                            "WHERE table_uuid = $1 ORDER BY made_at_ms DESC LIMIT $2) AS latest)",
                            {uuid, kProfilesKept}));
    return {};
  });
}

Status forget_what_was_seen(Transaction& transaction, std::string_view table_uuid) {
  const std::string uuid(table_uuid);
  LH_RETURN_IF_ERROR(transaction.execute("DELETE FROM pii_scans WHERE table_uuid = $1", {uuid}));
  LH_RETURN_IF_ERROR(transaction.execute("DELETE FROM pii_findings WHERE table_uuid = $1", {uuid}));
  LH_RETURN_IF_ERROR(
      transaction.execute("DELETE FROM dataset_profiles WHERE table_uuid = $1", {uuid}));
  return {};
}

}  // namespace lakehouse::catalog
