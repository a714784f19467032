#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <llama.h>

#include "ai/child/llama_handles.h"
#include "base/error.h"

namespace lakehouse::ai {

struct SamplingOptions {
  double temperature = 0;
  std::optional<double> top_p;
  std::optional<std::uint64_t> seed;
  std::string grammar;  ///< GBNF; empty: none.
};

/// Chooses the tokens of one answer. Not thread-safe.
class TokenSampler {
 public:
  /// InvalidArgument for a grammar that does not parse.
  static Result<TokenSampler> make(const llama_vocab* vocab, const SamplingOptions& options);

  /// The next token by the logits of `output` of the last batch; an end token if the grammar leaves
  /// nothing to say.
  llama_token sample(llama_context* context, std::int32_t output);
  /// The mean natural logarithm of the probabilities that the model gave the tokens so far, before
  /// grammar and temperature had their say. 0 before the first.
  [[nodiscard]] double log_probability() const {
    return sampled_ == 0 ? 0 : log_probability_ / static_cast<double>(sampled_);
  }

 private:
  TokenSampler(const llama_vocab* vocab, const SamplingOptions& options);
  llama_token choose(const float* logits, bool by_grammar);
  [[nodiscard]] bool grammar_takes(llama_token token) const;

  const llama_vocab* vocab_;
  bool greedy_;
  LlamaSamplerHandle grammar_;  ///< Null: none.
  LlamaSamplerHandle chain_;    ///< Null: greedy.
  std::vector<llama_token_data> candidates_;
  double log_probability_ = 0;
  std::size_t sampled_ = 0;
};

}  // namespace lakehouse::ai
