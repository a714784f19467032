#include "ai/client/embedded_generator.h"

#include <algorithm>
#include <string>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "ai/json_schema_grammar.h"
#include "ai/providers/provider.h"

namespace lakehouse::ai {
namespace {

namespace json = boost::json;

class EmbeddedGenerator final : public Generator {
 public:
  EmbeddedGenerator(ModelChild& child, ModelFiles files, std::chrono::milliseconds idle)
      : child_(child), files_(std::move(files)), idle_(idle) {
    info_.name = files_.name;
    info_.kind = ModelKind::Generation;
    info_.provider = "embedded";
    info_.version = files_.version;
    info_.context_tokens = files_.context_tokens;
  }

  [[nodiscard]] const ModelInfo& info() const override { return info_; }

  Result<Generation> generate(const RequestContext& context, const GenerateRequest& request,
                              const OnPiece& on_piece) override {
    LH_RETURN_IF_ERROR(check_request(request));
    LH_ASSIGN_OR_RETURN(json::object body, body_of(request));
    Generation generation;
    const auto on_data = [&](std::string_view bytes) -> Status {
      // A model may write bytes that are no characters.
      const std::string piece = valid_utf8(bytes);
      generation.text += piece;
      return on_piece ? on_piece(piece) : Status();
    };
    LH_ASSIGN_OR_RETURN(const json::object end, child_.call(context, std::move(body), on_data));
    generation.finish_reason =
        text_member(end, "finish_reason") == "length" ? FinishReason::Length : FinishReason::Stop;
    generation.prompt_tokens = count_member(end, "prompt_tokens");
    generation.prompt_tokens_cached = count_member(end, "prompt_tokens_cached");
    generation.tokens = count_member(end, "tokens");
    if (const json::value* found = end.if_contains("log_probability");
        found != nullptr && found->is_number()) {
      generation.log_probability = found->to_number<double>();
    }
    return generation;
  }

 private:
  [[nodiscard]] Result<json::object> body_of(const GenerateRequest& request) const {
    json::object body{{"op", "generate"},
                      {"model", files_.path.string()},
                      {"idle_ms", idle_.count()},
                      {"max_tokens", request.max_tokens},
                      {"temperature", request.temperature}};
    if (files_.context_tokens != 0) {
      body["context_tokens"] = files_.context_tokens;
    }
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
      body["seed"] = static_cast<std::int64_t>(*request.seed);
    }
    if (!request.stop.empty()) {
      body["stop"] = json::array(request.stop.begin(), request.stop.end());
    }
    std::string grammar = request.grammar;
    if (!request.json_schema.empty()) {
      LH_ASSIGN_OR_RETURN(grammar, grammar_of_json_schema(request.json_schema));
    }
    if (!grammar.empty()) {
      LH_RETURN_IF_ERROR(check_grammar(grammar));
      body["grammar"] = std::move(grammar);
    }
    return body;
  }

  ModelChild& child_;
  const ModelFiles files_;
  const std::chrono::milliseconds idle_;
  ModelInfo info_;
};

}  // namespace

std::shared_ptr<Generator> make_embedded_generator(ModelChild& child, ModelFiles files,
                                                   std::chrono::milliseconds idle) {
  return std::make_shared<EmbeddedGenerator>(child, std::move(files), idle);
}

}  // namespace lakehouse::ai
