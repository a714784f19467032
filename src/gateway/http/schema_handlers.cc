#include "gateway/http/schema_handlers.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "gateway/http/paging.h"
#include "gateway/http/receipts.h"
#include "gateway/http/registry_json.h"
#include "iceberg/type_mapping.h"

namespace lakehouse::gateway::http {

namespace {

namespace json = boost::json;
using catalog::MigrationRule;
using ingest::DiffAnswer;
using ingest::MigrateAnswer;

constexpr std::string_view kRename = R"({
  "type":"object","required":["from","to","confidence","evidence"],"properties":{
  "from":{"type":"string"},"to":{"type":"string"},
  "confidence":{"type":"number","minimum":0,"maximum":1},
  "evidence":{"type":"array","items":{"$ref":"#/components/schemas/SchemaEvidence"}}}})";

constexpr std::string_view kEvidence = R"({
  "type":"object","required":["kind","detail","weight"],"properties":{
  "kind":{"type":"string","description":"name, type, values, overlap, position, rivals or id."},
  "detail":{"type":"string"},
  "weight":{"type":"number","description":"Log-odds: above 0 speaks for it."}}})";

constexpr std::string_view kRule = R"({
  "type":"object","additionalProperties":false,"required":["kind","column"],"properties":{
  "kind":{"type":"string","enum":["rename","widen","cast","default","drop","add"]},
  "column":{"type":"string","minLength":1},
  "to":{"type":["string","null"],"description":"rename: the new name. cast: the file's name of it."},
  "type":{"type":["string","null"],"description":"widen, add: as SQL calls it."},
  "value":{"type":["string","null"],"description":"default: as text; null is NULL."},
  "only_in_files":{"type":["boolean","null"],
    "description":"rename: the table keeps its name, and files may have the other."},
  "confidence":{"type":["number","null"],"description":"Of a proposal; not read."},
  "recommended":{"type":["boolean","null"],"description":"Of a proposal; not read."},
  "reason":{"type":["string","null"],"description":"Of a proposal; not read."},
  "sql":{"type":["string","null"],"description":"Of a proposal; not read."}}})";

constexpr std::string_view kDiffRequest = R"({
  "type":"object","additionalProperties":false,"required":["dataset"],
  "description":"Exactly one of columns, sample, sample_base64 and snapshot_id.","properties":{
  "dataset":{"type":"string","minLength":1},
  "columns":{"type":["array","null"],"minItems":1,"items":{"type":"object",
    "additionalProperties":false,"required":["name","type"],"properties":{
    "name":{"type":"string","minLength":1},"type":{"type":"string","description":"As SQL calls it."},
    "required":{"type":["boolean","null"]},
    "values":{"type":["array","null"],"description":"Some of its values.",
      "items":{"type":["string","number","boolean","null"]}}}}},
  "sample":{"description":"Rows as objects, or the text of a file or of its first lines.",
    "type":["array","string","null"],"items":{"type":"object"}},
  "sample_base64":{"type":["string","null"],"description":"A file that is no text: Parquet, gzip."},
  "file_name":{"type":["string","null"]},
  "nested":{"type":["string","null"],"enum":["flatten","struct",null]},
  "snapshot_id":{"type":["integer","null"],"description":"What changed since then."},
  "source":{"type":["string","null"],"maxLength":255,
    "pattern":"^[^\\u0000-\\u001f\\u007f]*$","description":"Whose rules hold; else as the file's name says."}}})";

constexpr std::string_view kDiffAnswer = R"({
  "type":"object","required":["dataset","source","schema_id","schema_fingerprint",
    "other_fingerprint","same_shape","added","removed","retyped","renamed","unclear","splits",
    "rules","prompt"],"properties":{
  "dataset":{"type":"string"},"source":{"type":"string"},"schema_id":{"type":"integer"},
  "schema_fingerprint":{"type":"string"},"other_fingerprint":{"type":"string"},
  "same_shape":{"type":"boolean"},
  "added":{"type":"array","items":{"type":"string"}},
  "removed":{"type":"array","items":{"type":"string"}},
  "retyped":{"type":"array","items":{"type":"object",
    "required":["from","to","from_type","to_type","change"],"properties":{
    "from":{"type":"string"},"to":{"type":"string"},"from_type":{"type":"string"},
    "to_type":{"type":"string"},"change":{"type":"string","enum":["widens","fits","casts"]},
    "share_fits":{"type":["number","null"]}}}},
  "renamed":{"type":"array","items":{"$ref":"#/components/schemas/SchemaRename"}},
  "unclear":{"type":"array","items":{"$ref":"#/components/schemas/SchemaRename"}},
  "splits":{"type":"array","items":{"type":"object",
    "required":["whole","parts","merged","confidence","evidence"],"properties":{
    "whole":{"type":"string"},"parts":{"type":"array","items":{"type":"string"}},
    "merged":{"type":"boolean","description":"The parts are the old columns."},
    "confidence":{"type":"number"},
    "evidence":{"type":"array","items":{"$ref":"#/components/schemas/SchemaEvidence"}}}}},
  "headers":{"type":"object","additionalProperties":{"type":"string"},
    "description":"The file's own names, where they differ."},
  "rules":{"type":"array","items":{"$ref":"#/components/schemas/SchemaRuleProposal"}},
  "prompt":{"type":["string","null"],
    "description":"For a language model, about what is unclear; holds no values."}}})";

constexpr std::string_view kMigrateRequest = R"({
  "type":"object","additionalProperties":false,"required":["dataset","rules"],"properties":{
  "dataset":{"type":"string","minLength":1},
  "source":{"type":["string","null"],"maxLength":255,
    "pattern":"^[^\\u0000-\\u001f\\u007f]*$","description":"Whose files it is remembered for; else for all."},
  "rules":{"type":"array","minItems":1,"maxItems":10000,
    "items":{"$ref":"#/components/schemas/SchemaRuleProposal"}},
  "schema_id":{"type":["integer","null"],"description":"409 if the dataset has another one now."},
  "dry_run":{"type":["boolean","null"]}}})";

constexpr std::string_view kKeptRule = R"({
  "type":"object","required":["source","kind","header","field_id","value","principal",
    "created_at"],"properties":{
  "source":{"type":"string","description":"Empty: for files from wherever."},
  "kind":{"type":"string","enum":["rename","cast","default","drop"]},
  "header":{"type":"string"},"field_id":{"type":["integer","null"]},
  "value":{"type":["string","null"]},"principal":{"type":"string"},
  "created_at":{"type":"string","format":"date-time"}}})";

constexpr std::string_view kMigrateAnswer = R"({
  "type":"object","required":["dataset","source","schema_id","schema_fingerprint","changed",
    "dry_run","sql","remembered"],"properties":{
  "dataset":{"type":"string"},"source":{"type":"string"},"schema_id":{"type":"integer"},
  "schema_fingerprint":{"type":"string"},"changed":{"type":"boolean"},
  "dry_run":{"type":"boolean"},"sql":{"type":"array","items":{"type":"string"}},
  "remembered":{"type":"array","items":{"$ref":"#/components/schemas/SchemaRuleKept"}}}})";

constexpr std::string_view kRulesPage = R"({
  "type":"object","required":["dataset","rules","next_page_token"],"properties":{
  "dataset":{"type":"string"},
  "rules":{"type":"array","items":{"$ref":"#/components/schemas/SchemaRuleKept"}},
  "next_page_token":{"type":["string","null"]}}})";

constexpr std::string_view kDiffExample = R"({"dataset":"main.sample","columns":[
  {"name":"id","type":"BIGINT"},
  {"name":"full_name","type":"VARCHAR","values":["Ann","Bob"]}]})";

constexpr std::string_view kMigrateExample = R"({"dataset":"main.sample","source":"crm","rules":[
  {"kind":"rename","column":"name","to":"full_name","only_in_files":true}]})";

/// To three digits: more says nothing.
double rounded(double value) {
  constexpr double kThousand = 1000;
  return std::round(value * kThousand) / kThousand;
}

json::array to_array(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) {
    out.emplace_back(text);
  }
  return out;
}

json::array to_array(const std::vector<catalog::Evidence>& evidence) {
  json::array out;
  for (const catalog::Evidence& one : evidence) {
    out.push_back(
        json::object{{"kind", one.kind}, {"detail", one.detail}, {"weight", rounded(one.weight)}});
  }
  return out;
}

json::array to_array(const std::vector<catalog::Rename>& renames) {
  json::array out;
  for (const catalog::Rename& one : renames) {
    out.push_back(json::object{{"from", one.from},
                               {"to", one.to},
                               {"confidence", rounded(one.confidence)},
                               {"evidence", to_array(one.evidence)}});
  }
  return out;
}

json::array to_array(const std::vector<catalog::Split>& splits) {
  json::array out;
  for (const catalog::Split& one : splits) {
    out.push_back(json::object{{"whole", one.whole},
                               {"parts", to_array(one.parts)},
                               {"merged", one.merged},
                               {"confidence", rounded(one.confidence)},
                               {"evidence", to_array(one.evidence)}});
  }
  return out;
}

json::array to_array(const std::vector<catalog::Retyped>& retyped) {
  json::array out;
  for (const catalog::Retyped& one : retyped) {
    out.push_back(json::object{
        {"from", one.from},
        {"to", one.to},
        {"from_type", iceberg::duckdb_type(*one.from_type)},
        {"to_type", iceberg::duckdb_type(*one.to_type)},
        {"change", to_string(one.change)},
        {"share_fits", one.share_fits ? json::value(rounded(*one.share_fits)) : json::value()}});
  }
  return out;
}

json::object to_object(const MigrationRule& rule, const std::string& sql) {
  json::object out{{"kind", to_string(rule.kind)}, {"column", rule.column}};
  if (!rule.to.empty()) {
    out["to"] = rule.to;
  }
  if (!rule.type.empty()) {
    out["type"] = rule.type;
  }
  if (rule.kind == MigrationRule::Kind::Default) {
    out["value"] = rule.value ? json::value(*rule.value) : json::value();
  }
  out["confidence"] = rounded(rule.confidence);
  out["recommended"] = rule.recommended;
  out["reason"] = rule.reason;
  out["sql"] = sql;
  return out;
}

json::object to_object(const catalog::SchemaRule& rule) {
  return {{"source", rule.source},
          {"kind", to_string(rule.kind)},
          {"header", rule.header},
          {"field_id", rule.field_id == 0 ? json::value() : json::value(rule.field_id)},
          {"value", rule.value ? json::value(*rule.value) : json::value()},
          {"principal", rule.principal},
          {"created_at", time_text(rule.created_at_ms)}};
}

json::array to_array(const std::vector<catalog::SchemaRule>& rules) {
  json::array out;
  for (const catalog::SchemaRule& rule : rules) {
    out.push_back(to_object(rule));
  }
  return out;
}

json::value to_value(const DiffAnswer& answer) {
  json::object headers;
  for (const auto& [name, header] : answer.headers) {
    if (name != header) {
      headers[name] = header;
    }
  }
  json::array rules;
  for (std::size_t i = 0; i < answer.rules.size(); ++i) {
    rules.push_back(to_object(answer.rules[i], answer.sql[i]));
  }
  return json::object{
      {"dataset", answer.dataset},
      {"source", answer.source},
      {"schema_id", answer.schema_id},
      {"schema_fingerprint", answer.schema_fingerprint},
      {"other_fingerprint", answer.other_fingerprint},
      {"same_shape", answer.schema_fingerprint == answer.other_fingerprint},
      {"added", to_array(answer.diff.added)},
      {"removed", to_array(answer.diff.removed)},
      {"retyped", to_array(answer.diff.retyped)},
      {"renamed", to_array(answer.diff.renamed)},
      {"unclear", to_array(answer.diff.unclear)},
      {"splits", to_array(answer.diff.splits)},
      {"headers", std::move(headers)},
      {"rules", std::move(rules)},
      {"prompt", answer.prompt.empty() ? json::value() : json::value(answer.prompt)}};
}

std::string body_of(const MigrateAnswer& answer) {
  const json::object body{
      {"dataset", answer.dataset},     {"source", answer.source},
      {"schema_id", answer.schema_id}, {"schema_fingerprint", answer.schema_fingerprint},
      {"changed", answer.changed},     {"dry_run", answer.dry_run},
      {"sql", to_array(answer.sql)},   {"remembered", to_array(answer.remembered)}};
  return json::serialize(body);
}

/// RFC 4648, section 4; white space is passed over.
Result<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text.substr(0, text.find('='))) {
    if (c == '\n' || c == '\r' || c == ' ') {
      continue;
    }
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) {
      return fail(ErrorCode::InvalidArgument, "sample_base64 is no base64");
    }
    bits = (bits << 6U) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>((bits >> count) & 0xFFU);
    }
  }
  return out;
}

/// Empty if there is none.
Result<std::string> checked_source(std::optional<std::string> source) {
  constexpr std::ptrdiff_t kCharactersMax = 255;
  constexpr unsigned char kDelete = 0x7F;
  const auto is_control = [](char c) {
    return static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) == kDelete;
  };
  const auto begins_character = [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  };
  std::string text = std::move(source).value_or("");
  if (std::ranges::any_of(text, is_control) ||
      std::ranges::count_if(text, begins_character) > kCharactersMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("source must have at most {} characters, and no control characters",
                            kCharactersMax));
  }
  return text;
}

Result<ingest::GivenColumn> decode_column(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a column"));
  ingest::GivenColumn column;
  LH_ASSIGN_OR_RETURN(column.name, fields.require_string("name"));
  LH_ASSIGN_OR_RETURN(column.type, fields.require_string("type"));
  LH_ASSIGN_OR_RETURN(const std::optional<bool> required, fields.optional_bool("required"));
  column.required = required.value_or(false);
  LH_ASSIGN_OR_RETURN(const json::array* values, fields.optional_array("values"));
  if (values != nullptr) {
    for (const json::value& one : *values) {
      if (one.is_object() || one.is_array()) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("column {}: a value must be no object and no array", column.name));
      }
      column.values.push_back(one.is_null()     ? std::nullopt
                              : one.is_string() ? std::optional(std::string(one.get_string()))
                                                : std::optional(json::serialize(one)));
    }
  }
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  return column;
}

/// The sample as the bytes of a file.
Status decode_sample(JsonFields& fields, ingest::DiffRequest* diff) {
  const json::value* sample = fields.optional_value("sample");
  LH_ASSIGN_OR_RETURN(const std::optional<std::string> base64,
                      fields.optional_string("sample_base64"));
  if (base64) {
    LH_ASSIGN_OR_RETURN(diff->sample, decode_base64(*base64));
  }
  if (sample == nullptr || sample->is_null()) {
    return {};
  }
  if (base64) {
    return fail(ErrorCode::InvalidArgument, "both 'sample' and 'sample_base64' are given");
  }
  if (sample->is_string()) {
    diff->sample = std::string(sample->get_string());
  } else if (sample->is_array()) {
    diff->sample = json::serialize(*sample);
    diff->reader.flatten = true;
  } else {
    return fail(ErrorCode::InvalidArgument, "'sample' must be a list of objects, or text");
  }
  return {};
}

Result<ingest::DiffRequest> decode_diff(const json::value& body) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  ingest::DiffRequest diff;
  LH_ASSIGN_OR_RETURN(diff.dataset, fields.require_string("dataset"));
  LH_ASSIGN_OR_RETURN(const json::array* columns, fields.optional_array("columns"));
  if (columns != nullptr) {
    diff.columns.emplace();
    for (const json::value& column : *columns) {
      LH_ASSIGN_OR_RETURN(ingest::GivenColumn given, decode_column(column));
      diff.columns->push_back(std::move(given));
    }
  }
  LH_ASSIGN_OR_RETURN(std::optional<std::string> nested, fields.optional_string("nested"));
  if (nested && *nested != "flatten" && *nested != "struct") {
    return fail(ErrorCode::InvalidArgument, "nested must be flatten or struct");
  }
  LH_RETURN_IF_ERROR(decode_sample(fields, &diff));
  diff.reader.flatten = nested.value_or("flatten") == "flatten";
  LH_ASSIGN_OR_RETURN(std::optional<std::string> file_name, fields.optional_string("file_name"));
  diff.file_name = std::move(file_name).value_or("");
  LH_ASSIGN_OR_RETURN(diff.snapshot_id, fields.optional_int64("snapshot_id"));
  LH_ASSIGN_OR_RETURN(std::optional<std::string> source, fields.optional_string("source"));
  LH_ASSIGN_OR_RETURN(diff.source, checked_source(std::move(source)));
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  return diff;
}

Result<MigrationRule> decode_rule(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a rule"));
  MigrationRule rule;
  LH_ASSIGN_OR_RETURN(const std::string kind, fields.require_string("kind"));
  const auto known = catalog::rule_kind_from(kind);
  if (!known) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a rule's kind is '{}'", kind.substr(0, 40)),
                "There are rename, widen, cast, default, drop and add.");
  }
  rule.kind = *known;
  LH_ASSIGN_OR_RETURN(rule.column, fields.require_string("column"));
  LH_ASSIGN_OR_RETURN(std::optional<std::string> to, fields.optional_string("to"));
  rule.to = std::move(to).value_or("");
  LH_ASSIGN_OR_RETURN(std::optional<std::string> type, fields.optional_string("type"));
  rule.type = std::move(type).value_or("");
  LH_ASSIGN_OR_RETURN(rule.value, fields.optional_string("value"));
  LH_ASSIGN_OR_RETURN(const std::optional<bool> only, fields.optional_bool("only_in_files"));
  rule.only_files = only.value_or(false);
  // What a proposal says beside; so that it can be sent back as it came.
  LH_RETURN_IF_ERROR(fields.optional_double("confidence"));
  LH_RETURN_IF_ERROR(fields.optional_bool("recommended"));
  LH_RETURN_IF_ERROR(fields.optional_string("reason"));
  LH_RETURN_IF_ERROR(fields.optional_string("sql"));
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  return rule;
}

Result<ingest::MigrateRequest> decode_migrate(const json::value& body) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  ingest::MigrateRequest migrate;
  LH_ASSIGN_OR_RETURN(migrate.dataset, fields.require_string("dataset"));
  LH_ASSIGN_OR_RETURN(std::optional<std::string> source, fields.optional_string("source"));
  LH_ASSIGN_OR_RETURN(migrate.source, checked_source(std::move(source)));
  LH_ASSIGN_OR_RETURN(const json::array* rules, fields.require_array("rules"));
  for (const json::value& one : *rules) {
    LH_ASSIGN_OR_RETURN(MigrationRule rule, decode_rule(one));
    migrate.rules.push_back(std::move(rule));
  }
  LH_ASSIGN_OR_RETURN(const std::optional<std::int64_t> schema_id,
                      fields.optional_int64("schema_id"));
  if (schema_id) {
    migrate.schema_id =
        static_cast<std::int32_t>(std::clamp<std::int64_t>(*schema_id, -1, 1 << 30));
  }
  LH_ASSIGN_OR_RETURN(const std::optional<bool> dry_run, fields.optional_bool("dry_run"));
  migrate.dry_run = dry_run.value_or(false);
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  return migrate;
}

ContentSpec content(std::string_view schema, std::string_view example = {}) {
  return {.media_type = "application/json",
          .schema = std::string(schema),
          .example = std::string(example)};
}

ParameterSpec dataset_parameter() {
  return {.in = ParameterSpec::In::Query,
          .name = "dataset",
          .description = "namespace.table, or a table of main.",
          .required = true};
}

Result<std::string> dataset_of(const Request& request) {
  std::optional<std::string> dataset = request.query_param("dataset");
  if (!dataset || dataset->empty()) {
    return fail(ErrorCode::InvalidArgument, "the parameter 'dataset' is missing");
  }
  return *std::move(dataset);
}

}  // namespace

void SchemaHandlers::add_routes(Router& router) {
  router.add_schema("SchemaEvidence", std::string(kEvidence));
  router.add_schema("SchemaRename", std::string(kRename));
  router.add_schema("SchemaRuleProposal", std::string(kRule));
  router.add_schema("SchemaRuleKept", std::string(kKeptRule));
  router.add(
      {.method = Method::Post,
       .path = "/catalog/schema/diff",
       .operation_id = "diffSchema",
       .summary = "What differs between a dataset and a file, a list of columns or a snapshot",
       .tag = "schema",
       .description = "Columns that are likely the same under two names are found by their "
                      "names, types, values and place. Changes nothing.",
       .request = {content(kDiffRequest, kDiffExample)},
       .responses = {{.status = 200,
                      .description = "The differences, and rules that would remove them.",
                      .content = {content(kDiffAnswer)}}},
       .errors = {404, 413, 415, 504},
       .handler = [this](Request request) { return diff(std::move(request)); }});
  router.add({.method = Method::Post,
              .path = "/catalog/schema/migrate",
              .operation_id = "migrateSchema",
              .summary = "Apply rules to a dataset as one schema change, and remember them",
              .tag = "schema",
              .parameters = {{.in = ParameterSpec::In::Header,
                              .name = "Idempotency-Key",
                              .description = "A repetition with the same key does nothing."}},
              .request = {content(kMigrateRequest, kMigrateExample)},
              .responses = {{.status = 200,
                             .description = "All of them hold now.",
                             .content = {content(kMigrateAnswer)}}},
              .errors = {404, 409, 413, 415, 422, 504},
              .handler = [this](Request request) { return migrate(std::move(request)); }});
  router.add({.method = Method::Get,
              .path = "/catalog/schema/rules",
              .operation_id = "listSchemaRules",
              .summary = "What is remembered about the columns of a dataset's files",
              .tag = "schema",
              .parameters = with_page_parameters({dataset_parameter()}),
              .responses = {{.status = 200,
                             .description = "One page of them.",
                             .content = {content(kRulesPage)}}},
              .errors = {404},
              .handler = [this](Request request) { return list_rules(std::move(request)); }});
  router.add({.method = Method::Delete,
              .path = "/catalog/schema/rules",
              .operation_id = "forgetSchemaRules",
              .summary = "Forget what is remembered about a source's files",
              .tag = "schema",
              .parameters = {dataset_parameter(),
                             {.in = ParameterSpec::In::Query,
                              .name = "source",
                              .description = "Whose; left out: the rules for all sources."}},
              .responses = {{.status = 204, .description = "Nothing is remembered of it now."}},
              .handler = [this](Request request) { return forget_rules(std::move(request)); }});
}

net::awaitable<Result<Response>> SchemaHandlers::diff(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(ingest::DiffRequest wanted, decode_diff(body));
  auto work = [this, context = request.context, wanted = std::move(wanted)] {
    return service_.diff(context, wanted);
  };
  LH_ASSIGN_OR_CO_RETURN(const DiffAnswer answer, co_await run_on(pools_.engine, std::move(work)));
  const json::value out = to_value(answer);
  co_return json_response(200, out);
}

net::awaitable<Result<Response>> SchemaHandlers::migrate(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const std::string key, idempotency_key(request));
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(ingest::MigrateRequest wanted, decode_migrate(body));
  std::string what = "POST /catalog/schema/migrate\n" + json::serialize(body);
  auto work = [this, context = request.context, wanted = std::move(wanted), key,
               what = std::move(what)] { return migrate_now(context, wanted, key, what); };
  co_return co_await run_on(pools_.storage, std::move(work));
}

Result<Response> SchemaHandlers::migrate_now(const RequestContext& context,
                                             const ingest::MigrateRequest& migrate,
                                             const std::string& key, const std::string& what) {
  ReceiptKeeper receipts(catalog_, context, key, what);
  LH_ASSIGN_OR_RETURN(std::optional<Response> earlier, receipts.earlier());
  if (earlier) {
    return *std::move(earlier);
  }
  const auto also = [&](metastore::Transaction& transaction, const MigrateAnswer& answer) {
    return receipts.keep(transaction, 200, body_of(answer));
  };
  const Result<MigrateAnswer> done = service_.migrate(context, migrate, also);
  if (!done) {
    LH_ASSIGN_OR_RETURN(std::optional<Response> twin, receipts.earlier());
    return twin ? Result<Response>(*std::move(twin)) : std::unexpected(done.error());
  }
  std::string body = body_of(*done);
  if (done->dry_run) {
    receipts.keep_after(200, body);
  }
  return json_text_response(200, std::move(body));
}

net::awaitable<Result<Response>> SchemaHandlers::list_rules(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const std::string dataset, dataset_of(request));
  LH_ASSIGN_OR_CO_RETURN(const catalog::PageRequest wanted, page_of(request));
  const std::string token = wanted.page_token.empty() ? "0" : wanted.page_token;
  std::size_t at = 0;
  const auto [end, problem] = std::from_chars(token.data(), token.data() + token.size(), at);
  if (problem != std::errc() || end != token.data() + token.size()) {
    co_return fail(ErrorCode::InvalidArgument, "page_token is none that a page gave");
  }
  auto work = [this, context = request.context, dataset] {
    return service_.rules(context, dataset);
  };
  LH_ASSIGN_OR_CO_RETURN(const std::vector<catalog::SchemaRule> all,
                         co_await run_on(pools_.storage, std::move(work)));
  at = std::min(at, all.size());
  const std::size_t count = std::min(wanted.limit, all.size() - at);
  json::array rules;
  for (std::size_t i = at; i < at + count; ++i) {
    rules.push_back(to_object(all[i]));
  }
  json::object body;
  body["dataset"] = dataset;
  body["rules"] = std::move(rules);
  body["next_page_token"] =
      at + count < all.size() ? json::value(std::to_string(at + count)) : json::value();
  const json::value answer(std::move(body));
  co_return json_response(200, answer);
}

net::awaitable<Result<Response>> SchemaHandlers::forget_rules(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const std::string dataset, dataset_of(request));
  const std::string source = request.query_param("source").value_or("");
  auto work = [this, context = request.context, dataset, source] {
    return service_.forget(context, dataset, source);
  };
  LH_CO_RETURN_IF_ERROR(co_await run_on(pools_.storage, std::move(work)));
  co_return empty_response(204);
}

}  // namespace lakehouse::gateway::http
