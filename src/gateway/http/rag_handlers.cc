#include "gateway/http/rag_handlers.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include <boost/asio/this_coro.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "gateway/http/event_channel.h"
#include "gateway/http/paging.h"
#include "gateway/http/receipts.h"
#include "gateway/http/registry_json.h"

namespace lakehouse::gateway::http {

namespace {

namespace json = boost::json;
using answer::RagAnswer;
using answer::RagRequest;
using answer::Receipt;

constexpr std::string_view kRequest = R"({
  "type":"object","additionalProperties":false,"required":["question","index"],"properties":{
  "question":{"type":"string","minLength":1,"maxLength":8192},
  "index":{"type":"string","minLength":1},
  "k":{"type":["integer","null"],"minimum":1,"maximum":50,"default":8,
    "description":"Chunks that the answer is made from, at most."},
  "filter":{"type":["string","null"],"description":"A condition on the dataset's columns, in SQL."},
  "mode":{"type":["string","null"],"enum":["vector","text","hybrid",null]},
  "rerank":{"type":["boolean","null"]},
  "model":{"type":["string","null"],"description":
    "Who words the answer. Left out: the default generator or, without one, 'extractive': sentences as they stand."},
  "max_tokens":{"type":["integer","null"],"minimum":1,"maximum":4096,"default":400},
  "seed":{"type":["integer","null"],"minimum":0}}})";

constexpr std::string_view kEvidence = R"({
  "type":"object","required":["n","key","chunk","start","end","score","text"],"properties":{
  "n":{"type":"integer"},"key":{"type":["string","integer"]},"chunk":{"type":"integer"},
  "start":{"type":"integer","description":"In the row's text, in bytes."},
  "end":{"type":"integer"},"score":{"type":"number"},"text":{"type":"string"}}})";

constexpr std::string_view kCitation = R"({
  "type":"object","required":["n","key","chunk","snapshot_id","score","text","start","end",
    "support"],"properties":{
  "n":{"type":"integer","description":"As in the answer's marks."},
  "key":{"type":["string","integer"]},"chunk":{"type":"integer"},
  "snapshot_id":{"type":"integer"},"score":{"type":"number"},
  "text":{"type":"string","description":"The words of the row's text that stand behind it."},
  "start":{"type":"integer","description":"Of these words in the row's text, in bytes."},
  "end":{"type":"integer"},
  "support":{"type":"number","description":"The share of the sentence's words that are there."}}})";

constexpr std::string_view kAnswer = R"({
  "type":"object","required":["answer","citations","evidence","abstained","reason","receipt_id",
    "dataset","snapshot_id","model","model_version","method","warnings","tokens","elapsed_ms"],
  "properties":{
  "answer":{"type":"string","description":"With marks like [2]; empty if it abstained."},
  "citations":{"type":"array","items":{"$ref":"#/components/schemas/RagCitation"}},
  "evidence":{"type":"array","items":{"$ref":"#/components/schemas/RagEvidence"}},
  "abstained":{"type":"boolean"},
  "reason":{"type":["string","null"],"description":"Why it abstained."},
  "receipt_id":{"type":"string"},"dataset":{"type":"string"},"snapshot_id":{"type":"integer"},
  "model":{"type":"string"},"model_version":{"type":"string"},"method":{"type":"string"},
  "warnings":{"type":"array","items":{"type":"string"}},
  "tokens":{"type":"integer"},"elapsed_ms":{"type":"number"}}})";

constexpr std::string_view kReceipt = R"({
  "type":"object","required":["id","created","question","index","dataset","snapshot_id",
    "embeddings_snapshot_id","model","model_version","prompt_sha256","evidence","abstained",
    "answer"],"properties":{
  "id":{"type":"string"},"created":{"type":"string","format":"date-time"},
  "question":{"type":"string"},"index":{"type":"string"},"dataset":{"type":"string"},
  "snapshot_id":{"type":"integer"},"embeddings_snapshot_id":{"type":"integer"},
  "generation":{"type":"integer"},"search_method":{"type":"string"},
  "embedding_model":{"type":"string"},"embedding_model_version":{"type":"string"},
  "model":{"type":"string"},"model_version":{"type":"string"},
  "prompt_sha256":{"type":["string","null"]},
  "evidence":{"type":"array","items":{"type":"object"}},
  "abstained":{"type":"boolean"},"answer":{"type":"string"}}})";

constexpr std::string_view kReplay = R"({
  "type":"object","required":["receipt","evidence","complete","prompt_matches"],"properties":{
  "receipt":{"$ref":"#/components/schemas/RagReceipt"},
  "evidence":{"type":"array","items":{"type":"object","required":["n","key","chunk","text","matches"],
    "properties":{"n":{"type":"integer"},"key":{"type":["string","integer"]},
    "chunk":{"type":"integer"},"start":{"type":"integer"},"end":{"type":"integer"},
    "score":{"type":"number"},"text":{"type":"string"},
    "matches":{"type":"boolean","description":"It is the text that the answer was made from."}}}},
  "complete":{"type":"boolean","description":"All of it matches."},
  "prompt_matches":{"type":"boolean"}}})";

constexpr std::string_view kExample =
    R"({"index":"sample_words","question":"Who is in the sample?","k":3})";
constexpr std::array<std::string_view, 2> kOffered = {"application/json", "text/event-stream"};

ContentSpec content(std::string_view schema, std::string_view example = {}) {
  return {.media_type = "application/json",
          .schema = std::string(schema),
          .example = std::string(example)};
}

json::object evidence_json(const answer::Evidence& item) {
  return {{"n", item.n},     {"key", item.key},     {"chunk", item.chunk}, {"start", item.start},
          {"end", item.end}, {"score", item.score}, {"text", item.text}};
}

json::array evidence_json(std::span<const answer::Evidence> evidence) {
  json::array shown;
  for (const answer::Evidence& item : evidence) {
    shown.push_back(evidence_json(item));
  }
  return shown;
}

json::object citation_json(const answer::Citation& citation,
                           std::span<const answer::Evidence> evidence, std::int64_t snapshot_id) {
  const answer::Evidence& from = evidence[citation.n - 1];
  return {{"n", citation.n},
          {"key", from.key},
          {"chunk", from.chunk},
          {"snapshot_id", snapshot_id},
          {"score", from.score},
          {"text", citation.quote},
          {"start", from.start + citation.span.begin},
          {"end", from.start + citation.span.end},
          {"support", citation.support}};
}

json::object answer_json(const RagAnswer& answer) {
  json::array citations;
  std::set<std::tuple<std::uint32_t, std::size_t, std::size_t>> seen;
  for (const answer::AnswerSentence& sentence : answer.sentences) {
    for (const answer::Citation& citation : sentence.citations) {
      if (seen.emplace(citation.n, citation.span.begin, citation.span.end).second) {
        citations.push_back(citation_json(citation, answer.evidence, answer.snapshot_id));
      }
    }
  }
  return {{"answer", answer.answer},
          {"citations", std::move(citations)},
          {"evidence", evidence_json(answer.evidence)},
          {"abstained", answer.abstained},
          {"reason", answer.reason.empty() ? json::value() : json::value(answer.reason)},
          {"receipt_id", answer.receipt_id},
          {"dataset", answer.dataset},
          {"snapshot_id", answer.snapshot_id},
          {"model", answer.model},
          {"model_version", answer.model_version},
          {"method", answer.search_method},
          {"warnings", json::array(answer.warnings.begin(), answer.warnings.end())},
          {"tokens", answer.tokens},
          {"elapsed_ms", answer.elapsed_ms}};
}

json::object receipt_json(const Receipt& receipt) {
  json::array evidence;
  for (const Receipt::Item& item : receipt.evidence) {
    evidence.push_back(json::object{{"n", item.n},
                                    {"key", item.key},
                                    {"chunk", item.chunk},
                                    {"start", item.start},
                                    {"end", item.end},
                                    {"score", item.score},
                                    {"text_sha256", item.text_sha256}});
  }
  const auto or_null = [](const std::string& text) {
    return text.empty() ? json::value() : json::value(text);
  };
  return {{"id", receipt.id},
          {"created", time_text(receipt.created_at_ms)},
          {"question", receipt.request.question},
          {"index", receipt.request.index},
          {"k", receipt.request.k},
          {"filter", or_null(receipt.request.filter)},
          {"mode", vector::to_string(receipt.request.mode)},
          {"rerank", receipt.request.rerank},
          {"max_tokens", receipt.request.max_tokens},
          {"seed", receipt.request.seed ? json::value(*receipt.request.seed) : json::value()},
          {"dataset", receipt.dataset},
          {"snapshot_id", receipt.snapshot_id},
          {"embeddings_snapshot_id", receipt.embeddings_snapshot_id},
          {"generation", receipt.generation},
          {"search_method", receipt.search_method},
          {"embedding_model", receipt.embedding_model},
          {"embedding_model_version", receipt.embedding_model_version},
          {"model", receipt.model},
          {"model_version", receipt.model_version},
          {"prompt_sha256", or_null(receipt.prompt_sha256)},
          {"evidence", std::move(evidence)},
          {"abstained", receipt.abstained},
          {"answer", receipt.answer}};
}

Result<RagRequest> decode(const json::value& body) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  RagRequest asked;
  LH_ASSIGN_OR_RETURN(asked.question, fields.require_string("question"));
  LH_ASSIGN_OR_RETURN(asked.index, fields.require_string("index"));
  LH_ASSIGN_OR_RETURN(const auto k, fields.optional_int64("k"));
  asked.k = static_cast<std::size_t>(std::clamp<std::int64_t>(k.value_or(8), 0, 1'000'000));
  LH_ASSIGN_OR_RETURN(auto filter, fields.optional_string("filter"));
  asked.filter = std::move(filter).value_or("");
  LH_ASSIGN_OR_RETURN(const auto mode, fields.optional_string("mode"));
  LH_ASSIGN_OR_RETURN(asked.mode, vector::search_mode_from(mode.value_or("hybrid")));
  LH_ASSIGN_OR_RETURN(const auto rerank, fields.optional_bool("rerank"));
  asked.rerank = rerank.value_or(false);
  LH_ASSIGN_OR_RETURN(auto model, fields.optional_string("model"));
  asked.model = std::move(model).value_or("");
  LH_ASSIGN_OR_RETURN(const auto tokens, fields.optional_int64("max_tokens"));
  asked.max_tokens =
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(tokens.value_or(400), 0, 1'000'000));
  LH_ASSIGN_OR_RETURN(const auto seed, fields.optional_int64("seed"));
  if (seed && *seed < 0) {
    return fail(ErrorCode::InvalidArgument, "'seed' must not be negative");
  }
  if (seed) {
    asked.seed = static_cast<std::uint64_t>(*seed);
  }
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  return asked;
}

/// What one POST /vectors/rag does on a pool's thread.
struct Asking {
  RequestContext context;
  RagRequest asked;
  std::string key;   ///< The Idempotency-Key.
  std::string what;  ///< The request, for the key's receipt.
};

Result<std::string> answer_text(answer::RagService& service, catalog::Catalog& catalog,
                                const Asking& asking, const answer::RagEvents& events) {
  ReceiptKeeper keeper(catalog, asking.context, asking.key, asking.what);
  LH_ASSIGN_OR_RETURN(std::optional<Response> earlier, keeper.earlier());
  if (earlier) {
    return std::get<std::string>(earlier->body);
  }
  LH_ASSIGN_OR_RETURN(const RagAnswer answer, service.answer(asking.context, asking.asked, events));
  std::string body = json::serialize(answer_json(answer));
  keeper.keep_after(200, body);
  return body;
}

Status send_answer(answer::RagService& service, catalog::Catalog& catalog, const Asking& asking,
                   EventChannel& channel) {
  std::vector<answer::Evidence> evidence;
  answer::RagEvents events;
  events.on_evidence = [&](std::span<const answer::Evidence> found) {
    evidence.assign(found.begin(), found.end());
    return channel.send("evidence", json::object{{"evidence", evidence_json(found)}});
  };
  events.on_sentence = [&](const answer::AnswerSentence& sentence) {
    json::array citations;
    for (const answer::Citation& citation : sentence.citations) {
      json::object shown = citation_json(citation, evidence, 0);
      shown.erase("snapshot_id");  // The whole answer tells it.
      citations.push_back(std::move(shown));
    }
    return channel.send("sentence",
                        json::object{{"text", sentence.text}, {"citations", std::move(citations)}});
  };
  LH_ASSIGN_OR_RETURN(const std::string body, answer_text(service, catalog, asking, events));
  return channel.send("answer", json::parse(body));
}

}  // namespace

void RagHandlers::add_routes(Router& router) {
  router.add_schema("RagEvidence", std::string(kEvidence));
  router.add_schema("RagCitation", std::string(kCitation));
  router.add_schema("RagReceipt", std::string(kReceipt));
  router.add(
      {.method = Method::Post,
       .path = "/vectors/rag",
       .operation_id = "answerFromIndex",
       .summary = "Answer a question from an index, with citations, or say that it cannot be",
       .tag = "vectors",
       .description =
           "Each sentence is checked against what was found before it is shown: its words and "
           "numbers must be there. As text/event-stream: 'evidence', a 'sentence' each, and "
           "'answer' with all of it; or 'error'.",
       .parameters = {{.in = ParameterSpec::In::Header,
                       .name = "Idempotency-Key",
                       .description = "A repetition with the same key has the same answer."}},
       .request = {content(kRequest, kExample)},
       .responses = {{.status = 200,
                      .description = "The answer.",
                      .content = {content(kAnswer),
                                  {.media_type = "text/event-stream",
                                   .schema = R"({"description":"Events of text."})"}}}},
       .errors = {404, 406, 409, 413, 415, 422, 503, 504},
       .handler = [this](Request request) { return ask(std::move(request)); }});
  router.add({.method = Method::Get,
              .path = "/vectors/rag/receipts",
              .operation_id = "listAnswerReceipts",
              .summary = "What the caller's answers were made from, the latest first",
              .tag = "vectors",
              .parameters = page_parameters(),
              .responses = {{.status = 200,
                             .description = "One page.",
                             .content = {content(
                                 R"({"type":"object","required":["receipts","next_page_token"],)"
                                 R"("properties":{"receipts":{"type":"array","items":)"
                                 R"({"$ref":"#/components/schemas/RagReceipt"}},)"
                                 R"("next_page_token":{"type":["string","null"]}}})")}}},
              .handler = [this](Request request) { return receipts(std::move(request)); }});
  router.add(
      {.method = Method::Get,
       .path = "/vectors/rag/receipts/{id}",
       .operation_id = "showAnswerReceipt",
       .summary = "What one answer was made from",
       .tag = "vectors",
       .responses = {{.status = 200,
                      .description = "It.",
                      .content = {content(R"({"$ref":"#/components/schemas/RagReceipt"})")}}},
       .errors = {404},
       .handler = [this](Request request) { return receipt(std::move(request)); }});
  router.add({.method = Method::Post,
              .path = "/vectors/rag/receipts/{id}/replay",
              .operation_id = "replayAnswer",
              .summary = "Read an answer's evidence again, from the same snapshot",
              .tag = "vectors",
              .description = "As the caller may read it now. Writes nothing.",
              .responses = {{.status = 200,
                             .description = "The evidence, and whether it is the same.",
                             .content = {content(kReplay)}}},
              .errors = {404, 409, 503, 504},
              .handler = [this](Request request) { return replay(std::move(request)); }});
}

net::awaitable<Result<Response>> RagHandlers::ask(Request request) {
  const std::optional<std::string> accepted = request.accepted(kOffered);
  if (!accepted) {
    co_return std::unexpected(with_http_status(
        fail(ErrorCode::InvalidArgument, "an answer is application/json or text/event-stream")
            .error(),
        406));
  }
  LH_ASSIGN_OR_CO_RETURN(std::string key, idempotency_key(request));
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(RagRequest asked, decode(body));
  Asking asking{.context = request.context,
                .asked = std::move(asked),
                .key = std::move(key),
                .what = "POST /vectors/rag\n" + json::serialize(body)};
  if (*accepted == kOffered[0]) {
    auto work = [this, asking = std::move(asking)] {
      return answer_text(service_, catalog_, asking, {});
    };
    LH_ASSIGN_OR_CO_RETURN(std::string text, co_await run_on(pools_.engine, std::move(work)));
    co_return json_text_response(200, std::move(text));
  }
  const net::any_io_executor executor = co_await net::this_coro::executor;
  auto channel = std::make_shared<EventChannel>(executor);
  auto work = [this, asking = std::move(asking), channel] {
    channel->finish(send_answer(service_, catalog_, asking, *channel));
  };
  LH_CO_RETURN_IF_ERROR(pools_.engine.submit(std::move(work)));
  // What fails before the first event is an answer like any other.
  co_await channel->wait();
  if (const std::optional<Status> failed = channel->failed_at_once()) {
    co_return std::unexpected(failed->error());
  }
  Response response;
  response.headers.add("Content-Type", "text/event-stream");
  response.headers.add("Cache-Control", "no-store");
  response.body = event_body(std::move(channel));
  co_return response;
}

net::awaitable<Result<Response>> RagHandlers::receipts(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const catalog::PageRequest page, page_of(request));
  auto work = [this, context = request.context, page] {
    return service_.receipts(context, page.limit + 1, page.page_token);
  };
  LH_ASSIGN_OR_CO_RETURN(const std::vector<Receipt> found,
                         co_await run_on(pools_.storage, std::move(work)));
  json::array shown;
  json::value next;
  for (const Receipt& one : found) {
    if (shown.size() == page.limit) {
      next = shown.back().as_object().at("id");
      break;
    }
    shown.push_back(receipt_json(one));
  }
  json::object body;
  body["receipts"] = std::move(shown);
  body["next_page_token"] = std::move(next);
  const json::value answer(std::move(body));
  co_return json_response(200, answer);
}

net::awaitable<Result<Response>> RagHandlers::receipt(Request request) {
  auto work = [this, context = request.context, id = request.path_param("id")] {
    return service_.receipt(context, id);
  };
  LH_ASSIGN_OR_CO_RETURN(const Receipt found, co_await run_on(pools_.storage, std::move(work)));
  const json::value answer(receipt_json(found));
  co_return json_response(200, answer);
}

net::awaitable<Result<Response>> RagHandlers::replay(Request request) {
  auto work = [this, context = request.context, id = request.path_param("id")] {
    return service_.replay(context, id);
  };
  LH_ASSIGN_OR_CO_RETURN(const answer::Replay replayed,
                         co_await run_on(pools_.engine, std::move(work)));
  json::array evidence;
  for (const answer::Replay::Item& item : replayed.evidence) {
    json::object shown = evidence_json(item.evidence);
    shown["matches"] = item.matches;
    evidence.push_back(std::move(shown));
  }
  json::object body{{"receipt", receipt_json(replayed.receipt)},
                    {"evidence", std::move(evidence)},
                    {"complete", replayed.is_complete},
                    {"prompt_matches", replayed.prompt_matches}};
  const json::value answer(std::move(body));
  co_return json_response(200, answer);
}

}  // namespace lakehouse::gateway::http
