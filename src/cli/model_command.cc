#include "cli/model_command.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "ai/known_models.h"
#include "ai/model_folder.h"
#include "ai/model_pull.h"
#include "ai/models.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/config_command.h"
#include "cli/display.h"
#include "cli/interrupt.h"
#include "cli/report.h"

namespace lakehouse::cli {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;
using ai::InstalledModel;
using ai::KnownModel;

constexpr std::size_t kBarWidth = 30;
constexpr auto kDrawEvery = std::chrono::milliseconds(100);

int report(const Error& error) {
  fmt::print(stderr, "{}", describe(error));
  return error.code == ErrorCode::Cancelled ? kExitInterrupted : kExitFailed;
}

json::object shown(const InstalledModel& model) {
  return {{"name", model.files.name},         {"kind", to_string(model.files.kind)},
          {"sha256", model.files.version},    {"size_bytes", model.size_bytes},
          {"source", model.source},           {"added_at", model.added_at},
          {"path", model.files.path.string()}};
}

/// One line on the standard error, drawn over and over; nothing where that is no terminal.
class Bar {
 public:
  ~Bar() { clear(); }
  Bar() = default;
  Bar(const Bar&) = delete;
  Bar& operator=(const Bar&) = delete;

  void draw(std::uint64_t done, std::uint64_t total, const std::string& doing) {
    const auto now = std::chrono::steady_clock::now();
    if (width_ == 0 || total == 0 || (now - drawn_ < kDrawEvery && doing == doing_)) {
      return;
    }
    drawn_ = now;
    doing_ = doing;
    const std::size_t full = std::min(done * kBarWidth / total, std::uint64_t{kBarWidth});
    const std::string line = fmt::format("[{}{}] {:3} %  {} of {}  {}", std::string(full, '#'),
                                         std::string(kBarWidth - full, '.'), done * 100 / total,
                                         human_bytes(static_cast<double>(done)),
                                         human_bytes(static_cast<double>(total)), doing);
    fmt::print(stderr, "\r\x1b[K{}", fit(line, width_ - 1));
    std::fflush(stderr);
  }
  void clear() {
    if (drawn_ != std::chrono::steady_clock::time_point()) {
      fmt::print(stderr, "\r\x1b[K");
      drawn_ = {};
    }
  }

 private:
  std::size_t width_ = terminal_width(STDERR_FILENO);
  std::chrono::steady_clock::time_point drawn_;
  std::string doing_;
};

int list(const ai::ModelFolder& folder, bool as_json) {
  const auto models = folder.list();
  const auto is_here = [&](const KnownModel& known) {
    return std::ranges::any_of(
        models, [&](const InstalledModel& model) { return model.files.name == known.name; });
  };
  if (as_json) {
    json::array here;
    json::array there;
    for (const InstalledModel& model : models) {
      here.push_back(shown(model));
    }
    for (const KnownModel& known : ai::known_models()) {
      if (!is_here(known)) {
        there.push_back(json::object{{"name", known.name},
                                     {"kind", to_string(known.kind)},
                                     {"size_bytes", known.size_bytes},
                                     {"description", known.description},
                                     {"licence", known.licence}});
      }
    }
    fmt::print("{}\n", to_json(json::object{{"models", here}, {"can_be_pulled", there}}));
    return kExitOk;
  }
  fmt::print("{}\n", models.empty() ? "no models were fetched or added yet" : "models here:");
  for (const InstalledModel& model : models) {
    fmt::print("  {:24} {:11} {:>10}  {}\n", model.files.name, to_string(model.files.kind),
               human_bytes(static_cast<double>(model.size_bytes)),
               model.files.version.substr(0, 12));
  }
  fmt::print("minilm, for embedding, comes with the program\n");
  bool first = true;
  for (const KnownModel& known : ai::known_models()) {
    if (!is_here(known)) {
      fmt::print(
          "{}  {:24} {:11} {:>10}  {} ({})\n",
          std::exchange(first, false) ? "can be fetched by `lakehouse model pull NAME`:\n" : "",
          known.name, to_string(known.kind), human_bytes(static_cast<double>(known.size_bytes)),
          known.description, known.licence);
    }
  }
  return kExitOk;
}

ai::ModelKind kind_named(const std::string& name) {
  return name == "embedding"   ? ai::ModelKind::Embedding
         : name == "reranking" ? ai::ModelKind::Reranking
                               : ai::ModelKind::Generation;
}

Result<InstalledModel> bring(const ModelOptions& options, const ai::ModelFolder& folder) {
  const InterruptGuard guard;
  Bar bar;
  ai::PullOptions pull;
  pull.interrupted = InterruptGuard::flag();
  pull.progress = [&bar](std::uint64_t done, std::uint64_t total, const std::string& doing) {
    bar.draw(done, total, doing);
  };
  ai::ModelFolder::Addition addition{.name = options.name,
                                     .kind = kind_named(options.kind),
                                     .sha256 = options.sha256,
                                     .pooling = options.pooling,
                                     .max_tokens = options.max_tokens};
  if (options.action == ModelOptions::Action::Add) {
    std::error_code ignored;
    addition.path = fs::absolute(options.path, ignored);
    addition.source = addition.path.string();
    return folder.add(addition, [&](std::uint64_t done, std::uint64_t total) {
      bar.draw(done, total, "copying");
      return !guard.interrupted();
    });
  }
  if (!options.url.empty()) {
    addition.source = options.url;
    return ai::pull_from(options.url, addition, folder, pull);
  }
  const KnownModel* known = ai::find_known_model(options.name);
  if (known == nullptr) {
    std::vector<std::string> names;
    for (const KnownModel& one : ai::known_models()) {
      names.emplace_back(one.name);
    }
    const std::string near = did_you_mean(options.name, names);
    return fail(ErrorCode::NotFound, fmt::format("no model '{}' is known", as_utf8(options.name)),
                near.empty() ? "`lakehouse model list` lists those that are; --from URL takes "
                               "another, with its --sha256."
                             : near);
  }
  return ai::pull_model(*known, folder, pull);
}

}  // namespace

int run_model(const ModelOptions& options) {
  const Result<LoadedConfig> loaded = load_config(config_sources(options.serve));
  if (!loaded) {
    return report(loaded.error());
  }
  const ai::ModelFolder folder(ai::models_folder(loaded->config, loaded->config.server.data));
  if (options.action == ModelOptions::Action::List) {
    return list(folder, options.json);
  }
  if (options.action == ModelOptions::Action::Remove) {
    const Status removed = folder.remove(options.name);
    if (!removed) {
      return report(removed.error());
    }
    fmt::print(stderr, "removed {}\n", options.name);
    return kExitOk;
  }
  const auto model = bring(options, folder);
  if (!model) {
    return report(model.error());
  }
  if (options.json) {
    fmt::print("{}\n", to_json(shown(*model)));
  } else {
    fmt::print("{}: {}, {}, SHA-256 {}\n", model->files.name, to_string(model->files.kind),
               human_bytes(static_cast<double>(model->size_bytes)), model->files.version);
  }
  return kExitOk;
}

}  // namespace lakehouse::cli
