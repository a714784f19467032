// Ollama's own API: POST /api/embed, /api/chat, /api/generate; GET /api/tags; POST /api/show.

#include <algorithm>
#include <limits>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include "ai/providers/provider.h"
#include "base/json.h"

namespace lakehouse::ai {
namespace {

namespace json = boost::json;

/// Ollama reads a number as seconds, and a text as a duration with its unit.
void add_keep_alive(const ProviderModel& model, json::object& body) {
  const std::string& text = model.keep_alive;
  if (text.empty()) {
    return;
  }
  const bool number = text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
  body["keep_alive"] = number ? json::value(std::stoll(text)) : json::value(text);
}

class OllamaEmbedder final : public ProviderEmbedder {
 public:
  using ProviderEmbedder::ProviderEmbedder;

 private:
  Result<json::array> vectors_of(const RequestContext& context,
                                 std::span<const std::string_view> texts) override {
    json::array input;
    for (const std::string_view text : texts) {
      input.emplace_back(valid_utf8(text));
    }
    json::object body{{"model", model().model}, {"truncate", true}};
    body["input"] = std::move(input);
    add_keep_alive(model(), body);
    LH_ASSIGN_OR_RETURN(const json::object answer,
                        http().post(context, "/api/embed", body, model().timeout));
    const json::array* vectors = array_member(answer, "embeddings");
    if (vectors == nullptr) {
      return http().nonsense("no embeddings");
    }
    return *vectors;
  }
};

class OllamaGenerator final : public Generator {
 public:
  OllamaGenerator(std::shared_ptr<ProviderHttp> http, ProviderModel model, ModelInfo info)
      : http_(std::move(http)), model_(std::move(model)), info_(std::move(info)) {}

  [[nodiscard]] const ModelInfo& info() const override { return info_; }

  Result<Generation> generate(const RequestContext& context, const GenerateRequest& request,
                              const OnPiece& on_piece) override {
    LH_RETURN_IF_ERROR(check_request(request));
    if (!request.grammar.empty()) {
      return fail(ErrorCode::Unimplemented, "Ollama takes no GBNF grammar",
                  "Give a JSON schema, or use a model that this server runs.");
    }
    LH_ASSIGN_OR_RETURN(const json::object body, body_of(request));
    Generation generation;
    const auto on_line = [&](std::string_view line) -> Result<bool> {
      auto document = parse_json(line, "a line of the answer");
      if (!document || !document->is_object()) {
        return http_->nonsense("a line that is no JSON object");
      }
      return take(document->get_object(), generation, on_piece);
    };
    LH_RETURN_IF_ERROR(http_->post_lines(context,
                                         request.prompt.empty() ? "/api/chat" : "/api/generate",
                                         body, on_line, model_.timeout));
    return generation;
  }

 private:
  [[nodiscard]] Result<json::object> body_of(const GenerateRequest& request) const {
    json::object body{{"model", model_.model}, {"stream", true}};
    if (request.prompt.empty()) {
      json::array messages;
      for (const ChatMessage& message : request.messages) {
        messages.push_back(
            json::object{{"role", message.role}, {"content", valid_utf8(message.content)}});
      }
      body["messages"] = std::move(messages);
    } else {
      body["prompt"] = valid_utf8(request.prompt);
      body["raw"] = true;
    }
    json::object options{{"temperature", request.temperature}, {"num_predict", request.max_tokens}};
    if (request.top_p) {
      options["top_p"] = *request.top_p;
    }
    if (request.seed) {
      options["seed"] =
          *request.seed & static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max());
    }
    if (info_.context_tokens != 0) {
      // Ollama's own default is small, and it cuts a longer prompt without a word.
      options["num_ctx"] = info_.context_tokens;
    }
    if (!request.stop.empty()) {
      options["stop"] = json::array(request.stop.begin(), request.stop.end());
    }
    body["options"] = std::move(options);
    if (!request.json_schema.empty()) {
      LH_ASSIGN_OR_RETURN(body["format"], parse_json(request.json_schema, "'json_schema'"));
    }
    add_keep_alive(model_, body);
    return body;
  }

  Result<bool> take(const json::object& line, Generation& generation,
                    const OnPiece& on_piece) const {
    if (const std::string_view error = text_member(line, "error"); !error.empty()) {
      return fail(ErrorCode::Unavailable,
                  fmt::format("provider '{}': {}", http_->address().name, error.substr(0, 300)));
    }
    const json::object* message = object_member(line, "message");
    const std::string_view piece =
        message == nullptr ? text_member(line, "response") : text_member(*message, "content");
    if (!piece.empty()) {
      generation.text += piece;
      if (on_piece) {
        LH_RETURN_IF_ERROR(on_piece(piece));
      }
    }
    const json::value* done = line.if_contains("done");
    if (done == nullptr || !done->is_bool() || !done->get_bool()) {
      return false;
    }
    generation.finish_reason =
        text_member(line, "done_reason") == "length" ? FinishReason::Length : FinishReason::Stop;
    generation.prompt_tokens = count_member(line, "prompt_eval_count");
    generation.tokens = count_member(line, "eval_count");
    return true;
  }

  std::shared_ptr<ProviderHttp> http_;
  ProviderModel model_;
  ModelInfo info_;
};

class Ollama final : public Provider {
 public:
  explicit Ollama(std::shared_ptr<ProviderHttp> http) : http_(std::move(http)) {}

  Result<std::shared_ptr<Embedder>> embedder(const RequestContext& context,
                                             const ProviderModel& model) override {
    LH_ASSIGN_OR_RETURN(ModelInfo info, info_of(context, model, ModelKind::Embedding));
    auto made = std::make_shared<OllamaEmbedder>(http_, model, std::move(info));
    LH_RETURN_IF_ERROR(made->probe(context));
    return made;
  }

  Result<std::shared_ptr<Generator>> generator(const RequestContext& context,
                                               const ProviderModel& model) override {
    LH_ASSIGN_OR_RETURN(ModelInfo info, info_of(context, model, ModelKind::Generation));
    return std::make_shared<OllamaGenerator>(http_, model, std::move(info));
  }

  Result<std::shared_ptr<Reranker>> reranker(const RequestContext& /*context*/,
                                             const ProviderModel& model) override {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("model '{}': Ollama has no reranking", model.name),
                "Take a provider of type \"openai\" that has /rerank, or leave 'ai.rerank' empty.");
  }

 private:
  /// The digest of the model's files is its version.
  [[nodiscard]] Result<ModelInfo> info_of(const RequestContext& context, const ProviderModel& model,
                                          ModelKind kind) const {
    LH_ASSIGN_OR_RETURN(const json::object tags, http_->get(context, "/api/tags"));
    const json::array* models = array_member(tags, "models");
    if (models == nullptr) {
      return http_->nonsense("no list of models");
    }
    const std::string latest = model.model + ":latest";
    const auto found = std::ranges::find_if(*models, [&](const json::value& one) {
      const std::string_view name =
          one.is_object() ? text_member(one.get_object(), "name") : std::string_view();
      return name == model.model || name == latest;
    });
    if (found == models->end()) {
      return fail(
          ErrorCode::NotFound,
          fmt::format("provider '{}' has no model '{}'", http_->address().name, model.model),
          fmt::format("Run `ollama pull {}` there.", model.model));
    }
    ModelInfo info = provider_info(*http_, model, kind);
    if (const auto digest = text_member(found->get_object(), "digest"); !digest.empty()) {
      info.version = digest;
    }
    LH_RETURN_IF_ERROR(add_sizes(context, model, info));
    return info;
  }

  Status add_sizes(const RequestContext& context, const ProviderModel& model,
                   ModelInfo& info) const {
    LH_ASSIGN_OR_RETURN(const json::object shown,
                        http_->post(context, "/api/show", {{"model", model.model}}));
    const json::object* details = object_member(shown, "model_info");
    if (details == nullptr) {
      return {};
    }
    const std::string family(text_member(*details, "general.architecture"));
    const std::uint32_t context_length = count_member(*details, family + ".context_length");
    if (info.kind == ModelKind::Embedding && info.max_tokens == 0) {
      info.max_tokens = context_length;
    }
    if (info.kind == ModelKind::Generation && context_length != 0) {
      info.context_tokens =
          info.context_tokens == 0 ? context_length : std::min(info.context_tokens, context_length);
    }
    return {};
  }

  std::shared_ptr<ProviderHttp> http_;
};

}  // namespace

std::shared_ptr<Provider> make_ollama(std::shared_ptr<ProviderHttp> http) {
  return std::make_shared<Ollama>(std::move(http));
}

}  // namespace lakehouse::ai
