#include "ai/child/llama_operations.h"

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "ai/child/llama_engine.h"
#include "ai/child/llama_prompt.h"
#include "base/json.h"

namespace lakehouse::ai {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kLookForIdle = std::chrono::seconds(1);
constexpr auto kStuckMax = std::chrono::seconds(10);
/// What a model takes beside its file: what is computed in between, and weights in another order.
constexpr std::uint64_t kOverheadBytes = std::uint64_t{256} << 20U;

/// The models in memory. Thread-safe; lives as long as the process.
class LoadedModels {
 public:
  explicit LoadedModels(const ChildResources& resources) : resources_(resources) {
    std::thread([this] { watch(); }).detach();
  }

  /// Loads it unless it is there. Meanwhile others wait, which want it or another one.
  Result<std::shared_ptr<LlamaEngine>> get(const std::string& path, std::uint32_t context_tokens,
                                           milliseconds idle) {
    const std::lock_guard lock(mutex_);
    const std::string key = fmt::format("{}\n{}", path, context_tokens);
    if (const auto found = loaded_.find(key); found != loaded_.end()) {
      found->second.used = steady_clock::now();
      found->second.idle = idle;
      return found->second.engine;
    }
    std::error_code error;
    const std::uint64_t size = std::filesystem::file_size(path, error);
    if (error) {
      return fail(ErrorCode::NotFound,
                  fmt::format("the model's file {} cannot be read",
                              std::filesystem::path(path).filename().string()));
    }
    LH_RETURN_IF_ERROR(make_room(size + kOverheadBytes));
    LlamaOptions options;
    options.threads = resources_.threads;
    options.context_tokens = context_tokens;
    options.cache_bytes_max = resources_.memory_limit_bytes / 4;
    LH_ASSIGN_OR_RETURN(auto engine, LlamaEngine::load(path, options));
    loaded_[key] = Loaded{.engine = engine,
                          .bytes = size + kOverheadBytes,
                          .used = steady_clock::now(),
                          .idle = idle};
    return engine;
  }

 private:
  struct Loaded {
    std::shared_ptr<LlamaEngine> engine;
    std::uint64_t bytes = 0;
    steady_clock::time_point used;
    milliseconds idle{};
  };

  // Unused ones go, the longest unused first, until the new one fits.
  Status make_room(std::uint64_t bytes) {
    while (true) {
      std::uint64_t taken = bytes;
      auto oldest = loaded_.end();
      for (auto one = loaded_.begin(); one != loaded_.end(); ++one) {
        taken += one->second.bytes;
        if (one->second.engine.use_count() == 1 &&
            (oldest == loaded_.end() || one->second.used < oldest->second.used)) {
          oldest = one;
        }
      }
      if (resources_.memory_limit_bytes == 0 || taken <= resources_.memory_limit_bytes) {
        return {};
      }
      if (oldest == loaded_.end()) {
        return fail(ErrorCode::ResourceExhausted,
                    fmt::format("the model needs {} MiB, which are not free", bytes >> 20U),
                    "Raise ai.memory_limit, or wait until another model is idle.");
      }
      loaded_.erase(oldest);
    }
  }

  void watch() {
    while (true) {
      std::this_thread::sleep_for(kLookForIdle);
      const std::lock_guard lock(mutex_);
      const auto now = steady_clock::now();
      for (auto one = loaded_.begin(); one != loaded_.end();) {
        Loaded& loaded = one->second;
        if (loaded.engine.use_count() > 1) {
          loaded.used = now;
        }
        if (loaded.engine->stuck_for() > kStuckMax) {
          fmt::print(stderr, "model: a computation without end; starting again\n");
          ::_exit(70);
        }
        one = now - loaded.used > loaded.idle ? loaded_.erase(one) : std::next(one);
      }
    }
  }

  const ChildResources resources_;
  std::mutex mutex_;
  std::map<std::string, Loaded> loaded_;  // Guarded by mutex_.
};

Result<std::uint32_t> count_of(JsonFields& fields, std::string_view name, std::uint32_t otherwise) {
  LH_ASSIGN_OR_RETURN(const auto number, fields.optional_int64(name));
  if (number && (*number < 0 || *number > std::numeric_limits<std::int32_t>::max())) {
    return fail(ErrorCode::InvalidArgument, fmt::format("'{}' is out of range", name));
  }
  return number ? static_cast<std::uint32_t>(*number) : otherwise;
}

Result<std::shared_ptr<LlamaEngine>> engine_of(JsonFields& fields, LoadedModels& models) {
  LH_ASSIGN_OR_RETURN(const std::string path, fields.require_string("model"));
  LH_ASSIGN_OR_RETURN(const std::uint32_t context, count_of(fields, "context_tokens", 8192));
  LH_ASSIGN_OR_RETURN(const std::uint32_t idle_ms, count_of(fields, "idle_ms", 600'000));
  return models.get(path, context, milliseconds(idle_ms));
}

Result<std::vector<llama_token>> prompt_of(JsonFields& fields, const llama_model& model) {
  LH_ASSIGN_OR_RETURN(const json::array* list, fields.optional_array("messages"));
  if (list == nullptr) {
    LH_ASSIGN_OR_RETURN(const std::string prompt, fields.require_string("prompt"));
    return tokenize_prompt(model, prompt);
  }
  std::vector<ChatMessage> messages;
  for (const json::value& element : *list) {
    LH_ASSIGN_OR_RETURN(JsonFields message, JsonFields::of(element, "a message"));
    ChatMessage read;
    LH_ASSIGN_OR_RETURN(read.role, message.require_string("role"));
    LH_ASSIGN_OR_RETURN(read.content, message.require_string("content"));
    messages.push_back(std::move(read));
  }
  return tokenize_conversation(model, messages);
}

Result<json::object> generate(const json::object& request, Reply& reply, LoadedModels& models) {
  JsonFields fields(request, "the request");
  LH_ASSIGN_OR_RETURN(const auto engine, engine_of(fields, models));
  LlamaRequest wanted;
  LH_ASSIGN_OR_RETURN(wanted.prompt, prompt_of(fields, engine->model()));
  LH_ASSIGN_OR_RETURN(wanted.max_tokens, count_of(fields, "max_tokens", 512));
  LH_ASSIGN_OR_RETURN(const auto temperature, fields.optional_double("temperature"));
  wanted.sampling.temperature = temperature.value_or(0);
  LH_ASSIGN_OR_RETURN(wanted.sampling.top_p, fields.optional_double("top_p"));
  LH_ASSIGN_OR_RETURN(const auto seed, fields.optional_int64("seed"));
  if (seed) {
    wanted.sampling.seed = static_cast<std::uint64_t>(*seed);
  }
  LH_ASSIGN_OR_RETURN(const auto grammar, fields.optional_string("grammar"));
  wanted.sampling.grammar = grammar.value_or("");
  if (fields.optional_value("stop") != nullptr) {
    LH_ASSIGN_OR_RETURN(wanted.stop, fields.require_strings("stop"));
  }
  LH_ASSIGN_OR_RETURN(const LlamaAnswer answer, engine->generate(std::move(wanted), reply));
  return json::object{{"finish_reason", answer.by_length ? "length" : "stop"},
                      {"prompt_tokens", answer.prompt_tokens},
                      {"prompt_tokens_cached", answer.prompt_tokens_cached},
                      {"tokens", answer.tokens},
                      {"log_probability", answer.log_probability}};
}

Result<json::object> load(const json::object& request, LoadedModels& models) {
  JsonFields fields(request, "the request");
  LH_ASSIGN_OR_RETURN(const auto engine, engine_of(fields, models));
  char description[128] = {};
  llama_model_desc(&engine->model(), description, sizeof(description));
  return json::object{{"context_tokens", engine->context_tokens()}, {"description", description}};
}

}  // namespace

void add_llama_operations(Operations& operations, const ChildResources& resources,
                          Status prepared) {
  if (!prepared) {
    const auto refuse = [prepared](const json::object&, Reply&) -> Result<json::object> {
      return std::unexpected(prepared.error());
    };
    operations.emplace("generate", refuse);
    operations.emplace("load_generator", refuse);
    return;
  }
  const auto models = std::make_shared<LoadedModels>(resources);
  operations.emplace("generate", [models](const json::object& request, Reply& reply) {
    return generate(request, reply, *models);
  });
  operations.emplace("load_generator", [models](const json::object& request, Reply&) {
    return load(request, *models);
  });
}

}  // namespace lakehouse::ai
