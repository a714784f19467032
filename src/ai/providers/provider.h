#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ai/model_service.h"
#include "ai/providers/provider_http.h"
#include "base/error.h"
#include "base/request_context.h"

namespace lakehouse::ai {

/// A model as it is configured at a provider.
struct ProviderModel {
  std::string name = {};                ///< Here.
  std::string model;                    ///< There.
  std::string keep_alive;               ///< Ollama's; empty: not said.
  std::uint32_t max_tokens = 0;         ///< 0: not said.
  std::uint32_t context_tokens = 0;     ///< 0: not said.
  std::chrono::milliseconds timeout{};  ///< 0: the provider's.
};

/// Something that runs models behind an HTTP API. Thread-safe. The models that it gives may outlive
/// it. Errors as ProviderHttp's; FailedPrecondition for a kind that it does not offer.
class Provider {
 public:
  virtual ~Provider() = default;
  /// Asks for the version, and for one embedding, to know the dimensions.
  virtual Result<std::shared_ptr<Embedder>> embedder(const RequestContext& context,
                                                     const ProviderModel& model) = 0;
  virtual Result<std::shared_ptr<Generator>> generator(const RequestContext& context,
                                                       const ProviderModel& model) = 0;
  virtual Result<std::shared_ptr<Reranker>> reranker(const RequestContext& context,
                                                     const ProviderModel& model) = 0;
};

/// `keep_alive`, NDJSON streams, JSON schemas as `format`; GBNF grammars are Unimplemented.
std::shared_ptr<Provider> make_ollama(std::shared_ptr<ProviderHttp> http);
/// What speaks OpenAI's protocol; reranking as Jina, Cohere, vLLM and llama.cpp's server have it.
std::shared_ptr<Provider> make_openai(std::shared_ptr<ProviderHttp> http);

/// The info that providers have in common.
ModelInfo provider_info(const ProviderHttp& http, const ProviderModel& model, ModelKind kind);

/// `text`, with U+FFFD for what is no UTF-8: JSON has no place for other bytes.
std::string valid_utf8(std::string_view text);

/// Embeds by as many calls of an API as it takes. Checks Embedder's limits and the number of
/// vectors, and makes each of length 1.
class ProviderEmbedder : public Embedder {
 public:
  ProviderEmbedder(std::shared_ptr<ProviderHttp> http, ProviderModel model, ModelInfo info)
      : http_(std::move(http)), model_(std::move(model)), info_(std::move(info)) {}

  [[nodiscard]] const ModelInfo& info() const override { return info_; }

  /// Learns the dimensions from one text.
  Status probe(const RequestContext& context);

 protected:
  [[nodiscard]] ProviderHttp& http() const { return *http_; }
  [[nodiscard]] const ProviderModel& model() const { return model_; }

 private:
  Result<Embeddings> do_embed(const RequestContext& context,
                              std::span<const std::string_view> texts,
                              EmbedPriority priority) override;
  /// One call: an array of numbers for each text.
  virtual Result<boost::json::array> vectors_of(const RequestContext& context,
                                                std::span<const std::string_view> texts) = 0;

  std::shared_ptr<ProviderHttp> http_;
  ProviderModel model_;
  ModelInfo info_;
};

/// InvalidArgument for a request that no provider can take: no prompt or two, no tokens wanted, a
/// grammar and a schema, a schema that is no JSON object.
Status check_request(const GenerateRequest& request);

/// The text of a JSON member, or "".
std::string_view text_member(const boost::json::object& object, std::string_view name);
/// The number of a JSON member, or 0.
std::uint32_t count_member(const boost::json::object& object, std::string_view name);
const boost::json::object* object_member(const boost::json::object& object, std::string_view name);
const boost::json::array* array_member(const boost::json::object& object, std::string_view name);

}  // namespace lakehouse::ai
