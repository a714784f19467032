#include <fmt/format.h>

#include "base/id.h"
#include "catalog/catalog.h"
#include "catalog/detail/rows.h"

// What clients report about their scans and commits: kept, so that somebody can look, and bounded,
// since nobody must.

namespace lakehouse::catalog {
namespace {

using metastore::integer;
using metastore::text;
using metastore::Transaction;

constexpr std::size_t kReportBytesMax = std::size_t{64} << 10U;
constexpr std::int64_t kReportsPerTableMax = 200;
constexpr std::int64_t kReportsMax = 20'000;
// Above every UUID, in any collation: the newest reports.
constexpr std::string_view kAfterAll = "g";

// By the table's UUID, under which the reports of a renamed table stay.
Result<std::string> uuid_of(Transaction& transaction, const TableIdentifier& table) {
  LH_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT uuid FROM tables WHERE namespace = $1 AND name = $2",
                        {detail::path_of(table.name_space), table.name}));
  if (rows.empty()) {
    return detail::no_table(table);
  }
  return text(rows.front().front());
}

Status forget_oldest(Transaction& transaction, const std::string& uuid) {
  LH_RETURN_IF_ERROR(transaction.execute(
      "DELETE FROM metrics_reports WHERE table_uuid = $1 AND id <= (SELECT id FROM metrics_reports "
      "WHERE table_uuid = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
      {uuid, kReportsPerTableMax}));
  LH_RETURN_IF_ERROR(
      transaction.execute("DELETE FROM metrics_reports WHERE id <= (SELECT id FROM metrics_reports "
                          "ORDER BY id DESC LIMIT 1 OFFSET $1)",
                          {kReportsMax}));
  return {};
}

}  // namespace

Status Catalog::report_metrics(const RequestContext& context, const TableIdentifier& table,
                               const MetricsReport& report, const CommitOptions& options) {
  LH_RETURN_IF_ERROR(check_identifier(table));
  if (report.body.size() > kReportBytesMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the metrics report has {} bytes; {} are kept at most",
                            report.body.size(), kReportBytesMax));
  }
  return metastore_.write(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const std::string uuid, uuid_of(transaction, table));
    const metastore::Value snapshot =
        report.snapshot_id ? metastore::Value(*report.snapshot_id) : metastore::Value();
    LH_RETURN_IF_ERROR(transaction.execute(
        "INSERT INTO metrics_reports (table_uuid, id, kind, snapshot_id, principal, "
        "received_at_ms, body) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        {uuid, new_uuid(), report.kind, snapshot, context.principal, now_ms(), report.body}));
    LH_RETURN_IF_ERROR(forget_oldest(transaction, uuid));
    return options.also ? options.also(transaction, {}) : Status();
  });
}

Result<Page<MetricsReport>> Catalog::list_metrics(const RequestContext& context,
                                                  const TableIdentifier& table,
                                                  std::string_view kind, const PageRequest& page) {
  LH_RETURN_IF_ERROR(check_identifier(table));
  LH_ASSIGN_OR_RETURN(std::string before, detail::last_of(page.page_token));
  if (before.empty()) {
    before = kAfterAll;
  }
  Page<MetricsReport> answer;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const std::string uuid, uuid_of(transaction, table));
    LH_ASSIGN_OR_RETURN(
        auto rows,
        transaction.query("SELECT id, kind, snapshot_id, principal, received_at_ms, body "
                          "FROM metrics_reports WHERE table_uuid = $1 AND id < $2 AND "
                          "($3 = '' OR kind = $3) ORDER BY id DESC LIMIT $4",
                          {uuid, before, std::string(kind), detail::fetch_limit(page)}));
    if (page.limit > 0 && rows.size() > page.limit) {
      rows.resize(page.limit);
      answer.next_page_token = detail::page_token(text(rows.back()[0]));
    }
    for (const auto& row : rows) {
      answer.items.push_back({.id = text(row[0]),
                              .kind = text(row[1]),
                              .snapshot_id = metastore::is_null(row[2])
                                                 ? std::nullopt
                                                 : std::optional(integer(row[2])),
                              .principal = text(row[3]),
                              .received_at_ms = integer(row[4]),
                              .body = text(row[5])});
    }
    return {};
  }));
  return answer;
}

}  // namespace lakehouse::catalog
