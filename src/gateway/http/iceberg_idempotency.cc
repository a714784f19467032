#include <fmt/format.h>

#include "base/hash.h"
#include "base/json.h"
#include "gateway/http/iceberg_call.h"

// The same Idempotency-Key gets the same answer, also after a restart: the answer is noted in the
// transaction that does the work.

namespace lakehouse::gateway::http {
namespace {

namespace json = boost::json;
using catalog::LoadedTable;
using catalog::Receipt;

constexpr std::size_t kKeyBytesMax = 255;

// Answers that would be the same for ever; what a retry may change is not kept.
bool is_final(ErrorCode code) {
  switch (code) {
    case ErrorCode::InvalidArgument:
    case ErrorCode::NotFound:
    case ErrorCode::AlreadyExists:
    case ErrorCode::FailedPrecondition:
    case ErrorCode::Aborted:
    case ErrorCode::Unimplemented: return true;
    case ErrorCode::OutOfRange:
    case ErrorCode::Unauthenticated:
    case ErrorCode::PermissionDenied:
    case ErrorCode::ResourceExhausted:
    case ErrorCode::Unavailable:
    case ErrorCode::DeadlineExceeded:
    case ErrorCode::Cancelled:
    case ErrorCode::CommitStateUnknown:
    case ErrorCode::DataLoss:
    case ErrorCode::Internal: return false;
  }
  return false;
}

std::string location_receipt(std::string_view kind, const std::string& metadata_location,
                             const catalog::TableIdentifier& named) {
  const json::value body = {{"kind", kind},
                            {"metadata-location", metadata_location},
                            {"namespace", to_array(named.name_space)},
                            {"name", named.name}};
  return to_json(body);
}

std::string body_receipt(std::string_view body) {
  return to_json(json::value({{"body", body}}));
}

}  // namespace

Result<Response> IcebergHandlers::once(const Call& call, const Write& write) {
  const std::string key(call.request.header("Idempotency-Key"));
  if (key.empty()) {
    return write.run_view ? write.run_view({}) : write.run({});
  }
  if (key.size() > kKeyBytesMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the Idempotency-Key is longer than {} bytes", kKeyBytesMax));
  }
  Receipt receipt{.key = key,
                  .principal = call.context().principal,
                  .fingerprint = sha256_hex(fmt::format("{} {}\n{}", to_string(call.request.method),
                                                        call.request.target, call.body)),
                  .status = write.status,
                  .body = body_receipt(write.body),
                  .created_at_ms = catalog_.now_ms()};
  const auto answered = [&](const Receipt& earlier) -> Result<Response> {
    if (earlier.fingerprint == receipt.fingerprint) {
      return replay(call, earlier);
    }
    Error error{.code = ErrorCode::InvalidArgument,
                .message = "this Idempotency-Key was used for another request",
                .hint = "Make a new key for each request.",
                .position_bytes = std::nullopt,
                .details_json = {}};
    return std::unexpected(with_http_status(std::move(error), 422));
  };
  LH_ASSIGN_OR_RETURN(const auto earlier, catalog_.find_receipt(call.context(), key));
  if (earlier) {
    return answered(*earlier);
  }
  catalog::CommitOptions options;
  if (!write.keeps_receipt_after) {
    options.also = [&](metastore::Transaction& transaction, const std::vector<LoadedTable>& after) {
      if (write.answers_table && !after.empty()) {
        const LoadedTable& table = after.front();
        receipt.body = location_receipt("table", table.metadata_location, table.identifier);
      }
      return catalog::Catalog::put_receipt(transaction, receipt);
    };
  }
  catalog::ViewCommitOptions view_options;
  view_options.also = [&](metastore::Transaction& transaction, const catalog::LoadedView& after) {
    receipt.body = location_receipt("view", after.metadata_location, after.identifier);
    return catalog::Catalog::put_receipt(transaction, receipt);
  };
  Result<Response> answer = write.run_view ? write.run_view(view_options) : write.run(options);
  if (answer && !write.keeps_receipt_after) {
    return answer;
  }
  // A twin with the same key may have been quicker: then its answer is the answer.
  LH_ASSIGN_OR_RETURN(const auto twin, catalog_.find_receipt(call.context(), key));
  if (twin) {
    return answered(*twin);
  }
  if (!answer && !is_final(answer.error().code)) {
    return answer;
  }
  const Response rendered = answer ? Response() : iceberg_error_response(answer.error());
  receipt.status = answer ? write.status : rendered.status;
  receipt.body = body_receipt(std::get<std::string>(answer ? answer->body : rendered.body));
  // If it cannot be kept, the request is merely done again.
  [[maybe_unused]] const Status kept = catalog_.store_receipt(call.context(), receipt);
  return answer;
}

Result<Response> IcebergHandlers::replay(const Call& call, const Receipt& receipt) {
  LH_ASSIGN_OR_RETURN(const json::value kept, parse_json(receipt.body, "a kept receipt"));
  JsonFields fields(kept.as_object(), "a kept receipt");
  LH_ASSIGN_OR_RETURN(const auto location, fields.optional_string("metadata-location"));
  if (!location) {
    LH_ASSIGN_OR_RETURN(std::string body, fields.require_string("body"));
    return body.empty() ? empty_response(receipt.status)
                        : json_text_response(receipt.status, std::move(body));
  }
  catalog::TableIdentifier table;
  LH_ASSIGN_OR_RETURN(table.name_space, fields.require_strings("namespace"));
  LH_ASSIGN_OR_RETURN(table.name, fields.require_string("name"));
  LH_ASSIGN_OR_RETURN(const auto kind, fields.optional_string("kind"));
  if (kind == "view") {
    auto view = catalog_.load_view_at(call.context(), table, *location);
    if (!view && view.error().code == ErrorCode::NotFound) {
      view = catalog_.load_view(call.context(), table);
    }
    LH_RETURN_IF_ERROR(view);
    return view_response(*view);
  }
  auto loaded = catalog_.load_table_at(call.context(), table, *location);
  if (!loaded && loaded.error().code == ErrorCode::NotFound) {
    // The table lets old metadata files go: what it has become since is the nearest true answer.
    loaded = catalog_.load_table(call.context(), table);
  }
  LH_RETURN_IF_ERROR(loaded);
  return table_response(*loaded);
}

}  // namespace lakehouse::gateway::http
