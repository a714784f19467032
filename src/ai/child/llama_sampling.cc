#include "ai/child/llama_sampling.h"

#include <algorithm>
#include <cmath>

namespace lakehouse::ai {
namespace {

constexpr std::int32_t kTopK = 40;
constexpr double kTopP = 0.95;

double log_probability_of(const float* logits, llama_token token, std::int32_t count) {
  const float highest = *std::max_element(logits, logits + count);
  double sum = 0;
  for (std::int32_t i = 0; i < count; ++i) {
    sum += static_cast<double>(std::exp(logits[i] - highest));
  }
  return static_cast<double>(logits[token] - highest) - std::log(sum);
}

}  // namespace

TokenSampler::TokenSampler(const llama_vocab* vocab, const SamplingOptions& options)
    : vocab_(vocab), greedy_(options.temperature <= 0) {
  if (greedy_) {
    return;
  }
  chain_.reset(llama_sampler_chain_init(llama_sampler_chain_default_params()));
  llama_sampler_chain_add(chain_.get(), llama_sampler_init_top_k(kTopK));
  llama_sampler_chain_add(
      chain_.get(), llama_sampler_init_top_p(static_cast<float>(options.top_p.value_or(kTopP)), 1));
  llama_sampler_chain_add(chain_.get(),
                          llama_sampler_init_temp(static_cast<float>(options.temperature)));
  const std::uint32_t seed =
      options.seed ? static_cast<std::uint32_t>(*options.seed ^ (*options.seed >> 32U))
                   : LLAMA_DEFAULT_SEED;
  llama_sampler_chain_add(chain_.get(), llama_sampler_init_dist(seed));
}

Result<TokenSampler> TokenSampler::make(const llama_vocab* vocab, const SamplingOptions& options) {
  TokenSampler made(vocab, options);
  if (!options.grammar.empty()) {
    made.grammar_.reset(llama_sampler_init_grammar(vocab, options.grammar.c_str(), "root"));
    if (made.grammar_ == nullptr) {
      return fail(ErrorCode::InvalidArgument, "the grammar cannot be used",
                  "It must be GBNF with a rule named root, and no rule may begin with itself.");
    }
  }
  return made;
}

llama_token TokenSampler::sample(llama_context* context, std::int32_t output) {
  const float* logits = llama_get_logits_ith(context, output);
  if (logits == nullptr) {
    return llama_vocab_eos(vocab_);
  }
  // Asking the grammar of every token is dear, and mostly the token chosen without it is one it
  // takes.
  llama_token token = choose(logits, false);
  if (grammar_ != nullptr && !grammar_takes(token)) {
    token = choose(logits, true);
  }
  if (grammar_ != nullptr && !llama_vocab_is_eog(vocab_, token)) {
    llama_sampler_accept(grammar_.get(), token);
  }
  if (chain_ != nullptr) {
    llama_sampler_accept(chain_.get(), token);
  }
  log_probability_ += log_probability_of(logits, token, llama_vocab_n_tokens(vocab_));
  ++sampled_;
  return token;
}

llama_token TokenSampler::choose(const float* logits, bool by_grammar) {
  const auto count = static_cast<std::size_t>(llama_vocab_n_tokens(vocab_));
  if (greedy_ && !by_grammar) {
    return static_cast<llama_token>(std::max_element(logits, logits + count) - logits);
  }
  candidates_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    candidates_[i] = {.id = static_cast<llama_token>(i), .logit = logits[i], .p = 0};
  }
  llama_token_data_array array{
      .data = candidates_.data(), .size = count, .selected = -1, .sorted = false};
  if (by_grammar) {
    llama_sampler_apply(grammar_.get(), &array);
  }
  const auto by_logit = [](const llama_token_data& a, const llama_token_data& b) {
    return a.logit < b.logit;
  };
  const llama_token_data best = *std::max_element(array.data, array.data + array.size, by_logit);
  if (std::isinf(best.logit) && best.logit < 0) {
    return llama_vocab_eos(vocab_);  // The grammar is at its end, or at a dead one.
  }
  if (greedy_) {
    return best.id;
  }
  llama_sampler_apply(chain_.get(), &array);
  return array.selected < 0 ? best.id : array.data[array.selected].id;
}

bool TokenSampler::grammar_takes(llama_token token) const {
  llama_token_data one{.id = token, .logit = 1, .p = 0};
  llama_token_data_array array{.data = &one, .size = 1, .selected = -1, .sorted = false};
  llama_sampler_apply(grammar_.get(), &array);
  return !std::isinf(one.logit);
}

}  // namespace lakehouse::ai
