#include "server/server.h"

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <pthread.h>

#include "ai/models.h"
#include "answer/ask_service.h"
#include "answer/rag_service.h"
#include "answer/verified_questions.h"
#include "base/machine.h"
#include "base/metrics.h"
#include "catalog/catalog.h"
#include "catalog/registry.h"
#include "catalog/schema_rules.h"
#include "engine/engine_lanes.h"
#include "gateway/gateway.h"
#include "governance/authenticator.h"
#include "iceberg/manifest.h"
#include "ingest/dataset_service.h"
#include "ingest/ingest_service.h"
#include "ingest/schema_service.h"
#include "jobs/job_service.h"
#include "metastore/metastore.h"
#include "query/cluster.h"
#include "query/compaction.h"
#include "query/dataset_profile.h"
#include "query/hot_tables.h"
#include "query/pii_scanner.h"
#include "query/query_log.h"
#include "query/query_service.h"
#include "query/row_check.h"
#include "query/staging.h"
#include "query/table_source.h"
#include "query/table_writer.h"
#include "query/view_lineage.h"
#include "server/data_folder.h"
#include "server/parts.h"
#include "storage/buckets.h"
#include "vector/lance_engine.h"
#include "vector/table_functions.h"
#include "vector/trial_service.h"
#include "vector/vector_service.h"

namespace lakehouse::server {
namespace {

constexpr std::chrono::seconds kEngineStartMax{30};

std::uint64_t cache_memory_bytes(const Config& config) {
  if (config.query.cache_memory.bytes != 0) {
    return config.query.cache_memory.bytes;
  }
  const std::uint64_t engine = config.engine.memory_limit.bytes;
  return (engine == 0 ? memory_bytes_allowed() / 10 * 6 : engine) / 4;
}

/// What all engine children have in common.
Result<engine::EngineOptions> engine_options(const Config& config, const DataFolder& data,
                                             const storage::Buckets& buckets, Log& log) {
  engine::EngineOptions options;
  LH_ASSIGN_OR_RETURN(options.grant, engine_grant(buckets));
  options.spill_directory = data.run() / "spill";
  options.memory_limit_bytes = config.engine.memory_limit.bytes;
  options.threads = static_cast<unsigned>(config.engine.threads);
  options.statements_max = static_cast<unsigned>(config.engine.statements_max);
  options.sandbox = config.engine.sandbox == "strict" ? engine::SandboxMode::Strict
                                                      : engine::SandboxMode::BestEffort;
  options.on_log = [&log](std::string_view line) { log.write(LogLevel::Info, "engine", line); };
  options.spill_bytes_max = config.engine.spill_limit.bytes;
  return options;
}

Result<std::unique_ptr<engine::EngineLanes>> start_engine(const Config& config,
                                                          const DataFolder& data,
                                                          const storage::Buckets& buckets,
                                                          Log& log) {
  LH_ASSIGN_OR_RETURN(engine::EngineOptions options, engine_options(config, data, buckets, log));
  engine::EngineLanesOptions lanes{.engine = std::move(options)};
  lanes.light_places = static_cast<unsigned>(config.engine.light_statements);
  lanes.heavy_places = static_cast<unsigned>(config.engine.heavy_statements);
  lanes.file_places = static_cast<unsigned>(config.engine.file_engines);
  lanes.waiting_max = static_cast<unsigned>(config.engine.waiting_max);
  lanes.light_scan_bytes_max = config.engine.light_bytes.bytes;
  lanes.light_time = config.engine.light_time;
  lanes.held_bytes_max = cache_memory_bytes(config);
  return engine::EngineLanes::start(std::move(lanes));
}

jobs::JobService::Options job_options(const Config& config) {
  jobs::JobService::Options options;
  options.workers = static_cast<std::size_t>(config.jobs.workers);
  options.is_shared = metastore::is_shared(config.metastore.url);
  options.keep_over = config.jobs.keep;
  return options;
}

}  // namespace

/// In the order in which they are made; they go the other way round.
class Server::Parts {
 public:
  explicit Parts(DataFolder data) : data_(std::move(data)) {}

  ~Parts() { stop(std::chrono::milliseconds(0)); }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  Status make(const Config& config, Log& log) {
    grace_ = config.server.shutdown_grace;
    LH_ASSIGN_OR_RETURN(buckets_, open_buckets(config, data_));
    // Early, because it takes longest and comes up beside the rest.
    LH_ASSIGN_OR_RETURN(engine_, start_engine(config, data_, *buckets_, log));
    // What other servers write there now is at most as old as a request may be.
    query::remove_stale_staging(
        *buckets_, std::chrono::hours(metastore::is_shared(config.metastore.url) ? 24 : 0));
    LH_ASSIGN_OR_RETURN(metastore_, open_metastore(config, data_));
    jobs_ = jobs::make_job_service(*metastore_, log, metrics_, job_options(config));
    LH_ASSIGN_OR_RETURN(
        models_, ai::Models::open(config, data_.path(), metrics_, [&log](std::string_view line) {
          log.write(LogLevel::Info, "model", line);
        }));
    LH_RETURN_IF_ERROR(make_authenticator(config, log));
    LH_ASSIGN_OR_RETURN(catalog_,
                        catalog::Catalog::open(*buckets_, *metastore_, catalog_options(config)));
    registry_.emplace(*catalog_, *metastore_);
    source_.emplace(*engine_, *buckets_, manifests_);
    writer_.emplace(*catalog_, *engine_, *buckets_, manifests_);
    query::QueryService::Options query_options;
    query_options.timeout = config.query.timeout;
    query_log_.emplace(*metastore_, query::QueryLog::Options{.rows_max = config.query.log_rows});
    query_options.log = &*query_log_;
    LH_ASSIGN_OR_RETURN(query_options.log_text, query::log_text_from(config.query.log_statements));
    query_options.row_limit = static_cast<std::uint64_t>(config.query.row_limit);
    macros_.emplace(*metastore_);
    query_options.planner.macros = &*macros_;
    query_options.result_bytes_max = config.query.result_cache.bytes;
    hot_.emplace(*catalog_, *engine_, *source_, manifests_, *metastore_,
                 query::HotTables::Options{.bytes_max = cache_memory_bytes(config)});
    query_options.planner.hot = &*hot_;
    LH_ASSIGN_OR_RETURN(cluster_, open_cluster(config, *engine_));
    query_options.cluster = cluster_.get();
    query_options.planner.table_functions = {&search_functions_};
    query_.emplace(*catalog_, *engine_, *source_, *writer_, query_options);
    view_lineage_.emplace(*catalog_, *registry_, *engine_);
    schema_rules_.emplace(*metastore_);
    pii_.emplace(*catalog_, *registry_, *metastore_, *engine_, *query_);
    profiler_.emplace(*catalog_, *metastore_, *pii_, *query_);
    row_guard_.emplace(*catalog_, *engine_, *source_, query_options.planner);
    ingest_.emplace(*catalog_, *engine_, *buckets_, *writer_, &*schema_rules_, &*pii_, &*engine_,
                    &*row_guard_);
    datasets_.emplace(*catalog_, *writer_, *buckets_);
    schemas_.emplace(*catalog_, *engine_, *query_, *writer_, *ingest_, *schema_rules_);
    LH_RETURN_IF_ERROR(make_vectors(config, log));
    const gateway::Services services{.buckets = *buckets_,
                                     .metastore = *metastore_,
                                     .jobs = *jobs_,
                                     .models = models_->service(),
                                     .authenticator = authenticator_.get(),
                                     .manifests = manifests_,
                                     .catalog = *catalog_,
                                     .policies = query_options.planner.policies,
                                     .registry = *registry_,
                                     .engine = *engine_,
                                     .query = *query_,
                                     .source = *source_,
                                     .writer = *writer_,
                                     .query_log = *query_log_,
                                     .hot = *hot_,
                                     .view_lineage = *view_lineage_,
                                     .ingest = *ingest_,
                                     .datasets = *datasets_,
                                     .schemas = *schemas_,
                                     .pii = *pii_,
                                     .profiler = *profiler_,
                                     .vectors = *vectors_,
                                     .trials = *trials_,
                                     .rag = *rag_,
                                     .ask = *ask_,
                                     .verified_questions = *verified_questions_};
    LH_ASSIGN_OR_RETURN(
        gateway_, gateway::Gateway::start(config, services, log, metrics_, LAKEHOUSE_VERSION));
    jobs_->run();  // By now all kinds are known to it.
    vectors_->run();
    if (config.engine.sandbox == "strict") {
      // By now it has come up beside all this.
      RequestContext context;
      context.deadline = std::chrono::steady_clock::now() + kEngineStartMax;
      LH_RETURN_IF_ERROR(engine_->wait_ready(context));
    }
    LH_ASSIGN_OR_RETURN(const ListenAddress address, parse_listen(config.server.listen));
    url_ =
        fmt::format("{}://{}:{}", config.server.tls_cert.empty() ? "http" : "https",
                    address.host.contains(':') ? fmt::format("[{}]", address.host) : address.host,
                    gateway_->port());
    return {};
  }

  void stop(std::chrono::milliseconds grace) {
    if (gateway_ != nullptr) {
      gateway_->stop(grace);
    }
    if (vectors_ != nullptr) {
      vectors_->stop();
    }
    if (jobs_ != nullptr) {
      jobs_->stop();  // While all that they use still works.
    }
    if (models_ != nullptr) {
      models_->stop();  // As the engine.
    }
    if (engine_ != nullptr) {
      engine_->stop();  // What still waits for it on a pool gives up.
    }
    if (lance_) {
      lance_->stop();
    }
    gateway_.reset();
  }

  [[nodiscard]] const std::string& url() const { return url_; }
  [[nodiscard]] std::chrono::milliseconds grace() const { return grace_; }

 private:
  Status make_vectors(const Config& config, Log& log) {
    compactor_.emplace(*catalog_, *engine_, *source_, *writer_, *buckets_);
    vector::VectorService::Options options;
    // Mapped files are most of it, which the kernel may take back.
    options.memory_max = memory_bytes_allowed() / 4;
    LH_ASSIGN_OR_RETURN(engine::EngineOptions lance, engine_options(config, data_, *buckets_, log));
    lance.spill_directory = data_.run() / "lance";
    lance.memory_limit_bytes = cache_memory_bytes(config);  // What Lance takes is not counted.
    lance_.emplace(std::move(lance), vector::find_lance_extension());
    LH_ASSIGN_OR_RETURN(vectors_, vector::make_vector_service({.catalog = *catalog_,
                                                               .metastore = *metastore_,
                                                               .buckets = *buckets_,
                                                               .engine = *engine_,
                                                               .query = *query_,
                                                               .writer = *writer_,
                                                               .compactor = *compactor_,
                                                               .jobs = *jobs_,
                                                               .models = models_->service(),
                                                               .lance = &*lance_,
                                                               .policies = nullptr,
                                                               .log = log,
                                                               .metrics = metrics_},
                                                              options));
    search_functions_.bind(vectors_.get());
    trials_.emplace(vector::TrialService::Parts{.vectors = *vectors_,
                                                .jobs = *jobs_,
                                                .models = models_->service(),
                                                .metastore = *metastore_,
                                                .catalog = *catalog_,
                                                .buckets = *buckets_,
                                                .query_log = *query_log_});
    rag_ = answer::make_rag_service({.vectors = *vectors_,
                                     .models = models_->service(),
                                     .query = *query_,
                                     .catalog = *catalog_,
                                     .metastore = *metastore_,
                                     .log = log});
    verified_questions_.emplace(*metastore_);
    ask_.emplace(*query_, models_->service(), *verified_questions_, answer::AskService::Options());
    return {};
  }

  Status make_authenticator(const Config& config, Log& log) {
    if (!config.auth.enabled) {
      return {};
    }
    governance::Authenticator::Options options;
    options.secrets_file = config.secrets.file;
    options.keys = config.auth.keys;
    options.token_lifetime = config.auth.token_lifetime;
    auto opened = governance::Authenticator::open(*metastore_, std::move(options));
    if (!opened) {
      return std::unexpected(
          std::move(opened).error().with_context("read the keys of 'auth.keys'"));
    }
    authenticator_ = *std::move(opened);
    std::error_code ignored;
    const auto mode = std::filesystem::status(config.secrets.file, ignored).permissions();
    if ((mode & std::filesystem::perms::others_read) != std::filesystem::perms::none) {
      log.write(LogLevel::Warn, "server",
                "everybody on this machine can read the file of 'secrets.file'; chmod o-r it");
    }
    if (config.server.tls_cert.empty() && !config.server.listen.starts_with("127.")) {
      log.write(LogLevel::Warn, "server",
                "keys are asked for over plain HTTP: whoever sees the traffic sees them; "
                "set server.tls_cert unless something in front of this server speaks TLS");
    }
    return {};
  }

  DataFolder data_;
  std::chrono::milliseconds grace_{0};
  std::string url_;
  Metrics metrics_;
  std::unique_ptr<engine::EngineLanes> engine_;
  std::unique_ptr<storage::Buckets> buckets_;
  std::unique_ptr<metastore::Metastore> metastore_;
  std::unique_ptr<ai::Models> models_;
  std::unique_ptr<jobs::JobService> jobs_;  ///< Stopped before what its runners use goes.
  std::unique_ptr<governance::Authenticator> authenticator_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::optional<catalog::Registry> registry_;
  iceberg::ManifestCache manifests_;
  std::optional<query::TableSource> source_;
  std::optional<query::TableWriter> writer_;
  std::optional<query::HotTables> hot_;
  std::optional<query::QueryLog> query_log_;
  std::optional<query::MacroStore> macros_;
  std::unique_ptr<query::Cluster> cluster_;   ///< Null: none is configured.
  vector::SearchFunctions search_functions_;  ///< Bound to `vectors_` once that is there.
  std::optional<query::QueryService> query_;
  std::optional<query::ViewLineage> view_lineage_;
  std::optional<catalog::SchemaRules> schema_rules_;
  std::optional<query::PiiScanner> pii_;
  std::optional<query::DatasetProfiler> profiler_;
  std::optional<query::RowGuard> row_guard_;
  std::optional<ingest::IngestService> ingest_;
  std::optional<ingest::DatasetService> datasets_;
  std::optional<ingest::SchemaService> schemas_;
  std::optional<query::Compactor> compactor_;
  std::optional<vector::LanceEngine> lance_;
  std::unique_ptr<vector::VectorService> vectors_;
  std::optional<vector::TrialService> trials_;
  std::unique_ptr<answer::RagService> rag_;
  std::optional<answer::VerifiedQuestions> verified_questions_;
  std::optional<answer::AskService> ask_;
  std::unique_ptr<gateway::Gateway> gateway_;
};

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::start(const Config& config, Log& log) {
  LH_ASSIGN_OR_RETURN(DataFolder data, open_data_folder(config));
  auto parts = std::make_unique<Parts>(std::move(data));
  LH_RETURN_IF_ERROR(parts->make(config, log));
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

std::string Server::url() const {
  return parts_->url();
}

void Server::stop() {
  parts_->stop(parts_->grace());
}

namespace {

int report(const Error& error) {
  fmt::print(stderr, "lakehouse: {}\n", error.message);
  if (!error.hint.empty()) {
    fmt::print(stderr, "{}\n", error.hint);
  }
  return 1;
}

/// SIGINT and SIGTERM, held back from all threads and asked for by one.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  ~StopSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  int wait() {
    int signal = 0;
    sigwait(&set_, &signal);
    return signal;
  }

  /// From now on they end the process again.
  void release() { pthread_sigmask(SIG_UNBLOCK, &set_, nullptr); }

 private:
  sigset_t set_{};
  sigset_t before_{};
};

}  // namespace

int run(const LoadedConfig& loaded) {
  const auto level = log_level_from(loaded.config.server.log_level);
  const auto format = log_format_from(loaded.config.server.log_format);
  if (!level || !format) {
    return report(level ? format.error() : level.error());
  }
  Log log({.level = *level, .format = *format, .file = {}});
  std::signal(SIGPIPE, SIG_IGN);
  StopSignals signals;  // Before any thread is started: they inherit the mask.
  auto server = Server::start(loaded.config, log);
  if (!server) {
    return report(server.error());
  }
  const std::string url = (*server)->url();
  log.write(LogLevel::Info, "server", "ready",
            {{.name = "url", .value = std::string_view(url)},
             {.name = "version", .value = std::string_view(LAKEHOUSE_VERSION)},
             {.name = "config", .value = std::string_view(loaded.file)}});
  fmt::print("lakehouse ready {}\n", url);
  std::fflush(stdout);

  const int signal = signals.wait();
  log.write(LogLevel::Info, "server", "stopping",
            {{.name = "signal", .value = std::int64_t{signal}}});
  signals.release();
  (*server)->stop();
  server->reset();
  log.write(LogLevel::Info, "server", "stopped");
  return 0;
}

}  // namespace lakehouse::server
