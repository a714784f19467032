#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ai/model_service.h"

/// \file
/// Models that cost nothing and always say the same, for unit tests of what uses models.

namespace lakehouse::ai::testing {

/// Texts that share words are near each other: each word, lower-cased, adds a fixed random vector.
///
/// Remembers what it was asked, and fails on demand. Thread-safe.
class FakeEmbedder final : public Embedder {
 public:
  explicit FakeEmbedder(std::string name = "fake", std::uint32_t dimensions = 64,
                        std::string version = "1") {
    info_.name = std::move(name);
    info_.kind = ModelKind::Embedding;
    info_.provider = "fake";
    info_.version = std::move(version);
    info_.dimensions = dimensions;
    info_.max_tokens = 512;
  }

  [[nodiscard]] const ModelInfo& info() const override { return info_; }

  /// Fails the next `times` calls with `error`.
  void fail_next(Error error, int times = 1) {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(error);
    failures_left_ = times;
  }
  /// Fails every call that holds a text with this in it.
  void refuse_texts_with(std::string part) {
    const std::lock_guard lock(mutex_);
    refused_part_ = std::move(part);
  }
  [[nodiscard]] std::size_t calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  [[nodiscard]] std::size_t texts_embedded() const {
    const std::lock_guard lock(mutex_);
    return texts_;
  }

 private:
  Result<Embeddings> do_embed(const RequestContext& context,
                              std::span<const std::string_view> texts,
                              EmbedPriority /*priority*/) override {
    LH_RETURN_IF_ERROR(context.check());
    if (texts.size() > kTextsMax) {
      return fail(ErrorCode::InvalidArgument, "too many texts");
    }
    {
      const std::lock_guard lock(mutex_);
      ++calls_;
      if (failures_left_ > 0) {
        --failures_left_;
        return std::unexpected(failure_);
      }
      for (const std::string_view text : texts) {
        if (!refused_part_.empty() && text.find(refused_part_) != std::string_view::npos) {
          return fail(ErrorCode::InvalidArgument, "the fake refuses this text");
        }
      }
      texts_ += texts.size();
    }
    Embeddings result{.dimensions = info_.dimensions, .values = {}};
    result.values.reserve(texts.size() * info_.dimensions);
    for (const std::string_view text : texts) {
      const std::vector<float> row = embed_one(text);
      result.values.insert(result.values.end(), row.begin(), row.end());
    }
    return result;
  }

  [[nodiscard]] std::vector<float> embed_one(std::string_view text) const {
    std::vector<double> sum(info_.dimensions, 0.0);
    std::uint64_t word = kSeed;
    bool in_word = false;
    const auto end_word = [&] {
      std::uint64_t state = word;
      for (double& value : sum) {
        state = state * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
        value += static_cast<double>(state >> 33U) / static_cast<double>(1U << 30U) - 1.0;
      }
      word = kSeed;
      in_word = false;
    };
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte >= 0x80U || std::isalnum(byte) != 0) {
        word = (word ^ static_cast<std::uint64_t>(std::tolower(byte))) * 1'099'511'628'211U;
        in_word = true;
      } else if (in_word) {
        end_word();
      }
    }
    if (in_word || text.empty()) {
      end_word();
    }
    double square = 0;
    for (const double value : sum) {
      square += value * value;
    }
    std::vector<float> row(sum.size(), 0.0F);
    if (square == 0) {
      row[0] = 1.0F;
      return row;
    }
    for (std::size_t i = 0; i < sum.size(); ++i) {
      row[i] = static_cast<float>(sum[i] / std::sqrt(square));
    }
    return row;
  }

  static constexpr std::uint64_t kSeed = 14'695'981'039'346'656'037U;
  ModelInfo info_;
  mutable std::mutex mutex_;
  Error failure_;
  int failures_left_ = 0;
  std::string refused_part_;
  std::size_t calls_ = 0;
  std::size_t texts_ = 0;
};

/// Says what it was told to say, one answer a call, and keeps what it was asked. Thread-safe.
class FakeGenerator final : public Generator {
 public:
  explicit FakeGenerator(std::string name = "fake-generator") {
    info_.name = std::move(name);
    info_.kind = ModelKind::Generation;
    info_.provider = "fake";
    info_.version = "1";
    info_.context_tokens = 8'192;
  }

  [[nodiscard]] const ModelInfo& info() const override { return info_; }

  /// The next answers, in order. With none left it echoes the end of the last message.
  void say(std::string answer) {
    const std::lock_guard lock(mutex_);
    answers_.emplace_back(std::move(answer));
  }
  /// What all answers from now on are said to be worth.
  void set_log_probability(std::optional<double> log_probability) {
    const std::lock_guard lock(mutex_);
    log_probability_ = log_probability;
  }
  void fail_next(Error error) {
    const std::lock_guard lock(mutex_);
    answers_.emplace_back(std::unexpected(std::move(error)));
  }
  [[nodiscard]] std::vector<GenerateRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

  /// In pieces of a word each.
  Result<Generation> generate(const RequestContext& context, const GenerateRequest& request,
                              const OnPiece& on_piece) override {
    LH_RETURN_IF_ERROR(context.check());
    LH_ASSIGN_OR_RETURN(Generation answer, next(request));
    std::string_view rest = answer.text;
    while (on_piece && !rest.empty()) {
      const std::size_t space = rest.find(' ');
      const std::string_view piece =
          rest.substr(0, space == std::string_view::npos ? rest.size() : space + 1);
      LH_RETURN_IF_ERROR(context.check());
      LH_RETURN_IF_ERROR(on_piece(piece));
      rest.remove_prefix(piece.size());
    }
    return answer;
  }

 private:
  Result<Generation> next(const GenerateRequest& request) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    Generation answer;
    if (!answers_.empty()) {
      Result<std::string> scripted = std::move(answers_.front());
      answers_.pop_front();
      if (!scripted) {
        return std::unexpected(std::move(scripted).error());
      }
      answer.text = *std::move(scripted);
    } else {
      answer.text = request.messages.empty() ? request.prompt : request.messages.back().content;
      answer.text =
          answer.text.substr(answer.text.size() - std::min<std::size_t>(answer.text.size(), 200));
    }
    answer.tokens = static_cast<std::uint32_t>(answer.text.size() / 4 + 1);
    answer.log_probability = log_probability_;
    return answer;
  }

  ModelInfo info_;
  mutable std::mutex mutex_;
  std::deque<Result<std::string>> answers_;
  std::optional<double> log_probability_;
  std::vector<GenerateRequest> requests_;
};

/// Scores by the embeddings' cosine. Thread-safe.
class FakeReranker final : public Reranker {
 public:
  explicit FakeReranker(std::shared_ptr<Embedder> embedder) : embedder_(std::move(embedder)) {
    info_.name = "fake-reranker";
    info_.kind = ModelKind::Reranking;
    info_.provider = "fake";
    info_.version = "1";
  }
  [[nodiscard]] const ModelInfo& info() const override { return info_; }

  Result<Reranking> rerank(const RequestContext& context, std::string_view query,
                           std::span<const std::string_view> texts) override {
    const std::array<std::string_view, 1> queries{query};
    LH_ASSIGN_OR_RETURN(const Embeddings asked, embedder_->embed(context, queries));
    LH_ASSIGN_OR_RETURN(const Embeddings rows, embedder_->embed(context, texts));
    Reranking result{.scores = {}, .method = "embedding"};
    for (std::size_t i = 0; i < rows.size(); ++i) {
      float dot = 0;
      for (std::size_t d = 0; d < rows.dimensions; ++d) {
        dot += asked.row(0)[d] * rows.row(i)[d];
      }
      result.scores.push_back(dot);
    }
    return result;
  }

 private:
  ModelInfo info_;
  std::shared_ptr<Embedder> embedder_;
};

/// One of each, and more embedders by name. Fill it before it is shared; then thread-safe.
class FakeModelService final : public ModelService {
 public:
  FakeModelService()
      : embedder_(std::make_shared<FakeEmbedder>()),
        generator_(std::make_shared<FakeGenerator>()),
        reranker_(std::make_shared<FakeReranker>(embedder_)) {
    add_embedder(embedder_);
  }

  FakeEmbedder& fake_embedder() { return *embedder_; }
  FakeGenerator& fake_generator() { return *generator_; }
  void add_embedder(const std::shared_ptr<FakeEmbedder>& embedder) {
    embedders_[embedder->info().name] = embedder;
  }

  Result<std::shared_ptr<Embedder>> embedder(const RequestContext& /*context*/,
                                             std::string_view name) override {
    const auto found = embedders_.find(name.empty() ? embedder_->info().name : std::string(name));
    if (found == embedders_.end()) {
      return fail(ErrorCode::NotFound, "there is no model '" + std::string(name) + "'");
    }
    return std::shared_ptr<Embedder>(found->second);
  }
  Result<std::shared_ptr<Generator>> generator(const RequestContext& /*context*/,
                                               std::string_view name) override {
    if (!name.empty() && name != generator_->info().name) {
      return fail(ErrorCode::NotFound, "there is no model '" + std::string(name) + "'");
    }
    return std::shared_ptr<Generator>(generator_);
  }
  Result<std::shared_ptr<Reranker>> reranker(const RequestContext& /*context*/,
                                             std::string_view name) override {
    if (!name.empty() && name != reranker_->info().name) {
      return fail(ErrorCode::NotFound, "there is no model '" + std::string(name) + "'");
    }
    return std::shared_ptr<Reranker>(reranker_);
  }
  [[nodiscard]] std::vector<ModelInfo> models() const override {
    std::vector<ModelInfo> all;
    for (const auto& [name, embedder] : embedders_) {
      all.push_back(embedder->info());
      all.back().is_default = embedder == embedder_;
    }
    all.push_back(generator_->info());
    all.push_back(reranker_->info());
    return all;
  }

 private:
  std::shared_ptr<FakeEmbedder> embedder_;
  std::shared_ptr<FakeGenerator> generator_;
  std::shared_ptr<FakeReranker> reranker_;
  std::map<std::string, std::shared_ptr<FakeEmbedder>, std::less<>> embedders_;
};

}  // namespace lakehouse::ai::testing
