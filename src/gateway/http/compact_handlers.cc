#include "gateway/http/compact_handlers.h"

#include <optional>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "gateway/http/jobs_handlers.h"
#include "gateway/http/receipts.h"
#include "query/compact_job.h"

namespace lakehouse::gateway::http {
namespace {

namespace net = boost::asio;
namespace json = boost::json;

constexpr std::int64_t kTargetMin = std::int64_t{1} << 20U;
constexpr std::int64_t kTargetMax = std::int64_t{8} << 30U;
/// More than that is not waited for, unless the caller wants to: about ten seconds.
constexpr std::uint64_t kNowBytesMax = std::uint64_t{256} << 20U;
constexpr std::int64_t kNowFilesMax = 2'000;

constexpr std::string_view kCompact = R"({
  "type":"object","additionalProperties":false,"required":["dataset"],"properties":{
  "dataset":{"type":"string"},
  "file_size_bytes":{"type":["integer","null"],"minimum":1048576,"maximum":8589934592,
    "description":"Files smaller than three quarters of it are put together."},
  "background":{"type":["boolean","null"],
    "description":"True: a job does it. False: the answer waits for it. Else as much as there is to do says."}}})";
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

}  // namespace

CompactHandlers::CompactHandlers(query::Compactor compactor, catalog::Catalog& catalog,
                                 jobs::JobService& jobs, Pools pools)
    : compactor_(compactor), catalog_(catalog), jobs_(jobs), pools_(pools) {
  query::register_compact_job(jobs_, compactor_);
}

void CompactHandlers::add_routes(Router& router) {
  router.add({.method = Method::Post,
              .path = "/query/compact",
              .operation_id = "compactDataset",
              .summary = "Put small files together, and leave deleted rows out",
              .tag = "Query",
              .description =
                  "Small files of a partition become larger ones, and files with deletes are "
                  "written without the rows that are gone. The rows are the same, older snapshots "
                  "stay readable, and others may write meanwhile. What takes long becomes a job, "
                  "whose result is what this answers otherwise.",
              .parameters = {{.in = ParameterSpec::In::Header,
                              .name = "Idempotency-Key",
                              .description =
                                  "A repetition with the same key is answered as the first time."}},
              .request = {content(kCompact)},
              .responses = {{.status = 200,
                             .description = "What became of the files.",
                             .content = {content(kCompacted)}},
                            job_accepted_spec()},
              .errors = {404, 409, 413, 415, 422, 504},
              .handler = [this](Request request) { return compact(std::move(request)); }});
}

net::awaitable<Result<Response>> CompactHandlers::compact(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const std::string key, idempotency_key(request));
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  LH_ASSIGN_OR_CO_RETURN(const std::string dataset, fields.require_string("dataset"));
  LH_ASSIGN_OR_CO_RETURN(const auto target, fields.optional_int64("file_size_bytes"));
  LH_ASSIGN_OR_CO_RETURN(const auto background, fields.optional_bool("background"));
  LH_CO_RETURN_IF_ERROR(fields.refuse_unknown());
  if (target && (*target < kTargetMin || *target > kTargetMax)) {
    co_return fail(ErrorCode::InvalidArgument,
                   fmt::format("file_size_bytes must be {} to {}", kTargetMin, kTargetMax));
  }
  Wanted wanted{.dataset = dataset,
                .file_size_bytes = static_cast<std::uint64_t>(target.value_or(0)),
                .in_background = background,
                .key = key};
  auto work = [this, context = request.context, wanted = std::move(wanted)] {
    return begin(context, wanted);
  };
  co_return co_await run_on(pools_.jobs, std::move(work));
}

Result<Response> CompactHandlers::begin(const RequestContext& context, const Wanted& wanted) {
  const std::string how =
      wanted.in_background ? (*wanted.in_background ? " background" : " now") : "";
  ReceiptKeeper receipts(
      catalog_, context, wanted.key,
      fmt::format("POST /query/compact\n{} {}{}", wanted.file_size_bytes, wanted.dataset, how));
  LH_ASSIGN_OR_RETURN(std::optional<Response> earlier, receipts.earlier());
  if (earlier) {
    return *std::move(earlier);
  }
  query::CompactRequest request;
  LH_ASSIGN_OR_RETURN(request.table, catalog_.resolve_dataset(context, wanted.dataset));
  request.file_size_bytes_target = wanted.file_size_bytes;
  bool in_background = wanted.in_background.value_or(false);
  if (!wanted.in_background) {
    LH_ASSIGN_OR_RETURN(const query::CompactWork work, compactor_.work(context, request));
    in_background = work.bytes > kNowBytesMax || work.files > kNowFilesMax;
  }
  if (in_background) {
    LH_ASSIGN_OR_RETURN(const jobs::Started started,
                        query::start_compact_job(context, jobs_, request));
    receipts.keep_after(202, json::serialize(json::object{{"job_id", started.job.id}}));
    return job_accepted(started);
  }
  LH_ASSIGN_OR_RETURN(const query::Compacted done, compactor_.compact(context, request));
  std::string body = json::serialize(query::to_json(request.table, done));
  receipts.keep_after(200, body);
  return json_text_response(200, std::move(body));
}

}  // namespace lakehouse::gateway::http
