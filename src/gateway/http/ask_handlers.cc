#include "gateway/http/ask_handlers.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/json.h"
#include "gateway/http/paging.h"
#include "gateway/http/registry_json.h"

namespace lakehouse::gateway::http {

namespace {

namespace json = boost::json;
using answer::AskAnswer;
using answer::AskRequest;
using answer::VerifiedQuestion;

constexpr std::string_view kRequest = R"({
  "type":"object","additionalProperties":false,"required":["question"],"properties":{
  "question":{"type":"string","minLength":1,"maxLength":4000},
  "hint":{"type":["string","null"],"maxLength":4000,
    "description":"What the question takes for known: terms, conventions."},
  "datasets":{"type":["array","null"],"items":{"type":"string"},"maxItems":100,
    "description":"The only ones to ask, each as namespace.table. Left out: all that the caller may see."},
  "model":{"type":["string","null"],"description":"Left out: the default generation model."},
  "row_limit":{"type":["integer","null"],"minimum":1,"maximum":10000,"default":1000}}})";

constexpr std::string_view kAnswer = R"({
  "type":"object","required":["abstained","reason","sql","columns","rows","row_count","truncated",
    "explanation","confidence","attempts","repairs","datasets","snapshot_ids","query_id","model",
    "model_version","elapsed_ms"],"properties":{
  "abstained":{"type":"boolean"},
  "reason":{"type":["string","null"],"description":"Why it abstained."},
  "sql":{"type":["string","null"],
    "description":"The statement; if abstained, the likeliest one, or null."},
  "columns":{"type":"array","items":{"type":"object","required":["name","type"],
    "properties":{"name":{"type":"string"},"type":{"type":"string"}}}},
  "rows":{"type":"array","items":{"type":"array","items":{}},"description":"None if abstained."},
  "row_count":{"type":"integer"},"truncated":{"type":"boolean"},
  "explanation":{"type":"string","description":"One line; may be empty."},
  "confidence":{"type":"number","minimum":0,"maximum":1,
    "description":"The share of independent attempts that gave these rows."},
  "attempts":{"type":"integer"},"repairs":{"type":"integer"},
  "datasets":{"type":"array","items":{"type":"string"},"description":"Those shown to the model."},
  "snapshot_ids":{"type":"object","additionalProperties":{"type":"integer"}},
  "query_id":{"type":["string","null"]},
  "model":{"type":"string"},"model_version":{"type":"string"},
  "elapsed_ms":{"type":"number"}}})";

constexpr std::string_view kQuestion = R"({
  "type":"object","required":["id","question","sql","principal","verified"],"properties":{
  "id":{"type":"string"},"question":{"type":"string"},"sql":{"type":"string"},
  "principal":{"type":"string","description":"Who found it right."},
  "verified":{"type":"string","format":"date-time"}}})";

constexpr std::string_view kNewQuestion = R"({
  "type":"object","additionalProperties":false,"required":["question","sql"],"properties":{
  "question":{"type":"string","minLength":1,"maxLength":4000},
  "sql":{"type":"string","minLength":1,"maxLength":20000,
    "description":"One SELECT that answers it, and that runs for the caller."}}})";

constexpr std::size_t kQuestionBytesMax = 4'000;
constexpr std::size_t kSqlBytesMax = 20'000;

ContentSpec content(std::string_view schema, std::string_view example = {}) {
  return {.media_type = "application/json",
          .schema = std::string(schema),
          .example = std::string(example)};
}

json::value null_if_empty(const std::string& text) {
  return text.empty() ? json::value() : json::value(text);
}

json::object to_json_object(const VerifiedQuestion& one) {
  return {{"id", one.id},
          {"question", one.question},
          {"sql", one.sql},
          {"principal", one.principal},
          {"verified", time_text(one.verified_at_ms)}};
}

json::object to_json_object(AskAnswer answer) {
  json::array columns;
  for (const engine::Column& column : answer.columns) {
    columns.push_back(json::object{{"name", column.name}, {"type", column.type}});
  }
  json::array rows;
  for (json::array& row : answer.rows) {
    rows.emplace_back(std::move(row));
  }
  json::object snapshots;
  for (const auto& [dataset, snapshot] : answer.snapshot_ids) {
    snapshots[dataset] = snapshot;
  }
  const std::size_t count = rows.size();
  return {{"abstained", answer.is_abstained},
          {"reason", null_if_empty(answer.reason)},
          {"sql", null_if_empty(answer.sql)},
          {"columns", std::move(columns)},
          {"rows", std::move(rows)},
          {"row_count", count},
          {"truncated", answer.is_truncated},
          {"explanation", answer.explanation},
          {"confidence", answer.confidence},
          {"attempts", answer.attempts},
          {"repairs", answer.repairs},
          {"datasets", json::array(answer.datasets.begin(), answer.datasets.end())},
          {"snapshot_ids", std::move(snapshots)},
          {"query_id", null_if_empty(answer.query_id)},
          {"model", answer.model},
          {"model_version", answer.model_version}};
}

Result<AskRequest> decode(const json::value& body) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  AskRequest out;
  LH_ASSIGN_OR_RETURN(out.question, fields.require_string("question"));
  LH_ASSIGN_OR_RETURN(auto hint, fields.optional_string("hint"));
  out.hint = std::move(hint).value_or("");
  LH_ASSIGN_OR_RETURN(const json::array* datasets, fields.optional_array("datasets"));
  for (std::size_t i = 0; datasets != nullptr && i < datasets->size(); ++i) {
    if (!(*datasets)[i].is_string()) {
      return fail(ErrorCode::InvalidArgument, "'datasets' holds names");
    }
    out.datasets.emplace_back((*datasets)[i].get_string());
  }
  LH_ASSIGN_OR_RETURN(auto model, fields.optional_string("model"));
  out.model = std::move(model).value_or("");
  LH_ASSIGN_OR_RETURN(const auto limit, fields.optional_int64("row_limit"));
  if (limit && *limit < 1) {
    return fail(ErrorCode::InvalidArgument, "row_limit is 1 to 10,000");
  }
  out.row_limit = static_cast<std::uint64_t>(limit.value_or(1000));
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  return out;
}

Result<std::pair<std::string, std::string>> decode_question(const json::value& body) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  LH_ASSIGN_OR_RETURN(std::string question, fields.require_string("question"));
  LH_ASSIGN_OR_RETURN(std::string sql, fields.require_string("sql"));
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  if (question.empty() || question.size() > kQuestionBytesMax || sql.empty() ||
      sql.size() > kSqlBytesMax) {
    return fail(ErrorCode::InvalidArgument,
                "a question has 1 to 4,000 bytes and its SQL 1 to 20,000");
  }
  return std::pair(std::move(question), std::move(sql));
}

}  // namespace

void AskHandlers::add_routes(Router& router) {
  router.add_schema("VerifiedQuestion", std::string(kQuestion));
  router.add({.method = Method::Post,
              .path = "/ai/ask",
              .operation_id = "ask",
              .summary = "A question in plain language: its SQL and its rows",
              .tag = "ai",
              .description =
                  "A model writes several statements; rows on which enough of them agree "
                  "are the answer, and else it abstains. Reads only, as the caller.",
              .request = {content(kRequest, R"({"question":"How many rows are there?"})")},
              .responses = {{.status = 200,
                             .description = "The answer, or why there is none.",
                             .content = {content(kAnswer)}}},
              .errors = {404, 409, 413, 415, 422, 504},
              .handler = [this](Request request) { return ask(std::move(request)); }});
  router.add({.method = Method::Get,
              .path = "/ai/questions",
              .operation_id = "listVerifiedQuestions",
              .summary = "Questions whose SQL somebody has found right",
              .tag = "ai",
              .parameters = page_parameters(),
              .responses = {{.status = 200,
                             .description = "One page.",
                             .content = {content(
                                 R"({"type":"object","required":["questions","next_page_token"],)"
                                 R"("properties":{"questions":{"type":"array","items":)"
                                 R"({"$ref":"#/components/schemas/VerifiedQuestion"}},)"
                                 R"("next_page_token":{"type":["string","null"]}}})")}}},
              .handler = [this](Request request) { return list(std::move(request)); }});
  router.add(
      {.method = Method::Post,
       .path = "/ai/questions",
       .operation_id = "verifyQuestion",
       .summary = "Keep a question with its right SQL: an example for those to come",
       .tag = "ai",
       .description = "Takes the place of what was kept for the same question, so that "
                      "repeating it changes nothing.",
       .request = {content(kNewQuestion, R"({"question":"One?","sql":"SELECT 1 AS one"})")},
       .responses = {{.status = 200,
                      .description = "It is kept.",
                      .content = {content(R"({"$ref":"#/components/schemas/VerifiedQuestion"})")}}},
       .errors = {404, 413, 415, 422, 504},
       .handler = [this](Request request) { return put(std::move(request)); }});
  router.add({.method = Method::Delete,
              .path = "/ai/questions/{id}",
              .operation_id = "forgetVerifiedQuestion",
              .summary = "Forget a verified question",
              .tag = "ai",
              .responses = {{.status = 204, .description = "It is not there any more."}},
              .handler = [this](Request request) { return remove(std::move(request)); }});
}

net::awaitable<Result<Response>> AskHandlers::ask(Request request) {
  const auto started = std::chrono::steady_clock::now();
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(AskRequest asked, decode(body));
  auto work = [this, context = request.context, asked = std::move(asked)] {
    return service_.ask(context, asked);
  };
  LH_ASSIGN_OR_CO_RETURN(AskAnswer answer, co_await run_on(models_, std::move(work)));
  json::object shown = to_json_object(std::move(answer));
  const std::chrono::duration<double, std::milli> elapsed =
      std::chrono::steady_clock::now() - started;
  shown["elapsed_ms"] = elapsed.count();
  const json::value out(std::move(shown));
  co_return json_response(200, out);
}

net::awaitable<Result<Response>> AskHandlers::list(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const catalog::PageRequest page, page_of(request));
  auto work = [this, context = request.context, page] {
    return verified_.list(context, page.page_token, page.limit + 1);
  };
  LH_ASSIGN_OR_CO_RETURN(const std::vector<VerifiedQuestion> found,
                         co_await run_on(pools_.storage, std::move(work)));
  json::array shown;
  json::value next;
  for (const VerifiedQuestion& one : found) {
    if (shown.size() == page.limit) {
      next = shown.back().as_object().at("id");
      break;
    }
    shown.push_back(to_json_object(one));
  }
  json::object body;
  body["questions"] = std::move(shown);
  body["next_page_token"] = std::move(next);
  const json::value out(std::move(body));
  co_return json_response(200, out);
}

net::awaitable<Result<Response>> AskHandlers::put(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(auto asked, decode_question(body));
  auto work = [this, context = request.context,
               asked = std::move(asked)]() mutable -> Result<VerifiedQuestion> {
    LH_RETURN_IF_ERROR(service_.dry_run(context, asked.second));
    return verified_.put(context, std::move(asked.first), std::move(asked.second));
  };
  LH_ASSIGN_OR_CO_RETURN(const VerifiedQuestion kept,
                         co_await run_on(pools_.engine, std::move(work)));
  const json::value out(to_json_object(kept));
  co_return json_response(200, out);
}

net::awaitable<Result<Response>> AskHandlers::remove(Request request) {
  auto work = [this, context = request.context, id = request.path_param("id")] {
    return verified_.remove(context, id);
  };
  LH_CO_RETURN_IF_ERROR(co_await run_on(pools_.storage, std::move(work)));
  co_return empty_response();
}

}  // namespace lakehouse::gateway::http
