#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
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

/// Makes the vectors of one call of an API out of those of many: `embed_some` is called with as
/// many texts as one request should hold. Checks Embedder's limits, the number of vectors, and
/// makes each of length 1.
using EmbedSome =
    std::function<Result<boost::json::array>(std::span<const std::string_view> texts)>;
Result<Embeddings> embed_in_batches(const RequestContext& context, const ProviderHttp& http,
                                    std::span<const std::string_view> texts,
                                    std::uint32_t dimensions, const EmbedSome& embed_some);

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
