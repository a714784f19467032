#include "gateway/http/ingest_handlers.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

#include <boost/asio/this_coro.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "gateway/http/multipart.h"
#include "gateway/http/piece_writer.h"
#include "gateway/http/receipts.h"

namespace lakehouse::gateway::http {

namespace {

namespace json = boost::json;
using ingest::IngestOptions;
using ingest::IngestResult;

/// A piece goes to a thread when it is this long: fewer hops, and little memory.
constexpr std::size_t kPieceBytes = std::size_t{1} << 20U;
constexpr std::size_t kReadBytes = std::size_t{256} << 10U;
constexpr std::size_t kSourceBytesMax = 255;
constexpr std::size_t kFieldBytesMax = std::size_t{64} << 10U;

constexpr std::string_view kIngestAnswer = R"({
  "type":"object","required":["dataset","snapshot_id","rows","bad_rows","columns","duplicate",
    "created","schema_fingerprint","pii","warnings"],"properties":{
  "dataset":{"type":"string"},
  "snapshot_id":{"type":["integer","null"],"description":"Null if there was no row."},
  "rows":{"type":"integer"},"bad_rows":{"type":"integer"},
  "bad_rows_object":{"type":"string","description":"Where the bad rows are kept, as NDJSON."},
  "columns":{"type":"array","items":{"type":"object","required":["name","type"],"properties":{
    "name":{"type":"string"},"type":{"type":"string"},
    "original":{"type":"string","description":"The file's name of it, where it differs."}}}},
  "duplicate":{"type":"boolean","description":"The same file was there already."},
  "schema_fingerprint":{"type":"string","description":"Of the dataset's shape."},
  "file_fingerprint":{"type":"string","description":"Of the file's: equal if it has that shape."},
  "created":{"type":"boolean"},
  "pii":{"type":"array","description":"Personal data in the rows, as far as a sample tells.",
    "items":{"type":"object","required":["column","kind","confidence","reason"],"properties":{
    "column":{"type":"string"},"kind":{"type":"string"},"confidence":{"type":"number"},
    "reason":{"type":"string"}}}},
  "warnings":{"type":"array","items":{"type":"string"}}}})";

constexpr std::string_view kIngestForm = R"({
  "type":"object","additionalProperties":false,"required":["file","dataset"],"properties":{
  "file":{"type":"string","contentMediaType":"application/octet-stream",
    "description":"CSV, JSON, NDJSON or Parquet; gzip and zstd are unpacked."},
  "dataset":{"type":"string","minLength":1,"description":"namespace.table, or a table of main."},
  "mode":{"type":"string","enum":["append","replace","create"],"default":"append"},
  "max_bad_rows":{"type":"string","default":"1%","description":"A share (0.5%) or a count."},
  "nested":{"type":"string","enum":["flatten","struct"],"default":"flatten",
    "description":"What nested JSON objects become: columns a.b, or structs."},
  "source":{"type":"string","minLength":1,"maxLength":255,
    "description":"The system that the file is from, such as crm: for the dataset's lineage."},
  "delimiter":{"type":"string","maxLength":1,"description":"Of CSV; else it is detected."},
  "header":{"type":"string","enum":["true","false"],
    "description":"Whether CSV has a header; else it is detected."}}})";

constexpr std::string_view kRowsAnswer = R"({
  "type":"object","required":["acknowledged","sequence","snapshot_id"],"properties":{
  "acknowledged":{"type":"integer","description":"Rows that are durable now."},
  "sequence":{"type":"integer","description":"The dataset's sequence number after them."},
  "snapshot_id":{"type":["integer","null"]}}})";

std::string body_of(const IngestResult& result) {
  json::array columns;
  for (const ingest::IngestColumn& column : result.columns) {
    json::object one{{"name", column.name}, {"type", column.type}};
    if (!column.original.empty()) {
      one["original"] = column.original;
    }
    columns.push_back(std::move(one));
  }
  json::array warnings;
  for (const std::string& warning : result.warnings) {
    warnings.emplace_back(warning);
  }
  json::object body;
  body["dataset"] = result.dataset;
  body["snapshot_id"] = result.snapshot_id ? json::value(*result.snapshot_id) : json::value();
  body["rows"] = result.rows;
  body["bad_rows"] = result.bad_rows;
  if (!result.bad_rows_object.empty()) {
    body["bad_rows_object"] = result.bad_rows_object;
  }
  body["columns"] = std::move(columns);
  body["duplicate"] = result.duplicate;
  body["schema_fingerprint"] = result.schema_fingerprint;
  if (!result.file_fingerprint.empty()) {
    body["file_fingerprint"] = result.file_fingerprint;
  }
  body["created"] = result.created;
  json::array pii;
  for (const catalog::PiiFinding& finding : result.pii) {
    pii.push_back(json::object{{"column", finding.column},
                               {"kind", std::string(to_string(finding.kind))},
                               {"confidence", finding.confidence},
                               {"reason", finding.reason}});
  }
  body["pii"] = std::move(pii);
  body["warnings"] = std::move(warnings);
  return json::serialize(body);
}

std::string rows_body_of(const IngestResult& result) {
  json::object body;
  body["acknowledged"] = result.rows;
  body["sequence"] = result.sequence_number;
  body["snapshot_id"] = result.snapshot_id ? json::value(*result.snapshot_id) : json::value();
  return json::serialize(body);
}

/// "[]", with any white space: a batch without rows.
bool is_empty_array(std::string_view text) {
  std::string plain;
  for (const char c : text.substr(0, 1024)) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      plain += c;
    }
  }
  return plain == "[]" && text.size() <= 1024;
}

std::unexpected<Error> wrong_media_type(std::string_view wanted) {
  Error error{.code = ErrorCode::InvalidArgument,
              .message = fmt::format("the body must be {}", wanted),
              .hint = {},
              .position_bytes = std::nullopt,
              .details_json = {}};
  return std::unexpected(with_http_status(std::move(error), 415));
}

/// Limits of a file are 413, which is finer than our code.
Error with_upload_status(Error error) {
  return error.code == ErrorCode::ResourceExhausted &&
                 (error.message.contains("longer than") || error.message.contains("too large"))
             ? with_http_status(std::move(error), 413)
             : error;
}

Status check_source(const std::string& source) {
  const bool is_printable = std::ranges::none_of(
      source, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  if (source.size() <= kSourceBytesMax && is_valid_utf8(source) && is_printable) {
    return {};
  }
  return fail(ErrorCode::InvalidArgument,
              fmt::format("source is longer than {} bytes, or no plain text", kSourceBytesMax),
              "Give the name of the system that the file is from, such as crm.");
}

ContentSpec content(std::string_view media_type, std::string_view schema) {
  return {.media_type = std::string(media_type), .schema = std::string(schema)};
}

std::vector<ParameterSpec> write_headers() {
  return {{.in = ParameterSpec::In::Header,
           .name = "Idempotency-Key",
           .description = "A repetition with the same key is answered the same and does nothing."}};
}

}  // namespace

/// The fields of an upload's form.
struct IngestHandlers::Form {
  std::map<std::string, std::string, std::less<>> fields;
  bool has_file = false;
  std::string file_name;

  [[nodiscard]] std::string get(std::string_view name, std::string_view otherwise = {}) const {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string(otherwise) : found->second;
  }

  [[nodiscard]] Status check_names() const {
    static constexpr std::array names = {"dataset",   "mode",   "max_bad_rows", "nested",
                                         "delimiter", "header", "source"};
    const std::vector<std::string> known(names.begin(), names.end());
    for (const auto& [name, value] : fields) {
      if (std::ranges::find(known, name) == known.end()) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("the form has an unknown field '{}'", name.substr(0, 80)),
                    did_you_mean(name, known));
      }
    }
    return {};
  }

  [[nodiscard]] Result<IngestOptions> options() const {
    if (!has_file) {
      return fail(ErrorCode::InvalidArgument, "the form has no part 'file'");
    }
    IngestOptions options;
    options.dataset = get("dataset");
    if (options.dataset.empty()) {
      return fail(ErrorCode::InvalidArgument, "the form has no field 'dataset'",
                  "Say where the rows go: namespace.table, or a table of main.");
    }
    LH_ASSIGN_OR_RETURN(options.mode, ingest::ingest_mode_from(get("mode", "append")));
    LH_ASSIGN_OR_RETURN(options.bad_rows_max,
                        ingest::parse_bad_row_limit(get("max_bad_rows", "1%")));
    const std::string nested = get("nested", "flatten");
    if (nested != "flatten" && nested != "struct") {
      return fail(ErrorCode::InvalidArgument, fmt::format("nested is '{}'", nested.substr(0, 40)),
                  "Give flatten or struct.");
    }
    options.reader.flatten = nested == "flatten";
    options.reader.delimiter = get("delimiter");
    if (options.reader.delimiter.size() > 1) {
      return fail(ErrorCode::InvalidArgument, "delimiter is longer than one character");
    }
    if (const std::string header = get("header"); !header.empty()) {
      if (header != "true" && header != "false") {
        return fail(ErrorCode::InvalidArgument, "header is neither true nor false");
      }
      options.reader.header = header == "true";
    }
    options.file_name = file_name;
    options.source = get("source");
    LH_RETURN_IF_ERROR(check_source(options.source));
    return options;
  }
};

void IngestHandlers::add_routes(Router& router) {
  router.add_schema("IngestResult", std::string(kIngestAnswer));
  const std::string answer = R"({"$ref":"#/components/schemas/IngestResult"})";
  std::vector<ParameterSpec> file_parameters = write_headers();
  file_parameters.push_back({.in = ParameterSpec::In::Header,
                             .name = "X-Lakehouse-Bucket",
                             .description = "The bucket of a dataset that is made."});
  router.add({.method = Method::Post,
              .path = "/ingest/file",
              .operation_id = "ingestFile",
              .summary = "Put a file's rows into a dataset",
              .tag = "ingest",
              .description =
                  "All of its rows but the bad ones, in one commit. Bad rows are counted, the "
                  "first ones are in the warnings, and all are kept aside. New columns are added, "
                  "and types widened where that loses nothing.",
              .parameters = std::move(file_parameters),
              .request = {content("multipart/form-data", kIngestForm)},
              .responses = {{.status = 201,
                             .description = "The rows are there.",
                             .content = {content("application/json", answer)}},
                            {.status = 200,
                             .description = "The same file was there already.",
                             .content = {content("application/json", answer)}}},
              .errors = {404, 409, 413, 415, 422, 504},
              .handler = [this](Request request) { return ingest_file(std::move(request)); }});
  std::vector<ParameterSpec> rows_parameters = write_headers();
  router.add(
      {.method = Method::Post,
       .path = "/datasets/{name}/rows",
       .operation_id = "appendRows",
       .summary = "Append rows to a dataset",
       .tag = "ingest",
       .description = "An object, an array of objects, or one object a line. All of them or none; "
                      "durable and visible when they are acknowledged.",
       .parameters = std::move(rows_parameters),
       .request = {content("application/json", R"({"anyOf":[{"type":"object"},)"
                                               R"({"type":"array","items":{"type":"object"}}]})"),
                   content("application/x-ndjson", R"({"type":"string"})")},
       .responses = {{.status = 200,
                      .description = "The rows are there.",
                      .content = {content("application/json", kRowsAnswer)}}},
       .errors = {404, 409, 413, 415, 422, 504},
       .handler = [this](Request request) { return append_rows(std::move(request)); }});
}

net::awaitable<Result<IngestHandlers::UploadPtr>> IngestHandlers::stage(const Request& request,
                                                                        std::string bucket) {
  ingest::Upload::Limits limits;
  const std::optional<std::uint64_t> size = request.body->size_bytes();
  if (size && *size > limits.bytes_max) {
    Error error{.code = ErrorCode::ResourceExhausted,
                .message = fmt::format("the file is longer than {} bytes", limits.bytes_max),
                .hint = {},
                .position_bytes = std::nullopt,
                .details_json = {}};
    co_return std::unexpected(with_upload_status(std::move(error)));
  }
  auto work = [this, limits, bucket = std::move(bucket)] { return service_.stage(bucket, limits); };
  LH_ASSIGN_OR_CO_RETURN(std::unique_ptr<ingest::Upload> upload,
                         co_await run_on(pools_.storage, std::move(work)));
  co_return UploadPtr(std::move(upload));
}

net::awaitable<Status> IngestHandlers::receive_form(Request& request, UploadPtr upload,
                                                    Form* form) {
  auto parser = MultipartParser::of(request.header("Content-Type"));
  if (!parser) {
    co_return std::unexpected(parser.error());
  }
  const net::any_io_executor loop = co_await net::this_coro::executor;
  PieceWriter writer(std::move(upload), pools_.storage, loop);
  std::string buffer(kReadBytes, '\0');
  std::string piece;
  std::string field;
  bool in_file = false;
  while (true) {
    const auto bytes = std::as_writable_bytes(std::span(buffer));
    LH_ASSIGN_OR_CO_RETURN(const std::size_t got, co_await request.body->read_some(bytes));
    if (got == 0) {
      break;
    }
    LH_ASSIGN_OR_CO_RETURN(auto events, parser->push(std::string_view(buffer).substr(0, got)));
    for (MultipartParser::Event& event : events) {
      if (event.kind == MultipartParser::Event::Kind::PartBegin) {
        in_file = event.header.name == "file";
        field = event.header.name;
        const bool twice = in_file ? form->has_file : !form->fields.emplace(field, "").second;
        if (twice) {
          co_return fail(ErrorCode::InvalidArgument,
                         fmt::format("the form has the part '{}' twice", field.substr(0, 80)));
        }
        if (in_file) {
          form->has_file = true;
          form->file_name = event.header.file_name;
        }
      } else if (event.kind == MultipartParser::Event::Kind::Data && in_file) {
        piece += event.data;
        if (piece.size() >= kPieceBytes) {
          LH_CO_RETURN_IF_ERROR(co_await writer.write(&piece));
        }
      } else if (event.kind == MultipartParser::Event::Kind::Data) {
        std::string& value = form->fields[field];
        value += event.data;
        if (value.size() > kFieldBytesMax) {
          co_return fail(ErrorCode::InvalidArgument,
                         fmt::format("the form's field '{}' is too long", field.substr(0, 80)));
        }
      }
    }
  }
  LH_CO_RETURN_IF_ERROR(parser->finish());
  if (!piece.empty()) {
    LH_CO_RETURN_IF_ERROR(co_await writer.write(&piece));
  }
  LH_CO_RETURN_IF_ERROR(co_await writer.finish());
  co_return form->check_names();
}

net::awaitable<Status> IngestHandlers::receive_body(Request& request, UploadPtr upload) {
  const net::any_io_executor loop = co_await net::this_coro::executor;
  PieceWriter writer(std::move(upload), pools_.storage, loop);
  std::string piece;
  std::string buffer(kReadBytes, '\0');
  while (true) {
    const auto bytes = std::as_writable_bytes(std::span(buffer));
    LH_ASSIGN_OR_CO_RETURN(const std::size_t got, co_await request.body->read_some(bytes));
    piece.append(buffer, 0, got);
    if (piece.size() >= kPieceBytes || (got == 0 && !piece.empty())) {
      LH_CO_RETURN_IF_ERROR(co_await writer.write(&piece));
    }
    if (got == 0) {
      co_return co_await writer.finish();
    }
  }
}

net::awaitable<Result<Response>> IngestHandlers::ingest_file(Request request) {
  if (request.content_type() != "multipart/form-data") {
    co_return wrong_media_type("multipart/form-data with a part 'file' and a field 'dataset'");
  }
  LH_ASSIGN_OR_CO_RETURN(const std::string key, idempotency_key(request));
  const std::string bucket(request.header("X-Lakehouse-Bucket"));
  LH_ASSIGN_OR_CO_RETURN(const UploadPtr upload, co_await stage(request, bucket));
  Form form;
  Status received = co_await receive_form(request, upload, &form);
  if (!received) {
    co_return std::unexpected(with_upload_status(std::move(received).error()));
  }
  if (!bucket.empty()) {
    form.fields["bucket"] = bucket;
  }
  auto work = [this, context = request.context, upload, form = std::move(form), key] {
    return finish_file(context, upload, form, key);
  };
  co_return co_await run_on(pools_.engine, std::move(work));
}

Result<Response> IngestHandlers::finish_file(const RequestContext& context, const UploadPtr& upload,
                                             const Form& form, const std::string& key) {
  LH_ASSIGN_OR_RETURN(IngestOptions options, form.options());
  options.bucket = form.get("bucket");
  if (Status finished = upload->finish(form.file_name); !finished) {
    return std::unexpected(with_upload_status(std::move(finished).error()));
  }
  std::string what = "POST /ingest/file\n" + upload->sha256();
  for (const auto& [name, value] : form.fields) {
    what += "\n" + name + "=" + value;
  }
  ReceiptKeeper receipts(catalog_, context, key, what);
  LH_ASSIGN_OR_RETURN(std::optional<Response> earlier, receipts.earlier());
  if (earlier) {
    return *std::move(earlier);
  }
  bool kept = false;
  options.also = [&](metastore::Transaction& transaction, const IngestResult& result) {
    kept = true;
    return receipts.keep(transaction, 201, body_of(result));
  };
  const Result<IngestResult> result = service_.ingest(context, *upload, options);
  if (!result) {
    // A twin with the same key may have been quicker: then its answer is the answer.
    LH_ASSIGN_OR_RETURN(std::optional<Response> twin, receipts.earlier());
    return twin ? Result<Response>(*std::move(twin)) : std::unexpected(result.error());
  }
  const int status = result->duplicate ? 200 : 201;
  std::string body = body_of(*result);
  if (!kept || result->duplicate) {
    receipts.keep_after(status, body);
  }
  return json_text_response(status, std::move(body));
}

net::awaitable<Result<Response>> IngestHandlers::append_rows(Request request) {
  const std::string type = request.content_type();
  const bool lines = type == "application/x-ndjson" || type == "application/jsonl" ||
                     type == "application/x-jsonlines";
  if (!lines && type != "application/json") {
    co_return wrong_media_type("application/json or application/x-ndjson");
  }
  LH_ASSIGN_OR_CO_RETURN(const std::string key, idempotency_key(request));
  LH_ASSIGN_OR_CO_RETURN(const UploadPtr upload, co_await stage(request, {}));
  Status received = co_await receive_body(request, upload);
  if (!received) {
    co_return std::unexpected(with_upload_status(std::move(received).error()));
  }
  IngestOptions options;
  options.dataset = request.path_param("name");
  options.bad_rows_max = {.is_share = false, .share = 0, .count = 0};
  options.deduplicate = false;
  options.may_create = false;
  options.may_add_columns = false;
  options.file_name = lines ? "rows.ndjson" : "rows.json";
  auto work = [this, context = request.context, upload, options = std::move(options), key] {
    return finish_rows(context, upload, options, key);
  };
  co_return co_await run_on(pools_.engine, std::move(work));
}

Result<Response> IngestHandlers::finish_rows(const RequestContext& context, const UploadPtr& upload,
                                             IngestOptions options, const std::string& key) {
  // First, since a body that cannot be read at all says less.
  LH_ASSIGN_OR_RETURN(const catalog::TableIdentifier table,
                      catalog_.resolve_dataset(context, options.dataset));
  if (Status finished = upload->finish(options.file_name); !finished) {
    return std::unexpected(with_upload_status(std::move(finished).error()));
  }
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable loaded, catalog_.load_table(context, table));
  // Nested objects are what the dataset has: structs, or columns named "a.b".
  options.reader.flatten = std::ranges::none_of(
      loaded.metadata->current_schema()->fields, [](const iceberg::NestedField& field) {
        return field.type->kind == iceberg::TypeKind::Struct;
      });
  options.file_name.clear();
  const std::string what = fmt::format("POST rows {}\n{}", to_string(table), upload->sha256());
  ReceiptKeeper receipts(catalog_, context, key, what);
  LH_ASSIGN_OR_RETURN(std::optional<Response> earlier, receipts.earlier());
  if (earlier) {
    return *std::move(earlier);
  }
  if (is_empty_array(upload->head())) {
    IngestResult nothing;
    nothing.sequence_number = loaded.metadata->last_sequence_number;
    nothing.snapshot_id = loaded.metadata->current_snapshot_id;
    std::string body = rows_body_of(nothing);
    receipts.keep_after(200, body);
    return json_text_response(200, std::move(body));
  }
  bool kept = false;
  options.also = [&](metastore::Transaction& transaction, const IngestResult& result) {
    kept = true;
    return receipts.keep(transaction, 200, rows_body_of(result));
  };
  const Result<IngestResult> result = service_.ingest(context, *upload, options);
  if (!result) {
    LH_ASSIGN_OR_RETURN(std::optional<Response> twin, receipts.earlier());
    return twin ? Result<Response>(*std::move(twin)) : std::unexpected(result.error());
  }
  std::string body = rows_body_of(*result);
  if (!kept) {
    receipts.keep_after(200, body);
  }
  return json_text_response(200, std::move(body));
}

}  // namespace lakehouse::gateway::http
