#include "gateway/http/compact_handlers.h"

#include <optional>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "gateway/http/receipts.h"

namespace lakehouse::gateway::http {
namespace {

namespace net = boost::asio;
namespace json = boost::json;

constexpr std::int64_t kTargetMin = std::int64_t{1} << 20U;
constexpr std::int64_t kTargetMax = std::int64_t{8} << 30U;

constexpr std::string_view kCompact = R"({
  "type":"object","additionalProperties":false,"required":["dataset"],"properties":{
  "dataset":{"type":"string"},
  "file_size_bytes":{"type":["integer","null"],"minimum":1048576,"maximum":8589934592,
    "description":"Files smaller than three quarters of it are put together."}}})";
constexpr std::string_view kCompacted = R"({
  "type":"object","required":["dataset","snapshot_id","commits","files_total","files_removed","files_added",
    "delete_files_removed","rows","bytes_removed","bytes_added"],"properties":{
  "dataset":{"type":"string"},
  "snapshot_id":{"type":["integer","null"],"description":"Null if all was well already."},
  "commits":{"type":"integer"},
  "files_total":{"type":"integer","description":"That the dataset had."},
  "files_removed":{"type":"integer"},"files_added":{"type":"integer"},
  "delete_files_removed":{"type":"integer"},
  "rows":{"type":"integer","description":"That were written anew."},
  "bytes_removed":{"type":"integer","description":"From this snapshot on; older ones keep them."},
  "bytes_added":{"type":"integer"}}})";

ContentSpec content(std::string_view schema) {
  return {.media_type = "application/json", .schema = std::string(schema)};
}

std::string to_text(const std::string& dataset, const query::Compacted& done) {
  return json::serialize(json::object{
      {"dataset", dataset},
      {"snapshot_id", done.snapshot_id ? json::value(*done.snapshot_id) : json::value()},
      {"commits", done.commits},
      {"files_total", done.files_total},
      {"files_removed", done.files_removed},
      {"files_added", done.files_added},
      {"delete_files_removed", done.delete_files_removed},
      {"rows", done.rows},
      {"bytes_removed", done.bytes_removed},
      {"bytes_added", done.bytes_added}});
}

}  // namespace

void CompactHandlers::add_routes(Router& router) {
  router.add({.method = Method::Post,
              .path = "/query/compact",
              .operation_id = "compactDataset",
              .summary = "Put small files together, and leave deleted rows out",
              .tag = "Query",
              .description =
                  "Small files of a partition become larger ones, and files with deletes are "
                  "written without the rows that are gone. The rows are the same, older snapshots "
                  "stay readable, and others may write meanwhile.",
              .parameters = {{.in = ParameterSpec::In::Header,
                              .name = "Idempotency-Key",
                              .description =
                                  "A repetition with the same key is answered as the first time."}},
              .request = {content(kCompact)},
              .responses = {{.status = 200,
                             .description = "What became of the files.",
                             .content = {content(kCompacted)}}},
              .errors = {404, 409, 413, 415, 422, 504},
              .handler = [this](Request request) { return compact(std::move(request)); }});
}

net::awaitable<Result<Response>> CompactHandlers::compact(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const std::string key, idempotency_key(request));
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  LH_ASSIGN_OR_CO_RETURN(const std::string dataset, fields.require_string("dataset"));
  LH_ASSIGN_OR_CO_RETURN(const auto target, fields.optional_int64("file_size_bytes"));
  LH_CO_RETURN_IF_ERROR(fields.refuse_unknown());
  if (target && (*target < kTargetMin || *target > kTargetMax)) {
    co_return fail(ErrorCode::InvalidArgument,
                   fmt::format("file_size_bytes must be {} to {}", kTargetMin, kTargetMax));
  }
  auto work = [this, context = request.context, dataset,
               bytes = static_cast<std::uint64_t>(target.value_or(0)),
               key] { return compact_now(context, dataset, bytes, key); };
  co_return co_await run_on(pools_.jobs, std::move(work));
}

Result<Response> CompactHandlers::compact_now(const RequestContext& context,
                                              const std::string& dataset, std::uint64_t target,
                                              const std::string& key) {
  ReceiptKeeper receipts(catalog_, context, key,
                         fmt::format("POST /query/compact\n{} {}", target, dataset));
  LH_ASSIGN_OR_RETURN(std::optional<Response> earlier, receipts.earlier());
  if (earlier) {
    return *std::move(earlier);
  }
  LH_ASSIGN_OR_RETURN(catalog::TableIdentifier table, catalog_.resolve_dataset(context, dataset));
  const std::string name = to_string(table);
  LH_ASSIGN_OR_RETURN(
      const query::Compacted done,
      compactor_.compact(context, {.table = std::move(table), .file_size_bytes_target = target}));
  std::string body = to_text(name, done);
  receipts.keep_after(200, body);
  return json_text_response(200, std::move(body));
}

}  // namespace lakehouse::gateway::http
