#include "ai/guarded_models.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

namespace lakehouse::ai {
namespace {

using std::chrono::steady_clock;

/// One call: its place, its deadline, its fallbacks, its count.
template <class Model, class Answer>
class GuardedCall {
 public:
  using Ask = std::function<Result<Answer>(Model& model, const RequestContext& context)>;

  GuardedCall(ModelGuard& limits, const std::vector<Fallback<Model>>& fallbacks)
      : limits_(limits), fallbacks_(fallbacks) {}

  /// `begun` may be null: it says whether the answer has begun.
  Result<Answer> run(const RequestContext& context, Model& model, const Ask& ask,
                     const bool* begun = nullptr) {
    const auto began_at = steady_clock::now();
    RequestContext within = context;
    within.deadline = std::min(context.deadline, began_at + limits_.timeout);
    auto answer = ask_within(within, model, ask);
    for (const Fallback<Model>& fallback : fallbacks_) {
      if (answer || !may_fall_back(answer.error()) || (begun != nullptr && *begun) ||
          !within.check()) {
        break;
      }
      auto other = fallback(within);
      if (!other) {
        continue;  // The first model's error says more.
      }
      if (limits_.fallbacks != nullptr) {
        limits_.fallbacks->add();
      }
      auto second = ask(**other, within);
      if (second || !may_fall_back(second.error())) {
        answer = std::move(second);
      }
    }
    count(answer.has_value(), steady_clock::now() - began_at);
    return answer;
  }

 private:
  Result<Answer> ask_within(const RequestContext& context, Model& model, const Ask& ask) {
    LH_ASSIGN_OR_RETURN(const Places::Place place,
                        limits_.places.enter(context, fmt::format("model '{}'", limits_.name)));
    return ask(model, context);
  }

  void count(bool done, steady_clock::duration time) {
    if (limits_.calls != nullptr) {
      limits_.calls->add();
      limits_.seconds->observe(std::chrono::duration<double>(time).count());
      if (!done) {
        limits_.failures->add();
      }
    }
  }

  ModelGuard& limits_;
  const std::vector<Fallback<Model>>& fallbacks_;
};

class GuardedEmbedder final : public Embedder {
 public:
  GuardedEmbedder(std::shared_ptr<Embedder> model, std::shared_ptr<ModelGuard> limits,
                  std::vector<Fallback<Embedder>> fallbacks)
      : model_(std::move(model)), limits_(std::move(limits)), fallbacks_(std::move(fallbacks)) {}

  [[nodiscard]] const ModelInfo& info() const override { return model_->info(); }

 private:
  Result<Embeddings> do_embed(const RequestContext& context,
                              std::span<const std::string_view> texts,
                              EmbedPriority priority) override {
    const auto ask = [&](Embedder& model, const RequestContext& within) -> Result<Embeddings> {
      if (model.info().dimensions != info().dimensions) {
        return fail(ErrorCode::FailedPrecondition,
                    fmt::format("'{}' has vectors of another length than '{}'", model.info().name,
                                info().name));
      }
      return model.embed(within, texts, priority);
    };
    return GuardedCall<Embedder, Embeddings>(*limits_, fallbacks_).run(context, *model_, ask);
  }

  std::shared_ptr<Embedder> model_;
  std::shared_ptr<ModelGuard> limits_;
  std::vector<Fallback<Embedder>> fallbacks_;
};

class GuardedGenerator final : public Generator {
 public:
  GuardedGenerator(std::shared_ptr<Generator> model, std::shared_ptr<ModelGuard> limits,
                   std::vector<Fallback<Generator>> fallbacks)
      : model_(std::move(model)), limits_(std::move(limits)), fallbacks_(std::move(fallbacks)) {}

  [[nodiscard]] const ModelInfo& info() const override { return model_->info(); }

  Result<Generation> generate(const RequestContext& context, const GenerateRequest& request,
                              const OnPiece& on_piece) override {
    if (limits_->max_tokens != 0 && request.max_tokens > limits_->max_tokens) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("model '{}' writes at most {} tokens, not {}", limits_->name,
                              limits_->max_tokens, request.max_tokens),
                  "Lower max_tokens.");
    }
    bool begun = false;
    const OnPiece watch = [&](std::string_view piece) -> Status {
      begun = true;
      return on_piece ? on_piece(piece) : Status();
    };
    const auto ask = [&](Generator& model, const RequestContext& within) {
      return model.generate(within, request, watch);
    };
    return GuardedCall<Generator, Generation>(*limits_, fallbacks_)
        .run(context, *model_, ask, &begun);
  }

 private:
  std::shared_ptr<Generator> model_;
  std::shared_ptr<ModelGuard> limits_;
  std::vector<Fallback<Generator>> fallbacks_;
};

class GuardedReranker final : public Reranker {
 public:
  GuardedReranker(std::shared_ptr<Reranker> model, std::shared_ptr<ModelGuard> limits,
                  std::vector<Fallback<Reranker>> fallbacks)
      : model_(std::move(model)), limits_(std::move(limits)), fallbacks_(std::move(fallbacks)) {}

  [[nodiscard]] const ModelInfo& info() const override { return model_->info(); }

  Result<Reranking> rerank(const RequestContext& context, std::string_view query,
                           std::span<const std::string_view> texts) override {
    const auto ask = [&](Reranker& model, const RequestContext& within) {
      return model.rerank(within, query, texts);
    };
    return GuardedCall<Reranker, Reranking>(*limits_, fallbacks_).run(context, *model_, ask);
  }

 private:
  std::shared_ptr<Reranker> model_;
  std::shared_ptr<ModelGuard> limits_;
  std::vector<Fallback<Reranker>> fallbacks_;
};

class EmbeddingReranker final : public Reranker {
 public:
  explicit EmbeddingReranker(std::shared_ptr<Embedder> embedder)
      : embedder_(std::move(embedder)), info_(embedder_->info()) {
    info_.kind = ModelKind::Reranking;
    info_.dimensions = 0;
  }

  [[nodiscard]] const ModelInfo& info() const override { return info_; }

  Result<Reranking> rerank(const RequestContext& context, std::string_view query,
                           std::span<const std::string_view> texts) override {
    Reranking reranking{.scores = {}, .method = "embedding"};
    if (texts.empty()) {
      return reranking;
    }
    if (texts.size() >= Embedder::kTextsMax) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{} texts are too many to compare at once", texts.size()));
    }
    std::vector<std::string_view> all{query};
    all.insert(all.end(), texts.begin(), texts.end());
    LH_ASSIGN_OR_RETURN(const Embeddings vectors, embedder_->embed(context, all));
    const auto asked = vectors.row(0);
    for (std::size_t i = 1; i < all.size(); ++i) {
      const auto row = vectors.row(i);
      float score = 0;
      for (std::size_t d = 0; d < row.size(); ++d) {
        score += row[d] * asked[d];
      }
      reranking.scores.push_back(score);
    }
    return reranking;
  }

 private:
  std::shared_ptr<Embedder> embedder_;
  ModelInfo info_;
};

}  // namespace

bool may_fall_back(const Error& error) {
  return error.code == ErrorCode::Unavailable || error.code == ErrorCode::ResourceExhausted ||
         error.code == ErrorCode::FailedPrecondition || error.code == ErrorCode::NotFound ||
         error.code == ErrorCode::DeadlineExceeded;
}

std::shared_ptr<Embedder> guard(std::shared_ptr<Embedder> model, std::shared_ptr<ModelGuard> limits,
                                std::vector<Fallback<Embedder>> fallbacks) {
  return std::make_shared<GuardedEmbedder>(std::move(model), std::move(limits),
                                           std::move(fallbacks));
}

std::shared_ptr<Generator> guard(std::shared_ptr<Generator> model,
                                 std::shared_ptr<ModelGuard> limits,
                                 std::vector<Fallback<Generator>> fallbacks) {
  return std::make_shared<GuardedGenerator>(std::move(model), std::move(limits),
                                            std::move(fallbacks));
}

std::shared_ptr<Reranker> guard(std::shared_ptr<Reranker> model, std::shared_ptr<ModelGuard> limits,
                                std::vector<Fallback<Reranker>> fallbacks) {
  return std::make_shared<GuardedReranker>(std::move(model), std::move(limits),
                                           std::move(fallbacks));
}

std::shared_ptr<Reranker> make_embedding_reranker(std::shared_ptr<Embedder> embedder) {
  return std::make_shared<EmbeddingReranker>(std::move(embedder));
}

}  // namespace lakehouse::ai
