#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"

/// \file
/// Models by name: what turns texts into vectors, writes text, and says how well texts answer a
/// question. Where a model runs (the sandboxed child, Ollama, an HTTP service) is its provider's
/// affair; who uses one sees only this.

namespace lakehouse::ai {

enum class ModelKind : std::uint8_t { Embedding, Generation, Reranking };
std::string_view to_string(ModelKind kind);  ///< "embedding", "generation", "reranking"

/// What is known of a model without running it.
struct ModelInfo {
  std::string name;  ///< As configured: "minilm", "qwen-coder-1.5b".
  ModelKind kind = ModelKind::Embedding;
  std::string provider;  ///< "embedded", or the name of a configured provider.
  /// Changes when the answers may: a hash of the model's files, or what the provider calls it.
  std::string version;
  std::uint32_t dimensions = 0;      ///< Of an embedding; 0 for the other kinds.
  std::uint32_t max_tokens = 0;      ///< Embedding, reranking: a longer text is cut there.
  std::uint32_t context_tokens = 0;  ///< Generation: prompt and answer together.
  bool is_default = false;           ///< What an empty name means, for its kind.

  friend bool operator==(const ModelInfo&, const ModelInfo&) = default;
};

/// One vector a text, in the order of the texts, each of length 1.
struct Embeddings {
  std::size_t dimensions = 0;
  std::vector<float> values;  ///< Row-major.

  [[nodiscard]] std::size_t size() const {
    return dimensions == 0 ? 0 : values.size() / dimensions;
  }
  [[nodiscard]] std::span<const float> row(std::size_t i) const {
    return std::span(values).subspan(i * dimensions, dimensions);
  }

  friend bool operator==(const Embeddings&, const Embeddings&) = default;
};

/// Who waits for an embedding. Work of a job steps back for a person's search at every batch.
enum class EmbedPriority : std::uint8_t { Interactive, Bulk };

/// Texts into vectors. Thread-safe.
class Embedder {
 public:
  virtual ~Embedder() = default;

  /// Fixed for this object; `dimensions` and `version` are known.
  [[nodiscard]] virtual const ModelInfo& info() const = 0;

  /// The vectors of `texts`, any number of them: batches are made inside, so give what you have (a
  /// few hundred at a time is as fast as it gets). The same text has the same vector, up to the
  /// last bits: those may depend on its neighbours in a batch. A text without a single token has a
  /// vector, too. Bytes that are no UTF-8 count as U+FFFD.
  ///
  /// Unavailable while the model cannot be reached: retried inside for a child that has just
  /// crashed, so it has meant something by then. ResourceExhausted if too much waits.
  /// InvalidArgument for more than 4,096 texts or 64 MiB in one call. Cancelled, DeadlineExceeded
  /// by `context`.
  Result<Embeddings> embed(const RequestContext& context, std::span<const std::string_view> texts,
                           EmbedPriority priority = EmbedPriority::Interactive) {
    return do_embed(context, texts, priority);
  }

  static constexpr std::size_t kTextsMax = 4'096;
  static constexpr std::size_t kBytesMax = std::size_t{64} << 20U;

 private:
  virtual Result<Embeddings> do_embed(const RequestContext& context,
                                      std::span<const std::string_view> texts,
                                      EmbedPriority priority) = 0;
};

struct ChatMessage {
  std::string role;  ///< "system", "user", "assistant"
  std::string content;
  friend bool operator==(const ChatMessage&, const ChatMessage&) = default;
};

/// What to write. Exactly one of `messages` and `prompt` is given.
struct GenerateRequest {
  std::vector<ChatMessage> messages;  ///< Put into the model's own form of a conversation.
  std::string prompt;                 ///< Continued as it stands.
  std::uint32_t max_tokens = 512;
  double temperature = 0;  ///< 0: always the most probable token.
  std::optional<double> top_p;
  std::optional<std::uint64_t> seed;
  std::vector<std::string> stop;  ///< The answer ends before the first of these.
  /// At most one of the two: what the answer may be. A GBNF grammar with the rule `root`, or a JSON
  /// schema. InvalidArgument if it does not parse; Unimplemented by a provider that has no such.
  std::string grammar;
  std::string json_schema;
};

enum class FinishReason : std::uint8_t {
  Stop,    ///< The model or a stop text ended it.
  Length,  ///< `max_tokens` or the model's context did.
};
std::string_view to_string(FinishReason reason);  ///< "stop", "length"

struct Generation {
  std::string text;
  FinishReason finish_reason = FinishReason::Stop;
  std::uint32_t prompt_tokens = 0;
  std::uint32_t prompt_tokens_cached = 0;  ///< Of these, not computed again.
  std::uint32_t tokens = 0;                ///< Of the answer.
  /// How probable the model found the answer before grammar and temperature had their say: the mean
  /// of its tokens' natural logarithms. Nothing from a provider that does not tell.
  std::optional<double> log_probability;
};

/// Takes the next piece of an answer, whole characters only. An error ends the generation with it.
using OnPiece = std::function<Status(std::string_view piece)>;

/// Writes text. Thread-safe.
class Generator {
 public:
  virtual ~Generator() = default;
  [[nodiscard]] virtual const ModelInfo& info() const = 0;

  /// The answer, whole, after each piece was given to `on_piece` (which may be empty), in the
  /// caller's thread. InvalidArgument if prompt and `max_tokens` exceed the context.
  /// Unavailable, ResourceExhausted, Cancelled, DeadlineExceeded as for Embedder.
  virtual Result<Generation> generate(const RequestContext& context, const GenerateRequest& request,
                                      const OnPiece& on_piece) = 0;
};

/// How well each text answers the query: higher is better, comparable within one call only.
struct Reranking {
  std::vector<float> scores;  ///< In the order of the texts.
  std::string method;         ///< "cross-encoder", "late-interaction", "embedding"
};

/// Thread-safe. Errors and limits as for Embedder.
class Reranker {
 public:
  virtual ~Reranker() = default;
  [[nodiscard]] virtual const ModelInfo& info() const = 0;
  virtual Result<Reranking> rerank(const RequestContext& context, std::string_view query,
                                   std::span<const std::string_view> texts) = 0;
};

/// The models of this server. Thread-safe.
///
/// What it gives is shared, because models come and go while a job still uses one; it outlives
/// neither the service nor its metrics.
class ModelService {
 public:
  virtual ~ModelService() = default;

  /// The model of that name; the default one of its kind for "". NotFound, naming those there are;
  /// FailedPrecondition if it is of another kind, or if there is no default. Unavailable if what it
  /// is (its dimensions) must be asked of a provider that does not answer.
  virtual Result<std::shared_ptr<Embedder>> embedder(const RequestContext& context,
                                                     std::string_view name) = 0;
  virtual Result<std::shared_ptr<Generator>> generator(const RequestContext& context,
                                                       std::string_view name) = 0;
  /// For "", where no reranking model is configured: one that compares embeddings, and says so.
  virtual Result<std::shared_ptr<Reranker>> reranker(const RequestContext& context,
                                                     std::string_view name) = 0;

  /// All that are configured, by name. Asks nobody: dimensions of a provider's model are 0 until
  /// it has been used.
  [[nodiscard]] virtual std::vector<ModelInfo> models() const = 0;
};

}  // namespace lakehouse::ai
