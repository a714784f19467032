#include "ai/child/llama_engine.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <utility>

#include <dlfcn.h>
#include <fmt/format.h>
#include <ggml-backend.h>

namespace lakehouse::ai {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kSlots = 8;
/// Tokens of one step: a request that comes in or goes away waits for as many.
constexpr std::uint32_t kBatchTokens = 128;
/// A kept prompt is shortened in place if no more than this is lost; else its beginning is shared.
constexpr std::size_t kTokensToLose = 64;
/// A slot that holds no more than this beside what others hold, too, is the first to be taken.
constexpr std::size_t kTokensOfItsOwn = 256;
constexpr auto kLookAtCaller = milliseconds(50);
/// After that many steps on one thread, more are tried again.
constexpr unsigned kStepsOnOneThread = 32;

void on_llama_log(ggml_log_level level, const char* text, void* /*unused*/) {
  if (level == GGML_LOG_LEVEL_ERROR) {
    std::fputs(text, stderr);
  }
}

std::int64_t now_ms() {
  return std::chrono::duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

std::uint64_t thread_cpu_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(time.tv_nsec);
}

std::uint64_t bytes_per_token(const llama_model& model) {
  const auto heads = static_cast<std::uint64_t>(std::max(llama_model_n_head(&model), 1));
  const auto size = static_cast<std::uint64_t>(std::max(llama_model_n_embd(&model), 1)) / heads;
  // Keys and values, of 16 bits each.
  return static_cast<std::uint64_t>(llama_model_n_layer(&model)) *
         static_cast<std::uint64_t>(llama_model_n_head_kv(&model)) * size * 4;
}

std::size_t common_prefix(const std::vector<llama_token>& a, const std::vector<llama_token>& b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

void add_to_batch(llama_batch& batch, llama_token token, std::size_t position, llama_seq_id slot,
                  bool wants_logits) {
  const auto i = batch.n_tokens++;
  batch.token[i] = token;
  batch.pos[i] = static_cast<llama_pos>(position);
  batch.n_seq_id[i] = 1;
  batch.seq_id[i][0] = slot;
  batch.logits[i] = wants_logits ? 1 : 0;
}

}  // namespace

Status prepare_llama() {
  llama_log_set(on_llama_log, nullptr);
  // Structures go over this border by value: a library with others must not be used.
  const llama_context_params context = llama_context_default_params();
  const llama_model_params model = llama_model_default_params();
  if (context.n_batch != 2048 || context.kv_unified || context.ctx_other != nullptr ||
      !model.use_extra_bufts || model.vocab_only) {
    return fail(ErrorCode::FailedPrecondition, "llama.cpp's library is of another version");
  }
  Dl_info place{};
  if (::dladdr(reinterpret_cast<const void*>(&ggml_backend_load), &place) == 0) {
    return fail(ErrorCode::FailedPrecondition, "llama.cpp's library is not to be found");
  }
  const auto folder = std::filesystem::path(place.dli_fname).parent_path();
  ggml_backend_load_all_from_path(folder.c_str());
  if (ggml_backend_dev_count() == 0) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("{} has no library of llama.cpp for this processor", folder.string()));
  }
  llama_backend_init();
  return {};
}

/// One request, between the thread that waits for it and the one that computes.
struct LlamaEngine::Task {
  explicit Task(LlamaRequest wanted, TokenSampler chooser)
      : request(std::move(wanted)), sampler(std::move(chooser)), pieces(request.stop) {}

  LlamaRequest request;
  TokenSampler sampler;
  TextPieces pieces;  ///< The computing thread's, as is `answer` until `done`.
  LlamaAnswer answer;
  std::atomic<bool> cancelled{false};

  std::mutex mutex;
  std::condition_variable changed;
  std::string ready;  // Guarded by mutex, as what follows.
  bool done = false;
  Status status;
};

/// A sequence of tokens that are computed: for a task, or kept from the last one.
struct LlamaEngine::Slot {
  llama_seq_id id = 0;
  std::vector<llama_token> tokens;  ///< Computed.
  std::shared_ptr<Task> task;
  std::uint64_t used = 0;               ///< For the least recently used one.
  std::size_t in_batch = 0;             ///< Of the task's tokens, how many the batch holds.
  std::int32_t output = -1;             ///< Where in the batch its next token is known.
  llama_token next = LLAMA_TOKEN_NULL;  ///< Chosen, not computed.
};

LlamaEngine::LlamaEngine(LlamaModelHandle model) : model_(std::move(model)) {}

Result<std::shared_ptr<LlamaEngine>> LlamaEngine::load(const std::filesystem::path& path,
                                                       const LlamaOptions& options) {
  LlamaModelHandle model(llama_model_load_from_file(path.c_str(), llama_model_default_params()));
  if (model == nullptr) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} cannot be loaded as a model", path.filename().string()),
                "It must be a GGUF file of a kind that llama.cpp knows; what is wrong with it "
                "stands in the server's log.");
  }
  if (!llama_model_has_decoder(model.get()) || llama_model_has_encoder(model.get())) {
    return fail(ErrorCode::FailedPrecondition, "this model does not write text from a prompt");
  }
  std::shared_ptr<LlamaEngine> made(new LlamaEngine(std::move(model)));
  LH_RETURN_IF_ERROR(made->open(options));
  return made;
}

Status LlamaEngine::open(const LlamaOptions& options) {
  const auto trained = static_cast<std::uint32_t>(std::max(llama_model_n_ctx_train(&*model_), 256));
  context_tokens_ = std::clamp(options.context_tokens, 256U, trained);
  cells_ = context_tokens_ * 2;  // Requests beside each other, and prompts that are kept.
  const std::uint64_t each = std::max<std::uint64_t>(bytes_per_token(*model_), 1);
  if (options.cache_bytes_max != 0 && cells_ * each > options.cache_bytes_max) {
    cells_ = static_cast<std::uint32_t>(options.cache_bytes_max / each) / 256 * 256;
    context_tokens_ = std::min(context_tokens_, cells_);
    if (cells_ < 512) {
      return fail(ErrorCode::ResourceExhausted, "there is no memory for this model's context",
                  "Raise ai.memory_limit.");
    }
  }
  llama_context_params params = llama_context_default_params();
  params.n_ctx = cells_;
  params.n_batch = kBatchTokens;
  params.n_ubatch = kBatchTokens;
  params.n_seq_max = kSlots;
  params.n_outputs_max = kSlots;
  params.kv_unified = true;  // A prefix that several share is kept once.
  params.n_threads = static_cast<std::int32_t>(options.threads);
  params.n_threads_batch = params.n_threads;
  params.abort_callback = [](void* self) {
    return static_cast<LlamaEngine*>(self)->wanted_.load(std::memory_order_relaxed) == 0;
  };
  params.abort_callback_data = this;
  wanted_ = 1;  // While it warms up.
  context_.reset(llama_init_from_model(model_.get(), params));
  wanted_ = 0;
  if (context_ == nullptr) {
    return fail(ErrorCode::ResourceExhausted, "there is no memory for this model's context",
                "Raise ai.memory_limit, or lower ai.context_tokens.");
  }
  threads_max_ = threads_ = options.threads;
  batch_ = llama_batch_init(kBatchTokens, 0, 1);
  slots_.resize(kSlots);
  for (std::size_t i = 0; i < kSlots; ++i) {
    slots_[i].id = static_cast<llama_seq_id>(i);
  }
  thread_ = std::thread([this] { run(); });
  return {};
}

LlamaEngine::~LlamaEngine() {
  if (thread_.joinable()) {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      wanted_ = 0;
    }
    changed_.notify_all();
    thread_.join();
    llama_batch_free(batch_);
  }
}

milliseconds LlamaEngine::stuck_for() const {
  const std::int64_t began = step_began_ms_;
  return milliseconds(began == 0 || wanted_ > 0 ? 0 : now_ms() - began);
}

// --- The waiting side.

Result<LlamaAnswer> LlamaEngine::generate(LlamaRequest request, Reply& reply) {
  if (request.prompt.empty()) {
    return fail(ErrorCode::InvalidArgument, "the prompt is empty");
  }
  if (request.prompt.size() + request.max_tokens > context_tokens_) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a prompt of {} tokens and an answer of up to {} are more than the {} "
                            "that this model may have",
                            request.prompt.size(), request.max_tokens, context_tokens_),
                "Shorten the prompt, or lower max_tokens.");
  }
  LH_ASSIGN_OR_RETURN(TokenSampler sampler,
                      TokenSampler::make(llama_model_get_vocab(model_.get()), request.sampling));
  const auto task = std::make_shared<Task>(std::move(request), std::move(sampler));
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(task);
    ++active_;
    ++wanted_;
  }
  changed_.notify_all();
  while (true) {
    std::string piece;
    bool done = false;
    {
      std::unique_lock lock(task->mutex);
      task->changed.wait_for(lock, kLookAtCaller,
                             [&] { return task->done || !task->ready.empty(); });
      piece.swap(task->ready);
      done = task->done;
    }
    Status heard = piece.empty() ? Status() : reply.data(piece);
    if (heard && done) {
      LH_RETURN_IF_ERROR(task->status);
      return task->answer;
    }
    if (heard) {
      heard = reply.check();
    }
    if (!heard) {
      cancel(*task);
      return std::unexpected(std::move(heard).error());
    }
  }
}

void LlamaEngine::cancel(Task& task) {
  if (!task.cancelled.exchange(true)) {
    --wanted_;
  }
  changed_.notify_all();
}

// --- The computing side.

void LlamaEngine::run() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || active_ > 0; });
      if (stopping_) {
        return;
      }
    }
    step_began_ms_ = now_ms();
    admit();
    step();
    step_began_ms_ = 0;
  }
}

void LlamaEngine::admit() {
  for (Slot& slot : slots_) {
    if (slot.task != nullptr && slot.task->cancelled) {
      finish(slot, fail(ErrorCode::Cancelled, "the caller gave up"));
    }
  }
  const std::lock_guard lock(mutex_);
  std::size_t promised = 0;
  for (const Slot& slot : slots_) {
    promised +=
        slot.task == nullptr ? 0 : slot.task->request.prompt.size() + slot.task->request.max_tokens;
  }
  while (!waiting_.empty()) {
    const std::shared_ptr<Task> task = waiting_.front();
    if (task->cancelled) {
      waiting_.pop_front();
      --active_;
      continue;
    }
    promised += task->request.prompt.size() + task->request.max_tokens;
    std::size_t common = 0;
    Slot* slot = promised > cells_ ? nullptr : slot_for(*task, common);
    if (slot == nullptr) {
      return;  // First come, first served.
    }
    waiting_.pop_front();
    task->answer.prompt_tokens = static_cast<std::uint32_t>(task->request.prompt.size());
    task->answer.prompt_tokens_cached = static_cast<std::uint32_t>(common);
    slot->task = task;
  }
}

// The slot that the task goes to, holding the `common` tokens that were computed before; null if
// all are taken.
LlamaEngine::Slot* LlamaEngine::slot_for(const Task& task, std::size_t& common) {
  const auto& prompt = task.request.prompt;
  Slot* best = nullptr;
  std::size_t longest = 0;
  for (Slot& slot : slots_) {
    const std::size_t same = common_prefix(slot.tokens, prompt);
    if (best == nullptr || same > longest) {
      best = &slot;
      longest = same;
    }
  }
  Slot* const spare = spare_slot();
  if (spare == nullptr) {
    return nullptr;
  }
  // The last token's logits are needed, so it is computed again.
  common = std::min(longest, prompt.size() - 1);
  const llama_memory_t memory = llama_get_memory(context_.get());
  const bool in_place = best->task == nullptr && best->tokens.size() - common <= kTokensToLose;
  Slot& slot = in_place ? *best : *spare;
  if (!in_place && &slot != best) {
    forget(slot);
    if (common > 0) {
      llama_memory_seq_cp(memory, best->id, slot.id, 0, static_cast<llama_pos>(common));
      slot.tokens.assign(prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(common));
    }
  } else if (!llama_memory_seq_rm(memory, slot.id, static_cast<llama_pos>(common), -1)) {
    forget(slot);  // A kind of model whose memory cannot be cut.
    common = 0;
  } else {
    slot.tokens.resize(common);
  }
  slot.used = ++clock_;
  slot.next = LLAMA_TOKEN_NULL;
  return &slot;
}

// The one whose tokens are missed the least: those that begin like others, then the longest unused.
LlamaEngine::Slot* LlamaEngine::spare_slot() {
  Slot* spare = nullptr;
  std::pair<bool, std::uint64_t> least;
  for (Slot& slot : slots_) {
    if (slot.task != nullptr) {
      continue;
    }
    std::size_t shared = 0;
    for (const Slot& other : slots_) {
      if (&other != &slot) {
        shared = std::max(shared, common_prefix(slot.tokens, other.tokens));
      }
    }
    const std::pair loss(slot.tokens.size() - shared > kTokensOfItsOwn, slot.used);
    if (spare == nullptr || loss < least) {
      spare = &slot;
      least = loss;
    }
  }
  return spare;
}

void LlamaEngine::forget(Slot& slot) {
  llama_memory_seq_rm(llama_get_memory(context_.get()), slot.id, -1, -1);
  slot.tokens.clear();
}

void LlamaEngine::step() {
  fill(batch_);
  if (batch_.n_tokens == 0) {
    std::unique_lock lock(mutex_);  // Those that wait do not fit beside what was cancelled.
    changed_.wait_for(lock, milliseconds(1));
    return;
  }
  const auto began = steady_clock::now();
  const std::uint64_t cpu = thread_cpu_ns();
  if (decode(batch_)) {
    choose_threads(steady_clock::now() - began, thread_cpu_ns() - cpu);
    after_decode();
  }
}

// The next token of each answer, and then as much of the prompts as there is room for.
void LlamaEngine::fill(llama_batch& batch) {
  batch.n_tokens = 0;
  for (Slot& slot : slots_) {
    slot.in_batch = 0;
    slot.output = -1;
    if (slot.task != nullptr && slot.next != LLAMA_TOKEN_NULL) {
      slot.output = batch.n_tokens;
      slot.in_batch = 1;
      add_to_batch(batch, slot.next, slot.tokens.size(), slot.id, true);
    }
  }
  for (Slot& slot : slots_) {
    if (slot.task == nullptr || slot.next != LLAMA_TOKEN_NULL) {
      continue;
    }
    const auto& prompt = slot.task->request.prompt;
    const std::size_t begin = slot.tokens.size();
    const std::size_t room = kBatchTokens - static_cast<std::size_t>(batch.n_tokens);
    slot.in_batch = std::min(room, prompt.size() - begin);
    for (std::size_t i = begin; i < begin + slot.in_batch; ++i) {
      const bool last = i + 1 == prompt.size();
      if (last) {
        slot.output = batch.n_tokens;
      }
      add_to_batch(batch, prompt[i], i, slot.id, last);
    }
  }
}

// False if nothing came of it; those who could not be helped were told.
bool LlamaEngine::decode(llama_batch& batch) {
  while (true) {
    const std::int32_t outcome = llama_decode(context_.get(), batch);
    if (outcome == 0) {
      return true;
    }
    if (outcome == 1 && evict_idle()) {
      continue;
    }
    const llama_memory_t memory = llama_get_memory(context_.get());
    for (Slot& slot : slots_) {
      if (slot.task == nullptr) {
        continue;
      }
      if (outcome != 2) {
        finish(slot, fail(outcome == 1 ? ErrorCode::ResourceExhausted : ErrorCode::Unavailable,
                          outcome == 1 ? "the model's context is full" : "the model failed",
                          "Try again."));
        forget(slot);
      } else if (!llama_memory_seq_rm(memory, slot.id, static_cast<llama_pos>(slot.tokens.size()),
                                      -1)) {
        forget(slot);  // Given up half way; whoever still waits begins again.
      }
    }
    return false;
  }
}

bool LlamaEngine::evict_idle() {
  Slot* oldest = nullptr;
  for (Slot& slot : slots_) {
    if (slot.task == nullptr && !slot.tokens.empty() &&
        (oldest == nullptr || slot.used < oldest->used)) {
      oldest = &slot;
    }
  }
  if (oldest != nullptr) {
    forget(*oldest);
  }
  return oldest != nullptr;
}

void LlamaEngine::after_decode() {
  for (Slot& slot : slots_) {
    if (slot.task == nullptr || slot.in_batch == 0) {
      continue;
    }
    if (slot.next != LLAMA_TOKEN_NULL) {
      slot.tokens.push_back(slot.next);
    } else {
      const auto begin =
          slot.task->request.prompt.begin() + static_cast<std::ptrdiff_t>(slot.tokens.size());
      slot.tokens.insert(slot.tokens.end(), begin,
                         begin + static_cast<std::ptrdiff_t>(slot.in_batch));
    }
    if (slot.output >= 0) {
      take_token(slot, slot.task->sampler.sample(context_.get(), slot.output));
    }
  }
}

void LlamaEngine::take_token(Slot& slot, llama_token token) {
  Task& task = *slot.task;
  const llama_vocab* vocab = llama_model_get_vocab(model_.get());
  bool ends = llama_vocab_is_eog(vocab, token);
  if (!ends) {
    ++task.answer.tokens;
    char bytes[256];
    const std::int32_t count = llama_token_to_piece(vocab, token, bytes, sizeof(bytes), 0, false);
    ends = count > 0 && task.pieces.add(std::string_view(bytes, static_cast<std::size_t>(count)));
  }
  if (!ends && task.answer.tokens >= task.request.max_tokens) {
    task.answer.by_length = true;
    ends = true;
  }
  if (std::string piece = task.pieces.take(ends); !piece.empty()) {
    const std::lock_guard lock(task.mutex);
    task.ready += piece;
  }
  if (ends) {
    task.answer.log_probability = task.sampler.log_probability();
    finish(slot, {});
    return;
  }
  task.changed.notify_all();
  slot.next = token;
}

// The slot keeps what was computed.
void LlamaEngine::finish(Slot& slot, Status status) {
  const std::shared_ptr<Task> task = std::exchange(slot.task, nullptr);
  slot.next = LLAMA_TOKEN_NULL;
  slot.used = ++clock_;
  if (!task->cancelled.exchange(true)) {
    --wanted_;
  }
  {
    const std::lock_guard lock(mutex_);
    --active_;
  }
  {
    const std::lock_guard lock(task->mutex);
    task->done = true;
    task->status = std::move(status);
  }
  task->changed.notify_all();
}

// Threads wait for each other after each operation by spinning. Where others want the processors,
// too, that makes two of them slower than one, many times over; this one's share of them tells.
void LlamaEngine::choose_threads(steady_clock::duration wall, std::uint64_t cpu_ns) {
  if (threads_max_ == 1) {
    return;
  }
  if (threads_ > 1) {
    const auto wall_ns = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(wall).count());
    if (cpu_ns * 10 < wall_ns * 8) {
      threads_ = 1;
      steps_until_more_threads_ = kStepsOnOneThread;
    }
  } else if (--steps_until_more_threads_ == 0) {
    threads_ = threads_max_;
  }
  llama_set_n_threads(context_.get(), static_cast<std::int32_t>(threads_),
                      static_cast<std::int32_t>(threads_));
}

}  // namespace lakehouse::ai
