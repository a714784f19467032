#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <llama.h>

#include "ai/child/llama_handles.h"
#include "ai/child/llama_sampling.h"
#include "ai/child/operations.h"
#include "ai/child/text_pieces.h"
#include "base/error.h"

namespace lakehouse::ai {

struct LlamaOptions {
  unsigned threads = 1;
  std::uint32_t context_tokens = 8192;  ///< Of one request, at most; less if the model has less.
  std::uint64_t cache_bytes_max = 0;    ///< For the tokens of all requests; 0: no limit.
};

/// What to write after which tokens.
struct LlamaRequest {
  std::vector<llama_token> prompt;
  std::uint32_t max_tokens = 0;
  SamplingOptions sampling;
  std::vector<std::string> stop;
};

struct LlamaAnswer {
  bool by_length = false;
  std::uint32_t prompt_tokens = 0;
  std::uint32_t prompt_tokens_cached = 0;
  std::uint32_t tokens = 0;
  double log_probability = 0;  ///< TokenSampler's.
};

/// One model in memory. Thread-safe: the answers of several requests are computed together, a token
/// of each at a time, since reading the weights is what takes the time. What was computed for a
/// prompt is kept for the next one that begins with the same tokens, until its place is needed.
class LlamaEngine {
 public:
  /// InvalidArgument for a file that is no model, ResourceExhausted if it does not fit.
  static Result<std::shared_ptr<LlamaEngine>> load(const std::filesystem::path& path,
                                                   const LlamaOptions& options);
  ~LlamaEngine();
  LlamaEngine(const LlamaEngine&) = delete;
  LlamaEngine& operator=(const LlamaEngine&) = delete;

  [[nodiscard]] const llama_model& model() const { return *model_; }
  [[nodiscard]] std::uint32_t context_tokens() const { return context_tokens_; }
  /// How long it has been at one step that nobody waits for any more: such a step is given up
  /// within a moment, unless a grammar has sent it into a computation without end.
  [[nodiscard]] std::chrono::milliseconds stuck_for() const;

  /// Sends the answer's pieces. InvalidArgument if prompt and answer exceed the context, or for a
  /// grammar that does not parse.
  Result<LlamaAnswer> generate(LlamaRequest request, Reply& reply);

 private:
  struct Task;
  struct Slot;

  explicit LlamaEngine(LlamaModelHandle model);
  Status open(const LlamaOptions& options);
  void run();
  void admit();
  Slot* slot_for(const Task& task, std::size_t& common);
  void step();
  void fill(llama_batch& batch);
  bool decode(llama_batch& batch);
  bool evict_idle();
  void after_decode();
  void take_token(Slot& slot, llama_token token);
  void finish(Slot& slot, Status status);
  Slot* spare_slot();
  void forget(Slot& slot);
  void choose_threads(std::chrono::steady_clock::duration wall, std::uint64_t cpu_ns);
  void cancel(Task& task);

  LlamaModelHandle model_;
  LlamaContextHandle context_;
  llama_batch batch_{};
  std::uint32_t context_tokens_ = 0;
  std::uint32_t cells_ = 0;
  unsigned threads_max_ = 1;
  unsigned threads_ = 1;
  unsigned steps_until_more_threads_ = 0;
  std::vector<Slot> slots_;  ///< The computing thread's own.
  std::uint64_t clock_ = 0;
  /// Tasks that somebody still waits for; none: a running computation is given up.
  std::atomic<int> wanted_{0};
  std::atomic<std::int64_t> step_began_ms_{0};  ///< 0: at none.

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Task>> waiting_;  // Guarded by mutex_, as what follows.
  std::size_t active_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

/// Finds the library for this processor. Opens files: to be called before the process gives up its
/// rights. FailedPrecondition if there is none, or llama.cpp is not the one we were built for.
Status prepare_llama();

}  // namespace lakehouse::ai
