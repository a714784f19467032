// OpenAI's protocol, as many servers speak it: POST /embeddings, /chat/completions, /completions;
// POST /rerank as Jina, Cohere, vLLM and llama.cpp's server have it.

#include <optional>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "ai/providers/provider.h"
#include "base/json.h"

namespace lakehouse::ai {
namespace {

namespace json = boost::json;

/// The elements of a list in the order of their "index"; nothing if that is not 0 to n-1, each
/// once.
std::optional<std::vector<const json::object*>> by_index(const json::array& list,
                                                         std::size_t count) {
  std::vector<const json::object*> sorted(count, nullptr);
  for (const json::value& value : list) {
    const json::object* element = value.if_object();
    const json::value* index = element == nullptr ? nullptr : element->if_contains("index");
    if (index == nullptr || !index->is_int64() || index->get_int64() < 0 ||
        static_cast<std::uint64_t>(index->get_int64()) >= count) {
      return std::nullopt;
    }
    const json::object*& place = sorted[static_cast<std::size_t>(index->get_int64())];
    if (place != nullptr) {
      return std::nullopt;
    }
    place = element;
  }
  return list.size() == count ? std::optional(std::move(sorted)) : std::nullopt;
}

class OpenAiEmbedder final : public ProviderEmbedder {
 public:
  using ProviderEmbedder::ProviderEmbedder;

 private:
  Result<json::array> vectors_of(const RequestContext& context,
                                 std::span<const std::string_view> texts) override {
    json::array input;
    for (const std::string_view text : texts) {
      // An empty text is refused by some of them.
      input.emplace_back(text.empty() ? std::string(" ") : valid_utf8(text));
    }
    json::object body{{"model", model().model}, {"encoding_format", "float"}};
    body["input"] = std::move(input);
    LH_ASSIGN_OR_RETURN(const json::object answer,
                        http().post(context, "/embeddings", body, model().timeout));
    const json::array* data = array_member(answer, "data");
    const auto sorted = data == nullptr ? std::nullopt : by_index(*data, texts.size());
    if (!sorted) {
      return http().nonsense("not one embedding for each text");
    }
    json::array vectors;
    for (const json::object* element : *sorted) {
      const json::value* vector = element->if_contains("embedding");
      vectors.push_back(vector == nullptr ? json::value() : *vector);
    }
    return vectors;
  }
};

class OpenAiGenerator final : public Generator {
 public:
  OpenAiGenerator(std::shared_ptr<ProviderHttp> http, ProviderModel model)
      : http_(std::move(http)),
        model_(std::move(model)),
        info_(provider_info(*http_, model_, ModelKind::Generation)) {}

  [[nodiscard]] const ModelInfo& info() const override { return info_; }

  Result<Generation> generate(const RequestContext& context, const GenerateRequest& request,
                              const OnPiece& on_piece) override {
    LH_RETURN_IF_ERROR(check_request(request));
    if (!request.grammar.empty()) {
      return fail(ErrorCode::Unimplemented, "OpenAI's protocol has no GBNF grammars",
                  "Give a JSON schema, or use a model that this server runs.");
    }
    LH_ASSIGN_OR_RETURN(const json::object body, body_of(request));
    Generation generation;
    const auto on_line = [&](std::string_view line) -> Result<bool> {
      constexpr std::string_view kData = "data:";
      if (!line.starts_with(kData)) {
        return false;  // A comment, an event's name.
      }
      line.remove_prefix(kData.size());
      line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
      if (line == "[DONE]") {
        return true;
      }
      auto document = parse_json(line, "an event of the answer");
      if (!document || !document->is_object()) {
        return http_->nonsense("an event that is no JSON object");
      }
      LH_RETURN_IF_ERROR(take(document->get_object(), generation, on_piece));
      return false;
    };
    LH_RETURN_IF_ERROR(
        http_->post_lines(context, request.prompt.empty() ? "/chat/completions" : "/completions",
                          body, on_line, model_.timeout));
    return generation;
  }

 private:
  [[nodiscard]] Result<json::object> body_of(const GenerateRequest& request) const {
    json::object body{{"model", model_.model},
                      {"stream", true},
                      {"stream_options", json::object{{"include_usage", true}}},
                      {"temperature", request.temperature},
                      {"max_tokens", request.max_tokens}};
    if (request.prompt.empty()) {
      json::array messages;
      for (const ChatMessage& message : request.messages) {
        messages.push_back(
            json::object{{"role", message.role}, {"content", valid_utf8(message.content)}});
      }
      body["messages"] = std::move(messages);
    } else {
      body["prompt"] = valid_utf8(request.prompt);
    }
    if (request.top_p) {
      body["top_p"] = *request.top_p;
    }
    if (request.seed) {
      body["seed"] = *request.seed;
    }
    if (!request.stop.empty()) {
      body["stop"] = json::array(request.stop.begin(), request.stop.end());
    }
    if (!request.json_schema.empty()) {
      LH_ASSIGN_OR_RETURN(json::value schema, parse_json(request.json_schema, "'json_schema'"));
      body["response_format"] = json::object{
          {"type", "json_schema"},
          {"json_schema",
           json::object{{"name", "answer"}, {"strict", true}, {"schema", std::move(schema)}}}};
    }
    return body;
  }

  Status take(const json::object& event, Generation& generation, const OnPiece& on_piece) const {
    if (const json::object* error = object_member(event, "error")) {
      return fail(ErrorCode::Unavailable,
                  fmt::format("provider '{}': {}", http_->address().name,
                              text_member(*error, "message").substr(0, 300)));
    }
    if (const json::object* usage = object_member(event, "usage")) {
      generation.prompt_tokens = count_member(*usage, "prompt_tokens");
      generation.tokens = count_member(*usage, "completion_tokens");
      if (const json::object* details = object_member(*usage, "prompt_tokens_details")) {
        generation.prompt_tokens_cached = count_member(*details, "cached_tokens");
      }
    }
    const json::array* choices = array_member(event, "choices");
    const json::object* choice =
        choices == nullptr || choices->empty() ? nullptr : choices->front().if_object();
    if (choice == nullptr) {
      return {};
    }
    if (text_member(*choice, "finish_reason") == "length") {
      generation.finish_reason = FinishReason::Length;
    }
    const json::object* delta = object_member(*choice, "delta");
    const std::string_view piece =
        delta == nullptr ? text_member(*choice, "text") : text_member(*delta, "content");
    if (piece.empty()) {
      return {};
    }
    generation.text += piece;
    return on_piece ? on_piece(piece) : Status();
  }

  std::shared_ptr<ProviderHttp> http_;
  ProviderModel model_;
  ModelInfo info_;
};

class OpenAiReranker final : public Reranker {
 public:
  OpenAiReranker(std::shared_ptr<ProviderHttp> http, ProviderModel model)
      : http_(std::move(http)),
        model_(std::move(model)),
        info_(provider_info(*http_, model_, ModelKind::Reranking)) {}

  [[nodiscard]] const ModelInfo& info() const override { return info_; }

  Result<Reranking> rerank(const RequestContext& context, std::string_view query,
                           std::span<const std::string_view> texts) override {
    Reranking reranking{.scores = {}, .method = "cross-encoder"};
    if (texts.empty()) {
      return reranking;
    }
    json::array documents;
    for (const std::string_view text : texts) {
      documents.emplace_back(valid_utf8(text));
    }
    json::object body{{"model", model_.model}, {"query", valid_utf8(query)}};
    body["documents"] = std::move(documents);
    body["top_n"] = texts.size();
    LH_ASSIGN_OR_RETURN(const json::object answer,
                        http_->post(context, "/rerank", body, model_.timeout));
    const json::array* results = array_member(answer, "results");
    const auto sorted = results == nullptr ? std::nullopt : by_index(*results, texts.size());
    if (!sorted) {
      return http_->nonsense("not one score for each text");
    }
    for (const json::object* element : *sorted) {
      const json::value* score = element->if_contains("relevance_score");
      if (score == nullptr || !score->is_number()) {
        return http_->nonsense("a result without a score");
      }
      reranking.scores.push_back(static_cast<float>(score->to_number<double>()));
    }
    return reranking;
  }

 private:
  std::shared_ptr<ProviderHttp> http_;
  ProviderModel model_;
  ModelInfo info_;
};

class OpenAi final : public Provider {
 public:
  explicit OpenAi(std::shared_ptr<ProviderHttp> http) : http_(std::move(http)) {}

  Result<std::shared_ptr<Embedder>> embedder(const RequestContext& context,
                                             const ProviderModel& model) override {
    auto made = std::make_shared<OpenAiEmbedder>(
        http_, model, provider_info(*http_, model, ModelKind::Embedding));
    LH_RETURN_IF_ERROR(made->probe(context));
    return made;
  }
  Result<std::shared_ptr<Generator>> generator(const RequestContext& /*context*/,
                                               const ProviderModel& model) override {
    return std::make_shared<OpenAiGenerator>(http_, model);
  }
  Result<std::shared_ptr<Reranker>> reranker(const RequestContext& /*context*/,
                                             const ProviderModel& model) override {
    return std::make_shared<OpenAiReranker>(http_, model);
  }

 private:
  std::shared_ptr<ProviderHttp> http_;
};

}  // namespace

std::shared_ptr<Provider> make_openai(std::shared_ptr<ProviderHttp> http) {
  return std::make_shared<OpenAi>(std::move(http));
}

}  // namespace lakehouse::ai
