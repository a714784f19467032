#include "gateway/http/receipts.h"

#include <utility>

#include <fmt/format.h>

#include "base/hash.h"

namespace lakehouse::gateway::http {

namespace {
constexpr std::size_t kKeyBytesMax = 255;
}  // namespace

ReceiptKeeper::ReceiptKeeper(catalog::Catalog& catalog, const RequestContext& context,
                             std::string key, std::string_view what)
    : catalog_(catalog),
      context_(context),
      key_(std::move(key)),
      fingerprint_(key_.empty() ? std::string() : sha256_hex(what)) {}

Result<std::optional<Response>> ReceiptKeeper::earlier() {
  if (!is_used()) {
    return std::nullopt;
  }
  LH_ASSIGN_OR_RETURN(std::optional<catalog::Receipt> found, catalog_.find_receipt(context_, key_));
  if (!found) {
    return std::nullopt;
  }
  if (found->fingerprint != fingerprint_) {
    Error error{.code = ErrorCode::InvalidArgument,
                .message = "this Idempotency-Key was used for another request",
                .hint = "Make a new key for each request.",
                .position_bytes = std::nullopt,
                .details_json = {}};
    return std::unexpected(with_http_status(std::move(error), 422));
  }
  return json_text_response(found->status, std::move(found->body));
}

catalog::Receipt ReceiptKeeper::receipt(int status, std::string body) const {
  return {.key = key_,
          .principal = context_.principal,
          .fingerprint = fingerprint_,
          .status = status,
          .body = std::move(body),
          .created_at_ms = catalog_.now_ms()};
}

Status ReceiptKeeper::keep(metastore::Transaction& transaction, int status, std::string body) {
  return is_used() ? catalog::Catalog::put_receipt(transaction, receipt(status, std::move(body)))
                   : Status();
}

void ReceiptKeeper::keep_after(int status, const std::string& body) {
  if (is_used()) {
    static_cast<void>(catalog_.store_receipt(context_, receipt(status, body)));
  }
}

Result<std::string> idempotency_key(const Request& request) {
  std::string key(request.header("Idempotency-Key"));
  if (key.size() > kKeyBytesMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the Idempotency-Key is longer than {} bytes", kKeyBytesMax));
  }
  return key;
}

}  // namespace lakehouse::gateway::http
