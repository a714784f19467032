#include "gateway/http/model_handlers.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "gateway/http/run_on.h"

namespace lakehouse::gateway::http {
namespace {

namespace json = boost::json;

constexpr std::size_t kTextsMax = 1'000;
/// Proxies cut what is silent for a minute.
constexpr std::chrono::seconds kSilenceMax{15};

constexpr std::string_view kModels = R"({
  "type":"object","required":["models"],"properties":{"models":{"type":"array","items":{
    "type":"object","required":["name","kind","provider","version","default"],"properties":{
    "name":{"type":"string"},
    "kind":{"type":"string","enum":["embedding","generation","reranking"]},
    "provider":{"type":"string","description":"embedded: this server runs it."},
    "version":{"type":"string",
      "description":"Changes when its answers may; may be empty while it was not used."},
    "default":{"type":"boolean","description":"What a request without a model gets."},
    "dimensions":{"type":"integer"},"max_tokens":{"type":"integer"},
    "context_tokens":{"type":"integer"}}}}}})";

constexpr std::string_view kGenerate = R"({
  "type":"object","additionalProperties":false,"properties":{
  "model":{"type":"string","description":"One of GET /ai/models; the default one if absent."},
  "messages":{"type":"array","minItems":1,"maxItems":1000,"items":{"type":"object",
    "additionalProperties":false,"required":["role","content"],"properties":{
    "role":{"type":"string","enum":["system","user","assistant"]},
    "content":{"type":"string"}}},
    "description":"A conversation. Control tokens in contents are taken for their letters."},
  "prompt":{"type":"string","minLength":1,
    "description":"Continued as it stands; instead of messages."},
  "max_tokens":{"type":"integer","minimum":1,"maximum":1048576,"default":512},
  "temperature":{"type":"number","minimum":0,"maximum":5,"default":0},
  "top_p":{"type":"number","exclusiveMinimum":0,"maximum":1},
  "seed":{"type":"integer","minimum":0},
  "stop":{"type":"array","maxItems":16,"items":{"type":"string","minLength":1},
    "description":"The answer ends before the first of these."},
  "grammar":{"type":"string","description":"GBNF with a rule root: what the answer may be."},
  "json_schema":{"type":"object","description":"The answer is JSON of this schema."},
  "stream":{"type":"boolean","default":true,
    "description":"False: one JSON object when all is written."}}})";

constexpr std::string_view kGenerated = R"({
  "type":"object","required":["text","finish_reason","model","prompt_tokens",
    "prompt_tokens_cached","tokens"],"properties":{
  "text":{"type":"string"},
  "finish_reason":{"type":"string","enum":["stop","length"]},
  "model":{"type":"string"},"prompt_tokens":{"type":"integer"},
  "prompt_tokens_cached":{"type":"integer","description":"Of these, not computed again."},
  "tokens":{"type":"integer","description":"Of the answer."},
  "log_probability":{"type":"number","maximum":0,
    "description":"The mean over the answer's tokens; left out by providers that do not tell."}}})";

constexpr std::string_view kRerank = R"({
  "type":"object","additionalProperties":false,"required":["query","texts"],"properties":{
  "model":{"type":"string"},"query":{"type":"string"},
  "texts":{"type":"array","maxItems":1000,"items":{"type":"string"}}}})";

constexpr std::string_view kReranked = R"({
  "type":"object","required":["model","method","results"],"properties":{
  "model":{"type":"string"},
  "method":{"type":"string","enum":["cross-encoder","late-interaction","embedding"],
    "description":"embedding: no model for reranking is configured, so embeddings are compared."},
  "results":{"type":"array","description":"The best first.","items":{"type":"object",
    "required":["index","score"],"properties":{
    "index":{"type":"integer","description":"Of the text, from 0."},
    "score":{"type":"number"}}}}}})";

ContentSpec content(std::string_view schema, std::string example = "") {
  return {.media_type = "application/json",
          .schema = std::string(schema),
          .example = std::move(example)};
}

json::object to_json(const ai::ModelInfo& info) {
  json::object out{{"name", info.name},
                   {"kind", to_string(info.kind)},
                   {"provider", info.provider},
                   {"version", info.version},
                   {"default", info.is_default}};
  const auto add = [&](std::string_view name, std::uint32_t number) {
    if (number != 0) {
      out[name] = number;
    }
  };
  add("dimensions", info.dimensions);
  add("max_tokens", info.max_tokens);
  add("context_tokens", info.context_tokens);
  return out;
}

json::object to_json(const ai::Generation& generation, const std::string& model) {
  json::object out{{"text", generation.text},
                   {"finish_reason", to_string(generation.finish_reason)},
                   {"model", model},
                   {"prompt_tokens", generation.prompt_tokens},
                   {"prompt_tokens_cached", generation.prompt_tokens_cached},
                   {"tokens", generation.tokens}};
  if (generation.log_probability) {
    out["log_probability"] = *generation.log_probability;
  }
  return out;
}

Result<std::vector<ai::ChatMessage>> messages_of(JsonFields& fields) {
  std::vector<ai::ChatMessage> messages;
  LH_ASSIGN_OR_RETURN(const json::array* list, fields.optional_array("messages"));
  for (const json::value& element : list == nullptr ? json::array() : *list) {
    LH_ASSIGN_OR_RETURN(JsonFields message, JsonFields::of(element, "a message"));
    ai::ChatMessage read;
    LH_ASSIGN_OR_RETURN(read.role, message.require_string("role"));
    LH_ASSIGN_OR_RETURN(read.content, message.require_string("content"));
    LH_RETURN_IF_ERROR(message.refuse_unknown());
    messages.push_back(std::move(read));
  }
  return messages;
}

struct Asked {
  std::string model;
  ai::GenerateRequest request;
  bool stream = true;
};

Result<Asked> asked_of(const json::value& body) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  Asked asked;
  ai::GenerateRequest& request = asked.request;
  LH_ASSIGN_OR_RETURN(const auto model, fields.optional_string("model"));
  asked.model = model.value_or("");
  LH_ASSIGN_OR_RETURN(request.messages, messages_of(fields));
  LH_ASSIGN_OR_RETURN(const auto prompt, fields.optional_string("prompt"));
  request.prompt = prompt.value_or("");
  LH_ASSIGN_OR_RETURN(const auto max_tokens, fields.optional_int64("max_tokens"));
  if (max_tokens && (*max_tokens < 1 || *max_tokens > (1 << 20))) {
    return fail(ErrorCode::InvalidArgument, "'max_tokens' must be between 1 and 1048576");
  }
  request.max_tokens = static_cast<std::uint32_t>(max_tokens.value_or(request.max_tokens));
  LH_ASSIGN_OR_RETURN(const auto temperature, fields.optional_double("temperature"));
  request.temperature = temperature.value_or(0);
  LH_ASSIGN_OR_RETURN(request.top_p, fields.optional_double("top_p"));
  LH_ASSIGN_OR_RETURN(const auto seed, fields.optional_int64("seed"));
  if (seed && *seed < 0) {
    return fail(ErrorCode::InvalidArgument, "'seed' must be 0 or more");
  }
  if (seed) {
    request.seed = static_cast<std::uint64_t>(*seed);
  }
  if (const json::value* stop = fields.optional_value("stop"); stop && !stop->is_null()) {
    LH_ASSIGN_OR_RETURN(request.stop, fields.require_strings("stop"));
    if (request.stop.size() > 16) {
      return fail(ErrorCode::InvalidArgument, "'stop' may hold 16 texts");
    }
  }
  LH_ASSIGN_OR_RETURN(const auto grammar, fields.optional_string("grammar"));
  request.grammar = grammar.value_or("");
  LH_ASSIGN_OR_RETURN(const json::object* schema, fields.optional_object("json_schema"));
  if (schema != nullptr) {
    request.json_schema = json::serialize(*schema);
  }
  LH_ASSIGN_OR_RETURN(const auto stream, fields.optional_bool("stream"));
  asked.stream = stream.value_or(true);
  LH_RETURN_IF_ERROR(fields.refuse_unknown());
  if (request.messages.empty() == request.prompt.empty()) {
    return fail(ErrorCode::InvalidArgument, "either 'messages' or 'prompt' must be given");
  }
  return asked;
}

/// What the thread that waits for the model, and the stream to the client, share.
struct Dialogue {
  std::stop_source stop;  ///< The client has gone.
  std::mutex mutex;
  std::string text;  // Written, not sent; guarded by mutex, as what follows.
  std::optional<Result<json::object>> end;
};

/// Server-sent events of an answer that is being written: nobody's thread waits for the client.
class AnswerBody final : public BodySource {
 public:
  AnswerBody(ai::ModelService& models, Asked asked, RequestContext context, WorkerPool& pool)
      : models_(models), asked_(std::move(asked)), context_(std::move(context)), pool_(pool) {}
  ~AnswerBody() override { dialogue_->stop.request_stop(); }
  AnswerBody(const AnswerBody&) = delete;
  AnswerBody& operator=(const AnswerBody&) = delete;

  net::awaitable<Result<std::optional<std::string>>> next() override {
    if (is_over_) {
      co_return std::nullopt;
    }
    if (timer_ == nullptr) {
      const net::any_io_executor executor = co_await net::this_coro::executor;
      timer_ = std::make_shared<net::steady_timer>(executor);
      LH_CO_RETURN_IF_ERROR(begin(executor));
    }
    for (bool waited = false;; waited = true) {
      LH_CO_RETURN_IF_ERROR(context_.check());
      std::string text;
      std::optional<Result<json::object>> end;
      {
        const std::lock_guard lock(dialogue_->mutex);
        text.swap(dialogue_->text);
        end.swap(dialogue_->end);
      }
      std::string events;
      if (!text.empty()) {
        events = fmt::format("event: delta\ndata: {}\n\n",
                             json::serialize(json::object{{"text", std::move(text)}}));
      }
      if (end) {
        is_over_ = true;
        LH_ASSIGN_OR_CO_RETURN(const json::object last, *std::move(end));
        events += fmt::format("event: done\ndata: {}\n\n", json::serialize(last));
      }
      if (!events.empty()) {
        has_begun_ = true;
        co_return events;
      }
      // Until something was written an error still has a status of its own, so nothing is said.
      if (waited && has_begun_ && !woken_) {
        co_return ": still there\n\n";
      }
      co_await wait();
    }
  }

 private:
  Status begin(const net::any_io_executor& executor) {
    const auto wake = [executor, timer = timer_] {
      net::post(executor, [timer] { timer->cancel(); });
    };
    auto work = [&models = models_, asked = asked_, context = context_, dialogue = dialogue_,
                 wake]() mutable {
      // The client's going away ends this by the stream's end.
      context.stop = dialogue->stop.get_token();
      auto answer = answer_of(models, asked, context, *dialogue, wake);
      {
        const std::lock_guard lock(dialogue->mutex);
        dialogue->end.emplace(std::move(answer));
      }
      wake();
    };
    return pool_.submit(std::move(work));
  }

  static Result<json::object> answer_of(ai::ModelService& models, const Asked& asked,
                                        const RequestContext& context, Dialogue& dialogue,
                                        const std::function<void()>& wake) {
    LH_ASSIGN_OR_RETURN(const auto generator, models.generator(context, asked.model));
    const auto on_piece = [&](std::string_view piece) -> Status {
      {
        const std::lock_guard lock(dialogue.mutex);
        dialogue.text += piece;
      }
      wake();
      return {};
    };
    LH_ASSIGN_OR_RETURN(const ai::Generation generation,
                        generator->generate(context, asked.request, on_piece));
    return to_json(generation, generator->info().name);
  }

  net::awaitable<void> wait() {
    const net::any_io_executor executor = co_await net::this_coro::executor;
    timer_->expires_at(std::min(std::chrono::steady_clock::now() + kSilenceMax, context_.deadline));
    {
      // What came before the timer was set has not woken it.
      const std::lock_guard lock(dialogue_->mutex);
      if (!dialogue_->text.empty() || dialogue_->end) {
        woken_ = true;
        co_return;
      }
    }
    const auto wake = [executor, timer = timer_] {
      net::post(executor, [timer] { timer->cancel(); });
    };
    const std::stop_callback on_stop(context_.stop, wake);
    constexpr auto kToken = net::as_tuple(net::use_awaitable);
    const auto [cancelled] = co_await timer_->async_wait(kToken);
    woken_ = static_cast<bool>(cancelled);
  }

  ai::ModelService& models_;
  const Asked asked_;
  const RequestContext context_;
  WorkerPool& pool_;
  std::shared_ptr<Dialogue> dialogue_ = std::make_shared<Dialogue>();
  std::shared_ptr<net::steady_timer> timer_;  ///< Shared with what wakes it.
  bool woken_ = false;
  bool has_begun_ = false;
  bool is_over_ = false;
};

}  // namespace

void ModelHandlers::add_routes(Router& router) {
  router.add({.method = Method::Get,
              .path = "/ai/models",
              .operation_id = "listModels",
              .summary = "The models there are",
              .tag = "AI",
              .responses = {{.status = 200,
                             .description = "All that are configured, pulled or built in.",
                             .content = {content(kModels)}}},
              .handler = [this](Request request) { return list(std::move(request)); }});
  router.add(
      {.method = Method::Post,
       .path = "/ai/generate",
       .operation_id = "generate",
       .summary = "Let a model write",
       .tag = "AI",
       .description =
           "As server-sent events: `delta` {text} for each piece, then `done` with all of "
           "it. A stream that fails is cut without `done`.",
       .request = {content(kGenerate, R"({"messages":[{"role":"user","content":"Say hello."}]})")},
       .responses = {{.status = 200,
                      .description = "The answer.",
                      .content = {{.media_type = "text/event-stream",
                                   .schema = R"({"description":"Events of text."})"},
                                  content(kGenerated)}}},
       .errors = {404, 409, 413, 415, 501, 504},
       .handler = [this](Request request) { return generate(std::move(request)); }});
  router.add(
      {.method = Method::Post,
       .path = "/ai/rerank",
       .operation_id = "rerank",
       .summary = "Say how well texts answer a question",
       .tag = "AI",
       .request = {content(kRerank, R"({"query":"who knows Rust?","texts":["I do.","No."]})")},
       .responses = {{.status = 200,
                      .description = "The texts' scores, comparable within this answer only.",
                      .content = {content(kReranked)}}},
       .errors = {404, 409, 413, 415, 504},
       .handler = [this](Request request) { return rerank(std::move(request)); }});
}

net::awaitable<Result<Response>> ModelHandlers::list(Request /*request*/) {
  auto work = [this]() -> Result<Response> {
    json::array models;
    for (const ai::ModelInfo& info : models_.models()) {
      models.push_back(to_json(info));
    }
    return json_response(200, json::object{{"models", std::move(models)}});
  };
  co_return co_await run_on(pool_, std::move(work));
}

net::awaitable<Result<Response>> ModelHandlers::generate(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(Asked asked, asked_of(body));
  if (asked.stream) {
    Response response;
    response.headers.add("Content-Type", "text/event-stream");
    response.headers.add("Cache-Control", "no-store");
    response.body = std::make_unique<AnswerBody>(models_, std::move(asked), request.context, pool_);
    co_return response;
  }
  auto work = [this, context = request.context, asked = std::move(asked)]() -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const auto generator, models_.generator(context, asked.model));
    LH_ASSIGN_OR_RETURN(const ai::Generation generation,
                        generator->generate(context, asked.request, {}));
    return json_response(200, to_json(generation, generator->info().name));
  };
  co_return co_await run_on(pool_, std::move(work));
}

net::awaitable<Result<Response>> ModelHandlers::rerank(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  LH_ASSIGN_OR_CO_RETURN(const auto model, fields.optional_string("model"));
  LH_ASSIGN_OR_CO_RETURN(std::string query, fields.require_string("query"));
  LH_ASSIGN_OR_CO_RETURN(std::vector<std::string> texts, fields.require_strings("texts"));
  LH_CO_RETURN_IF_ERROR(fields.refuse_unknown());
  if (texts.size() > kTextsMax) {
    co_return fail(ErrorCode::InvalidArgument, "'texts' may hold 1,000 texts");
  }
  auto work = [this, context = request.context, name = model.value_or(""), query = std::move(query),
               texts = std::move(texts)]() -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const auto reranker, models_.reranker(context, name));
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    LH_ASSIGN_OR_RETURN(const ai::Reranking ranking, reranker->rerank(context, query, views));
    std::vector<std::size_t> order(ranking.scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, std::ranges::less(),
                      [&](std::size_t i) { return std::pair(-ranking.scores[i], i); });
    json::array results;
    for (const std::size_t i : order) {
      results.push_back(json::object{{"index", i}, {"score", ranking.scores[i]}});
    }
    return json_response(200, json::object{{"model", reranker->info().name},
                                           {"method", ranking.method},
                                           {"results", std::move(results)}});
  };
  co_return co_await run_on(pool_, std::move(work));
}

}  // namespace lakehouse::gateway::http
