#include "catalog/catalog.h"

// Receipts and ingested files: small records that are written with a commit.

namespace lakehouse::catalog {
namespace {

using metastore::integer;
using metastore::text;
using metastore::Transaction;

constexpr std::int64_t kReceiptKeptMs = std::int64_t{25} * 3600 * 1000;

}  // namespace

Result<std::optional<Receipt>> Catalog::find_receipt(const RequestContext& context,
                                                     std::string_view key) {
  std::optional<Receipt> receipt;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query("SELECT fingerprint, status, body, created_at_ms "
                                          "FROM receipts WHERE principal = $1 AND key = $2",
                                          {context.principal, std::string(key)}));
    if (!rows.empty()) {
      const auto& row = rows.front();
      receipt = Receipt{.key = std::string(key),
                        .principal = context.principal,
                        .fingerprint = text(row[0]),
                        .status = static_cast<int>(integer(row[1])),
                        .body = text(row[2]),
                        .created_at_ms = integer(row[3])};
    }
    return {};
  }));
  return receipt;
}

Status Catalog::put_receipt(Transaction& transaction, const Receipt& receipt) {
  LH_RETURN_IF_ERROR(transaction.execute("DELETE FROM receipts WHERE created_at_ms < $1",
                                         {receipt.created_at_ms - kReceiptKeptMs}));
  auto put = transaction.execute(
      "INSERT INTO receipts (principal, key, fingerprint, status, body, created_at_ms) "
      "VALUES ($1, $2, $3, $4, $5, $6)",
      {receipt.principal, receipt.key, receipt.fingerprint, std::int64_t{receipt.status},
       receipt.body, receipt.created_at_ms});
  if (!put && put.error().code == ErrorCode::AlreadyExists) {
    return fail(ErrorCode::AlreadyExists, "a request with this Idempotency-Key was just answered");
  }
  LH_RETURN_IF_ERROR(put);
  return {};
}

Status Catalog::store_receipt(const RequestContext& context, const Receipt& receipt) {
  return metastore_.write(
      context, [&](Transaction& transaction) { return put_receipt(transaction, receipt); });
}

Result<std::optional<IngestedFile>> Catalog::find_ingested_file(const RequestContext& context,
                                                                std::string_view table_uuid,
                                                                std::string_view sha256) {
  std::optional<IngestedFile> file;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(
        const auto rows,
        transaction.query("SELECT snapshot_id, row_count, bad_row_count, file_name, ingested_at_ms "
                          "FROM ingested_files WHERE table_uuid = $1 AND sha256 = $2",
                          {std::string(table_uuid), std::string(sha256)}));
    if (!rows.empty()) {
      const auto& row = rows.front();
      file = IngestedFile{.table_uuid = std::string(table_uuid),
                          .sha256 = std::string(sha256),
                          .snapshot_id = integer(row[0]),
                          .rows = integer(row[1]),
                          .bad_rows = integer(row[2]),
                          .file_name = text(row[3]),
                          .at_ms = integer(row[4])};
    }
    return {};
  }));
  return file;
}

Status Catalog::record_ingested_file(Transaction& transaction, const IngestedFile& file) {
  auto put = transaction.execute(
      "INSERT INTO ingested_files (table_uuid, sha256, snapshot_id, row_count, bad_row_count, "
      "file_name, ingested_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)",
      {file.table_uuid, file.sha256, file.snapshot_id, file.rows, file.bad_rows, file.file_name,
       file.at_ms});
  if (!put && put.error().code == ErrorCode::AlreadyExists) {
    return fail(ErrorCode::AlreadyExists, "the table already holds this file's content");
  }
  LH_RETURN_IF_ERROR(put);
  return {};
}

Status Catalog::forget_ingested_files(Transaction& transaction, std::string_view table_uuid) {
  LH_RETURN_IF_ERROR(transaction.execute("DELETE FROM ingested_files WHERE table_uuid = $1",
                                         {std::string(table_uuid)}));
  return {};
}

}  // namespace lakehouse::catalog
