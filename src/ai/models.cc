#include "ai/models.h"

#include <utility>

#include "ai/client/child_runner.h"
#include "ai/embedding_cache.h"
#include "ai/model_child.h"
#include "ai/model_registry.h"

namespace lakehouse::ai {
namespace {

namespace fs = std::filesystem;

void count(Metrics& metrics, ModelChild& child, EmbeddingCache& cache) {
  metrics.callback("lakehouse_model_process_starts_total",
                   "Starts of the process that runs models.", true, {},
                   [&child] { return static_cast<double>(child.state().starts); });
  metrics.callback("lakehouse_model_process_requests_total", "Requests to that process.", true, {},
                   [&child] { return static_cast<double>(child.requests()); });
  metrics.callback("lakehouse_model_process_running", "Requests that it works on.", false, {},
                   [&child] { return static_cast<double>(child.running()); });
  metrics.callback("lakehouse_embedding_cache_hits_total", "Texts whose vectors were kept.", true,
                   {}, [&cache] { return static_cast<double>(cache.metrics().hits); });
  metrics.callback("lakehouse_embedding_cache_misses_total", "Texts whose vectors were not.", true,
                   {}, [&cache] { return static_cast<double>(cache.metrics().misses); });
  metrics.callback("lakehouse_embedding_cache_bytes", "What the kept vectors take.", false, {},
                   [&cache] { return static_cast<double>(cache.metrics().bytes); });
}

}  // namespace

/// In the order in which they are made.
struct Models::Parts {
  explicit Parts(ModelChildOptions options, const Config& config)
      : cache(config.ai.embedding_cache.bytes),
        child(std::move(options)),
        runner(make_child_runner(child, config.ai.idle)) {}

  EmbeddingCache cache;
  ModelChild child;
  std::unique_ptr<ModelRunner> runner;
  std::unique_ptr<ModelRegistry> registry;
};

Models::Models(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Models::~Models() = default;

Result<std::unique_ptr<Models>> Models::open(const Config& config, const fs::path& data,
                                             Metrics& metrics,
                                             std::function<void(std::string_view line)> on_log) {
  const fs::path builtin = find_models_folder().value_or(fs::path());
  // The process may read only what was there when it began, and a model may come later.
  std::error_code ignored;
  fs::create_directories(models_folder(config, data), ignored);
  ModelChildOptions options;
  options.models = ModelRegistry::folders(config, data, builtin);
  options.memory_limit_bytes = config.ai.memory_limit.bytes;
  options.threads = static_cast<unsigned>(config.ai.threads);
  options.sandbox = config.engine.sandbox == "strict" ? engine::SandboxMode::Strict
                                                      : engine::SandboxMode::BestEffort;
  options.on_log = std::move(on_log);
  auto parts = std::make_unique<Parts>(std::move(options), config);
  LH_ASSIGN_OR_RETURN(parts->registry, ModelRegistry::open(config, {.data = data,
                                                                    .builtin = builtin,
                                                                    .runner = parts->runner.get(),
                                                                    .cache = &parts->cache,
                                                                    .metrics = &metrics}));
  count(metrics, parts->child, parts->cache);
  return std::unique_ptr<Models>(new Models(std::move(parts)));
}

ModelService& Models::service() {
  return *parts_->registry;
}

void Models::stop(std::chrono::milliseconds grace) {
  parts_->child.stop(grace);
}

fs::path models_folder(const Config& config, const fs::path& data) {
  return fs::absolute(data / config.ai.models_folder).lexically_normal();
}

}  // namespace lakehouse::ai
