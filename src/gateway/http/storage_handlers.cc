#include "gateway/http/storage_handlers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "gateway/http/body_sources.h"

namespace lakehouse::gateway::http {
namespace {

namespace json = boost::json;

constexpr std::size_t kWriteBytes = std::size_t{1} << 20U;
constexpr std::array<std::string_view, 2> kOwnFolders = {"_staging/", "_rejects/"};

constexpr std::string_view kObjectSchema = R"({"type":"object",
  "required":["key","size_bytes","etag","modified_at"],"properties":{
    "key":{"type":"string"},"size_bytes":{"type":"integer","minimum":0},
    "etag":{"type":"string"},"modified_at":{"type":"string","format":"date-time"}}})";

std::string quoted(const storage::ETag& etag) {
  return etag.value.starts_with('"') ? etag.value : fmt::format("\"{}\"", etag.value);
}

std::string_view unquoted(std::string_view etag) {
  if (etag.starts_with("W/")) {
    etag.remove_prefix(2);
  }
  return etag.size() >= 2 && etag.front() == '"' && etag.back() == '"'
             ? etag.substr(1, etag.size() - 2)
             : etag;
}

std::string http_date(std::chrono::system_clock::time_point at) {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(at)));
}

std::string iso_date(std::chrono::system_clock::time_point at) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(at)));
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return text.empty() || error != std::errc() || rest != end ? std::nullopt : std::optional(number);
}

Error precondition_failed() {
  return with_http_status(Error{.code = ErrorCode::FailedPrecondition,
                                .message = "the object is not as If-Match or If-None-Match says",
                                .hint = "Get it again, and decide anew.",
                                .position_bytes = std::nullopt,
                                .details_json = {}},
                          412);
}

Result<storage::PutCondition> put_condition(const Request& request) {
  using Kind = storage::PutCondition::Kind;
  const std::string_view match = request.header("If-Match");
  const std::string_view none_match = request.header("If-None-Match");
  if (!match.empty() && !none_match.empty()) {
    return fail(ErrorCode::InvalidArgument, "If-Match and If-None-Match exclude each other");
  }
  if (none_match == "*") {
    return storage::PutCondition{.kind = Kind::IfAbsent, .etag = {}};
  }
  if (!none_match.empty() || match == "*" || match.contains(',')) {
    return fail(ErrorCode::InvalidArgument,
                "a put takes 'If-None-Match: *' or 'If-Match' with one entity tag");
  }
  if (!match.empty()) {
    return storage::PutCondition{.kind = Kind::IfMatch,
                                 .etag = {.value = std::string(unquoted(match))}};
  }
  return storage::PutCondition{.kind = Kind::Always, .etag = {}};
}

void describe(Response& response, const storage::ObjectInfo& info) {
  response.headers.add("ETag", quoted(info.etag));
  response.headers.add("Last-Modified", http_date(info.modified_at));
  response.headers.add("Accept-Ranges", "bytes");
}

ParameterSpec bucket_parameter() {
  return {.in = ParameterSpec::In::Path,
          .name = "bucket",
          .description = "The bucket's name.",
          .required = true,
          .example = R"("primary")"};
}

ParameterSpec key_parameter() {
  return {.in = ParameterSpec::In::Path,
          .name = "key",
          .description = "The object's key; slashes may stand as they are.",
          .schema = R"({"type":"string","minLength":1,"maxLength":1024})",
          .required = true,
          .example = R"("notes/readme.txt")"};
}

ParameterSpec header_parameter(std::string name, std::string description) {
  return {.in = ParameterSpec::In::Header,
          .name = std::move(name),
          .description = std::move(description)};
}

}  // namespace

bool names_etag(std::string_view header, std::string_view etag) {
  while (!header.empty()) {
    const std::size_t comma = std::min(header.find(','), header.size());
    std::string_view element = header.substr(0, comma);
    header.remove_prefix(std::min(comma + 1, header.size()));
    element.remove_prefix(std::min(element.find_first_not_of(' '), element.size()));
    element = element.substr(0, element.find_last_not_of(' ') + 1);
    if (element == "*" || (!element.empty() && unquoted(element) == unquoted(etag))) {
      return true;
    }
  }
  return false;
}

Result<std::optional<storage::ByteRange>> parse_range(std::string_view header,
                                                      std::uint64_t size_bytes) {
  if (!header.starts_with("bytes=") || header.contains(',')) {
    return std::nullopt;
  }
  header.remove_prefix(6);
  const std::size_t dash = header.find('-');
  if (dash == std::string_view::npos) {
    return std::nullopt;
  }
  const auto first = parse_number(header.substr(0, dash));
  const auto last = parse_number(header.substr(dash + 1));
  const auto unmet = [size_bytes] {
    return fail(ErrorCode::OutOfRange,
                fmt::format("the range lies outside the object's {} bytes", size_bytes));
  };
  if (dash == 0) {  // The last so many bytes.
    if (!last) {
      return std::nullopt;
    }
    if (*last == 0 || size_bytes == 0) {
      return unmet();
    }
    const std::uint64_t length = std::min(*last, size_bytes);
    return storage::ByteRange{.offset_bytes = size_bytes - length, .length_bytes = length};
  }
  const bool is_open = dash + 1 == header.size();
  if (!first || (!last && !is_open) || (last && *last < *first)) {
    return std::nullopt;
  }
  if (*first >= size_bytes) {
    return unmet();
  }
  const std::uint64_t end = is_open ? size_bytes - 1 : std::min(*last, size_bytes - 1);
  return storage::ByteRange{.offset_bytes = *first, .length_bytes = end - *first + 1};
}

Status StorageHandlers::check_writable(const RequestContext& context, const std::string& bucket,
                                       const std::string& key) {
  for (const std::string_view folder : kOwnFolders) {
    if (key.starts_with(folder)) {
      return fail(ErrorCode::FailedPrecondition,
                  fmt::format("'{}' is the server's own folder", folder), "Choose another key.");
    }
  }
  LH_ASSIGN_OR_RETURN(const std::string location, buckets_.location(bucket, key));
  LH_ASSIGN_OR_RETURN(const bool in_use, catalog_.location_in_use(context, location));
  if (in_use) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("'{}' belongs to a table, and only commits may change it", key),
                "Write to the table by SQL, ingest or an Iceberg client; or choose another key.");
  }
  return {};
}

net::awaitable<Result<Response>> StorageHandlers::list_buckets(Request) {
  json::array buckets;
  for (const storage::BucketConfig& bucket : buckets_.list()) {
    buckets.push_back(json::object{{"name", bucket.name},
                                   {"type", bucket.type},
                                   {"location", bucket.location},
                                   {"primary", bucket.name == buckets_.primary()}});
  }
  const json::object body{{"buckets", std::move(buckets)}};
  co_return json_response(200, body);
}

net::awaitable<Result<Response>> StorageHandlers::list_objects(Request request) {
  LH_ASSIGN_OR_CO_RETURN(storage::ObjectStore* const store,
                         buckets_.find(request.path_param("bucket")));
  LH_ASSIGN_OR_CO_RETURN(const auto limit, request.query_int("limit", 1, 10'000));
  auto list = [store, context = request.context,
               prefix = request.query_param("prefix").value_or(""),
               delimiter = request.query_param("delimiter").value_or(""),
               after = request.query_param("page_token").value_or(""),
               count = static_cast<std::size_t>(limit.value_or(1000))] {
    return store->list_objects(context, prefix, delimiter, after, count);
  };
  LH_ASSIGN_OR_CO_RETURN(const storage::ObjectList page,
                         co_await run_on(pools_.storage, std::move(list)));
  json::array objects;
  for (const storage::ObjectInfo& info : page.objects) {
    objects.push_back(json::object{{"key", info.key},
                                   {"size_bytes", info.size_bytes},
                                   {"etag", quoted(info.etag)},
                                   {"modified_at", iso_date(info.modified_at)}});
  }
  json::object body{
      {"objects", std::move(objects)},
      {"common_prefixes", json::array(page.common_prefixes.begin(), page.common_prefixes.end())}};
  if (!page.next_start_after.empty()) {
    body["next_page_token"] = page.next_start_after;
  }
  co_return json_response(200, body);
}

// Blocks: runs on the storage pool.
Result<Response> StorageHandlers::open(const Request& request, const std::string& bucket,
                                       const std::string& key) {
  LH_ASSIGN_OR_RETURN(storage::ObjectStore* const store, buckets_.find(bucket));
  LH_ASSIGN_OR_RETURN(const storage::ObjectInfo info, store->head_object(request.context, key));
  const std::string etag = quoted(info.etag);
  if (request.headers.has("If-Match") && !names_etag(request.header("If-Match"), etag)) {
    return std::unexpected(precondition_failed());
  }
  Response response;
  if (request.headers.has("If-None-Match") && names_etag(request.header("If-None-Match"), etag)) {
    response.status = 304;
    describe(response, info);
    response.body = std::string();
    return response;
  }
  std::optional<storage::ByteRange> range;
  if (request.headers.has("Range")) {
    auto parsed = parse_range(request.header("Range"), info.size_bytes);
    if (!parsed) {
      Response refusal = problem_response(parsed.error());
      refusal.headers.add("Content-Range", fmt::format("bytes */{}", info.size_bytes));
      return refusal;
    }
    range = *parsed;
  }
  LH_ASSIGN_OR_RETURN(auto reader, store->open_object(request.context, key, range));
  if (reader->info().etag != info.etag) {
    return fail(ErrorCode::Aborted, fmt::format("'{}' was replaced while it was opened", key),
                "Get it again.");
  }
  describe(response, info);
  response.headers.add("Content-Type", "application/octet-stream");
  const std::uint64_t size_bytes = range ? range->length_bytes : info.size_bytes;
  if (range) {
    response.status = 206;
    response.headers.add("Content-Range",
                         fmt::format("bytes {}-{}/{}", range->offset_bytes,
                                     range->offset_bytes + size_bytes - 1, info.size_bytes));
  }
  response.body = object_body(std::move(reader), size_bytes, pools_.storage);
  return response;
}

net::awaitable<Result<Response>> StorageHandlers::get_object(Request request) {
  auto work = [this, &request] {
    return open(request, request.path_param("bucket"), request.path_param("key"));
  };
  co_return co_await run_on(pools_.storage, std::move(work));
}

net::awaitable<Result<Response>> StorageHandlers::put_object(Request request) {
  const std::string& bucket = request.path_param("bucket");
  const std::string& key = request.path_param("key");
  LH_ASSIGN_OR_CO_RETURN(const storage::PutCondition condition, put_condition(request));
  auto create = [&]() -> Result<std::unique_ptr<storage::ObjectWriter>> {
    LH_ASSIGN_OR_RETURN(storage::ObjectStore* const store, buckets_.find(bucket));
    LH_RETURN_IF_ERROR(check_writable(request.context, bucket, key));
    return store->create_object(request.context, key);
  };
  LH_ASSIGN_OR_CO_RETURN(const auto writer, co_await run_on(pools_.storage, std::move(create)));
  std::vector<std::byte> buffer(kWriteBytes);
  std::uint64_t size_bytes = 0;
  for (bool at_end = false; !at_end;) {
    std::size_t filled = 0;
    while (filled < buffer.size() && !at_end) {
      const std::span<std::byte> room = std::span(buffer).subspan(filled);
      LH_ASSIGN_OR_CO_RETURN(const std::size_t count, co_await request.body->read_some(room));
      at_end = count == 0;
      filled += count;
    }
    size_bytes += filled;
    auto write = [&]() -> Result<bool> {
      LH_RETURN_IF_ERROR(writer->write(std::span(buffer).first(filled)));
      return true;
    };
    LH_CO_RETURN_IF_ERROR(co_await run_on(pools_.storage, std::move(write)));
  }
  auto commit = [&]() -> Result<storage::ETag> {
    // Again: a table may have been made there while the body came.
    LH_RETURN_IF_ERROR(check_writable(request.context, bucket, key));
    return writer->commit(request.context, condition);
  };
  auto etag = co_await run_on(pools_.storage, std::move(commit));
  if (!etag && condition.kind != storage::PutCondition::Kind::Always &&
      (etag.error().code == ErrorCode::AlreadyExists || etag.error().code == ErrorCode::Aborted ||
       etag.error().code == ErrorCode::NotFound)) {
    co_return std::unexpected(precondition_failed());
  }
  LH_CO_RETURN_IF_ERROR(etag);
  const json::object body{{"key", key}, {"size_bytes", size_bytes}, {"etag", quoted(*etag)}};
  Response response = json_response(200, body);
  response.headers.add("ETag", quoted(*etag));
  co_return response;
}

net::awaitable<Result<Response>> StorageHandlers::delete_object(Request request) {
  if (request.headers.has("If-Match") || request.headers.has("If-None-Match")) {
    co_return fail(ErrorCode::InvalidArgument, "a delete takes no condition");
  }
  auto work = [&]() -> Result<Response> {
    const std::string& bucket = request.path_param("bucket");
    const std::string& key = request.path_param("key");
    LH_ASSIGN_OR_RETURN(storage::ObjectStore* const store, buckets_.find(bucket));
    LH_RETURN_IF_ERROR(check_writable(request.context, bucket, key));
    LH_RETURN_IF_ERROR(store->delete_object(request.context, key));
    return empty_response(204);
  };
  co_return co_await run_on(pools_.storage, std::move(work));
}

void StorageHandlers::add_routes(Router& router) {
  router.add_schema("StoredObject", std::string(kObjectSchema));
  Route buckets;
  buckets.method = Method::Get;
  buckets.path = "/storage/buckets";
  buckets.operation_id = "listBuckets";
  buckets.summary = "The buckets";
  buckets.tag = "Object storage";
  buckets.responses = {
      {.status = 200,
       .description = "All of them, the primary one first.",
       .content = {{.media_type = "application/json",
                    .schema = R"({"type":"object","required":["buckets"],"properties":{"buckets":{
                      "type":"array","items":{"type":"object",
                      "required":["name","type","location","primary"],"properties":{
                      "name":{"type":"string"},"type":{"type":"string"},
                      "location":{"type":"string"},"primary":{"type":"boolean"}}}}}})",
                    .example = {}}},
       .headers = {}}};
  buckets.handler = [this](Request request) { return list_buckets(std::move(request)); };
  router.add(std::move(buckets));

  Route list;
  list.method = Method::Get;
  list.path = "/storage/buckets/{bucket}/objects";
  list.operation_id = "listObjects";
  list.summary = "The objects of a bucket";
  list.tag = "Object storage";
  list.parameters = {
      bucket_parameter(),
      {.name = "prefix", .description = "Only keys that begin so."},
      {.name = "delimiter",
       .description = "Keys that hold it after the prefix are rolled up into common_prefixes."},
      {.name = "limit",
       .description = "At most so many keys and prefixes; 1000 if not given.",
       .schema = R"({"type":"integer","minimum":1,"maximum":10000})"},
      {.name = "page_token", .description = "The next_page_token of the page before."}};
  list.responses = {
      {.status = 200,
       .description = "One page, in byte order of the keys.",
       .content = {{.media_type = "application/json",
                    .schema = R"({"type":"object","required":["objects","common_prefixes"],
                      "properties":{"objects":{"type":"array","items":
                      {"$ref":"#/components/schemas/StoredObject"}},"common_prefixes":{
                      "type":"array","items":{"type":"string"}},
                      "next_page_token":{"type":"string"}}})",
                    .example = {}}},
       .headers = {}}};
  list.errors = {404};
  list.handler = [this](Request request) { return list_objects(std::move(request)); };
  router.add(std::move(list));
  add_object_routes(router);
}

void StorageHandlers::add_object_routes(Router& router) {
  const std::string path = "/storage/buckets/{bucket}/objects/{*key}";
  const ContentSpec bytes{.media_type = "application/octet-stream", .schema = "{}", .example = {}};
  const std::vector<ParameterSpec> etag_header = {header_parameter("ETag", "Its version.")};

  Route get;
  get.method = Method::Get;
  get.path = path;
  get.operation_id = "getObject";
  get.summary = "An object's bytes, or one range of them";
  get.tag = "Object storage";
  get.parameters = {bucket_parameter(), key_parameter(),
                    header_parameter("Range", "One range: bytes=0-99, bytes=100-, bytes=-100."),
                    header_parameter("If-Match", "412 unless it is this version."),
                    header_parameter("If-None-Match", "304 if it is this version.")};
  get.responses = {
      {.status = 200, .description = "All of it.", .content = {bytes}, .headers = etag_header},
      {.status = 206, .description = "The range.", .content = {bytes}, .headers = etag_header},
      {.status = 304, .description = "Not changed.", .content = {}, .headers = etag_header}};
  get.errors = {404, 409, 412, 416};
  get.handler = [this](Request request) { return get_object(std::move(request)); };
  router.add(std::move(get));

  Route put;
  put.method = Method::Put;
  put.path = path;
  put.operation_id = "putObject";
  put.summary = "Store an object, whole or not at all";
  put.description = "What belongs to a table, and the folders _staging and _rejects, is refused.";
  put.tag = "Object storage";
  put.parameters = {bucket_parameter(), key_parameter(),
                    header_parameter("If-Match", "412 unless the object is this version now."),
                    header_parameter("If-None-Match", "Only \"*\": 412 if there is an object.")};
  put.request = {bytes};
  put.request_required = false;
  put.responses = {
      {.status = 200,
       .description = "It is durable.",
       .content = {{.media_type = "application/json",
                    .schema = R"({"type":"object","required":["key","size_bytes","etag"],
                      "properties":{"key":{"type":"string"},"size_bytes":{"type":"integer"},
                      "etag":{"type":"string"}}})",
                    .example = {}}},
       .headers = etag_header}};
  put.errors = {404, 408, 409, 412, 413};
  put.handler = [this](Request request) { return put_object(std::move(request)); };
  router.add(std::move(put));

  Route remove;
  remove.method = Method::Delete;
  remove.path = path;
  remove.operation_id = "deleteObject";
  remove.summary = "Remove an object";
  remove.description = "Success, too, if there is none.";
  remove.tag = "Object storage";
  remove.parameters = {bucket_parameter(), key_parameter()};
  remove.responses = {{.status = 204, .description = "It is not there.", .content = {}}};
  remove.errors = {404, 409};
  remove.handler = [this](Request request) { return delete_object(std::move(request)); };
  router.add(std::move(remove));
}

}  // namespace lakehouse::gateway::http
