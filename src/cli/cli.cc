#include "cli/cli.h"

#include <cstdio>
#include <variant>

#include <fmt/format.h>

#include "ai/model_child.h"
#include "cli/ask_command.h"
#include "cli/config_command.h"
#include "cli/datasets_command.h"
#include "cli/ingest_command.h"
#include "cli/jobs_command.h"
#include "cli/keys_command.h"
#include "cli/model_command.h"
#include "cli/options.h"
#include "cli/queries_command.h"
#include "cli/rag_command.h"
#include "cli/report.h"
#include "cli/search_command.h"
#include "cli/sql_client.h"
#include "cli/trials_command.h"
#include "engine/engine_main.h"
#include "server/rebuild.h"
#include "server/server.h"

namespace lakehouse::cli {
namespace {

int run_serve(const ServeOptions& options) {
  const Result<LoadedConfig> loaded = load_config(config_sources(options));
  if (!loaded) {
    fmt::print(stderr, "{}", describe(loaded.error()));
    return kExitFailed;
  }
  return server::run(*loaded);
}

int run_rebuild(const RebuildOptions& options) {
  const Result<LoadedConfig> loaded = load_config(config_sources(options.serve));
  if (!loaded) {
    fmt::print(stderr, "{}", describe(loaded.error()));
    return kExitFailed;
  }
  return server::rebuild_catalog(*loaded, options.dry_run, kExitPartly);
}

struct Runner {
  int operator()(const ServeOptions& options) const { return run_serve(options); }
  int operator()(const EngineOptions& options) const {
    return engine::run_engine_child(options.arguments);
  }
  int operator()(const ModelProcessOptions& options) const {
    return ai::run_model_child(options.arguments);
  }
  int operator()(const ModelOptions& options) const { return run_model(options); }
  int operator()(const IngestOptions& options) const { return run_ingest(options); }
  int operator()(const SqlOptions& options) const { return run_sql(options); }
  int operator()(const DatasetsOptions& options) const { return run_datasets(options); }
  int operator()(const QueriesOptions& options) const { return run_queries(options); }
  int operator()(const JobsOptions& options) const { return run_jobs(options); }
  int operator()(const SearchOptions& options) const { return run_search(options); }
  int operator()(const AskOptions& options) const { return run_ask(options); }
  int operator()(const RagOptions& options) const { return run_rag(options); }
  int operator()(const IndexOptions& options) const { return run_index(options); }
  int operator()(const TrialsOptions& options) const { return run_trials(options); }
  int operator()(const ConfigOptions& options) const { return run_config(options); }
  int operator()(const KeysOptions& options) const { return run_keys(options); }
  int operator()(const RebuildOptions& options) const { return run_rebuild(options); }
  int operator()(const VersionOptions&) const {
    fmt::print("lakehouse {}\n", LAKEHOUSE_VERSION);
    return kExitOk;
  }
};

}  // namespace

int run(std::vector<std::string> arguments) {
  const Parsed parsed = parse_arguments(std::move(arguments));
  if (!parsed.options) {
    fmt::print(parsed.exit_code == kExitOk ? stdout : stderr, "{}", parsed.text);
    return parsed.exit_code;
  }
  return std::visit(Runner{}, *parsed.options);
}

}  // namespace lakehouse::cli
