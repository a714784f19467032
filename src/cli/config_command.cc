#include "cli/config_command.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <unistd.h>

#include "cli/report.h"

namespace lakehouse::cli {
namespace {

// Variables of ours that are no settings of the server.
constexpr std::array<std::string_view, 6> kOtherVariables = {
    "LAKEHOUSE_SERVER",         "LAKEHOUSE_TOKEN",         "LAKEHOUSE_HISTORY",
    "LAKEHOUSE_ENGINE_LIBRARY", "LAKEHOUSE_MODEL_LIBRARY", "LAKEHOUSE_MODELS"};

}  // namespace

ConfigSources config_sources(const ServeOptions& options) {
  ConfigSources sources;
  sources.file = options.config.empty() ? "lakehouse.toml" : options.config;
  sources.file_must_exist = !options.config.empty();
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string_view name = text.substr(0, text.find('='));
    if (name.starts_with("LAKEHOUSE_") &&
        std::ranges::find(kOtherVariables, name) == kOtherVariables.end()) {
      sources.environment_names.emplace_back(name);
    }
  }
  if (options.data) {
    sources.command_line.emplace_back("server.data", *options.data);
  }
  if (options.listen) {
    sources.command_line.emplace_back("server.listen", *options.listen);
  }
  if (options.insecure) {
    sources.command_line.emplace_back("server.insecure", "true");
  }
  return sources;
}

int run_config(const ConfigOptions& options) {
  if (options.action == ConfigOptions::Action::Docs) {
    fmt::print("{}", configuration_markdown());
    return kExitOk;
  }
  ServeOptions serve;
  serve.config = options.config;
  const Result<LoadedConfig> loaded = load_config(config_sources(serve));
  if (!loaded) {
    fmt::print(stderr, "{}", describe(loaded.error()));
    return kExitFailed;
  }
  if (options.action == ConfigOptions::Action::Show) {
    fmt::print("{}", show(*loaded));
  } else if (loaded->file.empty()) {
    fmt::print("there is no lakehouse.toml here; the defaults and the environment are valid\n");
  } else {
    fmt::print("{} is valid\n", loaded->file);
  }
  return kExitOk;
}

}  // namespace lakehouse::cli
