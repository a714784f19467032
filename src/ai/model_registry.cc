#include "ai/model_registry.h"

#include <algorithm>
#include <chrono>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ai/embedding_cache.h"
#include "ai/gguf_header.h"
#include "ai/guarded_models.h"
#include "ai/known_models.h"
#include "ai/providers/provider.h"
#include "base/secrets.h"
#include "base/text.h"

namespace lakehouse::ai {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEmbedded = "embedded";
constexpr std::string_view kBuiltinEmbedding = "minilm";
/// Of a model that this machine runs, if its settings do not say: the child has places of its own.
constexpr unsigned kEmbeddedCallsMax = 128;
/// After so long a provider is asked again which version of a model it has.
constexpr std::chrono::minutes kProviderTrusted{5};
constexpr unsigned kProviderCallsMax = 1'000;  // The provider's own limit holds.

ModelKind kind_named(std::string_view name) {
  return name == "embedding"    ? ModelKind::Embedding
         : name == "generation" ? ModelKind::Generation
                                : ModelKind::Reranking;
}

fs::path below(const fs::path& data, const std::string& path) {
  return fs::absolute(data / path).lexically_normal();
}

/// How good a pulled model is; known ones come in the order of their table.
std::size_t rank_of(std::string_view name) {
  const KnownModel* known = find_known_model(name);
  return known == nullptr ? known_models().size()
                          : static_cast<std::size_t>(known - known_models().data());
}

}  // namespace

/// A model that there is: on this machine, or at a provider.
struct ModelRegistry::Entry {
  ModelFiles files = {};      ///< Name and kind of each model; the rest of those on this machine.
  std::string provider = {};  ///< "embedded", or a provider's name.
  ProviderModel remote = {};  ///< Of a provider's.
  std::vector<std::string> fallback = {};
  unsigned calls_max = 0;
  bool is_configured = false;
  bool is_builtin = false;
};

struct ModelRegistry::State : std::enable_shared_from_this<State> {
  State(const Config& config, Parts with)
      : settings(config.ai),
        parts(std::move(with)),
        folder(below(parts.data, config.ai.models_folder)) {}

  // --- Which there are.

  [[nodiscard]] std::vector<Entry> entries() const {
    std::vector<Entry> all = configured;
    const auto add = [&](Entry entry) {
      const bool taken = std::ranges::any_of(
          all, [&](const Entry& other) { return other.files.name == entry.files.name; });
      if (!taken) {
        all.push_back(std::move(entry));
      }
    };
    for (const InstalledModel& model : installed()) {
      add({.files = model.files, .provider = std::string(kEmbedded)});
    }
    if (builtin) {
      add({.files = *builtin, .provider = std::string(kEmbedded), .is_builtin = true});
    }
    for (Entry& entry : all) {
      bound_context(entry.files);
    }
    return all;
  }

  void bound_context(ModelFiles& files) const {
    const auto most = static_cast<std::uint32_t>(settings.context_tokens);
    if (files.kind == ModelKind::Generation) {
      files.context_tokens =
          files.context_tokens == 0 ? most : std::min(files.context_tokens, most);
    }
  }

  [[nodiscard]] std::vector<InstalledModel> installed() const {
    const std::lock_guard lock(mutex);
    const auto changed = folder.changed_at();
    if (changed != listed_at) {
      listed = folder.list();
      listed_at = changed;
    }
    return listed;
  }

  /// What an empty name means; empty if there is none.
  [[nodiscard]] std::string default_of(ModelKind kind, const std::vector<Entry>& all) const {
    const std::string& named = kind == ModelKind::Embedding    ? settings.embed
                               : kind == ModelKind::Generation ? settings.generate
                                                               : settings.rerank;
    if (!named.empty() || kind == ModelKind::Reranking) {
      return named;
    }
    const Entry* best = nullptr;
    const auto before = [](const Entry& a, const Entry& b) {
      return std::pair(!a.is_configured, rank_of(a.files.name)) <
             std::pair(!b.is_configured, rank_of(b.files.name));
    };
    for (const Entry& entry : all) {
      if (entry.files.kind == kind && (best == nullptr || before(entry, *best))) {
        best = &entry;
      }
    }
    return best == nullptr ? std::string() : best->files.name;
  }

  Result<Entry> find(ModelKind kind, std::string_view name) const {
    const std::vector<Entry> all = entries();
    std::string wanted(name);
    if (name.empty()) {
      wanted = default_of(kind, all);
      if (wanted.empty()) {
        return fail(ErrorCode::FailedPrecondition,
                    fmt::format("there is no model for {}", to_string(kind)),
                    kind == ModelKind::Generation
                        ? "`lakehouse model pull` brings one; docs/models.md tells of others."
                        : "docs/models.md tells how to add one.");
      }
    }
    const auto found = std::ranges::find(
        all, wanted, [](const Entry& entry) -> const std::string& { return entry.files.name; });
    if (found == all.end()) {
      std::vector<std::string> names;
      for (const Entry& entry : all) {
        if (entry.files.kind == kind) {
          names.push_back(entry.files.name);
        }
      }
      std::string hint = did_you_mean(wanted, names);
      if (hint.empty() && find_known_model(wanted) != nullptr) {
        hint = fmt::format("`lakehouse model pull {}` brings it.", wanted);
      } else if (hint.empty()) {
        hint = names.empty() ? fmt::format("There is none for {}.", to_string(kind))
                             : fmt::format("There are: {}.", fmt::join(names, ", "));
      }
      return fail(ErrorCode::NotFound, fmt::format("there is no model '{}'", as_utf8(wanted)),
                  std::move(hint));
    }
    if (found->files.kind != kind) {
      return fail(ErrorCode::FailedPrecondition,
                  fmt::format("model '{}' is for {}, not for {}", wanted,
                              to_string(found->files.kind), to_string(kind)));
    }
    return *found;
  }

  // --- Making them.

  template <class Model>
  struct Kept {
    std::shared_ptr<Model> model;
    std::chrono::steady_clock::time_point made_at;
  };

  std::shared_ptr<ModelGuard> guard_of(const Entry& entry) {
    auto limits = std::make_shared<ModelGuard>(entry.files.name,
                                               entry.calls_max != 0          ? entry.calls_max
                                               : entry.provider == kEmbedded ? kEmbeddedCallsMax
                                                                             : kProviderCallsMax,
                                               static_cast<unsigned>(settings.waiting_max));
    limits->timeout = settings.timeout;
    if (entry.files.kind == ModelKind::Generation) {
      limits->max_tokens = entry.files.max_tokens;
    }
    if (parts.metrics != nullptr) {
      const Labels labels = {{"model", entry.files.name}};
      limits->calls =
          &parts.metrics->counter("lakehouse_model_calls_total", "Calls of models.", labels);
      limits->failures = &parts.metrics->counter("lakehouse_model_failures_total",
                                                 "Calls of models that failed.", labels);
      limits->fallbacks = &parts.metrics->counter(
          "lakehouse_model_fallbacks_total", "Calls that went to another model instead.", labels);
      limits->seconds = &parts.metrics->histogram("lakehouse_model_call_seconds",
                                                  "How long calls of models took.", labels);
    }
    return limits;
  }

  static Result<std::shared_ptr<Embedder>> open(auto& where, const RequestContext& context,
                                                const auto& model, const Embedder* /*kind*/) {
    return where.embedder(context, model);
  }
  static Result<std::shared_ptr<Generator>> open(auto& where, const RequestContext& context,
                                                 const auto& model, const Generator* /*kind*/) {
    return where.generator(context, model);
  }
  static Result<std::shared_ptr<Reranker>> open(auto& where, const RequestContext& context,
                                                const auto& model, const Reranker* /*kind*/) {
    return where.reranker(context, model);
  }

  template <class Model>
  Result<std::shared_ptr<Model>> open_raw(const RequestContext& context, const Entry& entry) const {
    const Model* kind = nullptr;
    if (entry.provider != kEmbedded) {
      return open(*providers.at(entry.provider), context, entry.remote, kind);
    }
    if (parts.runner == nullptr) {
      return fail(ErrorCode::FailedPrecondition, "this server runs no models itself");
    }
    return open(*parts.runner, context, entry.files, kind);
  }

  /// The entry's own model, within its limits; with `with_fallbacks` others stand in for it.
  template <class Model>
  Result<std::shared_ptr<Model>> make(const RequestContext& context, const Entry& entry,
                                      std::map<std::string, Kept<Model>>& kept,
                                      bool with_fallbacks) {
    const std::string prefix = fmt::format("{}\n{}\n", entry.files.name, with_fallbacks);
    // A model that was removed and added again under its name is another one.
    const std::string key = prefix + entry.files.version + "\n" + entry.files.path.string();
    const auto now = std::chrono::steady_clock::now();
    std::shared_ptr<Model> earlier;
    {
      const std::lock_guard lock(mutex);
      if (const auto found = kept.find(key); found != kept.end()) {
        earlier = found->second.model;
        if (entry.provider == kEmbedded || now - found->second.made_at < kProviderTrusted) {
          return earlier;
        }
      }
    }
    auto raw = open_raw<Model>(context, entry);
    if (!raw && earlier != nullptr) {
      return earlier;  // Its calls say what is wrong, and know whom to ask instead.
    }
    LH_RETURN_IF_ERROR(raw);
    std::shared_ptr<Model> made = earlier;
    if (earlier == nullptr || (*raw)->info() != earlier->info()) {
      made = guard(*std::move(raw), guard_of(entry),
                   with_fallbacks ? fallbacks_of<Model>(entry) : std::vector<Fallback<Model>>());
      if constexpr (std::is_same_v<Model, Embedder>) {
        if (parts.cache != nullptr && settings.embedding_cache.bytes > 0) {
          made = parts.cache->in_front_of(std::move(made));
        }
      }
    }
    const std::lock_guard lock(mutex);
    std::erase_if(kept, [&](const auto& other) { return other.first.starts_with(prefix); });
    kept[key] = {.model = made, .made_at = now};
    return made;
  }

  /// Others are asked for themselves alone: two that name each other do not go round in circles.
  template <class Model>
  std::vector<Fallback<Model>> fallbacks_of(const Entry& entry) {
    std::vector<Fallback<Model>> fallbacks;
    for (const std::string& name : entry.fallback) {
      fallbacks.push_back([weak = weak_from_this(),
                           name](const RequestContext& within) -> Result<std::shared_ptr<Model>> {
        const auto state = weak.lock();
        if (state == nullptr) {
          return fail(ErrorCode::Unavailable, "the server is stopping");
        }
        return state->template get<Model>(within, name, false);
      });
    }
    return fallbacks;
  }

  template <class Model>
  Result<std::shared_ptr<Model>> get(const RequestContext& context, std::string_view name,
                                     bool with_fallbacks = true) {
    constexpr bool kEmbeds = std::is_same_v<Model, Embedder>;
    constexpr ModelKind kKind = kEmbeds                            ? ModelKind::Embedding
                                : std::is_same_v<Model, Generator> ? ModelKind::Generation
                                                                   : ModelKind::Reranking;
    LH_ASSIGN_OR_RETURN(const Entry entry, find(kKind, name));
    std::map<std::string, Kept<Model>>* kept = nullptr;
    if constexpr (kEmbeds) {
      kept = &embedders;
    } else if constexpr (kKind == ModelKind::Generation) {
      kept = &generators;
    } else {
      kept = &rerankers;
    }
    auto made = make<Model>(context, entry, *kept, with_fallbacks);
    // Whoever asks for an embedding wants to know whose: nothing stands in for it here.
    if (!made && with_fallbacks && !kEmbeds && may_fall_back(made.error())) {
      for (const std::string& other : entry.fallback) {
        if (auto instead = get<Model>(context, other, false)) {
          return instead;
        }
      }
    }
    return made;
  }

  const Config::Ai settings;
  const Parts parts;
  const ModelFolder folder;
  std::map<std::string, std::shared_ptr<Provider>> providers;
  std::vector<Entry> configured;
  std::optional<ModelFiles> builtin;

  mutable std::mutex mutex;
  mutable std::vector<InstalledModel> listed;  // Guarded by mutex, as what follows.
  mutable fs::file_time_type listed_at = fs::file_time_type::min();
  std::map<std::string, Kept<Embedder>> embedders;
  std::map<std::string, Kept<Generator>> generators;
  std::map<std::string, Kept<Reranker>> rerankers;
};

namespace {

Result<std::shared_ptr<Provider>> open_provider(const AiProviderSettings& settings,
                                                const Config& config) {
  ProviderAddress address;
  address.name = settings.name;
  address.url = settings.url;
  while (address.url.ends_with('/')) {
    address.url.pop_back();
  }
  address.timeout = settings.timeout;
  address.retries = static_cast<unsigned>(settings.retries);
  address.calls_max = static_cast<unsigned>(settings.calls_max);
  address.waiting_max = static_cast<unsigned>(config.ai.waiting_max);
  if (!settings.key.empty()) {
    if (config.secrets.file.empty()) {
      return fail(
          ErrorCode::InvalidArgument,
          fmt::format("provider '{}' has a 'key', and there is no 'secrets.file' to find it "
                      "in",
                      settings.name));
    }
    LH_ASSIGN_OR_RETURN(const Secrets secrets, Secrets::load(config.secrets.file));
    LH_ASSIGN_OR_RETURN(address.key, secrets.text(settings.key));
  }
  LH_RETURN_IF_ERROR(check_address(address));
  auto http = std::make_shared<ProviderHttp>(std::move(address));
  return settings.type == "ollama" ? make_ollama(std::move(http)) : make_openai(std::move(http));
}

}  // namespace

Result<std::unique_ptr<ModelRegistry>> ModelRegistry::open(const Config& config, Parts parts) {
  auto state = std::make_shared<State>(config, std::move(parts));
  std::map<std::string, std::string> keep_alive;
  for (const AiProviderSettings& provider : config.ai.providers) {
    LH_ASSIGN_OR_RETURN(state->providers[provider.name], open_provider(provider, config));
    keep_alive[provider.name] = provider.keep_alive;
  }
  for (const AiModelSettings& model : config.ai.models) {
    Entry entry;
    entry.files.name = model.name;
    entry.files.kind = kind_named(model.kind);
    entry.files.pooling = model.pooling;
    entry.files.max_tokens = static_cast<std::uint32_t>(model.max_tokens);
    entry.files.context_tokens = static_cast<std::uint32_t>(model.context_tokens);
    entry.provider = model.provider;
    entry.fallback = model.fallback;
    entry.calls_max = static_cast<unsigned>(model.calls_max);
    entry.is_configured = true;
    if (model.provider == kEmbedded) {
      entry.files.path = below(state->parts.data, model.path);
      const auto header = entry.files.kind == ModelKind::Generation && model.context_tokens == 0
                              ? read_gguf_header(entry.files.path)
                              : Result<GgufHeader>(GgufHeader());
      entry.files.context_tokens = header && header->context_tokens != 0
                                       ? header->context_tokens
                                       : entry.files.context_tokens;
    }
    entry.remote = {.name = model.name,
                    .model = model.model.empty() ? model.name : model.model,
                    .keep_alive = keep_alive[model.provider],
                    .max_tokens = entry.files.max_tokens,
                    .context_tokens = entry.files.context_tokens,
                    .timeout = model.timeout};
    if (entry.files.kind == ModelKind::Generation && entry.remote.context_tokens == 0) {
      entry.remote.context_tokens = static_cast<std::uint32_t>(config.ai.context_tokens);
    }
    state->configured.push_back(std::move(entry));
  }
  std::error_code error;
  const fs::path minilm = state->parts.builtin / kBuiltinEmbedding;
  if (!state->parts.builtin.empty() && fs::is_directory(minilm, error)) {
    ModelFiles files;
    files.name = kBuiltinEmbedding;
    files.kind = ModelKind::Embedding;
    files.path = fs::absolute(minilm).lexically_normal();
    state->builtin = std::move(files);
  }
  return std::unique_ptr<ModelRegistry>(new ModelRegistry(std::move(state)));
}

ModelRegistry::ModelRegistry(std::shared_ptr<State> state) : state_(std::move(state)) {}
ModelRegistry::~ModelRegistry() = default;

Result<std::shared_ptr<Embedder>> ModelRegistry::embedder(const RequestContext& context,
                                                          std::string_view name) {
  return state_->get<Embedder>(context, name);
}

Result<std::shared_ptr<Generator>> ModelRegistry::generator(const RequestContext& context,
                                                            std::string_view name) {
  return state_->get<Generator>(context, name);
}

Result<std::shared_ptr<Reranker>> ModelRegistry::reranker(const RequestContext& context,
                                                          std::string_view name) {
  if (name.empty() && state_->settings.rerank.empty()) {
    LH_ASSIGN_OR_RETURN(auto embedder, state_->get<Embedder>(context, ""));
    return make_embedding_reranker(std::move(embedder));
  }
  return state_->get<Reranker>(context, name);
}

std::vector<ModelInfo> ModelRegistry::models() const {
  const std::vector<Entry> all = state_->entries();
  std::vector<ModelInfo> infos;
  for (const Entry& entry : all) {
    ModelInfo info;
    info.name = entry.files.name;
    info.kind = entry.files.kind;
    info.provider = entry.provider;
    info.version = entry.provider == kEmbedded ? entry.files.version : entry.remote.model;
    info.max_tokens = entry.files.max_tokens;
    info.context_tokens = entry.files.context_tokens;
    info.is_default = state_->default_of(info.kind, all) == info.name;
    {
      const std::lock_guard lock(state_->mutex);
      for (const auto& [key, embedder] : state_->embedders) {
        if (key.starts_with(info.name + "\n")) {
          info.dimensions = embedder.model->info().dimensions;
          info.version = embedder.model->info().version;
          info.max_tokens = embedder.model->info().max_tokens;
        }
      }
    }
    infos.push_back(std::move(info));
  }
  std::ranges::sort(infos, {}, &ModelInfo::name);
  return infos;
}

std::vector<fs::path> ModelRegistry::folders(const Config& config, const fs::path& data,
                                             const fs::path& builtin) {
  std::vector<fs::path> paths = {below(data, config.ai.models_folder)};
  if (!builtin.empty()) {
    paths.push_back(fs::absolute(builtin).lexically_normal());
  }
  for (const AiModelSettings& model : config.ai.models) {
    if (model.provider == kEmbedded) {
      paths.push_back(below(data, model.path));
    }
  }
  return paths;
}

}  // namespace lakehouse::ai
